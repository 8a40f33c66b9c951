//! The course of the sale: everybody orders; the abandoned holds run out; the waiting list gets
//! what came back.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;
use redis::{Client, Connection};

use crate::live::{self, Live};
use crate::log::{End, Outcome};
use crate::progress;
use crate::scenario::Scenario;
use crate::server::Server;
use crate::shop;
use crate::worker::{self, Round};

/// How long after the last answer holds may still be open: the longest short hold, and patience
/// with a busy machine.
const HOLDS_END_WITHIN: Duration = Duration::from_secs(30);
/// Reads show a due hold as expired at once; this long the server has to really give it back by
/// itself.
const SWEPT_WITHIN: Duration = Duration::from_secs(3);

pub struct Sold {
    pub outcome: Outcome,
    /// Where in the entries the waiting list begins.
    pub waiting_list: usize,
    /// Of the selling alone, without the wait.
    pub took: Duration,
    pub stuck_pools: usize,
    pub swept: i64,
    /// How long the server was away that was killed in the middle.
    pub away: Option<Duration>,
}

/// With a `server` of its own, that is killed when half of the orders were made.
pub fn sell(
    sale: &Scenario,
    client: &Client,
    connections: usize,
    seed: u64,
    live: &Live,
    server: Option<&mut Server>,
) -> Result<Sold> {
    let start = Instant::now();
    let everybody: Vec<u32> = (0..sale.orders.len() as u32).collect();
    let (count, over) = (ProgressBar::hidden(), AtomicBool::new(false));
    let round = Round { sale, orders: &everybody, waiting_list: false, seed, live };
    let (outcome, away) = std::thread::scope(|scope| {
        let (count, over, half) = (&count, &over, everybody.len() as u64 / 2);
        let killer = server
            .map(|server| scope.spawn(move || live::at(count, half, over, || server.kill_and_start()).transpose()));
        let outcome = live.show("redis-stock", || worker::run(&round, client, connections, start, count));
        over.store(true, Relaxed);
        let away =
            killer.map_or(Ok(None), |killer| killer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        (outcome, away)
    });
    let (mut outcome, away) = (outcome?, away?);
    let mut took = start.elapsed();

    let (stuck_pools, swept) = wait_for_holds(sale, &outcome, &mut shop::connect(client)?)?;

    let refused = outcome.entries.iter().filter(|entry| entry.end == End::SoldOut);
    let mut refused: Vec<u32> = refused.map(|entry| entry.order).collect();
    // First come, first served: the orders are in time order.
    refused.sort_unstable();
    let round = Round { sale, orders: &refused, waiting_list: true, seed: !seed, live };
    let began = Instant::now();
    let second =
        live.show("waiting list", || worker::run(&round, client, connections, start, &ProgressBar::hidden()))?;
    took += began.elapsed();
    let waiting_list = outcome.entries.len();
    outcome.merge(second);
    Ok(Sold { outcome, waiting_list, took, stuck_pools, swept, away })
}

/// Answers how many pools still have open holds, and how many due holds the server had left lying.
fn wait_for_holds(sale: &Scenario, outcome: &Outcome, con: &mut Connection) -> Result<(usize, i64)> {
    let expired = outcome.entries.iter().filter(|entry| entry.end == End::Expired);
    let mut pools: Vec<u32> = expired.map(|entry| sale.orders[entry.order as usize].pool).collect();
    pools.sort_unstable();
    pools.dedup();
    let keys: Vec<&str> = pools.iter().map(|pool| sale.pools[*pool as usize].key.as_str()).collect();
    let bar = progress::spinner("holds run out");
    let stuck_pools = shop::wait_for_holds(con, keys.clone(), HOLDS_END_WITHIN)?;
    sleep(SWEPT_WITHIN);
    let swept = shop::sweep(con, &keys)?;
    bar.finish();
    Ok((stuck_pools, swept))
}
