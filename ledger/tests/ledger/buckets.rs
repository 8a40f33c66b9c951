//! A row that is sold in buckets: docs/guides/hot-sku.md. Whatever shifts between them, the row is
//! their sum.

use std::time::Duration;

use stock_ledger::redis_client::Fields;

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{field, run};
use crate::harness::shop::answer;
use crate::harness::Shop;

/// Each bucket has a stream of its own, as in a cluster, so three followers write one row.
const CONFIG: &str = "[pools]\nkey = \"sku:%\"\nevents = \"events\"\n\
                      [buckets]\nkey = \"{b#}sku:%\"\nevents = \"{b#}events\"\nrows = { 618 = 3 }\n";
const BUCKETS: [&str; 3] = ["{b0}sku:618", "{b1}sku:618", "{b2}sku:618"];

/// A row of 10 units in three buckets, and one of 5 in a pool.
fn open(kind: Kind) -> Shop {
    let mut shop = Shop::new(Database::fresh(kind));
    shop.configure(CONFIG, "[run]\npatience_seconds = 20\nbatch = 7\n");
    shop.ledger(&["init"]).ok();
    shop.database.execute("INSERT INTO stock (sku, on_hand) VALUES ('618', 10), ('7', 5)");
    shop.ledger(&["preload"]).ok();
    shop
}

fn row(shop: &Shop) -> i64 {
    shop.database.number("SELECT on_hand FROM stock WHERE sku = '618'")
}

/// What the buckets own: what lies in them, less what came from others, and what is on its way.
fn owned(shop: &Shop) -> i64 {
    let mut c = shop.redis.connect();
    BUCKETS.iter().map(|key| field(&mut c, key, "on_hand") - shifted(&mut c, key)).sum()
}

/// 0 where nothing has shifted: the field is left out then.
fn shifted(c: &mut redis::Connection, key: &str) -> i64 {
    let pool = run(c, &["STOCK.GET", key]);
    Fields::of(&pool).and_then(|fields| fields.number("shifted")).unwrap_or(0)
}

fn says(shop: &Shop, words: &str) -> String {
    answer(&mut shop.redis.connect(), &words.split(' ').collect::<Vec<_>>())
}

fn buy(shop: &Shop, key: &str, order: &str, qty: i64) {
    assert_eq!(says(shop, &format!("STOCK.RESERVE {key} {order} {qty}")), "OK", "{key} {order}");
    assert_eq!(says(shop, &format!("STOCK.CONFIRM {key} {order}")), "OK", "{key} {order}");
}

pub fn a_row_is_the_sum_of_its_buckets(kind: Kind) {
    let shop = open(kind);
    let mut c = shop.redis.connect();
    assert_eq!(BUCKETS.map(|key| field(&mut c, key, "on_hand")), [4, 3, 3]);
    assert_eq!(says(&shop, "EXISTS sku:618 {b3}sku:618"), "0");
    // What shifts touches no row; the second sells more than ever was its own.
    assert_eq!(says(&shop, "STOCK.SHIFT {b0}sku:618 TO {b1}sku:618 2"), "OK");
    assert_eq!(says(&shop, "STOCK.SHIFT {b1}sku:618 FROM {b0}sku:618 2"), "OK");
    buy(&shop, BUCKETS[1], "o1", 5);
    buy(&shop, BUCKETS[2], "o2", 1);
    buy(&shop, "sku:7", "o3", 2);
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!((row(&shop), shop.database.number("SELECT on_hand FROM stock WHERE sku = '7'")), (4, 3));
    // Nothing differs: also in a new epoch, and while units are on their way.
    assert_eq!(says(&shop, "STOCK.SHIFT {b0}sku:618 TO {b2}sku:618 1"), "OK");
    assert_eq!(says(&shop, "DEBUG RELOAD"), "OK");
    assert_eq!(says(&shop, "STOCK.ADD {b2}sku:618 5 TOKEN t"), "OK");
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!((row(&shop), owned(&shop)), (9, 9));
    let agreed = shop.ledger(&["reconcile"]).with(0);
    assert!(agreed.out.contains("2 pools agreed, 0 were corrected, 0 were left alone"), "{}", agreed.out);
    shop.ledger(&["audit"]).with(0);
    assert_eq!(says(&shop, "STOCK.SHIFT {b2}sku:618 FROM {b0}sku:618 1"), "OK");
    // A unit that is missing on the shelf, and a delivery, are found to the unit: in the sum.
    shop.database.execute("UPDATE stock SET on_hand = 8, version = version + 1 WHERE sku = '618'");
    shop.ledger(&["reconcile", "--dry-run"]).with(1).out_has("618 (3 buckets)").out_has("1 would be corrected");
    assert_eq!(owned(&shop), 9);
    shop.ledger(&["reconcile", BUCKETS[1]]).with(0);
    assert_eq!(owned(&shop), 8);
    for _ in 0..2 {
        // Those that have changed in a new epoch are followed into it.
        shop.ledger(&["run", "--once"]).ok();
        let adjust = ["adjust", "618", "7", "--reason", "delivery", "--token", "d1"];
        shop.ledger(&adjust).ok();
        assert_eq!((row(&shop), owned(&shop)), (15, 15));
    }
    shop.ledger(&["adjust", "618", "-15", "--reason", "fire"]).ok();
    assert_eq!((row(&shop), owned(&shop)), (0, 0));
    assert_eq!(BUCKETS.map(|key| field(&mut c, key, "available")), [0, 0, 0]);
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!((row(&shop), shop.database.number("SELECT COUNT(*) FROM stock_incidents")), (0, 0));
    // Without all of them there is no sum, and nothing is corrected.
    assert_eq!(says(&shop, "DEL {b2}sku:618"), "1");
    shop.database.execute("UPDATE stock SET on_hand = 8, version = version + 1 WHERE sku = '618'");
    shop.ledger(&["reconcile"]).with(0).out_has("1 pools agreed, 0 were corrected, 3 were left alone");
    shop.ledger(&["adjust", "618", "1", "--reason", "delivery"]).with(2);
    assert_eq!(BUCKETS[..2].iter().map(|key| field(&mut c, key, "on_hand")).sum::<i64>(), 0);
}

/// A preload that broke off has made some of them: the others get what is missing in the sum.
pub fn buckets_that_are_there_stay(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    shop.configure(CONFIG, "[run]\npatience_seconds = 20\n");
    shop.ledger(&["init"]).ok();
    shop.database.execute("INSERT INTO stock (sku, on_hand) VALUES ('618', 10)");
    assert_eq!(says(&shop, "STOCK.SET {b1}sku:618 2"), "OK");
    shop.ledger(&["preload"]).with(0).out_has("1 rows: 2 pools made, 1 existed already");
    let mut c = shop.redis.connect();
    assert_eq!(BUCKETS.map(|key| field(&mut c, key, "on_hand")), [0, 2, 0]);
    shop.ledger(&["run", "--once"]).ok();
    shop.ledger(&["reconcile"]).with(0);
    assert_eq!(BUCKETS.map(|key| field(&mut c, key, "on_hand")), [3, 5, 2]);
}

/// Three followers, which are killed, write one row.
pub fn each_sale_in_a_bucket_leaves_the_row_once(kind: Kind) {
    let shop = open(kind);
    shop.ledger(&["adjust", "618", "290", "--reason", "delivery"]).ok();
    std::thread::scope(|scope| {
        let sellers: Vec<_> = BUCKETS
            .iter()
            .map(|key| scope.spawn(|| (0..60).for_each(|n| buy(&shop, key, &format!("o{n}"), 1))))
            .collect();
        for kill in 0..4 {
            let mut child = shop.follow(&[]);
            std::thread::sleep(Duration::from_millis(120 + 60 * kill));
            let _ = child.kill();
            let _ = child.wait();
        }
        sellers.into_iter().for_each(|seller| seller.join().expect("a seller"));
    });
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!((row(&shop), owned(&shop)), (120, 120));
    shop.ledger(&["audit"]).with(0);
    shop.ledger(&["reconcile"]).with(0).out_has("2 pools agreed");
}
