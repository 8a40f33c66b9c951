//! Selling from one pool beyond the table of states: deadlines, PARTIAL, late payments, precedence.

use testkit::args;
use testkit::{now_ms, pass, status_word, Client, Server, Value};

#[test]
fn a_first_sale() {
    let server = Server::start();
    server.client().script(
        "STOCK.SET sku:1 10
         STOCK.RESERVE sku:1 o1 2 => [OK, 2, 8, *]
         STOCK.RESERVE sku:1 o2 8 => [OK, 8, 0, *]
         STOCK.RESERVE sku:1 o3 1 => [SOLDOUT, sku:1, 0]
         STOCK.CONFIRM sku:1 o1 => [OK, 2, 2]
         STOCK.RELEASE sku:1 o2 => [OK, 8, 8]
         STOCK.RESERVE sku:1 o3 9 => [SOLDOUT, sku:1, 8]
         STOCK.RESERVE sku:1 o4 8 => [OK, 8, 0, *]
         STOCK.CONFIRM sku:1 o4 => [OK, 8, 10]
         STOCK.RETURN sku:1 o1 => [OK, 2, 2, 8]
         STOCK.AVAILABLE sku:1 => [2]
         STOCK.VERIFY sku:1 => OK",
    );
}

#[test]
fn missing_pools_are_named() {
    let server = Server::start();
    server.client().script(
        "STOCK.RESERVE no o 1 => [NOPOOL, no]
         STOCK.CONFIRM no o => [NOPOOL, no]
         STOCK.CONFIRM no o QTY 1 LATE SINCE 1 => [NOPOOL, no]
         STOCK.RELEASE no o => [NOPOOL, no]
         STOCK.AMEND no o 1 => [NOPOOL, no]
         STOCK.EXTEND no o EX 1 => [NOPOOL, no]
         STOCK.RETURN no o => [NOPOOL, no]
         STOCK.RETURN no o QTY 1 TOKEN t LATE => [NOPOOL, no]
         EXISTS no => 0",
    );
}

#[test]
fn partial_takes_what_there_is() {
    let server = Server::start();
    server.client().script(
        "STOCK.SET k 10
         STOCK.RESERVE k o1 7 PARTIAL => [OK, 7, 3, *]
         STOCK.RESERVE k o2 7 PARTIAL => [OK, 3, 0, *]
         STOCK.RESERVE k o2 7 PARTIAL => [EXISTS, k, reserved, 3, 0, *]
         STOCK.RESERVE k o2 3 PARTIAL => -CONFLICT *
         STOCK.RESERVE k o2 7 => -CONFLICT *
         STOCK.RESERVE k o2 3 => -CONFLICT *
         STOCK.RESERVE k o3 7 PARTIAL => [SOLDOUT, k, 0]
         STOCK.RELEASE k o1 => [OK, 7, 7]
         STOCK.LIMIT k user 4
         STOCK.RESERVE k o4 6 PARTIAL FOR user u => [OK, 4, 3, *]
         STOCK.RESERVE k o5 6 PARTIAL FOR user u => [LIMITED, k, user/life/units, [u], 4, 4, 0]
         STOCK.RESERVE k o6 4 PARTIAL FOR user v => [OK, 3, 0, *]
         STOCK.VERIFY k",
    );
}

#[test]
fn deadlines_are_what_was_asked() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 100", "OK");
    let mut held = |line: &str| {
        let before = now_ms();
        let deadline = c.expect(line, "[OK, *]").items()[3].int();
        (deadline - now_ms(), deadline - before)
    };
    let mut check = |line: &str, ms: i64| {
        let (least, most) = held(line);
        assert!(least <= ms && ms <= most + 1, "{line}: {least} to {most} ms");
    };
    check("STOCK.RESERVE k default 1", 900_000);
    check("STOCK.RESERVE k ex 1 EX 60", 60_000);
    check("STOCK.RESERVE k px 1 PX 1500", 1_500);
    check("STOCK.RESERVE k long 1 EX 315360000", 315_360_000_000);
    let at = now_ms() + 5_000;
    c.expect(&format!("STOCK.RESERVE k pxat 1 PXAT {at}"), &format!("[OK, 1, 95, {at}]"));
    c.expect_pool("k", "reserved=5");
    assert_ne!(c.get("k", "next_deadline_ms"), "0");
    c.expect(&format!("STOCK.SETPOLICY k {}", "{\"hold\":30}"), "OK");
    let before = now_ms();
    let deadline = c.expect("STOCK.RESERVE k policy 1", "[OK, *]").items()[3].int();
    assert!((before + 30_000..=now_ms() + 30_000).contains(&deadline));
    c.expect("CONFIG SET stock.hold-seconds 7", "OK");
    c.expect("STOCK.SET other 1", "OK");
    let before = now_ms();
    let deadline = c.expect("STOCK.RESERVE other o 1", "[OK, *]").items()[3].int();
    assert!((before + 7_000..=now_ms() + 7_000).contains(&deadline));
}

/// A PXAT that is over is an error for a new hold; a retry of a known order gets its answer all the same.
#[test]
fn a_deadline_that_is_over() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 10", "OK");
    let over = now_ms() - 1;
    c.expect(&format!("STOCK.RESERVE k o 1 PXAT {over}"), "-ERR *");
    c.expect("STOCK.ORDER k o", "nil");
    c.expect("STOCK.RESERVE k o 1", "[OK, *]");
    c.expect(&format!("STOCK.RESERVE k o 1 PXAT {over}"), "[EXISTS, k, reserved, 1, 0, *]");
    c.expect(&format!("STOCK.RESERVE k o 2 PXAT {over}"), "-CONFLICT *");
    // Ten years are the bound, and bounds come before everything else.
    let far = now_ms() + 3_651 * 86_400_000;
    c.expect(&format!("STOCK.RESERVE k far 1 PXAT {far}"), "-ERR *");
    c.expect(&format!("STOCK.EXTEND k o PXAT {far}"), "-ERR *");
    c.expect("STOCK.RESERVE k far 1 EX 315360001", "-ERR *");
    c.verify("k");
}

#[test]
fn extend_is_never_shorter() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 10", "OK");
    let first = c.expect("STOCK.RESERVE k o 1 EX 100", "[OK, *]").items()[3].int();
    let later = first + 1;
    c.expect(&format!("STOCK.EXTEND k o PXAT {first}"), &format!("[OK, {first}]"));
    c.expect(&format!("STOCK.EXTEND k o PXAT {later}"), &format!("[OK, {later}]"));
    c.expect("STOCK.EXTEND k o EX 5", &format!("[OK, {later}]"));
    assert_eq!(c.order("k", "o", "deadline_ms"), later.to_string());
    assert_eq!(c.get("k", "next_deadline_ms"), later.to_string());
    c.verify("k");
}

/// A hold that was extended past its first deadline is still there when that has passed.
#[test]
fn an_extended_hold_lives_on() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 10", "OK");
    let first = c.expect("STOCK.RESERVE k o 1 PX 150", "[OK, *]").items()[3].int();
    c.expect("STOCK.EXTEND k o EX 100", "[OK, *]");
    pass(first);
    c.expect("STOCK.SWEEP k", "0");
    c.expect("STOCK.CONFIRM k o", "[OK, 1, 1]");
    c.verify("k");
}

/// Reserves one unit each for `count` orders `o0`, `o1`, … that all fall due at the same moment.
fn hold_many(c: &mut Client, key: &str, count: usize, at: i64) {
    let calls: Vec<_> = (0..count).map(|i| args!["STOCK.RESERVE", key, format!("o{i}"), 1, "PXAT", at]).collect();
    for answer in c.pipeline(&calls) {
        assert_eq!(status_word(&answer), "OK");
    }
}

fn many_due(c: &mut Client, count: usize) {
    let at = now_ms() + 400;
    hold_many(c, "k", count, at);
    pass(at);
}

/// A write returns 128 due holds first; the order that it names is judged by its own deadline.
#[test]
fn due_holds_beyond_the_first_128() {
    let server = Server::start();
    let mut c = server.client();
    c.pause_background();
    c.expect("STOCK.SET k 300", "OK");
    many_due(&mut c, 300);
    // What a write would find, before one has come.
    c.expect_pool("k", "reserved=172 available=128");
    c.expect("STOCK.CONFIRM k o299", "[EXPIRED, k]");
    assert_eq!(c.order("k", "o299", "state"), "expired");
    c.expect_pool("k", "reserved=44 available=256");
    c.expect("STOCK.VERIFY k", "OK");
    c.expect("STOCK.EXTEND k o299 EX 50", "[EXPIRED, k]");
    c.expect_pool("k", "reserved=0 available=300");
    c.expect("STOCK.SWEEP k", "44");
    c.verify("k");
}

#[test]
fn release_returns_a_due_hold_beyond_the_128() {
    let server = Server::start();
    let mut c = server.client();
    c.pause_background();
    c.expect("STOCK.SET k 300", "OK");
    many_due(&mut c, 300);
    c.expect("STOCK.RELEASE k o299", "[OK, 0, 129]");
    c.expect("STOCK.RELEASE k o299", "[EXISTS, k, released, 1, 0, 0]");
    c.verify("k");
}

/// Earlier deadlines come back before later ones, equal ones in order of arrival. The release of a hold beyond
/// the 128 that a write returns is an expiry of its own: one unit more comes back.
#[test]
fn the_order_of_deadlines() {
    let server = Server::start();
    let mut c = server.client();
    c.pause_background();
    let at = now_ms() + 400;
    for key in ["late", "early", "last", "inner"] {
        c.expect(&format!("STOCK.SET {key} 129"), "OK");
    }
    for key in ["late", "early"] {
        let after = at + 1;
        c.expect(&format!("STOCK.RESERVE {key} x 1 PXAT {after}"), "[OK, *]");
        hold_many(&mut c, key, 128, at);
    }
    hold_many(&mut c, "last", 129, at);
    hold_many(&mut c, "inner", 129, at);
    pass(at + 1);
    c.script(
        "STOCK.RELEASE late x => [OK, 0, 129]
         STOCK.RELEASE early o127 => [OK, 0, 128]
         STOCK.RELEASE last o128 => [OK, 0, 129]
         STOCK.RELEASE inner o127 => [OK, 0, 128]",
    );
    for key in ["late", "early", "last", "inner"] {
        c.verify(key);
    }
}

#[test]
fn a_late_payment_needs_stock() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 5", "OK");
    let deadline = c.expect("STOCK.RESERVE k o 5 PX 30", "[OK, *]").items()[3].int();
    pass(deadline);
    c.script(
        "STOCK.RESERVE k other 3 => [OK, 3, 2, *]
         STOCK.CONFIRM k o LATE => [SOLDOUT, k, 2]
         STOCK.CONFIRM k o QTY 3 LATE => [SOLDOUT, k, 2]
         STOCK.SUSPEND k
         STOCK.CONFIRM k o QTY 2 LATE => [SUSPENDED, k]
         STOCK.CONFIRM k o QTY 6 LATE => -CONFLICT *
         STOCK.CONFIRM k o => [EXPIRED, k]
         STOCK.CONFIRM k o LATE FOR user u => -CONFLICT *
         STOCK.RESUME k
         STOCK.CONFIRM k o QTY 2 LATE => [OK, 2, 2]
         STOCK.CONFIRM k o QTY 2 LATE => [EXISTS, k, confirmed, 2, 0, 0]
         STOCK.RESERVE k o 5 => [EXISTS, k, confirmed, 2, 0, 0]
         STOCK.VERIFY k",
    );
}

/// An order that was lost in a failover is honoured, unless the pool may have forgotten it.
#[test]
fn late_of_an_unknown_order() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 10", "OK");
    c.expect("STOCK.SETPOLICY k {\"retain\":1,\"retain_paid\":1}", "OK");
    let before = now_ms();
    c.script(
        "STOCK.RESERVE k gone 1 => [OK, *]
         STOCK.RELEASE k gone => [OK, *]",
    );
    let after = now_ms();
    pass(after + 1_000);
    c.expect("STOCK.ORDER k gone", "nil");
    // Placed before something that is forgotten was placed: it may be that very order.
    c.expect(&format!("STOCK.CONFIRM k lost QTY 2 LATE SINCE {}", before - 1), "[NOORDER, k]");
    c.expect(&format!("STOCK.CONFIRM k lost QTY 2 LATE SINCE {before}"), "[NOORDER, k]");
    c.expect(&format!("STOCK.CONFIRM k lost QTY 2 LATE SINCE {}", after + 1), "[OK, 2, 2]");
    // An order placed by LATE was asked for in the quantity confirmed.
    c.expect("STOCK.RESERVE k lost 2", "[EXISTS, k, confirmed, 2, 0, 0]");
    c.expect("STOCK.RESERVE k lost 3", "-CONFLICT *");
    c.expect("STOCK.RESERVE k lost 2 PARTIAL", "-CONFLICT *");
    c.verify("k");
}

#[test]
fn finished_orders_are_forgotten() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET k 10
         STOCK.SETPOLICY k {\"retain\":1,\"retain_paid\":2}
         STOCK.RELEASE k cancelled => [NOORDER, k]
         STOCK.RESERVE k paid 1 => [OK, *]
         STOCK.CONFIRM k paid => [OK, *]",
    );
    let paid = now_ms();
    c.script(
        "STOCK.RESERVE k a 1 => [OK, *]
         STOCK.RELEASE k a => [OK, *]
         STOCK.RESERVE k a 1 => [CLOSED, k, released]",
    );
    let released = now_ms();
    pass(released + 1_000);
    c.script(
        "STOCK.ORDER k a => nil
         STOCK.ORDER k cancelled => nil
         STOCK.RESERVE k a 2 => [OK, 2, 7, *]
         STOCK.CONFIRM k paid => [EXISTS, k, confirmed, 1, 0, 0]",
    );
    pass(paid + 2_000);
    c.script(
        "STOCK.ORDER k paid => nil
         STOCK.RETURN k paid => [NOORDER, k]
         STOCK.RESERVE k paid 1 => [OK, 1, 6, *]
         STOCK.VERIFY k",
    );
    c.expect_pool("k", "on_hand=9 reserved=3 sold=1 out=1");
}

/// Which answer, when several apply.
#[test]
fn the_first_refusal_wins() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "STOCK.SET k 3
         SET text v
         STOCK.LIMIT k user 1
         STOCK.LIMIT k region 1
         STOCK.RESERVE k o 1 FOR user u region r => [OK, *]
         STOCK.SUSPEND k
         STOCK.RESERVE text o 0 => -ERR *
         STOCK.RESERVE text o 1 => -WRONGTYPE *
         STOCK.RESERVE k o 1 FOR user u region r => [EXISTS, *]
         STOCK.RESERVE k o 9 FOR user u => -CONFLICT *
         STOCK.RESERVE k p 9 FOR user u => [SUSPENDED, k]
         STOCK.RESUME k
         STOCK.RESERVE k p 9 FOR user u => -NODIM *
         STOCK.RESERVE k p 9 FOR user u region r => [SOLDOUT, k, 2]
         STOCK.RESERVE k p 2 FOR user u region r => [LIMITED, k, user/life/units, [u], 1, 1, 0]
         STOCK.RESERVE k p 1 FOR user v region r => [LIMITED, k, region/life/units, [r], 1, 1, 0]
         STOCK.RESERVE k p 1 FOR user v region s => [OK, *]",
    );
}

/// A CONFLICT says what differs: the quantity first, then PARTIAL, then the attributes.
#[test]
fn conflicts_name_what_differs() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 10", "OK");
    c.expect("STOCK.RESERVE k o 2 FOR user u", "[OK, *]");
    let quantity = c.expect("STOCK.RESERVE k o 3 PARTIAL FOR user v", "-CONFLICT *").error();
    let partial = c.expect("STOCK.RESERVE k o 2 PARTIAL FOR user v", "-CONFLICT *").error();
    let attributes = c.expect("STOCK.RESERVE k o 2 FOR user v", "-CONFLICT *").error();
    assert_eq!(c.say("STOCK.RESERVE k o 3").error(), quantity);
    assert_eq!(c.say("STOCK.RESERVE k o 2").error(), attributes);
    assert!(quantity != partial && partial != attributes && quantity != attributes);
    assert!(quantity.contains("quantity") && partial.contains("PARTIAL") && attributes.contains("attributes"));
}

#[test]
fn the_bound_on_orders() {
    let server = Server::start();
    let mut c = server.client();
    c.script(
        "CONFIG SET stock.pool-max-orders 2
         STOCK.SET k 10
         STOCK.RESERVE k a 1 => [OK, *]
         STOCK.RESERVE k b 1 => [OK, *]
         STOCK.RESERVE k c 1 => -ERR *
         STOCK.RESERVE k a 1 => [EXISTS, *]
         STOCK.RESERVE k a 2 => -CONFLICT *
         STOCK.CONFIRM k c QTY 1 LATE SINCE 99999999999999 => -ERR *
         STOCK.RELEASE k c => [NOORDER, k]
         STOCK.ORDER k c => nil
         STOCK.CONFIRM k a => [OK, 1, 1]
         STOCK.SUSPEND k
         STOCK.RESERVE k c 1 => -ERR *
         STOCK.RESUME k
         CONFIG SET stock.pool-max-orders 3
         STOCK.RESERVE k c 1 => [OK, *]
         STOCK.VERIFY k",
    );
}

/// Units never vanish and never come from nowhere, whatever order a crowd calls in.
#[test]
fn a_crowd_does_not_oversell() {
    let server = Server::start();
    let mut c = server.client();
    c.expect("STOCK.SET k 500", "OK");
    c.expect("STOCK.LIMIT k user 3", "OK");
    let won: i64 = std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..4)
            .map(|n| {
                let mut c = server.client();
                scope.spawn(move || {
                    let calls: Vec<_> = (0..500)
                        .map(|i| {
                            let order = format!("o{n}-{i}");
                            let user = format!("u{}", (i * 7 + n) % 150);
                            args!["STOCK.RESERVE", "k", order, 1 + i % 2, "FOR", "user", user]
                        })
                        .collect();
                    let answers = c.pipeline(&calls);
                    let ok = answers.iter().filter(|a| status_word(a) == "OK");
                    ok.map(|a| a.items()[1].int()).sum::<i64>()
                })
            })
            .collect();
        crowd.into_iter().map(|t| t.join().expect("a buyer")).sum()
    });
    assert!(won <= 150 * 3 && won > 400, "{won} units won");
    assert_eq!(c.get("k", "reserved"), won.to_string());
    for user in 0..150 {
        let usage = c.say(&format!("STOCK.USAGE k FOR user u{user}"));
        assert!(usage.items()[0].field("used").int() <= 3);
    }
    c.verify("k");
}

#[test]
fn binary_names() {
    let server = Server::start();
    let mut c = server.client();
    let key = b"k\0\xff \r\n%n";
    let order = b"o\0\xff\r\n%s%n";
    c.call(&args!["STOCK.SET", key, 5]);
    let ok = c.call(&args!["STOCK.RESERVE", key, order, 2, "FOR", "user", b"\0\xff\r\n"]);
    assert_eq!(status_word(&ok), "OK");
    let again = c.call(&args!["STOCK.RESERVE", key, order, 2, "FOR", "user", b"\0\xff\r\n"]);
    assert_eq!(again.items()[1], Value::Bulk(key.to_vec()));
    assert_eq!(again.items()[2].text(), "reserved");
    let known = c.call(&args!["STOCK.ORDERS", key, 0]);
    assert_eq!(known.items()[1].items()[0], Value::Bulk(order.to_vec()));
    let done = c.call(&args!["STOCK.CONFIRM", key, order]);
    assert_eq!(done.to_string(), "[OK, 2, 2]");
    c.verify(key);
}
