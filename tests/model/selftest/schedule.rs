//! Sale windows.

use super::*;

/// A pool of 10 that sells from 2,000,000 until 3,000,000; it is 1,000,000.
fn scheduled() -> Shop {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("SCHEDULE k FROM 2000000 UNTIL 3000000", "OK");
    shop
}

#[test]
fn units_are_taken_inside_the_window_only() {
    let mut shop = scheduled();
    for (now_ms, says) in [
        (1_000_000, "EARLY k 2000000"),
        (1_999_999, "EARLY k 2000000"),
        (2_000_000, "OK 1 9 2900000"),
        (2_999_999, "OK 1 9 3899999"),
        (3_000_000, "ENDED k 3000000"),
        (9_000_000, "ENDED k 3000000"),
    ] {
        let mut shop = shop.clone();
        shop.now_ms = now_ms;
        shop.says("CHECK k 1", says);
        shop.says("RESERVE k o 1", says);
    }
    // A cart names the pool that refuses.
    shop.says("SET j 10", "OK");
    shop.says("MRESERVE o 2 j k QTY 1 1", "EARLY k 2000000");
    shop.field("GET j", "reserved", "0");
}

#[test]
fn the_window_stands_behind_suspended_and_before_everything_else() {
    let mut shop = scheduled();
    shop.says("LIMIT k user 1", "OK");
    shop.says("RESERVE k o 99", "EARLY k 2000000");
    shop.says("RESERVE k o 1 PXAT 5", "-ERR");
    shop.says("SUSPEND k", "OK");
    shop.says("RESERVE k o 99", "SUSPENDED k");
    shop.now_ms = 3_000_000;
    shop.says("RESERVE k o 99", "SUSPENDED k");
    shop.says("RESUME k", "OK");
    shop.says("RESERVE k o 99", "ENDED k 3000000");
}

#[test]
fn holds_go_on_after_the_end_but_take_no_more() {
    let mut shop = scheduled();
    shop.now_ms = 2_999_000;
    for order in ["paid", "less", "more", "given-up", "longer"] {
        shop.call(&format!("RESERVE k {order} 2"));
    }
    shop.now_ms = 3_000_000;
    shop.says("RESERVE k paid 2", "EXISTS k reserved 2 0 3899000");
    shop.says("CONFIRM k paid", "OK 2 2");
    shop.says("AMEND k less 1", "OK 1 1");
    shop.says("AMEND k more 3", "ENDED k 3000000");
    shop.says("RELEASE k given-up", "OK 2 3");
    shop.says("EXTEND k longer PX 900000", "OK 3900000");
    shop.says("RETURN k paid", "OK 2 5 0");
}

#[test]
fn a_late_payment_is_judged_by_when_its_order_was_placed() {
    let mut shop = scheduled();
    shop.now_ms = 2_999_000;
    shop.says("RESERVE k o 2 PX 500", "OK 2 8 2999500");
    shop.now_ms = 3_500_000;
    shop.says("CONFIRM k o", "EXPIRED k");
    shop.says("CONFIRM k o LATE", "OK 2 2");
    shop.says("CONFIRM k lost QTY 1 LATE SINCE 2999999", "OK 1 3");
    shop.says("CONFIRM k later QTY 1 LATE SINCE 3000000", "ENDED k 3000000");
    // The end is moved before the order: it was placed after it.
    shop.says("SCHEDULE k UNTIL 4000000", "OK");
    shop.says("RESERVE k p 1 PX 500", "OK 1 6 3500500");
    shop.now_ms = 3_600_000;
    shop.says("SCHEDULE k UNTIL 3500000", "OK");
    shop.says("CONFIRM k p LATE", "ENDED k 3500000");
    shop.says("SUSPEND k", "OK");
    shop.says("CONFIRM k p LATE", "SUSPENDED k");
    // Before the beginning a late payment is as welcome as it is in the window.
    shop.says("RESUME k", "OK");
    shop.says("SCHEDULE k UNTIL NONE FROM 9000000", "OK");
    shop.says("CONFIRM k p LATE", "OK 1 4");
}

#[test]
fn an_opening_and_an_end_are_told_once() {
    let mut shop = scheduled();
    let told = |shop: &mut Shop| {
        let told = shop.model.take_told().remove(b"k".as_slice()).unwrap_or_default();
        told.iter().map(|one| one.kind).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut shop), ["set", "policy"]);
    shop.now_ms = 2_000_000;
    shop.field("GET k", "seq", "2");
    assert_eq!(told(&mut shop), [""; 0], "a read tells nothing");
    shop.says("SWEEP k", "0");
    assert_eq!(told(&mut shop), ["opened"]);
    shop.field("GET k", "seq", "3");
    shop.says("SWEEP k", "0");
    assert_eq!(told(&mut shop), [""; 0]);
    // The clock steps back over the opening: calls go by it, but it is not told again.
    shop.now_ms = 1_999_000;
    shop.says("RESERVE k o 1", "EARLY k 2000000");
    shop.now_ms = 2_000_500;
    shop.says("RESERVE k o 1", "OK 1 9 2900500");
    assert_eq!(told(&mut shop), ["reserved"]);
    shop.now_ms = 3_000_000;
    shop.says("RESERVE k p 1", "ENDED k 3000000");
    assert_eq!(told(&mut shop), ["ended", "expired"]);
    // Reopened, ended again, opened for good.
    shop.says("SCHEDULE k UNTIL 4000000", "OK");
    assert_eq!(told(&mut shop), ["policy", "opened"]);
    shop.says("SCHEDULE k UNTIL 2500000", "OK");
    assert_eq!(told(&mut shop), ["policy", "ended"]);
    shop.says("SCHEDULE k UNTIL NONE FROM NONE", "OK");
    assert_eq!(told(&mut shop), ["policy", "opened"]);
    shop.says("SCHEDULE k UNTIL NONE FROM NONE", "OK");
    assert_eq!(told(&mut shop), [""; 0]);
    // A window that passed without anybody: both, in order.
    shop.says("SCHEDULE k FROM 5000000 UNTIL 5000001", "OK");
    assert_eq!(told(&mut shop), ["policy"]);
    shop.now_ms = 6_000_000;
    shop.says("SWEEP k", "0");
    assert_eq!(told(&mut shop), ["opened", "ended"]);
}

#[test]
fn the_policy_has_the_window() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("SETPOLICY k {\"from\":2000000,\"until\":3e6}", "OK");
    shop.field("GET k", "from_ms", "2000000");
    shop.field("GET k", "until_ms", "3000000");
    let said = show(&shop.call("POLICY k"));
    assert!(said.contains("\"from\":2000000,\"until\":3000000"), "{said}");
    let before = shop.call("GET k");
    shop.says(&format!("SETPOLICY k {said}"), "OK");
    assert!(same(&before, &shop.call("GET k")), "the same policy changes nothing");
    shop.says("SCHEDULE k FROM NONE", "OK");
    shop.field("GET k", "from_ms", "0");
    // A policy replaces everything, the window too.
    shop.says("SETPOLICY k {}", "OK");
    shop.field("GET k", "until_ms", "0");
}

#[test]
fn windows_that_make_no_sense_change_nothing() {
    let mut shop = scheduled();
    let before = shop.core.state();
    for bad in [
        "SCHEDULE k",
        "SCHEDULE k FROM",
        "SCHEDULE k FROM 5 FROM 5",
        "SCHEDULE k FROM 5 UNTIL 5",
        "SCHEDULE k UNTIL 4 FROM 5",
        "SCHEDULE k FROM 3000000",
        "SCHEDULE k UNTIL 2000000",
        "SCHEDULE k FROM 0",
        "SCHEDULE k FROM -1",
        "SCHEDULE k UNTIL 9007199254740992",
        "SCHEDULE k UNTIL never",
        "SCHEDULE k SINCE 5",
        "SETPOLICY k {\"from\":5,\"until\":5}",
        "SETPOLICY k {\"from\":0}",
        "SETPOLICY k {\"until\":\"NONE\"}",
        "SETPOLICY k {\"until\":1.5}",
    ] {
        shop.says(bad, "-ERR");
    }
    shop.says("SCHEDULE no FROM 5", "NOPOOL no");
    assert_eq!(shop.core.state(), before);
}
