//! STOCK.EXPLAIN by the clock and the parameters of a server, and when held units come back. Its
//! steps are in `tests/model`.

use testkit::{args, now_ms, Server};

/// An error of RESERVE is an answer, too.
#[test]
fn errors_are_in_the_answer() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 10
         STOCK.LIMIT k user 3
         CONFIG SET stock.pool-max-orders 1000",
    );
    let mut answer = |line: &str| c.say(line).field("answer").to_string();
    assert_eq!(answer("STOCK.EXPLAIN k"), "[NODIM, missing dimension for limit user/life/units]");
    assert!(answer("STOCK.EXPLAIN k FOR user u").starts_with("[OK, 1, 9, "), "one unit where none is named");
    for n in 0..1000 {
        c.call(&args!["STOCK.RELEASE", "k", format!("never-{n}")]);
    }
    let answer = c.say("STOCK.EXPLAIN k FOR user u").field("answer").to_string();
    assert_eq!(answer, "[ERR, pool has reached stock.pool-max-orders]");
}

#[test]
fn held_units_by_deadline() {
    let (_server, mut c) = Server::start().with_client();
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
