//! The client's own count of the answers, per pool and over all.

use crate::log::{End, Entry};
use crate::scenario::{Scenario, LIMITS, RULES};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    pub orders: u64,
    pub units: i64,
}

impl Count {
    fn add(&mut self, units: i64) {
        self.add_many(1, units);
    }

    fn add_many(&mut self, times: u32, units: i64) {
        self.orders += u64::from(times);
        self.units += i64::from(times) * units;
    }

    fn merge(&mut self, other: Count) {
        self.orders += other.orders;
        self.units += other.units;
    }
}

/// Reservations by their answer, and what became of those that were granted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    pub asked: Count,
    pub reserved: Count,
    pub soldout: Count,
    pub limited: [Count; RULES],
    /// Refused, then cancelled to be sure.
    pub withdrawn: Count,
    /// Ever confirmed, also where it was returned later.
    pub confirmed: Count,
    pub released: Count,
    pub expired: Count,
    /// Units brought back, and the orders that brought some.
    pub returned: Count,
    /// Orders that brought all back: their state differs.
    pub returned_whole: u64,
    pub repeats: u64,
}

impl Tally {
    pub fn sold(&self) -> i64 {
        self.confirmed.units - self.returned.units
    }

    fn take(&mut self, entry: &Entry, qty: i64) {
        self.soldout.add_many(entry.soldout, qty);
        for rule in 0..LIMITS.len() {
            self.limited[rule].add_many(entry.limited[rule], qty);
        }
        let refused = entry.soldout + entry.limited.iter().sum::<u32>();
        self.asked.add_many(refused, qty);
        self.repeats += u64::from(entry.repeats);
        match entry.end {
            End::Waiting | End::SoldOut | End::Limited | End::Wrong => return,
            End::Withdrawn(units) => {
                self.withdrawn.add(units);
                return;
            }
            End::Held => {}
            End::Confirmed => self.confirmed.add(qty),
            End::Released => self.released.add(qty),
            End::Expired => self.expired.add(qty),
            End::Returned(units) => {
                self.confirmed.add(qty);
                self.returned.add(units);
                self.returned_whole += u64::from(units == qty);
            }
        }
        self.asked.add(qty);
        self.reserved.add(qty);
    }

    fn merge(&mut self, other: &Tally) {
        self.asked.merge(other.asked);
        self.reserved.merge(other.reserved);
        self.soldout.merge(other.soldout);
        for (mine, theirs) in self.limited.iter_mut().zip(other.limited) {
            mine.merge(theirs);
        }
        self.withdrawn.merge(other.withdrawn);
        self.confirmed.merge(other.confirmed);
        self.released.merge(other.released);
        self.expired.merge(other.expired);
        self.returned.merge(other.returned);
        self.returned_whole += other.returned_whole;
        self.repeats += other.repeats;
    }
}

/// One tally per pool, in the order of the scenario.
pub fn by_pool(sale: &Scenario, entries: &[Entry]) -> Vec<Tally> {
    let mut tallies = vec![Tally::default(); sale.pools.len()];
    for entry in entries {
        let order = &sale.orders[entry.order as usize];
        tallies[order.pool as usize].take(entry, order.qty);
    }
    tallies
}

pub fn total(tallies: &[Tally]) -> Tally {
    let mut sum = Tally::default();
    tallies.iter().for_each(|tally| sum.merge(tally));
    sum
}
