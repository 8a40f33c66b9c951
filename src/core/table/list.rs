//! Doubly linked lists threaded through the records of a slab: O(1) at both ends and in the middle, no allocation.

use super::slab::{Slab, NONE};

/// The neighbours of a record in the list that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    prev: u32,
    next: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self { prev: NONE, next: NONE }
    }
}

/// A record that can be in one list at a time.
pub trait Linked {
    /// Its neighbours.
    fn links(&self) -> Links;
    /// Its neighbours, to be changed by the list only.
    fn links_mut(&mut self) -> &mut Links;
}

/// A list of records of one slab, in the order in which they were appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    head: u32,
    tail: u32,
    len: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, len: 0 }
    }
}

impl List {
    /// The first record.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// How many records it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a record that is in no list.
    pub fn push<T: Linked>(&mut self, slab: &mut Slab<T>, at: u32) {
        *slab.at_mut(at).links_mut() = Links { prev: self.tail, next: NONE };
        if self.tail == NONE {
            self.head = at;
        } else {
            slab.at_mut(self.tail).links_mut().next = at;
        }
        self.tail = at;
        self.len = self.len.saturating_add(1);
    }

    /// Takes a record out that is in this list.
    pub fn unlink<T: Linked>(&mut self, slab: &mut Slab<T>, at: u32) {
        let Links { prev, next } = slab.at(at).links();
        if prev == NONE {
            self.head = next;
        } else {
            slab.at_mut(prev).links_mut().next = next;
        }
        if next == NONE {
            self.tail = prev;
        } else {
            slab.at_mut(next).links_mut().prev = prev;
        }
        *slab.at_mut(at).links_mut() = Links::default();
        self.len = self.len.saturating_sub(1);
    }

    /// Puts all records of another list behind this one's, in constant time.
    pub fn append<T: Linked>(&mut self, slab: &mut Slab<T>, other: List) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = other;
            return;
        }
        slab.at_mut(self.tail).links_mut().next = other.head;
        slab.at_mut(other.head).links_mut().prev = self.tail;
        self.tail = other.tail;
        self.len = self.len.saturating_add(other.len);
    }

    /// The records from first to last.
    pub fn iter<'a, T: Linked>(&self, slab: &'a Slab<T>) -> impl Iterator<Item = u32> + 'a {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let here = at;
            at = slab.get(here)?.links().next;
            Some(here)
        })
    }
}
