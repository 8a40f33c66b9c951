//! Usage of limits: what counts for one value of one limit in one window.

use crate::core::model::ids::Bytes;

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// In the index and in its limit's list (or, when that limit is gone, in the list of what it
    /// left).
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
    pub limit: u32,
    /// How many orders refer to it.
    pub refs: u32,
    /// Where it is.
    pub state: EntryState,
}

/// What is to be counted for one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Index of the limit in the pool.
    pub limit: u8,
    /// The window to count in, Unix ms.
    pub window_ms: i64,
    /// Hash of (limit, value).
    pub hash: u64,
    /// The value's entry in the index.
    pub entry: Option<u32>,
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
    pub limit: u32,
    /// As in [`UsageEntry`].
    pub state: EntryState,
}
