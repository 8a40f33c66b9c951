//! One hot SKU in a real cluster: four primaries with a replica each, eight buckets, buyers, and
//! two balancers. During the sale balancers and primaries are killed, replicas take over, and slots
//! with buckets move. At the end everything has arrived, every unit is sold or there to be sold,
//! each paid order is there once, and limits have held.

mod audit;
mod balancer;
mod buyer;
mod sale;
mod sales;
mod trouble;

use std::cell::RefCell;

use crate::record::{grouped, Ledger};
use crate::rounds::{self, Bounds};
use sales::{Counts, Sales, BUCKETS};
use trouble::PRIMARIES;

const NAME: &str = "one hot SKU";

/// How much went wrong.
pub fn run(bounds: &Bounds, ledger: &Ledger) -> u64 {
    let counts = RefCell::new(Counts::default());
    rounds::run(NAME, "hot-sku", bounds, ledger, |_| Sales::open(&counts), |rounds| text(rounds, &counts.borrow()))
}

fn text(rounds: u64, counts: &Counts) -> Option<String> {
    let text = format!(
        "{} sales of {BUCKETS} buckets on {PRIMARIES} primaries: {} orders paid, {} units; {} orders got \
         units or a quota of another bucket, in at most {} ms where nothing was down; {} balancers killed, \
         {} primaries killed whose replica took over, {} killed and started again, {} handed over, {} slots \
         of buckets moved; in {} sales nothing was lost; {} payments lost by failovers and repeated, {} of \
         them refunded, {} units owed after one, {} buyers sent away during one; oversold and undersold \
         otherwise 0, limits exact",
        grouped(rounds),
        grouped(counts.paid),
        grouped(counts.units.unsigned_abs()),
        grouped(counts.asked),
        counts.slowest_ms,
        grouped(counts.balancers),
        grouped(counts.deaths),
        grouped(counts.restarts),
        grouped(counts.handovers),
        grouped(counts.moved),
        grouped(counts.exact),
        grouped(counts.lost),
        grouped(counts.refunded),
        grouped(counts.short.unsigned_abs()),
        grouped(counts.unserved),
    );
    (counts.asked > 0 && counts.balancers > 0 && counts.paid > 0).then_some(text)
}
