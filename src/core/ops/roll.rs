//! The windows of limits with a named zone. The primary alone asks the tables of time zones, once
//! for each window, and writes down what it found; all who repeat its changes count by that,
//! whatever tables they have.

use crate::core::model::change::ResolvedWindows;
use crate::core::model::limit::Limit;
use crate::core::model::pool::Pool;

/// Whether all windows that a change at this time needs are known to be resolved: nearly always.
#[must_use]
#[inline]
pub fn is_resolved(pool: &Pool, now_ms: i64) -> bool {
    pool.resolved_until_ms.get() > now_ms && pool.resolved_from_ms.get() <= now_ms
}

/// The windows that a change at this time needs and that were not resolved yet.
#[must_use]
pub fn plan(pool: &Pool, now_ms: i64) -> ResolvedWindows {
    let due = |limit: &Limit| limit.unresolved(now_ms).map(|(start, end)| (limit.id, start, end));
    let windows: ResolvedWindows = pool.limits.iter().filter_map(due).collect();
    if windows.is_empty() {
        note(pool);
    }
    windows
}

/// Counts in these windows from now on.
pub fn apply(pool: &mut Pool, windows: &ResolvedWindows) {
    for &(id, start_ms, end_ms) in windows {
        if let Some(limit) = pool.limits.iter_mut().find(|limit| limit.id == id) {
            limit.resolve((start_ms, end_ms));
        }
    }
    invalidate(pool);
}

/// Limits or their time zones have changed.
pub fn invalidate(pool: &Pool) {
    pool.resolved_until_ms.set(i64::MIN);
}

/// Notes how long all resolved windows hold.
fn note(pool: &Pool) {
    let windows = || pool.limits.iter().filter(|limit| limit.is_resolved()).map(|limit| limit.resolved);
    pool.resolved_from_ms.set(windows().map(|(start_ms, _)| start_ms).max().unwrap_or(i64::MIN));
    pool.resolved_until_ms.set(windows().map(|(_, end_ms)| end_ms).min().unwrap_or(i64::MAX));
}
