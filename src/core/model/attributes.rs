//! The attributes of a buyer or a sale that one call carries.

use std::cell::Cell;

use arrayvec::ArrayVec;

use crate::core::model::ids::Bytes;

/// The most attributes that one call may carry.
pub const MAX_ATTRIBUTES: usize = 16;

/// Dimension names with their values, sorted by name, each name once. Borrowed from the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    pairs: ArrayVec<(&'a [u8], &'a [u8]), MAX_ATTRIBUTES>,
}

/// The names of a call, in the order given: mostly the next call has the same.
#[derive(Clone, Debug, Default)]
pub struct RecentNames {
    names: ArrayVec<Bytes, MAX_ATTRIBUTES>,
    /// The same by name: indexes into `names`.
    sorted: ArrayVec<u8, MAX_ATTRIBUTES>,
}

impl RecentNames {
    /// Remembers these names, which [`Attributes::add`] has taken: every second word.
    pub fn remember(&mut self, pairs: &[&[u8]]) {
        self.names.clear();
        self.sorted.clear();
        for (at, name) in pairs.iter().step_by(2).take(MAX_ATTRIBUTES).enumerate() {
            self.names.push(Bytes::new(name));
            self.sorted.push(at as u8);
        }
        let names = &self.names;
        self.sorted.sort_unstable_by_key(|&at| names.get(usize::from(at)).map(Bytes::as_slice));
    }
}

/// The names that many orders of one call have in common, by name, each with where its value stands
/// among those of an order.
#[derive(Clone, Debug, Default)]
pub struct CommonNames<'a> {
    sorted: ArrayVec<(&'a [u8], u8), MAX_ATTRIBUTES>,
}

impl<'a> CommonNames<'a> {
    /// Adds one, whose value stands behind those of the names before it; the name has been checked
    /// (`ids`).
    ///
    /// # Errors
    /// More than 16, or the same dimension twice.
    pub fn add(&mut self, name: &'a [u8]) -> Result<(), Rejected> {
        let place = self.sorted.len() as u8;
        match self.sorted.binary_search_by_key(&name, |&(known, _)| known) {
            Ok(_) => Err(Rejected::Twice),
            Err(at) => self.sorted.try_insert(at, (name, place)).map_err(|_| Rejected::TooMany),
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
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

    /// Takes the values of names that were taken before: `pairs` are names and values in turn, and
    /// `recent` says which names they have to be. False, and nothing is taken, where they are not.
    pub fn take_like(&mut self, recent: &RecentNames, pairs: &[&'a [u8]]) -> bool {
        let names = pairs.iter().step_by(2);
        let same = !pairs.is_empty()
            && recent.names.len().saturating_mul(2) == pairs.len()
            && recent.names.iter().zip(names).all(|(recent, name)| recent.as_slice() == *name);
        if same {
            for &at in &recent.sorted {
                let pair = usize::from(at).wrapping_mul(2);
                if let Some(&[name, value]) = pairs.get(pair..pair.wrapping_add(2)) {
                    // There are as many as were taken before.
                    let _ = self.pairs.try_push((name, value));
                }
            }
        }
        same
    }

    /// Replaces all by these names with their values, of which there are as many; the values have
    /// been checked (`ids`).
    pub fn set(&mut self, names: &CommonNames<'a>, values: &[&'a [u8]]) {
        self.pairs.clear();
        for &(name, place) in &names.sorted {
            if let Some(value) = values.get(usize::from(place)) {
                // There are at most 16 names.
                let _ = self.pairs.try_push((name, value));
            }
        }
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

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn orders_with_common_names_have_what_each_would_have_alone() {
        let mut names = CommonNames::default();
        for name in [&b"user"[..], b"region", b"store"] {
            assert_eq!(names.add(name), Ok(()));
        }
        assert_eq!(names.add(b"region"), Err(Rejected::Twice));
        let mut common = Attributes::default();
        for values in [[&b"1"[..], b"2", b"3"], [b"4", b"5", b"6"]] {
            common.set(&names, &values);
            let mut alone = Attributes::default();
            for (name, value) in [&b"user"[..], b"region", b"store"].into_iter().zip(values) {
                assert_eq!(alone.add(name, value), Ok(()));
            }
            assert_eq!(common, alone);
        }
        common.set(&CommonNames::default(), &[]);
        assert_eq!(common, NONE);
        let letters = *b"abcdefghijklmnopq";
        let mut many = CommonNames::default();
        let added: Vec<_> = letters.chunks(1).map(|name| many.add(name)).collect();
        assert_eq!((many.len(), added[15], added[16]), (16, Ok(()), Err(Rejected::TooMany)));
    }

    #[test]
    fn names_that_were_taken_before_are_taken_again_and_no_others() {
        let words: [&[u8]; 6] = [b"user", b"1", b"region", b"2", b"store", b"3"];
        let mut slow = Attributes::default();
        for pair in words.chunks_exact(2) {
            assert_eq!(slow.add(pair[0], pair[1]), Ok(()));
        }
        let mut recent = RecentNames::default();
        recent.remember(&words);
        let mut fast = Attributes::default();
        assert!(fast.take_like(&recent, &words));
        assert_eq!(fast, slow);
        // Fewer, more, another name, another order: none is taken.
        assert!(!Attributes::default().take_like(&RecentNames::default(), &[]), "no name is no shape");
        let others: [&[&[u8]]; 5] = [
            &[],
            &words[..4],
            &[b"user", b"1", b"region", b"2", b"store", b"3", b"x", b"4"],
            &[b"user", b"1", b"region", b"2", b"stor", b"3"],
            &[b"region", b"2", b"user", b"1", b"store", b"3"],
        ];
        for words in others {
            let mut none = Attributes::default();
            assert!(!none.take_like(&recent, words));
            assert_eq!(none, NONE);
        }
    }
}
