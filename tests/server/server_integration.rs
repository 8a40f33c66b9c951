//! A good citizen of its server: command descriptions, rights, parameters, INFO.

use testkit::{info, stock_info, wait_until, Client, Server, Value};

const WRITES: &[&str] = &[
    "RESERVE",
    "CONFIRM",
    "RESERVEBATCH",
    "CONFIRMBATCH",
    "RELEASE",
    "AMEND",
    "EXTEND",
    "SPLIT",
    "RETURN",
    "SET",
    "ADD",
    "RECONCILE",
    "SUSPEND",
    "RESUME",
    "SETPOLICY",
    "SWEEP",
    "LIMIT",
    "UNLIMIT",
];
const READS: &[&str] = &["GET", "AVAILABLE", "CHECK", "ORDER", "ORDERS", "POLICY", "VERIFY", "LIMITS", "USAGE"];

/// A call of each command on key `k` that is right as far as its syntax goes.
fn call(name: &str) -> String {
    let rest = match name {
        "RESERVE" => "o 1",
        "CONFIRM" | "RELEASE" | "RETURN" | "ORDER" => "o",
        "RESERVEBATCH" => "ORDERS 1 o 1",
        "CONFIRMBATCH" => "ORDERS 1 o",
        "AMEND" => "o 1",
        "EXTEND" => "o EX 1",
        "SPLIT" => "o p 1",
        "SET" => "5 XX",
        "ADD" | "RECONCILE" => "1",
        "SETPOLICY" => "{}",
        "LIMIT" => "user 1",
        "UNLIMIT" => "user",
        "CHECK" => "1",
        "ORDERS" => "0",
        _ => "",
    };
    format!("STOCK.{name} k {rest}").trim().to_string()
}

fn version(c: &mut Client) -> (u32, u32) {
    let info = info(c, "server");
    let text = info.get("valkey_version").unwrap_or(&info["redis_version"]).clone();
    let mut parts = text.split('.').map(|n| n.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

fn has_categories(c: &mut Client) -> bool {
    version(c) >= (7, 2)
}

/// Whether a module may add a category of its own.
fn has_own_category(c: &mut Client) -> bool {
    version(c) >= (7, 4)
}

fn texts(value: &Value) -> Vec<String> {
    value.items().iter().map(Value::text).collect()
}

#[test]
fn command_info() {
    let (_server, mut c) = Server::start().with_client();
    let (categories, own) = (has_categories(&mut c), has_own_category(&mut c));
    for name in WRITES.iter().chain(READS) {
        let answer = c.say(&format!("COMMAND INFO STOCK.{name}"));
        let about = answer.items()[0].items();
        assert!(about[0].text().eq_ignore_ascii_case(&format!("stock.{name}")));
        let arity = about[1].int();
        assert!(arity >= 2 || arity <= -2, "{name}: arity {arity}");
        let flags = texts(&about[2]);
        let has = |flag: &str| flags.iter().any(|f| f == flag);
        let writes = WRITES.contains(name);
        assert_eq!((has("write"), has("readonly")), (writes, !writes), "{name}: {flags:?}");
        let last = if *name == "AVAILABLE" { -1 } else { 1 };
        let keys: Vec<i64> = about[3..6].iter().map(Value::int).collect();
        assert_eq!(keys, [1, last, 1], "{name}");
        if ["AMEND", "CONFIRM", "CONFIRMBATCH", "RECONCILE", "RELEASE", "RETURN", "SWEEP"].contains(name) {
            assert!(!has("denyoom"), "{name} works when memory is full");
        }
        if *name == "RESERVEBATCH" {
            assert!(has("denyoom") && !has("fast"));
        }
        if *name == "RESERVE" {
            assert!(has("denyoom") && has("fast"));
        }
        if *name == "VERIFY" {
            assert!(!has("fast"), "VERIFY is slow");
        }
        if categories {
            let cats = texts(&about[6]);
            let is = |cat: &str| cats.iter().any(|c| c == cat);
            assert!(is(if writes { "@write" } else { "@read" }), "{name}: {cats:?}");
            assert_eq!(is("@stock"), own, "{name}: {cats:?}");
            assert_eq!(is("@fast"), has("fast"), "{name}: {cats:?}");
            assert_eq!(is("@slow"), !has("fast"), "{name}: {cats:?}");
        }
        let specs = about[8].items();
        assert_eq!(specs.len(), 1, "{name} has one key spec");
        let spec_flags = texts(&specs[0].field("flags"));
        let access = if writes { "RW" } else { "RO" };
        assert!(spec_flags.iter().any(|f| f == access), "{name}: {spec_flags:?}");
    }
}

#[test]
fn command_docs() {
    let (_server, mut c) = Server::start().with_client();
    for name in WRITES.iter().chain(READS) {
        let answer = c.say(&format!("COMMAND DOCS STOCK.{name}"));
        let docs = &answer.items()[1];
        for field in ["summary", "since", "complexity"] {
            assert!(!docs.field(field).text().is_empty(), "{name}: no {field}");
        }
        let arguments = docs.field("arguments");
        assert_eq!(arguments.items()[0].field("name").text(), "key", "{name}");
        assert_eq!(arguments.items()[0].field("type").text(), "key", "{name}");
        // Redis-cli completes options from their tokens.
        let text = arguments.to_string();
        for token in match *name {
            "RESERVE" => &["EX", "PX", "PXAT", "PARTIAL", "FOR"][..],
            "RESERVEBATCH" => &["EX", "PX", "PXAT", "DIMS", "ORDERS"],
            "CONFIRMBATCH" => &["ORDERS"],
            "CONFIRM" => &["QTY", "LATE", "SINCE", "FOR"],
            "RETURN" => &["QTY", "TOKEN", "LATE", "KEEPUSAGE", "NORESTOCK", "FOR"],
            "LIMIT" => &["PER", "ROLLING", "TZ", "COUNT", "MISSING", "FOR"],
            "ORDERS" => &["STATE", "COUNT"],
            "SET" => &["NX", "XX"],
            _ => &[],
        } {
            assert!(text.contains(token), "{name}: no {token} in {text}");
        }
    }
}

#[test]
fn getkeys() {
    let (_server, mut c) = Server::start().with_client();
    for name in WRITES.iter().chain(READS) {
        c.expect(&format!("COMMAND GETKEYS {}", call(name)), "[k]");
    }
    c.script(
        "COMMAND GETKEYS STOCK.AVAILABLE a b c => [a, b, c]
         COMMAND GETKEYS STOCK.RESERVE k o 1 EX 5 FOR user u => [k]",
    );
    c.expect("COMMAND GETKEYSANDFLAGS STOCK.GET k", "[[k, [RO*]]]");
    c.expect("COMMAND GETKEYSANDFLAGS STOCK.RESERVE k o 1", "[[k, [RW, access, update]]]");
    c.expect("COMMAND GETKEYSANDFLAGS STOCK.SET k 1", "[[k, [RW, access, insert]]]");
}

fn user(server: &Server, rights: &str) -> Client {
    server.client().expect(&format!("ACL SETUSER shop reset on >pw {rights}"), "OK");
    let mut c = server.client();
    c.expect("AUTH shop pw", "OK");
    c
}

#[test]
fn rights() {
    let (server, mut c) = Server::start().with_client();
    let categories = has_categories(&mut c);
    c.script(
        "STOCK.SET k 10
         STOCK.SET z 10",
    );
    let digest = c.digest("k");
    let mut readers = user(&server, "~* +@read");
    for name in WRITES {
        readers.expect(&call(name), "-NOPERM *");
    }
    for name in READS {
        let answer = readers.say(&call(name));
        assert_eq!(answer.is_error(), !categories, "{name}: {answer}");
    }
    if categories {
        let mut no_writes = user(&server, "~* +@all -@write");
        for name in WRITES {
            no_writes.expect(&call(name), "-NOPERM *");
        }
    }
    if has_own_category(&mut c) {
        let mut all_of_ours = user(&server, "~* +@stock");
        all_of_ours.expect("STOCK.AVAILABLE k", "[10]");
        let mut none_of_ours = user(&server, "~* +@all -@stock");
        none_of_ours.expect("STOCK.AVAILABLE k", "-NOPERM *");
    }
    // Rights on keys: reading only, the wrong key, one key of several.
    let mut reads_k = user(&server, "%R~k* +@all");
    for name in READS {
        let answer = reads_k.say(&call(name));
        assert!(!answer.is_error(), "{name}: {answer}");
        let other = call(name).replacen(" k", " z", 1);
        reads_k.expect(&other, "-NOPERM *");
    }
    for name in WRITES {
        reads_k.expect(&call(name), "-NOPERM *");
    }
    reads_k.expect("STOCK.AVAILABLE k z", "-NOPERM *");
    let mut writes_k = user(&server, "%W~k* +@all");
    for name in READS {
        writes_k.expect(&call(name), "-NOPERM *");
    }
    let mut both = user(&server, "~k* +@all");
    both.script(
        "STOCK.RESERVE z o 1 => -NOPERM *
         STOCK.RESERVE k o 1 => [OK, *]
         STOCK.RELEASE k o => [OK, *]",
    );
    assert_ne!(c.digest("k"), digest);
    c.verify("k");
}

#[test]
fn parameters() {
    let (_server, mut c) = Server::start().with_client();
    for (name, default, good, bad) in [
        ("hold-seconds", "900", &["1", "315360000"][..], &["0", "-1", "315360001", "x", ""][..]),
        ("retain-seconds", "86400", &["1", "315360000"], &["0", "-1", "315360001", "1.5"]),
        ("retain-paid-seconds", "604800", &["1", "315360000"], &["0", "-1", "315360001"]),
        ("pool-max-orders", "10000000", &["1", "10"], &["0", "-1", "many"]),
        ("timezone", "+00:00", &["+08:00", "-03:30", "+18:00", "-18:00"], &["", "8", "+18:01", "+8:00", "Z", "+00:60"]),
        ("failover-grace-ms", "0", &["1", "60000"], &["-1", "x"]),
        (
            "pause-expiry-until-ms",
            "0",
            &["100000000000", "1794355200000"],
            &["-1", "x", "9007199254740992", "1794355200"],
        ),
    ] {
        let get = format!("CONFIG GET stock.{name}");
        let shown = |c: &mut Client| c.say(&get).items()[1].to_string();
        let plain = |text: &str| text.trim_matches('"').to_string();
        assert_eq!(plain(&shown(&mut c)), plain(default), "{name}");
        for value in good {
            c.expect(&format!("CONFIG SET stock.{name} {value}"), "OK");
            assert_eq!(plain(&shown(&mut c)), *value);
        }
        let before = shown(&mut c);
        for value in bad {
            let answer = c.call(&["CONFIG", "SET", &format!("stock.{name}"), value]);
            assert!(answer.to_string().starts_with("-ERR "), "{name} {value}: {answer}");
            assert_eq!(shown(&mut c), before, "{name} {value}");
        }
    }
    c.expect("PING", "PONG");
}

#[test]
fn parameters_of_events() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "CONFIG GET stock.events => [stock.events, \"\"]
         CONFIG GET stock.events-maxlen => [stock.events-maxlen, \"0\"]
         CONFIG SET stock.events stream
         CONFIG SET stock.events-maxlen 1000
         CONFIG SET stock.events-maxlen -1 => -ERR *",
    );
    let all = c.say("CONFIG GET stock.*");
    assert_eq!(all.items().len(), 18, "{all}");
    let long = "s".repeat(513);
    assert!(c.call(&["CONFIG", "SET", "stock.events", &long]).is_error());
    assert!(info(&mut c, "stock").keys().any(|k| k.contains("dropped")));
}

#[test]
fn parameters_at_the_start() {
    let server =
        Server::with(&["--stock.hold-seconds", "60", "--stock.timezone", "+08:00", "--stock.retain-seconds", "7"]);
    let mut c = server.client();
    c.script(
        "CONFIG GET stock.hold-seconds => [stock.hold-seconds, \"60\"]
         CONFIG GET stock.timezone => [stock.timezone, +08:00]
         STOCK.SET k 1",
    );
    c.expect_pool("k", "hold_seconds=60 retain_seconds=7 retain_paid_seconds=604800");
    for bad in [
        ["--stock.hold-seconds", "0"],
        ["--stock.hold-seconds", "soon"],
        ["--stock.timezone", "Z"],
        ["--stock.no-such-thing", "1"],
    ] {
        Server::refuses(&bad);
    }
}

#[test]
fn info_tells_what_happened() {
    let (_server, mut c) = Server::start().with_client();
    let all = info(&mut c, "stock");
    for word in [
        "pools",
        "holds",
        "orders",
        "reserved",
        "soldout",
        "limited",
        "expired",
        "divergences",
        "clock",
        "lag",
        "memory",
    ] {
        assert!(all.keys().any(|k| k.contains(word)), "nothing about {word} in {all:?}");
    }
    c.script(
        "STOCK.SET k 10
         STOCK.SET j 10
         STOCK.LIMIT k user 2 MISSING ALLOW
         STOCK.RESERVE k a 2 FOR user u => [OK, *]
         STOCK.RESERVE k b 1 FOR user u => [LIMITED, *]
         STOCK.RESERVE k b 99 => [SOLDOUT, *]
         STOCK.RESERVE k c 1 PX 20 => [OK, *]",
    );
    assert_eq!(stock_info(&mut c, "pools"), 2);
    let after = info(&mut c, "stock");
    for (answer, count) in [("soldout", 1), ("limited", 1), ("exists", 0)] {
        let total = |fields: &std::collections::HashMap<String, String>| -> i64 {
            let of_answer = fields.iter().filter(|(name, _)| name.ends_with(answer));
            of_answer.map(|(_, value)| value.parse::<i64>().expect("a number")).sum()
        };
        assert_eq!(total(&after) - total(&all), count, "{answer}: {after:?}");
    }
    wait_until("the hold comes back", || stock_info(&mut c, "holds_expired") == 1);
    // The whole INFO has it too, and the server's own sections are untouched.
    assert!(c.call(&["INFO", "everything"]).text().contains("stock_pools:2"));
    c.expect("DEL j", "1");
    wait_until("the pool is gone", || stock_info(&mut c, "pools") == 1);
    c.expect("FLUSHALL ASYNC", "OK");
    wait_until("all pools are gone", || stock_info(&mut c, "pools") == 0);
}

#[test]
fn the_module_is_listed() {
    let (_server, mut c) = Server::start().with_client();
    let modules = c.say("MODULE LIST");
    let stock = modules.items().iter().find(|m| m.field("name").text() == "stock");
    assert!(stock.is_some(), "{modules}");
    // A data type cannot go while its values are there.
    c.expect("MODULE UNLOAD stock", "-ERR *");
    c.expect("PING", "PONG");
}
