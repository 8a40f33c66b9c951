//! Inside transactions, inside scripts, and the shapes of both protocols.

use testkit::{pass, Client, Server, Value};

#[test]
fn in_a_transaction() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    let answers = c.transaction(&[
        "STOCK.RESERVE k a 4",
        "STOCK.RESERVE k b 7",
        "STOCK.CONFIRM k a",
        "STOCK.RESERVE k a 5",
        "STOCK.AVAILABLE k",
        "INCR sales",
    ]);
    let shown: Vec<String> = answers.items().iter().map(Value::to_string).collect();
    assert!(shown[0].starts_with("[OK, 4, 6, "), "{}", shown[0]);
    assert_eq!(&shown[1..3], ["[SOLDOUT, k, 6]", "[OK, 4, 4]"]);
    assert!(shown[3].starts_with("-CONFLICT "), "{}", shown[3]);
    assert_eq!(&shown[4..], ["[6]", "1"]);
    // A wrong arity is found when the command is queued.
    c.expect("MULTI", "OK");
    c.expect("STOCK.RESERVE k", "-ERR wrong number of arguments *");
    c.expect("EXEC", "-EXECABORT *");
    c.expect("MULTI", "OK");
    c.expect("STOCK.RESERVE k z 1", "QUEUED");
    c.expect("DISCARD", "OK");
    c.expect("STOCK.ORDER k z", "nil");
    c.verify("k");
}

#[test]
fn in_a_script() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    let script = "local r = redis.call('STOCK.RESERVE', KEYS[1], ARGV[1], ARGV[2])
        local word = type(r[1]) == 'table' and r[1].ok or r[1]
        if word == 'OK' then redis.call('SET', KEYS[2], r[2]) end
        return {word, r[3]}";
    let mut buy = |order: &str, qty: &str| c.call(&["EVAL", script, "2", "k", "flag", order, qty]).to_string();
    assert_eq!(buy("a", "4"), "[OK, 6]");
    assert_eq!(buy("b", "7"), "[SOLDOUT, 6]");
    assert_eq!(buy("c", "6"), "[OK, 0]");
    c.expect("GET flag", "\"6\"");
    let raised = c.call(&["EVAL", "return redis.call('STOCK.RESERVE', KEYS[1], 'a', 5)", "1", "k"]);
    assert!(raised.error().starts_with("CONFLICT "), "{raised}");
    let caught = "local r = redis.pcall('STOCK.RESERVE', KEYS[1], 'a', 5); return r['err']";
    assert!(c.call(&["EVAL", caught, "1", "k"]).text().starts_with("CONFLICT "));
    // Reads, but no writes, where only reads are allowed.
    let read = "return redis.call('STOCK.AVAILABLE', KEYS[1])";
    assert_eq!(c.call(&["EVAL_RO", read, "1", "k"]).to_string(), "[0]");
    let write = "return redis.call('STOCK.RELEASE', KEYS[1], 'a')";
    assert!(c.call(&["EVAL_RO", write, "1", "k"]).is_error());
    let map = "redis.setresp(3); local m = redis.call('STOCK.GET', KEYS[1]); return m.map.reserved";
    assert_eq!(c.call(&["EVAL", map, "1", "k"]).to_string(), "10");
    c.verify("k");
}

/// Within a script or a transaction time stands still: what was held when it began is held until it
/// ends.
#[test]
fn a_hold_in_a_long_script() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    let due = c.expect("STOCK.RESERVE k a 4 PX 30", "[OK, *]").items()[3].int();
    pass(due);
    let script = "local r = redis.call('STOCK.CONFIRM', KEYS[1], 'a'); return r[1]";
    c.expect("STOCK.AVAILABLE k", "[10]");
    assert_eq!(c.call(&["EVAL", script, "1", "k"]).to_string(), "EXPIRED");
    c.verify("k");
}

#[test]
fn shapes_of_both_protocols() {
    let (server, mut two) = Server::start().with_client();
    let mut three = server.client().resp3();
    two.script(
        "STOCK.SET k 10
         STOCK.LIMIT k user 5
         STOCK.RESERVE k o 2 FOR user u => [OK, 2, 8, *]",
    );
    for line in ["STOCK.GET k", "STOCK.ORDER k o", "STOCK.EXPLAIN k 1"] {
        let (flat, map) = (two.say(line), three.say(line));
        assert!(two.last_raw().starts_with(b"*") && three.last_raw().starts_with(b"%"), "{line}");
        assert!(matches!(flat, Value::Array(_)) && matches!(map, Value::Map(_)), "{line}");
        let names = |v: &Value| v.pairs().into_iter().map(|(k, _)| k).collect::<Vec<_>>();
        assert_eq!(names(&flat), names(&map));
    }
    for line in ["STOCK.LIMITS k", "STOCK.USAGE k FOR user u"] {
        assert!(matches!(two.say(line).items()[0], Value::Array(_)), "{line}");
        assert!(matches!(three.say(line).items()[0], Value::Map(_)), "{line}");
    }
    // What decides is an array in both, and missing things are the nil of the protocol.
    for line in ["STOCK.RESERVE k o 2 FOR user u", "STOCK.RESERVE k p 9 FOR user u", "STOCK.ORDERS k 0"] {
        assert_eq!(two.say(line).to_string(), three.say(line).to_string());
        assert!(three.last_raw().starts_with(b"*"));
    }
    for line in ["STOCK.ORDER k none", "STOCK.GET none", "STOCK.SET none 5 XX", "STOCK.POLICY none"] {
        two.expect(line, "nil");
        assert!(matches!(two.last_raw(), b"$-1\r\n" | b"*-1\r\n"), "{line}");
        three.expect(line, "nil");
        assert_eq!(three.last_raw(), b"_\r\n", "{line}");
    }
    two.expect("STOCK.SET k 10", "OK");
    assert_eq!(two.last_raw(), b"+OK\r\n");
    // A status word is a bulk string: some libraries show a simple string as `true` or as an
    // object.
    two.say("STOCK.SET s 1");
    let words = [
        ("STOCK.RESERVE s o 1", "OK"),
        ("STOCK.RESERVE s o 1", "EXISTS"),
        ("STOCK.RESERVE s p 1", "SOLDOUT"),
        ("STOCK.RESERVE none p 1", "NOPOOL"),
        ("STOCK.CHECK s 1", "SOLDOUT"),
        ("STOCK.CONFIRM s none", "NOORDER"),
        ("STOCK.MRESERVE c 1 s QTY 1", "SOLDOUT"),
        ("STOCK.MCONFIRM o 1 s", "OK"),
    ];
    for (line, word) in words {
        for client in [&mut two, &mut three] {
            let answer = client.say(line);
            if word != "OK" {
                assert_eq!(answer.items()[0], Value::Bulk(word.into()), "{line}");
            }
            assert!(matches!(answer.items()[0], Value::Bulk(_)), "{line}: {answer}");
        }
    }
    // Quantities are integers, names are strings.
    let answer = three.say("STOCK.RESERVE k q 3 FOR user u");
    assert!(answer.items()[1..].iter().all(|v| matches!(v, Value::Int(_))), "{answer}");
    let limited = three.say("STOCK.RESERVE k r 3 FOR user u");
    let items = limited.items();
    assert_eq!(items.len(), 7, "{limited}");
    assert_eq!(items[1], Value::Bulk(b"k".to_vec()));
    assert!(matches!(items[3], Value::Array(_)));
    assert!(items[4..].iter().all(|v| matches!(v, Value::Int(_))), "{limited}");
    three.expect("STOCK.CHECK k 3 FOR user u", "[LIMITED, *]");
    assert_eq!(three.get("k", "suspended"), "0");
}

/// In RESP3 a missing pool ends a Lua table: docs/guides/clients.md warns of it.
#[test]
fn a_missing_pool_in_lua() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET a 1", "OK");
    c.expect("STOCK.SET c 3", "OK");
    let available = "redis.call('STOCK.AVAILABLE', 'a', 'none', 'c')";
    let eval = |c: &mut Client, script: &str| c.call(&["EVAL", script, "0"]).to_string();
    assert_eq!(eval(&mut c, &format!("return #{available}")), "3");
    assert_eq!(eval(&mut c, &format!("return {{{available}[2] == false, {available}[3]}}")), "[1, 3]");
    let third = format!("redis.setresp(3); local r = {available}; return {{r[2] == nil, r[3]}}");
    assert_eq!(eval(&mut c, &third), "[1, 3]");
    assert_eq!(eval(&mut c, &format!("redis.setresp(3); return {available}")), "[1]");
}

/// Clients that cache on their side hear of changes, and of nothing else.
#[test]
fn client_side_caching() {
    let (server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    c.expect("STOCK.RESERVE k o 2 PX 60000", "[OK, *]");
    let mut cache = server.client().resp3();
    cache.expect("CLIENT TRACKING ON", "OK");
    cache.expect("STOCK.AVAILABLE k", "[8]");
    for quiet in ["STOCK.RESERVE k o 2", "STOCK.RESERVE k p 99", "STOCK.RELEASE no o", "STOCK.GET k"] {
        c.say(quiet);
        cache.expect("PING", "PONG");
    }
    c.expect("STOCK.RELEASE k o", "[OK, *]");
    cache.send(&["PING"]);
    let mut heard = [cache.read().to_string(), cache.read().to_string()];
    heard.sort();
    assert_eq!(heard, [">invalidate, [k]<", "PONG"]);
    // Also of a hold that comes back by itself.
    c.expect("STOCK.RESERVE k q 2 PX 300", "[OK, *]");
    cache.expect("STOCK.AVAILABLE k", "[8]");
    assert_eq!(cache.read().to_string(), ">invalidate, [k]<");
    cache.expect("STOCK.AVAILABLE k", "[10]");
}

/// A script that promises not to write may read only.
#[test]
fn scripts_without_writes() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    let script = |call: &str| format!("#!lua flags=no-writes\nreturn redis.call({call})");
    let read = c.call(&["EVAL", &script("'STOCK.AVAILABLE', KEYS[1]"), "1", "k"]);
    assert_eq!(read.to_string(), "[10]");
    let write = c.call(&["EVAL", &script("'STOCK.RESERVE', KEYS[1], 'o', 1"), "1", "k"]);
    assert!(write.is_error(), "{write}");
    c.expect("STOCK.AVAILABLE k", "[10]");
}

#[test]
fn pipelines() {
    let (_server, mut c) = Server::start().with_client();
    let mut calls = vec![testkit::args!["STOCK.SET", "k", 100_000]];
    calls.extend((0..5_000).map(|i| testkit::args!["STOCK.RESERVE", "k", format!("o{i}"), 1]));
    calls.extend((0..5_000).map(|i| testkit::args!["STOCK.CONFIRM", "k", format!("o{i}")]));
    let answers = c.pipeline(&calls);
    assert_eq!(answers.len(), 10_001);
    assert_eq!(answers[10_000].to_string(), "[OK, 1, 5000]");
    c.verify("k");
}
