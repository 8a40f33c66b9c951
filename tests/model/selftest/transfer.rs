//! TRANSFER: from one pool to another, with a token that both remember.

use super::*;

/// `a` with 10 and `b` with 1.
fn two_pools() -> Shop {
    let mut shop = Shop::at(1_000_000);
    shop.says("SET a 10", "OK");
    shop.says("SET b 1", "OK");
    shop
}

#[test]
fn units_go_from_one_pool_to_the_other() {
    let mut shop = two_pools();
    shop.says("TRANSFER a b 4 TOKEN t", "OK 6 6 5 5");
    shop.field("GET a", "out", "4");
    shop.field("GET b", "out", "-4");
    shop.field("GET a", "seq", "2");
    // What was sold of them is sold there.
    shop.says("RESERVE b o 5", "OK 5 0 1900000");
    shop.says("CONFIRM b o", "OK 5 5");
    shop.field("GET b", "out", "1");
    shop.says("TRANSFER b a 1 TOKEN u", "SOLDOUT b 0");
    refuses(&mut shop, "TRANSFER a c 1 TOKEN u", "NOPOOL c");
    refuses(&mut shop, "TRANSFER c a 1 TOKEN u", "NOPOOL c");
    refuses(&mut shop, "TRANSFER a a 1 TOKEN u", "-ERR");
    refuses(&mut shop, "TRANSFER a b 0 TOKEN u", "-ERR");
    refuses(&mut shop, "TRANSFER a b 1", "-ERR");
    refuses(&mut shop, "TRANSFER a b 1 TOKEN u TOKEN u", "-ERR");
    refuses(&mut shop, &format!("TRANSFER a {} 1 TOKEN u", "b".repeat(513)), "-ERR");
    shop.says("SET b UNLIMITED", "OK");
    refuses(&mut shop, "TRANSFER a b 1 TOKEN u", "-ERR");
    refuses(&mut shop, "TRANSFER b a 1 TOKEN u", "-ERR");
    shop.says("SET b 9007199254740991", "OK");
    refuses(&mut shop, "TRANSFER a b 1 TOKEN u", "-ERR");
}

/// What RESERVE could take, as far as it is on the shelf.
#[test]
fn what_is_held_or_kept_back_stays() {
    let mut shop = two_pools();
    shop.says("RESERVE a o 3 PX 500", "OK 3 7 1000500");
    refuses(&mut shop, "TRANSFER a b 8 TOKEN t", "SOLDOUT a 7");
    shop.says("SETPOLICY a {\"safety\":5}", "OK");
    refuses(&mut shop, "TRANSFER a b 3 TOKEN t", "SOLDOUT a 2");
    shop.says("SETPOLICY a {\"safety\":-20}", "OK");
    shop.says("AVAILABLE a", "27");
    refuses(&mut shop, "TRANSFER a b 8 TOKEN t", "SOLDOUT a 7");
    // It concerns no sale.
    shop.says("SUSPEND a", "OK");
    shop.says("SCHEDULE a UNTIL 5", "OK");
    shop.says("SUSPEND b", "OK");
    shop.says("TRANSFER a b 7 TOKEN t", "OK 3 20 8 8");
    // What is due comes back first.
    shop.now_ms += 500;
    shop.says("TRANSFER a b 3 TOKEN u", "OK 0 20 11 11");
    refuses(&mut shop, "TRANSFER a b 1 TOKEN v", "SOLDOUT a 0");
    // Where it is short, nothing is free, and nothing below 0 is shown.
    shop.says("SET a -4", "OK");
    refuses(&mut shop, "TRANSFER a b 1 TOKEN v", "SOLDOUT a 0");
    shop.says("TRANSFER b a 2 TOKEN v", "OK 9 9 -2 18");
}

#[test]
fn the_same_token_moves_once() {
    let mut shop = two_pools();
    shop.says("SET c 9", "OK");
    shop.says("TRANSFER a b 4 TOKEN t", "OK 6 6 5 5");
    refuses(&mut shop, "TRANSFER a b 4 TOKEN t", "EXISTS a transferred 4 0 0");
    // One movement, one token: in both pools, and beside those of ADD.
    for call in ["a b 3", "b a 4", "a c 4", "c b 4", "b c 4", "c a 4"] {
        refuses(&mut shop, &format!("TRANSFER {call} TOKEN t"), "-CONFLICT");
    }
    for call in ["ADD a -4", "ADD b 4", "ADD a 1"] {
        refuses(&mut shop, &format!("{call} TOKEN t"), "-CONFLICT");
    }
    shop.says("ADD b 4 TOKEN delivery", "OK 9 9");
    refuses(&mut shop, "TRANSFER a b 4 TOKEN delivery", "-CONFLICT");
    // A token that is known is answered before anything else.
    shop.says("SET b UNLIMITED", "OK");
    refuses(&mut shop, "TRANSFER a b 4 TOKEN t", "EXISTS a transferred 4 0 0");
    shop.says("SET a 0", "OK");
    refuses(&mut shop, "TRANSFER a b 4 TOKEN t", "EXISTS a transferred 4 0 0");
}

/// Both have changed in one step: one of them that still knows it is enough.
#[test]
fn a_token_is_known_as_long_as_one_of_the_pools_knows_it() {
    let mut shop = two_pools();
    shop.says("SETPOLICY a {\"retain_paid\":10}", "OK");
    shop.says("SETPOLICY b {\"retain_paid\":20}", "OK");
    shop.says("TRANSFER a b 4 TOKEN t", "OK 6 6 5 5");
    shop.now_ms += 9_999;
    refuses(&mut shop, "TRANSFER a b 4 TOKEN t", "EXISTS a transferred 4 0 0");
    shop.now_ms += 1;
    refuses(&mut shop, "TRANSFER a b 4 TOKEN t", "EXISTS b transferred 4 0 0");
    refuses(&mut shop, "TRANSFER a b 3 TOKEN t", "-CONFLICT");
    shop.now_ms += 9_999;
    refuses(&mut shop, "TRANSFER a b 4 TOKEN t", "EXISTS b transferred 4 0 0");
    shop.now_ms += 1;
    shop.says("TRANSFER a b 4 TOKEN t", "OK 2 2 9 9");
}

/// Tokens are counted as orders are.
#[test]
fn a_pool_remembers_so_many_tokens() {
    let config = Config { max_orders: 1, ..Config::default() };
    let mut shop = Shop { model: Reference::new(config), core: Host::new(1), now_ms: 1_000_000 };
    shop.core.defaults.max_orders = 1;
    for key in ["a", "b", "c"] {
        shop.says(&format!("SET {key} 9"), "OK");
    }
    shop.says("TRANSFER a b 1 TOKEN t", "OK 8 8 10 10");
    refuses(&mut shop, "TRANSFER c b 1 TOKEN u", "-ERR");
    refuses(&mut shop, "TRANSFER b c 1 TOKEN u", "-ERR");
    refuses(&mut shop, "TRANSFER a b 1 TOKEN t", "EXISTS a transferred 1 0 0");
}
