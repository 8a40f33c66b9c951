//! SPLIT and MSPLIT: part of a hold becomes an order of its own. MCONFIRM with quantities.

use super::*;

#[test]
fn a_part_is_held_paid_and_given_back_apart() {
    let mut shop = Shop::with_stock(1_000_000, "10");
    shop.says("LIMIT k user 6", "OK");
    shop.says("RESERVE k o 5 PX 900 FOR user u", "OK 5 5 1000900");
    shop.says("SPLIT k o p 2", "OK 2 3 1000900");
    shop.says("AVAILABLE k", "5");
    shop.usage("USAGE k FOR user u", &["5/6/1/0"]);
    // A retry of either call.
    refuses(&mut shop, "SPLIT k o p 2", "EXISTS k reserved 2 0 1000900");
    refuses(&mut shop, "RESERVE k o 5 FOR user u", "EXISTS k reserved 3 0 1000900");
    refuses(&mut shop, "RESERVE k p 2 FOR user u", "EXISTS k reserved 2 0 1000900");
    refuses(&mut shop, "RESERVE k p 2 FOR user v", "-CONFLICT");
    refuses(&mut shop, "SPLIT k o p 1", "-CONFLICT");
    refuses(&mut shop, "SPLIT k o q 3", "-CONFLICT");
    refuses(&mut shop, "SPLIT k o q 4", "-CONFLICT");
    shop.says("SPLIT k p q 1", "OK 1 1 1000900");
    shop.says("RELEASE k q", "OK 1 6");
    shop.usage("USAGE k FOR user u", &["4/6/2/0"]);
    shop.says("CONFIRM k o", "OK 3 3");
    shop.says("AMEND k p 3", "OK 3 4");
    shop.now_ms += 900;
    shop.says("SWEEP k", "1");
    shop.usage("USAGE k FOR user u", &["3/6/3/0"]);
    refuses(&mut shop, "SPLIT k o p 1", "CLOSED k expired");
    shop.says("CONFIRM k p LATE FOR user u", "OK 3 6");
    refuses(&mut shop, "SPLIT k o p 2", "EXISTS k confirmed 3 0 0");
}

#[test]
fn what_split_answers_in_each_state() {
    for (state, expected) in [
        ("unknown", "NOORDER k"),
        ("due", "EXPIRED k"),
        ("expired", "EXPIRED k"),
        ("released", "CLOSED k released"),
        ("confirmed", "CONFIRMED k"),
        ("returned", "CLOSED k returned"),
    ] {
        let mut shop = order_in(state);
        shop.says("SPLIT k o p 1", expected);
        shop.says("ORDER k p", "nil");
    }
    let mut shop = order_in("reserved");
    shop.says("SUSPEND k", "OK");
    // Nothing is taken.
    shop.says("SPLIT k o p 1", &format!("OK 1 3 {}", shop.now_ms + 10_000));
    shop.says("RELEASE k gone", "NOORDER k");
    refuses(&mut shop, "SPLIT k o gone 1", "CLOSED k released");
    refuses(&mut shop, "SPLIT k gone p 1", "EXISTS k reserved 1 0 1010000");
    refuses(&mut shop, "SPLIT k o o 1", "-ERR");
    refuses(&mut shop, "SPLIT k o q 0", "-ERR");
    refuses(&mut shop, "SPLIT none o q 1", "NOPOOL none");
}

#[test]
fn orders_that_are_counted_are_one_more() {
    let mut shop = Shop::with_stock(NEW_YEAR_MS + 1_000, "10");
    let tomorrow = NEW_YEAR_MS + DAY_MS;
    shop.says("LIMIT k user 2 PER DAY COUNT ORDERS", "OK");
    shop.says("RESERVE k o 5 EX 100000 FOR user u", &format!("OK 5 5 {}", NEW_YEAR_MS + 100_001_000));
    shop.says("SPLIT k o p 1", &format!("OK 1 4 {}", NEW_YEAR_MS + 100_001_000));
    shop.usage("USAGE k FOR user u", &[&format!("2/2/0/{tomorrow}")]);
    refuses(&mut shop, "SPLIT k o q 1", &format!("LIMITED k user/day/orders [u] 2 2 {tomorrow}"));
    shop.says("RELEASE k p", "OK 1 6");
    shop.usage("USAGE k FOR user u", &[&format!("1/2/1/{tomorrow}")]);
    // A day later it is counted where the order is: in a window that is over.
    shop.now_ms = tomorrow;
    shop.says("RESERVE k x 1 FOR user u", &format!("OK 1 5 {}", tomorrow + 900_000));
    shop.says("RESERVE k y 1 FOR user u", &format!("OK 1 4 {}", tomorrow + 900_000));
    shop.says("SPLIT k o q 2", &format!("OK 2 2 {}", NEW_YEAR_MS + 100_001_000));
    shop.usage("USAGE k FOR user u", &[&format!("2/2/0/{}", tomorrow + DAY_MS)]);
    shop.says("RELEASE k q", "OK 2 6");
    shop.usage("USAGE k FOR user u", &[&format!("2/2/0/{}", tomorrow + DAY_MS)]);
}

#[test]
fn a_cart_is_split_in_all_pools_or_in_none() {
    let mut shop = Shop::at(1_000_000);
    shop.says("SET a 10", "OK");
    shop.says("SET b 10", "OK");
    shop.says("MRESERVE o 2 a b QTY 4 2", "OK 1900000");
    refuses(&mut shop, "MSPLIT o p 2 a b QTY 1 2", "-CONFLICT");
    refuses(&mut shop, "MSPLIT o p 2 b a QTY 1 9", "-CONFLICT");
    refuses(&mut shop, "MSPLIT o o 2 a b QTY 1 1", "-ERR");
    refuses(&mut shop, "MSPLIT o p 2 a b QTY 1 0", "-ERR");
    refuses(&mut shop, "MSPLIT o p 2 a none QTY 1 1", "NOPOOL none");
    shop.says("MSPLIT o p 3 a b a QTY 1 1 1", "OK");
    refuses(&mut shop, "MSPLIT o p 2 a b QTY 2 1", "EXISTS a reserved 2 0 1900000");
    refuses(&mut shop, "MSPLIT o p 2 a b QTY 1 1", "-CONFLICT");
    shop.says("AVAILABLE a b", "6 8");
    // Done in one pool already: the other one follows.
    shop.says("SPLIT a o q 1", "OK 1 1 1900000");
    shop.says("MSPLIT o q 1 a QTY 1", "EXISTS a reserved 1 0 1900000");
    shop.says("MCONFIRM p 2 a b", "OK");
}

#[test]
fn a_cart_is_paid_in_part() {
    let mut shop = Shop::at(1_000_000);
    shop.says("SET a 10", "OK");
    shop.says("SET b 10", "OK");
    shop.says("MRESERVE o 2 a b QTY 4 2 PX 100", "OK 1000100");
    refuses(&mut shop, "MCONFIRM o 2 a b QTY 3 3", "-CONFLICT");
    refuses(&mut shop, "MCONFIRM o 2 a b QTY 3", "-ERR");
    refuses(&mut shop, "MCONFIRM o 2 a b QTY 3 0", "-ERR");
    refuses(&mut shop, "MCONFIRM o 2 a b QTY 3 1 QTY 3 1", "-ERR");
    shop.says("MCONFIRM o 3 a b a QTY 1 1 2", "OK");
    shop.says("AVAILABLE a b", "7 9");
    refuses(&mut shop, "MCONFIRM o 2 a b QTY 3 1", "EXISTS a confirmed 3 0 0");
    refuses(&mut shop, "MCONFIRM o 2 a b QTY 3 2 LATE", "-CONFLICT");
    shop.says("MRESERVE l 2 a b QTY 4 2 PX 100", "OK 1000100");
    shop.now_ms += 100;
    shop.says("MCONFIRM l 2 a b QTY 1 1", "EXPIRED a");
    shop.says("MCONFIRM l 2 a b LATE QTY 1 2", "OK");
    shop.field("GET a", "sold", "4");
    shop.field("GET b", "sold", "3");
}
