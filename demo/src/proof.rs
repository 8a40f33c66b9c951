//! Holds the client's own log against the server. Every check that fails says where.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use indicatif::ProgressBar;
use redis::Connection;

use crate::log::End;
use crate::peaks::{self, PerValue, Track};
use crate::rounds::Sold;
use crate::scenario::{Pool, Scenario, LIMITS};
use crate::shop::{self, PoolFacts, STATES};
use crate::tally::Tally;

pub struct Check {
    pub name: &'static str,
    /// What was looked at.
    pub detail: String,
    pub failures: Failures,
}

#[derive(Default)]
pub struct Failures {
    pub count: u64,
    pub first: Vec<String>,
}

impl Failures {
    fn add(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < 5 {
            self.first.push(what());
        }
    }
}

/// All that the client knows when the sale is over.
pub struct Evidence<'a> {
    pub sale: &'a Scenario,
    pub sold: &'a Sold,
    pub tallies: &'a [Tally],
    pub same_day: bool,
}

impl Evidence<'_> {
    /// The number of calls that the proof makes: for the progress bar.
    pub fn calls(&self) -> u64 {
        2 * self.sale.pools.len() as u64 + self.buyers().len() as u64
    }

    /// Everybody who ever held something, per pool.
    fn buyers(&self) -> Vec<(u32, [u32; 2])> {
        let holders = self.sold.outcome.entries.iter().filter(|entry| entry.from.is_some());
        let orders = holders.map(|entry| &self.sale.orders[entry.order as usize]);
        let unique: HashSet<(u32, [u32; 2])> = orders.map(|order| (order.pool, order.who)).collect();
        unique.into_iter().collect()
    }
}

pub fn prove(evidence: &Evidence, con: &mut Connection, bar: &ProgressBar) -> Result<Vec<Check>> {
    let sale = evidence.sale;
    let keys: Vec<&str> = sale.pools.iter().map(|pool| pool.key.as_str()).collect();
    let facts = shop::facts(con, &keys, bar)?;
    let verified = shop::verify(con, &keys, bar)?;
    let buyers = evidence.buyers();
    let usage = shop::usage(con, sale, &buyers, bar)?;
    let tracks = peaks::per_value(sale, &evidence.sold.outcome.entries);
    Ok(vec![
        answers(evidence),
        counts(evidence, &facts),
        verify(sale, verified),
        oversold(evidence, &facts),
        leaked(evidence, &facts),
        usage_leaked(evidence, &tracks, &buyers, &usage),
        limits(evidence, &tracks),
        turned_away(evidence, &facts),
    ])
}

fn answers(evidence: &Evidence) -> Check {
    let faults = &evidence.sold.outcome.faults;
    let repeats: u64 = evidence.tallies.iter().map(|tally| tally.repeats).sum();
    Check {
        name: "every answer is one that the contract allows",
        detail: format!("{repeats} repeated calls answered EXISTS"),
        failures: Failures { count: faults.count, first: faults.first.clone() },
    }
}

fn counts(evidence: &Evidence, facts: &[PoolFacts]) -> Check {
    let mut failures = Failures::default();
    for ((pool, tally), is) in evidence.sale.pools.iter().zip(evidence.tallies).zip(facts) {
        let sold = tally.sold();
        let should = PoolFacts {
            on_hand: pool.stock - sold,
            reserved: 0,
            available: pool.stock - sold,
            sold,
            out: sold,
            orders: [
                0,
                tally.confirmed.orders - tally.returned_whole,
                tally.returned_whole,
                tally.released.orders + tally.withdrawn.orders,
                tally.expired.orders,
            ],
        };
        if *is != should {
            failures.add(|| format!("{}: the client counted {should:?}, the server {is:?}", pool.key));
        }
    }
    let orders = STATES.iter().enumerate().map(|(at, state)| {
        let sum: u64 = facts.iter().map(|facts| facts.orders[at]).sum();
        format!("{sum} {state}")
    });
    Check {
        name: "the client's tally equals the server's counts",
        detail: format!("{} pools: {}", facts.len(), orders.collect::<Vec<_>>().join(", ")),
        failures,
    }
}

fn verify(sale: &Scenario, verified: Vec<Option<String>>) -> Check {
    let mut failures = Failures::default();
    let pools = verified.len();
    for (pool, found) in sale.pools.iter().zip(verified) {
        if let Some(found) = found {
            failures.add(|| format!("{}: {found}", pool.key));
        }
    }
    Check { name: "VERIFY is OK", detail: format!("{pools} pools"), failures }
}

fn oversold(evidence: &Evidence, facts: &[PoolFacts]) -> Check {
    let mut failures = Failures::default();
    let tracks = peaks::per_pool(evidence.sale, &evidence.sold.outcome.entries);
    let mut full = 0;
    for ((pool, track), is) in evidence.sale.pools.iter().zip(&tracks).zip(facts) {
        let peak = track.peak();
        full += usize::from(peak == pool.stock);
        if peak > pool.stock || is.on_hand < 0 || is.sold > pool.stock {
            failures.add(|| {
                let Pool { stock, key, .. } = pool;
                format!(
                    "{key}: stock {stock}, at one moment {peak} units were out; on_hand {}, sold {}",
                    is.on_hand, is.sold
                )
            });
        }
    }
    Check {
        name: "nothing is oversold, at no moment",
        detail: format!("{full} of {} pools were out to the last unit", tracks.len()),
        failures,
    }
}

fn leaked(evidence: &Evidence, facts: &[PoolFacts]) -> Check {
    let mut failures = Failures::default();
    let Sold { stuck_pools, swept, .. } = evidence.sold;
    if *stuck_pools > 0 {
        failures.add(|| format!("{stuck_pools} pools still had open holds long after their deadline"));
    }
    if *swept > 0 {
        failures.add(|| format!("{swept} due holds were still there and had to be swept by hand"));
    }
    for (pool, is) in evidence.sale.pools.iter().zip(facts) {
        if is.on_hand + is.sold != pool.stock || is.reserved != 0 || is.available != is.on_hand {
            failures.add(|| format!("{}: of {} units the server has {is:?}", pool.key, pool.stock));
        }
    }
    let expired: u64 = evidence.tallies.iter().map(|tally| tally.expired.orders).sum();
    Check {
        name: "nothing is leaked: stock = on hand + sold",
        detail: format!("{expired} abandoned holds came back by themselves"),
        failures,
    }
}

/// The usage that the server keeps is what buyers still have, no more and no less.
fn usage_leaked(
    evidence: &Evidence,
    tracks: &PerValue,
    buyers: &[(u32, [u32; 2])],
    usage: &[HashMap<String, i64>],
) -> Check {
    let mut failures = Failures::default();
    let texts = evidence.sale.limit_texts();
    for ((pool, who), is) in buyers.iter().zip(usage) {
        for (at, rule) in LIMITS.iter().enumerate() {
            let should = tracks.get(&(*pool, at, who[rule.dim])).map_or(0, Track::rest);
            let used = is.get(&texts[at]).copied();
            if used != Some(should) {
                let key = &evidence.sale.pools[*pool as usize].key;
                failures.add(|| {
                    let value = who[rule.dim];
                    format!("{key}: {} of {value}: the client counted {should}, the server {used:?}", texts[at])
                });
            }
        }
    }
    Check {
        name: "usage of the limits equals the client's count",
        detail: format!("{} buyers and places", buyers.len()),
        failures,
    }
}

fn limits(evidence: &Evidence, tracks: &PerValue) -> Check {
    let mut failures = Failures::default();
    let mut reached = 0;
    for ((pool, at, value), track) in tracks {
        let pool = &evidence.sale.pools[*pool as usize];
        let (peak, max) = (track.peak(), pool.max[*at]);
        reached += usize::from(peak == max);
        if peak > max {
            failures.add(|| {
                let limit = LIMITS[*at].text(evidence.sale.dims);
                format!("{}: {limit} of {value}: {peak} at one moment, max {max}", pool.key)
            });
        }
    }
    if !evidence.same_day {
        failures.add(|| "the server's day changed while the sale ran: its clock was set".to_owned());
    }
    Check {
        name: "no limit is exceeded, at no moment",
        detail: format!("{} counted, {reached} of them reached their max", tracks.len()),
        failures,
    }
}

/// Nothing came back while the waiting list was served, so whoever was told SOLDOUT there must
/// still be right at the end.
fn turned_away(evidence: &Evidence, facts: &[PoolFacts]) -> Check {
    let mut failures = Failures::default();
    let waiting = &evidence.sold.outcome.entries[evidence.sold.waiting_list..];
    let refused = waiting.iter().filter(|entry| entry.end == End::SoldOut);
    for entry in refused {
        let order = &evidence.sale.orders[entry.order as usize];
        let left = facts[order.pool as usize].available;
        if left >= order.qty {
            failures.add(|| format!("order {}: sold out for {} units, but {left} are left", order.id, order.qty));
        }
    }
    let served = waiting.iter().filter(|entry| entry.end == End::Confirmed).count();
    Check {
        name: "nobody is turned away while there is stock",
        detail: format!("{served} of {} on the waiting list were served", waiting.len()),
        failures,
    }
}
