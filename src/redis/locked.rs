//! What belongs to whoever holds the server's lock.

use std::cell::RefCell;

/// A value of the process that is reached under the server's lock only.
///
/// The server runs commands, events and every other callback that comes here while its one lock is held: mostly on its main
/// thread, but also on a thread of another module that has taken the lock (`RM_ThreadSafeContextLock`) and calls our commands.
/// So the value is one for all threads, and no lock of our own is needed. (Values of keys may be freed on other threads
/// without it; `value` keeps to atomic gauges for that reason.)
pub struct Locked<T>(RefCell<T>);

// SAFETY: `with` is called under the server's lock, which orders the threads that take it, one after the other.
unsafe impl<T> Sync for Locked<T> {}

impl<T> Locked<T> {
    /// The value at the start.
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Works on the value. Must not call what may call back.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.borrow_mut())
    }
}
