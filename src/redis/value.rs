//! The value of a key: a complete or partial pool, its place in the wake-up queue, and its share of
//! the gauges.

use std::sync::atomic::{AtomicU64, Ordering};

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

impl Gauge {
    /// The sum.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces one share of the sum.
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
    share: Share,
}

/// What one value adds to the gauges.
#[derive(Clone, Copy, Default)]
struct Share {
    pools: u64,
    partial: u64,
    open_holds: u64,
    remembered: u64,
    memory_bytes: u64,
}

impl StoredValue {
    /// Makes a value, and adds it to the gauges.
    pub fn boxed(stored: StoredPool) -> Box<Self> {
        let mut value = Box::new(Self { stored, scheduled_ms: None, share: Share::default() });
        value.update_gauges(true);
        value
    }

    /// Brings the gauges up to date after a change. Measuring memory takes many sums: it is done
    /// for small pools, if `whole` says that the call changed more than one order, and after every
    /// 16th change.
    pub fn update_gauges(&mut self, whole: bool) {
        let Some(pool) = self.stored.pool() else {
            let memory_bytes = self.memory_bytes() as u64;
            return self.set_share(Share { partial: 1, memory_bytes, ..Share::default() });
        };
        let remembered = pool.remembered();
        let measure = whole || remembered < LARGE_POOL_ORDERS || pool.seq().is_multiple_of(16);
        self.set_share(Share {
            pools: 1,
            partial: 0,
            open_holds: pool.open_holds(),
            remembered,
            memory_bytes: if measure { self.memory_bytes() as u64 } else { self.share.memory_bytes },
        });
    }

    /// The memory of the value, in bytes, the box included.
    pub fn memory_bytes(&self) -> usize {
        let shell = std::mem::size_of::<Self>() - std::mem::size_of::<Pool>();
        self.stored.memory_bytes().saturating_add(shell)
    }

    fn set_share(&mut self, now: Share) {
        POOLS.change(self.share.pools, now.pools);
        PARTIAL_POOLS.change(self.share.partial, now.partial);
        OPEN_HOLDS.change(self.share.open_holds, now.open_holds);
        REMEMBERED_ORDERS.change(self.share.remembered, now.remembered);
        MEMORY_BYTES.change(self.share.memory_bytes, now.memory_bytes);
        self.share = now;
    }
}

impl Drop for StoredValue {
    fn drop(&mut self) {
        self.set_share(Share::default());
    }
}

/// The server may free a value on another thread than the one that made it.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<StoredValue>();
};
