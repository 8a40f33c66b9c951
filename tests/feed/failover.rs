//! The reader through a failover that loses history, and through entries that were never written.

use std::collections::HashSet;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::SeedableRng;

use crate::entry::{balances, seq};
use crate::following::{
    assert_the_mirror, block_the_stream, close_the_day, kill_and_restart, pools, unblock_the_stream, wait_for_quiet,
    SHELF,
};
use crate::load::Load;
use crate::reader::Reader;
use testkit::{stock_info, Server};

/// A replica is promoted whose link has been broken for a while; the primary sells on until it
/// dies, and both tell. Before and after it the stream cannot be written to for a while.
#[test]
fn a_fork_and_gaps() {
    let (calls, kills) = (crate::amount(16_000, 200_000), crate::amount(20, 200));
    let seed = crate::seed("a_fork_and_gaps");
    let mut rng = SmallRng::seed_from_u64(seed);
    let (mut primary, mut c) = Server::on_port(&[]).with_client();
    let (replica, mut r) = Server::replica_of(&primary, &[]).with_client();
    let pools = pools(&mut c, 8);
    r.expect("CONFIG SET stock.events feed", "OK");
    let counted = &pools[..pools.len() - 1];
    let mut reader = Reader::of(&primary);
    let mut at_work = 0;

    // Sales on the primary, with a while in which no entry can be written.
    let load = Load::start(&primary, "a", &pools, 4, seed);
    at_work += kill_and_restart(&mut reader, &load, (0, calls / 8), kills / 8, &mut rng);
    block_the_stream(&mut c);
    at_work += kill_and_restart(&mut reader, &load, (calls / 8, calls / 6), kills / 16, &mut rng);
    unblock_the_stream(&mut c);
    at_work += kill_and_restart(&mut reader, &load, (calls / 6, calls / 2), kills / 4, &mut rng);
    let mut made = load.finish();
    close_the_day(&mut c, &pools);
    replica.catch_up(&primary);

    // The link breaks, and what follows on the primary will be lost.
    r.expect("REPLICAOF 127.0.0.1 1", "OK");
    let fork: Vec<(u64, i64)> = pools.iter().map(|pool| (seq(&mut r, pool), balances(&mut r, pool).out)).collect();
    let load = Load::start(&primary, "lost", &pools, 2, seed ^ 1);
    at_work += kill_and_restart(&mut reader, &load, (0, calls / 16), kills / 8, &mut rng);
    // The replica is promoted while the primary still lives: their entries have been written in the
    // same seconds.
    r.expect("REPLICAOF NO ONE", "OK");
    let new = Load::start(&replica, "new", &pools, 2, seed ^ 2);
    new.allow(calls / 16);
    at_work += kill_and_restart(&mut reader, &load, (calls / 16, calls / 8), kills / 8, &mut rng);
    made += load.finish() + new.finish();
    std::thread::sleep(Duration::from_millis(20));
    close_the_day(&mut c, &pools);
    c.pause_background();
    drop(reader.read_to_the_end());
    let died_at: Vec<(u64, i64)> = pools.iter().map(|pool| (seq(&mut c, pool), balances(&mut c, pool).out)).collect();
    let missed_before = stock_info(&mut c, "events_dropped");
    primary.kill();

    // Sales go on, again with a while in which no entry can be written.
    reader.follow(&replica);
    let load = Load::start(&replica, "b", &pools, 4, seed ^ 3);
    at_work += kill_and_restart(&mut reader, &load, (0, calls / 8), kills / 8, &mut rng);
    block_the_stream(&mut r);
    at_work += kill_and_restart(&mut reader, &load, (calls / 8, calls / 6), kills / 16, &mut rng);
    unblock_the_stream(&mut r);
    at_work += kill_and_restart(&mut reader, &load, (calls / 6, calls * 3 / 8), kills / 8, &mut rng);
    made += load.finish();
    close_the_day(&mut r, &pools);
    wait_for_quiet(&mut r, &pools);
    let table = reader.read_to_the_end();

    assert_the_mirror(&mut r, &table, &pools);
    // The gaps are as wide as the servers say, and nothing else is missing.
    let missed_after = stock_info(&mut r, "events_dropped");
    assert!(missed_before > 0 && missed_after > 0, "both whiles have gaps");
    assert_eq!(table.missing, (missed_before + missed_after).unsigned_abs());
    // Each change of both histories once: those up to the fork, the lost ones, and those of the new
    // history.
    let changes: u64 = (0..pools.len()).map(|n| died_at[n].0 + seq(&mut r, &pools[n]) - fork[n].0).sum();
    assert_eq!(table.applied.len() as u64 + table.missing, changes);
    // The reader knows exactly what was lost.
    let lost: HashSet<(String, u64)> = table.lost.iter().map(|(pool, _, seq)| (pool.clone(), *seq)).collect();
    let expected = pools.iter().zip(fork.iter().zip(&died_at)).flat_map(|(pool, (fork, died_at))| {
        (fork.0 + 1..=died_at.0).map(|seq| (pool.clone(), seq)).collect::<Vec<_>>()
    });
    assert_eq!(lost, expected.collect());
    assert!(lost.len() > pools.len(), "the failover has lost something");
    assert!(table.behind > 0, "entries stood behind the place where the reader was");

    // The ledger has what left by the lost history, too, and by nothing else; RECONCILE says so to
    // the unit, and repairs it.
    for (n, pool) in pools.iter().enumerate() {
        let row = &table.rows[pool];
        let left_by_the_lost = died_at[n].1 - fork[n].1;
        assert_eq!(row.left, row.balances.out + left_by_the_lost, "{pool}");
        if n < counted.len() {
            let shelf = SHELF - row.left;
            let line = format!("STOCK.RECONCILE {pool} {shelf} AFTER {} {} {}", row.epoch, row.seq, row.balances.out);
            r.expect(&line, &format!("[OK, {}, {shelf}, *]", -left_by_the_lost));
            r.expect(&line, &format!("[OK, 0, {shelf}, *]"));
        }
    }
    println!(
        "{made} calls, {changes} changes, {kills} kills, {at_work} of them at work; {} missing, {} lost, {} behind, {} \
         readings from the start",
        table.missing,
        lost.len(),
        table.behind,
        table.readings
    );
}
