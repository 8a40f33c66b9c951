//! The commands that only read: shapes, views, missing pools.

use testkit::args;
use testkit::{now_ms, pass, Server, Value};

#[test]
fn missing_pools_read_as_nil() {
    let server = Server::start();
    server.client().script(
        "STOCK.GET no => nil
         STOCK.AVAILABLE no => [nil]
         STOCK.CHECK no 1 => [NOPOOL, no]
         STOCK.ORDER no o => nil
         STOCK.ORDERS no 0 => nil
         STOCK.POLICY no => nil
         STOCK.VERIFY no => nil
         STOCK.LIMITS no => nil
         STOCK.USAGE no => nil
         STOCK.USAGE no FOR user u => nil
         EXISTS no => 0",
    );
}

#[test]
fn get_shows_everything() {
    let server = Server::start();
    let mut c = server.client().resp3();
    c.script(
        "STOCK.SET k 100
         STOCK.RESERVE k held 5 => [OK, *]
         STOCK.RESERVE k paid 6 => [OK, *]
         STOCK.CONFIRM k paid => [OK, *]
         STOCK.RESERVE k back 7 => [OK, *]
         STOCK.CONFIRM k back => [OK, *]
         STOCK.RETURN k back => [OK, *]
         STOCK.RELEASE k never => [NOORDER, k]
         STOCK.RESERVE k gone 8 PX 20 => [OK, *]",
    );
    pass(now_ms() + 20);
    let map = c.say("STOCK.GET k");
    let Value::Map(_) = &map else { panic!("a RESP3 map: {map}") };
    let names: Vec<String> = map.pairs().into_iter().map(|(name, _)| name).collect();
    for name in [
        "on_hand",
        "reserved",
        "safety",
        "available",
        "shortfall",
        "sold",
        "out",
        "orders",
        "suspended",
        "unlimited",
        "next_deadline_ms",
        "epoch",
        "seq",
        "limits",
        "alert",
        "hold_seconds",
        "retain_seconds",
        "retain_paid_seconds",
        "events",
    ] {
        assert!(names.iter().any(|n| n == name), "no {name} in {names:?}");
    }
    c.expect_pool("k", "on_hand=94 reserved=5 safety=0 available=89 shortfall=0 sold=6 out=6");
    c.expect_pool("k", "suspended=0 unlimited=0 limits=0 alert=0");
    let orders = map.field("orders");
    for (state, count) in [("reserved", 1), ("confirmed", 1), ("returned", 1), ("released", 1), ("expired", 1)] {
        assert_eq!(orders.field(state).int(), count, "{state} in {orders}");
    }
    let deadline = c.order("k", "held", "deadline_ms");
    assert_eq!(c.get("k", "next_deadline_ms"), deadline);
}

#[test]
fn available_of_many() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET a 3
         STOCK.SET b UNLIMITED
         STOCK.SET c -4
         STOCK.AVAILABLE a b c no a => [3, -1, 0, nil, 3]
         SET text v
         STOCK.AVAILABLE a text => -WRONGTYPE *",
    );
    let mut many = args!["STOCK.AVAILABLE"];
    many.extend((0..10_000).map(|i| if i % 2 == 0 { b"a".to_vec() } else { b"no".to_vec() }));
    assert_eq!(c.call(&many).items().len(), 10_000);
    many.push(b"a".to_vec());
    c.expect_silence();
    assert!(c.call(&many).to_string().starts_with("-ERR "));
}

/// CHECK answers what RESERVE of an unknown order would, to the last field.
#[test]
fn check_answers_as_reserve_would() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET k 10
         STOCK.LIMIT k user 3 PER DAY
         STOCK.LIMIT k region 100 MISSING ALLOW",
    );
    for (n, call) in [
        "2 FOR user u",
        "1 FOR user u",
        "1 FOR user u",
        "3 FOR user v region r",
        "11 FOR user w",
        "1",
        "9 FOR user w",
        "4 FOR user w",
        "0",
        "x",
        "1 FOR",
        "1 FOR user",
        "1 FOR user a user b",
        "1 FOR User a",
        "-1",
        "9007199254740992",
        "2 FOR user w",
        "3 FOR user x",
        "3 FOR user y",
        "2 FOR user y",
    ]
    .iter()
    .enumerate()
    {
        let before = c.digest("k");
        let checked = c.say(&format!("STOCK.CHECK k {call}"));
        assert_eq!(c.digest("k"), before);
        let reserved = c.say(&format!("STOCK.RESERVE k o{n} {call}"));
        let blank = |value: &Value| {
            let mut value = value.clone();
            if let Value::Array(items) = &mut value {
                if items[0].text() == "OK" {
                    let deadline = items.pop().expect("a deadline").int();
                    items.push(Value::Bool((deadline - now_ms() - 900_000).abs() < 10_000));
                }
            }
            if value.is_error() {
                "an error".into()
            } else {
                value.to_string()
            }
        };
        assert_eq!(blank(&checked), blank(&reserved), "{call}: {checked} but {reserved}");
    }
    c.expect("STOCK.SUSPEND k", "OK");
    c.expect("STOCK.CHECK k 1 FOR user z", "[SUSPENDED, k]");
    c.expect("STOCK.CHECK k 1 EX 5", "-ERR *");
    c.expect("STOCK.CHECK k 1 PARTIAL", "-ERR *");
}

#[test]
fn an_order_for_the_page_that_polls() {
    let server = Server::start();
    let mut c = server.client().resp3();
    c.script(
        "STOCK.SET k 10
         STOCK.LIMIT k user 5
         STOCK.RESERVE k o 2 FOR user u color red => [OK, *]
         STOCK.ORDER k no => nil",
    );
    let order = c.say("STOCK.ORDER k o");
    let Value::Map(fields) = &order else { panic!("a RESP3 map: {order}") };
    let names: Vec<String> = fields.iter().map(|(k, _)| k.text()).collect();
    for name in ["state", "qty", "returned", "deadline_ms", "for"] {
        assert!(names.iter().any(|n| n == name), "no {name} in {names:?}");
    }
    let counted = order.field("for");
    assert_eq!(counted.to_string(), "{user: u}", "only what limits counted");
    c.expect("STOCK.CONFIRM k o", "[OK, *]");
    c.expect("STOCK.RETURN k o QTY 1 TOKEN t", "[OK, *]");
    assert_eq!(c.order("k", "o", "state"), "confirmed");
    assert_eq!(c.order("k", "o", "returned"), "1");
    assert_eq!(c.order("k", "o", "deadline_ms"), "0");
}

#[test]
fn orders_by_cursor() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET k 5000
         STOCK.ORDERS k 0 => [\"0\", []]",
    );
    for i in 0..3000 {
        c.send(&args!["STOCK.RESERVE", "k", format!("o{i}"), 1]);
        c.read();
    }
    for i in 0..1000 {
        c.expect(&format!("STOCK.CONFIRM k o{i}"), "[OK, *]");
    }
    for i in 1000..1500 {
        c.expect(&format!("STOCK.RELEASE k o{i}"), "[OK, *]");
    }
    let mut extras = 0;
    let mut walk = |options: &str| {
        let (mut cursor, mut seen, mut rounds) = ("0".to_string(), Vec::new(), 0);
        loop {
            let answer = c.say(&format!("STOCK.ORDERS k {cursor} {options}"));
            let page = answer.items()[1].items();
            for pair in page.chunks(2) {
                seen.push((pair[0].text(), pair[1].text()));
            }
            rounds += 1;
            cursor = answer.items()[0].text();
            if cursor == "0" {
                break;
            }
            // Orders that come meanwhile do not hide those that stay.
            extras += 1;
            c.expect(&format!("STOCK.RELEASE k extra{extras}"), "[NOORDER, k]");
        }
        (seen, rounds)
    };
    let distinct = |seen: &[(String, String)]| {
        let names: std::collections::HashSet<_> =
            seen.iter().filter(|(o, _)| o.starts_with('o')).map(|(o, _)| o.clone()).collect();
        names.len()
    };
    let (all, rounds) = walk("");
    assert_eq!(distinct(&all), 3000);
    assert!(rounds > 1, "pages are small when nobody asks for more: {rounds} rounds");
    let (all, rounds) = walk("COUNT 10000");
    assert_eq!(distinct(&all), 3000);
    assert!(rounds <= 3, "{rounds} rounds");
    for (state, count) in [("reserved", 1500), ("confirmed", 1000), ("expired", 0), ("returned", 0)] {
        let (some, _) = walk(&format!("STATE {state} COUNT 100"));
        assert_eq!(distinct(&some), count, "{state}");
        assert!(some.iter().all(|(_, s)| s == state));
    }
    c.script(
        "STOCK.ORDERS k 0 COUNT 0 => -ERR *
         STOCK.ORDERS k 0 COUNT 10001 => -ERR *
         STOCK.ORDERS k 0 STATE paid => -ERR *
         STOCK.ORDERS k -1 => -ERR *
         STOCK.ORDERS k x => -ERR *
         STOCK.ORDERS k 0 STATE reserved STATE reserved => -ERR *
         STOCK.ORDERS k 18446744073709551615 => *
         STOCK.ORDERS k 18446744073709551616 => -ERR *",
    );
    c.expect_silence();
}

#[test]
fn usage_for_those_who_ask() {
    let server = Server::start();
    let mut c = server.client().resp3();
    c.script(
        "STOCK.SET k 100
         STOCK.USAGE k => []
         STOCK.LIMIT k user 5
         STOCK.LIMIT k * 50
         STOCK.LIMIT k region+user 4
         STOCK.LIMIT k user 2 PER ORDER
         STOCK.RESERVE k o 2 FOR user u region r => [OK, *]
         STOCK.USAGE k => [{limit: */life/units, used: 2, max: 50, remaining: 48, resets_ms: 0}]",
    );
    let limits = |c: &mut testkit::Client, who: &str| {
        let all = c.say(&format!("STOCK.USAGE k FOR {who}"));
        let texts = all.items().iter();
        texts.map(|m| format!("{} {}", m.field("limit").text(), m.field("used"))).collect::<Vec<_>>()
    };
    assert_eq!(limits(&mut c, "user u"), ["user/life/units 2", "*/life/units 2", "user/order/units 0"]);
    assert_eq!(
        limits(&mut c, "region r user u"),
        ["user/life/units 2", "*/life/units 2", "region+user/life/units 2", "user/order/units 0"]
    );
    c.expect("STOCK.LIMIT k user 1", "OK");
    let used = c.say("STOCK.USAGE k FOR user u");
    assert_eq!(used.items()[0].field("remaining").int(), 0, "never below 0");
}

/// Reads work on a replica and leave no trace on a primary.
#[test]
fn reads_leave_no_trace() {
    let server = Server::on_port(&["--appendonly", "yes"]);
    let replica = Server::replica_of(&server, &[]);
    let mut c = server.client();
    c.pause_background();
    c.script(
        "STOCK.SET k 100
         STOCK.LIMIT k user 5",
    );
    let answer = c.expect("STOCK.RESERVE k o 2 PX 30 FOR user u", "[OK, *]");
    pass(answer.items()[3].int());
    replica.catch_up(&server);
    let mut r = replica.client();
    let (digest, bytes, offset) = (c.digest("k"), server.aof_bytes(), server.offset());
    for line in [
        "STOCK.GET k",
        "STOCK.AVAILABLE k",
        "STOCK.GET k RETURNING",
        "STOCK.CHECK k 1 FOR user u",
        "STOCK.EXPLAIN k 1 FOR user u",
        "STOCK.ORDER k o",
        "STOCK.ORDERS k 0",
        "STOCK.POLICY k",
        "STOCK.LIMITS k",
        "STOCK.USAGE k FOR user u",
        "STOCK.VERIFY k",
    ] {
        let here = c.say(line);
        assert!(!here.is_error(), "{line}: {here}");
        let there = r.say(line);
        // Their deadline is that of a hold placed now.
        if !line.contains("CHECK") && !line.contains("EXPLAIN") {
            assert_eq!(there.to_string(), here.to_string(), "{line}");
        }
    }
    assert_eq!((c.digest("k"), server.aof_bytes(), server.offset()), (digest.clone(), bytes, offset));
    assert_eq!(r.digest("k"), digest);
    for line in ["STOCK.RESERVE k p 1 FOR user u", "STOCK.SWEEP k", "STOCK.RELEASE k o"] {
        r.expect(line, "-READONLY *");
    }
}
