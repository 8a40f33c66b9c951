//! The reference model and a real server answer the same, call by call, on a clock that both go by.

use testkit::generate::{Generator, START_MS};
use testkit::reference::{Config, Reference};
use testkit::reply::{same_for, Reply};
use testkit::{Client, Server, Value};

pub fn reply(value: Value) -> Reply {
    let all = |items: Vec<Value>| items.into_iter().map(reply).collect();
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(n) => Reply::Int(n),
        Value::Status(text) => Reply::Status(String::from_utf8_lossy(&text).into_owned()),
        Value::Bulk(bytes) | Value::Other(bytes) => Reply::Bulk(bytes),
        Value::Error(text) => Reply::Error(String::from_utf8_lossy(&text).into_owned()),
        Value::Array(items) => Reply::Array(all(items)),
        Value::Map(pairs) => Reply::Map(pairs.into_iter().map(|(k, v)| (reply(k), reply(v))).collect()),
        other => panic!("a reply of a kind that no command has: {other}"),
    }
}

/// As a [`Value`] is written, so that the two sides can be compared by eye.
pub fn text(reply: &Reply) -> String {
    let all = |items: &[Reply]| items.iter().map(text).collect::<Vec<_>>().join(", ");
    match reply {
        Reply::Nil => "nil".to_string(),
        Reply::Int(n) => n.to_string(),
        Reply::Status(text) => text.clone(),
        Reply::Bulk(bytes) => bytes.escape_ascii().to_string(),
        Reply::Error(text) => format!("-{text}"),
        Reply::Array(items) => format!("[{}]", all(items)),
        Reply::Map(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| format!("{}: {}", text(k), text(v)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

pub fn shown(argv: &[Vec<u8>]) -> String {
    let words: Vec<String> = argv.iter().map(|a| a.escape_ascii().to_string()).collect();
    words.join(" ")
}

/// Reloads or rewrites everything now and then: what is loaded must go on as if nothing had
/// happened.
pub fn interrupt(c: &mut Client, n: usize) {
    match n % 3 {
        0 => c.expect("DEBUG RELOAD", "OK"),
        1 => c.expect("DEBUG LOADAOF", "OK"),
        _ => c.expect("PING", "PONG"),
    };
}

/// Client libraries turn status replies into `true` or into objects, so that a refusal would read
/// as success: the first word of an array is a bulk string.
fn only_ok_is_a_status(answer: &Value) -> bool {
    let holds_none = |items: &[Value]| items.iter().all(|item| !matches!(item, Value::Status(_)));
    match answer {
        Value::Status(word) => word == b"OK",
        Value::Array(items) => holds_none(items) && items.iter().all(only_ok_is_a_status),
        Value::Map(pairs) => pairs.iter().all(|(_, value)| only_ok_is_a_status(value)),
        _ => true,
    }
}

/// The first difference of one history, with what led to it.
fn compare(seed: u64, resp3: bool) -> Option<String> {
    let server = Server::at_time(START_MS, &["--appendonly", "yes"])?;
    let mut c = server.client();
    if resp3 {
        c = c.resp3();
    }
    let mut model = Reference::new(Config::default());
    let mut generator = Generator::new(seed);
    let mut recent = Vec::new();
    for n in 1..=5_000 {
        let step = generator.next();
        let now = generator.now_ms();
        server.set_clock(now);
        let expected = model.call(now, &step.argv);
        let answer = c.call(&step.argv);
        assert!(only_ok_is_a_status(&answer), "{} => {answer:?}", shown(&step.argv));
        recent.push(format!("at {now}: {} => {answer}", shown(&step.argv)));
        let found = reply(answer);
        if !same_for(&step.argv[0], &expected, &found) {
            let tail = recent[recent.len().saturating_sub(25)..].join("\n");
            return Some(format!("seed {seed}, call {n}:\n{tail}\nthe model says {}", text(&expected)));
        }
        if n % 250 == 0 {
            interrupt(&mut c, n / 250);
            for key in model.keys() {
                c.verify(key);
            }
        }
    }
    None
}

/// Two seeds, or as many as STOCK_MODEL_SEEDS says.
fn compare_from(first: u64, resp3: bool) {
    let count = std::env::var("STOCK_MODEL_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let differences: Vec<String> = (first..first + count).filter_map(|seed| compare(seed, resp3)).collect();
    assert!(differences.is_empty(), "{} of {count} differ:\n{}", differences.len(), differences.join("\n\n"));
}

#[test]
fn seeds_in_resp2() {
    compare_from(1, false);
}

#[test]
fn seeds_in_resp3() {
    compare_from(1_000_001, true);
}
