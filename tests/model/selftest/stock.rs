//! What is on the shelf, and the bounds of sums.

use super::*;

#[test]
fn set_creates_or_corrects() {
    let mut shop = Shop::at(1_000_000);
    shop.says("SET k 5 XX", "nil");
    shop.says("GET k", "nil");
    shop.says("SUSPEND k", "NOPOOL k");
    shop.says("CHECK k 1", "NOPOOL k");
    shop.says("SET k 5 NX", "OK");
    shop.says("SET k 7 NX", "nil");
    shop.says("SET k 5 NX XX", "-ERR");
    shop.says("RESERVE k o 3", "OK 3 2 1900000");
    shop.says("SET k 1 XX", "OK");
    shop.field("GET k", "available", "0");
    shop.field("GET k", "shortfall", "2");
    shop.says("RESERVE k p 1", "SOLDOUT k 0");
    shop.says("AVAILABLE k none", "0 nil");
    shop.says("SET k unlimited", "OK");
    shop.says("AVAILABLE k", "-1");
    shop.field("GET k", "on_hand", "nil");
    shop.field("GET k", "shortfall", "0");
    shop.says("RESERVE k p 100", "OK 100 -1 1900000");
    shop.says("CONFIRM k p", "OK 100 100");
    shop.says("RETURN k p QTY 1 TOKEN t", "OK 1 -1 99");
    shop.says("ADD k 1", "-ERR");
    shop.says("SET k 9", "OK");
    shop.field("GET k", "out", "99");
}

#[test]
fn add_keeps_held_units_and_knows_its_tokens() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("RESERVE k o 4", "OK 4 6 1900000");
    shop.says("ADD k -7", "SOLDOUT k 6");
    shop.says("SETPOLICY k {\"safety\":5}", "OK");
    shop.says("AVAILABLE k", "1");
    shop.says("ADD k -6 TOKEN a", "OK 4 0");
    shop.field("GET k", "shortfall", "5");
    shop.says("ADD k -6 TOKEN a", "EXISTS k added -6 0 0");
    shop.says("ADD k -5 TOKEN a", "-CONFLICT");
    shop.says("ADD k 3", "OK 7 0");
    shop.field("GET k", "out", "3");
    shop.says("ADD k 0", "-ERR");
    shop.now_ms += 604_800_000;
    shop.says("ADD k 1 TOKEN a", "OK 8 3");
}

#[test]
fn suspended_pools_take_no_units_but_let_orders_go_on() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("RESERVE k o 4 PX 1000", "OK 4 6 1001000");
    shop.says("RESERVE k late 2 PX 1", "OK 2 4 1000001");
    shop.now_ms += 1;
    shop.says("SUSPEND k", "OK");
    shop.says("RESERVE k p 1", "SUSPENDED k");
    shop.says("CHECK k 1", "SUSPENDED k");
    shop.says("RESERVE k o 4", "EXISTS k reserved 4 0 1001000");
    shop.says("AMEND k o 5", "SUSPENDED k");
    shop.says("AMEND k o 3", "OK 3 7");
    shop.says("CONFIRM k late LATE", "SUSPENDED k");
    shop.says("CONFIRM k gone LATE QTY 1 SINCE 1", "SUSPENDED k");
    shop.says("CONFIRM k late LATE QTY 9", "-CONFLICT");
    shop.says("EXTEND k o PX 2000", "OK 1002001");
    shop.says("CONFIRM k o", "OK 3 3");
    shop.says("RETURN k o", "OK 3 10 0");
    shop.says("RESUME k", "OK");
    shop.says("CONFIRM k late LATE", "OK 2 2");
}

#[test]
fn sums_stay_within_their_bounds() {
    let mut shop = Shop::with_stock(1_000_000, "9007199254740991");
    shop.says("ADD k 1", "-ERR");
    shop.says("SET k 9007199254740992", "-ERR");
    shop.says("SET k UNLIMITED", "OK");
    shop.says("RESERVE k o 9007199254740991", "OK 9007199254740991 -1 1900000");
    shop.says("RESERVE k p 1", "-ERR");
    shop.says("CONFIRM k o", "OK 9007199254740991 9007199254740991");
    shop.says("RESERVE k p 1", "OK 1 -1 1900000");
    shop.says("CONFIRM k p", "-ERR");
    shop.field("ORDER k p", "state", "reserved");
}

#[test]
fn numbers_are_strict() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    for bad in ["+1", "01", "", "1x", "-0", "9223372036854775808", "1.0"] {
        shop.says(&format!("ADD k {bad}"), "-ERR");
    }
    shop.says("add k -1", "OK 9 9");
}
