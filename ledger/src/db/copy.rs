//! Rows that are certainly new, into PostgreSQL: COPY takes many of them at once, where INSERT
//! looks at each whether it is there already.

use std::io::Write as _;

use anyhow::{bail, Result};

use super::connection::Connection;
use super::query::Value;

/// Sends rows. Their values stand in the order of the columns.
///
/// # Errors
/// `sqlx::Error::Database`: one of the rows is there already (23505). `only PostgreSQL has COPY`.
pub(super) async fn copy<'q, const N: usize>(
    connection: &mut Connection,
    table: &str,
    columns: &[&str; N],
    rows: impl Iterator<Item = [Value<'q>; N]>,
) -> Result<()> {
    let Connection::Postgres(connection) = connection else { bail!("only PostgreSQL has COPY") };
    let mut text = Vec::new();
    rows.for_each(|row| push_row(&mut text, &row));
    if text.is_empty() {
        return Ok(());
    }
    let sql = format!("COPY {table} ({}) FROM STDIN", columns.join(","));
    let mut copy = connection.copy_in_raw(&sql).await?;
    copy.send(text).await?;
    copy.finish().await?;
    Ok(())
}

/// A row in the text form of COPY.
fn push_row(to: &mut Vec<u8>, row: &[Value<'_>]) {
    for (n, value) in row.iter().enumerate() {
        if n > 0 {
            to.push(b'\t');
        }
        match value {
            Value::Text(Some(text)) => push_escaped(to, text.as_bytes()),
            // Writing into memory does not fail.
            Value::Number(number) => drop(write!(to, "{number}")),
            Value::Text(None) | Value::Texts(_) | Value::Numbers(_) => to.extend_from_slice(b"\\N"),
        }
    }
    to.push(b'\n');
}

/// What separates values and rows, and what escapes them, is escaped.
fn push_escaped(to: &mut Vec<u8>, text: &[u8]) {
    if !text.iter().any(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
        to.extend_from_slice(text);
        return;
    }
    for byte in text {
        match byte {
            b'\\' => to.extend_from_slice(b"\\\\"),
            b'\t' => to.extend_from_slice(b"\\t"),
            b'\n' => to.extend_from_slice(b"\\n"),
            b'\r' => to.extend_from_slice(b"\\r"),
            byte => to.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_end_a_value_or_a_row() {
        let mut text = Vec::new();
        push_row(&mut text, &["a\tb\\N\r\nc".into(), (-7i64).into()]);
        push_row(&mut text, &["".into(), Value::Text(None)]);
        assert_eq!(String::from_utf8(text).expect("text"), "a\\tb\\\\N\\r\\nc\t-7\n\t\\N\n");
    }
}
