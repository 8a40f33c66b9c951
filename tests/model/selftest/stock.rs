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
    shop.says("SET k unlimited", "OK");
    shop.says("RESERVE k q 7 PARTIAL", "OK 7 -1 1900000");
    shop.field("GET k", "unlimited", "1");
    shop.field("GET k", "sold", "99");
    shop.says("SET k -5", "OK");
    // 3 of o and 7 of q are held.
    shop.field("GET k", "shortfall", "15");
    shop.says("AVAILABLE k", "0");
    shop.says("SET k 1 xx", "OK");
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
    shop.says("ADD k 9007199254740992", "-ERR");
    // What is held stays, and a refusal leaves its token free.
    shop.says("ADD k -4 TOKEN b", "SOLDOUT k 0");
    shop.says("ADD k -3 TOKEN b", "OK 4 0");
    shop.says("ADD none 5", "NOPOOL none");
    shop.says("ADD k 3", "OK 7 0");
    shop.now_ms += 604_800_000;
    shop.says("ADD k 1 TOKEN a", "OK 8 3");
    // Remembered for as long as the policy said when it was given.
    shop.says("SETPOLICY k {\"retain_paid\":1}", "OK");
    shop.says("ADD k 1 TOKEN short", "OK 9 9");
    shop.now_ms += 999;
    shop.says("ADD k 1 TOKEN short", "EXISTS k added 1 0 0");
    shop.now_ms += 1;
    shop.says("ADD k 1 TOKEN short", "OK 10 10");
}

#[test]
fn suspended_pools_take_no_units_but_let_orders_go_on() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("RESERVE k o 4 PX 1000", "OK 4 6 1001000");
    shop.says("RESERVE k late 2 PX 1", "OK 2 4 1000001");
    shop.says("RESERVE k up 1", "OK 1 3 1900000");
    shop.says("RESERVE k paid 1", "OK 1 2 1900000");
    shop.now_ms += 1;
    shop.says("SUSPEND k", "OK");
    shop.says("RESERVE k p 1", "SUSPENDED k");
    shop.says("SUSPEND k", "OK");
    shop.says("RESERVE k p 99", "SUSPENDED k");
    shop.says("CHECK k 1", "SUSPENDED k");
    shop.says("RESERVE k o 4", "EXISTS k reserved 4 0 1001000");
    shop.says("RESERVE k o 9", "-CONFLICT");
    shop.says("AMEND k o 4", "EXISTS k reserved 4 0 1001000");
    shop.says("AMEND k o 5", "SUSPENDED k");
    shop.says("RELEASE k up", "OK 1 5");
    shop.says("CONFIRM k paid LATE", "OK 1 1");
    shop.says("RETURN k paid", "OK 1 6 0");
    shop.says("AMEND k o 3", "OK 3 7");
    shop.says("CONFIRM k late LATE", "SUSPENDED k");
    shop.says("CONFIRM k gone LATE QTY 1 SINCE 1", "SUSPENDED k");
    shop.says("CONFIRM k late LATE QTY 9", "-CONFLICT");
    shop.says("EXTEND k o PX 2000", "OK 1002001");
    shop.says("CONFIRM k o", "OK 3 3");
    shop.says("RETURN k o", "OK 3 10 0");
    shop.says("ADD k 5", "OK 15 15");
    shop.says("SET k 10", "OK");
    shop.field("GET k", "suspended", "1");
    shop.says("RESUME k", "OK");
    shop.says("CONFIRM k late LATE", "OK 2 2");
    shop.field("GET k", "suspended", "0");
    shop.says("RESUME none", "NOPOOL none");
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
    shop.says("RETURN k o", "OK 9007199254740991 -1 0");
    shop.says("CONFIRM k p", "OK 1 1");
    // A limit that counts orders adds orders, not units: it is far from any bound when the units
    // are not.
    shop.says("LIMIT k region UNLIMITED COUNT ORDERS", "OK");
    for order in ["a", "b"] {
        shop.says(&format!("RESERVE k {order} 1 FOR region r"), "OK 1 -1 1900000");
        shop.call(&format!("CONFIRM k {order}"));
    }
    shop.says("RESERVE k c 9007199254740990 FOR region r", "OK 9007199254740990 -1 1900000");
}

/// With a number on the shelf each sum has its bound, and what would leave it changes nothing.
#[test]
fn sums_of_a_counted_pool_stay_within_their_bounds() {
    const MAX: &str = "9007199254740991";
    let mut shop = Shop::with_stock(1_000_000, MAX);
    refuses(&mut shop, &format!("SET k -{}", "9007199254740992"), "-ERR");
    shop.says(&format!("RESERVE k o {MAX}"), &format!("OK {MAX} 0 1900000"));
    shop.says("CONFIRM k o", &format!("OK {MAX} {MAX}"));
    shop.says(&format!("ADD k {MAX}"), &format!("OK {MAX} {MAX}"));
    shop.says("RESERVE k p 1", "OK 1 9007199254740990 1900000");
    refuses(&mut shop, "CONFIRM k p", "-ERR");
    refuses(&mut shop, "RETURN k o", "-ERR");
    shop.says("RETURN k o NORESTOCK", &format!("OK {MAX} 9007199254740990 0"));
    shop.says("CONFIRM k p", "OK 1 1");
    shop.says(&format!("SET k -{MAX}"), "OK");
    refuses(&mut shop, "ADD k -1", "SOLDOUT k 0");
    shop.says("AVAILABLE k", "0");
    shop.says("VERIFY k", "OK");
}

#[test]
fn numbers_are_strict() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    for bad in ["+1", "01", "", "1x", "-0", "9223372036854775808", "1.0"] {
        shop.says(&format!("ADD k {bad}"), "-ERR");
    }
    shop.says("add k -1", "OK 9 9");
}

/// What was counted stays counted when goods come back with KEEPUSAGE: so the sum of a limit can be
/// at its bound alone.
#[test]
fn usage_stays_within_its_bound() {
    let mut shop = Shop::with_stock(1_000_000, "UNLIMITED");
    shop.says("LIMIT k user UNLIMITED", "OK");
    shop.says("LIMIT k user UNLIMITED COUNT ORDERS", "OK");
    shop.says("RESERVE k o 9007199254740990 FOR user u", "OK 9007199254740990 -1 1900000");
    shop.says("CONFIRM k o", "OK 9007199254740990 9007199254740990");
    shop.says("RETURN k o KEEPUSAGE", "OK 9007199254740990 -1 0");
    shop.says("RESERVE k p 2 FOR user u", "-ERR");
    shop.says("RESERVE k p 9 FOR user other", "OK 9 -1 1900000");
    shop.says("RESERVE k q 1 FOR user u", "OK 1 -1 1900000");
    shop.says("AMEND k q 2", "-ERR");
    shop.says("LIMIT k user 9007199254740991", "OK");
    shop.says("AMEND k q 2", "LIMITED k user/life/units [u] 9007199254740991 9007199254740991 0");
}

#[test]
fn a_pool_remembers_so_many_orders() {
    let config = Config { max_orders: 3, ..Config::default() };
    let mut shop = Shop { model: Reference::new(config), core: Host::new(1), now_ms: 1_000_000 };
    shop.core.defaults.max_orders = 3;
    shop.says("SET k 10", "OK");
    shop.says("RESERVE k a 1 PX 1000", "OK 1 9 1001000");
    shop.says("RESERVE k b 1", "OK 1 8 1900000");
    shop.says("RELEASE k never", "NOORDER k");
    let seq = shop.call("GET k").field("seq").cloned();
    shop.says("RESERVE k c 1", "-ERR");
    shop.says("CHECK k 1", "-ERR");
    shop.says("MRESERVE c 1 k QTY 1", "-ERR");
    shop.says("CONFIRM k c QTY 1 LATE SINCE 999000", "-ERR");
    shop.says("RETURN k c QTY 1 TOKEN t LATE", "-ERR");
    // Giving back never fails; it is not remembered.
    shop.says("RELEASE k c", "NOORDER k");
    shop.says("ORDER k c", "nil");
    assert_eq!(shop.call("GET k").field("seq").cloned(), seq, "nothing has changed");
    // What is known goes on.
    shop.says("RESERVE k b 1", "EXISTS k reserved 1 0 1900000");
    shop.says("RESERVE k b 2", "-CONFLICT");
    shop.says("CONFIRM k b", "OK 1 1");
    // Asked before anything else that refuses.
    shop.says("SUSPEND k", "OK");
    shop.says("RESERVE k c 1", "-ERR");
    shop.says("RESUME k", "OK");
    shop.says("ADD k 1 TOKEN x", "OK 10 9");
    shop.says("ADD k 1 TOKEN y", "OK 11 10");
    shop.says("ADD k 1 TOKEN z", "OK 12 11");
    shop.says("ADD k 1 TOKEN w", "-ERR");
    shop.says("ADD k 1 TOKEN x", "EXISTS k added 1 0 0");
    shop.says("ADD k 1", "OK 13 12");
}

/// A correction is no movement: `out` does not know it. Confirmed sales, returns and restocks are
/// movements.
#[test]
fn out_follows_movements_only() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    for (call, answer, out, sold) in [
        ("ADD k 5", "OK 15 15", "-5", "0"),
        ("RESERVE k o 6", "OK 6 9 1900000", "-5", "0"),
        ("CONFIRM k o", "OK 6 6", "1", "6"),
        ("SET k 100", "OK", "1", "6"),
        ("RETURN k o QTY 2 TOKEN a", "OK 2 102 4", "-1", "4"),
        ("RETURN k o NORESTOCK", "OK 4 102 0", "-1", "0"),
        ("ADD k -2", "OK 100 100", "1", "0"),
    ] {
        shop.says(call, answer);
        shop.field("GET k", "out", out);
        shop.field("GET k", "sold", sold);
    }
}
