//! Selling as only a server shows it: deadlines by its clock and parameters, the words of a
//! CONFLICT, crowds. What each call answers in each state, and which answer wins where several
//! apply, is in `tests/model`.

use testkit::args;
use testkit::{now_ms, status_word, Server, Value};

#[test]
fn deadlines_are_what_was_asked() {
    let (_server, mut c) = Server::start().with_client();
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

/// A CONFLICT says what differs: the quantity first, then PARTIAL, then the attributes.
#[test]
fn conflicts_name_what_differs() {
    let (_server, mut c) = Server::start().with_client();
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

/// Units never vanish and never come from nowhere, whatever order a crowd calls in.
#[test]
fn a_crowd_does_not_oversell() {
    let (server, mut c) = Server::start().with_client();
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
    let (_server, mut c) = Server::start().with_client();
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

/// The parameter holds from the next call on.
#[test]
fn the_bound_on_orders() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "CONFIG SET stock.pool-max-orders 2
         STOCK.SET k 10
         STOCK.RESERVE k a 1 => [OK, *]
         STOCK.RESERVE k b 1 => [OK, *]
         STOCK.RESERVE k c 1 => -ERR pool has reached stock.pool-max-orders
         CONFIG SET stock.pool-max-orders 3
         STOCK.RESERVE k c 1 => [OK, *]
         STOCK.VERIFY k",
    );
}
