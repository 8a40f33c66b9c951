//! What a key holds: a pool, or a partial one that is being loaded in pieces.
//!
//! A partial pool is part of the data set like any other: it is saved, copied and replicated, so
//! that a copy taken between two pieces can continue with the next one.

use crate::core::codec::{self, Loader};
use crate::core::model::pool::Pool;

/// What a key holds.
#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "nearly all are pools, which should be near")]
pub enum StoredPool {
    /// A pool.
    Complete(Pool),
    /// The pieces of one so far. It holds, sells and publishes nothing until it is whole.
    Partial(Box<Loader>),
}

impl StoredPool {
    /// The pool, where it is whole.
    #[must_use]
    pub const fn pool(&self) -> Option<&Pool> {
        match self {
            Self::Complete(pool) => Some(pool),
            Self::Partial(_) => None,
        }
    }

    /// The pool, where it is whole.
    pub fn pool_mut(&mut self) -> Option<&mut Pool> {
        match self {
            Self::Complete(pool) => Some(pool),
            Self::Partial(_) => None,
        }
    }

    /// Whether a panic has left the pool half changed: [`Pool::is_broken`].
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.pool().is_some_and(Pool::is_broken)
    }

    /// Takes the pool out of service: [`Pool::mark_broken`].
    pub fn mark_broken(&mut self) {
        if let Some(pool) = self.pool_mut() {
            pool.mark_broken();
        }
    }

    /// Hands it over in chunks, as [`codec::save`]. A partial pool may have its end record already
    /// while STOCK.LOAD END is still to come: the caller must save which of the two it is.
    ///
    /// # Panics
    /// The pool is broken. Half a change must not get into a file: a forked child ends with an
    /// error, and the last good file stays.
    pub fn save(&self, sink: &mut dyn FnMut(&[u8])) {
        assert!(!self.is_broken(), "a pool that an internal error left half changed is not saved");
        match self {
            Self::Complete(pool) => codec::save(pool, sink),
            Self::Partial(loader) => codec::save_partial(loader, sink),
        }
    }

    /// A copy for another key, as [`Pool::copy`].
    #[must_use]
    pub fn copy(&self) -> Self {
        match self {
            Self::Complete(pool) => Self::Complete(pool.copy()),
            Self::Partial(loader) => Self::Partial(Box::new(loader.copy())),
        }
    }

    /// How much memory it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Complete(pool) => pool.memory_bytes(),
            Self::Partial(loader) => size_of::<Pool>().saturating_add(loader.memory_bytes()),
        }
    }

    /// What freeing it costs, in allocations of size.
    #[must_use]
    pub fn free_effort(&self) -> usize {
        match self {
            Self::Complete(pool) => pool.free_effort(),
            Self::Partial(loader) => loader.free_effort(),
        }
    }

    /// When the background has something to do here, as [`Pool::next_wake_ms`].
    #[must_use]
    pub fn next_wake_ms(&self) -> Option<i64> {
        self.pool().filter(|pool| !pool.is_broken()).and_then(Pool::next_wake_ms)
    }
}
