//! The wake-up queue: when which pool needs the background, for a hold that falls due or for
//! records to be purged.
//!
//! Its entries are hints: the server renames, deletes and replaces keys without telling. So the
//! background checks a pool again before it changes anything. The one invariant: each pool has an
//! entry at or before the time it needs. Plain data, without server or clock.

use std::collections::{BTreeMap, BTreeSet};

use super::value::StoredValue;

/// After how long a pool that was due, but had nothing to do, is tried again, ms. Keeps the sweep
/// from spinning.
const RETRY_AFTER_MS: i64 = 100;

/// The entries of one database, by time.
type Times = BTreeSet<(i64, Box<[u8]>)>;

/// The wake-up queue of all databases.
pub struct WakeQueue {
    databases: BTreeMap<i32, Times>,
    /// Entries of flushed databases, which are freed in small steps.
    discarded: Vec<Times>,
}

impl WakeQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { databases: BTreeMap::new(), discarded: Vec::new() }
    }

    /// Brings the entry of a pool up to date after a call, where it may not serve any more
    /// ([`StoredValue::is_scheduled`]); true if the entry is another one now. `changed`: the call
    /// has changed the pool.
    ///
    /// Mostly there is nothing to do: an entry that is earlier than the pool needs stays until its
    /// time comes. So a pool with steady traffic costs one update per hold time, not one per call.
    pub fn reschedule(&mut self, db: i32, key: &[u8], value: &mut StoredValue, now_ms: i64, changed: bool) -> bool {
        let next = value.stored.next_wake_ms();
        let next = next.map(|at| if changed { at } else { at.max(now_ms.saturating_add(RETRY_AFTER_MS)) });
        let replaces = !still_holds(value.scheduled_ms, next, now_ms);
        if replaces {
            self.replace(db, key, value, next);
        }
        replaces
    }

    /// Schedules a pool that may have no entry, or one under another name.
    pub fn schedule(&mut self, db: i32, key: &[u8], value: &mut StoredValue) {
        let next = value.stored.next_wake_ms();
        self.replace(db, key, value, next);
    }

    fn replace(&mut self, db: i32, key: &[u8], value: &mut StoredValue, next: Option<i64>) {
        if let Some(known) = value.scheduled_ms {
            self.remove(db, known, key);
        }
        if let Some(at) = next {
            self.insert(db, at, key);
        }
        value.scheduled_ms = next;
    }

    /// Adds an entry.
    pub fn insert(&mut self, db: i32, at_ms: i64, key: &[u8]) {
        self.databases.entry(db).or_default().insert((at_ms, key.into()));
    }

    /// Removes an entry; false if there was none.
    pub fn remove(&mut self, db: i32, at_ms: i64, key: &[u8]) -> bool {
        self.databases.get_mut(&db).is_some_and(|times| times.remove(&(at_ms, key.into())))
    }

    /// The earliest due entry: database, time, key.
    pub fn first_due(&self, now_ms: i64) -> Option<(i32, i64, Box<[u8]>)> {
        let first = self.databases.iter().filter_map(|(&db, times)| Some((db, times.first()?)));
        let (db, (at_ms, key)) = first.min_by_key(|(_, entry)| entry.0)?;
        (*at_ms <= now_ms).then(|| (db, *at_ms, key.clone()))
    }

    /// The first due entries of all databases, up to `count` of each: database, key.
    pub fn due(&self, now_ms: i64, count: usize) -> Vec<(i32, Box<[u8]>)> {
        let due = |times: &'_ Times| times.iter().take_while(|entry| entry.0 <= now_ms).take(count).cloned().collect();
        let each = self.databases.iter().map(|(&db, times)| (db, due(times)));
        each.flat_map(|(db, entries): (_, Vec<_>)| entries.into_iter().map(move |(_, key)| (db, key))).collect()
    }

    /// Whether an entry is due.
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.databases.values().any(|times| times.first().is_some_and(|entry| entry.0 <= now_ms))
    }

    /// Exchanges the entries of two databases.
    pub fn swap_databases(&mut self, one: i32, other: i32) {
        let (first, second) = (self.databases.remove(&one), self.databases.remove(&other));
        self.databases.extend(first.map(|times| (other, times)));
        self.databases.extend(second.map(|times| (one, times)));
    }

    /// Drops the entries of one database; of all without a number.
    pub fn discard(&mut self, db: Option<i32>) {
        match db {
            Some(db) => self.discarded.extend(self.databases.remove(&db)),
            None => self.discarded.extend(std::mem::take(&mut self.databases).into_values()),
        }
    }

    /// Frees up to `count` discarded entries; true while there are more.
    pub fn free_discarded(&mut self, count: usize) -> bool {
        let Some(times) = self.discarded.last_mut() else {
            return false;
        };
        for _ in 0..count {
            if times.pop_first().is_none() {
                self.discarded.pop();
                break;
            }
        }
        !self.discarded.is_empty()
    }

    /// Whether there are discarded entries.
    pub fn has_discarded(&self) -> bool {
        !self.discarded.is_empty()
    }
}

/// Whether the entry of a pool (`known`) can stay: it is at or before the time that the pool needs
/// (`next`), and is not due yet.
fn still_holds(known: Option<i64>, next: Option<i64>, now_ms: i64) -> bool {
    match (known, next) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(known), None) => known > now_ms,
        (Some(known), Some(next)) => known > now_ms && known <= next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_while_it_is_early_enough_and_has_not_come_up() {
        let now_ms = 100;
        assert!(still_holds(None, None, now_ms));
        assert!(!still_holds(None, Some(500), now_ms));
        assert!(still_holds(Some(200), Some(200), now_ms));
        assert!(still_holds(Some(200), Some(500), now_ms), "checked again at 200");
        assert!(still_holds(Some(200), None, now_ms), "found idle at 200");
        assert!(!still_holds(Some(500), Some(200), now_ms), "would be late");
        assert!(!still_holds(Some(100), Some(100), now_ms), "due: the sweep may be removing it right now");
        assert!(!still_holds(Some(50), None, now_ms));
    }

    #[test]
    fn the_earliest_entry_of_all_databases_comes_first() {
        let mut queue = WakeQueue::new();
        queue.insert(0, 300, b"a");
        queue.insert(5, 200, b"b");
        queue.insert(0, 200, b"c");
        assert!(!queue.is_due(199));
        assert_eq!(queue.first_due(199), None);
        assert_eq!(queue.first_due(200), Some((0, 200, b"c".as_slice().into())));
        assert!(queue.remove(0, 200, b"c"));
        assert!(!queue.remove(0, 200, b"c"));
        assert_eq!(queue.first_due(1000), Some((5, 200, b"b".as_slice().into())));
        assert_eq!(queue.due(300, 9), [(0, b"a".as_slice().into()), (5, b"b".as_slice().into())]);
        assert_eq!(queue.due(299, 9), [(5, b"b".as_slice().into())]);
        assert!(queue.due(300, 0).is_empty());
    }

    #[test]
    fn swapped_databases_keep_their_entries() {
        let mut queue = WakeQueue::new();
        queue.insert(0, 1, b"a");
        queue.swap_databases(0, 3);
        assert_eq!(queue.first_due(1), Some((3, 1, b"a".as_slice().into())));
        queue.insert(0, 0, b"b");
        queue.swap_databases(3, 0);
        assert_eq!(queue.first_due(1), Some((3, 0, b"b".as_slice().into())));
    }

    #[test]
    fn a_flushed_database_is_forgotten_at_once_and_freed_little_by_little() {
        let mut queue = WakeQueue::new();
        for key in 0..10_u8 {
            queue.insert(0, 1, &[key]);
        }
        queue.insert(1, 1, b"other");
        queue.discard(Some(0));
        assert_eq!(queue.first_due(1), Some((1, 1, b"other".as_slice().into())));
        queue.discard(None);
        assert!(!queue.is_due(1));
        let mut slices = 0;
        while queue.free_discarded(4) {
            slices += 1;
        }
        assert!(!queue.has_discarded());
        assert!(slices >= 2);
    }
}
