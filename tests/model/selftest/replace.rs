//! REPLACES: a new order takes the place of an older one.

use super::*;

#[test]
fn the_last_units_pass_from_the_old_order_to_the_new_one() {
    let mut shop = Shop::with_stock(1_000_000, "3");
    shop.says("RESERVE k a 3", "OK 3 0 1900000");
    refuses(&mut shop, "RESERVE k b 3", "SOLDOUT k 0");
    // What a refusal shows is what there would be without the old order.
    refuses(&mut shop, "RESERVE k b 4 REPLACES a", "SOLDOUT k 3");
    shop.says("RESERVE k b 2 PX 500 REPLACES a", "OK 2 1 1000500");
    shop.field("ORDER k a", "state", "released");
    shop.field("ORDER k a", "qty", "3");
    // The same again: the old order is not looked at.
    refuses(&mut shop, "RESERVE k b 2 REPLACES a", "EXISTS k reserved 2 0 1000500");
    refuses(&mut shop, "RESERVE k b 2", "EXISTS k reserved 2 0 1000500");
    refuses(&mut shop, "RESERVE k b 2 REPLACES never", "EXISTS k reserved 2 0 1000500");
    refuses(&mut shop, "RESERVE k b 1 REPLACES a", "-CONFLICT");
    refuses(&mut shop, "CONFIRM k a LATE", "CLOSED k released");
    refuses(&mut shop, "RESERVE k a 1 REPLACES b", "CLOSED k released");
    shop.says("RESERVE k c 9 PARTIAL REPLACES b", "OK 3 0 1900000");
    shop.says("CONFIRM k c", "OK 3 3");
}

#[test]
fn what_becomes_of_the_old_order_by_its_state() {
    let mut shop = Shop::with_stock(1_000_000, "9");
    shop.says("RESERVE k held 1", "OK 1 8 1900000");
    shop.says("RESERVE k expired 1 PX 10", "OK 1 7 1000010");
    shop.says("RESERVE k paid 1", "OK 1 6 1900000");
    shop.says("CONFIRM k paid", "OK 1 1");
    shop.says("RESERVE k part 2", "OK 2 4 1900000");
    shop.says("CONFIRM k part", "OK 2 3");
    shop.says("RETURN k part QTY 1 TOKEN t", "OK 1 5 2");
    shop.says("RESERVE k back 1", "OK 1 4 1900000");
    shop.says("CONFIRM k back", "OK 1 3");
    shop.says("RETURN k back", "OK 1 5 2");
    shop.says("RELEASE k gone", "NOORDER k");
    shop.now_ms += 10;
    shop.says("SWEEP k", "1");
    refuses(&mut shop, "RESERVE k n 1 REPLACES paid", "CONFIRMED k");
    refuses(&mut shop, "RESERVE k n 99 REPLACES part", "CONFIRMED k");
    refuses(&mut shop, "RESERVE k n 99 REPLACES held", "SOLDOUT k 7");
    // Where the old one holds nothing, the new one is tried as any other.
    for (old, left) in [("unknown", 5), ("gone", 4), ("back", 3)] {
        refuses(&mut shop, &format!("RESERVE k n-{old} 99 REPLACES {old}"), &format!("SOLDOUT k {}", left + 1));
        shop.says(&format!("RESERVE k n-{old} 1 REPLACES {old}"), &format!("OK 1 {left} 1900010"));
    }
    shop.says("ORDER k unknown", "nil");
    shop.field("ORDER k back", "state", "returned");
    // One that has expired is closed: its payment is not honoured beside the new order's.
    refuses(&mut shop, "RESERVE k n-expired 4 REPLACES expired", "SOLDOUT k 3");
    shop.says("RESERVE k n-expired 1 REPLACES expired", "OK 1 2 1900010");
    refuses(&mut shop, "CONFIRM k expired LATE", "CLOSED k released");
    shop.says("SUSPEND k", "OK");
    refuses(&mut shop, "RESERVE k n 1 REPLACES held", "SUSPENDED k");
    shop.field("ORDER k held", "state", "reserved");
}

#[test]
fn the_old_usage_does_not_count_against_the_new_order() {
    let mut shop = Shop::with_stock(NEW_YEAR_MS + 1_000, "99");
    shop.says("LIMIT k user 2 PER DAY", "OK");
    shop.says("LIMIT k * 3 COUNT ORDERS", "OK");
    shop.says("RESERVE k a 2 FOR user u", &format!("OK 2 97 {}", NEW_YEAR_MS + 901_000));
    let tomorrow = NEW_YEAR_MS + DAY_MS;
    refuses(&mut shop, "RESERVE k b 1 FOR user u", &format!("LIMITED k user/day/units [u] 2 2 {tomorrow}"));
    refuses(&mut shop, "RESERVE k b 3 REPLACES a FOR user u", &format!("LIMITED k user/day/units [u] 0 2 {tomorrow}"));
    shop.says("RESERVE k b 2 REPLACES a FOR user u", &format!("OK 2 97 {}", NEW_YEAR_MS + 901_000));
    shop.usage("USAGE k FOR user u", &[&format!("2/2/0/{tomorrow}"), "1/3/2/0"]);
    // A guest logs in: the guest's order counts no more, the user's other orders do.
    shop.says("RESERVE k guest 2 FOR user guest", &format!("OK 2 95 {}", NEW_YEAR_MS + 901_000));
    refuses(
        &mut shop,
        "RESERVE k c 1 REPLACES guest FOR user u",
        &format!("LIMITED k user/day/units [u] 2 2 {tomorrow}"),
    );
    shop.usage("USAGE k FOR user guest", &[&format!("2/2/0/{tomorrow}"), "2/3/1/0"]);
    shop.says("RELEASE k b", "OK 2 97");
    shop.says("RESERVE k c 1 REPLACES guest FOR user u", &format!("OK 1 98 {}", NEW_YEAR_MS + 901_000));
    shop.usage("USAGE k FOR user guest", &[&format!("0/2/2/{tomorrow}"), "1/3/2/0"]);
    // What was counted yesterday gives nothing back today.
    shop.says("EXTEND k c EX 90000", &format!("OK {}", NEW_YEAR_MS + 90_001_000));
    shop.now_ms = tomorrow + 5;
    shop.says("RESERVE k d 1 FOR user u", &format!("OK 1 97 {}", tomorrow + 900_005));
    let after = tomorrow + DAY_MS;
    refuses(&mut shop, "RESERVE k e 2 REPLACES c FOR user u", &format!("LIMITED k user/day/units [u] 1 2 {after}"));
    shop.says("RESERVE k e 1 REPLACES c FOR user u", &format!("OK 1 97 {}", tomorrow + 900_005));
    shop.usage("USAGE k FOR user u", &[&format!("2/2/0/{after}"), "2/3/1/0"]);
}

#[test]
fn a_due_hold_behind_too_many_others_expires_first() {
    let mut shop = Shop::with_stock(1_000_000, "140");
    for n in 0..140 {
        shop.says(&format!("RESERVE k x{n} 1 PX 10"), &format!("OK 1 {} 1000010", 139 - n));
    }
    shop.now_ms += 10;
    // 128 have come back, and that of the old order; eleven more are still counted.
    shop.says("RESERVE k n 129 REPLACES x139", "OK 129 0 1900010");
    shop.field("ORDER k x139", "state", "released");
    // Of the creation, 140 reservations, 128 expiries; and expired, released and reserved, one
    // change each.
    shop.field("GET k", "seq", &(1 + 140 + 128 + 3).to_string());
}

#[test]
fn arguments_of_replaces() {
    let mut shop = Shop::with_stock(1_000_000, "3");
    let long = "x".repeat(129);
    for call in [
        "RESERVE k a 1 REPLACES a",
        "RESERVE k a 1 REPLACES",
        "RESERVE k a 1 REPLACES b REPLACES c",
        &format!("RESERVE k a 1 REPLACES {long}"),
        "MRESERVE a 1 k QTY 1 REPLACES a",
        "MRESERVE a 1 k QTY 0",
        "MRESERVE a 1 k QTY 0 REPLACES b",
        "MRESERVE a 2 k k QTY 0 0 REPLACES b",
        "MRESERVE a 2 k k QTY 0 1",
        "MRESERVE a 1 k QTY -1 REPLACES b",
        "CHECK k 1 REPLACES a",
    ] {
        refuses(&mut shop, call, "-ERR");
    }
    shop.says("MRESERVE a 2 k k QTY 0 1 REPLACES b", "OK 1900000");
}

#[test]
fn a_cart_takes_the_place_of_a_cart() {
    let mut shop = Shop::at(1_000_000);
    for pool in ["mon", "tue", "wed"] {
        shop.says(&format!("SET {pool} 1"), "OK");
    }
    shop.says("MRESERVE a 2 mon tue QTY 1 1", "OK 1900000");
    shop.says("MRESERVE z 1 wed QTY 1", "OK 1900000");
    // A night later, in a full hotel: Tuesday changes hands, Monday is free, Wednesday is not to be
    // had.
    refuses(&mut shop, "MRESERVE b 3 mon tue wed QTY 0 1 1 REPLACES a", "SOLDOUT wed 0");
    refuses(&mut shop, "MRESERVE b 3 mon tue wed QTY 0 1 1", "-ERR");
    shop.says("MRELEASE z 1 wed", "OK");
    shop.says("MRESERVE b 3 mon tue wed QTY 0 1 1 REPLACES a", "OK 1900000");
    shop.says("AVAILABLE mon tue wed", "1 0 0");
    shop.says("ORDER mon b", "nil");
    // The same again, with and without the pool that it does not need.
    refuses(&mut shop, "MRESERVE b 3 mon tue wed QTY 0 1 1 REPLACES a", "EXISTS tue reserved 1 0 1900000");
    refuses(&mut shop, "MRESERVE b 2 tue wed QTY 1 1", "EXISTS tue reserved 1 0 1900000");
    refuses(&mut shop, "MRESERVE b 3 mon tue wed QTY 1 1 1 REPLACES a", "-CONFLICT");
    refuses(&mut shop, "MRESERVE b 2 tue wed QTY 1 0 REPLACES a", "-CONFLICT");
    refuses(&mut shop, "MRESERVE a 2 mon tue QTY 1 1 REPLACES b", "CLOSED mon released");
    // A pool that is not named keeps the old hold.
    shop.says("MRESERVE c 1 tue QTY 1 REPLACES b", "OK 1900000");
    shop.field("ORDER wed b", "state", "reserved");
    shop.says("MCONFIRM c 1 tue", "OK");
    refuses(&mut shop, "MRESERVE d 2 mon tue QTY 1 0 REPLACES c", "CONFIRMED tue");
    refuses(&mut shop, "MRESERVE d 2 wed tue QTY 1 0 REPLACES c", "CONFIRMED tue");
    // A pool may be suspended where nothing is taken.
    shop.says("SUSPEND wed", "OK");
    shop.says("MRESERVE e 2 wed mon QTY 0 1 REPLACES b", "OK 1900000");
    shop.says("AVAILABLE mon tue wed", "0 0 1");
}

#[test]
fn the_deadline_of_a_cart_is_that_of_the_pools_in_which_it_takes_units() {
    let mut shop = Shop::at(1_000_000);
    shop.says("SET a 1", "OK");
    shop.says("SET b 1", "OK");
    shop.says("SETPOLICY a {\"hold\":5}", "OK");
    shop.says("MRESERVE o 2 a b QTY 1 1", "OK 1005000");
    shop.says("MRESERVE p 2 a b QTY 0 1 REPLACES o", "OK 1900000");
}
