//! Options in every order, twice, where they make no sense, and names that look like options.

use super::arguments::{prepare, survive};
use testkit::args;
use testkit::Server;

/// What is named like an option is not taken for one.
#[test]
fn orders_and_users_named_like_options() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET FOR 100
         STOCK.LIMIT FOR user 1
         STOCK.RESERVE FOR FOR 1 FOR user EX => [OK, *]
         STOCK.RESERVE FOR EX 1 EX 50 FOR user FOR => [OK, *]
         STOCK.RESERVE FOR PX 1 FOR user PARTIAL ex FOR => [OK, *]
         STOCK.RESERVE FOR x 1 FOR user EX => [LIMITED, FOR, user/life/units, [EX], 1, 1, 0]
         STOCK.RESERVE FOR y 1 FOR user FOR => [LIMITED, FOR, user/life/units, [FOR], 1, 1, 0]
         STOCK.CONFIRM FOR FOR => [OK, 1, 1]
         STOCK.CONFIRM FOR EX LATE FOR user FOR => [OK, 1, 2]
         STOCK.RETURN FOR EX QTY 1 TOKEN TOKEN => [OK, *]
         STOCK.RELEASE FOR PX => [OK, *]
         STOCK.LIMIT FOR user 5 FOR FOR
         STOCK.CHECK FOR 5 FOR user FOR => [OK, *]
         STOCK.USAGE FOR FOR user FOR => [[limit, user/life/units, used, 0, max, 5, remaining, 5, resets_ms, 0]]
         STOCK.UNLIMIT FOR user FOR FOR => 1
         STOCK.SET NX 5 NX
         STOCK.ADD TOKEN 5 TOKEN TOKEN => [NOPOOL, TOKEN]
         STOCK.VERIFY FOR",
    );
}

fn permutations(items: &[&'static str]) -> Vec<Vec<&'static str>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (i, first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(i);
        for mut tail in permutations(&rest) {
            tail.insert(0, first);
            all.push(tail);
        }
    }
    all
}

#[test]
fn options_in_every_order() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 100000", "OK");
    let mut n = 0;
    for (call, options, tail, expected) in [
        ("STOCK.RESERVE k $ 1", &["EX 60", "PARTIAL"][..], "FOR user u", "[OK, 1, *]"),
        ("STOCK.RESERVE k $ 1", &["px 60000", "partial"], "for user u", "[OK, 1, *]"),
        ("STOCK.CONFIRM k $ ", &["QTY 1", "LATE", "SINCE 9999999999999"], "FOR user u", "[OK, 1, *]"),
        ("STOCK.RETURN k $ ", &["QTY 1", "TOKEN t", "LATE", "KEEPUSAGE", "NORESTOCK"], "", "[OK, 1, *]"),
        ("STOCK.RETURN k $ ", &["QTY 1", "TOKEN t", "LATE", "NORESTOCK"], "FOR user u", "[OK, 1, *]"),
        ("STOCK.LIMIT k x$ 1", &["PER 60", "ROLLING", "TZ +01:00", "COUNT orders", "MISSING allow"], "FOR v", "OK"),
        ("STOCK.UNLIMIT k y ", &["PER 60", "rolling", "COUNT ORDERS"], "FOR v", "0"),
        ("STOCK.ORDERS k 0 ", &["STATE reserved", "COUNT 5"], "", "[*]"),
    ] {
        for order in permutations(options) {
            n += 1;
            let line = format!("{call} {} {tail}", order.join(" ")).replace('$', &format!("o{n}"));
            c.expect(&line, expected);
            // Once more, any of the options is once too often.
            for option in options {
                let line = line.replace(&format!("o{n}"), &format!("p{n}"));
                let twice = format!("{} {option} {tail}", line.strip_suffix(tail).unwrap_or(&line));
                c.expect(&twice, "-ERR *");
            }
            if call.starts_with("STOCK.LIMIT") {
                c.expect(&format!("STOCK.UNLIMIT k xo{n} PER 60 ROLLING COUNT ORDERS"), "1");
            }
        }
    }
    c.verify("k");
}

#[test]
fn combinations_that_make_no_sense() {
    let (_server, mut c) = Server::start().with_client();
    prepare(&mut c);
    let digest = c.digest("k");
    for line in [
        "STOCK.RESERVE k p 1 EX 5 PX 5",
        "STOCK.RESERVE k p 1 EX 5 PXAT 9999999999999",
        "STOCK.RESERVE k p 1 EX",
        "STOCK.RESERVE k p 1 EX 0",
        "STOCK.RESERVE k p 1 PX 0",
        "STOCK.RESERVE k p 1 PXAT 0",
        "STOCK.RESERVE k p 1 EX -1",
        "STOCK.RESERVE k p 1 FOR",
        "STOCK.RESERVE k p 1 FOR user",
        "STOCK.RESERVE k p 1 FOR user u region",
        "STOCK.RESERVE k p 1 FOR user u user v",
        "STOCK.RESERVE k p 1 FOR User u",
        "STOCK.RESERVE k p 1 FOR us*er u",
        "STOCK.RESERVE k p 1 LATE",
        "STOCK.RESERVE k p 0",
        "STOCK.RESERVE k p -1",
        "STOCK.RESERVE k p 9007199254740992",
        "STOCK.RESERVE k p 1.0",
        "STOCK.RESERVE k p 01",
        "STOCK.RESERVE k p +1",
        "STOCK.RESERVE k p x",
        "STOCK.CONFIRM k o QTY 1 SINCE 5",
        "STOCK.CONFIRM k o QTY",
        "STOCK.CONFIRM k o QTY 0",
        "STOCK.CONFIRM k o LATE SINCE 0",
        "STOCK.CONFIRM k o LATE SINCE -5",
        "STOCK.CONFIRM k o LATE FOR",
        "STOCK.CONFIRM k o PARTIAL",
        "STOCK.RETURN k o QTY 1 TOKEN t LATE FOR",
        "STOCK.RETURN k o QTY 0 TOKEN t",
        "STOCK.RETURN k o QTY 1 TOKEN",
        "STOCK.AMEND k o 0",
        "STOCK.AMEND k o -1",
        "STOCK.AMEND k o 9007199254740992",
        "STOCK.EXTEND k o EX 0",
        "STOCK.EXTEND k o",
        "STOCK.EXTEND k o EX 5 PX 5",
        "STOCK.EXTEND k o XX 5",
        "STOCK.EXTEND k o EX 315360001",
        "STOCK.SET k 5 NX XX",
        "STOCK.SET k 5 EX 5",
        "STOCK.SET k five",
        "STOCK.ADD k 0",
        "STOCK.ADD k UNLIMITED",
        "STOCK.ADD k 5 TOKEN",
        "STOCK.ADD k 5 NX",
        "STOCK.SUSPEND k now",
        "STOCK.LIMIT k user",
        "STOCK.LIMIT k user -1",
        "STOCK.UNLIMIT k",
        "STOCK.UNLIMIT k user+region FOR a",
        "STOCK.UNLIMIT k user TZ +01:00",
        "STOCK.USAGE k user u",
        "STOCK.USAGE k FOR",
        "STOCK.USAGE k FOR user",
        "STOCK.CHECK k 0",
        "STOCK.EXPLAIN k 0",
        "STOCK.EXPLAIN k 1 2",
        "STOCK.EXPLAIN k 1 EX 5",
        "STOCK.EXPLAIN k FOR",
        "STOCK.EXPLAIN",
        "STOCK.CHECK k 1 user u",
        "STOCK.CHECK k 1 EX 5",
        "STOCK.CHECK k 1 PARTIAL",
        "STOCK.GET k k",
        "STOCK.SWEEP k COUNT -1",
        "STOCK.SWEEP k 5",
        "STOCK.VERIFY k k",
        "STOCK.ORDER k",
        "STOCK.ORDERS k",
        "STOCK.ORDERS k 0 DETAILS DETAILS",
        "STOCK.ORDERS k 0 FOR",
        "STOCK.ORDERS k 0 FOR user",
        "STOCK.ORDERS k 0 FOR user u1 COUNT",
        "STOCK.USAGE k TOP",
        "STOCK.USAGE k TOP 0",
        "STOCK.USAGE k TOP 1001",
        "STOCK.USAGE k TOP 1 TOP 1",
    ] {
        c.expect(line, "-ERR *");
    }
    // What is mistaken most often is said.
    c.script(
        "STOCK.RESERVE k p 1 FOR user u EX 900 => -ERR *options stand before FOR*
         STOCK.RESERVE k p 1 FOR user u PARTIAL => -ERR syntax error: FOR takes pairs *",
    );
    assert_eq!(c.digest("k"), digest);
    for (id, ok) in [(0, false), (1, true), (128, true), (129, false)] {
        let id = "i".repeat(id);
        for call in [
            args!["STOCK.RESERVE", "k", id.clone(), 1],
            args!["STOCK.CONFIRM", "k", id.clone()],
            args!["STOCK.RELEASE", "k", id.clone()],
            args!["STOCK.AMEND", "k", id.clone(), 1],
            args!["STOCK.ORDER", "k", id.clone()],
            args!["STOCK.RESERVE", "k", "v", 1, "FOR", "user", id.clone()],
            args!["STOCK.RETURN", "k", "o", "QTY", 1, "TOKEN", id.clone()],
            args!["STOCK.ADD", "k", 1, "TOKEN", id.clone()],
            args!["STOCK.LIMIT", "k", "user", 1, "MISSING", "ALLOW", "FOR", id.clone()],
            args!["STOCK.USAGE", "k", "FOR", "user", id.clone()],
        ] {
            if ok {
                continue;
            }
            let answer = survive(&mut c, &call);
            assert!(answer.to_string().starts_with("-ERR "), "{} bytes: {answer}", id.len());
        }
        if ok {
            c.expect(&format!("STOCK.CHECK k 1 FOR user {id}"), "[OK, *]");
        }
    }
    assert_eq!(c.digest("k"), digest);
    for id in ["i".to_string(), "i".repeat(128)] {
        c.expect(&format!("STOCK.RESERVE k {id} 1 FOR user {id}"), "[OK, *]");
        c.expect(&format!("STOCK.CONFIRM k {id}"), "[OK, *]");
        c.expect(&format!("STOCK.RETURN k {id} QTY 1 TOKEN {id}"), "[OK, *]");
        c.expect(&format!("STOCK.ADD k 1 TOKEN {id}"), "[OK, *]");
    }
    c.verify("k");
}

#[test]
fn names_are_case_insensitive() {
    let server = Server::start();
    server.client().script(
        "stock.set k 10
         Stock.Reserve k o 2 px 50000 Partial for user u => [OK, *]
         stock.confirm k o qty 1 late since 5 for user u => [OK, 1, 1]
         stock.return k o qty 1 token t keepusage norestock => [OK, *]
         stock.limit k user unlimited per day tz +00:00 count units missing refuse
         stock.set k unlimited xx
         stock.orders k 0 state CONFIRMED count 5 => *
         STOCK.ORDER k O => nil
         STOCK.GET K => nil",
    );
}
