//! The typed result of an answer, as every library gives it: clients/README.md.

use serde_json::{json, Map, Value as Json};

use super::vectors::text;
use testkit::Value;

/// The result of an answer in either protocol.
pub fn result_of(method: &str, value: &Value) -> Json {
    match value {
        Value::Error(line) => error(&String::from_utf8_lossy(line)),
        Value::Array(items) if method.ends_with("batch") => {
            let one = method.trim_end_matches("batch");
            let answers: Vec<Json> = items.iter().map(|answer| result_of(one, answer)).collect();
            json!({"type": "batch", "answers": answers})
        }
        Value::Array(items) if decides(method) => decision(method, items),
        _ => plain(method, value),
    }
}

/// Whether the command answers an array with a status word, or may answer one where the pool is
/// missing.
fn decides(method: &str) -> bool {
    !["limits", "usage", "get", "available", "order", "orders", "policy", "verify", "explain"].contains(&method)
}

/// How a library treats an error.
pub fn error(line: &str) -> Json {
    let code = line.split(' ').next().unwrap_or_default();
    let class = match code {
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" | "BUSY" | "MOVED" | "ASK" => "unsure",
        "NOREPLICAS" | "OOM" | "MISCONF" => "unavailable",
        _ => "bug",
    };
    json!({"type": "error", "class": class, "code": code})
}

fn of(kind: &str, names: &[&str], values: &[Value]) -> Json {
    assert_eq!(names.len(), values.len(), "{kind}: {values:?}");
    let mut result = Map::new();
    result.insert("type".into(), kind.into());
    result.extend(names.iter().zip(values).map(|(name, value)| ((*name).to_string(), json_of(value))));
    Json::Object(result)
}

fn refused(word: &str, names: &[&str], values: &[Value]) -> Json {
    let mut result = of("refused", names, values);
    result["word"] = word.into();
    result
}

fn decision(method: &str, items: &[Value]) -> Json {
    let (word, rest) = (items[0].text(), &items[1..]);
    match word.as_str() {
        "OK" => {
            let (kind, names): (&str, &[&str]) = match method {
                "reserve" | "check" => ("held", &["quantity", "available", "deadline_ms"]),
                "confirm" => ("confirmed", &["quantity", "sold"]),
                "release" => ("released", &["quantity", "available"]),
                "amend" => ("amended", &["quantity", "available"]),
                "split" => ("split", &["quantity", "left", "deadline_ms"]),
                "extend" => ("extended", &["deadline_ms"]),
                "return" => ("returned", &["quantity", "available", "sold"]),
                "mreserve" => ("cart_held", &["deadline_ms"]),
                "add" => ("added", &["on_hand", "available"]),
                "transfer" => ("transferred", &["on_hand", "available", "to_on_hand", "to_available"]),
                "reconcile" => ("reconciled", &["drift", "on_hand", "available"]),
                _ => ("done", &[]),
            };
            of(kind, names, rest)
        }
        "EXISTS" => of("exists", &["key", "state", "quantity", "returned", "deadline_ms"], rest),
        "SOLDOUT" => refused(&word, &["key", "available"], rest),
        "LIMITED" => refused(&word, &["key", "limit", "value", "used", "max", "resets_ms"], rest),
        "CLOSED" => refused(&word, &["key", "state"], rest),
        "EARLY" => refused(&word, &["key", "from_ms"], rest),
        "ENDED" => refused(&word, &["key", "until_ms"], rest),
        // Also a word of a newer server, whatever follows the key.
        _ => refused(&word, &["key"], &rest[..1]),
    }
}

/// Answers without a status word, and reads.
fn plain(method: &str, value: &Value) -> Json {
    match (method, value) {
        ("available", Value::Array(_)) => json!({"type": "available", "available": json_of(value)}),
        ("verify", Value::Array(_)) => json!({"type": "verified", "differences": json_of(value)}),
        ("verify", Value::Status(_) | Value::Bulk(_)) => json!({"type": "verified", "differences": []}),
        ("policy", Value::Bulk(_)) => json!({"type": "policy", "policy": json_of(value)}),
        (_, Value::Nil) => json!({"type": "nothing"}),
        ("sweep" | "unlimit", Value::Int(count)) => json!({"type": "count", "count": count}),
        (_, Value::Status(word)) if word == b"OK" => json!({"type": "done"}),
        ("get", _) => {
            let mut pool = fields("pool", value);
            pool["orders"] = map_of(&value.field("orders"));
            if pool.get("returning").is_some() {
                pool["returning"] = map_of(&value.field("returning"));
            }
            pool
        }
        ("order", _) => {
            let mut order = order_view(value);
            order["type"] = "order".into();
            order
        }
        ("orders", Value::Array(items)) => {
            let pairs = items[1].items().chunks(2).map(|pair| {
                // With DETAILS a map, in RESP2 a flat array, in place of the state.
                let is_map = matches!(pair[1], Value::Map(_) | Value::Array(_));
                json!([json_of(&pair[0]), if is_map { order_view(&pair[1]) } else { json_of(&pair[1]) }])
            });
            json!({"type": "orders", "cursor": json_of(&items[0]), "orders": pairs.collect::<Vec<_>>()})
        }
        ("explain", _) => explained(value),
        ("limits" | "usage", Value::Array(items)) => {
            let maps: Vec<Json> = items.iter().map(map_of).collect();
            json!({"type": method, method: maps})
        }
        _ => panic!("{method} answered {value}"),
    }
}

fn order_view(value: &Value) -> Json {
    let mut order = map_of(value);
    order["quantity"] = order.as_object_mut().and_then(|order| order.remove("qty")).unwrap_or_default();
    order["for"] = map_of(&value.field("for"));
    order
}

/// EXPLAIN: its `answer` is the typed result of RESERVE. An error is shown there as its code and
/// its text.
fn explained(value: &Value) -> Json {
    let mut found = fields("explained", value);
    let answer = value.field("answer");
    let code = answer.items()[0].text();
    found["answer"] = if ["CONFLICT", "NODIM", "ERR"].contains(&code.as_str()) {
        error(&code)
    } else {
        decision("reserve", answer.items())
    };
    for name in ["stock", "returning"] {
        if found.get(name).is_some() {
            found[name] = map_of(&value.field(name));
        }
    }
    if found.get("limits").is_some() {
        found["limits"] = value.field("limits").items().iter().map(map_of).collect();
    }
    found
}

fn map_of(value: &Value) -> Json {
    Json::Object(value.pairs().into_iter().map(|(name, value)| (name, json_of(&value))).collect())
}

fn fields(kind: &str, value: &Value) -> Json {
    let mut result = Map::new();
    result.insert("type".into(), kind.into());
    result.extend(value.pairs().into_iter().map(|(name, value)| (name, json_of(&value))));
    Json::Object(result)
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Int(number) => (*number).into(),
        Value::Array(items) => items.iter().map(json_of).collect(),
        // A map of ORDER or GET, in either form: replaced by the caller.
        Value::Map(_) => Json::Null,
        other => text(other.bytes()),
    }
}
