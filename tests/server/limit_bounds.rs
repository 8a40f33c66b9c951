//! How many limits, dimensions and overrides a pool takes, and what is no limit at all.

use testkit::args;
use testkit::{Client, Server};

fn pool(c: &mut Client) {
    c.expect("STOCK.SET k 1000", "OK");
}

#[test]
fn bounds_of_limits() {
    let (_server, mut c) = Server::start().with_client();
    pool(&mut c);
    c.expect("STOCK.LIMIT k a+b+c+d 1 MISSING ALLOW", "OK");
    for bad in ["a+b+c+d+e", "a+a", "A", "a+", "+a", "", "a+*", "a b", "ümlaut"] {
        let answer = c.call(&["STOCK.LIMIT", "k", bad, "1"]);
        assert!(answer.is_error(), "{bad}: {answer}");
    }
    c.expect(&format!("STOCK.LIMIT k {} 1", "x".repeat(33)), "-ERR *");
    for n in 1..32 {
        c.expect(&format!("STOCK.LIMIT k d{n} 1 MISSING ALLOW"), "OK");
    }
    c.expect("STOCK.LIMIT k d32 1", "-ERR *");
    c.expect("STOCK.LIMIT k d31 2", "OK");
    assert_eq!(c.get("k", "limits"), "32");
    let dims = |n: i32| (0..n).map(|i| format!("e{i} v")).collect::<Vec<_>>().join(" ");
    c.expect(&format!("STOCK.RESERVE k o 1 FOR {}", dims(16)), "[OK, *]");
    c.expect(&format!("STOCK.RESERVE k p 1 FOR {}", dims(17)), "-ERR *");
    for bad in ["PER 0", "PER -1", "PER year", "PER 1.5", "COUNT things", "MISSING maybe", "FOR", "FOR x y"] {
        c.expect(&format!("STOCK.LIMIT k d1 1 {bad}"), "-ERR *");
    }
    for bad in ["-1", "9007199254740992", "many", "1.0", "01", "+1"] {
        c.expect(&format!("STOCK.LIMIT k d1 {bad}"), "-ERR *");
    }
    c.expect("STOCK.LIMIT k d1 9007199254740991", "OK");
    c.verify("k");
}

#[test]
fn many_overrides() {
    let (_server, mut c) = Server::start().with_client();
    pool(&mut c);
    let calls: Vec<_> = (0..10_000).map(|i| args!["STOCK.LIMIT", "k", "user", i, "FOR", format!("u{i}")]).collect();
    for answer in c.pipeline(&calls) {
        assert_eq!(answer.to_string(), "OK");
    }
    c.expect("STOCK.LIMIT k user 1 FOR onemore", "-ERR *");
    c.expect("STOCK.LIMIT k user 7 FOR u5", "OK");
    for (user, max) in [("u5", 7), ("u9999", 9999), ("other", -1)] {
        let usage = c.say(&format!("STOCK.USAGE k FOR user {user}"));
        assert_eq!(usage.items()[0].field("max").int(), max, "{user}");
    }
    c.verify("k");
}
