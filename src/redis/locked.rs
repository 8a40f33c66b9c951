//! Values that the server's lock protects.

use std::cell::RefCell;

/// A value of the process that is used under the server's lock only.
///
/// The server holds its one lock while it runs commands, events and all other callbacks that come
/// here: mostly on its main thread, but also on a thread of another module that has taken the lock
/// (`RM_ThreadSafeContextLock`) and calls commands of this module. So one value serves all threads,
/// and needs no lock of its own. (Values of keys may be freed on other threads without the lock:
/// `value` touches atomic gauges only.)
pub struct Locked<T>(RefCell<T>);

// SAFETY: `with` is called under the server's lock, which one thread holds at a time.
unsafe impl<T> Sync for Locked<T> {}

impl<T> Locked<T> {
    /// With this initial value.
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Works on the value. `work` must not call anything that may come back here.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.borrow_mut())
    }
}
