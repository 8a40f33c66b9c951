//! What callers send by mistake or by malice: the server lives, answers once, and nothing changes.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use testkit::args;
use testkit::{Client, Server, Value};

/// Every command on one pool with all its options, and how many arguments it needs at least (its
/// name included).
const CALLS: &[(&str, usize)] = &[
    ("STOCK.RESERVE k o 2 EX 60 PARTIAL FOR user u region r", 4),
    ("STOCK.RESERVE k o 2 PX 60000", 4),
    ("STOCK.RESERVE k o 2 PXAT 1", 4),
    ("STOCK.CONFIRM k o QTY 1 LATE SINCE 5 FOR user u region r", 3),
    ("STOCK.RELEASE k o", 3),
    ("STOCK.AMEND k o 3", 4),
    ("STOCK.EXTEND k o PX 5000", 5),
    ("STOCK.SPLIT k o p 1", 5),
    ("STOCK.RESERVE k o 2 PX 60000 PARTIAL REPLACES p FOR user u region r", 4),
    ("STOCK.RESERVEBATCH k PX 60000 DIMS 2 user region ORDERS 2 o 1 u r p 2 v s", 6),
    ("STOCK.RESERVEBATCH k ORDERS 2 o 1 p 2", 6),
    ("STOCK.CONFIRMBATCH k ORDERS 2 o p", 5),
    ("STOCK.RETURN k o QTY 1 TOKEN t LATE KEEPUSAGE NORESTOCK", 3),
    ("STOCK.SET k 10 NX", 3),
    ("STOCK.SET k UNLIMITED XX", 3),
    ("STOCK.SET k 10 NX NOTE n POLICY {\"safety\":1}", 3),
    ("STOCK.ADD k 5 TOKEN t", 3),
    ("STOCK.SUSPEND k", 2),
    ("STOCK.RESUME k", 2),
    ("STOCK.SETPOLICY k {\"safety\":1}", 3),
    ("STOCK.SWEEP k COUNT 5", 2),
    ("STOCK.LIMIT k user+region 5 PER DAY TZ +08:00 COUNT UNITS MISSING ALLOW FOR u r", 4),
    ("STOCK.UNLIMIT k user+region PER DAY COUNT UNITS FOR u r", 3),
    ("STOCK.LIMITS k", 2),
    ("STOCK.USAGE k TOP 5 FOR user u", 2),
    ("STOCK.GET k RETURNING", 2),
    ("STOCK.AVAILABLE k k", 2),
    ("STOCK.CHECK k 2 FOR user u region r", 3),
    ("STOCK.EXPLAIN k 2 FOR user u region r", 2),
    ("STOCK.ORDER k o", 3),
    ("STOCK.ORDERS k 0 STATE reserved DETAILS COUNT 5 FOR user u", 3),
    ("STOCK.POLICY k", 2),
    ("STOCK.VERIFY k", 2),
    ("STOCK.STATS k", 2),
];

fn words(call: &str) -> Vec<Vec<u8>> {
    call.split(' ').map(|w| w.as_bytes().to_vec()).collect()
}

/// An error is one leading code word and plain text, without a byte of what the caller sent.
#[track_caller]
fn proper(answer: &Value, shown: &dyn Fn() -> String) {
    let Value::Error(text) = answer else { return };
    let ascii = text.iter().all(|b| (b' '..=b'~').contains(b));
    let text = String::from_utf8_lossy(text);
    let code = text.split(' ').next().unwrap_or("");
    let known = ["ERR", "WRONGTYPE", "CONFLICT", "NODIM"].contains(&code);
    assert!(ascii && known && text.len() < 300, "{}: -{text}", shown());
    for sent in ["INJECTED", "%n", "zzzz"] {
        assert!(!text.contains(sent), "{}: the error echoes the caller: {text}", shown());
    }
}

#[track_caller]
pub fn survive(c: &mut Client, call: &[Vec<u8>]) -> Value {
    let shown = || {
        let parts = call.iter().take(20).map(|a| a[..a.len().min(40)].escape_ascii().to_string());
        parts.collect::<Vec<_>>().join(" ")
    };
    let Ok(answer) = c.try_call(call) else { panic!("{}: the server hung up", shown()) };
    proper(&answer, &shown);
    let ping = c.call(&["PING"]);
    assert_eq!(ping.to_string(), "PONG", "{}: not one reply: {answer}", shown());
    answer
}

pub fn prepare(c: &mut Client) {
    c.script(
        "SET text v
         STOCK.SET k 100
         STOCK.LIMIT k user+region 50 MISSING ALLOW
         STOCK.RESERVE k o 5 FOR user u region r => [OK, *]",
    );
}

/// VERIFY of everything that garbage may have left behind.
fn verify_all(c: &mut Client) {
    let keys = c.call(&["KEYS", "*"]);
    for key in keys.items() {
        if c.call(&[b"TYPE", key.bytes()]).text() == "stockpool" {
            c.verify(key.bytes());
        }
    }
}

#[test]
fn wrong_types_are_told() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "SET k v
         RPUSH list 1 => 1
         XADD stream * a b => *",
    );
    for (call, _) in CALLS {
        for key in ["k", "list", "stream"] {
            let mut call = words(call);
            call[1] = key.as_bytes().to_vec();
            let answer = survive(&mut c, &call);
            assert!(answer.to_string().starts_with("-WRONGTYPE "), "{key}: {answer}");
        }
    }
    c.expect("GET k", "v");
    // And the server's own commands on a pool.
    c.script(
        "STOCK.SET pool 1
         GET pool => -WRONGTYPE *
         APPEND pool x => -WRONGTYPE *
         XADD pool * a b => -WRONGTYPE *
         STOCK.VERIFY pool",
    );
}

#[test]
fn a_missing_key_is_not_created() {
    let (_server, mut c) = Server::start().with_client();
    for (call, _) in CALLS {
        let mut call = words(call);
        if call[0] == b"STOCK.SET" && call[3] == b"NX" {
            continue;
        }
        call[1] = b"missing".to_vec();
        let answer = survive(&mut c, &call);
        assert!(!answer.is_error(), "{answer}");
        c.expect("EXISTS missing", "0");
    }
}

#[test]
fn every_arity() {
    let (_server, mut c) = Server::start().with_client();
    prepare(&mut c);
    for (call, least) in CALLS {
        let full = words(call);
        for len in 1..=full.len() {
            let answer = survive(&mut c, &full[..len]);
            if len < *least {
                let text = answer.to_string();
                assert!(text.starts_with("-ERR wrong number of arguments"), "{call} / {len}: {text}");
            }
        }
        let mut more = full.clone();
        more.push(b"zzzz".to_vec());
        if !call.contains("FOR") && !call.starts_with("STOCK.AVAILABLE") {
            let answer = survive(&mut c, &more);
            assert!(answer.is_error(), "{call} zzzz: {answer}");
        }
        more.resize(10_000, b"zzzz".to_vec());
        survive(&mut c, &more);
        more.truncate(1);
        more.resize(10_000, b"FOR".to_vec());
        survive(&mut c, &more);
    }
    verify_all(&mut c);
}

pub fn hostile_values() -> Vec<Vec<u8>> {
    let mut values = args![
        "",
        " ",
        b"\0",
        b"a\0b",
        "%n%n%n%s%s%s%x",
        b"\xff\xfe\xff",
        "x\r\n+INJECTED\r\n",
        "\n",
        "\u{100}",
        "\u{10ffff}",
        "nan",
        "inf",
        "-",
        "+5",
        "05",
        " 5",
        "5 ",
        "5.0",
        "5e1",
        "0x10",
        "0",
        "-0",
        "-1",
        "1",
        "FOR",
        "EX",
        "PARTIAL",
        "QTY",
        "TOKEN",
        "LATE",
        "NX",
        "UNLIMITED",
        "*",
        "k",
        "o",
        "9007199254740990",
        "9007199254740991",
        "9007199254740992",
        "-9007199254740991",
        "-9007199254740992",
        "9223372036854775806",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775807",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999999999999999999",
    ];
    values.push(vec![b'z'; 128]);
    values.push(vec![b'z'; 129]);
    values.push(vec![0xff; 1 << 20]);
    values.push(vec![b'9'; 1 << 20]);
    values
}

#[test]
fn hostile_values_at_every_place() {
    let (_server, mut c) = Server::start().with_client();
    prepare(&mut c);
    for (call, _) in CALLS {
        let full = words(call);
        for place in 1..full.len() {
            for value in hostile_values() {
                let mut call = full.clone();
                call[place] = value;
                survive(&mut c, &call);
            }
        }
        c.expect("STOCK.VERIFY k", "OK");
    }
    verify_all(&mut c);
}

/// Random sentences from the vocabulary of the commands.
#[test]
fn random_sentences() {
    let (_server, mut c) = Server::start().with_client();
    prepare(&mut c);
    let mut vocabulary: Vec<Vec<u8>> = CALLS.iter().flat_map(|(call, _)| words(call)).collect();
    vocabulary.extend(hostile_values().into_iter().filter(|v| v.len() < 200));
    let mut rng = SmallRng::seed_from_u64(7);
    for round in 0..20_000 {
        let (call, _) = CALLS[rng.random_range(0..CALLS.len())];
        let mut call = words(call);
        for _ in 0..rng.random_range(0..4) {
            let place = rng.random_range(1..=call.len());
            let word = vocabulary[rng.random_range(0..vocabulary.len())].clone();
            match rng.random_range(0..3) {
                0 => call.insert(place, word),
                1 if place < call.len() => call[place] = word,
                _ if place < call.len() => drop(call.remove(place)),
                _ => call.push(word),
            }
        }
        survive(&mut c, &call);
        if round % 500 == 0 {
            verify_all(&mut c);
        }
    }
    verify_all(&mut c);
}

/// Calls that come in one piece, in fragments and as inline text.
#[test]
fn the_wire() {
    let (_server, mut c) = Server::start().with_client();
    c.send_raw(b"STOCK.SET k 10\r\nSTOCK.RESERVE k o 2\r\n");
    assert_eq!(c.read().to_string(), "OK");
    assert_eq!(c.read().items()[1].int(), 2);
    for piece in [&b"*2\r\n$15\r\nSTOCK.AVAIL"[..], b"ABLE\r\n$1\r", b"\nk\r\n"] {
        c.send_raw(piece);
    }
    assert_eq!(c.read().to_string(), "[8]");
    c.send_raw(b"*3\r\n$13\r\nSTOCK.RELEASE\r\n$1\r\nk\r\n$0\r\n\r\n");
    assert!(c.read().is_error());
    c.expect_silence();
}

/// Each option here is one that is known, so an error says which other one it needs.
#[test]
fn options_that_need_others_say_which() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET {s}k 10
         STOCK.RESERVE {s}k o 3 FOR user u => [OK, *]
         STOCK.CONFIRM {s}k o => [OK, *]",
    );
    let digest = c.digest("{s}k");
    for (call, error) in [
        ("STOCK.RETURN {s}k o QTY 1", "-ERR QTY needs TOKEN"),
        ("STOCK.RETURN {s}k o TOKEN t", "-ERR TOKEN needs QTY"),
        ("STOCK.RETURN {s}k o LATE", "-ERR LATE needs QTY and TOKEN"),
        ("STOCK.RETURN {s}k o FOR user u", "-ERR FOR needs LATE"),
        ("STOCK.RETURN {s}k o QTY 1 TOKEN t FOR user u", "-ERR FOR needs LATE"),
        (
            "STOCK.RETURN {s}k o QTY 1 TOKEN t LATE KEEPUSAGE FOR user u",
            "-ERR KEEPUSAGE and FOR cannot be given together",
        ),
        ("STOCK.CONFIRM {s}k o SINCE 5", "-ERR SINCE needs LATE"),
        ("STOCK.CONFIRM {s}k o FOR user u", "-ERR FOR needs LATE"),
        ("STOCK.TRANSFER {s}k {s}other 1 NOTE n", "-ERR TOKEN is needed"),
    ] {
        c.expect(call, error);
    }
    assert_eq!(c.digest("{s}k"), digest, "a refused call has changed something");
}

/// A return with a thousand tokens is the last.
#[test]
fn the_bound_on_return_tokens() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 5000
         STOCK.RESERVE k o 2000 => [OK, *]
         STOCK.CONFIRM k o => [OK, *]",
    );
    for i in 0..1000 {
        c.expect(&format!("STOCK.RETURN k o QTY 1 TOKEN t{i}"), "[OK, 1, *]");
    }
    c.script(
        "STOCK.RETURN k o QTY 1 TOKEN more => -ERR *
         STOCK.RETURN k o QTY 1 TOKEN t500 => [EXISTS, *]
         STOCK.RETURN k o => [OK, 1000, 5000, 0]
         STOCK.VERIFY k",
    );
}
