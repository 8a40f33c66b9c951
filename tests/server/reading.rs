//! The commands that only read: many keys, many orders, no trace. What they show is in
//! `tests/model`, their shapes are in inside.rs.

use testkit::args;
use testkit::{pass, Server};

#[test]
fn available_of_many() {
    let (_server, mut c) = Server::start().with_client();
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

#[test]
fn orders_by_cursor() {
    let (_server, mut c) = Server::start().with_client();
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

/// Reads work on a replica and leave no trace on a primary.
#[test]
fn reads_leave_no_trace() {
    let (server, mut c) = Server::on_port(&["--appendonly", "yes"]).with_client();
    let replica = Server::replica_of(&server, &[]);
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
