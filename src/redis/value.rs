//! The value of a key: a complete or partial pool, when the wake-up queue has it, and what it adds
//! to the gauges.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::command::hot_keys::{HotKeys, Size};
use crate::command::journal::Refused;
use crate::command::pool_stats::PoolStats;
use crate::core::model::pool::Pool;
use crate::core::stored_pool::StoredPool;

/// A sum over all values of the process, including those that are being loaded or freed.
///
/// The server frees values on any thread (UNLINK, FLUSHALL ASYNC), so gauges are atomic. Nothing is
/// ordered by them.
pub struct Gauge(AtomicU64);

/// Complete pools.
pub static POOLS: Gauge = Gauge(AtomicU64::new(0));
/// Partial pools.
pub static PARTIAL_POOLS: Gauge = Gauge(AtomicU64::new(0));
/// Open holds.
pub static OPEN_HOLDS: Gauge = Gauge(AtomicU64::new(0));
/// Remembered orders, open holds included.
pub static REMEMBERED_ORDERS: Gauge = Gauge(AtomicU64::new(0));
/// Memory of all values, in bytes.
pub static MEMORY_BYTES: Gauge = Gauge(AtomicU64::new(0));

/// Units held.
pub static HELD_UNITS: Gauge = Gauge(AtomicU64::new(0));
/// Pools of which nothing can be reserved.
pub static SOLD_OUT_POOLS: Gauge = Gauge(AtomicU64::new(0));
/// Suspended pools.
pub static SUSPENDED_POOLS: Gauge = Gauge(AtomicU64::new(0));
/// Pools that hold more than they have.
pub static SHORT_POOLS: Gauge = Gauge(AtomicU64::new(0));
/// Pools with at least nine tenths of the orders that they may have in memory.
pub static NEARLY_FULL_POOLS: Gauge = Gauge(AtomicU64::new(0));

/// With so many orders a pool is nearly full.
static NEARLY_FULL: AtomicU64 = AtomicU64::new(u64::MAX);

/// Tells how many orders a pool may have in memory. Each pool goes by it from its next change on.
pub fn set_max_orders(max_orders: u32) {
    NEARLY_FULL.store(u64::from(max_orders).saturating_mul(9).div_ceil(10), Ordering::Relaxed);
}

impl Gauge {
    /// The sum.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces what one value adds to the sum.
    fn change(&self, before: u64, after: u64) {
        if before != after {
            self.0.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        }
    }
}

/// With this many orders a pool is large: its memory is measured less often.
const LARGE_POOL_ORDERS: u64 = 256;

/// The value of a key, as the server keeps it.
pub struct StoredValue {
    /// A complete or partial pool.
    pub stored: StoredPool,
    /// The time at which the wake-up queue has this key. Neither saved nor copied.
    pub scheduled_ms: Option<i64>,
    /// How calls were answered; none before the first. Neither saved nor copied.
    pub stats: Option<Box<PoolStats>>,
    gauged: Gauged,
}

/// What one value adds to the gauges.
#[derive(Clone, Copy, Default)]
struct Gauged {
    open_holds: u64,
    remembered: u64,
    memory_bytes: u64,
    held: u64,
    pool: bool,
    partial: bool,
    sold_out: bool,
    suspended: bool,
    short: bool,
    nearly_full: bool,
}

impl StoredValue {
    /// Makes a value, and adds it to the gauges.
    pub fn boxed(stored: StoredPool) -> Box<Self> {
        let mut value = Box::new(Self { stored, scheduled_ms: None, stats: None, gauged: Gauged::default() });
        value.update_gauges(true);
        value
    }

    /// Brings the gauges up to date after a change. Measuring memory takes many sums: it is done
    /// for small pools, if `whole` says that the call changed more than one order, and after every
    /// 16th change.
    pub fn update_gauges(&mut self, whole: bool) {
        let Some(pool) = self.stored.pool() else {
            let memory_bytes = self.memory_bytes() as u64;
            return self.set_gauged(Gauged { partial: true, memory_bytes, ..Gauged::default() });
        };
        let remembered = pool.remembered();
        let measure = whole || remembered < LARGE_POOL_ORDERS || pool.seq().is_multiple_of(16);
        self.set_gauged(Gauged {
            pool: true,
            partial: false,
            open_holds: pool.open_holds(),
            remembered,
            held: pool.reserved().max(0).unsigned_abs(),
            sold_out: pool.available().is_some_and(|units| units <= 0),
            suspended: pool.is_suspended(),
            short: pool.available().is_some_and(|units| units < 0),
            nearly_full: remembered >= NEARLY_FULL.load(Ordering::Relaxed),
            memory_bytes: if measure { self.memory_bytes() as u64 } else { self.gauged.memory_bytes },
        });
    }

    /// The memory of the value, in bytes, the box included.
    pub fn memory_bytes(&self) -> usize {
        let shell = std::mem::size_of::<Self>() - std::mem::size_of::<Pool>();
        let stats = self.stats.as_ref().map_or(0, |stats| stats.bytes());
        self.stored.memory_bytes().saturating_add(shell).saturating_add(stats)
    }

    /// Whether what the wake-up queue has certainly serves: the pool needs nothing before that.
    /// `changed`: the call has changed the pool.
    pub fn is_scheduled(&self, now_ms: i64, changed: bool) -> bool {
        let Some(known_ms) = self.scheduled_ms else {
            // No entry is right where the pool certainly needs nothing.
            return self.stored.pool().is_some_and(|pool| pool.quiet_until_ms() == i64::MAX);
        };
        if known_ms <= now_ms {
            return false;
        }
        // A pool that has not changed needs what it needed when it was scheduled.
        !changed || self.stored.pool().is_some_and(|pool| known_ms <= pool.quiet_until_ms())
    }

    /// Counts the answer of one call; whether the hot keys want to know now.
    pub fn count_answer(&mut self, counter: usize, refused: Option<&Refused>, now_ms: i64) -> bool {
        let stats = self.stats.get_or_insert_with(|| Box::new(PoolStats::new(now_ms)));
        stats.count(counter, now_ms);
        if let Some(refused) = refused {
            if let Some(limit) = refused.limit {
                stats.count_limit(limit);
            }
            if let Some(dimension) = &refused.lacked {
                stats.count_lacked(dimension);
            }
        }
        HotKeys::wants(stats)
    }

    /// Hands the counters over to the hot keys.
    pub fn hand_over(&mut self, hot_keys: &mut HotKeys, db: i32, name: &[u8], now_ms: i64) {
        let Some(stats) = self.stats.as_deref_mut() else { return };
        let pool = self.stored.pool();
        let size = Size {
            held: pool.map_or(0, Pool::reserved),
            orders: pool.map_or(0, Pool::remembered),
            memory_bytes: self.gauged.memory_bytes,
        };
        hot_keys.take(db, name, stats, now_ms, size);
    }

    fn set_gauged(&mut self, now: Gauged) {
        POOLS.change(self.gauged.pool.into(), now.pool.into());
        PARTIAL_POOLS.change(self.gauged.partial.into(), now.partial.into());
        OPEN_HOLDS.change(self.gauged.open_holds, now.open_holds);
        REMEMBERED_ORDERS.change(self.gauged.remembered, now.remembered);
        MEMORY_BYTES.change(self.gauged.memory_bytes, now.memory_bytes);
        HELD_UNITS.change(self.gauged.held, now.held);
        SOLD_OUT_POOLS.change(self.gauged.sold_out.into(), now.sold_out.into());
        SUSPENDED_POOLS.change(self.gauged.suspended.into(), now.suspended.into());
        SHORT_POOLS.change(self.gauged.short.into(), now.short.into());
        NEARLY_FULL_POOLS.change(self.gauged.nearly_full.into(), now.nearly_full.into());
        self.gauged = now;
    }
}

impl Drop for StoredValue {
    fn drop(&mut self) {
        self.set_gauged(Gauged::default());
    }
}

/// The server may free a value on another thread than the one that made it.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<StoredValue>();
};
