//! The keys that were called most in the last minute, in bounded memory.
//!
//! A pool counts its own calls exactly (`pool_stats`), and hands them over here now and then, so
//! only the choice of the hottest is left: the [`MOST_POOLS`] with the most calls are kept, and a
//! colder one makes room. Keys without a pool count nothing themselves: for them there is a sketch
//! by stream summary (Metwally, Agrawal and El Abbadi, 2005), which says by how much a count may be
//! too high.

use super::pool_stats::{add, fraction, minute_of, Counts, HotEntry, PoolStats, ANSWERS, MINUTE_MS};

/// The most pools that are kept.
pub const MOST_POOLS: usize = 256;
/// The most keys without a pool that are kept for each minute.
pub const MOST_MISSING: usize = 64;
/// Keys with longer names are not kept, bytes.
pub const LONGEST_KEY: usize = 512;
/// Behind so many calls in a minute a pool hands its counters over with every so many more only.
const STEP: u32 = 16;

/// A pool that is hot.
#[derive(Clone, Debug)]
struct HotPool {
    number: u64,
    db: i32,
    key: Box<[u8]>,
    minute: i64,
    now: Counts<u32>,
    before: Counts<u32>,
    score: u64,
    size: Size,
    /// Its key was asked for since, and had no pool.
    gone: bool,
}

/// How large a pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Units held.
    pub held: i64,
    /// Orders in memory.
    pub orders: u64,
    /// Bytes.
    pub memory_bytes: u64,
}

/// A key without a pool.
#[derive(Clone, Debug)]
struct MissingKey {
    db: i32,
    key: Box<[u8]>,
    calls: u32,
    error: u32,
}

/// The hot keys.
#[derive(Debug, Default)]
pub struct HotKeys {
    pools: Vec<HotPool>,
    /// The least score of all, when it was last looked for, and that minute.
    floor: (u64, i64),
    numbers: u64,
    /// Keys without a pool: in the minute of the last call, and in the one before.
    missing: [Vec<MissingKey>; 2],
    missing_minute: i64,
}

/// A hot key, as `STOCK.TOP` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotKey {
    /// Its database.
    pub db: i32,
    /// Its name.
    pub key: Vec<u8>,
    /// Whether there was a pool at its last call, as far as it is known: a pool that was deleted
    /// exists here until somebody asks for it again, or it has cooled.
    pub exists: bool,
    /// Calls by answer in the last minute.
    pub counts: Counts<u64>,
    /// Calls that were answered NOPOOL.
    pub missing: u64,
    /// The pool, when it handed its counters over.
    pub size: Size,
    /// By how much the number of calls may be wrong.
    pub error: u64,
}

impl HotKey {
    /// All calls.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.counts.iter().fold(self.missing, |sum, &count| sum.saturating_add(count))
    }
}

impl HotKeys {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { pools: Vec::new(), floor: (0, 0), numbers: 0, missing: [Vec::new(), Vec::new()], missing_minute: 0 }
    }

    /// Whether a pool with these counters hands them over after this call.
    #[must_use]
    pub const fn wants(stats: &PoolStats) -> bool {
        let calls = stats.calls();
        calls <= STEP || calls.is_multiple_of(STEP)
    }

    /// Takes the counters of a pool over.
    pub fn take(&mut self, db: i32, key: &[u8], stats: &mut PoolStats, now_ms: i64, size: Size) {
        let minute = minute_of(now_ms);
        let known = self.pools.get(stats.hot.index).is_some_and(|pool| pool.number == stats.hot.number);
        let index = if known { Some(stats.hot.index) } else { self.admit(db, key, stats.score(), minute) };
        let Some(pool) = index.and_then(|index| self.pools.get_mut(index)) else { return };
        if pool.db != db || *pool.key != *key {
            // It has been renamed or moved.
            (pool.db, pool.key) = (db, key.into());
        }
        if !known {
            self.numbers = self.numbers.saturating_add(1);
            pool.number = self.numbers;
            stats.hot = HotEntry { index: index.unwrap_or(0), number: self.numbers };
        }
        pool.minute = minute;
        pool.now = stats.ago(0, now_ms);
        pool.before = stats.ago(1, now_ms);
        pool.score = stats.score();
        pool.size = size;
        pool.gone = false;
    }

    /// Admits a pool, and returns its index. `None`: all others are hotter.
    #[cold]
    fn admit(&mut self, db: i32, key: &[u8], score: u64, minute: i64) -> Option<usize> {
        if key.len() > LONGEST_KEY {
            return None;
        }
        let full = self.pools.len() >= MOST_POOLS;
        if full && self.floor.1 == minute && score <= self.floor.0 {
            return None;
        }
        // A pool that was deleted and made anew is not recognised by its number.
        if let Some(index) = self.pools.iter().position(|pool| pool.db == db && *pool.key == *key) {
            return Some(index);
        }
        if !full {
            let (now, before) = Default::default();
            let size = Size::default();
            self.pools.push(HotPool { number: 0, db, key: key.into(), minute, now, before, score, size, gone: false });
            return self.pools.len().checked_sub(1);
        }
        let score_of = |pool: &HotPool| if pool.minute >= minute.saturating_sub(1) { pool.score } else { 0 };
        let coldest = self.pools.iter().enumerate().min_by_key(|(_, pool)| score_of(pool))?;
        let (index, least) = (coldest.0, score_of(coldest.1));
        self.floor = (least, minute);
        (score > least).then_some(index)
    }

    /// Counts a call on a key without a pool.
    pub fn count_missing(&mut self, db: i32, key: &[u8], now_ms: i64) {
        if key.len() > LONGEST_KEY {
            return;
        }
        let minute = minute_of(now_ms);
        if minute != self.missing_minute {
            let [now, before] = &mut self.missing;
            std::mem::swap(now, before);
            now.clear();
            if minute != self.missing_minute.saturating_add(1) {
                before.clear();
            }
            self.missing_minute = minute;
        }
        let [keys, _] = &mut self.missing;
        let known = keys.iter_mut().find(|known| known.db == db && *known.key == *key);
        // Looked for now and then, which is soon enough.
        if known.as_ref().is_none_or(|known| known.calls.is_multiple_of(STEP)) {
            let deleted = self.pools.iter_mut().find(|pool| pool.db == db && *pool.key == *key);
            deleted.into_iter().for_each(|pool| (pool.gone, pool.size) = (true, Size::default()));
        }
        if let Some(known) = known {
            known.calls = known.calls.saturating_add(1);
        } else if keys.len() < MOST_MISSING {
            keys.push(MissingKey { db, key: key.into(), calls: 1, error: 0 });
        } else if let Some(least) = keys.iter_mut().min_by_key(|known| known.calls) {
            *least = MissingKey { db, key: key.into(), calls: least.calls.saturating_add(1), error: least.calls };
        }
    }

    /// The hot keys of the last minute, in no order. Calls of the minute before the current one
    /// count as if they had been spread evenly over it.
    #[must_use]
    pub fn list(&self, now_ms: i64) -> Vec<HotKey> {
        let minute = minute_of(now_ms);
        let left_ms = MINUTE_MS.saturating_sub(now_ms.rem_euclid(MINUTE_MS)).unsigned_abs();
        let whole = MINUTE_MS.unsigned_abs();
        let left = |calls: u32| fraction(calls, left_ms, whole);
        let mut list: Vec<HotKey> = Vec::new();
        for pool in &self.pools {
            let mut counts = [0; ANSWERS.len()];
            let mut error = 0;
            if pool.minute == minute {
                add(&mut counts, &pool.now, 1, 1);
                add(&mut counts, &pool.before, left_ms, whole);
                let calls: u64 = pool.now.iter().map(|&count| u64::from(count)).sum();
                error = if calls >= STEP.into() { u64::from(STEP).saturating_sub(1) } else { 0 };
            } else if pool.minute.saturating_add(1) == minute {
                add(&mut counts, &pool.now, left_ms, whole);
            }
            let (db, key, size) = (pool.db, pool.key.to_vec(), pool.size);
            list.push(HotKey { db, key, exists: !pool.gone, counts, missing: 0, size, error });
        }
        let [now, before] = &self.missing;
        let age = minute.saturating_sub(self.missing_minute);
        let (now, before): (&[MissingKey], &[MissingKey]) = match age {
            0 => (now, before),
            1 => (&[], now),
            _ => (&[], &[]),
        };
        let counts = now.iter().map(|known| (known, u64::from(known.calls), u64::from(known.error)));
        let earlier = before.iter().map(|known| (known, left(known.calls), left(known.error)));
        for (known, calls, error) in counts.chain(earlier) {
            let same = |hot: &&mut HotKey| !hot.exists && hot.db == known.db && hot.key == *known.key;
            if let Some(hot) = list.iter_mut().find(same) {
                hot.missing = hot.missing.saturating_add(calls);
                hot.error = hot.error.saturating_add(error);
                continue;
            }
            let counts = [0; ANSWERS.len()];
            let (db, key) = (known.db, known.key.to_vec());
            list.push(HotKey { db, key, exists: false, counts, missing: calls, size: Size::default(), error });
        }
        list.retain(|hot| hot.calls() > 0);
        list
    }
}

#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]
#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_700_000_040_000;

    fn call(hot: &mut HotKeys, stats: &mut PoolStats, key: &str, now_ms: i64) {
        stats.count(0, now_ms);
        if HotKeys::wants(stats) {
            hot.take(0, key.as_bytes(), stats, now_ms, Size::default());
        }
    }

    /// Many pools, called the more often the smaller their number is: the hottest are all there.
    #[test]
    #[cfg_attr(miri, ignore = "100,000 calls take miri too long")]
    fn the_hottest_pools_are_kept_whatever_else_is_called() {
        let mut hot = HotKeys::new();
        let mut all: Vec<PoolStats> = (0..5_000).map(|_| PoolStats::new(NOON)).collect();
        for round in 0..200 {
            for (n, stats) in all.iter_mut().enumerate() {
                if round % (n / 50 + 1) == 0 {
                    call(&mut hot, stats, &format!("k{n}"), NOON + round as i64 * 100);
                }
            }
        }
        let now = NOON + 20_000;
        let mut list = hot.list(now);
        assert!(list.len() <= MOST_POOLS);
        list.sort_by_key(|one| std::cmp::Reverse(one.calls()));
        for (n, stats) in all.iter().enumerate().take(100) {
            let key = format!("k{n}");
            let found = list.iter().find(|one| one.key == key.as_bytes());
            let calls = stats.totals[0];
            let Some(found) = found else { panic!("{key} with {calls} calls is not there") };
            assert!(found.calls() <= calls && calls <= found.calls() + found.error, "{key}: {calls}, {found:?}");
        }
        assert!(hot.list(NOON + 180_000).is_empty(), "nothing in the last minute");
    }

    #[test]
    fn an_index_is_given_up_and_taken_again() {
        let mut hot = HotKeys::new();
        let mut one = PoolStats::new(NOON);
        call(&mut hot, &mut one, "before", NOON);
        call(&mut hot, &mut one, "after", NOON);
        let keys: Vec<Vec<u8>> = hot.list(NOON).into_iter().map(|one| one.key).collect();
        assert_eq!(keys, [b"after".to_vec()], "it was renamed");
        // Deleted and made anew.
        let mut anew = PoolStats::new(NOON);
        call(&mut hot, &mut anew, "after", NOON);
        assert_eq!(hot.list(NOON).len(), 1);
        assert_eq!(hot.list(NOON)[0].calls(), 1);
        // Deleted, and asked for: one row, with what it answered before and since.
        hot.count_missing(0, b"after", NOON);
        let list = hot.list(NOON);
        let row = |list: &[HotKey]| list.iter().map(|one| (one.exists, one.calls(), one.missing)).collect::<Vec<_>>();
        assert_eq!(row(&list), [(false, 2, 1)]);
        // Made anew.
        call(&mut hot, &mut PoolStats::new(NOON), "after", NOON);
        assert_eq!(row(&hot.list(NOON)), [(true, 1, 0), (false, 1, 1)]);
        let mut hot = HotKeys::new();
        call(&mut hot, &mut anew, "after", NOON);
        let mut long = PoolStats::new(NOON);
        call(&mut hot, &mut long, &"x".repeat(LONGEST_KEY + 1), NOON);
        assert_eq!(hot.list(NOON).len(), 1);
    }

    #[test]
    #[cfg_attr(miri, ignore = "30,000 calls take miri too long")]
    fn a_key_that_is_missing_often_is_found_among_many() {
        let mut hot = HotKeys::new();
        for n in 0..10_000 {
            hot.count_missing(0, b"sku:mispelt", NOON);
            hot.count_missing(0, format!("random:{n}").as_bytes(), NOON);
            hot.count_missing(1, format!("random:{}", n % 3_000).as_bytes(), NOON);
        }
        let list = hot.list(NOON);
        assert!(list.len() <= MOST_MISSING);
        let found = list.iter().max_by_key(|one| one.missing).map(|one| (one.key.clone(), one.missing, one.error));
        let Some((key, calls, error)) = found else { panic!("none") };
        assert_eq!(key, b"sku:mispelt");
        assert!(calls >= 10_000 && calls - error <= 10_000, "{calls} {error}");
        hot.count_missing(0, b"other", NOON + 60_000);
        let half = hot.list(NOON + 90_000);
        assert_eq!(half.iter().find(|one| one.key == b"other").map(|one| one.missing), Some(1));
        assert!(half.iter().any(|one| one.key == b"sku:mispelt" && one.missing == calls.div_ceil(2)));
        assert!(hot.list(NOON + 200_000).is_empty());
    }
}
