//! Two nodes of a Galera cluster with Debian's MariaDB, and ledger processes at both: locks of one
//! node are not seen at the other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stock_ledger::command::reconcile::reconcile_some;
use stock_ledger::command::reconcile_report::Report;
use stock_ledger::config::Config;
use stock_ledger::db::{is_contention, Db};
use stock_ledger::redis_client::RedisClient;

use crate::harness::databases::{block_on, Database, Server};
use crate::harness::redis_server::field;
use crate::harness::shop::{assert_agreement, open, sell, settle, Seller};
use crate::harness::{wait_until, Shop};

#[test]
#[ignore = "needs galera-4: make ledger-databases"]
fn galera_adjust_and_reconcile_at_two_nodes() {
    const ADJUSTMENTS: i64 = 60;
    let [first, second] = Server::galera();
    let database = Database::of(&first);
    let other = second.url_like(&database);
    let mut shop = Shop::new(database);
    open(&shop, 3, 5_000);
    let at_second = |words: &[&str]| shop.ledger(&[&["--database", &other], words].concat());
    wait_until("the other node has the tables", || at_second(&["status"]).code == 0);
    let follower = shop.follow(&[]);
    let (selling, reconciled) = (AtomicBool::new(true), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| Seller::new("o", 3, 8).sell(3_000, &mut || shop.redis.connect()));
        for node in [false, true] {
            let (selling, reconciled, shop, at_second) = (&selling, &reconciled, &shop, &at_second);
            scope.spawn(move || {
                while selling.load(Ordering::Relaxed) {
                    let ended = if node { at_second(&["reconcile"]) } else { shop.ledger(&["reconcile"]) };
                    assert!([0, 3].contains(&ended.code), "{} {}", ended.out, ended.err);
                    reconciled.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 0..ADJUSTMENTS {
            let token = format!("t{n}");
            let words = ["adjust", "0", "10", "--reason", "delivery", "--token", &token];
            let ended = if n % 2 == 0 { at_second(&words) } else { shop.ledger(&words) };
            assert_eq!(ended.code, 0, "{} {}", ended.out, ended.err);
        }
        selling.store(false, Ordering::Relaxed);
    });
    println!("{} reconciles beside {ADJUSTMENTS} adjustments", reconciled.load(Ordering::Relaxed));
    shop.end(follower);
    let mut c = shop.redis.connect();
    settle(&mut c);
    shop.ledger(&["run", "--once"]).ok();
    // Before anybody reconciles once more: no older snapshot has come last.
    let out = field(&mut c, "sku:0", "out");
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '0'"), 5_000 + 10 * ADJUSTMENTS - out);
    assert_agreement(&shop, &mut c);
    shop.ledger(&["audit"]).ok();
    // One that has told Redis what it saw before somebody else adjusted at the other node is
    // refused at its COMMIT, and would tell again.
    let config = Config::read(Some(&shop.config_path())).expect("a configuration");
    block_on(async {
        let db = Db::open_prepared(&config).await.expect("the database");
        let mut redis = RedisClient::open(&config.redis).await.expect("Redis");
        let (names, mut report) = (BTreeSet::from(["sku:2"]), Report::default());
        let mut tx = db.begin().await.expect("a transaction");
        reconcile_some(&db, &mut tx, &mut redis, &config, &names, false, &mut report).await.expect("told");
        assert!(report.synced.contains("sku:2"), "{report:?}");
        at_second(&["adjust", "2", "10", "--reason", "delivery"]).ok();
        let error = tx.commit().await.expect_err("an older snapshot");
        assert!(is_contention(&error), "{error:#}");
    });
    // A node that has lost its cluster takes no writes: that is no difference, but a time to wait.
    let mut first = first;
    first.kill();
    sell(&mut c, "sku:1", "last", "1");
    shop.more = "[run]\npatience_seconds = 2\n".to_string();
    shop.write_config(&shop.redis.url());
    let ended = shop.ledger(&["--database", &other, "run", "--once"]).with(4);
    assert!(ended.err.contains("WSREP") || ended.err.contains("1047"), "{}", ended.err);
}
