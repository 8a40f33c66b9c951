//! The life of an order.

use super::*;

#[test]
fn a_hold_expires_exactly_at_its_deadline() {
    let mut shop = order_in("reserved");
    shop.now_ms = 1_009_999;
    shop.says("SWEEP k", "0");
    shop.says("AVAILABLE k", "6");
    shop.field("GET k", "next_deadline_ms", "1010000");
    shop.now_ms = 1_010_000;
    shop.says("AVAILABLE k", "10");
    shop.field("GET k", "next_deadline_ms", "0");
    shop.field("ORDER k o", "state", "expired");
    shop.field("ORDER k o", "qty", "4");
}

#[test]
fn a_refused_retry_never_moves_the_deadline_and_a_late_pxat_is_answered_by_the_state() {
    let mut shop = order_in("reserved");
    shop.says("RESERVE k o 4 PXAT 5 FOR user u", "EXISTS k reserved 4 0 1010000");
    refuses(&mut shop, "RESERVE k o 3 PXAT 5 FOR user u", "-CONFLICT");
    refuses(&mut shop, "RESERVE k o 4 PXAT 5 FOR user v", "-CONFLICT");
    refuses(&mut shop, "RESERVE k p 4 PXAT 1000000 FOR user u", "-ERR");
    shop.says("ORDER k p", "nil");
    shop.says("RESERVE k p 4 PXAT 1000001 FOR user u", "OK 4 2 1000001");
    shop.says("RESERVE k q 1 EX 315360000", "OK 1 1 315361000000");
    shop.says("RESERVE k r 1 PX 315360000001", "-ERR");
    shop.says("EXTEND k o PXAT 315361000001", "-ERR");
}

#[test]
fn a_cancelled_order_takes_no_stock() {
    let mut shop = order_in("unknown");
    shop.says("RELEASE k o", "NOORDER k");
    shop.field("GET k", "seq", "2");
    shop.says("RELEASE k o", "EXISTS k released 0 0 0");
    shop.says("RESERVE k o 4", "CLOSED k released");
    shop.field("GET k", "seq", "2");
}

#[test]
fn a_finished_order_is_forgotten_after_its_time() {
    for (state, last_ms, retain_ms) in [
        ("released", 1_000_000, 86_400_000),
        ("expired", 1_010_000, 86_400_000),
        ("confirmed", 1_000_000, 604_800_000),
        ("returned", 1_000_000, 604_800_000),
    ] {
        let mut shop = order_in(state);
        shop.now_ms = last_ms + retain_ms - 1;
        shop.field("ORDER k o", "state", state);
        shop.now_ms += 1;
        shop.says("ORDER k o", "nil");
        shop.says("ORDERS k 0", "0 []");
        shop.says("CONFIRM k o", "NOORDER k");
        shop.says("RETURN k o", "NOORDER k");
        // The name is free again.
        assert!(show(&shop.call("RESERVE k o 1")).starts_with("OK 1 "), "{state}");
    }
}

/// `retain` counts from the last change: for an expired order from the moment its hold was
/// returned.
#[test]
fn how_long_each_order_is_remembered() {
    let mut shop = Shop::with_stock(1_000_000, "1000");
    for call in [
        "SETPOLICY k {\"retain\":10,\"retain_paid\":20}",
        "RESERVE k released 1",
        "RESERVE k paid 1",
        "RESERVE k back 2",
        "RESERVE k expired 1 PX 500",
        "RELEASE k released",
        "RELEASE k never",
        "CONFIRM k paid",
        "CONFIRM k back",
    ] {
        shop.call(call);
    }
    shop.now_ms = 1_004_000;
    // This write returns the hold that has been due since 500 ms.
    shop.says("RETURN k back QTY 1 TOKEN t", "OK 1 998 2");
    for (after_ms, known) in [
        (9_999, &["released", "never", "expired", "paid", "back"][..]),
        (10_000, &["expired", "paid", "back"]),
        (13_999, &["expired", "paid", "back"]),
        (14_000, &["paid", "back"]),
        (19_999, &["paid", "back"]),
        (20_000, &["back"]),
        (23_999, &["back"]),
        (24_000, &[]),
    ] {
        shop.now_ms = 1_000_000 + after_ms;
        for order in ["released", "never", "expired", "paid", "back"] {
            let found = show(&shop.call(&format!("ORDER k {order}")));
            assert_eq!(found != "nil", known.contains(&order), "{order} after {after_ms} ms: {found}");
        }
    }
    shop.says("RETURN k back", "NOORDER k");
    shop.says("RESERVE k released 3", "OK 3 995 1924000");
}

#[test]
fn ten_years_are_the_bound_of_a_deadline() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    let far_ms = 1_000_000 + 3_650 * DAY_MS;
    shop.says(&format!("RESERVE k a 1 PXAT {far_ms}"), &format!("OK 1 9 {far_ms}"));
    shop.says(&format!("RESERVE k b 1 PXAT {}", far_ms + 1), "-ERR");
    shop.says(&format!("EXTEND k a PXAT {}", far_ms + 1), "-ERR");
    shop.now_ms = far_ms - 1;
    shop.says("SWEEP k", "0");
    shop.now_ms = far_ms;
    shop.says("SWEEP k", "1");
}

#[test]
fn a_return_counts_as_a_change_and_keeps_the_order_longer() {
    let mut shop = order_in("confirmed");
    shop.now_ms += 604_799_999;
    shop.says("RETURN k o QTY 1 TOKEN t", "OK 1 7 3");
    shop.now_ms += 604_799_999;
    shop.field("ORDER k o", "state", "confirmed");
    shop.now_ms += 1;
    shop.says("ORDER k o", "nil");
}

#[test]
fn seq_counts_every_change_and_only_changes() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    let calls = [
        ("SET k 10", 2),
        ("SET k 10 NX", 2),
        ("ADD k 1 TOKEN t", 3),
        ("ADD k 1 TOKEN t", 3),
        ("RESERVE k o 2 PX 1", 4),
        ("RESERVE k o 2 PX 1", 4),
        ("RESERVE k p 2 PX 1", 5),
        ("RESERVE k q 20 PX 1", 5),
        ("AMEND k o 3", 6),
        ("EXTEND k o PX 1", 6),
        ("EXTEND k o PX 2", 7),
        ("SUSPEND k", 8),
        ("SUSPEND k", 8),
        ("RESUME k", 9),
        ("LIMIT k user 1", 10),
        ("UNLIMIT k user PER DAY", 10),
        ("UNLIMIT k user", 11),
    ];
    for (call, seq) in calls {
        shop.call(call);
        shop.field("GET k", "seq", &seq.to_string());
    }
    shop.now_ms += 2;
    // Two holds are due: a read sees them, a refused write leaves them behind.
    shop.field("GET k", "seq", "11");
    shop.says("CONFIRM k nobody", "NOORDER k");
    shop.now_ms -= 2;
    shop.field("GET k", "seq", "13");
    shop.says("RELEASE k o", "OK 0 11");
    shop.field("GET k", "seq", "14");
}

#[test]
fn what_changes_nothing_is_not_counted() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    for (call, seq) in [
        ("RESERVE k o 1", 2),
        ("RESERVE k o 1", 2),
        ("RESERVE k o 2", 2),
        ("AMEND k o 2", 3),
        ("AMEND k o 2", 3),
        ("EXTEND k o EX 1", 3),
        ("EXTEND k o EX 5000", 4),
        ("CONFIRM k o", 5),
        ("CONFIRM k o", 5),
        ("RETURN k o QTY 1 TOKEN t", 6),
        ("RETURN k o QTY 1 TOKEN t", 6),
        ("RELEASE k never", 7),
        ("RELEASE k never", 7),
        ("SETPOLICY k {\"alert\":3}", 8),
        ("SETPOLICY k {\"alert\":3}", 8),
        ("SUSPEND k", 9),
        ("RESERVE k p 1", 9),
        ("RESUME k", 10),
        ("RESUME k", 10),
        ("UNLIMIT k region", 10),
        ("SWEEP k", 10),
        ("GET k", 10),
    ] {
        shop.call(call);
        shop.field("GET k", "seq", &seq.to_string());
    }
}

#[test]
fn extend_is_never_shorter() {
    let mut shop = order_in("reserved");
    shop.says("EXTEND k o PXAT 1010000", "OK 1010000");
    shop.says("EXTEND k o PXAT 1010001", "OK 1010001");
    shop.says("EXTEND k o EX 5", "OK 1010001");
    shop.field("ORDER k o", "deadline_ms", "1010001");
    shop.field("GET k", "next_deadline_ms", "1010001");
    // It lives on past its first deadline.
    shop.now_ms = 1_010_000;
    shop.says("SWEEP k", "0");
    shop.says("CONFIRM k o", "OK 4 4");
}

#[test]
fn errors_of_syntax_touch_nothing() {
    let mut shop = order_in("due");
    shop.says("RESERVE k p 0", "-ERR");
    shop.says("RESERVE k p 1 PARTIAL PARTIAL", "-ERR");
    shop.says("GET", "-ERR");
    shop.now_ms -= 1;
    shop.field("ORDER k o", "state", "reserved");
    shop.now_ms += 1;
    shop.says("RESERVE k p 999", "SOLDOUT k 10");
    shop.now_ms -= 1;
    shop.field("ORDER k o", "state", "expired");
}

/// 128 holds of 1 that are due before the hold of 4 of order `o`, out of 138.
fn behind_others() -> Shop {
    let mut shop = Shop::with_stock(1_000_000, "138");
    for place in 0..128 {
        shop.call(&format!("RESERVE k x{place} 1 PX 10"));
    }
    shop.says("RESERVE k o 4 PX 10 FOR user u", "OK 4 6 1000010");
    shop.now_ms += 10;
    shop
}

#[test]
fn beyond_the_128_an_order_is_judged_by_its_deadline_and_its_units_still_count() {
    let mut shop = behind_others();
    shop.says("AVAILABLE k", "134");
    shop.field("GET k", "reserved", "4");
    shop.field("GET k", "next_deadline_ms", "1000010");
    for (call, expected) in [
        ("RESERVE k o 4 FOR user u", "CLOSED k expired"),
        ("CONFIRM k o", "EXPIRED k"),
        ("CONFIRM k o LATE", "OK 4 4"),
        ("RELEASE k o", "OK 0 138"),
        ("AMEND k o 2", "EXPIRED k"),
        ("EXTEND k o EX 9", "EXPIRED k"),
        ("RETURN k o", "CLOSED k expired"),
        ("RESERVE k p 135", "SOLDOUT k 134"),
    ] {
        behind_others().says(call, expected);
    }
    // Of the creation, 129 reservations, 128 expiries; and the two of this call.
    let mut shop = behind_others();
    shop.says("RELEASE k o", "OK 0 138");
    shop.field("GET k", "seq", &(1 + 129 + 128 + 2).to_string());
    shop.says("RELEASE k o", "EXISTS k released 4 0 0");
}

/// Each write returns 128 of them first, whatever it does itself; SWEEP returns the rest.
#[test]
fn three_hundred_due_holds() {
    let mut shop = Shop::with_stock(1_000_000, "300");
    for place in 0..300 {
        shop.call(&format!("RESERVE k x{place} 1 PX 10"));
    }
    shop.now_ms += 10;
    let is = |shop: &mut Shop, call: &str, answer: &str, reserved: &str, available: &str| {
        shop.says(call, answer);
        shop.field("GET k", "reserved", reserved);
        shop.says("AVAILABLE k", available);
    };
    // Reads show what a write would find: without the next 128.
    is(&mut shop, "ORDER k never", "nil", "172", "128");
    is(&mut shop, "CONFIRM k x299", "EXPIRED k", "44", "256");
    shop.field("ORDER k x299", "state", "expired");
    is(&mut shop, "EXTEND k x299 EX 50", "EXPIRED k", "0", "300");
    is(&mut shop.clone(), "RELEASE k x299", "OK 0 300", "0", "300");
    is(&mut shop.clone(), "SWEEP k COUNT 43", "43", "0", "300");
    is(&mut shop, "SWEEP k", "44", "0", "300");
    is(&mut shop, "SWEEP k", "0", "0", "300");
    // Of the creation, the reservations and what came back.
    shop.field("GET k", "seq", "601");
}

#[test]
fn due_holds_come_back_in_order_of_deadline_then_arrival() {
    let mut shop = Shop::with_stock(1_000_000, "1000");
    for place in 0..130 {
        shop.call(&format!("RESERVE k x{place} 1 PX 10"));
    }
    shop.says("EXTEND k x5 PX 11", "OK 1000011");
    shop.says("RESERVE k y 1 PX 9", "OK 1 869 1000009");
    shop.now_ms += 20;
    shop.says("SUSPEND k", "OK");
    shop.now_ms -= 20;
    // The 128 are y, and x0 to x127 without x5, whose deadline had been moved behind the others.
    shop.field("ORDER k y", "state", "expired");
    shop.field("ORDER k x127", "state", "expired");
    shop.field("ORDER k x128", "state", "reserved");
    shop.field("ORDER k x129", "state", "reserved");
    shop.field("ORDER k x5", "state", "reserved");
    shop.now_ms += 20;
    shop.says("SWEEP k COUNT 2", "2");
    shop.says("SWEEP k COUNT 2", "1");
    shop.says("SWEEP k", "0");
}
