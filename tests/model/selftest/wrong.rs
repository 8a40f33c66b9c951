//! Wrong calls on orders and pools that change: a clear error each, and nothing has changed.

use super::{refuses, Shop};

/// Two pools; an order holds three of the first one.
fn shop() -> Shop {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("SET j 10", "OK");
    shop.says("LIMIT k user 5", "OK");
    shop.says("RESERVE k o 3 FOR user u", "OK 3 7 1900000");
    shop
}

#[test]
fn a_note_that_is_too_long_missing_or_given_twice() {
    let mut shop = shop();
    let long = "n".repeat(129);
    for call in [
        "SET k 5",
        "ADD k 1",
        "RECONCILE k 5",
        "TRANSFER k j 1 TOKEN t",
        "SETPOLICY k {\"safety\":1}",
        "SETPOLICY k {\"safety\":1} MERGE",
        "SCHEDULE k UNTIL 5000000",
        "LIMIT k user 9",
        "UNLIMIT k user",
        "SUSPEND k",
        "RESUME k",
    ] {
        for note in [&format!("NOTE {long}"), "NOTE ", "NOTE", "NOTE a NOTE b"] {
            refuses(&mut shop, &format!("{call} {note}"), "-ERR");
        }
    }
}

#[test]
fn a_zone_that_is_not_known() {
    let mut shop = shop();
    for call in [
        "LIMIT k user 5 PER DAY TZ Mars/Olympus",
        "SETPOLICY k {\"limits\":[{\"by\":[\"user\"],\"max\":5,\"per\":\"day\",\"tz\":\"Mars/Olympus\"}]}",
        "SETPOLICY k {\"limits\":{\"user/life/units\":{\"tz\":\"Mars/Olympus\"}}} MERGE",
        "SETPOLICY k {\"limits\":{\"user/day/units\":{\"max\":5,\"tz\":\"+25:00\"}}} MERGE",
    ] {
        refuses(&mut shop, call, "-ERR");
    }
}

#[test]
fn quantities_that_no_part_or_cart_can_have() {
    let mut shop = shop();
    shop.says("MRESERVE c 2 k j QTY 1 4 FOR user u", "OK 1900000");
    for (call, expected) in [
        ("SPLIT k o p 3", "-CONFLICT"),
        ("SPLIT k o p 4", "-CONFLICT"),
        ("SPLIT k o p 0", "-ERR"),
        ("SPLIT k o o 1", "-ERR"),
        ("MSPLIT c p 2 k j QTY 1 1", "-CONFLICT"),
        ("MSPLIT c p 1 j QTY 0", "-ERR"),
        ("MSPLIT c p 2 j j QTY 2 2", "-CONFLICT"),
        ("MSPLIT c p 1 j", "-ERR"),
        ("MCONFIRM c 2 k j QTY 1 5", "-CONFLICT"),
        ("MCONFIRM c 2 j j QTY 3 2", "-CONFLICT"),
        ("MCONFIRM c 2 k j QTY 1 0", "-ERR"),
        ("MCONFIRM c 2 k j QTY 1", "-ERR"),
        ("MRESERVE n 2 k j QTY 0 1", "-ERR"),
        ("MRESERVE n 2 k j QTY 0 0 REPLACES c", "-ERR"),
        ("MRESERVE c 1 k QTY 1 REPLACES c", "-ERR"),
        ("TRANSFER k k 1 TOKEN t", "-ERR"),
        ("TRANSFER k j 0 TOKEN t", "-ERR"),
        ("TRANSFER k j 1", "-ERR"),
    ] {
        refuses(&mut shop, call, expected);
    }
    // A pool that is named twice has the sum of both.
    shop.says("MSPLIT c p 2 j j QTY 1 2", "OK");
    shop.field("ORDER j p", "qty", "3");
    shop.says("MCONFIRM p 2 j j QTY 1 1", "OK");
    shop.field("ORDER j p", "qty", "2");
    shop.field("GET j", "available", "7");
}

/// A replacement takes units anew, a split does not.
#[test]
fn outside_of_the_sale_nothing_is_replaced_but_holds_are_split() {
    let mut shop = shop();
    shop.says("SCHEDULE k UNTIL 1000000", "OK");
    refuses(&mut shop, "RESERVE k n 1 REPLACES o FOR user u", "ENDED k 1000000");
    refuses(&mut shop, "MRESERVE n 2 j k QTY 1 1 REPLACES o FOR user u", "ENDED k 1000000");
    shop.says("SPLIT k o p 1", "OK 1 2 1900000");
    // Where nothing is taken, units can be given up.
    shop.says("MRESERVE n 2 j k QTY 1 0 REPLACES o FOR user u", "OK 1900000");
    shop.field("ORDER k o", "state", "released");
}
