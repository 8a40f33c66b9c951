//! Keyspace notifications beside those of one change (refusals.rs has them): each edge that was
//! crossed, due holds, transactions, replicas.

use testkit::{now_ms, pass, Client, Events, Server};

/// Runs a line and compares what was announced, in any order within one call.
#[track_caller]
fn announces(server: &Server, c: &mut Client, events: &mut Events, line: &str, expected: &[&str]) {
    let answer = c.say(line);
    assert!(!answer.is_error(), "{line}: {answer}");
    let key = line.split(' ').nth(1).expect("a key");
    let mut expected: Vec<String> = expected.iter().map(|e| format!("stock.{e} {key}")).collect();
    let mut found = events.take(server);
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "{line} answered {answer}");
}

/// Sold out, back in stock and low: exactly once for each crossing.
#[test]
fn edges() {
    let (server, mut c) = Server::start().with_client();
    c.pause_background();
    c.script(
        "STOCK.SET k 20
         STOCK.SETPOLICY k {\"alert\":5}",
    );
    let mut events = Events::listen(&server, "Ed");
    for (line, expected) in [
        ("STOCK.RESERVE k a 14", &["reserve"][..]),
        ("STOCK.RESERVE k b 1", &["reserve", "low"]),
        ("STOCK.RESERVE k c 1", &["reserve"]),
        ("STOCK.RESERVE k d 4", &["reserve", "soldout"]),
        ("STOCK.RESERVE k e 1", &[]),
        ("STOCK.CONFIRM k d", &["confirm"]),
        ("STOCK.AMEND k c 1", &[]),
        ("STOCK.RELEASE k c", &["release", "restock"]),
        ("STOCK.RELEASE k b", &["release"]),
        ("STOCK.RESERVE k f 2 PARTIAL", &["reserve", "soldout"]),
        ("STOCK.RETURN k d", &["return", "restock"]),
        ("STOCK.RELEASE k a", &["release"]),
        ("STOCK.AMEND k f 20", &["amend", "soldout", "low"]),
        ("STOCK.CONFIRM k f QTY 1", &["confirm", "restock"]),
        ("STOCK.SET k 0", &["set", "soldout", "low"]),
        ("STOCK.SET k -5", &["set"]),
        ("STOCK.ADD k 5", &["add"]),
        ("STOCK.ADD k 5", &["add", "restock"]),
        ("STOCK.SETPOLICY k {\"safety\":5}", &["policy", "soldout"]),
        ("STOCK.SETPOLICY k {\"safety\":4}", &["policy", "restock"]),
        ("STOCK.SET k UNLIMITED", &["set"]),
        ("STOCK.RESERVE k big 5000", &["reserve"]),
        ("STOCK.SET k 3", &["set", "soldout"]),
        ("STOCK.SET k UNLIMITED", &["set", "restock"]),
        ("STOCK.SUSPEND k", &["suspend"]),
    ] {
        announces(&server, &mut c, &mut events, line, expected);
    }
    c.verify("k");
}

/// A hold that comes back restocks, and a call behind it may sell out again.
#[test]
fn edges_of_expiry() {
    let (server, mut c) = Server::start().with_client();
    c.pause_background();
    c.expect("STOCK.SET k 2", "OK");
    c.expect("STOCK.RESERVE k a 1 PX 30", "[OK, *]");
    c.expect("STOCK.RESERVE k b 1 PX 30", "[OK, *]");
    pass(now_ms() + 30);
    let mut events = Events::listen(&server, "Ed");
    c.expect("STOCK.RESERVE k c 2", "[OK, *]");
    let mut found = events.take(&server);
    found.sort();
    let restocks = found.iter().filter(|e| *e == "stock.restock k").count();
    assert_eq!(restocks, 1, "{found:?}");
    assert_eq!(found.iter().filter(|e| *e == "stock.soldout k").count(), 1, "{found:?}");
    assert_eq!(found.iter().filter(|e| *e == "stock.reserve k").count(), 1, "{found:?}");
    c.expect("STOCK.SET k 5", "OK");
    let due = c.expect("STOCK.RESERVE k d 1 PX 20", "[OK, *]").items()[3].int();
    pass(due);
    events.take(&server);
    announces(&server, &mut c, &mut events, "STOCK.CONFIRM k d LATE", &["expire", "late"]);
    c.verify("k");
}

/// Every write to a pool returns due holds first, whatever it is and whatever it answers.
#[test]
fn every_write_returns_due_holds() {
    const WRITES: &str = "
        RESERVE k o 1 / RESERVE k x 1000 / RESERVE k held 1 / RESERVE k held 2 / CONFIRM k held / CONFIRM k x
        RELEASE k held / RELEASE k x / AMEND k held 2 / AMEND k x 2 / EXTEND k held EX 9999 / EXTEND k x EX 5
        RETURN k x / RETURN k v QTY 1 TOKEN t LATE / SET k 50 / SET k 50 NX / ADD k 1 / ADD k -1000
        SUSPEND k / RESUME k / SETPOLICY k {} / SWEEP k / LIMIT k user 5 / UNLIMIT k user
        CONFIRM k due / RELEASE k due / CONFIRM k due LATE / AMEND k due 2";
    let (server, mut c) = Server::start().with_client();
    c.pause_background();
    let mut events = Events::listen(&server, "Ed");
    for line in WRITES.split(['/', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        c.script(
            "DEL k => *
             STOCK.SET k 100
             STOCK.RESERVE k held 1 => [OK, *]",
        );
        let due = c.expect("STOCK.RESERVE k due 3 PX 5", "[OK, *]").items()[3].int();
        pass(due);
        events.take(&server);
        c.say(&format!("STOCK.{line}"));
        let found = events.take(&server);
        assert_eq!(found.first().map(String::as_str), Some("stock.expire k"), "{line}: {found:?}");
        c.verify("k");
    }
}

#[test]
fn only_in_the_class_of_modules() {
    let (server, mut c) = Server::start().with_client();
    for (flags, heard) in [("KEg$lshzxet", false), ("Ed", true), ("KEA", true), ("E$", false)] {
        let mut events = Events::listen(&server, flags);
        c.expect("STOCK.SET k 100", "OK");
        assert_eq!(events.take(&server).contains(&"stock.set k".to_string()), heard, "{flags}");
    }
}

/// Within a transaction the events come with it; a discarded one is silent.
#[test]
fn in_transactions_and_other_databases() {
    let (server, mut c) = Server::start().with_client();
    c.expect("SELECT 3", "OK");
    c.expect("STOCK.SET k 10", "OK");
    let mut events = Events::listen(&server, "Ed");
    c.transaction(&["STOCK.RESERVE k a 1", "STOCK.RESERVE k b 100", "STOCK.CONFIRM k a"]);
    assert_eq!(events.take(&server), ["stock.reserve k", "stock.confirm k"]);
    c.expect("MULTI", "OK");
    c.expect("STOCK.RESERVE k z 1", "QUEUED");
    c.expect("DISCARD", "OK");
    assert_eq!(events.take(&server), [""; 0]);
    let mut listener = server.client();
    listener.send(&["PSUBSCRIBE", "*"]);
    listener.read();
    c.expect("STOCK.RELEASE k x", "[NOORDER, k]");
    assert_eq!(listener.read().to_string(), "[pmessage, *, __keyevent@3__:stock.cancel, k]");
}

/// A replica announces what it applies, as it does for Redis's own types.
#[test]
fn on_a_replica() {
    let primary = Server::on_port(&[]);
    let replica = Server::replica_of(&primary, &[]);
    let mut events = Events::listen(&replica, "Ed");
    primary.client().script(
        "STOCK.SET k 2
         STOCK.RESERVE k a 2 => [OK, *]",
    );
    replica.catch_up(&primary);
    // A replica may publish to its own subscribers.
    let found = events.take(&replica);
    assert!(found.contains(&"stock.reserve k".to_string()), "{found:?}");
    assert!(found.contains(&"stock.soldout k".to_string()), "{found:?}");
}
