//! Databases that go back: a standby that has not got the last commits, a backup that is restored.
//! What they do not have was trimmed off the stream long ago.

use crate::harness::databases::{Database, Kind, Server};
use crate::harness::shop::{differences, length, open, settle, Seller};
use crate::harness::{wait_until, Shop};

const TRIM: &str = "[run]\nreport_seconds = 1\ntrim = true\nbatch = 50\n";

/// The stock rows are right by the feed alone, from `out`; the order lines after the audit.
fn comes_right(shop: &Shop) {
    let mut c = shop.redis.connect();
    settle(&mut c);
    shop.ledger(&["run", "--once"]).ok();
    let gaps = shop.database.number("SELECT COUNT(*) FROM stock_incidents WHERE kind = 'gap'");
    assert!(gaps > 0, "what was trimmed is an incident");
    let rows: Vec<String> = differences(shop, &mut c).into_iter().filter(|d| d.contains("in the stock row")).collect();
    assert!(rows.is_empty(), "{rows:#?}");
    let repaired = shop.ledger(&["audit", "--repair"]);
    assert!(repaired.code <= 1, "{}{}", repaired.out, repaired.err);
    shop.ledger(&["reconcile"]).ok();
    let out = shop.ledger(&["reconcile", "--dry-run"]).ok().out;
    assert!(out.contains("30 pools agreed"), "{out}");
    let left = differences(shop, &mut c);
    assert!(left.is_empty(), "{left:#?}\n{}", repaired.out);
    shop.ledger(&["audit"]).ok();
}

/// The primary of PostgreSQL dies with commits that its standby has never got, while `run` follows,
/// trims and goes on with the new primary.
#[test]
fn a_standby_of_postgres_without_the_last_commits() {
    let mut shop = Shop::with(Database::alone(Kind::Postgres), TRIM);
    open(&shop, 30, 2_000);
    let mut primary = shop.database.take_server().expect("a server");
    let mut standby = Server::standby(&primary);
    let run = shop.follow(&[]);
    let mut seller = Seller::new("s", 30, 3);
    seller.sell(1_500, &mut || shop.redis.connect());
    wait_until("some of it is applied and trimmed", || length(&shop) < 60);
    let seen = "SELECT applied FROM stock_streams";
    let before = shop.database.number(seen);
    // Cut off: what is committed now is on the primary only.
    standby.kill();
    seller.sell(1_500, &mut || shop.redis.connect());
    wait_until("what the standby lacks is trimmed", || length(&shop) < 60 && shop.database.number(seen) > before);
    let lost = shop.database.number(seen);
    primary.kill();
    seller.sell(300, &mut || shop.redis.connect());
    standby.take_over(&primary);
    assert!(shop.database.number(seen) < lost, "the new primary lacks commits");
    seller.sell(300, &mut || shop.redis.connect());
    wait_until("run goes on with the new primary", || length(&shop) < 60);
    shop.end(run);
    comes_right(&shop);
}

/// The database is restored from a backup, and Redis has sold, been trimmed and started again
/// since.
pub fn a_backup_is_restored(kind: Kind) {
    const TABLES: [&str; 6] =
        ["stock", "stock_streams", "stock_positions", "stock_epochs", "stock_lines", "stock_tokens"];
    let shop = Shop::with(Database::fresh(kind), TRIM);
    open(&shop, 30, 2_000);
    let mut seller = Seller::new("s", 30, 4);
    seller.sell(1_000, &mut || shop.redis.connect());
    shop.ledger(&["run", "--once"]).ok();
    for table in TABLES {
        shop.database.execute(&format!("CREATE TABLE backup_of_{table} AS SELECT * FROM {table}"));
    }
    seller.sell(1_000, &mut || shop.redis.connect());
    shop.ledger(&["run", "--once"]).ok();
    let mut c = shop.redis.connect();
    crate::harness::redis_server::run(&mut c, &["DEBUG", "RELOAD"]);
    seller.sell(500, &mut || shop.redis.connect());
    shop.ledger(&["run", "--once"]).ok();
    assert!(length(&shop) <= 1, "all of it was trimmed");
    for table in TABLES {
        shop.database.execute_all(&[
            &format!("DELETE FROM {table}"),
            &format!("INSERT INTO {table} SELECT * FROM backup_of_{table}"),
        ]);
    }
    seller.sell(200, &mut || shop.redis.connect());
    comes_right(&shop);
}
