//! What counts against the limits: one entry for each (limit, value, window) that somebody used.
//!
//! An entry never changes its window while an order refers to it, so an order's share names the
//! window in which it was counted. When a value is counted in a new window while old shares remain,
//! the old entry is detached: it leaves the index and ends with its last share.
//!
//! With a rolling window an entry is one sub-window of the span, and older sub-windows still count.
//! So the newest sub-window of a value is in the index, and the older ones hang on it as a chain,
//! from new to old: at most 65, since a sub-window that a new one puts beyond the span leaves the
//! chain.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::core::model::hash::Salt;
use crate::core::model::limit::Limit;
use crate::core::model::number::{LimitId, Number, UsageRow};
use crate::core::model::usage::{EntryState, FoundEntry, RestoredEntry, Share, UsageCounts, UsageEntry};
use crate::core::store::bulk::Bulk;
use crate::core::store::frequent::Frequent;
use crate::core::store::index::{Index, IndexPosition};
use crate::core::store::list::{Links, List};
use crate::core::store::timeline::Timeline;
use crate::core::store::usage_entries::UsageEntries;

/// The sub-windows of a rolling window before and after one, of the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Neighbours {
    older: Option<UsageRow>,
    newer: Option<UsageRow>,
}

/// All usage of a pool.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// The entries.
    pub entries: UsageEntries,
    index: Index,
    /// Entries that only shares refer to.
    pub detached: List<UsageRow>,
    /// Entries of removed limits, to be purged step by step.
    pub orphaned: List<UsageRow>,
    /// The neighbours of the sub-windows of rolling windows, where a value has more than one.
    chains: BTreeMap<UsageRow, Neighbours>,
    /// What callers have returned for forgotten orders, by row: more than 0, at most what is
    /// counted. Only entries in the index have any.
    credits: BTreeMap<UsageRow, i64>,
    /// No usage is over before this time, Unix ms: every call asks, and should not look at every
    /// limit. 0 = has to be found out. Not part of the state.
    next_expiry_ms: Cell<i64>,
    /// Where the values are that are counted again and again.
    frequent: Frequent,
}

impl Usage {
    /// The current entry of a value.
    #[must_use]
    pub fn find(&self, hash: u64, limit: LimitId, tuple: &[u8]) -> Option<UsageRow> {
        self.index.find(hash, |at| self.entries.is(UsageRow::of(at), limit, tuple)).map(UsageRow::of)
    }

    /// As [`Usage::find`], with its window and counts.
    #[must_use]
    pub fn find_counts(&self, hash: u64, limit: LimitId, tuple: &[u8]) -> Option<FoundEntry> {
        self.find_from(hash, self.begin(hash).0, limit, tuple).0
    }

    /// The entry in this row, as a search finds it. `None`: the row is free.
    #[must_use]
    pub fn found(&self, row: UsageRow) -> Option<FoundEntry> {
        self.entries.counts(row).map(|(window_ms, counts)| FoundEntry { row, window_ms, counts })
    }

    /// Begins a search: see [`Index::begin`].
    #[must_use]
    #[inline(always)]
    pub fn begin(&self, hash: u64) -> (IndexPosition, u64) {
        self.index.begin(hash)
    }

    /// As [`Usage::find_counts`], from where the search begins; and where it ended.
    #[must_use]
    #[inline(always)]
    pub fn find_from(
        &self,
        hash: u64,
        from: IndexPosition,
        limit: LimitId,
        tuple: &[u8],
    ) -> (Option<FoundEntry>, IndexPosition) {
        let mut found = None;
        let (_, position) = self.index.find_from(hash, from, |row| {
            let row = UsageRow::of(row);
            found = self.entries.counts_of(row, limit, tuple).map(|(window_ms, counts)| FoundEntry {
                row,
                window_ms,
                counts,
            });
            found.is_some()
        });
        (found, position)
    }

    /// The row in which the current entry of a value may be, without a search. To be looked at with
    /// [`Usage::recalled`].
    #[must_use]
    #[inline(always)]
    pub fn recall(&self, limit: &Limit, tuple: &[u8]) -> Option<UsageRow> {
        self.frequent.recall(limit.id, tuple)
    }

    /// As [`Usage::find_counts`], where the entry is probably in this row. `None`: it has to be
    /// searched for.
    #[must_use]
    #[inline(always)]
    pub fn recalled(&self, row: UsageRow, limit: &Limit, tuple: &[u8]) -> Option<FoundEntry> {
        // An entry that is not detached is the one in the index, older sub-windows of rolling
        // windows apart: those are never noted.
        let (window_ms, counts) = self.entries.current_counts_of(row, limit.id, tuple)?;
        Some(FoundEntry { row, window_ms, counts })
    }

    /// Notes where the current entry of a value is.
    #[inline(always)]
    pub fn note_frequent(&self, limit: &Limit, tuple: &[u8], row: UsageRow) {
        if self.frequent.has_begun() && !limit.identity.window.is_rolling() {
            self.frequent.note(limit.id, tuple, row);
        }
    }

    /// From when usage may be over for good, Unix ms; never later than it is. `i64::MAX`: never.
    #[must_use]
    pub fn next_expiry_ms(&self, limits: &[Limit]) -> i64 {
        if self.next_expiry_ms.get() == 0 {
            let repeating = limits.iter().filter(|l| l.identity.window.repeats());
            let over = repeating.filter_map(|l| Some(l.entries.next_ms()?.saturating_add(l.kept_ms())));
            self.next_expiry_ms.set(over.min().unwrap_or(i64::MAX));
        }
        self.next_expiry_ms.get()
    }

    /// Forgets what [`Usage::next_expiry_ms`] knew: it is found out anew.
    pub fn invalidate_next_expiry(&self) {
        self.next_expiry_ms.set(0);
    }

    /// A window that began then is counted in.
    fn note(&self, limit: &Limit, window_ms: i64) {
        if limit.identity.window.repeats() {
            self.next_expiry_ms.set(self.next_expiry_ms.get().min(window_ms.saturating_add(limit.kept_ms()).max(0)));
        }
    }

    /// The sub-windows of a rolling window that count from `since_ms` on: row, beginning and
    /// counts, from the newest.
    pub fn sub_windows(
        &self,
        entry: Option<UsageRow>,
        since_ms: i64,
    ) -> impl Iterator<Item = (UsageRow, i64, UsageCounts)> + '_ {
        let rows = std::iter::successors(entry, |at| self.chains.get(at)?.older);
        let sub_windows =
            rows.map_while(|at| self.entries.counts(at).map(|(window_ms, counts)| (at, window_ms, counts)));
        sub_windows.take_while(move |&(_, window_ms, _)| window_ms >= since_ms)
    }

    /// Whether it is a sub-window of a rolling window that has a newer one: not in the index.
    #[must_use]
    pub fn is_older_sub_window(&self, at: UsageRow) -> bool {
        !self.chains.is_empty() && self.chains.get(&at).is_some_and(|near| near.newer.is_some())
    }

    /// Whether the chains are right: neighbours know each other, are of one value, and in order.
    #[must_use]
    pub fn check_chains(&self) -> bool {
        self.chains.iter().all(|(&at, near)| {
            let alone = near.older.is_none() && near.newer.is_none();
            let fits = near.older.is_none_or(|older| {
                let (Some(new), Some(old)) = (self.entries.get(at), self.entries.get(older)) else { return false };
                let same = (new.limit, new.value) == (old.limit, old.value) && new.window_ms > old.window_ms;
                let counted = new.state == EntryState::Indexed && old.state == EntryState::Indexed;
                same && counted && self.chains.get(&older).is_some_and(|of| of.newer == Some(at))
            });
            let known = near.newer.is_none_or(|newer| self.chains.get(&newer).is_some_and(|of| of.older == Some(at)));
            !alone && fits && known
        })
    }

    fn change_neighbours(&mut self, at: UsageRow, change: impl FnOnce(&mut Neighbours)) {
        let mut near = self.chains.get(&at).copied().unwrap_or(Neighbours { older: None, newer: None });
        change(&mut near);
        if near.older.is_none() && near.newer.is_none() {
            self.chains.remove(&at);
        } else {
            self.chains.insert(at, near);
        }
    }

    /// Hangs an older sub-window on a newer one.
    pub fn chain(&mut self, newer: UsageRow, older: UsageRow) {
        self.change_neighbours(newer, |near| near.older = Some(older));
        self.change_neighbours(older, |near| near.newer = Some(newer));
    }

    /// Counts in a sub-window of a rolling window; the share's entry is the newest sub-window now.
    fn count_sub_window(
        &mut self,
        salt: Salt,
        limit: &mut Limit,
        share: &Share,
        tuple: &[u8],
        amount: i64,
    ) -> UsageRow {
        let mut newest = share.entry;
        // Sub-windows that lie ahead, after the clock stepped back, count nothing any more.
        while let Some(at) = newest.filter(|&at| self.entries.at(at).window_ms > share.window_ms) {
            newest = self.chains.get(&at).and_then(|near| near.older);
            limit.entries.remove(&mut self.entries, at);
            self.retire(salt, at);
        }
        self.note(limit, share.window_ms);
        let (began_ms, counts) =
            newest.and_then(|at| self.entries.counts(at)).unwrap_or((i64::MIN, UsageCounts::default()));
        let sub_window = newest.filter(|_| began_ms == share.window_ms);
        if let Some(at) = sub_window {
            let UsageCounts { used, refs } = counts;
            let counted = UsageCounts { used: used.saturating_add(amount), refs: refs.saturating_add(1) };
            self.entries.set_counts(at, counted);
            if used > 0 {
                return at;
            }
        }
        let at = sub_window.unwrap_or_else(|| {
            let counted = UsageCounts { used: amount, refs: 1 };
            let links = limit.entries.links_at(share.window_ms);
            let at = self.entries.insert(tuple, limit.id, share.window_ms, counted, links);
            limit.entries.add_composed(&mut self.entries, at, share.window_ms);
            if let Some(older) = newest {
                self.index.remove(share.hash, older.get());
                self.chain(at, older);
            }
            self.index.insert(share.hash, at.get());
            at
        });
        // What this sub-window puts beyond the span ends, so that no value has more than 65
        // sub-windows.
        let since_ms = limit.identity.window.rolling_since_ms(share.window_ms).unwrap_or(i64::MIN);
        while newest.is_some_and(|row| self.entries.at(row).window_ms >= since_ms) {
            newest = newest.and_then(|row| self.chains.get(&row)?.older);
        }
        while let Some(row) = newest {
            newest = self.chains.get(&row).and_then(|near| near.older);
            limit.entries.remove(&mut self.entries, row);
            self.retire(salt, row);
        }
        at
    }

    /// Counts `amount` for a value and takes a reference for an order. The share's entry must be
    /// the one in the index now. `tuple`: the value, which few calls need.
    #[inline(always)]
    pub fn count<'t>(
        &mut self,
        salt: Salt,
        limit: &mut Limit,
        share: &Share,
        tuple: impl FnOnce() -> &'t [u8],
        amount: i64,
    ) -> UsageRow {
        if let (Some(at), true, false) = (share.entry, share.current, limit.identity.window.is_rolling()) {
            if self.entries.count_more(at, amount) {
                return at;
            }
        }
        self.count_other(salt, limit, share, tuple(), amount)
    }

    /// As [`Usage::count`], where there is no entry of this window whose counts have room.
    fn count_other(&mut self, salt: Salt, limit: &mut Limit, share: &Share, tuple: &[u8], amount: i64) -> UsageRow {
        if limit.identity.window.is_rolling() {
            return self.count_sub_window(salt, limit, share, tuple, amount);
        }
        if let Some(at) = share.entry {
            let (window_ms, UsageCounts { used, refs }) = self.entries.counts(at).unwrap_or_default();
            if window_ms == share.window_ms {
                let counts = UsageCounts { used: used.saturating_add(amount), refs: refs.saturating_add(1) };
                self.entries.set_counts(at, counts);
                return at;
            }
            self.note(limit, share.window_ms);
            limit.entries.remove(&mut self.entries, at);
            if refs == 0 {
                self.credits.remove(&at);
                self.entries.move_to(at, share.window_ms);
                self.entries.set_counts(at, UsageCounts { used: amount, refs: 1 });
                limit.entries.add(&mut self.entries, at);
                return at;
            }
            self.detach(salt, at);
        }
        self.note(limit, share.window_ms);
        let links = limit.entries.links_at(share.window_ms);
        let counts = UsageCounts { used: amount, refs: 1 };
        let at = self.entries.insert(tuple, limit.id, share.window_ms, counts, links);
        self.index.insert_at(share.hash, at.get(), share.position);
        self.frequent.fit(self.index.len());
        limit.entries.add_composed(&mut self.entries, at, share.window_ms);
        at
    }

    /// Counts `amount` for another order in the window of this entry, which takes a reference.
    pub fn join(&mut self, at: UsageRow, amount: i64) {
        let UsageEntry { used, refs, .. } = self.entries.at(at);
        let counts = UsageCounts { used: used.saturating_add(amount), refs: refs.saturating_add(1) };
        self.entries.set_counts(at, counts);
    }

    /// Takes `amount` off an entry whose window is not over.
    pub fn return_units(&mut self, at: UsageRow, amount: i64) {
        let used = self.entries.count_less(at, amount).unwrap_or_else(|| {
            let UsageEntry { used, refs, .. } = self.entries.at(at);
            let used = used.saturating_sub(amount).max(0);
            self.entries.set_counts(at, UsageCounts { used, refs });
            used
        });
        if !self.credits.is_empty() {
            self.set_credit(at, self.credit(at).min(used));
        }
    }

    /// Whether callers have returned anything for forgotten orders.
    #[must_use]
    #[inline]
    pub fn has_credits(&self) -> bool {
        !self.credits.is_empty()
    }

    /// What callers have returned for forgotten orders: so much less is used than counted.
    #[must_use]
    pub fn credit(&self, entry: UsageRow) -> i64 {
        if self.credits.is_empty() {
            return 0;
        }
        self.credits.get(&entry).copied().unwrap_or(0)
    }

    /// Returns units for forgotten orders, at most what is counted.
    pub fn add_credit(&mut self, at: UsageRow, units: i64) {
        let used = self.entries.at(at).used;
        self.set_credit(at, self.credit(at).saturating_add(units).min(used));
    }

    fn set_credit(&mut self, at: UsageRow, units: i64) {
        if units > 0 {
            self.credits.insert(at, units);
        } else {
            self.credits.remove(&at);
        }
    }

    /// Rows with what was returned for forgotten orders.
    pub fn credits(&self) -> impl Iterator<Item = (UsageRow, i64)> + '_ {
        self.credits.iter().map(|(&at, &units)| (at, units))
    }

    fn unindex(&mut self, salt: Salt, at: UsageRow) {
        self.credits.remove(&at);
        let near = if self.chains.is_empty() { None } else { self.chains.remove(&at) };
        let newer = near.and_then(|near| near.newer);
        let older = near.and_then(|near| near.older);
        if let Some(newer) = newer {
            self.change_neighbours(newer, |near| near.older = older);
        }
        if let Some(older) = older {
            self.change_neighbours(older, |near| near.newer = newer);
        }
        if newer.is_some() {
            return;
        }
        let entry = self.entries.at(at);
        let hash = salt.usage(entry.limit, entry.value);
        self.index.remove(hash, at.get());
        if let Some(older) = older {
            self.index.insert(hash, older.get());
        }
        if self.index.is_empty() {
            self.frequent = Frequent::default();
        }
    }

    /// Takes an entry that is in no list out of the index, and detaches it.
    fn detach(&mut self, salt: Salt, at: UsageRow) {
        self.unindex(salt, at);
        self.entries.set_state(at, EntryState::Detached);
        self.detached.push(&mut self.entries, at);
    }

    /// Lets go of one order's reference; the entry ends with its last one if it counts nothing.
    pub fn release_ref(&mut self, salt: Salt, limits: &mut [Limit], at: UsageRow) {
        let UsageEntry { used, refs, state, limit: id, .. } = self.entries.at(at);
        let refs = refs.saturating_sub(1);
        self.entries.set_counts(at, UsageCounts { used, refs });
        if refs > 0 {
            return;
        }
        match state {
            EntryState::Detached => self.detached.unlink(&mut self.entries, at),
            EntryState::Indexed if used > 0 => return,
            EntryState::Indexed => {
                match limits.iter_mut().find(|l| l.id == id) {
                    Some(limit) => limit.entries.remove(&mut self.entries, at),
                    None => self.orphaned.unlink(&mut self.entries, at),
                }
                self.unindex(salt, at);
            }
        }
        self.entries.remove(at);
    }

    /// How many entries at the head of a limit's list are of windows that began at `latest_ms` or
    /// before, up to `most`.
    #[must_use]
    pub fn stale(&self, limit: &Limit, latest_ms: i64, most: usize) -> usize {
        if limit.entries.next_ms().is_none_or(|window_ms| window_ms > latest_ms) {
            return 0;
        }
        limit
            .entries
            .iter(&self.entries)
            .take(most)
            .take_while(|&at| self.entries.at(at).window_ms <= latest_ms)
            .count()
    }

    /// Frees the first `n` entries of a limit's list, whose windows are over; those that shares
    /// refer to are detached.
    pub fn prune(&mut self, salt: Salt, limit: &mut Limit, n: usize) {
        for _ in 0..n {
            let Some(at) = limit.entries.first() else { break };
            limit.entries.remove(&mut self.entries, at);
            self.retire(salt, at);
        }
    }

    /// Frees the first `n` entries that removed limits left.
    pub fn purge_orphaned(&mut self, salt: Salt, n: usize) {
        for _ in 0..n {
            let Some(at) = self.orphaned.first() else { break };
            self.orphaned.unlink(&mut self.entries, at);
            self.retire(salt, at);
        }
    }

    fn retire(&mut self, salt: Salt, at: UsageRow) {
        if self.entries.at(at).refs > 0 {
            self.detach(salt, at);
        } else {
            self.unindex(salt, at);
            self.entries.remove(at);
        }
    }

    /// Takes over the entries of a limit that was removed.
    pub fn orphan(&mut self, entries: Timeline<UsageRow>) {
        for list in entries.into_lists() {
            self.orphaned.append(&mut self.entries, list);
        }
    }

    /// The bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries
            .bytes()
            .saturating_add(self.index.bytes())
            .saturating_add(self.frequent.bytes())
            .saturating_add(self.credits.len().saturating_add(self.chains.len()).saturating_mul(40))
    }

    /// How many entries the index knows.
    #[must_use]
    pub fn indexed(&self) -> usize {
        self.index.len()
    }

    /// Loading: appends an entry; the index comes later. `limit` is its limit where that is still
    /// there.
    pub fn restore(&mut self, limit: Option<&mut Limit>, entry: RestoredEntry) -> UsageRow {
        let RestoredEntry { value, window_ms, used, limit: id, state } = entry;
        let counts = UsageCounts { used, refs: 0 };
        let at = self.entries.insert(value.as_slice(), id, window_ms, counts, Links::default());
        match (limit, state) {
            (_, EntryState::Detached) => {
                self.entries.set_state(at, state);
                self.detached.push(&mut self.entries, at);
            }
            (Some(limit), EntryState::Indexed) => limit.entries.add(&mut self.entries, at),
            (None, EntryState::Indexed) => self.orphaned.push(&mut self.entries, at),
        }
        at
    }

    /// Loading: the index of what was appended. `None`: a limit has the same value twice.
    pub fn restore_index(&mut self, bulk: Bulk) -> Option<()> {
        let key = |at: u32| self.entries.get(UsageRow::of(at)).map(|e| (e.limit, e.value));
        self.index = bulk.build(key)?;
        self.frequent.fit(self.index.len());
        self.invalidate_next_expiry();
        Some(())
    }
}
