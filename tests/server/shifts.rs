//! What shifts between the buckets of a sharded pool, on a real server: kept, replicated and
//! published; refused calls leave no trace.

use testkit::args;
use testkit::{now_ms, Client, Events, Server};

/// Two buckets of 10 units with a limit for each region.
fn buckets(c: &mut Client) {
    for key in ["{b0}x", "{b1}x"] {
        c.expect(&format!("STOCK.SET {key} 10"), "OK");
        c.expect(&format!("STOCK.LIMIT {key} region 5"), "OK");
    }
}

#[test]
fn what_has_shifted_is_kept_replicated_and_published() {
    let mut primary = Server::on_port(&["--appendonly", "yes", "--stock.events", "feed"]);
    let replica = Server::replica_of(&primary, &["--stock.events", "feed"]);
    let (mut c, mut r) = (primary.client(), replica.client());
    buckets(&mut c);
    let before_ms = now_ms();
    c.expect("STOCK.SHIFT {b0}x TO {b1}x 4", "[OK, 6, 6]");
    c.expect("STOCK.SHIFT {b0}x TO {b1}x 2 LIMIT region FOR eu", "[OK, 3, 3]");
    c.expect("STOCK.SHIFT {b1}x FROM {b0}x 4", "[OK, 14, 14]");
    c.expect("STOCK.RESERVE {b0}x o 4 FOR region eu", "[LIMITED, {b0}x, region/life/units, [eu], 0, 3, 0]");
    let shifts = c.say("STOCK.SHIFTS {b0}x");
    let since = shifts.items()[1].field("since_ms").int();
    assert!((before_ms..=now_ms()).contains(&since), "{since}");
    c.expect(&format!("STOCK.SHIFT {{b1}}x FROM {{b0}}x 2 SINCE {since} LIMIT region FOR eu"), "[OK, 7, 7]");
    c.expect(
        &format!("STOCK.SHIFT {{b1}}x FROM {{b0}}x 9 SINCE {} LIMIT region FOR eu", since + 90_000),
        &format!("[EARLY, {{b1}}x, {}]", since + 90_000),
    );
    c.expect_pool("{b0}x", "on_hand=6 out=0 sold=0");
    assert_eq!(c.get("{b0}x", "shifted"), "-4");
    assert_eq!(c.get("{b1}x", "shifted"), "4");
    let entries = c.say("XREVRANGE feed + - COUNT 4");
    let field = |entry: &testkit::Value, name: &str| entry.items()[1].field(name).text();
    let told: Vec<[String; 4]> =
        entries.items().iter().map(|e| ["type", "pool", "qty", "peer"].map(|name| field(e, name))).collect();
    let told: Vec<String> = told.iter().rev().map(|words| words.join(" ")).collect();
    assert_eq!(
        told,
        ["shifted {b0}x -4 {b1}x", "shifted {b0}x 0 {b1}x", "shifted {b1}x 4 {b0}x", "shifted {b1}x 0 {b0}x"]
    );
    replica.catch_up(&primary);
    let all = |c: &mut Client| ["{b0}x", "{b1}x"].map(|key| c.digest(key));
    let digests = all(&mut c);
    assert_eq!(all(&mut r), digests);
    assert_eq!(r.say("XRANGE feed - +").to_string(), c.say("XRANGE feed - +").to_string());
    assert_eq!(r.say("STOCK.SHIFTS {b0}x").to_string(), shifts.to_string());
    r.expect("STOCK.CHECK {b0}x 4 FOR region eu", "[LIMITED, *]");
    c.expect("DEBUG RELOAD", "OK");
    assert_eq!(all(&mut c), digests);
    c.expect("DEBUG LOADAOF", "OK");
    assert_eq!(all(&mut c), digests);
    let payload = c.call(&["DUMP", "{b0}x"]).bytes().to_vec();
    assert_eq!(c.call(&args!["RESTORE", "copy", 0, payload]).to_string(), "OK");
    c.expect("STOCK.RESERVE copy o 4 FOR region eu", "[LIMITED, *]");
    primary.restart("NOSAVE");
    let mut c = primary.client();
    assert_eq!(all(&mut c), digests);
    c.expect("STOCK.RESERVE {b0}x o 4 FOR region eu", "[LIMITED, *]");
    c.expect("STOCK.RESERVE {b1}x o 7 FOR region eu", "[OK, 7, 7, *]");
    for key in ["{b0}x", "{b1}x"] {
        c.verify(key);
    }
}

#[test]
fn a_shift_that_is_refused_leaves_no_trace() {
    let server = Server::with(&["--appendonly", "yes", "--stock.events", "feed"]);
    let mut c = server.client();
    let mut events = Events::listen(&server, "Ed");
    buckets(&mut c);
    c.expect("STOCK.SHIFT {b0}x TO {b1}x 4", "[OK, 6, 6]");
    assert_eq!(events.take(&server).last().map(String::as_str), Some("stock.shift {b0}x"));
    let trace = |c: &mut Client| {
        [c.digest("{b0}x"), c.say("XLEN feed").to_string(), testkit::info(c, "persistence")["aof_current_size"].clone()]
    };
    let before = trace(&mut c);
    let mut watcher = server.client();
    watcher.expect("WATCH {b0}x", "OK");
    for (call, answer) in [
        ("STOCK.SHIFT {b0}x TO {b1}x 4", "[EXISTS, {b0}x, shifted, 4, 0, 0]"),
        ("STOCK.SHIFT {b0}x TO {b1}x 1 RECEIVED", "[EXISTS, {b0}x, shifted, 4, 0, 0]"),
        ("STOCK.SHIFT {b0}x TO {b1}x 11", "[SOLDOUT, {b0}x, 6]"),
        ("STOCK.SHIFT {b0}x TO {b1}x 6 LIMIT region FOR eu", "[LIMITED, {b0}x, region/life/units, [eu], 0, 5, 0]"),
        ("STOCK.SHIFT {b0}x TO {b1}x 6 LIMIT region PER DAY FOR eu", "-ERR no such limit*"),
        ("STOCK.SHIFT {b0}x FROM {b1}x 6 LIMIT region FOR eu", "-ERR FROM with LIMIT needs SINCE"),
        ("STOCK.SHIFT {b0}x FROM {b1}x 6 SINCE 5", "-ERR SINCE needs LIMIT"),
        ("STOCK.SHIFT {b0}x FROM {b1}x 6 RECEIVED", "-ERR RECEIVED needs TO"),
        ("STOCK.SHIFT {b0}x TO {b1}x 6 SINCE 5", "-ERR SINCE needs FROM"),
        ("STOCK.SHIFT {b0}x TO {b1}x 6 FOR eu", "-ERR PER, ROLLING, COUNT and FOR need LIMIT"),
        ("STOCK.SHIFT {b0}x FROM {b1}x 0", "-ERR total is out of range*"),
        ("STOCK.SHIFT {b0}x TO {b0}x 1", "-ERR a pool cannot shift to or from itself"),
        ("STOCK.SHIFT {b0}x FROM {b0}x 1", "-ERR a pool cannot shift to or from itself"),
        ("STOCK.SHIFT none TO none 1", "-ERR a pool cannot shift to or from itself"),
        ("STOCK.SHIFT none TO {b1}x 1", "[NOPOOL, none]"),
        ("STOCK.SHIFTS none", "nil"),
    ] {
        c.expect(call, answer);
    }
    assert_eq!(trace(&mut c), before);
    assert_eq!(events.take(&server), [""; 0]);
    watcher.expect("MULTI", "OK");
    watcher.expect("PING", "QUEUED");
    watcher.expect("EXEC", "[PONG]");
    c.verify("{b0}x");
}
