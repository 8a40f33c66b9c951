//! The course of the sale: everybody orders; the abandoned holds run out; the waiting list gets
//! what came back.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use redis::{Client, Connection};

use crate::log::{End, Outcome};
use crate::progress;
use crate::scenario::Scenario;
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
}

pub fn sell(sale: &Scenario, client: &Client, connections: usize, seed: u64) -> Result<Sold> {
    let start = Instant::now();
    let everybody: Vec<u32> = (0..sale.orders.len() as u32).collect();
    let bar = progress::bar("selling", everybody.len() as u64);
    let round = Round { sale, orders: &everybody, waiting_list: false, seed };
    let mut outcome = worker::run(&round, client, connections, start, &bar)?;
    let mut took = start.elapsed();
    bar.finish();

    let (stuck_pools, swept) = wait_for_holds(sale, &outcome, &mut shop::connect(client)?)?;

    let refused = outcome.entries.iter().filter(|entry| entry.end == End::SoldOut);
    let mut refused: Vec<u32> = refused.map(|entry| entry.order).collect();
    // First come, first served: the orders are in time order.
    refused.sort_unstable();
    let bar = progress::bar("waiting list", refused.len() as u64);
    let round = Round { sale, orders: &refused, waiting_list: true, seed: !seed };
    let began = Instant::now();
    let second = worker::run(&round, client, connections, start, &bar)?;
    took += began.elapsed();
    bar.finish();
    let waiting_list = outcome.entries.len();
    outcome.merge(second);
    Ok(Sold { outcome, waiting_list, took, stuck_pools, swept })
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
