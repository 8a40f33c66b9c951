//! The limits of a pool, in the order of its policy. A limit is reached by its index here or by its
//! id: an index lasts until a limit is removed, an id for the life of the pool.

use std::ops::{Deref, DerefMut};

use crate::core::model::limit::Limit;
use crate::core::model::number::{LimitId, LimitIndex};

/// The table of limits, at most [`crate::core::model::limit::MAX_LIMITS`] of them.
#[derive(Clone, Debug, Default)]
pub struct Limits(Vec<Limit>);

impl Limits {
    /// The limit with this index.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, index: LimitIndex) -> Option<&Limit> {
        self.0.get(usize::from(index))
    }

    /// The limit with this index, to be changed.
    #[inline(always)]
    pub fn get_mut(&mut self, index: LimitIndex) -> Option<&mut Limit> {
        self.0.get_mut(usize::from(index))
    }

    /// All of them, each with its index.
    #[inline(always)]
    pub fn indexed(&self) -> impl Iterator<Item = (LimitIndex, &Limit)> {
        self.0.iter().enumerate().map(|(at, limit)| (LimitIndex::new(at), limit))
    }

    /// The limit with this id, and its index.
    #[must_use]
    pub fn find(&self, id: LimitId) -> Option<(LimitIndex, &Limit)> {
        self.indexed().find(|(_, limit)| limit.id == id)
    }

    /// The bytes of the table, without what the limits own beyond it.
    pub(in crate::core) fn table_bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Limit>())
    }

    /// Gives room back that no limit takes.
    pub(in crate::core) fn fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Adds a limit as the last one.
    pub(in crate::core) fn push(&mut self, limit: Limit) {
        self.0.push(limit);
    }

    /// Removes the limit with this id. Those behind it move up.
    pub(in crate::core) fn remove(&mut self, id: LimitId) -> Option<Limit> {
        self.0.iter().position(|limit| limit.id == id).map(|at| self.0.remove(at))
    }

    /// All of them. The table is empty then, with room for so many and no more: a policy is set
    /// once.
    pub(in crate::core) fn take(&mut self, room: usize) -> Vec<Limit> {
        std::mem::replace(&mut self.0, Vec::with_capacity(room))
    }
}

impl Deref for Limits {
    type Target = [Limit];

    fn deref(&self) -> &[Limit] {
        &self.0
    }
}

impl DerefMut for Limits {
    fn deref_mut(&mut self) -> &mut [Limit] {
        &mut self.0
    }
}

impl<'l> IntoIterator for &'l Limits {
    type Item = &'l Limit;
    type IntoIter = std::slice::Iter<'l, Limit>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
