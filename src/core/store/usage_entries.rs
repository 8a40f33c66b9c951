//! The table of usage entries. Where every buyer is new there is one for each order: each is one row of bytes without gaps.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | flags |
//! | 3 | which limit and window: the number of its span |
//! | 2 | length of the value |
//! | 3, 3 | used, orders that refer to it |
//! | 4, 4 | neighbours in the timeline |
//! | 0 to 516 | the value |
//!
//! Counts that do not fit, which only few values reach, stand beside.

use std::collections::BTreeMap;

use crate::core::store::list::{Linked, Links};
use crate::core::store::rows::Rows;
use crate::core::store::slab::Slab;
use crate::core::store::usage::{EntryState, UsageEntry};

const HEAD: usize = 20;
const DETACHED: u8 = 1;
/// The counts stand beside.
const WIDE: u8 = 1 << 1;
const LARGEST: u64 = (1 << 24) - 1;

/// The counts of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageCounts {
    /// Units or orders counted.
    pub used: i64,
    /// How many orders refer to it.
    pub refs: u32,
}

/// One window of one limit, for as long as it has entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    limit: u32,
    window_ms: i64,
    entries: u32,
}

/// The usage entries of a pool.
#[derive(Clone, Debug, Default)]
pub struct UsageEntries {
    rows: Rows,
    spans: Slab<Span>,
    span_of: BTreeMap<(u32, i64), u32>,
    wide: BTreeMap<u32, UsageCounts>,
}

fn span_number(head: &[u8; HEAD]) -> u32 {
    u32::from_le_bytes([head[1], head[2], head[3], 0])
}

fn narrow(head: &[u8; HEAD]) -> UsageCounts {
    let used = u32::from_le_bytes([head[6], head[7], head[8], 0]);
    let refs = u32::from_le_bytes([head[9], head[10], head[11], 0]);
    UsageCounts { used: i64::from(used), refs }
}

fn value_len(head: &[u8; HEAD]) -> usize {
    usize::from(u16::from_le_bytes([head[4], head[5]]))
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

    /// One more than the largest number that an entry can have now.
    #[must_use]
    pub fn span(&self) -> u32 {
        self.rows.span()
    }

    /// The bytes taken; of what stands beside about, by length, so that a copy counts the same.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let beside = self.wide.len().saturating_mul(40).saturating_add(self.span_of.len().saturating_mul(40));
        self.rows.bytes().saturating_add(self.spans.bytes()).saturating_add(beside)
    }

    /// Whether the spans have the entries that they count: for VERIFY.
    #[must_use]
    pub fn check_windows(&self) -> bool {
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for head in self.rows.numbers().filter_map(|at| self.head(at)) {
            let count = counts.entry(span_number(head)).or_default();
            *count = count.saturating_add(1);
        }
        let counted = |(key, at): (&(u32, i64), &u32)| {
            let span = self.spans.get(*at);
            span.is_some_and(|s| (s.limit, s.window_ms) == *key && counts.get(at) == Some(&s.entries))
        };
        self.span_of.len() == counts.len() && self.spans.len() == counts.len() && self.span_of.iter().all(counted)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = UsageEntry<'_>> + '_ {
        self.rows.numbers().filter_map(|at| self.get(at))
    }

    fn head(&self, at: u32) -> Option<&[u8; HEAD]> {
        self.rows.get(at)?.first_chunk()
    }

    fn head_mut(&mut self, at: u32) -> Option<&mut [u8; HEAD]> {
        self.rows.get_mut(at)?.first_chunk_mut()
    }

    /// Whether this is the entry of this value of this limit.
    #[must_use]
    pub fn is(&self, at: u32, limit: u32, value: &[u8]) -> bool {
        let Some((head, rest)) = self.rows.get(at).and_then(|row| row.split_first_chunk::<HEAD>()) else {
            return false;
        };
        value_len(head) == value.len()
            && rest.starts_with(value)
            && self.spans.get(span_number(head)).is_some_and(|span| span.limit == limit)
    }

    /// The entry of this number.
    #[must_use]
    pub fn get(&self, at: u32) -> Option<UsageEntry<'_>> {
        let (head, rest) = self.rows.get(at)?.split_first_chunk::<HEAD>()?;
        let span = self.spans.get(span_number(head))?;
        let wide = if head[0] & WIDE != 0 { self.wide.get(&at).copied() } else { None };
        let UsageCounts { used, refs } = wide.unwrap_or_else(|| narrow(head));
        Some(UsageEntry {
            value: rest.get(..value_len(head))?,
            window_ms: span.window_ms,
            used,
            limit: span.limit,
            refs,
            state: if head[0] & DETACHED == 0 { EntryState::Indexed } else { EntryState::Detached },
        })
    }

    /// The window and the counts of the entry of this number.
    #[must_use]
    pub fn counts(&self, at: u32) -> Option<(i64, UsageCounts)> {
        let head = self.head(at)?;
        let window_ms = self.spans.get(span_number(head))?.window_ms;
        let counts = if head[0] & WIDE == 0 { narrow(head) } else { self.wide.get(&at).copied()? };
        Some((window_ms, counts))
    }

    /// The entry of this number, which is there. A number that names nothing is a bug of this crate: better no answer than one
    /// from a wrong entry.
    #[must_use]
    #[allow(clippy::panic, reason = "see above; the shell turns it into an error reply")]
    pub fn at(&self, at: u32) -> UsageEntry<'_> {
        match self.get(at) {
            Some(entry) => entry,
            None => panic!("no usage {at}"),
        }
    }

    /// The span of a limit's window with one more entry.
    #[allow(clippy::panic, reason = "2^24 windows with usage: more than there are entries in any memory")]
    fn join_span(&mut self, limit: u32, window_ms: i64) -> u32 {
        let spans = &mut self.spans;
        let fresh = || spans.insert(Span { limit, window_ms, entries: 0 });
        let at = *self.span_of.entry((limit, window_ms)).or_insert_with(fresh);
        assert!(u64::from(at) <= LARGEST, "too many windows");
        let span = self.spans.at_mut(at);
        span.entries = span.entries.saturating_add(1);
        at
    }

    fn leave_span(&mut self, at: u32) {
        let Some(span) = self.spans.get_mut(at) else { return };
        span.entries = span.entries.saturating_sub(1);
        if span.entries == 0 {
            self.span_of.remove(&(span.limit, span.window_ms));
            self.spans.remove(at);
        }
    }

    /// A new entry, in no list.
    pub fn insert(&mut self, value: &[u8], limit: u32, window_ms: i64, counts: UsageCounts) -> u32 {
        let [low, middle, high, _] = self.join_span(limit, window_ms).to_le_bytes();
        let (at, row) = self.rows.add(HEAD.saturating_add(value.len()));
        if let Some((head, rest)) = row.split_first_chunk_mut::<HEAD>() {
            *head = [0; HEAD];
            let [len_low, len_high] = (value.len() as u16).to_le_bytes();
            head[1..6].copy_from_slice(&[low, middle, high, len_low, len_high]);
            head[12..20].copy_from_slice(&Links::default().bytes());
            if let Some(place) = rest.get_mut(..value.len()) {
                place.copy_from_slice(value);
            }
        }
        self.set_counts(at, counts);
        at
    }

    /// Ends an entry that is in no list.
    pub fn remove(&mut self, at: u32) {
        let Some(head) = self.head(at) else { return };
        let (flags, span) = (head[0], span_number(head));
        if flags & WIDE != 0 {
            self.wide.remove(&at);
        }
        self.leave_span(span);
        self.rows.remove(at);
    }

    /// Other counts.
    pub fn set_counts(&mut self, at: u32, counts: UsageCounts) {
        let used = u64::try_from(counts.used).ok().filter(|&used| used <= LARGEST);
        let refs = Some(u64::from(counts.refs)).filter(|&refs| refs <= LARGEST);
        let Some(head) = self.head_mut(at) else { return };
        let was_wide = head[0] & WIDE != 0;
        if let Some((used, refs)) = used.zip(refs) {
            let (used, refs) = (used.to_le_bytes(), refs.to_le_bytes());
            head[6..12].copy_from_slice(&[used[0], used[1], used[2], refs[0], refs[1], refs[2]]);
            head[0] &= !WIDE;
            if was_wide {
                self.wide.remove(&at);
            }
        } else {
            head[0] |= WIDE;
            self.wide.insert(at, counts);
        }
    }

    /// Another place.
    pub fn set_state(&mut self, at: u32, state: EntryState) {
        if let Some(head) = self.head_mut(at) {
            head[0] = head[0] & !DETACHED | if state == EntryState::Detached { DETACHED } else { 0 };
        }
    }

    /// Another window of the same limit. It is in no list.
    pub fn move_to(&mut self, at: u32, window_ms: i64) {
        let Some(before) = self.head(at).map(span_number) else { return };
        let Some(limit) = self.spans.get(before).map(|span| span.limit) else { return };
        let [low, middle, high, _] = self.join_span(limit, window_ms).to_le_bytes();
        if let Some(head) = self.head_mut(at) {
            head[1..4].copy_from_slice(&[low, middle, high]);
        }
        self.leave_span(before);
    }
}

impl Linked for UsageEntries {
    fn links(&self, at: u32) -> Links {
        let links = |head: &[u8; HEAD]| head.last_chunk::<8>().map(|links| Links::of(u64::from_le_bytes(*links)));
        self.head(at).and_then(links).unwrap_or_default()
    }

    fn set_links(&mut self, at: u32, links: Links) {
        if let Some(head) = self.head_mut(at) {
            head[12..20].copy_from_slice(&links.bytes());
        }
    }

    fn time_ms(&self, at: u32) -> i64 {
        let span = self.head(at).and_then(|head| self.spans.get(span_number(head)));
        span.map_or(0, |span| span.window_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_windows_come_back_in_any_size() {
        let mut entries = UsageEntries::default();
        let (small, large) = (UsageCounts { used: 7, refs: 1 }, UsageCounts { used: 1 << 24, refs: 1 });
        let value = vec![b'v'; 516];
        let one = entries.insert(&value, 3, -86_400_000, small);
        let other = entries.insert(b"", 3, 0, UsageCounts { used: 0, refs: u32::MAX });
        for counts in [small, large, UsageCounts { used: (1 << 24) - 1, refs: (1 << 24) - 1 }, small] {
            entries.set_counts(one, counts);
            let entry = entries.at(one);
            assert_eq!((UsageCounts { used: entry.used, refs: entry.refs }, entry.window_ms), (counts, -86_400_000));
            assert_eq!((entry.value, entry.limit, entry.state), (&value[..], 3, EntryState::Indexed));
        }
        assert_eq!((entries.at(other).refs, entries.at(other).value.len()), (u32::MAX, 0));
        assert!(entries.is(one, 3, &value) && !entries.is(one, 4, &value) && !entries.is(one, 3, b"v"));
        entries.move_to(one, 0);
        assert_eq!(entries.at(one).window_ms, 0);
        assert!(entries.check_windows() && entries.spans.len() == 1);
        entries.set_state(one, EntryState::Detached);
        assert_eq!(entries.at(one).state, EntryState::Detached);
        entries.remove(one);
        entries.remove(other);
        assert!(entries.is_empty() && entries.spans.is_empty() && entries.wide.is_empty() && entries.check_windows());
    }
}
