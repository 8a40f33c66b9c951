//! Payments whose hold is over.

use super::*;

#[test]
fn late_takes_the_units_again_if_stock_and_limits_still_allow() {
    let mut shop = Shop::with_stock(1_000_000, "5");
    shop.says("LIMIT k user 4 PER HOUR", "OK");
    shop.says("RESERVE k o 4 PX 1 FOR user u", "OK 4 1 1000001");
    shop.now_ms += 1;
    shop.says("LIMIT k * 0", "OK");
    // Newer limits are ignored, older ones are not.
    let mut paid = shop.clone();
    paid.says("CONFIRM k o LATE FOR user v", "-CONFLICT");
    paid.says("CONFIRM k o LATE QTY 5", "-CONFLICT");
    paid.says("CONFIRM k o LATE QTY 3 FOR user u", "OK 3 3");
    paid.usage("USAGE k FOR user u", &["3/4/1/3600000", "0/0/0/0"]);
    paid.says("CONFIRM k o LATE", "EXISTS k confirmed 3 0 0");
    paid.says("RESERVE k o 4 FOR user u", "EXISTS k confirmed 3 0 0");
    paid.says("RETURN k o", "OK 3 5 0");
    paid.usage("USAGE k FOR user u", &["0/4/4/3600000", "0/0/0/0"]);

    shop.says("UNLIMIT k *", "1");
    shop.says("RESERVE k p 1 FOR user u", "OK 1 4 1900001");
    shop.says("CONFIRM k o LATE", "LIMITED k user/hour/units [u] 1 4 3600000");
    shop.says("RESERVE k q 1 FOR user v", "OK 1 3 1900001");
    shop.says("CONFIRM k o LATE", "SOLDOUT k 3");
    shop.says("CONFIRM k o", "EXPIRED k");
}

#[test]
fn late_of_an_unknown_order_needs_to_be_placed_after_all_that_is_forgotten() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("SETPOLICY k {\"retain\":1,\"retain_paid\":1}", "OK");
    shop.says("RESERVE k o 1 PX 5", "OK 1 9 1000005");
    shop.now_ms += 5;
    shop.says("SWEEP k", "1");
    // Not forgotten yet: the order was lost in a failover, and is taken.
    shop.now_ms += 999;
    let mut known = shop.clone();
    known.says("CONFIRM k lost LATE QTY 1 SINCE 1000000", "OK 1 1");
    shop.now_ms += 1;
    shop.says("CONFIRM k lost LATE QTY 1 SINCE 1", "NOORDER k");
    shop.says("CONFIRM k lost LATE QTY 1 SINCE 1000000", "NOORDER k");
    shop.says("CONFIRM k lost LATE SINCE 1000001", "NOORDER k");
    shop.says("CONFIRM k lost LATE QTY 1", "NOORDER k");
    shop.says("CONFIRM k lost LATE QTY 1 SINCE 1000001", "OK 1 1");
    shop.says("CONFIRM k lost LATE QTY 1 SINCE 1000001", "EXISTS k confirmed 1 0 0");
    shop.says("RESERVE k lost 1", "EXISTS k confirmed 1 0 0");
    shop.says("RESERVE k lost 2", "-CONFLICT");
    shop.says("RESERVE k lost 1 PARTIAL", "-CONFLICT");
    // Its SINCE is when it was placed: forgotten, it moves the horizon to there.
    shop.now_ms += 1000;
    shop.says("CONFIRM k other LATE QTY 1 SINCE 1000001", "NOORDER k");
    shop.says("CONFIRM k other LATE QTY 1 SINCE 1000002", "OK 1 2");
    // A SINCE in the future counts as now.
    shop.says("CONFIRM k future LATE QTY 1 SINCE 9000000", "OK 1 3");
    shop.now_ms += 1000;
    shop.says("CONFIRM k last LATE QTY 1 SINCE 1002005", "NOORDER k");
    shop.says("CONFIRM k last LATE QTY 1 SINCE 1002006", "OK 1 4");
}

#[test]
fn late_of_an_unknown_order_ignores_limits_set_after_since() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("LIMIT k user 2", "OK");
    shop.now_ms += 10;
    shop.says("LIMIT k region 0", "OK");
    shop.says("CONFIRM k a LATE QTY 1 SINCE 1000009", "-NODIM");
    shop.says("CONFIRM k a LATE QTY 3 SINCE 1000009 FOR user u", "LIMITED k user/life/units [u] 0 2 0");
    shop.says("CONFIRM k a LATE QTY 2 SINCE 1000009 FOR user u", "OK 2 2");
    shop.says("CONFIRM k b LATE QTY 2 SINCE 1000010 FOR user v", "-NODIM");
    shop.says("CONFIRM k b LATE QTY 2 SINCE 1000010 FOR user v region r", "LIMITED k region/life/units [r] 0 0 0");
    shop.says("CONFIRM k b LATE QTY 9 SINCE 999999 FOR user u", "SOLDOUT k 8");
    shop.says("CONFIRM k b LATE QTY 8 SINCE 999999", "OK 8 10");
    shop.usage("USAGE k FOR user u region r", &["2/2/0/0", "0/0/0/0"]);
}

#[test]
fn a_late_return_gives_the_share_of_a_forgotten_order_back() {
    // Two weeks after noon of a Thursday: beyond the day, within the pool's life.
    let mut shop = Shop::with_stock(NEW_YEAR_MS + 12 * HOUR_MS, "100");
    shop.says(r#"SETPOLICY k {"retain_paid":86400,"limits":[{"by":["user"],"max":5},{"by":["user"],"max":4,"per":"day"},{"by":["user"],"max":3,"count":"orders"},{"by":["user"],"max":9,"per":60}]}"#, "OK");
    for (order, qty, user) in [("a", 3, "u"), ("b", 2, "v"), ("c", 1, "w")] {
        shop.call(&format!("RESERVE k {order} {qty} EX 60 FOR user {user}"));
        shop.call(&format!("CONFIRM k {order}"));
    }
    // Known orders keep to their own attributes.
    shop.says("RETURN k c QTY 1 TOKEN t LATE FOR user u", "-CONFLICT");
    shop.says("RETURN k c QTY 1 TOKEN t LATE FOR user w", "OK 1 95 5");
    shop.now_ms += 14 * DAY_MS;
    shop.call("RESERVE k today 1 EX 60 FOR user u");
    let day_ms = NEW_YEAR_MS + 15 * DAY_MS;
    let minute_ms = shop.now_ms + 60_000;
    let today = format!("1/4/3/{day_ms}");
    let now = format!("1/9/8/{minute_ms}");
    shop.usage("USAGE k FOR user u", &["4/5/1/0", &today, "2/3/1/0", &now]);
    // Refused, and nothing has changed.
    for bad in ["QTY 1 TOKEN t FOR user u", "QTY 1 TOKEN t LATE KEEPUSAGE FOR user u", "LATE FOR user u", "FOR user u"]
    {
        shop.says(&format!("RETURN k a {bad}"), "-ERR");
    }
    shop.says("RETURN k a QTY 2 TOKEN t LATE FOR user u", "OK 2 96 3");
    shop.says("RETURN k a QTY 2 TOKEN t LATE FOR user u", "EXISTS k returned 2 2 0");
    // Not of today: that cannot have counted it. Not the orders: nobody knows whether it was all of
    // one.
    shop.usage("USAGE k FOR user u", &["2/5/3/0", &today, "2/3/1/0", &now]);
    // A second part of the same order. More than was used is not given back.
    shop.says("RETURN k a QTY 50 TOKEN t2 LATE FOR user u", "OK 50 146 -47");
    shop.usage("USAGE k FOR user u", &["0/5/5/0", &today, "2/3/1/0", &now]);
    shop.says("CHECK k 6 FOR user u", "LIMITED k user/life/units [u] 0 5 0");
    // The hold of today is given up: it takes its own units only, and no more is to be had.
    shop.says("RELEASE k today", "OK 1 147");
    shop.usage(
        "USAGE k FOR user u",
        &["0/5/5/0", &format!("0/4/4/{day_ms}"), "1/3/2/0", &format!("0/9/9/{minute_ms}")],
    );
    // Another buyer's share is untouched, and without FOR nothing comes back.
    shop.says("RETURN k b QTY 1 TOKEN t LATE", "OK 1 148 -48");
    shop.usage(
        "USAGE k FOR user v",
        &["2/5/3/0", &format!("0/4/4/{day_ms}"), "1/3/2/0", &format!("0/9/9/{minute_ms}")],
    );
    // An order that nobody has forgotten was counted by no limit that is younger.
    shop.says("LIMIT k region 5", "OK");
    shop.call("RESERVE k other 2 EX 60 FOR user x region r");
    shop.says("RETURN k lost QTY 1 TOKEN t LATE FOR region r user x", "OK 1 147 -49");
    shop.usage("USAGE k FOR region r", &["2/5/3/0"]);
}

/// What was returned for a forgotten order stays returned when a hold of the same buyer is split:
/// its units only change hands.
#[test]
fn a_split_leaves_what_was_returned() {
    let mut shop = Shop::with_stock(NEW_YEAR_MS + 12 * HOUR_MS, "100");
    let policy = r#"{"retain_paid":86400,"limits":[{"by":["user"],"max":5},{"by":["user"],"max":9,"count":"orders"}]}"#;
    shop.says(&format!("SETPOLICY k {policy}"), "OK");
    shop.call("RESERVE k old 2 EX 60 FOR user u");
    shop.call("CONFIRM k old");
    shop.now_ms += 14 * DAY_MS;
    shop.call("RESERVE k whole 2 EX 600 FOR user u");
    shop.says("RETURN k old QTY 4 TOKEN t LATE FOR user u", "OK 4 100 -2");
    shop.usage("USAGE k FOR user u", &["0/5/5/0", "2/9/7/0"]);
    shop.says("SPLIT k whole part 1", &format!("OK 1 1 {}", shop.now_ms + 600_000));
    shop.usage("USAGE k FOR user u", &["0/5/5/0", "3/9/6/0"]);
    shop.says("RELEASE k whole", "OK 1 101");
    shop.says("RELEASE k part", "OK 1 102");
    shop.usage("USAGE k FOR user u", &["0/5/5/0", "1/9/8/0"]);
}
