//! Orders in order of a time: open holds by deadline, finished orders by when they are forgotten. Equal times in order of
//! arrival.

use std::collections::BTreeMap;

use super::order::Order;
use super::table::{List, Slab};

/// One list of orders for each time. Nearly all holds last equally long, so nearly all land at the right end.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    by_time: BTreeMap<i64, List>,
}

impl Timeline {
    /// The earliest time, Unix ms.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        self.by_time.first_key_value().map(|(&at, _)| at)
    }

    /// The first order.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.by_time.first_key_value().and_then(|(_, list)| list.first())
    }

    /// Adds an order that is in no list, at its `time_ms`.
    pub fn add(&mut self, orders: &mut Slab<Order>, slot: u32) {
        let time_ms = orders.at(slot).time_ms;
        self.by_time.entry(time_ms).or_default().push(orders, slot);
    }

    /// Takes an order out.
    pub fn remove(&mut self, orders: &mut Slab<Order>, slot: u32) {
        let time_ms = orders.at(slot).time_ms;
        if let Some(list) = self.by_time.get_mut(&time_ms) {
            list.unlink(orders, slot);
            if list.is_empty() {
                self.by_time.remove(&time_ms);
            }
        }
    }

    /// The orders from the earliest time.
    pub fn iter<'a>(&'a self, orders: &'a Slab<Order>) -> impl Iterator<Item = u32> + 'a {
        self.by_time.values().flat_map(move |list| list.iter(orders))
    }

    /// The bytes taken, about: a tree node holds at least half of what it can.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.by_time.len().saturating_mul(40)
    }
}
