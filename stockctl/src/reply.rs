//! What servers answer: maps by name, and as JSON.

use redis::Value;
use serde_json::{json, Map};

use crate::text::escape;

/// The bytes of a text; empty where it is none.
pub fn bytes(value: &Value) -> &[u8] {
    match value {
        Value::BulkString(bytes) => bytes,
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.as_bytes(),
        Value::Okay => b"OK",
        _ => b"",
    }
}

/// A text or number for people.
pub fn text(value: &Value) -> String {
    match value {
        Value::Int(n) => n.to_string(),
        Value::Nil => "-".to_string(),
        other => escape(bytes(other)),
    }
}

/// A number; none where it is no number.
pub fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(n) => Some(*n),
        other => std::str::from_utf8(bytes(other)).ok()?.parse().ok(),
    }
}

/// The elements of an array; none where it is no array.
pub fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) | Value::Set(items) => items,
        _ => &[],
    }
}

/// The names and values of a map, which RESP2 answers as an array.
pub fn pairs(value: &Value) -> Vec<(&Value, &Value)> {
    match value {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| (name, value)).collect(),
        other => list(other).chunks_exact(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?))).collect(),
    }
}

/// The value of a name in a map; nil where it is not there.
pub fn field<'a>(map: &'a Value, name: &str) -> &'a Value {
    let found = pairs(map).into_iter().find(|(n, _)| bytes(n) == name.as_bytes());
    found.map_or(&Value::Nil, |(_, value)| value)
}

/// A number of a map; 0 where it is not there.
pub fn number(map: &Value, name: &str) -> i64 {
    int(field(map, name)).unwrap_or_default()
}

/// An answer as JSON. Bytes stand as [`escape`] writes them.
pub fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Int(n) => json!(n),
        Value::Double(n) => json!(n),
        Value::Boolean(b) => json!(b),
        Value::Array(items) | Value::Set(items) => items.iter().map(json).collect(),
        Value::Map(pairs) => {
            let named: Map<_, _> = pairs.iter().map(|(name, value)| (text(name), json(value))).collect();
            named.into()
        }
        other => json!(escape(bytes(other))),
    }
}

/// The lines `name:value` of INFO.
pub fn info(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.trim().split_once(':'))
}

/// The value of a name in INFO.
pub fn info_field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    info(text).find(|(n, _)| *n == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_in_both_protocols() {
        let name = || Value::BulkString(b"held".to_vec());
        for map in [Value::Map(vec![(name(), Value::Int(3))]), Value::Array(vec![name(), Value::Int(3)])] {
            assert_eq!(number(&map, "held"), 3);
            assert_eq!(field(&map, "other"), &Value::Nil);
        }
    }

    #[test]
    fn info_has_names_and_values() {
        let text = "# Stock\r\nstock_pools:3\r\nslave0:ip=1.2.3.4,port=5\r\n";
        assert_eq!(info_field(text, "stock_pools"), Some("3"));
        assert_eq!(info_field(text, "slave0"), Some("ip=1.2.3.4,port=5"));
        assert_eq!(info_field(text, "# Stock"), None);
    }
}
