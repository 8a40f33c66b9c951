//! Records in order of a time: open holds by deadline, finished orders and tokens by when they are
//! forgotten, usage by its window. Equal times in order of arrival.

use std::collections::BTreeMap;

use crate::core::model::number::Number;
use crate::core::store::list::{Linked, Links, List};

/// One list of records for each time. Nearly all arrive in order, so nearly all land at the right
/// end, which is kept at hand.
#[derive(Clone, Debug)]
pub struct Timeline<R> {
    by_time: BTreeMap<i64, List<R>>,
    /// The latest time of all and its records; empty only where all is.
    last_ms: i64,
    last: List<R>,
    len: usize,
}

impl<R> Default for Timeline<R> {
    fn default() -> Self {
        Self { by_time: BTreeMap::new(), last_ms: 0, last: List::default(), len: 0 }
    }
}

impl<R: Number> Timeline<R> {
    /// The earliest time, Unix ms.
    #[must_use]
    pub fn next_ms(&self) -> Option<i64> {
        if self.by_time.is_empty() {
            return (!self.last.is_empty()).then_some(self.last_ms);
        }
        self.by_time.first_key_value().map(|(&at, _)| at)
    }

    /// The first record.
    #[must_use]
    pub fn first(&self) -> Option<R> {
        if self.by_time.is_empty() {
            return self.last.first();
        }
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
    pub fn add(&mut self, table: &mut impl Linked<Row = R>, at: R) {
        let time_ms = table.time_ms(at);
        self.add_at(table, at, time_ms);
    }

    /// As [`Timeline::add`], where its time is known.
    pub fn add_at(&mut self, table: &mut impl Linked<Row = R>, at: R, time_ms: i64) {
        self.len = self.len.saturating_add(1);
        if time_ms < self.last_ms && !self.last.is_empty() {
            self.by_time.entry(time_ms).or_default().push(table, at);
            return;
        }
        if time_ms != self.last_ms {
            self.begin_last(time_ms);
        }
        self.last.push(table, at);
    }

    /// The links of a record that is to be added at this time by [`Timeline::add_composed`].
    #[must_use]
    pub fn links_at(&self, time_ms: i64) -> Links {
        if time_ms == self.last_ms {
            self.last.end()
        } else {
            Links::default()
        }
    }

    /// Adds a record that has the links of [`Timeline::links_at`] already.
    #[inline]
    pub fn add_composed(&mut self, table: &mut impl Linked<Row = R>, at: R, time_ms: i64) {
        if time_ms != self.last_ms {
            if time_ms < self.last_ms && !self.last.is_empty() {
                return self.add_at(table, at, time_ms);
            }
            self.begin_last(time_ms);
        }
        self.len = self.len.saturating_add(1);
        self.last.push_composed(table, at);
    }

    /// Begins the list of a time that is later than all others.
    fn begin_last(&mut self, time_ms: i64) {
        let before = std::mem::take(&mut self.last);
        if !before.is_empty() {
            self.by_time.insert(self.last_ms, before);
        }
        self.last_ms = time_ms;
    }

    /// Takes a record out; its time is that at which it was added.
    pub fn remove(&mut self, table: &mut impl Linked<Row = R>, at: R) {
        let time_ms = table.time_ms(at);
        self.remove_at(table, at, time_ms);
    }

    /// As [`Timeline::remove`], where its time is known.
    pub fn remove_at(&mut self, table: &mut impl Linked<Row = R>, at: R, time_ms: i64) {
        if time_ms == self.last_ms && !self.last.is_empty() {
            self.last.unlink(table, at);
            self.len = self.len.saturating_sub(1);
            if self.last.is_empty() {
                if let Some((before_ms, before)) = self.by_time.pop_last() {
                    (self.last_ms, self.last) = (before_ms, before);
                }
            }
        } else if let Some(list) = self.by_time.get_mut(&time_ms) {
            list.unlink(table, at);
            self.len = self.len.saturating_sub(1);
            if list.is_empty() {
                self.by_time.remove(&time_ms);
            }
        }
    }

    /// The records from the earliest time.
    pub fn iter<'a, T: Linked<Row = R>>(&'a self, table: &'a T) -> impl Iterator<Item = R> + 'a {
        self.by_time.values().chain(std::iter::once(&self.last)).flat_map(move |list| list.iter(table))
    }

    /// The lists from the earliest time.
    pub fn into_lists(self) -> impl Iterator<Item = List<R>> {
        self.by_time.into_values().chain(std::iter::once(self.last))
    }

    /// The bytes taken, about: a tree node holds at least half of what it can.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.by_time.len().saturating_mul(40)
    }
}
