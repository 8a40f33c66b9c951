//! Usage of limits: what counts for one value of one limit in one window.

use crate::core::model::attributes::Attributes;
use crate::core::model::ids::Bytes;
use crate::core::model::number::{LimitId, LimitIndex, UsageRow};
use crate::core::store::index::IndexPosition;

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// In its limit's list (or, when that limit is gone, in the list of what it left), and in the
    /// index, unless it is an older sub-window of a rolling window.
    Indexed,
    /// Only shares refer to it.
    Detached,
}

/// Usage of one value of one limit in one window.
#[derive(Clone, Copy, Debug)]
pub struct UsageEntry<'p> {
    /// The values of the limit's dimensions, as a tuple.
    pub value: &'p [u8],
    /// When its window began, Unix ms.
    pub window_ms: i64,
    /// Units or orders counted.
    pub used: i64,
    /// The limit's id.
    pub limit: LimitId,
    /// How many orders refer to it.
    pub refs: u32,
    /// Where it is.
    pub state: EntryState,
}

/// What is to be counted for one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which limit.
    pub limit: LimitIndex,
    /// Where the value stands.
    pub tuple: TupleAt,
    /// The window to count in, Unix ms.
    pub window_ms: i64,
    /// Hash of (limit, value).
    pub hash: u64,
    /// The value's entry in the index.
    pub entry: Option<UsageRow>,
    /// That entry is of the window to count in.
    pub current: bool,
    /// Where the search for it begins, then where it ended: there a new one goes into the index.
    pub position: IndexPosition,
}

/// Where the tuple of values stands that a limit counts, so that it is found or made once a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TupleAt {
    /// The value of this attribute of the call, counted from 0 in order of their names.
    Attribute(u8),
    /// These bytes of the tuples that the call has joined. None for everyone together.
    Joined {
        /// The first byte.
        start: u16,
        /// How many.
        len: u16,
    },
}

/// Tuples of several values, one behind the other: see [`TupleAt::Joined`]. Most calls have none.
pub type Joined = Vec<u8>;

/// The tuple that stands there.
#[must_use]
pub fn tuple_at<'t>(attributes: &'t Attributes<'_>, joined: &'t [u8], at: TupleAt) -> &'t [u8] {
    match at {
        TupleAt::Attribute(nth) => attributes.value(nth),
        TupleAt::Joined { start, len } => {
            joined.get(usize::from(start)..).and_then(|rest| rest.get(..usize::from(len))).unwrap_or(&[])
        }
    }
}

/// An entry that a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundEntry {
    /// Its row.
    pub row: UsageRow,
    /// When its window began, Unix ms.
    pub window_ms: i64,
    /// Its counts.
    pub counts: UsageCounts,
}

/// The counts of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageCounts {
    /// Units or orders counted.
    pub used: i64,
    /// How many orders refer to it.
    pub refs: u32,
}

/// An entry as it is loaded.
#[derive(Clone, Debug)]
pub struct RestoredEntry {
    /// As in [`UsageEntry`].
    pub value: Bytes,
    /// As in [`UsageEntry`].
    pub window_ms: i64,
    /// As in [`UsageEntry`].
    pub used: i64,
    /// As in [`UsageEntry`].
    pub limit: LimitId,
    /// As in [`UsageEntry`].
    pub state: EntryState,
}
