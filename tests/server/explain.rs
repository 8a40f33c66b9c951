//! STOCK.EXPLAIN, and when held units come back.

use testkit::{args, now_ms, Client, Server, Value};

/// The answer field, written as `Value` is.
fn answer(c: &mut Client, line: &str) -> String {
    c.say(line).field("answer").to_string()
}

#[test]
fn explain_shows_every_step_also_behind_the_one_that_refuses() {
    let server = Server::start();
    let mut c = server.client().resp3();
    c.script(
        "STOCK.SET k 10
         STOCK.LIMIT k user 3 PER DAY
         STOCK.LIMIT k region 100 MISSING ALLOW
         STOCK.RESERVE k o 3 EX 600 FOR user u => [OK, *]
         STOCK.SETPOLICY other {} => [NOPOOL, other]
         STOCK.SUSPEND k",
    );
    let map = c.say("STOCK.EXPLAIN k 8");
    assert!(matches!(map, Value::Map(_)), "a RESP3 map: {map}");
    let names: Vec<String> = map.pairs().into_iter().map(|(name, _)| name).collect();
    let steps = [
        "exists",
        "suspended",
        "from_ms",
        "until_ms",
        "orders",
        "max_orders",
        "missing",
        "stock",
        "limits",
        "answer",
        "returning",
    ];
    assert_eq!(names, steps);
    assert_eq!(map.field("suspended").int(), 1);
    assert_eq!(map.field("orders").int(), 1);
    assert_eq!(map.field("missing").to_string(), "[user]");
    assert_eq!(map.field("stock").to_string(), "{on_hand: 10, held: 3, safety: 0, available: 7}");
    assert_eq!(map.field("answer").to_string(), "[SUSPENDED, k]");
    let limits = map.field("limits").to_string();
    let user = "limit: user/day/units, verdict: nodim, missing: [user], values: nil, used: nil, max: nil";
    assert!(limits.contains(user), "{limits}");
    assert!(limits.contains("limit: region/life/units, verdict: skipped, missing: [region]"), "{limits}");
    let limits = c.say("STOCK.EXPLAIN k FOR user u region r").field("limits").to_string();
    assert!(
        limits.contains("user/day/units, verdict: refuses, missing: [], values: [u], used: 3, max: 3, remaining: 0")
    );
    assert!(limits.contains("region/life/units, verdict: allows, missing: [], values: [r], used: 0, max: 100"));
}

/// The answer is RESERVE's, from the first refusal that it looks for to the last.
#[test]
fn the_answer_is_that_of_reserve() {
    let server = Server::start();
    let mut c = server.client();
    assert_eq!(answer(&mut c, "STOCK.EXPLAIN k"), "[NOPOOL, k]");
    assert_eq!(c.say("STOCK.EXPLAIN k").field("exists").int(), 0);
    c.script(
        "STOCK.SET k 10
         STOCK.LIMIT k user 3
         CONFIG SET stock.pool-max-orders 1000",
    );
    assert_eq!(answer(&mut c, "STOCK.EXPLAIN k"), "[NODIM, missing dimension for limit user/life/units]");
    assert_eq!(answer(&mut c, "STOCK.EXPLAIN k 11 FOR user u"), "[SOLDOUT, k, 10]");
    assert_eq!(answer(&mut c, "STOCK.EXPLAIN k 4 FOR user u"), "[LIMITED, k, user/life/units, [u], 0, 3, 0]");
    assert!(answer(&mut c, "STOCK.EXPLAIN k 3 FOR user u").starts_with("[OK, 3, 7, "));
    assert!(answer(&mut c, "STOCK.EXPLAIN k FOR user u").starts_with("[OK, 1, 9, "), "one unit where none is named");
    c.script(
        "SET text v
         STOCK.EXPLAIN text => -WRONGTYPE *
         STOCK.EXPLAIN k 0 => -ERR *
         STOCK.EXPLAIN k 1 2 => -ERR *
         STOCK.EXPLAIN k 1 EX 5 => -ERR *
         STOCK.EXPLAIN k FOR => -ERR *
         STOCK.EXPLAIN => -ERR *",
    );
    for n in 0..1000 {
        c.call(&args!["STOCK.RELEASE", "k", format!("never-{n}")]);
    }
    assert_eq!(answer(&mut c, "STOCK.EXPLAIN k FOR user u"), "[ERR, pool has reached stock.pool-max-orders]");
}

#[test]
fn held_units_by_deadline() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 1000", "OK");
    let now = now_ms();
    let holds = [(30, 1), (50, 2), (200, 4), (800, 8), (3_000, 16), (3_700, 32), (90_000, 64)];
    for (n, (seconds, qty)) in holds.into_iter().enumerate() {
        let call = args!["STOCK.RESERVE", "k", format!("o{n}"), qty, "PXAT", now + seconds * 1_000];
        assert!(c.call(&call).to_string().starts_with("[OK, "));
    }
    let due = format!("STOCK.RESERVE k due 128 PXAT {}", now_ms() + 15);
    c.expect(&due, "[OK, *]");
    testkit::pass(now_ms() + 20);
    let expected = [("within_1m", 3), ("within_5m", 7), ("within_15m", 15), ("within_60m", 31), ("later", 96)];
    for line in ["STOCK.GET k RETURNING", "STOCK.EXPLAIN k"] {
        let returning = c.say(line).field("returning");
        for (name, units) in expected {
            assert_eq!(returning.field(name).int(), units, "{name} of {line}: {returning}");
        }
    }
    assert!(!c.say("STOCK.GET k").to_string().contains("returning"), "only where it is asked for");
    c.script(
        "STOCK.GET k RETURNING RETURNING => -ERR *
         STOCK.GET k RETURN => -ERR *",
    );
}
