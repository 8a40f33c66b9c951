use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{field, run};
use crate::harness::shop::{assert_agreement, open, settle, Seller};
use crate::harness::Shop;

/// Operators adjust one SKU at the same time, some twice with the same token, while it sells.
pub fn operators(shop: &Shop, people: usize, calls: usize) {
    open(shop, 1, 5000);
    let follower = shop.follow(&[]);
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| Seller::new("o", 1, 8).sell(calls, &mut || shop.redis.connect()));
        for person in 0..people {
            let failed = &failed;
            scope.spawn(move || {
                let delta = if person % 5 == 4 { -3 } else { 10 }.to_string();
                let token = format!("t{person}");
                let operator = format!("operator {person}");
                for _ in 0..1 + person % 2 {
                    let words =
                        ["adjust", "0", &delta, "--reason", "units_taken", "--token", &token, "--operator", &operator];
                    let ended = shop.ledger(&words);
                    if ended.code != 0 {
                        eprintln!("{} {}", ended.out, ended.err);
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(failed.load(Ordering::Relaxed), 0);
    shop.end(follower);
    let mut c = shop.redis.connect();
    settle(&mut c);
    shop.ledger(&["run", "--once"]).ok();
    assert_agreement(shop, &mut c);
    let adjusted: i64 = (0..people).map(|person| if person % 5 == 4 { -3 } else { 10 }).sum();
    let rows = shop.database.rows("SELECT COUNT(*), MIN(synced) FROM stock_adjustments");
    assert_eq!(rows, [[people.to_string(), "1".to_string()]]);
    let out = field(&mut c, "sku:0", "out");
    assert_eq!(shop.database.number("SELECT on_hand FROM stock"), 5000 + adjusted - out);
    assert_eq!(field(&mut c, "sku:0", "on_hand"), 5000 + adjusted - out);
    let status = run(&mut c, &["STOCK.VERIFY", "sku:0"]);
    assert_eq!(status, redis::Value::Okay);
}

pub fn fifty_operators_and_a_sale(kind: Kind) {
    operators(&Shop::new(Database::fresh(kind)), 50, 3000);
}

pub fn an_adjustment_can_be_repeated(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    open(&shop, 2, 10);
    let port = shop.redis.port;
    shop.write_config("redis://127.0.0.1:1/0");
    let words = ["adjust", "1", "5", "--reason", "delivery", "--token", "d1"];
    // The database has it, Redis is away.
    shop.ledger(&words).with(4).err_has("--token d1");
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 15);
    shop.write_config(&format!("redis://127.0.0.1:{port}/0"));
    let mut c = shop.redis.connect();
    assert_eq!(field(&mut c, "sku:1", "on_hand"), 10);
    shop.ledger(&["status"]).ok().out_has("1 adjustments are in the database and not in Redis");
    for _ in 0..3 {
        shop.ledger(&words).ok();
    }
    assert_eq!(field(&mut c, "sku:1", "on_hand"), 15);
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 15);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_adjustments WHERE synced = 1"), 1);
    shop.redis.stop();
}

pub fn adjust_refuses_what_is_not_there(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    shop.ledger(&["run", "--once"]).with(3);
    open(&shop, 2, 10);
    shop.ledger(&["adjust", "1", "-11", "--reason", "broken"]).with(2);
    // To repeat it would not help; the pool's name is not the row's.
    for (sku, text) in [("7", "no row 7"), ("sku:1", "name the row, which is 1")] {
        let refused = shop.ledger(&["adjust", sku, "1", "--reason", "unknown"]).with(2);
        assert!(refused.err.contains(text) && !refused.err.contains("repeat"), "{}", refused.err);
    }
    shop.ledger(&["reconcile", "1"]).with(2).err_has("the pool is sku:1");
    shop.ledger(&["adjust", "1", "1"]).with(2);
    shop.ledger(&["adjust", "1", "-4", "--reason", "broken", "--token", "b"]).ok();
    shop.ledger(&["adjust", "1", "-5", "--reason", "broken", "--token", "b"]).with(2);
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 6);
    assert_eq!(field(&mut shop.redis.connect(), "sku:1", "on_hand"), 6);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_adjustments"), 1);
}

pub fn what_redis_refuses_is_not_synced(kind: Kind) {
    let shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 2, 10);
    run(&mut c, &["ACL", "SETUSER", "clerk", "on", ">pw", "~*", "&*", "+@all", "-stock.reconcile"]);
    shop.write_config(&format!("redis://clerk:pw@127.0.0.1:{}/0", shop.redis.port));
    let words = ["adjust", "1", "5", "--reason", "delivery", "--token", "d1"];
    shop.ledger(&words).with(1).err_has("NOPERM").err_has("--token d1");
    for call in [&["reconcile"][..], &["reconcile", "--dry-run"]] {
        shop.ledger(call).with(1).err_has("NOPERM");
    }
    let synced = "SELECT COUNT(*) FROM stock_adjustments WHERE synced = 1";
    assert_eq!((shop.database.number(synced), field(&mut c, "sku:1", "on_hand")), (0, 10));
    shop.write_config(&shop.redis.url());
    run(&mut c, &["CONFIG", "SET", "min-replicas-to-write", "1"]);
    shop.ledger(&["reconcile"]).with(1).err_has("NOREPLICAS");
    assert_eq!(shop.database.number(synced), 0);
    run(&mut c, &["CONFIG", "SET", "min-replicas-to-write", "0"]);
    // Whoever names a pool wants that one reconciled.
    for name in ["sku:7", "nothing"] {
        assert!(shop.ledger(&["reconcile", name]).with(2).err.contains(name));
    }
    run(&mut c, &["STOCK.SET", "sku:0", "UNLIMITED"]);
    shop.ledger(&["reconcile", "sku:0"]).with(2);
    shop.ledger(&["reconcile"]).ok();
    assert_eq!((shop.database.number(synced), field(&mut c, "sku:1", "on_hand")), (1, 15));
    // A token that was made up is shown first.
    let out = shop.ledger(&["adjust", "1", "5", "--reason", "delivery"]).ok().out;
    assert!(out.starts_with("The token of this adjustment is "), "{out}");
}
