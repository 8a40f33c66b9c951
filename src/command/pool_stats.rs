//! What calls on one pool were answered: since the first one, and in the last minutes. Local to the
//! process, and no part of the data.

use crate::core::model::ids::Bytes;
use crate::core::model::number::LimitId;

/// What calls are counted by, in the order of the counters.
pub const ANSWERS: [&str; 9] =
    ["reserved", "confirmed", "soldout", "limited", "closed", "exists", "expired", "suspended", "errors"];

/// Minutes that are kept: the current one, and five whole ones before it.
const MINUTES: usize = 6;

/// A minute, ms.
pub const MINUTE_MS: i64 = 60_000;

/// One counter for each of [`ANSWERS`].
pub type Counts<T> = [T; ANSWERS.len()];

/// The counters of one pool.
#[derive(Clone, Debug)]
pub struct PoolStats {
    /// When the first call was counted, Unix ms.
    pub since_ms: i64,
    /// Since then.
    pub totals: Counts<u64>,
    /// How often each limit refused, by its id.
    pub refused: Vec<(LimitId, u64)>,
    /// How often a call lacked each dimension.
    pub lacked: Vec<(Bytes, u64)>,
    /// The minute in which the last call was counted, and the ones before it.
    minutes: [Counts<u32>; MINUTES],
    /// Which of them is that of the last call.
    at: usize,
    /// Minutes since 1970 of the last call.
    minute: i64,
    /// Calls in that minute, and in the one before.
    calls: [u32; 2],
    /// Where [`super::hot_keys`] has the pool.
    pub hot: HotEntry,
}

/// Where the pool stands among the hot keys, and the number under which it was admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HotEntry {
    /// Its index.
    pub index: usize,
    /// 0: none.
    pub number: u64,
}

/// The minute of a time.
#[must_use]
pub const fn minute_of(now_ms: i64) -> i64 {
    now_ms.div_euclid(MINUTE_MS)
}

/// Adds one to the counter of a name; a new name only while there are fewer than `most`.
fn bump<K: PartialEq>(counters: &mut Vec<(K, u64)>, most: usize, name: K) {
    if let Some((_, count)) = counters.iter_mut().find(|(known, _)| *known == name) {
        *count = count.saturating_add(1);
    } else if counters.len() < most {
        counters.push((name, 1));
    }
}

impl PoolStats {
    /// The most limits and dimensions that are counted by name.
    const MOST_NAMES: usize = 64;

    /// Nothing counted yet.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self {
            since_ms: now_ms,
            totals: [0; ANSWERS.len()],
            refused: Vec::new(),
            lacked: Vec::new(),
            minutes: [[0; ANSWERS.len()]; MINUTES],
            at: 0,
            minute: minute_of(now_ms),
            calls: [0; 2],
            hot: HotEntry::default(),
        }
    }

    /// Counts one call.
    pub fn count(&mut self, counter: usize, now_ms: i64) {
        let minute = minute_of(now_ms);
        if minute != self.minute {
            self.turn_to(minute);
        }
        if let Some(total) = self.totals.get_mut(counter) {
            *total = total.wrapping_add(1);
        }
        if let Some(count) = self.minutes.get_mut(self.at).and_then(|counts| counts.get_mut(counter)) {
            *count = count.saturating_add(1);
        }
        self.calls[0] = self.calls[0].saturating_add(1);
    }

    /// Counts the limit that refused a call.
    pub fn count_limit(&mut self, limit: LimitId) {
        bump(&mut self.refused, Self::MOST_NAMES, limit);
    }

    /// Counts the dimension that a call lacked.
    pub fn count_lacked(&mut self, dimension: &Bytes) {
        bump(&mut self.lacked, Self::MOST_NAMES, dimension.clone());
    }

    /// Makes room for another minute. A step back of the clock begins anew.
    #[cold]
    fn turn_to(&mut self, minute: i64) {
        let passed = minute.saturating_sub(self.minute);
        let known = (1..MINUTES as i64).contains(&passed);
        self.calls = [0, if passed == 1 { self.calls[0] } else { 0 }];
        self.minute = minute;
        if !known {
            self.minutes = [[0; ANSWERS.len()]; MINUTES];
            return;
        }
        for _ in 0..passed {
            self.at = self.at.saturating_add(1) % MINUTES;
            if let Some(counts) = self.minutes.get_mut(self.at) {
                *counts = [0; ANSWERS.len()];
            }
        }
    }

    /// The counters of a minute, by how many minutes it lies before that of `now_ms`.
    #[must_use]
    pub fn ago(&self, minutes: i64, now_ms: i64) -> Counts<u32> {
        let behind = minutes.saturating_sub(minute_of(now_ms).saturating_sub(self.minute));
        let behind = usize::try_from(behind).ok().filter(|&behind| behind < MINUTES);
        let index = behind.map(|behind| (self.at.saturating_add(MINUTES).saturating_sub(behind)) % MINUTES);
        index.and_then(|index| self.minutes.get(index)).copied().unwrap_or_default()
    }

    /// The counters of the last `minutes` minutes, at most five. Calls of the oldest minute count
    /// as if they had been spread evenly over it.
    #[must_use]
    pub fn last(&self, minutes: i64, now_ms: i64) -> Counts<u64> {
        let mut sums = [0; ANSWERS.len()];
        for minute in 0..minutes {
            add(&mut sums, &self.ago(minute, now_ms), 1, 1);
        }
        let left_ms = MINUTE_MS.saturating_sub(now_ms.rem_euclid(MINUTE_MS)).unsigned_abs();
        add(&mut sums, &self.ago(minutes, now_ms), left_ms, MINUTE_MS.unsigned_abs());
        sums
    }

    /// Calls in the minute of the last call.
    #[must_use]
    pub const fn calls(&self) -> u32 {
        self.calls[0]
    }

    /// Calls in the minute of the last call and in the one before.
    #[must_use]
    pub const fn score(&self) -> u64 {
        (self.calls[0] as u64).saturating_add(self.calls[1] as u64)
    }

    /// The bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let names = self.refused.capacity().saturating_mul(16);
        size_of::<Self>().saturating_add(names).saturating_add(self.lacked.capacity().saturating_mul(40))
    }
}

/// A fraction of a count, rounded to the nearest.
#[must_use]
pub fn fraction(count: u32, numerator: u64, denominator: u64) -> u64 {
    u64::from(count).saturating_mul(numerator).saturating_add(denominator / 2).checked_div(denominator).unwrap_or(0)
}

/// Adds a fraction of some counters to sums.
pub fn add(sums: &mut Counts<u64>, counts: &Counts<u32>, numerator: u64, denominator: u64) {
    for (sum, &count) in sums.iter_mut().zip(counts) {
        *sum = sum.saturating_add(fraction(count, numerator, denominator));
    }
}

#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::number::Number;

    const NOON: i64 = 1_700_000_040_000;

    #[test]
    fn minutes_pass() {
        assert_eq!(NOON % MINUTE_MS, 0);
        let mut stats = PoolStats::new(NOON);
        for second in 0..600 {
            stats.count(0, NOON + second * 1_000);
            if second % 2 == 0 {
                stats.count(2, NOON + second * 1_000);
            }
        }
        let now = NOON + 599_000;
        assert_eq!((stats.totals[0], stats.totals[2]), (600, 300));
        // The last 60 s and 300 s; the minute is 59 s old, so 1/60 of the oldest one counts.
        assert_eq!((stats.last(1, now)[0], stats.last(5, now)[0]), (61, 301));
        assert_eq!(stats.last(1, now)[2], 31);
        assert_eq!(stats.score(), 180);
        let half = NOON + 630_000;
        assert_eq!((stats.last(1, half)[0], stats.last(5, half)[0]), (30, 270));
        assert_eq!(stats.last(1, NOON + 720_000)[0], 0);
        assert_eq!(stats.last(5, NOON + 3_600_000)[0], 0);
        stats.count(0, NOON + 3_600_000);
        assert_eq!((stats.last(5, NOON + 3_600_000)[0], stats.totals[0]), (1, 601));
        stats.count(0, NOON);
        assert_eq!((stats.last(5, NOON)[0], stats.score()), (1, 1), "the clock stepped back");
    }

    #[test]
    fn names_are_bounded() {
        let mut stats = PoolStats::new(NOON);
        for limit in 0..1_000 {
            stats.count_limit(LimitId::of(limit));
            stats.count_limit(LimitId::of(7));
        }
        assert_eq!(stats.refused.len(), 64);
        assert_eq!(stats.refused[0], (LimitId::of(0), 1));
        assert!(stats.refused.contains(&(LimitId::of(7), 1_001)));
    }
}
