use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::{field, run, RedisServer};
use crate::harness::shop::{answer, assert_agreement, open, sell, settle, Seller};
use crate::harness::Shop;

/// Longer than it takes to make a replica and to pay, also on a busy machine.
const HOLD_MS: &str = "6000";

/// What the last second holds: each way to lose a call.
fn last_second(c: &mut redis::Connection) {
    for order in ["paid", "paid-late"] {
        assert_eq!(answer(c, &["STOCK.CONFIRM", "sku:1", order]), "OK");
    }
    answer(c, &["STOCK.RESERVE", "sku:1", "new-paid", "3", "FOR", "user", "7"]);
    assert_eq!(answer(c, &["STOCK.CONFIRM", "sku:1", "new-paid"]), "OK");
    answer(c, &["STOCK.RESERVE", "sku:1", "new-open", "2"]);
    assert_eq!(answer(c, &["STOCK.RELEASE", "sku:1", "given-up"]), "OK");
    assert_eq!(answer(c, &["STOCK.RETURN", "sku:1", "back"]), "OK");
}

fn before_the_last_second(c: &mut redis::Connection) {
    run(c, &["STOCK.LIMIT", "sku:1", "user", "5", "MISSING", "ALLOW"]);
    for order in ["paid", "given-up", "back"] {
        assert_eq!(answer(c, &["STOCK.RESERVE", "sku:1", order, "2", "FOR", "user", order]), "OK");
    }
    assert_eq!(answer(c, &["STOCK.CONFIRM", "sku:1", "back"]), "OK");
}

/// One that is paid in the last second, and whose hold ends where that is not known.
fn reserve_for_a_moment(c: &mut redis::Connection) {
    assert_eq!(answer(c, &["STOCK.RESERVE", "sku:1", "paid-late", "1", "PX", HOLD_MS]), "OK");
}

pub fn a_failover_is_repaired_in_order(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 20, 400);
    before_the_last_second(&mut c);
    shop.ledger(&["run", "--once"]).ok();
    reserve_for_a_moment(&mut c);
    let replica = shop.redis.fork();
    last_second(&mut c);
    Seller::new("lost", 20, 6).sell(400, &mut || shop.redis.connect());
    // The database has seen all of it.
    shop.ledger(&["run", "--once"]).ok();
    drop(c);
    shop.fail_over(replica).kill();
    let mut c = shop.redis.connect();
    // The new primary goes on selling.
    Seller::new("new", 20, 7).sell(400, &mut || shop.redis.connect());
    // The hold of one that has been paid, in a history that is gone, ends.
    crate::harness::wait_until("a hold ends", || {
        settle(&mut c);
        let order = run(&mut c, &["STOCK.ORDER", "sku:1", "paid-late"]);
        stock_ledger::redis_client::Fields::of(&order).and_then(|o| o.text("state")).as_deref() == Some("expired")
    });
    settle(&mut c);
    // The order is enforced: nothing is reconciled before the feed is read and the orders are
    // audited.
    shop.ledger(&["reconcile"]).with(3);
    shop.ledger(&["run", "--once"]).ok();
    shop.ledger(&["reconcile"]).with(3).err_has("audit --repair");
    shop.ledger(&["status"]).with(1);
    let listed = shop.ledger(&["audit"]).with(1).out;
    for text in ["paid here and only reserved there", "paid here and unknown there", "reserved here and unknown there"]
    {
        assert!(listed.contains(text), "{text}:\n{listed}");
    }
    let repaired = shop.ledger(&["audit", "--repair"]);
    assert!(repaired.code <= 1, "{}{}", repaired.out, repaired.err);
    assert!(repaired.out.contains("20 pools, "), "each is counted once: {}", repaired.out);
    for (call, order) in [
        ("CONFIRM", "paid"),
        ("CONFIRM", "paid-late"),
        ("CONFIRM", "new-paid"),
        ("RELEASE", "given-up"),
        ("RETURN", "back"),
    ] {
        let answer = answer(&mut c, &[&format!("STOCK.{call}"), "sku:1", order]);
        assert_eq!(answer, "EXISTS", "{call} {order}:\n{}", repaired.out);
    }
    shop.ledger(&["reconcile"]).ok();
    shop.ledger(&["run", "--once"]).ok();
    shop.ledger(&["reconcile", "--dry-run"]).ok().out_has("20 pools agreed");
    assert!(shop.database.number("SELECT COUNT(*) FROM stock_incidents WHERE kind = 'fork'") > 0);
    let lines = shop.database.rows("SELECT order_id, state FROM stock_lines WHERE pool = 'sku:1' ORDER BY order_id");
    for (order, state) in
        [("back", "returned"), ("given-up", "released"), ("new-open", "lost"), ("new-paid", "confirmed")]
    {
        assert!(lines.contains(&vec![order.to_string(), state.to_string()]), "{order} {state}: {lines:?}");
    }
    let stock_rows = shop.database.rows("SELECT sku, on_hand FROM stock");
    let uncovered = shop.database.rows("SELECT pool, uncovered FROM stock_positions");
    for row in stock_rows {
        let pool = format!("sku:{}", row[0]);
        let owed: i64 = uncovered.iter().find(|r| r[0] == pool).map_or(0, |r| r[1].parse().expect("a number"));
        assert_eq!(row[1].parse::<i64>().expect("a number") - owed, field(&mut c, &pool, "on_hand"), "{pool}");
    }
}

pub fn a_failover_before_anything_new_is_repaired(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 20, 40);
    before_the_last_second(&mut c);
    shop.ledger(&["run", "--once"]).ok();
    reserve_for_a_moment(&mut c);
    let replica = shop.redis.fork();
    last_second(&mut c);
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 40 - 2 - 1 - 3);
    drop(c);
    shop.fail_over(replica).kill();
    // Nobody has bought anything: no entry tells of the new history.
    shop.ledger(&["run", "--once"]).ok();
    shop.ledger(&["reconcile"]).with(3);
    shop.ledger(&["audit", "--repair"]).ok().out_has("new-paid").out_has("new-open");
    let mut c = shop.redis.connect();
    settle(&mut c);
    shop.ledger(&["run", "--once"]).ok();
    shop.ledger(&["reconcile"]).ok().out_has("20 pools agreed, 0 were corrected");
    assert_eq!(shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'"), 40 - 2 - 1 - 3);
    assert_eq!(field(&mut c, "sku:1", "on_hand"), 40 - 2 - 1 - 3);
    // The line of the lost reservation is all that differs.
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_lines WHERE state = 'lost'"), 1);
    shop.database.execute("DELETE FROM stock_lines WHERE state = 'lost'");
    assert_agreement(&shop, &mut c);
}

/// Restocks and returns in the last second, which their callers make again.
pub fn what_is_repeated_by_its_token_counts_once(kind: Kind) {
    let mut shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 2, 100);
    sell(&mut c, "sku:1", "o1", "10");
    let replica = shop.redis.fork();
    let restock = ["STOCK.ADD", "sku:1", "50", "TOKEN", "delivery 7 \u{e9}"];
    let back = |token: &'static str| ["STOCK.RETURN", "sku:1", "o1", "QTY", "2", "TOKEN", token];
    for call in [&restock[..], &["STOCK.ADD", "sku:1", "5"], &back("r1"), &back("r2")] {
        assert_eq!(answer(&mut c, call), "OK", "{call:?}");
    }
    shop.ledger(&["run", "--once"]).ok();
    let stock_row = "SELECT on_hand FROM stock WHERE sku = '1'";
    assert_eq!(shop.database.number(stock_row), 90 + 50 + 5 + 4);
    drop(c);
    shop.fail_over(replica).kill();
    let mut c = shop.redis.connect();
    for call in [&back("r3")[..], &restock, &back("r2"), &back("r1")] {
        assert_eq!(answer(&mut c, call), "OK", "{call:?}");
        shop.ledger(&["run", "--once"]).ok();
    }
    assert_eq!(shop.database.number(stock_row), 90 + 50 + 5 + 6);
    let lost = shop.database.rows("SELECT kind, units FROM stock_incidents WHERE kind = 'lost'");
    assert_eq!(lost, [["lost", "5"]]);
    shop.ledger(&["audit", "--repair"]).ok();
    shop.ledger(&["reconcile"]).ok().out_has("1 were corrected");
    assert_eq!(field(&mut c, "sku:1", "on_hand"), 90 + 50 + 5 + 6);
    assert_agreement(&shop, &mut c);
}

/// The server that is read becomes a replica: the stream of another one, with entries before our
/// place, stands where its own stood. The stream is never empty meanwhile, and has been read from
/// its start without meeting its end.
#[test]
fn what_a_former_primary_holds_is_read_from_its_start() {
    let mut shop = Shop::with(Database::fresh(Kind::Sqlite), "[run]\nbatch = 5\n");
    open(&shop, 3, 10_000);
    let other = shop.redis.fork();
    let follower = shop.follow(&[]);
    let (moved, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let sell_some = |server: &RedisServer, name: &str, count: usize, units: &str| {
        let mut c = server.connect();
        for n in 0..count {
            let order = format!("{name}{n}");
            sell(&mut c, "sku:1", &order, units);
        }
    };
    let second = Duration::from_secs(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut here, mut there) = (shop.redis.connect(), other.connect());
            for n in 0.. {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let c = if moved.load(Ordering::SeqCst) { &mut there } else { &mut here };
                let mut call = redis::cmd("STOCK.RESERVE");
                // One that comes too late is refused.
                let _ = call.arg("sku:2").arg(format!("t{n}")).arg(1).query::<redis::Value>(c);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        std::thread::sleep(second);
        sell_some(&other, "b", 3, "5");
        sell_some(&shop.redis, "a", 6, "1");
        std::thread::sleep(second);
        // The database is slow just now.
        let slow = scope.spawn(|| shop.database.lock_for(second * 2));
        std::thread::sleep(second / 5);
        moved.store(true, Ordering::SeqCst);
        run(&mut shop.redis.connect(), &["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
        slow.join().expect("the lock");
        sell_some(&other, "c", 1, "1");
        std::thread::sleep(second * 2);
        over.store(true, Ordering::SeqCst);
    });
    shop.end(follower);
    shop.fail_over(other);
    shop.ledger(&["run", "--once"]).ok();
    let stock_row = shop.database.number("SELECT on_hand FROM stock WHERE sku = '1'");
    assert_eq!(stock_row, 10_000 - 6 - 15 - 1, "{}", shop.run_log());
    shop.ledger(&["audit", "--repair"]).ok();
    shop.ledger(&["reconcile"]).ok();
    assert_eq!(field(&mut shop.redis.connect(), "sku:1", "on_hand"), stock_row);
}

/// A failover loses changes that nobody has paid in, and nobody buys behind it: no event of the
/// pools tells of it. `epochs`: another promotion, of which everything is lost, stands in between.
fn nothing_is_to_be_confirmed(kind: Kind, epochs: bool) {
    let mut shop = Shop::new(Database::fresh(kind));
    let mut c = open(&shop, 5, 40);
    for pool in ["sku:0", "sku:1", "sku:2", "sku:3", "sku:4"] {
        assert_eq!(answer(&mut c, &["STOCK.RESERVE", pool, "before", "2"]), "OK");
    }
    shop.ledger(&["run", "--once"]).ok();
    let survivor = shop.redis.fork();
    if epochs {
        let next = shop.redis.fork();
        shop.fail_over(next);
        c = shop.redis.connect();
    }
    assert_eq!(answer(&mut c, &["STOCK.RESERVE", "sku:1", "lost", "3"]), "OK");
    assert_eq!(answer(&mut c, &["STOCK.ADD", "sku:2", "5", "TOKEN", "delivery"]), "OK");
    assert_eq!(answer(&mut c, &["STOCK.ADD", "sku:3", "7"]), "OK");
    run(&mut c, &["STOCK.SUSPEND", "sku:4"]);
    shop.ledger(&["run", "--once"]).ok();
    drop(c);
    shop.fail_over(survivor).kill();
    let mut c = shop.redis.connect();
    shop.ledger(&["run", "--once"]).ok();
    let refused = shop.ledger(&["reconcile"]).with(3);
    assert!(refused.err.contains("3 pools wait for an audit (sku:1, sku:2, sku:3)"), "{}", refused.err);
    assert!(refused.err.contains("audit --repair"), "{}", refused.err);
    let repaired = shop.ledger(&["audit", "--repair"]).ok().out;
    assert!(repaired.contains("1 differences repaired, 0 open"), "{repaired}");
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_incidents WHERE kind = 'lost' AND units = 7"), 1);
    // What was delivered, and is not in Redis, can be sold again.
    shop.ledger(&["reconcile"]).ok().out_has("3 pools agreed, 2 were corrected");
    assert_eq!((field(&mut c, "sku:2", "on_hand"), field(&mut c, "sku:3", "on_hand")), (45, 47));
    // It is over: what was settled is not asked for again, whether a pool has gone on (by
    // reconcile) or not.
    shop.ledger(&["run", "--once"]).ok();
    for arguments in [&["audit", "--repair"][..], &["audit"]] {
        let out = shop.ledger(arguments).ok().out;
        assert!(out.contains(" 0 differences repaired, 0 open"), "{arguments:?}: {out}");
    }
    shop.ledger(&["reconcile"]).ok().out_has("5 pools agreed");
    // The pools go on: each loss is told of once, and no further audit is asked for.
    let forks = "SELECT pool FROM stock_incidents WHERE kind = 'fork' ORDER BY pool";
    let noted = shop.database.rows(forks);
    assert_eq!(noted, ["sku:1", "sku:2", "sku:3", "sku:4"].map(|pool| vec![pool.to_string()]));
    for pool in ["sku:0", "sku:1", "sku:2", "sku:3", "sku:4"] {
        assert_eq!(answer(&mut c, &["STOCK.RESERVE", pool, "behind", "1"]), "OK", "{pool}");
        assert_eq!(answer(&mut c, &["STOCK.RELEASE", pool, "behind"]), "OK", "{pool}");
    }
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(shop.database.rows(forks), noted);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM stock_positions WHERE needs_audit = 1"), 0);
    shop.ledger(&["reconcile"]).ok().out_has("5 pools agreed");
    // The delivery is told again.
    assert_eq!(answer(&mut c, &["STOCK.ADD", "sku:2", "5", "TOKEN", "delivery"]), "OK");
    sell(&mut c, "sku:1", "lost", "3");
    shop.ledger(&["audit", "--repair"]).ok();
    shop.ledger(&["reconcile"]).ok();
    shop.ledger(&["run", "--once"]).ok();
    assert_eq!(field(&mut c, "sku:2", "on_hand"), 45);
    assert_eq!(field(&mut c, "sku:1", "on_hand"), 37);
    assert_agreement(&shop, &mut c);
}

pub fn a_failover_that_lost_no_payment_is_reconciled(kind: Kind) {
    nothing_is_to_be_confirmed(kind, false);
}

pub fn a_failover_that_lost_an_epoch_is_reconciled(kind: Kind) {
    nothing_is_to_be_confirmed(kind, true);
}
