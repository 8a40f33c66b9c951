//! The table of usage entries. Where every buyer is new there is one for each order, so each is one
//! row of bytes without gaps.
//!
//! | field | bytes | what |
//! |---|---|---|
//! | `Flags` | 1 | whether it is detached, whether its counts overflow |
//! | `WindowId` | 3 | which limit and window: a number in `windows` |
//! | `ValueLen` | 2 | length of the value |
//! | `Used`, `Refs` | 3, 3 | units or orders counted, orders that refer to it |
//! | `Neighbours` | 4 + 4 | rows before and after it in its list |
//! | | 0 to 516 | the value |
//!
//! Counts that do not fit, which only few values reach, overflow into a table of their own.

use std::collections::BTreeMap;

use crate::core::model::ids::{same_bytes, short_word};
use crate::core::model::number::{LimitId, Number, UsageRow};
use crate::core::model::usage::{EntryState, UsageCounts, UsageEntry};
use crate::core::store::layout::Field;
use crate::core::store::list::{Linked, Links};
use crate::core::store::rows::{NewRow, Rows};
use crate::core::store::slab::Slab;

type Flags = Field<0, 1>;
type WindowId = Field<{ Flags::END }, 3>;
type ValueLen = Field<{ WindowId::END }, 2>;
type Used = Field<{ ValueLen::END }, 3>;
type Refs = Field<{ Used::END }, 3>;
type Neighbours = Field<{ Refs::END }, 8>;

const HEAD: usize = Neighbours::END;
type Head = [u8; HEAD];

const DETACHED: u8 = 1;
/// The counts are in the overflow table.
const OVERFLOW: u8 = 1 << 1;

/// One window of one limit, for as long as it has entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LimitWindow {
    limit: LimitId,
    window_ms: i64,
    entries: u32,
}

/// How many windows are kept as those that were joined last.
const RECENT: usize = 8;

/// The usage entries of a pool.
#[derive(Clone, Debug, Default)]
pub struct UsageEntries {
    rows: Rows,
    windows: Slab<LimitWindow>,
    /// The number in `windows` of each (limit, beginning in Unix ms).
    window_ids: BTreeMap<(LimitId, i64), u32>,
    /// The windows that were joined last, by the low bits of the limit's id: mostly the next entry
    /// joins the same. Not part of the state: checked at every use.
    recent: [u32; RECENT],
    overflow: BTreeMap<UsageRow, UsageCounts>,
}

fn window_id(head: &Head) -> u32 {
    WindowId::get(head) as u32
}

fn packed_counts(head: &Head) -> UsageCounts {
    UsageCounts { used: Used::get(head) as i64, refs: Refs::get(head) as u32 }
}

/// Whether the bytes up to the end of a row's value end with this one. Most are short: the head
/// before them makes it certain that a whole word can be read.
#[inline(always)]
fn ends_with(bytes: &[u8], value: &[u8]) -> bool {
    match (bytes.last_chunk::<8>(), (value.len() as u32).wrapping_mul(8)) {
        (Some(last), bits @ 1..=56) => u64::from_le_bytes(*last) >> 64u32.wrapping_sub(bits) == short_word(value),
        _ => bytes.len().checked_sub(value.len()).and_then(|at| bytes.get(at..)).is_some_and(|b| same_bytes(b, value)),
    }
}

fn value_len(head: &Head) -> usize {
    ValueLen::get(head) as usize
}

impl UsageEntries {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One more than the last row that can hold an entry now.
    #[must_use]
    pub fn span(&self) -> UsageRow {
        UsageRow::of(self.rows.span())
    }

    /// The bytes taken; of the two trees by their length, so that a copy counts the same.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let trees = self.overflow.len().saturating_mul(40).saturating_add(self.window_ids.len().saturating_mul(40));
        self.rows.bytes().saturating_add(self.windows.bytes()).saturating_add(trees)
    }

    /// Consistency check: every window has the entries that it counts.
    #[must_use]
    pub fn check_windows(&self) -> bool {
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for head in self.rows.numbers().map(UsageRow::of).filter_map(|at| self.head(at)) {
            let count = counts.entry(window_id(head)).or_default();
            *count = count.saturating_add(1);
        }
        let counted = |(key, at): (&(LimitId, i64), &u32)| {
            let window = self.windows.get(*at);
            window.is_some_and(|s| (s.limit, s.window_ms) == *key && counts.get(at) == Some(&s.entries))
        };
        self.window_ids.len() == counts.len()
            && self.windows.len() == counts.len()
            && self.window_ids.iter().all(counted)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = UsageEntry<'_>> + '_ {
        self.rows.numbers().map(UsageRow::of).filter_map(|at| self.get(at))
    }

    fn head(&self, at: UsageRow) -> Option<&Head> {
        self.rows.get(at.get())?.first_chunk()
    }

    fn head_mut(&mut self, at: UsageRow) -> Option<&mut Head> {
        self.rows.get_mut(at.get())?.first_chunk_mut()
    }

    /// Whether the row holds the entry of this value of this limit.
    #[must_use]
    pub fn is(&self, at: UsageRow, limit: LimitId, value: &[u8]) -> bool {
        let Some((head, rest)) = self.rows.get(at.get()).and_then(|row| row.split_first_chunk::<HEAD>()) else {
            return false;
        };
        value_len(head) == value.len()
            && rest.starts_with(value)
            && self.windows.get(window_id(head)).is_some_and(|window| window.limit == limit)
    }

    /// Beginning of the window (Unix ms) and counts of the entry in this row, where it is that of
    /// this value of this limit.
    #[must_use]
    #[inline(always)]
    pub fn counts_of(&self, at: UsageRow, limit: LimitId, value: &[u8]) -> Option<(i64, UsageCounts)> {
        let row = self.rows.get(at.get())?;
        let head = row.first_chunk::<HEAD>()?;
        if value_len(head) != value.len() || !ends_with(row.get(..HEAD.wrapping_add(value.len()))?, value) {
            return None;
        }
        let window = self.windows.get(window_id(head)).filter(|window| window.limit == limit)?;
        let counts = if head[0] & OVERFLOW == 0 { packed_counts(head) } else { self.overflow.get(&at).copied()? };
        Some((window.window_ms, counts))
    }

    /// As [`UsageEntries::counts_of`], where the entry is not detached.
    #[must_use]
    #[inline(always)]
    pub fn current_counts_of(&self, at: UsageRow, limit: LimitId, value: &[u8]) -> Option<(i64, UsageCounts)> {
        self.counts_of(at, limit, value).filter(|_| self.head(at).is_some_and(|head| head[0] & DETACHED == 0))
    }

    /// Counts `amount` more and one reference more, where the counts still fit into the row; false,
    /// and nothing has changed, where not.
    #[inline]
    pub fn count_more(&mut self, at: UsageRow, amount: i64) -> bool {
        let Some(head) = self.head_mut(at) else { return false };
        if head[0] & OVERFLOW != 0 {
            return false;
        }
        let UsageCounts { used, refs } = packed_counts(head);
        // Both are far from the bounds of an i64.
        let (Some(used), Some(refs)) = (Used::fit(used.wrapping_add(amount)), Refs::fit(i64::from(refs))) else {
            return false;
        };
        if refs == Refs::MAX {
            return false;
        }
        Used::set(head, used);
        Refs::set(head, refs.wrapping_add(1));
        true
    }

    /// Counts `amount` less, and returns what is left, where the counts stand in the row; `None`,
    /// and nothing has changed, where not.
    #[inline]
    pub fn count_less(&mut self, at: UsageRow, amount: i64) -> Option<i64> {
        let head = self.head_mut(at).filter(|head| head[0] & OVERFLOW == 0)?;
        let left = (Used::get(head) as i64).saturating_sub(amount).max(0);
        Used::set(head, Used::fit(left)?);
        Some(left)
    }

    /// Limit, beginning of the window (Unix ms) and state of the entry in this row.
    #[must_use]
    #[inline]
    pub fn window_of(&self, at: UsageRow) -> Option<(LimitId, i64, EntryState)> {
        let head = self.head(at)?;
        let state = if head[0] & DETACHED == 0 { EntryState::Indexed } else { EntryState::Detached };
        self.windows.get(window_id(head)).map(|window| (window.limit, window.window_ms, state))
    }

    /// The entry in this row. `None`: the row is free.
    #[must_use]
    pub fn get(&self, at: UsageRow) -> Option<UsageEntry<'_>> {
        let (head, rest) = self.rows.get(at.get())?.split_first_chunk::<HEAD>()?;
        let window = self.windows.get(window_id(head))?;
        let overflow = if head[0] & OVERFLOW != 0 { self.overflow.get(&at).copied() } else { None };
        let UsageCounts { used, refs } = overflow.unwrap_or_else(|| packed_counts(head));
        Some(UsageEntry {
            value: rest.get(..value_len(head))?,
            window_ms: window.window_ms,
            used,
            limit: window.limit,
            refs,
            state: if head[0] & DETACHED == 0 { EntryState::Indexed } else { EntryState::Detached },
        })
    }

    /// Beginning of the window (Unix ms) and counts of the entry in this row.
    #[must_use]
    #[inline]
    pub fn counts(&self, at: UsageRow) -> Option<(i64, UsageCounts)> {
        let head = self.head(at)?;
        let window_ms = self.windows.get(window_id(head))?.window_ms;
        let counts = if head[0] & OVERFLOW == 0 { packed_counts(head) } else { self.overflow.get(&at).copied()? };
        Some((window_ms, counts))
    }

    /// The entry in a row that is in use.
    ///
    /// # Panics
    /// The row is free, which is a bug of this crate. No answer is better than one from a wrong
    /// entry.
    #[must_use]
    #[allow(clippy::panic, reason = "see above; the shell turns it into an error reply")]
    pub fn at(&self, at: UsageRow) -> UsageEntry<'_> {
        match self.get(at) {
            Some(entry) => entry,
            None => panic!("no usage {at}"),
        }
    }

    /// Counts one more entry in a window of a limit. Returns the number of that window.
    fn join_window(&mut self, limit: LimitId, window_ms: i64) -> u32 {
        let nearly = self.recent.get(limit.get() as usize % RECENT).copied().unwrap_or(0);
        let window = self.windows.get_mut(nearly).filter(|w| w.limit == limit && w.window_ms == window_ms);
        if let Some(window) = window {
            window.entries = window.entries.saturating_add(1);
            return nearly;
        }
        self.join_other_window(limit, window_ms)
    }

    #[cold]
    #[allow(clippy::panic, reason = "2^24 windows with usage: more than there are entries in any memory")]
    fn join_other_window(&mut self, limit: LimitId, window_ms: i64) -> u32 {
        let windows = &mut self.windows;
        let fresh = || windows.insert(LimitWindow { limit, window_ms, entries: 0 });
        let at = *self.window_ids.entry((limit, window_ms)).or_insert_with(fresh);
        assert!(u64::from(at) <= WindowId::MAX, "too many windows");
        let window = self.windows.at_mut(at);
        window.entries = window.entries.saturating_add(1);
        if let Some(recent) = self.recent.get_mut(limit.get() as usize % RECENT) {
            *recent = at;
        }
        at
    }

    fn leave_window(&mut self, at: u32) {
        let Some(window) = self.windows.get_mut(at) else { return };
        window.entries = window.entries.saturating_sub(1);
        if window.entries == 0 {
            self.window_ids.remove(&(window.limit, window.window_ms));
            self.windows.remove(at);
        }
    }

    /// Stores an entry in a row. `links`: of the list that it is about to be added to.
    pub fn insert(
        &mut self,
        value: &[u8],
        limit: LimitId,
        window_ms: i64,
        counts: UsageCounts,
        links: Links,
    ) -> UsageRow {
        let window = self.join_window(limit, window_ms);
        let fitting = Used::fit(counts.used).zip(Refs::fit(i64::from(counts.refs)));
        let (used, refs) = fitting.unwrap_or((0, 0));
        let mut head = [0; HEAD];
        WindowId::set(&mut head, u64::from(window));
        ValueLen::set(&mut head, value.len() as u64);
        Used::set(&mut head, used);
        Refs::set(&mut head, refs);
        Neighbours::set(&mut head, links.number());
        let at = UsageRow::of(self.rows.add(&NewRow { head, body: value, tail: &[] }));
        if fitting.is_none() {
            self.set_counts(at, counts);
        }
        at
    }

    /// Frees the row of an entry. It must be out of its list.
    pub fn remove(&mut self, at: UsageRow) {
        let Some(head) = self.head(at) else { return };
        let (flags, window) = (head[0], window_id(head));
        if flags & OVERFLOW != 0 {
            self.overflow.remove(&at);
        }
        self.leave_window(window);
        self.rows.remove(at.get());
    }

    /// Other counts.
    pub fn set_counts(&mut self, at: UsageRow, counts: UsageCounts) {
        let (used, refs) = (Used::fit(counts.used), Refs::fit(i64::from(counts.refs)));
        let Some(head) = self.head_mut(at) else { return };
        let overflowed = head[0] & OVERFLOW != 0;
        if let Some((used, refs)) = used.zip(refs) {
            Used::set(head, used);
            Refs::set(head, refs);
            head[0] &= !OVERFLOW;
            if overflowed {
                self.overflow.remove(&at);
            }
        } else {
            head[0] |= OVERFLOW;
            self.overflow.insert(at, counts);
        }
    }

    /// Whether it is in the index or detached.
    pub fn set_state(&mut self, at: UsageRow, state: EntryState) {
        if let Some(head) = self.head_mut(at) {
            head[0] = head[0] & !DETACHED | if state == EntryState::Detached { DETACHED } else { 0 };
        }
    }

    /// Moves it to another window of the same limit. It must be out of its list, which is sorted by
    /// window.
    pub fn move_to(&mut self, at: UsageRow, window_ms: i64) {
        let Some(before) = self.head(at).map(window_id) else { return };
        let Some(limit) = self.windows.get(before).map(|window| window.limit) else { return };
        let window = self.join_window(limit, window_ms);
        if let Some(head) = self.head_mut(at) {
            WindowId::set(head, u64::from(window));
        }
        self.leave_window(before);
    }
}

impl Linked for UsageEntries {
    type Row = UsageRow;
    fn links(&self, at: UsageRow) -> Links {
        self.head(at).map_or_else(Links::default, |head| Links::of(Neighbours::get(head)))
    }

    fn change_links(&mut self, at: UsageRow, change: impl FnOnce(Links) -> Links) {
        if let Some(head) = self.head_mut(at) {
            let links = change(Links::of(Neighbours::get(head)));
            Neighbours::set(head, links.number());
        }
    }

    fn time_ms(&self, at: UsageRow) -> i64 {
        let window = self.head(at).and_then(|head| self.windows.get(window_id(head)));
        window.map_or(0, |window| window.window_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(limit: u32) -> LimitId {
        LimitId::of(limit)
    }

    #[test]
    fn a_value_of_any_length_is_found_in_its_row_and_no_other() {
        let mut entries = UsageEntries::default();
        let counts = UsageCounts { used: 7, refs: 1 };
        for len in 0..40usize {
            let value: Vec<u8> = (0..len as u8).map(|n| n.wrapping_mul(77)).collect();
            let at = entries.insert(&value, id(3), 5, counts, Links::default());
            assert_eq!(entries.counts_of(at, id(3), &value), Some((5, counts)), "{len}");
            assert_eq!(entries.counts_of(at, id(4), &value), None);
            for byte in 0..len {
                let mut other = value.clone();
                if let Some(byte) = other.get_mut(byte) {
                    *byte ^= 1;
                }
                assert_eq!(entries.counts_of(at, id(3), &other), None, "byte {byte} of {len}");
                assert_eq!(entries.counts_of(at, id(3), value.get(..byte).unwrap_or(&[])), None);
            }
        }
    }

    #[test]
    fn counts_and_windows_come_back_in_any_size() {
        let mut entries = UsageEntries::default();
        let (small, large) = (UsageCounts { used: 7, refs: 1 }, UsageCounts { used: 1 << 24, refs: 1 });
        let value = vec![b'v'; 516];
        let one = entries.insert(&value, id(3), -86_400_000, small, Links::default());
        let other = entries.insert(b"", id(3), 0, UsageCounts { used: 0, refs: u32::MAX }, Links::default());
        for counts in [small, large, UsageCounts { used: (1 << 24) - 1, refs: (1 << 24) - 1 }, small] {
            entries.set_counts(one, counts);
            let entry = entries.at(one);
            assert_eq!((UsageCounts { used: entry.used, refs: entry.refs }, entry.window_ms), (counts, -86_400_000));
            assert_eq!((entry.value, entry.limit, entry.state), (&value[..], id(3), EntryState::Indexed));
            let window = (id(3), -86_400_000, EntryState::Indexed);
            assert_eq!(entries.window_of(one), Some(window));
        }
        assert_eq!((entries.at(other).refs, entries.at(other).value.len()), (u32::MAX, 0));
        assert!(entries.is(one, id(3), &value) && !entries.is(one, id(4), &value) && !entries.is(one, id(3), b"v"));
        assert_eq!((entries.count_less(one, 3), entries.at(one).used, entries.at(one).refs), (Some(4), 4, 1));
        assert_eq!((entries.count_less(one, 5), entries.at(one).used), (Some(0), 0), "never below 0");
        assert_eq!((entries.count_less(other, 1), entries.at(other).refs), (None, u32::MAX), "not in the row");
        entries.move_to(one, 0);
        assert_eq!(entries.at(one).window_ms, 0);
        assert!(entries.check_windows() && entries.windows.len() == 1);
        entries.set_state(one, EntryState::Detached);
        assert_eq!(entries.at(one).state, EntryState::Detached);
        assert_eq!(entries.window_of(one), Some((id(3), 0, EntryState::Detached)));
        entries.remove(one);
        entries.remove(other);
        assert!(
            entries.is_empty() && entries.windows.is_empty() && entries.overflow.is_empty() && entries.check_windows()
        );
    }
}
