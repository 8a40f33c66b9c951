//! Whole units, and sums of them that stay exact everywhere.

/// The largest quantity and the largest magnitude of any sum: 2^53 - 1, exact in JSON, Lua and
/// JavaScript.
pub const MAX_UNITS: i64 = 9_007_199_254_740_991;

/// `a + b`, where it stays within the bounds.
#[must_use]
pub fn sum(a: i64, b: i64) -> Option<i64> {
    a.checked_add(b).filter(|s| (-MAX_UNITS..=MAX_UNITS).contains(s))
}

/// `a - b`, where it stays within the bounds.
#[must_use]
pub fn difference(a: i64, b: i64) -> Option<i64> {
    a.checked_sub(b).filter(|s| (-MAX_UNITS..=MAX_UNITS).contains(s))
}
