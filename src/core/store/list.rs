//! Doubly linked lists threaded through the records of a table: O(1) at both ends and in the
//! middle, no allocation.

use std::marker::PhantomData;

use super::slab::NONE;
use crate::core::model::number::Number;

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

impl Links {
    /// As one number, to be kept in a field of a row.
    #[must_use]
    pub fn number(self) -> u64 {
        u64::from(self.next) << 32 | u64::from(self.prev)
    }

    /// From the number that [`Links::number`] makes.
    #[must_use]
    pub const fn of(both: u64) -> Self {
        Self { prev: both as u32, next: (both >> 32) as u32 }
    }
}

/// A table of records, each of which has a place in time and can be in one list at a time.
pub trait Linked {
    /// What its records are named by.
    type Row: Number;
    /// The neighbours of a record.
    fn links(&self, at: Self::Row) -> Links;
    /// To be called by lists only.
    fn change_links(&mut self, at: Self::Row, change: impl FnOnce(Links) -> Links);
    /// The place in time, Unix ms.
    fn time_ms(&self, at: Self::Row) -> i64;
}

/// A list of records of one table, in the order in which they were appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<R> {
    head: u32,
    tail: u32,
    len: u32,
    rows: PhantomData<R>,
}

impl<R> Default for List<R> {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, len: 0, rows: PhantomData }
    }
}

fn set_next<T: Linked>(table: &mut T, at: u32, next: u32) {
    table.change_links(T::Row::of(at), |links| Links { next, ..links });
}

fn set_prev<T: Linked>(table: &mut T, at: u32, prev: u32) {
    table.change_links(T::Row::of(at), |links| Links { prev, ..links });
}

impl<R: Number> List<R> {
    /// The first record.
    #[must_use]
    pub fn first(&self) -> Option<R> {
        (self.head != NONE).then(|| R::of(self.head))
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
    pub fn push(&mut self, table: &mut impl Linked<Row = R>, at: R) {
        let links = self.end();
        table.change_links(at, |_| links);
        self.push_composed(table, at);
    }

    /// The links of a record that is to be appended.
    #[must_use]
    pub const fn end(&self) -> Links {
        Links { prev: self.tail, next: NONE }
    }

    /// Appends a record that has the links of [`List::end`] already.
    pub fn push_composed(&mut self, table: &mut impl Linked<Row = R>, at: R) {
        if self.tail == NONE {
            self.head = at.get();
        } else {
            set_next(table, self.tail, at.get());
        }
        self.tail = at.get();
        self.len = self.len.saturating_add(1);
    }

    /// Takes a record out that is in this list.
    pub fn unlink(&mut self, table: &mut impl Linked<Row = R>, at: R) {
        let Links { prev, next } = table.links(at);
        if prev == NONE {
            self.head = next;
        } else {
            set_next(table, prev, next);
        }
        if next == NONE {
            self.tail = prev;
        } else {
            set_prev(table, next, prev);
        }
        self.len = self.len.saturating_sub(1);
    }

    /// Puts all records of another list behind this one's, in constant time.
    pub fn append(&mut self, table: &mut impl Linked<Row = R>, other: Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = other;
            return;
        }
        set_next(table, self.tail, other.head);
        set_prev(table, other.head, self.tail);
        self.tail = other.tail;
        self.len = self.len.saturating_add(other.len);
    }

    /// The records from first to last.
    pub fn iter<'a, T: Linked<Row = R>>(&self, table: &'a T) -> impl Iterator<Item = R> + use<'a, R, T> {
        let (mut at, last) = (self.head, self.tail);
        std::iter::from_fn(move || {
            let here = (at != NONE).then_some(at)?;
            at = if here == last { NONE } else { table.links(R::of(here)).next };
            Some(R::of(here))
        })
    }
}
