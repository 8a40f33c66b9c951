//! What the feed asks of Redis when nothing happens, and what it makes of a copy of the data that
//! somebody draws.

use std::time::Duration;

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::run;
use crate::harness::shop::{answer, open, sell};
use crate::harness::{signal, wait_until, Shop};

/// Calls of each command since CONFIG RESETSTAT, without that one.
fn calls(c: &mut redis::Connection) -> Vec<(String, u64)> {
    let info: String = redis::cmd("INFO").arg("commandstats").query(c).expect("INFO");
    let of = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = rest.split(',').next()?.parse().ok()?;
        let name = name.to_lowercase();
        (name != "config|resetstat").then_some((name, calls))
    };
    info.lines().filter_map(of).collect()
}

#[test]
fn a_quiet_feed_asks_little_and_reads_on_after_a_copy() {
    const SECONDS: u64 = 6;
    let shop = Shop::with(Database::fresh(Kind::Sqlite), "[run]\ntrim = true\n");
    let mut c = open(&shop, 600, 10);
    let on_hand = |expected: i64| {
        let sql = "SELECT on_hand FROM stock WHERE sku = '1'";
        wait_until("it is applied", || shop.database.number(sql) == expected);
    };
    sell(&mut c, "sku:1", "o1", "1");
    run(&mut c, &["CONFIG", "RESETSTAT"]);
    let feed = shop.follow(&[]);
    on_hand(9);
    // At the start all pools are asked where they stand, a page a second.
    wait_until("all pools were asked", || calls(&mut c).iter().any(|(name, n)| name == "stock.get" && *n >= 600));
    std::thread::sleep(Duration::from_secs(2));
    run(&mut c, &["CONFIG", "RESETSTAT"]);
    std::thread::sleep(Duration::from_secs(SECONDS));
    let asked = calls(&mut c);
    let sum: u64 = asked.iter().map(|(_, calls)| calls).sum();
    assert!((1..=2 * SECONDS).contains(&sum), "{sum} commands in {SECONDS} s: {asked:?}");
    // The primary has no replica: a copy gives it another replication id, and no other data.
    let id = |c: &mut redis::Connection| {
        let info: String = redis::cmd("INFO").arg("replication").query(c).expect("INFO");
        info.lines().find_map(|line| line.strip_prefix("master_replid:")).expect("an id").to_string()
    };
    let before = id(&mut c);
    let copy = shop.dir.path().join("copy.rdb");
    let mut draw = std::process::Command::new("redis-cli");
    draw.args(["-p", &shop.redis.port.to_string(), "--rdb"]).arg(&copy);
    let drawn = draw.output().expect("redis-cli");
    assert!(drawn.status.success(), "{drawn:?}");
    assert_ne!(id(&mut c), before, "a copy changes the replication id");
    run(&mut c, &["CONFIG", "RESETSTAT"]);
    wait_until("the feed has asked again", || calls(&mut c).iter().any(|(name, n)| name == "xread" && *n >= 2));
    sell(&mut c, "sku:1", "o2", "1");
    on_hand(8);
    // An entry that is added and gone before it was read: all pools are asked again.
    answer(&mut c, &["STOCK.RESERVE", "sku:2", "o3", "3"]);
    signal(feed.id(), "STOP");
    answer(&mut c, &["STOCK.CONFIRM", "sku:2", "o3"]);
    run(&mut c, &["XTRIM", "events", "MAXLEN", "0"]);
    signal(feed.id(), "CONT");
    wait_until("it is made up for", || shop.database.number("SELECT on_hand FROM stock WHERE sku = '2'") == 7);
    shop.end(feed);
    let log = shop.run_log();
    assert_eq!(log.matches("reading from the start").count(), 1, "{log}");
}
