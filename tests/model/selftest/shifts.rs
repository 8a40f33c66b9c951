//! What shifts between the buckets of a sharded pool.

use super::*;

fn two() -> Shop {
    let mut shop = Shop::with_stock(NEW_YEAR_MS, "10");
    shop.says("SET j 10", "OK");
    shop
}

#[test]
fn units_leave_and_arrive_once() {
    let mut shop = two();
    shop.says("SHIFT k TO j 4", "OK 6 6");
    refuses(&mut shop, "SHIFT k TO j 4", "EXISTS k shifted 4 0 0");
    refuses(&mut shop, "SHIFT k TO j 3", "EXISTS k shifted 4 0 0");
    shop.says("SHIFT j FROM k 4", "OK 14 14");
    refuses(&mut shop, "SHIFT j FROM k 4", "EXISTS j shifted 4 0 0");
    // The totals go on: one more.
    shop.says("SHIFT k TO j 5", "OK 5 5");
    // The other direction counts for itself.
    shop.says("SHIFT j TO k 1", "OK 13 13");
    shop.says("SHIFT k FROM j 1", "OK 6 6");
    shop.field("GET k", "out", "0");
    shop.field("GET k", "sold", "0");
    refuses(&mut shop, "SHIFT none TO j 1", "NOPOOL none");
}

#[test]
fn only_what_is_available_leaves() {
    let mut shop = two();
    shop.says("RESERVE k o 3 PX 1000", "OK 3 7 1767225601000");
    shop.says("SETPOLICY k {\"safety\":2}", "OK");
    refuses(&mut shop, "SHIFT k TO j 6", "SOLDOUT k 5");
    shop.says("SHIFT k TO j 5", "OK 5 0");
    // A hold that is due comes back first.
    shop.now_ms += 1_000;
    shop.says("SHIFT k TO j 8", "OK 2 0");
    // What the peer has already leaves in any case.
    shop.says("SHIFT k TO j 20 RECEIVED", "OK -10 0");
    shop.field("GET k", "shortfall", "12");
    shop.says("SET u UNLIMITED", "OK");
    refuses(&mut shop, "SHIFT u TO j 1", "-ERR");
    refuses(&mut shop, "SHIFT u FROM j 1", "-ERR");
}

#[test]
fn a_share_is_added_to_what_the_policy_says() {
    let mut shop = two();
    for key in ["k", "j"] {
        shop.says(&format!("LIMIT {key} region 5 PER DAY"), "OK");
        shop.says(&format!("RESERVE {key} o-{key} 2 FOR region eu"), &format!("OK 2 8 {}", NEW_YEAR_MS + 900_000));
    }
    // Two of five are used.
    let until = NEW_YEAR_MS + DAY_MS;
    let limited = format!("LIMITED k region/day/units [eu] 2 5 {until}");
    refuses(&mut shop, "SHIFT k TO j 4 LIMIT region PER DAY FOR eu", &limited);
    shop.says("SHIFT k TO j 3 LIMIT region PER DAY FOR eu", "OK 2 0");
    shop.says("RESERVE k more 1 FOR region eu", &format!("LIMITED k region/day/units [eu] 2 2 {until}"));
    shop.says("CHECK k 1 FOR region us", &format!("OK 1 7 {}", NEW_YEAR_MS + 900_000));
    // Not before the clock here has come so far as there.
    shop.now_ms -= 1;
    let early = format!("EARLY j {NEW_YEAR_MS}");
    let arrives = format!("SHIFT j FROM k 3 SINCE {NEW_YEAR_MS} LIMIT region PER DAY FOR eu");
    refuses(&mut shop, &arrives, &early);
    shop.now_ms += 1;
    shop.says(&arrives, "OK 8 6");
    shop.says("RESERVE j more 6 FOR region eu", &format!("OK 6 2 {}", NEW_YEAR_MS + 900_000));
    // A new policy neither doubles nor loses it.
    shop.says("LIMIT k region 7 PER DAY", "OK");
    shop.usage("USAGE k FOR region eu", &["2/4/2/1767312000000"]);
    shop.says("UNLIMIT k region PER DAY", "1");
    refuses(&mut shop, "SHIFT k TO j 4 LIMIT region PER DAY FOR eu", "-ERR");
    shop.says("LIMIT k region 5 PER DAY", "OK");
    shop.usage("USAGE k FOR region eu", &["0/2/2/1767312000000"]);
    // More than there is: nothing is left, and it is owed.
    shop.says("SHIFT k TO j 9 RECEIVED LIMIT region PER DAY FOR eu", "OK 0 0");
    shop.says("SHIFT k FROM j 6 SINCE 1 LIMIT region PER DAY FOR eu", "OK 2 2");
}

#[test]
fn a_share_that_was_used_in_a_window_ahead_waits_for_it() {
    let mut shop = two();
    shop.now_ms += DAY_MS - 1;
    for key in ["k", "j"] {
        shop.says(&format!("LIMIT {key} * 5 PER DAY"), "OK");
    }
    shop.now_ms += 1;
    shop.says("RESERVE k o 1", &format!("OK 1 9 {}", shop.now_ms + 900_000));
    // The clock steps back over midnight: the order counts in the day ahead, and so does what is
    // left.
    shop.now_ms -= 1;
    shop.says("SHIFT k TO j 4 LIMIT * PER DAY", "OK 1 0");
    let since = NEW_YEAR_MS + DAY_MS;
    shop.says("SHIFTS k", &format!("[peer=j sent=4 received=0 since_ms={since} limit=*/day/units values=[]]"));
}

#[test]
fn what_cannot_be_divided_is_an_error() {
    let mut shop = two();
    shop.says("LIMIT k user 5 PER ORDER", "OK");
    shop.says("LIMIT k store UNLIMITED", "OK");
    for call in [
        "SHIFT k TO j 1 LIMIT user PER ORDER FOR u",
        "SHIFT k TO j 1 LIMIT store FOR s",
        "SHIFT k TO j 1 LIMIT region FOR eu",
        "SHIFT k TO j 1 LIMIT store",
        "SHIFT k TO j 1 LIMIT * FOR s",
        "SHIFT k TO j 1 SINCE 5",
        "SHIFT k TO j 1 PER DAY",
        "SHIFT k FROM j 1 RECEIVED",
        "SHIFT k FROM j 1 SINCE 5",
        "SHIFT k FROM j 1 LIMIT store FOR s",
        "SHIFT k TO j 0",
        "SHIFT k VIA j 1",
        "SHIFT k TO  1",
        "SHIFT k TO k 1",
        "SHIFT k TO k 1 RECEIVED",
        "SHIFT k FROM k 1",
    ] {
        refuses(&mut shop, call, "-ERR");
    }
}

#[test]
fn the_database_knows_nothing_of_movements() {
    let mut shop = two();
    shop.says("SHIFT k TO j 4", "OK 6 6");
    // Its shelf has the ten that were put in here.
    refuses(&mut shop, "RECONCILE k 10", "OK 0 6 6");
    shop.says("RECONCILE k 9", "OK -1 5 5");
}

#[test]
fn sums_and_the_number_of_peers_have_bounds() {
    let mut shop = two();
    shop.says("LIMIT k region 5 PER DAY", "OK");
    let quota = "SINCE 1 LIMIT region PER DAY FOR eu";
    // The sum of two lanes would be out of bounds, and so would on_hand.
    shop.call(&format!("SHIFT k FROM p 9007199254740990 {quota}"));
    refuses(&mut shop, &format!("SHIFT k FROM q 2 {quota}"), "-ERR");
    refuses(&mut shop, "SHIFT k FROM p 9007199254740990", "-ERR");
    // One lane is there. The core alone, without a look at all of them after each call.
    let mut core = |peer: &str, total: &str| {
        let argv: Vec<Vec<u8>> = ["STOCK.SHIFT", "k", "FROM", peer, total].map(Vec::from).into();
        shop.core.call(shop.now_ms, Origin::Client, &argv)
    };
    for peer in 1..10_000 {
        let (answer, _) = core(&format!("p{peer}"), "1");
        assert_eq!(show(&answer), format!("OK {} {}", 10 + peer, 10 + peer));
    }
    let (answer, effects) = core("another", "1");
    assert_eq!(answer, Reply::Error("ERR too many peers and quotas have shifted: at most 10000".into()));
    assert!(effects.is_empty());
    assert_eq!(show(&core("p1", "2").0), "OK 10010 10010");
}
