//! The attributes of a buyer or a sale that one call carries.

use std::cell::Cell;

use arrayvec::ArrayVec;

/// The most attributes that one call may carry.
pub const MAX_ATTRIBUTES: usize = 16;

/// Dimension names with their values, sorted by name, each name once. Borrowed from the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    pairs: ArrayVec<(&'a [u8], &'a [u8]), MAX_ATTRIBUTES>,
}

/// Those of a call that carries none.
pub static NONE: Attributes<'static> = Attributes { pairs: ArrayVec::new_const() };

/// Why an attribute was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// There are 16 already.
    TooMany,
    /// The dimension was named before.
    Twice,
}

impl<'a> Attributes<'a> {
    /// Adds one; name and value have been checked (`ids`).
    ///
    /// # Errors
    /// More than 16, or the same dimension twice.
    pub fn add(&mut self, name: &'a [u8], value: &'a [u8]) -> Result<(), Rejected> {
        // From the end: callers mostly name them in order, and there are few.
        let ahead = self.pairs.iter().rposition(|&(n, _)| n <= name);
        if ahead.and_then(|at| self.pairs.get(at)).is_some_and(|&(n, _)| n == name) {
            return Err(Rejected::Twice);
        }
        let at = ahead.map_or(0, |at| at.saturating_add(1));
        self.pairs.try_insert(at, (name, value)).map_err(|_| Rejected::TooMany)
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// The value of a dimension.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.pairs.iter().find(|(n, _)| *n == name).map(|&(_, value)| value)
    }

    /// Where a dimension stands, counted from 0 in order of their names. `hint`, where it probably
    /// stands, becomes where it stands.
    pub fn position(&self, name: &[u8], hint: &Cell<u8>) -> Option<u8> {
        let near = hint.get();
        if self.pairs.get(usize::from(near)).is_some_and(|&(n, _)| n == name) {
            return Some(near);
        }
        let at = self.pairs.iter().position(|(n, _)| *n == name)? as u8;
        hint.set(at);
        Some(at)
    }

    /// The value that stands there; nothing behind the last.
    #[must_use]
    pub fn value(&self, nth: u8) -> &'a [u8] {
        self.pairs.get(usize::from(nth)).map_or(&[], |&(_, value)| value)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + '_ {
        self.pairs.iter().copied()
    }
}
