//! Limits, their windows, and usage that comes back.

use super::*;

#[test]
fn refusals_come_in_order() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("LIMIT k user 2", "OK");
    shop.says("LIMIT k region 3", "OK");
    shop.says("SUSPEND k", "OK");
    shop.says("RESERVE k o 11 FOR user u", "SUSPENDED k");
    shop.says("RESUME k", "OK");
    shop.says("RESERVE k o 11 FOR user u", "-NODIM");
    shop.says("RESERVE k o 11 FOR user u region r", "SOLDOUT k 10");
    shop.says("RESERVE k o 4 FOR user u region r", "LIMITED k user/life/units [u] 0 2 0");
    shop.says("RESERVE k o 2 FOR user u region r", "OK 2 8 1900000");
    shop.says("RESERVE k p 2 FOR user v region r", "LIMITED k region/life/units [r] 2 3 0");
    shop.says("CHECK k 2 FOR user v region r", "LIMITED k region/life/units [r] 2 3 0");
    shop.says("CHECK k 1 FOR user v region r", "OK 1 7 1900000");
    shop.says("LIMIT k user 2 MISSING ALLOW", "OK");
    shop.says("RESERVE k p 1 FOR region r", "OK 1 7 1900000");
    shop.field("ORDER k o", "for", "region=r user=u");
    shop.field("ORDER k p", "for", "region=r");
}

#[test]
fn partial_takes_what_stock_and_limits_allow() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("LIMIT k user 6", "OK");
    shop.says("LIMIT k region 8 PER DAY", "OK");
    shop.says("LIMIT k user 2 COUNT ORDERS", "OK");
    shop.says("RESERVE k a 50 PARTIAL FOR user u region r", "OK 6 4 1900000");
    shop.says("RESERVE k a 50 PARTIAL FOR user u region r", "EXISTS k reserved 6 0 1900000");
    shop.says("RESERVE k b 50 PARTIAL FOR user v region r", "OK 2 2 1900000");
    // What was asked for is compared, not what was held.
    shop.says("RESERVE k b 2 PARTIAL FOR user v region r", "-CONFLICT");
    shop.says("RESERVE k b 50 FOR user v region r", "-CONFLICT");
    shop.says("RESERVE k c 50 PARTIAL FOR user u region r", "LIMITED k user/life/units [u] 6 6 0");
    let end_ms = DAY_MS;
    shop.says("RESERVE k c 50 PARTIAL FOR user v region r", &format!("LIMITED k region/day/units [r] 8 8 {end_ms}"));
    shop.says("RESERVE k c 50 PARTIAL FOR user v region s", "OK 2 0 1900000");
    shop.says("RESERVE k d 1 PARTIAL FOR user v region s", "SOLDOUT k 0");
}

#[test]
fn the_most_exact_override_wins() {
    let mut shop = Shop::with_stock(1_000_000, "1000");
    // The text of the limit is group+user, whatever the order in which it is named.
    shop.says("LIMIT k user+group 1 PER DAY", "OK");
    shop.says("LIMIT k user+group 2 PER DAY FOR * *", "OK");
    shop.says("LIMIT k user+group 3 PER DAY FOR u *", "OK");
    shop.says("LIMIT k group+user 4 PER DAY FOR vip *", "OK");
    shop.says("LIMIT k user+group 5 PER DAY FOR u gold", "OK");
    shop.says("LIMIT k user+group UNLIMITED PER DAY FOR boss vip", "OK");
    shop.says("LIMIT k user+group 0 PER DAY FOR thief *", "OK");
    for (user, group, max) in [
        ("x", "none", "2"),
        ("u", "none", "3"),
        ("x", "vip", "4"),
        // One exact value each: the earlier dimension of the text is group.
        ("u", "vip", "4"),
        ("u", "gold", "5"),
        ("boss", "vip", "-1"),
        ("thief", "none", "0"),
        ("thief", "vip", "4"),
    ] {
        let call = format!("USAGE k FOR user {user} group {group}");
        let end_ms = DAY_MS;
        shop.usage(&call, &[&format!("0/{max}/{max}/{end_ms}")]);
    }
    shop.says(
        "RESERVE k o 1 FOR group g user thief",
        &format!("LIMITED k group+user/day/units [g thief] 0 0 {DAY_MS}"),
    );
    // Exempt, and counted all the same.
    shop.says("RESERVE k o 9 FOR group vip user boss", "OK 9 991 1900000");
    shop.says("UNLIMIT k user+group PER DAY FOR boss vip", "1");
    shop.says("UNLIMIT k user+group PER DAY FOR boss vip", "0");
    shop.usage("USAGE k FOR user boss group vip", &[&format!("9/4/0/{DAY_MS}")]);
    shop.says("CHECK k 1 FOR user boss group vip", &format!("LIMITED k group+user/day/units [vip boss] 9 4 {DAY_MS}"));
    // An override by the same values in another order of the dimensions.
    shop.says("UNLIMIT k group+user PER DAY FOR * u", "1");
    shop.usage("USAGE k FOR user u group none", &[&format!("0/2/2/{DAY_MS}")]);
}

#[test]
fn an_override_without_a_base_implies_an_unlimited_one() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("LIMIT k user 1 FOR thief", "OK");
    shop.says("RESERVE k o 5 FOR user u", "OK 5 5 1900000");
    shop.says("RESERVE k p 2 FOR user thief", "LIMITED k user/life/units [thief] 0 1 0");
    shop.says("LIMITS k", "[limit=user/life/units max=-1 tz=+00:00 missing=refuse overrides=[[[thief] 1]]]");
    shop.says("UNLIMIT k user FOR thief", "1");
    shop.says("LIMITS k", "[limit=user/life/units max=-1 tz=+00:00 missing=refuse overrides=[]]");
    shop.usage("USAGE k FOR user u", &["5/-1/-1/0"]);
    shop.says("RESERVE k p 2 FOR user thief", "OK 2 3 1900000");
    shop.says("RESERVE k q 1", "-NODIM");
    shop.says("LIMIT k user 2", "OK");
    shop.says("RESERVE k q 1 FOR user thief", "LIMITED k user/life/units [thief] 2 2 0");
    shop.says("LIMIT k user UNLIMITED", "OK");
    shop.says("RESERVE k q 1 FOR user thief", "OK 1 2 1900000");
    shop.usage("USAGE k FOR user thief", &["3/-1/-1/0"]);
    shop.says("UNLIMIT k user", "1");
    shop.says("LIMITS k", "");
}

#[test]
fn order_windows_compare_the_order_itself() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    shop.says("LIMIT k user 3 PER ORDER", "OK");
    shop.says("LIMIT k * 1 PER ORDER COUNT ORDERS", "OK");
    for order in ["a", "b", "c"] {
        shop.call(&format!("RESERVE k {order} 3 FOR user u"));
    }
    shop.says("AVAILABLE k", "91");
    shop.says("RESERVE k d 4 FOR user u", "LIMITED k user/order/units [u] 0 3 0");
    shop.says("AMEND k a 4", "LIMITED k user/order/units [u] 0 3 0");
    shop.says("LIMIT k * 0 PER ORDER COUNT ORDERS", "OK");
    shop.says("RESERVE k d 3 FOR user u", "LIMITED k */order/orders [] 0 0 0");
    shop.usage("USAGE k FOR user u", &["0/3/3/0", "0/0/0/0"]);
}

/// The limit `user 1 PER window TZ tz` is exhausted from `first_ms` to the last millisecond before
/// `end_ms`.
#[track_caller]
fn window(window: &str, tz: &str, first_ms: i64, end_ms: i64) {
    for at_ms in [first_ms, first_ms + 1, end_ms - 1] {
        let mut shop = Shop::with_stock(at_ms, "10");
        shop.says(&format!("LIMIT k user 1 PER {window} TZ {tz}"), "OK");
        shop.says("RESERVE k o 1 EX 99000000 FOR user u", &format!("OK 1 9 {}", at_ms + 99_000_000_000));
        shop.usage("USAGE k FOR user u", &[&format!("1/1/0/{end_ms}")]);
        for now_ms in [first_ms, end_ms - 1] {
            shop.now_ms = now_ms;
            let name = window.to_lowercase();
            shop.says("CHECK k 1 FOR user u", &format!("LIMITED k user/{name}/units [u] 1 1 {end_ms}"));
        }
        shop.now_ms = end_ms;
        shop.says("CHECK k 1 FOR user u", &format!("OK 1 8 {}", end_ms + 900_000));
    }
}

#[test]
fn windows_begin_and_end_where_the_calendar_says() {
    window("HOUR", "+00:00", NEW_YEAR_MS, NEW_YEAR_MS + HOUR_MS);
    // Half past, by an offset of half an hour.
    window("HOUR", "+05:30", NEW_YEAR_MS + HOUR_MS / 2, NEW_YEAR_MS + HOUR_MS * 3 / 2);
    window("DAY", "+00:00", NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS);
    // A day of Beijing begins at 16:00 UTC of the day before; one of New York's winter at 05:00
    // UTC.
    window("DAY", "+08:00", NEW_YEAR_MS - 8 * HOUR_MS, NEW_YEAR_MS + 16 * HOUR_MS);
    window("DAY", "-05:00", NEW_YEAR_MS + 5 * HOUR_MS, NEW_YEAR_MS + 29 * HOUR_MS);
    window("DAY", "-18:00", NEW_YEAR_MS + 18 * HOUR_MS, NEW_YEAR_MS + 42 * HOUR_MS);
    // 2026-01-05 is a Monday.
    window("WEEK", "+00:00", NEW_YEAR_MS + 4 * DAY_MS, NEW_YEAR_MS + 11 * DAY_MS);
    window("WEEK", "+18:00", NEW_YEAR_MS + 4 * DAY_MS - 18 * HOUR_MS, NEW_YEAR_MS + 11 * DAY_MS - 18 * HOUR_MS);
    window("MONTH", "+00:00", NEW_YEAR_MS, NEW_YEAR_MS + 31 * DAY_MS);
    window("MONTH", "+00:00", NEW_YEAR_MS + 31 * DAY_MS, NEW_YEAR_MS + 59 * DAY_MS);
    window("MONTH", "+00:00", NEW_YEAR_MS - 31 * DAY_MS, NEW_YEAR_MS);
    // February 2028 has 29 days; it begins 365 + 365 + 31 days after 2026 does.
    window("MONTH", "+00:00", NEW_YEAR_MS + 761 * DAY_MS, NEW_YEAR_MS + 790 * DAY_MS);
    window(
        "MONTH",
        "-05:30",
        NEW_YEAR_MS + 5 * HOUR_MS + HOUR_MS / 2,
        NEW_YEAR_MS + 31 * DAY_MS + 5 * HOUR_MS + HOUR_MS / 2,
    );
    window("MONTH", "-03:00", NEW_YEAR_MS + 3 * HOUR_MS, NEW_YEAR_MS + 31 * DAY_MS + 3 * HOUR_MS);
    window("MONTH", "-03:30", NEW_YEAR_MS - 31 * DAY_MS + 7 * HOUR_MS / 2, NEW_YEAR_MS + 7 * HOUR_MS / 2);
    // Ahead of UTC months begin in the one before: also February, and that of 29 days.
    window("MONTH", "+08:00", NEW_YEAR_MS + 31 * DAY_MS - 8 * HOUR_MS, NEW_YEAR_MS + 59 * DAY_MS - 8 * HOUR_MS);
    window("MONTH", "+18:00", NEW_YEAR_MS + 761 * DAY_MS - 18 * HOUR_MS, NEW_YEAR_MS + 790 * DAY_MS - 18 * HOUR_MS);
    window("MONTH", "-18:00", NEW_YEAR_MS + 790 * DAY_MS + 18 * HOUR_MS, NEW_YEAR_MS + 821 * DAY_MS + 18 * HOUR_MS);
    window("WEEK", "-03:30", NEW_YEAR_MS + 4 * DAY_MS + 7 * HOUR_MS / 2, NEW_YEAR_MS + 11 * DAY_MS + 7 * HOUR_MS / 2);
    // Windows in a row since the epoch, whatever the offset: 2026 begins at 1767225600 = 7 *
    // 252460800.
    window("7", "+05:45", NEW_YEAR_MS, NEW_YEAR_MS + 7_000);
    window("86400", "+08:00", NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS);
}

#[test]
fn a_server_wide_offset_is_fixed_into_a_limit() {
    let config = Config { tz: testkit::reference::Tz::Offset(480), ..Config::default() };
    let mut shop = Shop { model: Reference::new(config), core: Host::new(1), now_ms: NEW_YEAR_MS };
    shop.core.defaults.tz = redis_stock::core::model::zone::Tz::Offset(480);
    shop.says("SET k 10", "OK");
    shop.says("LIMIT k user 1 PER DAY", "OK");
    shop.usage("USAGE k FOR user u", &[&format!("0/1/1/{}", NEW_YEAR_MS + 16 * HOUR_MS)]);
    shop.says("LIMITS k", "[limit=user/day/units max=1 tz=+08:00 missing=refuse overrides=[]]");
}

#[test]
fn usage_goes_back_to_the_window_in_which_it_was_counted() {
    let next_ms = NEW_YEAR_MS + DAY_MS;
    let after_ms = next_ms + DAY_MS;
    let mut shop = Shop::with_stock(NEW_YEAR_MS, "100");
    shop.says("LIMIT k user 5 PER DAY", "OK");
    shop.call("RESERVE k a 3 EX 999999 FOR user u");
    shop.call("RESERVE k b 1 EX 999999 FOR user u");
    shop.usage("USAGE k FOR user u", &[&format!("4/5/1/{next_ms}")]);
    shop.says("RELEASE k b", "OK 1 97");
    shop.usage("USAGE k FOR user u", &[&format!("3/5/2/{next_ms}")]);
    // The next day counts anew; what is over does not come back.
    shop.now_ms = next_ms;
    shop.call("RESERVE k c 2 EX 999999 FOR user u");
    shop.says("RELEASE k a", "OK 3 98");
    shop.usage("USAGE k FOR user u", &[&format!("2/5/3/{after_ms}")]);
    // Half of an order is confirmed: the rest goes back.
    shop.says("CONFIRM k c QTY 1", "OK 1 1");
    shop.usage("USAGE k FOR user u", &[&format!("1/5/4/{after_ms}")]);
}

#[test]
fn amend_counts_as_a_new_reservation_made_now() {
    let next_ms = NEW_YEAR_MS + DAY_MS;
    let after_ms = next_ms + DAY_MS;
    let mut shop = Shop::with_stock(NEW_YEAR_MS, "100");
    shop.says("LIMIT k user 5 PER DAY", "OK");
    shop.call("RESERVE k a 3 EX 999999 FOR user u");
    shop.says("AMEND k a 6", &format!("LIMITED k user/day/units [u] 3 5 {next_ms}"));
    shop.says("AMEND k a 5", "OK 5 95");
    shop.says("AMEND k a 4", "OK 4 96");
    shop.says("RESERVE k z 1 EX 999999 FOR user u", &format!("OK 1 95 {}", NEW_YEAR_MS + 999_999_000));
    shop.says("AMEND k a 5", &format!("LIMITED k user/day/units [u] 5 5 {next_ms}"));
    shop.says("RELEASE k z", "OK 1 96");
    shop.usage("USAGE k FOR user u", &[&format!("4/5/1/{next_ms}")]);
    shop.now_ms = next_ms;
    // Down: nothing in the new window.
    shop.says("AMEND k a 3", "OK 3 97");
    shop.usage("USAGE k FOR user u", &[&format!("0/5/5/{after_ms}")]);
    shop.call("RESERVE k b 2 EX 999999 FOR user u");
    shop.says("AMEND k a 4", &format!("LIMITED k user/day/units [u] 2 5 {after_ms}"));
    shop.says("AMEND k b 1", "OK 1 96");
    // Up: the whole new quantity counts in the new window, and goes back there.
    shop.says("AMEND k a 4", "OK 4 95");
    shop.usage("USAGE k FOR user u", &[&format!("5/5/0/{after_ms}")]);
    shop.says("RELEASE k a", "OK 4 99");
    shop.usage("USAGE k FOR user u", &[&format!("1/5/4/{after_ms}")]);
    // A lowered max never stands in the way of less; a newer limit does not concern the order at
    // all.
    shop.says("AMEND k b 2", "OK 2 98");
    shop.says("LIMIT k user 0 PER DAY", "OK");
    shop.says("AMEND k b 1", "OK 1 99");
    shop.says("LIMIT k * 0", "OK");
    shop.call("RESERVE k c 1 FOR user v");
    shop.says("UNLIMIT k user PER DAY", "1");
    shop.says("AMEND k b 9", "OK 9 91");
}

#[test]
fn count_orders_counts_one_until_the_last_unit_is_back() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    shop.says("LIMIT k user 2 COUNT ORDERS", "OK");
    let used = |shop: &mut Shop, used: i64| {
        shop.usage("USAGE k FOR user u", &[&format!("{used}/2/{}/0", 2 - used)]);
    };
    for order in ["a", "b"] {
        shop.call(&format!("RESERVE k {order} 5 FOR user u"));
    }
    shop.says("RESERVE k c 1 FOR user u", "LIMITED k user/life/orders [u] 2 2 0");
    shop.says("AMEND k a 6", "OK 6 89");
    shop.says("RELEASE k b", "OK 5 94");
    used(&mut shop, 1);
    shop.says("CONFIRM k a QTY 4", "OK 4 4");
    shop.says("RETURN k a QTY 3 TOKEN t", "OK 3 99 1");
    used(&mut shop, 1);
    let mut kept = shop.clone();
    kept.says("RETURN k a KEEPUSAGE", "OK 1 100 0");
    used(&mut kept, 1);
    shop.says("RETURN k a", "OK 1 100 0");
    used(&mut shop, 0);
}

#[test]
fn returns_give_usage_and_goods_back_unless_told() {
    let mut shop = order_in("unknown");
    shop.says("LIMIT k user 9", "OK");
    shop.says("RESERVE k o 6 FOR user u", "OK 6 4 1900000");
    shop.says("CONFIRM k o", "OK 6 6");
    shop.says("RETURN k o QTY 1 TOKEN a KEEPUSAGE", "OK 1 5 5");
    shop.usage("USAGE k FOR user u", &["6/9/3/0"]);
    shop.says("RETURN k o NORESTOCK QTY 2 TOKEN b", "OK 2 5 3");
    shop.usage("USAGE k FOR user u", &["4/9/5/0"]);
    shop.field("GET k", "out", "5");
    // A token's content is the quantity, KEEPUSAGE and NORESTOCK.
    shop.says("RETURN k o QTY 2 TOKEN b NORESTOCK", "EXISTS k confirmed 6 3 0");
    shop.says("RETURN k o QTY 2 TOKEN b", "-CONFLICT");
    shop.says("RETURN k o QTY 1 TOKEN a", "-CONFLICT");
    shop.says("RETURN k o QTY 1 TOKEN b NORESTOCK", "-CONFLICT");
    shop.says("RETURN k o", "OK 3 8 0");
    shop.usage("USAGE k FOR user u", &["1/9/8/0"]);
    // What is over by itself comes back too, before a write and to a read.
    shop.says("RESERVE k p 5 PX 30 FOR user u", "OK 5 3 1000030");
    shop.usage("USAGE k FOR user u", &["6/9/3/0"]);
    shop.now_ms += 30;
    shop.usage("USAGE k FOR user u", &["1/9/8/0"]);
    shop.says("RESERVE k q 8 FOR user u", "OK 8 0 1900030");
}

#[test]
fn vouched_returns_add_up_and_need_late_every_time() {
    let mut shop = order_in("unknown");
    shop.says("RETURN k o QTY 2 TOKEN a LATE", "OK 2 12 -2");
    shop.says("RETURN k o QTY 2 TOKEN a", "EXISTS k returned 2 2 0");
    shop.says("RETURN k o QTY 3 TOKEN b", "-CONFLICT");
    shop.says("RETURN k o QTY 3 TOKEN b LATE NORESTOCK", "OK 3 12 -5");
    shop.says("RETURN k o", "EXISTS k returned 5 5 0");
    shop.field("GET k", "out", "-2");
    shop.says("RETURN k o QTY 3", "-ERR");
    shop.says("RETURN k o TOKEN b", "-ERR");
    shop.says("RETURN k o LATE", "-ERR");
}

#[test]
fn a_limit_counts_from_when_it_is_set() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    shop.call("RESERVE k old 5 FOR user u");
    shop.says("LIMIT k user 5", "OK");
    shop.usage("USAGE k FOR user u", &["0/5/5/0"]);
    shop.call("RESERVE k new 5 FOR user u");
    shop.says("RELEASE k old", "OK 5 95");
    shop.usage("USAGE k FOR user u", &["5/5/0/0"]);
    // Set again: the same limit. Removed and set: another.
    shop.says("LIMIT k user 6", "OK");
    shop.usage("USAGE k FOR user u", &["5/6/1/0"]);
    shop.says("LIMIT k user 3", "OK");
    shop.says("RESERVE k x 1 FOR user u", "LIMITED k user/life/units [u] 5 3 0");
    shop.says("UNLIMIT k user", "1");
    shop.says("LIMIT k user 6", "OK");
    shop.says("RELEASE k new", "OK 5 100");
    shop.usage("USAGE k FOR user u", &["0/6/6/0"]);
}

#[test]
fn windows_only_roll_forward() {
    let next_ms = NEW_YEAR_MS + DAY_MS;
    let mut shop = Shop::with_stock(NEW_YEAR_MS, "100");
    shop.says("LIMIT k user 5 PER DAY", "OK");
    shop.call("RESERVE k a 3 EX 999999 FOR user u");
    // The clock steps back into last year: the usage still counts, and so does more.
    shop.now_ms = NEW_YEAR_MS - 1;
    shop.usage("USAGE k FOR user u", &[&format!("3/5/2/{next_ms}")]);
    shop.call("RESERVE k b 2 EX 999999 FOR user u");
    shop.says("CHECK k 1 FOR user u", &format!("LIMITED k user/day/units [u] 5 5 {next_ms}"));
    shop.now_ms = NEW_YEAR_MS;
    shop.usage("USAGE k FOR user u", &[&format!("5/5/0/{next_ms}")]);
    // What is given back after the step is there again; the next window begins where it would have.
    shop.now_ms = NEW_YEAR_MS - HOUR_MS;
    shop.says("RELEASE k a", "OK 3 98");
    shop.call("RESERVE k c 3 EX 999999 FOR user u");
    shop.now_ms = next_ms - 1;
    shop.says("CHECK k 1 FOR user u", &format!("LIMITED k user/day/units [u] 5 5 {next_ms}"));
    shop.now_ms = next_ms;
    shop.call("RESERVE k d 5 EX 999999 FOR user u");
    shop.usage("USAGE k FOR user u", &[&format!("5/5/0/{}", next_ms + DAY_MS)]);
}

#[test]
fn a_change_of_offset_cuts_the_windows_anew() {
    let mut shop = Shop::with_stock(NEW_YEAR_MS + 17 * HOUR_MS, "100");
    shop.says("LIMIT k user 5 PER DAY", "OK");
    shop.call("RESERVE k a 3 EX 999999 FOR user u");
    // By +08:00 today began at 16:00 UTC, after the usage's window did: that is over.
    let mut later = shop.clone();
    later.says("LIMIT k user 5 PER DAY TZ +08:00", "OK");
    later.usage("USAGE k FOR user u", &[&format!("0/5/5/{}", NEW_YEAR_MS + 40 * HOUR_MS)]);
    // At 04:00 UTC today by -05:00 began at 05:00 UTC of the day before, earlier than the usage's
    // window did: it counts.
    let mut early = Shop::with_stock(NEW_YEAR_MS + 4 * HOUR_MS, "100");
    early.says("LIMIT k user 5 PER DAY", "OK");
    early.call("RESERVE k a 3 EX 999999 FOR user u");
    early.says("LIMIT k user 5 PER DAY TZ -05:00", "OK");
    early.usage("USAGE k FOR user u", &[&format!("3/5/2/{}", NEW_YEAR_MS + 5 * HOUR_MS)]);
}

#[test]
fn a_limit_holds_over_what_is_held_and_what_is_paid() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    for (call, expected) in [
        ("LIMIT k user 3", "OK"),
        ("RESERVE k a 2 FOR user u", "OK 2 98 1900000"),
        ("RESERVE k b 2 FOR user u", "LIMITED k user/life/units [u] 2 3 0"),
        ("RESERVE k b 2 FOR user v", "OK 2 96 1900000"),
        ("RESERVE k c 1 FOR user u", "OK 1 95 1900000"),
        ("RESERVE k d 1", "-NODIM"),
        ("RESERVE k d 1 FOR region r", "-NODIM"),
        ("RELEASE k a", "OK 2 97"),
        ("RESERVE k e 2 FOR user u region r", "OK 2 95 1900000"),
        ("CONFIRM k e", "OK 2 2"),
        ("RESERVE k f 1 FOR user u", "LIMITED k user/life/units [u] 3 3 0"),
        ("RETURN k e QTY 1 TOKEN t", "OK 1 96 1"),
        ("RESERVE k f 1 FOR user u", "OK 1 95 1900000"),
    ] {
        shop.says(call, expected);
    }
    shop.usage("USAGE k FOR user u", &["3/3/0/0"]);
    shop.usage("USAGE k FOR user w", &["0/3/3/0"]);
}

#[test]
fn a_dimension_may_be_missing_where_the_limit_says_so() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    for (call, expected) in [
        ("LIMIT k user 1 MISSING ALLOW", "OK"),
        ("RESERVE k a 5", "OK 5 95 1900000"),
        ("RESERVE k b 5 FOR region r", "OK 5 90 1900000"),
        ("RESERVE k c 2 FOR user u", "LIMITED k user/life/units [u] 0 1 0"),
        // Setting it again changes what is named.
        ("LIMIT k user 1", "OK"),
        ("RESERVE k d 5", "OK 5 85 1900000"),
        ("LIMIT k user 1 MISSING REFUSE", "OK"),
        ("RESERVE k e 5", "-NODIM"),
        ("CHECK k 5", "-NODIM"),
        ("CHECK k 1 FOR user u", "OK 1 84 1900000"),
    ] {
        shop.says(call, expected);
    }
}

/// A limit is its set of dimensions, its window and its count.
#[test]
fn what_makes_a_limit_the_same() {
    let mut shop = Shop::with_stock(1_000_000, "100");
    for (limit, set) in [
        ("user", "5"),
        ("user", "1 PER DAY"),
        ("user", "4 PER 3600"),
        ("user", "2 COUNT ORDERS"),
        ("user", "2 COUNT units"),
        ("region+user", "9"),
        ("user+region", "8"),
        ("*", "100"),
        ("*", "10 PER ORDER"),
    ] {
        shop.says(&format!("LIMIT k {limit} {set}"), "OK");
    }
    let Reply::Array(limits) = shop.call("LIMITS k") else { panic!("limits") };
    let field = |limit: &Reply, name| limit.field(name).map_or("?".into(), show);
    let shown: Vec<String> = limits.iter().map(|l| format!("{} {}", field(l, "limit"), field(l, "max"))).collect();
    assert_eq!(
        shown,
        [
            "user/life/units 2",
            "user/day/units 1",
            "user/3600/units 4",
            "user/life/orders 2",
            "region+user/life/units 8",
            "*/life/units 100",
            "*/order/units 10",
        ]
    );
    for (limit, gone) in [
        ("user PER WEEK", "0"),
        ("user PER DAY", "1"),
        ("user", "1"),
        ("user", "0"),
        ("user COUNT ORDERS", "1"),
        ("user+region", "1"),
        ("* PER ORDER", "1"),
        ("*", "1"),
    ] {
        shop.says(&format!("UNLIMIT k {limit}"), gone);
    }
    shop.field("GET k", "limits", "1");
}
