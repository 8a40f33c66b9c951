//! The events of a batch and their pools. There are far more events than pools: each name is looked
//! up once, and then a pool is a number.

use std::collections::{BTreeSet, HashMap};

use crate::event::Event;

/// Events by their pools.
#[derive(Debug)]
pub struct ByPool<'a> {
    /// The events, in order.
    pub events: &'a [Event],
    /// The names of their pools, in the order in which they come.
    pub names: Vec<&'a str>,
    /// Of each event: which name is its pool's.
    numbers: Vec<usize>,
}

impl<'a> ByPool<'a> {
    /// Sorts events by their pools.
    pub fn of(events: &'a [Event]) -> ByPool<'a> {
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut names: Vec<&str> = Vec::new();
        let mut number = |event: &'a Event| {
            let next = names.len();
            let number = *known.entry(&event.pool).or_insert(next);
            if number == next {
                names.push(&event.pool);
            }
            number
        };
        let numbers = events.iter().map(&mut number).collect();
        ByPool { events, names, numbers }
    }

    /// The names in order.
    pub fn sorted(&self) -> BTreeSet<&'a str> {
        self.names.iter().copied().collect()
    }

    /// Each event with what `of_pools` has of its pool: one value for each name.
    pub fn with<'s, T>(&'s self, of_pools: &'s [T]) -> impl Iterator<Item = (&'a Event, &'s T)> {
        let of_pool = |(event, number): (&'a Event, &usize)| Some((event, of_pools.get(*number)?));
        self.events.iter().zip(&self.numbers).filter_map(of_pool)
    }

    /// The events, each with its pool's number: the index of its name.
    pub fn numbered(&self) -> impl Iterator<Item = (&'a Event, usize)> + '_ {
        self.events.iter().zip(self.numbers.iter().copied())
    }
}
