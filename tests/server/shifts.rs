//! What shifts between the buckets of a sharded pool, on a real server: kept, replicated and
//! published.

use testkit::args;
use testkit::entry::told;
use testkit::{now_ms, Client, Server};

use super::history::kept;

/// Two buckets of 10 units with a limit for each region.
fn buckets(c: &mut Client) {
    for key in ["{b0}x", "{b1}x"] {
        c.expect(&format!("STOCK.SET {key} 10"), "OK");
        c.expect(&format!("STOCK.LIMIT {key} region 5"), "OK");
    }
}

#[test]
fn what_has_shifted_is_kept_replicated_and_published() {
    let (mut primary, mut c) = Server::on_port(&["--appendonly", "yes", "--stock.events", "feed"]).with_client();
    let (replica, mut r) = Server::replica_of(&primary, &["--stock.events", "feed"]).with_client();
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
    assert_eq!(
        told(&mut c, "feed", &["type", "pool", "qty", "peer"])[4..],
        ["shifted {b0}x -4 {b1}x", "shifted {b0}x 0 {b1}x", "shifted {b1}x 4 {b0}x", "shifted {b1}x 0 {b0}x"]
    );
    replica.catch_up(&primary);
    assert_eq!(r.say("STOCK.SHIFTS {b0}x").to_string(), shifts.to_string());
    r.expect("STOCK.CHECK {b0}x 4 FOR region eu", "[LIMITED, *]");
    let payload = c.call(&["DUMP", "{b0}x"]).bytes().to_vec();
    assert_eq!(c.call(&args!["RESTORE", "copy", 0, payload]).to_string(), "OK");
    c.expect("STOCK.RESERVE copy o 4 FOR region eu", "[LIMITED, *]");
    kept(&mut primary, &replica, &["{b0}x", "{b1}x", "feed"]);
    let mut c = primary.client();
    c.expect("STOCK.RESERVE {b0}x o 4 FOR region eu", "[LIMITED, *]");
    c.expect("STOCK.RESERVE {b1}x o 7 FOR region eu", "[OK, 7, 7, *]");
    c.verify("{b1}x");
}
