//! Answers and errors.

use crate::reply::Reply;

pub(super) fn int(value: i128) -> Reply {
    Reply::Int(i64::try_from(value).expect("every sum is bounded"))
}

pub(super) fn words(items: &[Reply]) -> Reply {
    Reply::Array(items.to_vec())
}

pub(super) fn ok(rest: &[Reply]) -> Reply {
    let mut items = vec![Reply::bulk("OK")];
    items.extend_from_slice(rest);
    Reply::Array(items)
}

pub(super) fn status_ok() -> Reply {
    Reply::Status("OK".into())
}

pub(super) fn map(fields: Vec<(&str, Reply)>) -> Reply {
    let fields = fields.into_iter().map(|(name, value)| (Reply::bulk(name), value));
    Reply::Map(fields.collect())
}

pub(super) fn refusal(word: &str, key: &[u8]) -> Reply {
    words(&[Reply::bulk(word), Reply::bulk(key)])
}

pub(super) fn error(text: &str) -> Reply {
    Reply::Error(format!("ERR {text}"))
}

pub(super) fn conflict(text: &str) -> Reply {
    Reply::Error(format!("CONFLICT {text}"))
}

pub(super) fn syntax() -> Reply {
    error("syntax error")
}

pub(super) fn arity() -> Reply {
    error("wrong number of arguments")
}
