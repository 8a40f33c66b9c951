//! The test vectors of the client libraries: each call of clients/vectors/calls.txt, as a typed
//! call, as words, as the bytes of its answer on a real server, and as the typed result that every
//! library gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use redis_stock::command::spec::{Access, Arg, ArgKind};
use redis_stock::command::TABLE;
use serde_json::{json, Map, Value as Json};

use super::{decode::result_of, encode::typed};
use crate::programs::clients;
use testkit::client::encode;
use testkit::{Client, Server, Value};

/// 2026-11-11 00:00 UTC.
const NOW_MS: i64 = 1_794_355_200_000;
/// Stands for every epoch, which is random.
const EPOCH: &str = "00000000618e70c4";

/// One of the vectors, as the tests use it.
pub struct Vector {
    pub name: String,
    pub method: String,
    pub args: Json,
    pub words: Vec<Vec<u8>>,
    /// By protocol: RESP2, RESP3.
    pub answers: [Vec<u8>; 2],
    pub result: Json,
}

impl Vector {
    /// Whether it is a batch in which an order has an error.
    pub fn has_error_of_one_order(&self) -> bool {
        self.result["answers"].as_array().is_some_and(|answers| answers.iter().any(|one| one["type"] == "error"))
    }
}

pub fn file() -> PathBuf {
    clients("vectors/vectors.json")
}

/// A string of JSON whose characters are the bytes (ISO 8859-1).
pub fn text(bytes: &[u8]) -> Json {
    Json::String(bytes.iter().map(|&byte| char::from(byte)).collect())
}

pub fn bytes(text: &Json) -> Vec<u8> {
    text.as_str().expect("a string").chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect()
}

/// Reads vectors.json.
pub fn all() -> Vec<Vector> {
    let json: Json = serde_json::from_slice(&fs::read(file()).expect("vectors.json")).expect("JSON");
    let vectors = json["vectors"].as_array().expect("an array");
    vectors
        .iter()
        .map(|vector| Vector {
            name: vector["name"].as_str().expect("a name").into(),
            method: vector["method"].as_str().expect("a method").into(),
            args: vector["args"].clone(),
            words: vector["words"].as_array().expect("an array").iter().map(bytes).collect(),
            answers: [bytes(&vector["resp2"]), bytes(&vector["resp3"])],
            result: vector["result"].clone(),
        })
        .collect()
}

/// The lines of buckets.txt: a value, of how many buckets, and the one that it has.
pub fn buckets() -> Vec<(Json, u32, u64)> {
    let source = fs::read_to_string(clients("vectors/buckets.txt")).expect("buckets.txt");
    let lines = source.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let parts = words(line);
        let [value, count, bucket] = &parts[..] else { panic!("VALUE COUNT BUCKET: {line}") };
        let number = |text: &[u8]| -> u32 { String::from_utf8_lossy(text).parse().expect("a number") };
        (text(value), number(count), number(bucket).into())
    });
    lines.collect()
}

/// The lines of asks.txt: what the driver is sent, and what it answers.
pub fn asks() -> Vec<(Json, Json)> {
    let source = fs::read_to_string(clients("vectors/asks.txt")).expect("asks.txt");
    let lines = source.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let parts: Vec<Json> = line.split('\t').map(|json| serde_json::from_str(json).expect("JSON")).collect();
        let [asked, refused, ask] = &parts[..] else { panic!("ASKED, REFUSED and ASK: {line}") };
        let asked = json!({"order": asked[0], "bucket": asked[1], "quantity": asked[2], "by": asked[3]});
        (json!({"ask": asked, "refused": refused}), ask.clone())
    });
    lines.collect()
}

/// One line of calls.txt.
struct Line {
    name: String,
    before: Vec<String>,
    words: Vec<Vec<u8>>,
}

fn lines() -> Vec<Line> {
    let path = clients("vectors/calls.txt");
    let source = fs::read_to_string(&path).expect("calls.txt");
    let lines = source.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut parts = line.splitn(3, " |").map(str::trim);
            let mut part = || parts.next().unwrap_or_else(|| panic!("NAME | BEFORE | CALL: {line}"));
            let (name, before, call) = (part().to_string(), part(), part());
            let before = before.split(';').map(|step| step.trim().to_string()).filter(|step| !step.is_empty());
            Line { name, before: before.collect(), words: words(call) }
        })
        .collect()
}

/// The words of a line, in which `\xff`, `\r` and `\n` are bytes.
fn words(line: &str) -> Vec<Vec<u8>> {
    let word = |word: &str| {
        let (mut bytes, mut rest) = (Vec::new(), word);
        while let Some(at) = rest.find('\\') {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            let (byte, taken) = match rest.as_bytes()[at + 1] {
                b'r' => (b'\r', 2),
                b'n' => (b'\n', 2),
                b'x' => (u8::from_str_radix(&rest[at + 2..at + 4], 16).expect("two hex digits"), 4),
                other => panic!("an unknown escape {other}"),
            };
            bytes.push(byte);
            rest = &rest[at + taken..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        bytes
    };
    line.replace("$EPOCH", EPOCH).split_whitespace().map(word).collect()
}

/// What undoes everything that a line may have done to the server.
const AFTER: &str = "
    REPLICAOF NO ONE
    CONFIG SET replica-serve-stale-data yes
    CONFIG SET min-replicas-to-write 0
    CONFIG SET maxmemory 0
    ACL SETUSER default +@all
    FLUSHALL";

/// The answer to one line, on a server that is empty again afterwards.
fn answer(server: &Server, client: &mut Client, line: &Line) -> (Vec<u8>, Value) {
    server.set_clock(NOW_MS);
    let (mut given, mut now_ms) = (None, NOW_MS);
    for step in &line.before {
        if let Some(ms) = step.strip_prefix('+') {
            now_ms += ms.parse::<i64>().expect("milliseconds");
            server.set_clock(now_ms);
        } else if let Some(error) = step.strip_prefix("= ") {
            given = Some(if error.starts_with('-') {
                (format!("{error}\r\n").into_bytes(), Value::Error(error.as_bytes()[1..].to_vec()))
            } else {
                array(error)
            });
        } else {
            let answer = client.call(&words(step));
            assert!(!answer.is_error(), "{}: {step}: {answer}", line.name);
        }
    }
    let answer = given.unwrap_or_else(|| {
        let epoch = epoch_of(client, line);
        let mut call = line.words.clone();
        for word in &mut call {
            swap(word, EPOCH, &epoch);
        }
        let value = client.call(&call);
        let mut raw = client.last_raw().to_vec();
        swap(&mut raw, &epoch, EPOCH);
        (raw, value)
    });
    client.play(AFTER);
    answer
}

/// An array of words and numbers, and its bytes.
fn array(line: &str) -> (Vec<u8>, Value) {
    let item = |word: &str| match word.parse() {
        Ok(number) => (format!(":{number}\r\n"), Value::Int(number)),
        Err(_) => (format!("${}\r\n{word}\r\n", word.len()), Value::Bulk(word.as_bytes().to_vec())),
    };
    let (bytes, items): (Vec<String>, Vec<Value>) = line.split(' ').map(item).unzip();
    (format!("*{}\r\n{}", items.len(), bytes.concat()).into_bytes(), Value::Array(items))
}

/// The epoch of the pool that a line is about.
fn epoch_of(client: &mut Client, line: &Line) -> String {
    let pool = client.call(&[b"STOCK.GET", &line.words[1][..]]);
    match pool {
        Value::Array(_) | Value::Map(_) => pool.field("epoch").text(),
        _ => EPOCH.to_string(),
    }
}

/// Puts `new` in place of `old`, which is as long.
fn swap(bytes: &mut [u8], old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    while let Some(at) = bytes.windows(old.len()).position(|window| old != new && window == old.as_bytes()) {
        bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
    }
}

fn with_fixed_epoch(mut result: Json) -> Json {
    if let Some(epoch) = result.get_mut("epoch") {
        *epoch = EPOCH.into();
    }
    result
}

/// The whole file, from a real server. None where the server follows no clock that a test sets.
fn generated() -> Option<String> {
    let server = Server::at_time(NOW_MS, &[])?;
    let (mut two, mut three) = (server.client(), server.client().resp3());
    let mut vectors = Vec::new();
    for line in lines() {
        let (resp2, value) = answer(&server, &mut two, &line);
        let (resp3, again) = answer(&server, &mut three, &line);
        let (method, args) = typed(&line.words);
        let result = with_fixed_epoch(result_of(&method, &value));
        assert_eq!(result, with_fixed_epoch(result_of(&method, &again)), "{}: the protocols differ", line.name);
        let mut vector = Map::new();
        vector.insert("name".into(), Json::String(line.name));
        vector.insert("method".into(), Json::String(method));
        vector.insert("args".into(), args);
        vector.insert("words".into(), line.words.iter().map(|word| text(word)).collect());
        vector.insert("resp2".into(), text(&resp2));
        vector.insert("resp3".into(), text(&resp3));
        vector.insert("result".into(), result);
        vectors.push(Json::Object(vector));
    }
    // One vector a line: a change shows as one.
    let lines: Vec<String> = vectors.iter().map(ToString::to_string).collect();
    let about = json!("Made by `make vectors` from calls.txt: clients/README.md. In strings a character is a byte.");
    Some(format!("{{\"about\":{about},\"vectors\":[\n{}\n]}}\n", lines.join(",\n")))
}

#[test]
fn the_vectors_are_what_the_server_answers() {
    let Some(now) = generated() else { return };
    if std::env::var_os("STOCK_WRITE_VECTORS").is_some() {
        fs::write(file(), &now).expect("vectors.json is written");
    }
    let before = fs::read_to_string(file()).unwrap_or_default();
    for (old, new) in before.lines().zip(now.lines()) {
        assert_eq!(old, new, "vectors.json is stale: `make vectors`");
    }
    assert!(before == now, "vectors.json is stale: `make vectors`");
}

/// The server of the tests finds a vector by its words: no two have the same.
#[test]
fn each_call_stands_once() {
    let mut seen = BTreeMap::new();
    for vector in all() {
        if let Some(other) = seen.insert(encode(&vector.words), vector.name.clone()) {
            panic!("{other} and {} are the same call", vector.name);
        }
    }
}

/// What stockctl and stock-balance call, and no shop.
const OF_OPERATORS: [&str; 4] = ["STOCK.SHIFT", "STOCK.SHIFTS", "STOCK.STATS", "STOCK.TOP"];

fn tokens(args: &[Arg], found: &mut Vec<&'static str>) {
    for arg in args {
        found.extend(arg.token);
        if let ArgKind::OneOf(inner) | ArgKind::Block(inner) = arg.kind {
            tokens(inner, found);
        }
    }
}

/// Whoever adds a command or an option adds its vectors, and so each library must have it.
#[test]
fn every_command_and_option_stands_in_the_vectors() {
    let mut used: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for vector in all() {
        used.entry(vector.words[0].clone()).or_default().extend(vector.words[1..].iter().cloned());
    }
    let mut missing = Vec::new();
    for spec in TABLE.iter().filter(|spec| spec.access != Access::Replicated && !OF_OPERATORS.contains(&spec.name)) {
        let Some(words) = used.get(spec.name.as_bytes()) else {
            missing.push(spec.name.to_string());
            continue;
        };
        let mut options = Vec::new();
        tokens(spec.args, &mut options);
        missing.extend(
            options
                .iter()
                .filter(|token| !words.contains(token.as_bytes()))
                .map(|token| format!("{} {token}", spec.name)),
        );
    }
    assert!(missing.is_empty(), "calls.txt lacks {missing:?}");
}
