//! What the server answers to a call that decides something.

use anyhow::{bail, Result};
use redis::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Ok(Vec<i64>),
    Exists { state: String, qty: i64 },
    SoldOut { available: i64 },
    Limited { limit: String, used: i64, max: i64 },
    Closed { state: String },
    NoOrder,
    Other(String),
}

pub fn parse(value: Value) -> Result<Answer> {
    let Value::Array(items) = value else { bail!("a decision is an array, not {value:?}") };
    let int = |at: usize| -> Result<i64> {
        match items.get(at) {
            Some(Value::Int(n)) => Ok(*n),
            other => bail!("an integer should be at {at}, not {other:?}, in {items:?}"),
        }
    };
    let text = |at: usize| match items.get(at) {
        Some(Value::BulkString(bytes)) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Some(Value::SimpleString(text)) => Ok(text.clone()),
        Some(Value::Okay) => Ok("OK".to_owned()),
        other => bail!("a text should be at {at}, not {other:?}, in {items:?}"),
    };
    Ok(match text(0)?.as_str() {
        "OK" => Answer::Ok((1..items.len()).map(int).collect::<Result<_>>()?),
        "EXISTS" => Answer::Exists { state: text(2)?, qty: int(3)? },
        "SOLDOUT" => Answer::SoldOut { available: int(2)? },
        "LIMITED" => Answer::Limited { limit: text(2)?, used: int(4)?, max: int(5)? },
        "CLOSED" => Answer::Closed { state: text(2)? },
        "NOORDER" => Answer::NoOrder,
        _ => Answer::Other(format!("{items:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn answers_are_read_by_their_status_word() {
        let limited = vec![
            bulk("LIMITED"),
            bulk("key"),
            bulk("user/day/units"),
            Value::Array(vec![bulk("7")]),
            Value::Int(2),
            Value::Int(2),
            Value::Int(0),
        ];
        let limit = "user/day/units".to_owned();
        assert_eq!(parse(Value::Array(limited)).unwrap(), Answer::Limited { limit, used: 2, max: 2 });
        let taken = vec![Value::Okay, Value::Int(2), Value::Int(5), Value::Int(9)];
        assert_eq!(parse(Value::Array(taken)).unwrap(), Answer::Ok(vec![2, 5, 9]));
        assert!(parse(Value::Array(vec![bulk("SOLDOUT"), bulk("key")])).is_err());
        assert!(parse(Value::Okay).is_err());
    }
}
