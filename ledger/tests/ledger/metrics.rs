//! `run --metrics` on each database: sums and counts have types of their own in each of them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::harness::databases::{Database, Kind};
use crate::harness::redis_server::run;
use crate::harness::shop::{answer, length, open, sell};
use crate::harness::{free_port, wait_until, Shop};

/// The samples that are served, by name and labels; empty where nobody listens yet.
pub fn figures(address: &str) -> BTreeMap<String, f64> {
    let Ok(mut socket) = TcpStream::connect(address) else { return BTreeMap::new() };
    write!(socket, "GET /metrics HTTP/1.0\r\n\r\n").expect("a request");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("an answer");
    let body = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}")).1;
    assert!(body.ends_with("# EOF\n"), "{text}");
    let samples = body.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').expect("a sample"))
        .map(|(n, v)| (n.into(), v.parse().expect("a number")))
        .collect()
}

pub fn figures_of_a_sale(kind: Kind) {
    let mut shop = Shop::with(Database::fresh(kind), "[run]\nnotify = true\n");
    open(&shop, 2, 5);
    let address = format!("127.0.0.1:{}", free_port());
    let feed = shop.follow(&["--metrics", &address]);
    let mut c = shop.redis.connect();
    for order in ["o1", "o2"] {
        sell(&mut c, "sku:0", order, "2");
    }
    answer(&mut c, &["STOCK.RESERVE", "sku:0", "o3", "1"]);
    // A pool whose row is missing: 3 units are owed, one movement waits.
    run(&mut c, &["STOCK.SET", "sku:9", "50"]);
    run(&mut c, &["STOCK.SETPOLICY", "sku:9", "{\"events\":\"events\"}"]);
    sell(&mut c, "sku:9", "o4", "3");
    shop.database.execute(
        "INSERT INTO stock_adjustments (token, sku, delta, reason, operator, on_hand, at_ms, synced) \
         VALUES ('t', '1', 5, 'r', 'o', 10, 1, 0)",
    );
    let length = length(&shop);
    let applied = "stock_ledger_events_applied_total{stream=\"events\"}";
    wait_until("all is applied", || figures(&address).get(applied) == Some(&(length as f64)));
    let found = figures(&address);
    for (name, expected) in [
        ("stock_ledger_up{part=\"database\"}", 1.0),
        ("stock_ledger_up{part=\"redis\"}", 1.0),
        ("stock_ledger_lag_entries{stream=\"events\"}", 0.0),
        ("stock_ledger_lag_seconds{stream=\"events\"}", 0.0),
        ("stock_ledger_order_lines{state=\"confirmed\"}", 3.0),
        ("stock_ledger_order_lines{state=\"reserved\"}", 1.0),
        ("stock_ledger_incidents_total{kind=\"uncovered\"}", 1.0),
        ("stock_ledger_pools_to_audit", 0.0),
        ("stock_ledger_uncovered_units", 3.0),
        ("stock_ledger_pending_movements", 1.0),
        ("stock_ledger_pending_units", 3.0),
        ("stock_ledger_unsynced_adjustments", 1.0),
        ("stock_ledger_outbox_notices", 3.0),
    ] {
        assert_eq!(found.get(name), Some(&expected), "{name}: {found:?}");
    }
    assert!(found["stock_ledger_batches_total"] >= 1.0, "{found:?}");
    // What waits without anybody who follows is seen by whoever asks the database: `status` says
    // the same as the figures did.
    shop.ledger(&["status", "--json"]).ok().out_has("\"uncovered_units\":3,").out_has("\"pending_movements\":1,");
    // Redis dies: what the database says is served all the same.
    shop.redis.kill();
    let up = "stock_ledger_up{part=\"redis\"}";
    wait_until("Redis is seen to be gone", || figures(&address).get(up) == Some(&0.0));
    let found = figures(&address);
    assert_eq!(found["stock_ledger_up{part=\"database\"}"], 1.0);
    assert_eq!(found[applied], length as f64);
    assert!(!found.contains_key("stock_ledger_lag_entries{stream=\"events\"}"), "nobody knows: {found:?}");
    shop.redis.start_again();
    wait_until("Redis is seen again", || figures(&address).get(up) == Some(&1.0));
    shop.end(feed);
}
