//! What counts against the limits: one entry for each (limit, value, window) that somebody used.
//!
//! An entry never changes its window while an order refers to it, so an order's share names the window in which it was
//! counted. When a value is counted in a new window while old shares remain, the old entry floats: it is out of the index
//! and ends with its last share.

use super::hash::Salt;
use super::ids::Bytes;
use super::limit::Limit;
use super::table::{Index, Linked, Links, List, Slab};
use super::timeline::{Timed, Timeline};

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the index and in its limit's list (or, when that limit is gone, in the list of what it left).
    Indexed,
    /// Only shares refer to it.
    Floating,
}

/// Usage of one value of one limit in one window.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The values of the limit's dimensions, as a tuple.
    pub value: Bytes,
    /// When its window began, Unix ms.
    pub window_ms: i64,
    /// Units or orders counted.
    pub used: i64,
    /// The limit's id.
    pub limit: u32,
    /// How many orders refer to it.
    pub refs: u32,
    /// Where it is.
    pub place: Place,
    links: Links,
}

impl Timed for Entry {
    fn time_ms(&self) -> i64 {
        self.window_ms
    }
}

impl Linked for Entry {
    fn links(&self) -> Links {
        self.links
    }
    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// What is to be counted for one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Place of the limit in the pool.
    pub limit: u8,
    /// The window to count in, Unix ms.
    pub window_ms: i64,
    /// Hash of (limit, value).
    pub hash: u64,
    /// The value's entry in the index.
    pub entry: Option<u32>,
}

/// All usage of a pool.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// The entries.
    pub entries: Slab<Entry>,
    index: Index,
    /// Entries that only shares refer to.
    pub floating: List,
    /// Entries of limits that were removed, to be freed step by step.
    pub left: List,
    /// What the values own beyond the entries' own size, in bytes.
    heap_bytes: usize,
}

fn hash_of(salt: Salt, entry: &Entry) -> u64 {
    salt.usage(entry.limit, entry.value.as_slice())
}

impl Usage {
    /// The current entry of a value.
    #[must_use]
    pub fn find(&self, hash: u64, limit: u32, tuple: &[u8]) -> Option<u32> {
        self.index
            .find(hash, |at| self.entries.get(at).is_some_and(|e| e.limit == limit && e.value.as_slice() == tuple))
    }

    /// What is used in the window that is current when one began at `current_ms`, and when that window began: an entry that lies
    /// ahead (the clock stepped back) is the current one, unless all of it was given back.
    #[must_use]
    pub fn used(&self, entry: Option<u32>, current_ms: i64) -> (i64, i64) {
        match entry.and_then(|at| self.entries.get(at)) {
            Some(e) if e.used > 0 && e.window_ms >= current_ms => (e.used, e.window_ms),
            _ => (0, current_ms),
        }
    }

    /// Counts `amount` for a value and takes a reference for an order. The share's entry must be the one in the index now.
    pub fn count(&mut self, salt: Salt, limit: &mut Limit, share: &Share, tuple: &[u8], amount: i64) -> u32 {
        if let Some(at) = share.entry {
            let entry = self.entries.at_mut(at);
            if entry.window_ms == share.window_ms {
                entry.used = entry.used.saturating_add(amount);
                entry.refs = entry.refs.saturating_add(1);
                return at;
            }
            let shared = entry.refs > 0;
            limit.entries.remove(&mut self.entries, at);
            if !shared {
                let entry = self.entries.at_mut(at);
                entry.window_ms = share.window_ms;
                entry.used = amount;
                entry.refs = 1;
                limit.entries.add(&mut self.entries, at);
                return at;
            }
            self.float(salt, at);
        }
        let value = Bytes::new(tuple);
        self.add(salt, limit, value, share.window_ms, amount, 1, share.hash)
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of an entry, from two places")]
    fn add(
        &mut self,
        salt: Salt,
        limit: &mut Limit,
        value: Bytes,
        window_ms: i64,
        used: i64,
        refs: u32,
        hash: u64,
    ) -> u32 {
        self.heap_bytes = self.heap_bytes.saturating_add(value.heap_bytes());
        let entry =
            Entry { value, window_ms, used, limit: limit.id, refs, place: Place::Indexed, links: Links::default() };
        let at = self.entries.insert(entry);
        let entries = &self.entries;
        self.index.insert(hash, at, |other| hash_of(salt, entries.at(other)));
        limit.entries.add(&mut self.entries, at);
        at
    }

    /// Gives `amount` back to an entry whose window is not over.
    pub fn give_back(&mut self, at: u32, amount: i64) {
        let entry = self.entries.at_mut(at);
        entry.used = entry.used.saturating_sub(amount).max(0);
    }

    fn unindex(&mut self, salt: Salt, at: u32) {
        let hash = hash_of(salt, self.entries.at(at));
        let entries = &self.entries;
        self.index.remove(hash, at, |other| hash_of(salt, entries.at(other)));
    }

    /// Takes an entry that is in no list out of the index and lets it float.
    fn float(&mut self, salt: Salt, at: u32) {
        self.unindex(salt, at);
        self.entries.at_mut(at).place = Place::Floating;
        self.floating.push(&mut self.entries, at);
    }

    fn drop_entry(&mut self, at: u32) {
        if let Some(entry) = self.entries.remove(at) {
            self.heap_bytes = self.heap_bytes.saturating_sub(entry.value.heap_bytes());
        }
    }

    /// Lets go of one order's reference; the entry ends with its last one if it counts nothing.
    pub fn release_ref(&mut self, salt: Salt, limits: &mut [Limit], at: u32) {
        let entry = self.entries.at_mut(at);
        entry.refs = entry.refs.saturating_sub(1);
        if entry.refs > 0 {
            return;
        }
        match entry.place {
            Place::Floating => self.floating.unlink(&mut self.entries, at),
            Place::Indexed if entry.used > 0 => return,
            Place::Indexed => {
                let id = entry.limit;
                match limits.iter_mut().find(|l| l.id == id) {
                    Some(limit) => limit.entries.remove(&mut self.entries, at),
                    None => self.left.unlink(&mut self.entries, at),
                }
                self.unindex(salt, at);
            }
        }
        self.drop_entry(at);
    }

    /// How many entries at the head of a limit's list are of windows that began before `current_ms`, up to `most`.
    #[must_use]
    pub fn stale(&self, limit: &Limit, current_ms: i64, most: usize) -> usize {
        limit
            .entries
            .iter(&self.entries)
            .take(most)
            .take_while(|&at| self.entries.at(at).window_ms < current_ms)
            .count()
    }

    /// Frees the first `n` entries of a limit's list, whose windows are over; those that shares refer to float.
    pub fn prune(&mut self, salt: Salt, limit: &mut Limit, n: usize) {
        for _ in 0..n {
            let Some(at) = limit.entries.first() else { break };
            limit.entries.remove(&mut self.entries, at);
            self.retire(salt, at);
        }
    }

    /// Frees the first `n` entries that removed limits left.
    pub fn clear_left(&mut self, salt: Salt, n: usize) {
        for _ in 0..n {
            let Some(at) = self.left.first() else { break };
            self.left.unlink(&mut self.entries, at);
            self.retire(salt, at);
        }
    }

    fn retire(&mut self, salt: Salt, at: u32) {
        if self.entries.at(at).refs > 0 {
            self.float(salt, at);
        } else {
            self.unindex(salt, at);
            self.drop_entry(at);
        }
    }

    /// Takes over the entries of a limit that was removed.
    pub fn take_over(&mut self, entries: Timeline) {
        for list in entries.into_lists() {
            self.left.append(&mut self.entries, list);
        }
    }

    /// The bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.bytes().saturating_add(self.index.bytes()).saturating_add(self.heap_bytes)
    }

    /// What the values own, counted anew: for VERIFY.
    #[must_use]
    pub fn heap_is_true(&self) -> bool {
        let all = (0..self.entries.span()).filter_map(|at| self.entries.get(at));
        self.heap_bytes == all.map(|e| e.value.heap_bytes()).sum::<usize>()
    }

    /// How many entries the index knows.
    #[must_use]
    pub fn indexed(&self) -> usize {
        self.index.len()
    }

    /// Loading: appends an entry. `limit` is its limit where that is still there.
    pub fn restore(&mut self, salt: Salt, limit: Option<&mut Limit>, entry: RestoredEntry) -> u32 {
        let hash = salt.usage(entry.limit, entry.value.as_slice());
        match (limit, entry.place) {
            (Some(limit), Place::Indexed) => self.add(salt, limit, entry.value, entry.window_ms, entry.used, 0, hash),
            (_, place) => {
                self.heap_bytes = self.heap_bytes.saturating_add(entry.value.heap_bytes());
                let RestoredEntry { value, window_ms, used, limit, .. } = entry;
                let at = self.entries.insert(Entry {
                    value,
                    window_ms,
                    used,
                    limit,
                    refs: 0,
                    place,
                    links: Links::default(),
                });
                if place == Place::Indexed {
                    let entries = &self.entries;
                    self.index.insert(hash, at, |other| hash_of(salt, entries.at(other)));
                    self.left.push(&mut self.entries, at);
                } else {
                    self.floating.push(&mut self.entries, at);
                }
                at
            }
        }
    }
}

/// An entry as it is loaded.
#[derive(Clone, Debug)]
pub struct RestoredEntry {
    /// As in [`Entry`].
    pub value: Bytes,
    /// As in [`Entry`].
    pub window_ms: i64,
    /// As in [`Entry`].
    pub used: i64,
    /// As in [`Entry`].
    pub limit: u32,
    /// As in [`Entry`].
    pub place: Place,
}
