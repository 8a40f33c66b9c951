//! What a key of our type holds: a pool, or what has arrived of one, and what the shell notes beside it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::model::pool::Pool;
use crate::core::stored_pool::StoredPool;

/// A sum over all values of the process, also those on their way in or out.
///
/// Values are freed on whichever thread the server likes (UNLINK, FLUSHALL ASYNC), so the gauges are atomic;
/// nothing is ordered by them.
pub struct Gauge(AtomicU64);

/// How many pools.
pub static POOLS: Gauge = Gauge(AtomicU64::new(0));
/// How many pools are still arriving.
pub static PARTIAL_POOLS: Gauge = Gauge(AtomicU64::new(0));
/// How many open holds.
pub static OPEN_HOLDS: Gauge = Gauge(AtomicU64::new(0));
/// How many orders are remembered.
pub static REMEMBERED_ORDERS: Gauge = Gauge(AtomicU64::new(0));
/// How much memory they take.
pub static MEMORY_BYTES: Gauge = Gauge(AtomicU64::new(0));

impl Gauge {
    /// The sum.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces one part of the sum.
    fn change(&self, before: u64, after: u64) {
        if before != after {
            self.0.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        }
    }
}

/// So many orders make a pool large.
const LARGE_POOL_ORDERS: u64 = 256;

/// The value of a key.
pub struct StoredValue {
    /// The pool, or what has arrived of one.
    pub contents: StoredPool,
    /// Under which time the wake-up queue knows this key. A hint of this process: not saved, not copied, not
    /// compared.
    pub scheduled_ms: Option<i64>,
    share: Share,
}

/// What this value has put into the gauges.
#[derive(Clone, Copy, Default)]
struct Share {
    pools: u64,
    arriving: u64,
    open_holds: u64,
    remembered: u64,
    memory_bytes: u64,
}

impl StoredValue {
    /// A value, as the server keeps it.
    pub fn boxed(contents: StoredPool) -> Box<Self> {
        let mut value = Box::new(Self { contents, scheduled_ms: None, share: Share::default() });
        value.update_gauges(true);
        value
    }

    /// Brings the gauges up to date after a change: memory, which is many sums, always where `whole` says so or the pool is
    /// small, else after each sixteenth change.
    pub fn update_gauges(&mut self, whole: bool) {
        let Some(pool) = self.contents.pool() else {
            let memory_bytes = self.memory_bytes() as u64;
            return self.set_share(Share { arriving: 1, memory_bytes, ..Share::default() });
        };
        let remembered = pool.remembered();
        let weigh = whole || remembered < LARGE_POOL_ORDERS || pool.seq().is_multiple_of(16);
        self.set_share(Share {
            pools: 1,
            arriving: 0,
            open_holds: pool.open_holds(),
            remembered,
            memory_bytes: if weigh { self.memory_bytes() as u64 } else { self.share.memory_bytes },
        });
    }

    /// What it takes, the box included.
    pub fn memory_bytes(&self) -> usize {
        let beside = std::mem::size_of::<Self>() - std::mem::size_of::<Pool>();
        self.contents.memory_bytes().saturating_add(beside)
    }

    fn set_share(&mut self, now: Share) {
        POOLS.change(self.share.pools, now.pools);
        PARTIAL_POOLS.change(self.share.arriving, now.arriving);
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

/// Values may be freed on another thread than the one that made them.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<StoredValue>();
};
