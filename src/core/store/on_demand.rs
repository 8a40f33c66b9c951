//! A table that takes memory only from when somebody looks into it: nearly all pools of a shop
//! hold no order, and most have no limits.

use std::cell::OnceCell;
use std::ops::{Deref, DerefMut};

/// Not there before its first use. Whoever reads it makes it, but for [`OnDemand::get`]. What may
/// come before the first use asks by that: each check, each refusal, each walk through all pools.
/// What holds a row of the table need not.
#[derive(Clone, Debug)]
pub struct OnDemand<T>(OnceCell<Box<T>>);

impl<T> OnDemand<T> {
    /// What is there. `None`: nothing was ever in it.
    #[inline(always)]
    pub fn get(&self) -> Option<&T> {
        self.0.get().map(|table| &**table)
    }

    /// The bytes taken, the table itself included. `beyond`: what it takes beyond itself.
    pub fn bytes(&self, beyond: impl FnOnce(&T) -> usize) -> usize {
        self.get().map_or(0, |table| size_of::<T>().saturating_add(beyond(table)))
    }
}

impl<T> Default for OnDemand<T> {
    fn default() -> Self {
        Self(OnceCell::new())
    }
}

impl<T: Default> OnDemand<T> {
    /// Makes it. Out of the way of those that find it there.
    #[cold]
    fn make(&self) -> &T {
        self.0.get_or_init(Box::default)
    }
}

impl<T: Default> Deref for OnDemand<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        self.get().unwrap_or_else(|| self.make())
    }
}

impl<T: Default> DerefMut for OnDemand<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        if self.get().is_none() {
            self.make();
        }
        match self.0.get_mut() {
            Some(table) => table,
            None => unreachable!("it was made above"),
        }
    }
}
