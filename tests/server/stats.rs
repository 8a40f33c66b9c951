//! What operators ask a running server: STOCK.STATS, STOCK.TOP, and the gauges of INFO.

use testkit::{args, stock_info, wait_until, Client, Server, Value};

/// A map of counters without those that are 0.
fn counters(map: &Value) -> String {
    let counted = map.pairs().into_iter().filter(|(_, value)| value.to_string() != "0");
    counted.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn total(c: &mut Client, key: &str) -> String {
    counters(&c.say(&format!("STOCK.STATS {key}")).field("total"))
}

#[test]
fn every_answer_is_counted_where_it_was_given() {
    let server = Server::start();
    let mut c = server.client().resp3();
    c.script(
        "STOCK.STATS k => nil
         STOCK.SET k 5
         STOCK.SET l 5
         STOCK.LIMIT k user 2
         STOCK.LIMIT k region+user 9
         STOCK.STATS k => {since_ms: 0, *}",
    );
    assert_eq!(total(&mut c, "k"), "");
    c.script(
        "STOCK.RESERVE k o1 1 FOR user u region r => [OK, *]
         STOCK.RESERVE k o1 1 FOR user u region r => [EXISTS, *]
         STOCK.RESERVE k o2 2 FOR user u region r => [LIMITED, *]
         STOCK.RESERVE k o3 9 FOR user v region r => [SOLDOUT, *]
         STOCK.RESERVE k o4 1 FOR user v => -NODIM *
         STOCK.RESERVE k o4 1 => -NODIM *
         STOCK.RESERVE k o1 2 FOR user u region r => -CONFLICT *
         STOCK.RESERVE k o1 => -ERR *
         STOCK.RESERVE k o5 0 => -ERR *
         STOCK.CONFIRM k o1 => [OK, *]
         STOCK.RELEASE k gone => [NOORDER, *]
         STOCK.RESERVE k gone 1 FOR user v region r => [CLOSED, *]
         STOCK.CHECK k 9 FOR user v region r => [SOLDOUT, *]
         STOCK.SUSPEND k
         STOCK.RESERVE k o6 1 FOR user v region r => [SUSPENDED, *]
         STOCK.RESUME k",
    );
    let all = "reserved=1 confirmed=1 soldout=1 limited=1 closed=1 exists=1 suspended=1 errors=3";
    assert_eq!(total(&mut c, "k"), all, "what fails before a pool is looked at, and reads, are not the pool's");
    let stats = c.say("STOCK.STATS k");
    assert_eq!(counters(&stats.field("last_5m")), all);
    assert_eq!(
        stats.field("limits").to_string(),
        "[{limit: user/life/units, refused: 1}, {limit: region+user/life/units, refused: 0}]"
    );
    assert_eq!(counters(&stats.field("nodim")), "region=1 user=1", "the first dimension that was looked for");
    // A cart counts in each pool, or in the one that refuses it.
    c.script(
        "STOCK.MRESERVE c1 2 l k QTY 1 1 FOR user w region r => [OK, *]
         STOCK.MRESERVE c2 2 l k QTY 1 9 FOR user w region r => [SOLDOUT, k, *]
         STOCK.MRESERVE c3 2 l no QTY 1 1 => [NOPOOL, no]",
    );
    assert_eq!(total(&mut c, "l"), "reserved=1");
    assert!(total(&mut c, "k").starts_with("reserved=2 confirmed=1 soldout=2 "));
}

/// They are no part of the data: no digest, no replication, no file, no copy.
#[test]
fn statistics_are_local() {
    let (server, mut c) = Server::on_port(&["--appendonly", "yes"]).with_client();
    let replica = Server::replica_of(&server, &[]);
    c.expect("STOCK.SET k 1", "OK");
    let (digest, bytes) = (c.digest("k"), server.aof_bytes());
    for n in 0..20 {
        c.expect(&format!("STOCK.RESERVE k o{n} 2"), "[SOLDOUT, *]");
    }
    assert_eq!((c.digest("k"), server.aof_bytes()), (digest.clone(), bytes));
    assert_eq!(total(&mut c, "k"), "soldout=20");
    replica.catch_up(&server);
    let mut r = replica.client();
    assert_eq!((r.digest("k"), total(&mut r, "k")), (digest, String::new()));
    c.script(
        "COPY k k2 => 1
         RENAME k k3 => OK",
    );
    assert_eq!((total(&mut c, "k2"), total(&mut c, "k3")), (String::new(), "soldout=20".into()));
    c.expect("DEBUG RELOAD", "OK");
    assert_eq!(total(&mut c, "k3"), "");
}

#[test]
fn the_hottest_keys_also_those_without_a_pool() {
    let server = Server::start();
    let mut c = server.client().resp3();
    c.expect("STOCK.TOP", "[]");
    for (key, calls) in [("cold", 3), ("hot", 200), ("warm", 64)] {
        c.expect(&format!("STOCK.SET {key} 50"), "OK");
        let calls: Vec<_> = (0..calls).map(|n| args!["STOCK.RESERVE", key, format!("o{n}"), 1]).collect();
        c.pipeline(&calls);
    }
    let misspelt: Vec<_> = (0..100).map(|n| args!["STOCK.RESERVE", "wram", format!("o{n}"), 1]).collect();
    c.pipeline(&misspelt);
    c.script(
        "SELECT 3
         STOCK.RESERVE wram o 1 => [NOPOOL, wram]
         SELECT 0",
    );
    let names = |answer: Value| -> Vec<String> {
        answer.items().iter().map(|map| format!("{}/{}", map.field("db"), map.field("key").text())).collect()
    };
    let top = c.say("STOCK.TOP");
    let hottest = &top.items()[0];
    let (calls, error) = (hottest.field("calls").int(), hottest.field("error").int());
    assert!(calls <= 200 && calls + error >= 200, "{hottest}");
    assert_eq!(
        (hottest.field("exists").int(), hottest.field("reserved").int(), hottest.field("held").int()),
        (1, 50, 50)
    );
    let missing = &top.items()[1];
    assert_eq!(
        (missing.field("nopool").int(), missing.field("exists").int(), missing.field("error").int()),
        (100, 0, 0)
    );
    assert_eq!(names(top), ["0/hot", "0/wram", "0/warm", "0/cold", "3/wram"]);
    assert_eq!(names(c.say("STOCK.TOP BY soldout COUNT 5")), ["0/hot", "0/warm"]);
    assert_eq!(names(c.say("STOCK.TOP BY RESERVED COUNT 1")), ["0/hot"]);
    assert_eq!(names(c.say("STOCK.TOP BY limited")), Vec::<String>::new());
    assert_eq!(names(c.say("STOCK.TOP BY orders COUNT 2")), ["0/hot", "0/warm"]);
    assert_eq!(names(c.say("STOCK.TOP COUNT 384 BY memory")).len(), 3);
    c.script(
        "STOCK.TOP BY colour => -ERR *
         STOCK.TOP BY => -ERR *
         STOCK.TOP COUNT 0 => -ERR *
         STOCK.TOP COUNT 385 => -ERR *
         STOCK.TOP hot => -ERR *
         STOCK.TOP BY held BY held => -ERR *",
    );
}

#[test]
fn gauges_of_info() {
    let (_server, mut c) = Server::on_port(&[]).with_client();
    c.script(
        "CONFIG SET stock.pool-max-orders 10
         STOCK.SET gone 0
         STOCK.SET short 5
         STOCK.SET some 100
         STOCK.SET any UNLIMITED
         STOCK.RESERVE short o 5 => [OK, *]
         STOCK.SET short 3
         STOCK.SUSPEND some",
    );
    let gauges = |c: &mut Client| {
        let names = ["held_units", "soldout_pools", "suspended_pools", "short_pools", "nearly_full_pools"];
        names.map(|name| stock_info(c, name))
    };
    assert_eq!(gauges(&mut c), [5, 2, 1, 1, 0]);
    assert_eq!(stock_info(&mut c, "encoding_version"), 2);
    let version = format!("stock_version:{}\r\n", env!("CARGO_PKG_VERSION"));
    assert!(c.say("INFO stock").text().contains(&version));
    c.expect("STOCK.RESUME some", "OK");
    // The cron tells the pools how many orders they may have.
    for n in 0..9 {
        c.expect(&format!("STOCK.RESERVE any o{n} 1"), "[OK, *]");
    }
    wait_until("a pool is nearly full", || {
        c.expect("STOCK.SUSPEND any", "OK");
        c.expect("STOCK.RESUME any", "OK");
        gauges(&mut c)[4] == 1
    });
    c.script(
        "DEL any short => 2
         STOCK.SET gone 1",
    );
    assert_eq!(gauges(&mut c), [0, 0, 0, 0, 0]);
    for n in 0..200 {
        c.expect(&format!("STOCK.RESERVE gone o{n} 2"), "[SOLDOUT, *]");
    }
    wait_until("the rate is measured", || stock_info(&mut c, "replies_per_sec_soldout") > 0);
    wait_until("the rate falls", || stock_info(&mut c, "replies_per_sec_soldout") == 0);
}
