//! The simulation of sharded pools, `testkit/src/shards.rs`, for longer.

use crate::histories::Simulation;
use crate::record::grouped;
use testkit::shards::{run as history, Counts};

pub const SHARDS: Simulation<Counts> =
    Simulation { name: "sharded pools", target: "shards", seeds: 200, history, calls: |counts| counts.calls, text };

fn text(counts: Counts) -> String {
    let Counts { calls, shifts, repeated, deaths, failovers, slots, twice: _, sold } = counts;
    format!(
        "{} calls to buckets, {} shifts, {} units sold; {} movers died, {} calls repeated in vain, {} slots moved or restarted, {} failovers that lost something",
        grouped(calls),
        grouped(shifts),
        grouped(sold),
        grouped(deaths),
        grouped(repeated),
        grouped(slots),
        grouped(failovers)
    )
}
