//! Records in order of a time: open holds by deadline, finished orders and tokens by when they are forgotten, usage by its
//! window. Equal times in order of arrival.

use std::collections::BTreeMap;

use super::table::{Linked, List, Slab};

/// A record that has its place in time.
pub trait Timed: Linked {
    /// Unix ms.
    fn time_ms(&self) -> i64;
}

/// One list of records for each time. Nearly all arrive in order, so nearly all land at the right end.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    by_time: BTreeMap<i64, List>,
    len: usize,
}

impl Timeline {
    /// The earliest time, Unix ms.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        self.by_time.first_key_value().map(|(&at, _)| at)
    }

    /// The first record.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.by_time.first_key_value().and_then(|(_, list)| list.first())
    }

    /// How many records it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a record that is in no list, at its time.
    pub fn add<T: Timed>(&mut self, slab: &mut Slab<T>, at: u32) {
        let time_ms = slab.at(at).time_ms();
        self.by_time.entry(time_ms).or_default().push(slab, at);
        self.len = self.len.saturating_add(1);
    }

    /// Takes a record out; its time is that at which it was added.
    pub fn remove<T: Timed>(&mut self, slab: &mut Slab<T>, at: u32) {
        let time_ms = slab.at(at).time_ms();
        if let Some(list) = self.by_time.get_mut(&time_ms) {
            list.unlink(slab, at);
            self.len = self.len.saturating_sub(1);
            if list.is_empty() {
                self.by_time.remove(&time_ms);
            }
        }
    }

    /// The records from the earliest time.
    pub fn iter<'a, T: Timed>(&'a self, slab: &'a Slab<T>) -> impl Iterator<Item = u32> + 'a {
        self.by_time.values().flat_map(move |list| list.iter(slab))
    }

    /// The lists from the earliest time.
    pub fn into_lists(self) -> impl Iterator<Item = List> {
        self.by_time.into_values()
    }

    /// The bytes taken, about: a tree node holds at least half of what it can.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.by_time.len().saturating_mul(40)
    }
}
