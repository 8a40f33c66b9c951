//! Buckets of a sharded pool: docs/guides/hot-sku.md. Each has a row; what shifts between them touches none.

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::field;
use crate::harness::shop::answer;
use crate::harness::Shop;

const POOLS: &str = "[pools]\nkey = \"%\"\nevents = \"events\"\n[stock]\nnegative = true\n";

fn rows(shop: &Shop) -> Vec<String> {
    let rows = shop.database.rows("SELECT CAST(on_hand AS TEXT) FROM stock ORDER BY sku");
    rows.into_iter().map(|row| row[0].clone()).collect()
}

#[test]
fn what_shifts_between_buckets_touches_no_row() {
    let mut shop = Shop::new(Database::fresh(Kind::Sqlite));
    shop.configure(POOLS, "[run]\npatience_seconds = 2\n");
    shop.ledger(&["init"]).ok();
    for sku in ["{b0}x", "{b1}x"] {
        shop.database.execute(&format!("INSERT INTO stock (sku, on_hand) VALUES ('{sku}', 10)"));
    }
    shop.ledger(&["preload"]).ok();
    let mut c = shop.redis.connect();
    let mut says = |words: &str| answer(&mut c, &words.split(' ').collect::<Vec<_>>());
    assert_eq!(says("STOCK.SHIFT {b0}x TO {b1}x 6"), "OK");
    assert_eq!(says("STOCK.SHIFT {b1}x FROM {b0}x 6"), "OK");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(rows(&shop), ["10", "10"]);
    // The second sells more than ever was its own.
    assert_eq!(says("STOCK.RESERVE {b1}x o 14"), "OK");
    assert_eq!(says("STOCK.CONFIRM {b1}x o"), "OK");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(rows(&shop), ["10", "-4"]);
    // Nothing is wrong, and nothing is repaired: also where a new epoch begins, and units are in flight.
    let reconciled = shop.ledger(&["reconcile"]).with(0);
    assert!(!reconciled.out.contains("{b0}x") && !reconciled.out.contains("{b1}x"), "{}", reconciled.out);
    assert_eq!(says("DEBUG RELOAD"), "OK");
    assert_eq!(says("STOCK.SHIFT {b0}x TO {b1}x 7"), "OK");
    assert_eq!(says("STOCK.ADD {b0}x 5 TOKEN t"), "OK");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(rows(&shop), ["15", "-4"]);
    shop.ledger(&["audit"]).with(0);
    shop.ledger(&["reconcile"]).with(0);
    assert_eq!(says("STOCK.SHIFT {b1}x FROM {b0}x 7"), "OK");
    assert_eq!(says("STOCK.RESERVE {b1}x o-2 3"), "OK");
    // A unit that is missing from the shelf of the first is found, to the unit: 14 of its own, less the 7 that it sent.
    shop.database.execute("UPDATE stock SET on_hand = 14, version = version + 1 WHERE sku = '{b0}x'");
    shop.ledger(&["reconcile"]);
    assert_eq!((field(&mut c, "{b0}x", "on_hand"), field(&mut c, "{b0}x", "shifted")), (7, -7));
}
