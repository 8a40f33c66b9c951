//! A reader that is killed at random ends with exactly the server's balances, and sees each change
//! once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::entry::{balances, seq};
use crate::load::Load;
use crate::reader::{Reader, STREAM};
use crate::table::Table;
use testkit::{now_ms, stock_info, wait_until, Client, Server};

/// On hand of each pool at the start, as the database knows it.
pub const SHELF: i64 = 400;

/// A server's pools, all telling in one stream from their first change on. The last one is
/// unlimited.
pub fn pools(client: &mut Client, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|n| format!("{{shop}}{n}")).collect();
    client.expect(&format!("CONFIG SET stock.events {STREAM}"), "OK");
    for (n, name) in names.iter().enumerate() {
        let units = if n + 1 == count { "UNLIMITED".to_string() } else { SHELF.to_string() };
        client.expect(&format!("STOCK.SET {name} {units}"), "OK");
        client.expect(&format!("STOCK.LIMIT {name} user 40 PER DAY"), "OK");
    }
    names
}

/// Starts and kills the reader while the load goes on from its call `from` to `to`. How often it
/// was killed at work.
pub fn kill_and_restart(
    reader: &mut Reader,
    load: &Load,
    (from, to): (u64, u64),
    kills: u64,
    rng: &mut SmallRng,
) -> u64 {
    let mut at_work = 0;
    for kill in 1..=kills {
        load.allow(from + (to - from) * kill / kills);
        let before = reader.bytes();
        reader.start();
        // Most of the time the kill hits a reader at work, now and then one that has just started.
        let patience = if rng.random_ratio(3, 4) { 300 } else { rng.random_range(2..60) };
        let start = Instant::now();
        while reader.bytes() == before && start.elapsed() < Duration::from_millis(patience) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(rng.random_range(0..40_000)));
        reader.kill();
        at_work += u64::from(reader.bytes() > before);
    }
    at_work
}

/// While this is there, no entry can be written: the stream is set aside, and a string stands in
/// its place.
pub fn block_the_stream(client: &mut Client) {
    client.transaction(&[&format!("RENAME {STREAM} aside"), &format!("SET {STREAM} text")]);
}

pub fn unblock_the_stream(client: &mut Client) {
    client.transaction(&[&format!("DEL {STREAM}"), &format!("RENAME aside {STREAM}")]);
}

/// One more change in each pool, behind any gap.
pub fn close_the_day(client: &mut Client, pools: &[String]) {
    for pool in pools {
        client.play(&format!("STOCK.SUSPEND {pool}\n STOCK.RESUME {pool}"));
    }
}

/// Waits until no hold becomes due for a while: from then on nothing changes by itself.
pub fn wait_for_quiet(client: &mut Client, pools: &[String]) {
    wait_until("short holds come back", || {
        pools.iter().all(|pool| {
            // In this order: GET leaves out what is due already, and a hold may fall due between
            // the two.
            let next = client.call(&["STOCK.GET", pool]).field("next_deadline_ms").int();
            let returned = client.say(&format!("STOCK.SWEEP {pool} COUNT 100000")).int();
            returned == 0 && (next == 0 || next > now_ms() + 30_000)
        })
    });
}

/// The mirror is the server's, pool by pool.
pub fn assert_the_mirror(client: &mut Client, table: &Table, pools: &[String]) {
    for pool in pools {
        assert_eq!(table.rows[pool].balances, balances(client, pool), "{pool}");
        assert_eq!(table.rows[pool].seq, seq(client, pool), "{pool}");
        client.verify(pool);
    }
}

/// How many changes of each pool were applied.
pub fn applied(table: &Table) -> BTreeMap<String, u64> {
    let mut count = BTreeMap::new();
    for (pool, _, _) in &table.applied {
        *count.entry(pool.clone()).or_default() += 1;
    }
    count
}

#[test]
fn killed_and_restarted() {
    let (calls, kills) = (crate::amount(16_000, 200_000), crate::amount(20, 200));
    let seed = crate::seed("killed_and_restarted");
    let mut rng = SmallRng::seed_from_u64(seed);
    let (server, mut c) = Server::start().with_client();
    let pools = pools(&mut c, 8);
    let mut reader = Reader::of(&server);
    let load = Load::start(&server, "o", &pools, 4, seed);
    let mut at_work = 0;
    for quarter in 0..4 {
        let (from, to) = (calls * quarter / 4, calls * (quarter + 1) / 4);
        at_work += kill_and_restart(&mut reader, &load, (from, to), kills / 4, &mut rng);
        // A load from a file begins new epochs, and loses nothing. With another replication id, as
        // after a promotion, all is read again, and nothing is seen twice.
        if quarter < 3 {
            c.expect("DEBUG RELOAD", "OK");
        }
        if quarter < 2 {
            c.expect("DEBUG CHANGE-REPL-ID", "OK");
        }
    }
    let made = load.finish();
    close_the_day(&mut c, &pools);
    wait_for_quiet(&mut c, &pools);
    let table = reader.read_to_the_end();
    assert_the_mirror(&mut c, &table, &pools);
    // Each change once: as many as the pool has made, and the table takes none twice.
    let seen = applied(&table);
    for pool in &pools {
        assert_eq!(seen[pool], seq(&mut c, pool), "{pool}");
    }
    for pool in &pools[..pools.len() - 1] {
        let row = &table.rows[pool];
        assert_eq!(row.balances.on_hand, Some(SHELF - row.left), "{pool}: the ledger's own sum");
    }
    assert_eq!((table.missing, table.lost.len(), stock_info(&mut c, "events_dropped")), (0, 0, 0));
    // Once at the beginning, and once for each history; never for an epoch alone.
    assert_eq!((table.readings, table.anew), (3, 0));
    let changes: u64 = seen.values().sum();
    println!(
        "{made} calls, {changes} changes, {kills} kills, {at_work} of them at work; {} readings from the start",
        table.readings
    );
    assert!(changes * 3 > made, "the load changes pools: {changes}");
    assert!(at_work * 2 > kills, "most kills hit a reader at work: {at_work}");
}

/// A fork is the first entry of a batch: the reader has read all before it, and goes on.
#[test]
fn an_epoch_after_another() {
    let (server, mut c) = Server::start().with_client();
    let pools = pools(&mut c, 2);
    let mut reader = Reader::of(&server);
    for round in 0..4 {
        c.play(&format!("STOCK.RESERVE {} o{round} 1 FOR user u\n STOCK.CONFIRM {} o{round}", pools[0], pools[0]));
        let table = reader.read_to_the_end();
        assert_eq!((table.rows[&pools[0]].left, table.readings), (round + 1, 1));
        assert_the_mirror(&mut c, &table, &pools);
        c.expect("DEBUG RELOAD", "OK");
    }
}

/// The pool is deleted and made anew: what it sold before stays off the shelf, in the database and
/// by RECONCILE.
#[test]
fn a_pool_made_anew() {
    let (server, mut c) = Server::start().with_client();
    let mut reader = Reader::of(&server);
    let policy = format!("STOCK.SETPOLICY k {{\"events\":\"{STREAM}\"}}");
    let sell = |c: &mut Client, order: &str| c.play(&format!("STOCK.RESERVE k {order} 1\n STOCK.CONFIRM k {order}"));
    // Told from its second, third … change on: also with the number that the old one's next change
    // would have had.
    c.play(&format!("STOCK.SET k 100\n {policy}"));
    (0..3).for_each(|n| sell(&mut c, &format!("a{n}")));
    drop(reader.read_to_the_end());
    let mut left = 3;
    for changes in [0, 2, 7, 30] {
        let shelf = 100 - left;
        c.play(&format!("DEL k\n STOCK.SET k {shelf}"));
        (0..changes).for_each(|n| drop(c.say(&format!("STOCK.SET k {}", shelf + 1 + n % 2))));
        c.play(&format!("STOCK.SET k {shelf}\n {policy}"));
        sell(&mut c, "b0");
        left += 1;
        let table = reader.read_to_the_end();
        assert_eq!((table.rows["k"].left, table.lost.len()), (left, 0), "{changes} changes before its stream");
        agrees(&mut c, &table, 100 - left, 0);
    }
}

/// An older state of the pool is restored, the stream stays: what was sold since stays in the
/// database, and RECONCILE tells the pool.
#[test]
fn a_pool_that_went_back() {
    let (server, mut c) = Server::start().with_client();
    let mut reader = Reader::of(&server);
    c.play(&format!("STOCK.SET k 100\n STOCK.SETPOLICY k {{\"events\":\"{STREAM}\",\"events_format\":\"packed\"}}"));
    let sell = |c: &mut Client, order: &str| c.play(&format!("STOCK.RESERVE k {order} 1\n STOCK.CONFIRM k {order}"));
    sell(&mut c, "a");
    let older = c.call(&["DUMP", "k"]).bytes().to_vec();
    (0..3).for_each(|n| sell(&mut c, &format!("b{n}")));
    drop(reader.read_to_the_end());
    let restored = c.call(&[b"RESTORE".as_slice(), b"k", b"0", &older, b"REPLACE"]);
    assert_eq!(restored.to_string(), "OK");
    sell(&mut c, "c");
    let table = reader.read_to_the_end();
    assert_eq!(table.rows["k"].left, 5);
    agrees(&mut c, &table, 95, -3);
    sell(&mut c, "d");
    let table = reader.read_to_the_end();
    agrees(&mut c, &table, 94, 0);
}

/// RECONCILE by the table finds just this drift, and the pool has what is on the shelf.
#[track_caller]
fn agrees(c: &mut Client, table: &Table, shelf: i64, drift: i64) {
    let row = &table.rows["k"];
    let line = format!("STOCK.RECONCILE k {shelf} AFTER {} {} {}", row.epoch, row.seq, row.balances.out);
    c.expect(&line, &format!("[OK, {drift}, {shelf}, *]"));
    assert_eq!(balances(c, "k").on_hand, Some(shelf));
}
