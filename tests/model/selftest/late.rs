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
