//! Answers of the module.

use redis::Value;

use crate::text::escape;

/// A map, as RESP2 or RESP3 gives it.
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// None for a missing pool or order.
    pub fn of(value: &Value) -> Option<Fields> {
        let name = |v: &Value| redis::from_redis_value::<String>(v).unwrap_or_default();
        match value {
            Value::Map(pairs) => Some(Fields(pairs.iter().map(|(n, v)| (name(n), v.clone())).collect())),
            Value::Array(flat) => {
                let pairs = flat.chunks_exact(2).filter_map(|pair| Some((name(pair.first()?), pair.get(1)?.clone())));
                Some(Fields(pairs.collect()))
            }
            _ => None,
        }
    }

    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(|v| redis::from_redis_value(v).ok())
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|v| redis::from_redis_value(v).ok())
    }

    /// All fields, as they came.
    pub fn pairs(&self) -> &[(String, Value)] {
        &self.0
    }
}

/// The bytes of a string.
pub fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        Value::SimpleString(text) => text.clone().into_bytes(),
        Value::VerbatimString { text, .. } => text.clone().into_bytes(),
        Value::Int(n) => n.to_string().into_bytes(),
        Value::Okay => b"OK".to_vec(),
        _ => Vec::new(),
    }
}

/// The status word of an answer that decides something, and the rest.
pub fn decision(value: &Value) -> (String, &[Value]) {
    match value {
        Value::Array(items) => match items.split_first() {
            Some((word, rest)) => (escape(&bytes(word)), rest),
            None => (String::new(), &[]),
        },
        Value::ServerError(error) => (format!("{} {}", error.code(), error.details().unwrap_or_default()), &[]),
        other => (escape(&bytes(other)), &[]),
    }
}
