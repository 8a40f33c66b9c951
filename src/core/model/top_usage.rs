//! The values of a limit that have used most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::core::model::attributes::Attributes;
use crate::core::model::limit::{values, Limit};
use crate::core::model::view::View;

/// The most usage entries that a pool may have for a search through all of them.
pub const MAX_ENTRIES: usize = 1_000_000;

/// A value with its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueUsage<'p> {
    /// The value, as a tuple.
    pub tuple: &'p [u8],
    /// Used in its window.
    pub used: i64,
    /// When that window began, Unix ms.
    pub window_ms: i64,
}

/// Usage, value and window: the smallest usage, and of equal ones the last value, is on top.
type Ranked<'p> = Reverse<(i64, Reverse<&'p [u8]>, i64)>;

/// The `count` values of a limit that have used most in their current windows, from the largest;
/// equal ones in order of their bytes. `attributes`: only values that have all of these; none where
/// the limit does not have all of these dimensions.
#[must_use]
pub fn top_usage<'p>(
    view: &View<'p>,
    limit: &'p Limit,
    attributes: &Attributes<'_>,
    count: usize,
) -> Vec<ValueUsage<'p>> {
    let dims = &limit.identity.dims;
    let mut wanted: Vec<Option<&[u8]>> = vec![None; dims.len()];
    for (name, value) in attributes.iter() {
        let index = dims.iter().position(|dim| dim.as_slice() == name);
        let Some(wanted) = index.and_then(|index| wanted.get_mut(index)) else { return Vec::new() };
        *wanted = Some(value);
    }
    let fits = |tuple: &[u8]| {
        let mut pairs = values(tuple, dims.len()).zip(&wanted);
        pairs.all(|(value, wanted)| wanted.is_none_or(|wanted| wanted == value))
    };
    let mut kept: BinaryHeap<Ranked<'_>> = BinaryHeap::new();
    let Some(usage) = view.pool.usage.get() else { return Vec::new() };
    let entries = &usage.entries;
    // Of a rolling window the newest sub-window stands for all of its value.
    for at in limit.entries.iter(entries).filter(|&at| !usage.is_older_sub_window(at)) {
        let tuple = entries.at(at).value;
        let (used, window_ms) = view.used(limit, usage.found(at));
        if used == 0 || !fits(tuple) {
            continue;
        }
        kept.push(Reverse((used, Reverse(tuple), window_ms)));
        if kept.len() > count {
            kept.pop();
        }
    }
    let sorted = kept.into_sorted_vec().into_iter();
    sorted.map(|Reverse((used, Reverse(tuple), window_ms))| ValueUsage { tuple, used, window_ms }).collect()
}
