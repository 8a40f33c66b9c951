//! The subcommands, one file each: its arguments (`Args`, whose doc comment is its help), what it
//! asks, and how it shows the answer.

pub mod balance;
pub mod explain;
pub mod holds;
pub mod metrics;
pub mod pools;
pub mod top;
pub mod verify;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Rows of text as a table.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    table
}

/// An attribute as it is typed: `user=42`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The dimension.
    pub dimension: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Reads `dimension=value`; the value may be any bytes.
fn attribute(text: OsString) -> Result<Attribute, String> {
    let bytes = text.into_vec();
    let at = bytes.iter().position(|b| *b == b'=').filter(|at| *at > 0);
    let (dimension, value) = bytes.split_at(at.ok_or("write it as user=42")?);
    Ok(Attribute { dimension: dimension.to_vec(), value: value.get(1..).unwrap_or_default().to_vec() })
}

/// `FOR dim value …`, where there is something.
fn push_attributes(command: &mut redis::Cmd, attributes: &[Attribute]) {
    if !attributes.is_empty() {
        command.arg("FOR");
    }
    for attribute in attributes {
        command.arg(&attribute.dimension).arg(&attribute.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_a_dimension_and_any_value() {
        let read = |text: &str| attribute(text.into()).map(|a| (a.dimension, a.value));
        assert_eq!(read("user=42"), Ok((b"user".to_vec(), b"42".to_vec())));
        assert_eq!(read("user=a=b"), Ok((b"user".to_vec(), b"a=b".to_vec())));
        assert_eq!(read("user="), Ok((b"user".to_vec(), Vec::new())));
        assert!(read("=42").is_err() && read("42").is_err());
    }
}
