//! What a server answers, with every type of RESP2 and RESP3 kept apart.

use std::fmt::{self, Write as _};

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Nil,
    Int(i64),
    Status(Vec<u8>),
    Bulk(Vec<u8>),
    Error(Vec<u8>),
    Double(f64),
    Bool(bool),
    /// A verbatim text (without its `txt:`), or a number too big for `Int`.
    Other(Vec<u8>),
    Array(Vec<Value>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Value::Int(n) => *n,
            other => panic!("not an integer: {other}"),
        }
    }

    /// The bytes of a status or of a bulk string.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Value::Status(b) | Value::Bulk(b) | Value::Other(b) => b,
            other => panic!("not a string: {other}"),
        }
    }

    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    #[track_caller]
    pub fn items(&self) -> &[Value] {
        match self {
            Value::Array(v) | Value::Set(v) | Value::Push(v) => v,
            other => panic!("not an array: {other}"),
        }
    }

    #[track_caller]
    pub fn error(&self) -> String {
        match self {
            Value::Error(b) => String::from_utf8_lossy(b).into_owned(),
            other => panic!("not an error: {other}"),
        }
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// A map as RESP3 sends it, or the flat array that stands for it in RESP2.
    #[track_caller]
    pub fn pairs(&self) -> Vec<(String, Value)> {
        match self {
            Value::Map(m) => m.iter().map(|(k, v)| (k.text(), v.clone())).collect(),
            Value::Array(v) => {
                assert!(v.len() % 2 == 0, "an odd flat map: {self}");
                v.chunks(2).map(|p| (p[0].text(), p[1].clone())).collect()
            }
            other => panic!("not a map: {other}"),
        }
    }

    /// One field of a map.
    #[track_caller]
    pub fn field(&self, name: &str) -> Value {
        self.pairs()
            .into_iter()
            .find_map(|(k, v)| (k == name).then_some(v))
            .unwrap_or_else(|| panic!("no field {name} in {self}"))
    }
}

/// The status word of an answer that decides something: the first element of its array.
#[track_caller]
pub fn status_word(value: &Value) -> String {
    match value {
        Value::Array(items) if !items.is_empty() => items[0].text(),
        other => panic!("an answer without a status word: {other}"),
    }
}

/// Digits in a string are quoted, so that `"5"` and `5` are not taken for each other.
fn write_bytes(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let text: String = bytes.escape_ascii().to_string();
    let looks_other = text.is_empty() || text == "nil" || text.parse::<f64>().is_ok();
    if looks_other {
        write!(f, "\"{text}\"")
    } else {
        f.write_str(&text)
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, open: char, items: &[Value], close: char) -> fmt::Result {
    f.write_char(open)?;
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    f.write_char(close)
}

/// One line, as tests spell what they expect: `[OK, 2, 8, 0]`, `-CONFLICT …`, `nil`, `{a: 1}`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Status(b) | Value::Bulk(b) | Value::Other(b) => write_bytes(f, b),
            Value::Error(b) => write!(f, "-{}", b.escape_ascii()),
            Value::Double(d) => write!(f, "{d:?}d"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Array(v) => write_list(f, '[', v, ']'),
            Value::Set(v) => write_list(f, '~', v, '~'),
            Value::Push(v) => write_list(f, '>', v, '<'),
            Value::Map(m) => {
                f.write_char('{')?;
                for (i, (k, v)) in m.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{k}: {v}")?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any characters.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn patterns() {
    assert!(fits("[OK, 2, *]", "[OK, 2, 17]"));
    assert!(fits("*", ""));
    assert!(fits("[OK, *, 8, *]", "[OK, 2, 8, 5]"));
    assert!(!fits("[OK, 2]", "[OK, 2, 17]"));
    assert!(!fits("a*b*a", "ab"));
    assert!(!fits("ab*ba", "aba"));
}
