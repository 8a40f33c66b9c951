//! The attributes of a buyer or a sale that one call carries.

use std::cell::Cell;

use smallvec::SmallVec;

/// The most attributes that one call may carry.
pub const MAX_ATTRIBUTES: usize = 16;

/// Dimension names with their values, sorted by name, each name once. Borrowed from the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    pairs: SmallVec<[(&'a [u8], &'a [u8]); 6]>,
}

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
        match self.pairs.binary_search_by(|(n, _)| (*n).cmp(name)) {
            Ok(_) => Err(Rejected::Twice),
            Err(_) if self.pairs.len() >= MAX_ATTRIBUTES => Err(Rejected::TooMany),
            Err(at) => {
                self.pairs.insert(at, (name, value));
                Ok(())
            }
        }
    }

    /// The value of a dimension.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.pairs.iter().find(|(n, _)| *n == name).map(|&(_, value)| value)
    }

    /// As [`Attributes::get`]. `hint`, where the name probably stands, becomes where it stands.
    pub fn get_near(&self, name: &[u8], hint: &Cell<u8>) -> Option<&'a [u8]> {
        if let Some(&(n, value)) = self.pairs.get(usize::from(hint.get())) {
            if n == name {
                return Some(value);
            }
        }
        let at = self.pairs.iter().position(|(n, _)| *n == name)?;
        hint.set(at as u8);
        self.pairs.get(at).map(|&(_, value)| value)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + '_ {
        self.pairs.iter().copied()
    }
}
