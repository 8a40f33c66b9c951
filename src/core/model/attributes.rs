//! The attributes of a buyer or a sale that one call carries.

use std::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;

use crate::core::model::ids::{short_word, MAX_NAME};

/// The most attributes that one call may carry.
pub const MAX_ATTRIBUTES: usize = 16;

/// A dimension's name with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair<'a> {
    name: &'a [u8],
    value: &'a [u8],
    /// [`name_word`] of the name.
    word: u64,
}

/// A name of fewer than eight bytes as a number; of a longer one nothing.
#[inline(always)]
fn name_word(name: &[u8]) -> u64 {
    if name.len() < 8 {
        short_word(name)
    } else {
        0
    }
}

/// Dimension names with their values, sorted by name, each name once. Borrowed from the call.
#[derive(Clone, Debug, Default)]
pub struct Attributes<'a> {
    pairs: ArrayVec<Pair<'a>, MAX_ATTRIBUTES>,
    shape: Shape,
}

impl PartialEq for Attributes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.pairs == other.pairs
    }
}

/// A number for one list of names: two sets of attributes with the same shape, other than none,
/// have the same names. So what was found out about the names of one call holds for the next. Not
/// part of any state: it only spares work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape(u64);

/// The last shape that was given out in this process.
static LAST_SHAPE: AtomicU64 = AtomicU64::new(0);

impl Shape {
    /// Nothing is known of the names.
    pub const NONE: Self = Self(0);

    /// One that no other list of names has.
    #[cold]
    fn fresh() -> Self {
        Self(LAST_SHAPE.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }
}

/// The name of a dimension, to be compared with the names of the next call.
#[derive(Clone, Copy, Debug)]
struct KnownName {
    /// Where it stood, counted from 0.
    position: u8,
    len: u8,
    bytes: [u8; MAX_NAME],
}

impl KnownName {
    /// `name` has at most [`MAX_NAME`] bytes.
    fn new(name: &[u8], position: u8) -> Self {
        let mut bytes = [0; MAX_NAME];
        if let Some(start) = bytes.get_mut(..name.len()) {
            start.copy_from_slice(name);
        }
        Self { position, len: name.len() as u8, bytes }
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// The word of this name ([`name_word`]), if it is the same. Most are short: one compare in
    /// place of a call.
    #[inline(always)]
    fn word_of(&self, name: &[u8]) -> Option<u64> {
        if usize::from(self.len) != name.len() {
            return None;
        }
        let word = name_word(name);
        match (name.len() < 8, self.bytes.first_chunk::<8>()) {
            (true, Some(&known)) => word == u64::from_le_bytes(known),
            _ => self.as_slice() == name,
        }
        .then_some(word)
    }
}

/// The names of a call, in their own order: mostly the next call has the same, at the same
/// positions.
#[derive(Clone, Debug, Default)]
pub struct RecentNames {
    names: ArrayVec<KnownName, MAX_ATTRIBUTES>,
    shape: Shape,
}

impl RecentNames {
    /// Remembers these names, which [`Attributes::add`] has taken: every second word.
    pub fn remember(&mut self, pairs: &[&[u8]]) {
        self.names.clear();
        for (at, name) in pairs.iter().step_by(2).take(MAX_ATTRIBUTES).enumerate() {
            self.names.push(KnownName::new(name, at as u8));
        }
        self.names.sort_unstable_by(|one, other| one.as_slice().cmp(other.as_slice()));
        self.shape = Shape::fresh();
    }
}

/// The names that many orders of one call have in common, by name, each with where its value stands
/// among those of an order.
#[derive(Clone, Debug, Default)]
pub struct CommonNames<'a> {
    sorted: ArrayVec<(&'a [u8], u8, u64), MAX_ATTRIBUTES>,
    shape: Shape,
}

impl<'a> CommonNames<'a> {
    /// Adds one, whose value stands behind those of the names before it; the name has been checked
    /// (`ids`).
    ///
    /// # Errors
    /// [`Rejected::TooMany`], [`Rejected::Twice`].
    pub fn add(&mut self, name: &'a [u8]) -> Result<(), Rejected> {
        self.shape = Shape::fresh();
        let position = self.sorted.len() as u8;
        match self.sorted.binary_search_by_key(&name, |&(known, ..)| known) {
            Ok(_) => Err(Rejected::Twice),
            Err(at) => self.sorted.try_insert(at, (name, position, name_word(name))).map_err(|_| Rejected::TooMany),
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
pub static NONE: Attributes<'static> = Attributes { pairs: ArrayVec::new_const(), shape: Shape::NONE };

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
    /// [`Rejected::TooMany`], [`Rejected::Twice`].
    pub fn add(&mut self, name: &'a [u8], value: &'a [u8]) -> Result<(), Rejected> {
        self.shape = Shape::NONE;
        // From the end: callers mostly name them in order, and there are few.
        let ahead = self.pairs.iter().rposition(|pair| pair.name <= name);
        if ahead.and_then(|at| self.pairs.get(at)).is_some_and(|pair| pair.name == name) {
            return Err(Rejected::Twice);
        }
        let at = ahead.map_or(0, |at| at.saturating_add(1));
        self.pairs.try_insert(at, Pair { name, value, word: name_word(name) }).map_err(|_| Rejected::TooMany)
    }

    /// Takes the attributes of a call whose names are those of the call before. `pairs`: names and
    /// values in turn; `recent`: the names that they must have. Returns whether `is_value` accepts
    /// all values; `None`: the names differ, and nothing was taken.
    #[inline(always)]
    pub fn take_like(
        &mut self,
        recent: &RecentNames,
        pairs: &[&'a [u8]],
        is_value: impl Fn(&[u8]) -> bool,
    ) -> Option<bool> {
        self.pairs.clear();
        if recent.names.is_empty() || recent.names.len().wrapping_mul(2) != pairs.len() {
            return None;
        }
        let mut all = true;
        for known in &recent.names {
            let pair = usize::from(known.position).wrapping_mul(2);
            let &[name, value] = pairs.get(pair..pair.wrapping_add(2))? else { return None };
            let Some(word) = known.word_of(name) else {
                self.pairs.clear();
                return None;
            };
            all &= is_value(value);
            // There are as many as were taken before.
            let _ = self.pairs.try_push(Pair { name, value, word });
        }
        self.shape = recent.shape;
        Some(all)
    }

    /// Replaces all by these names with their values, of which there are as many; the values have
    /// been checked (`ids`).
    pub fn set(&mut self, names: &CommonNames<'a>, values: &[&'a [u8]]) {
        self.pairs.clear();
        self.shape = names.shape;
        for &(name, position, word) in &names.sorted {
            if let Some(value) = values.get(usize::from(position)) {
                // There are at most 16 names.
                let _ = self.pairs.try_push(Pair { name, value, word });
            }
        }
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.shape = Shape::NONE;
    }

    /// The value of a dimension.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.pairs.iter().find(|pair| pair.name == name).map(|pair| pair.value)
    }

    /// What is known of the names.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Where a dimension stands, counted from 0 in order of their names; `hint`: where it probably
    /// does.
    #[must_use]
    pub fn position(&self, name: &[u8], hint: u8) -> Option<u8> {
        if self.pairs.get(usize::from(hint)).is_some_and(|pair| pair.name == name) {
            return Some(hint);
        }
        self.pairs.iter().position(|pair| pair.name == name).map(|at| at as u8)
    }

    /// The value that stands there; nothing behind the last.
    #[must_use]
    pub fn value(&self, nth: u8) -> &'a [u8] {
        self.pairs.get(usize::from(nth)).map_or(&[], |pair| pair.value)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + '_ {
        self.pairs.iter().map(|pair| (pair.name, pair.value))
    }

    /// As [`Attributes::iter`], with each name of fewer than eight bytes as a number before it.
    #[inline(always)]
    pub fn iter_with_words(&self) -> impl Iterator<Item = (u64, &'a [u8], &'a [u8])> + '_ {
        self.pairs.iter().map(|pair| (pair.word, pair.name, pair.value))
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
        assert_eq!(fast.take_like(&recent, &words, |value| value.len() == 1), Some(true));
        assert_eq!(fast, slow);
        assert_eq!(fast.take_like(&recent, &words, |value| value == b"3"), Some(false));
        // Fewer, more, another name, another order: none is taken.
        let nothing = RecentNames::default();
        assert_eq!(Attributes::default().take_like(&nothing, &[], |_| true), None, "no name is no shape");
        let others: [&[&[u8]]; 5] = [
            &[],
            &words[..4],
            &[b"user", b"1", b"region", b"2", b"store", b"3", b"x", b"4"],
            &[b"user", b"1", b"region", b"2", b"stor", b"3"],
            &[b"region", b"2", b"user", b"1", b"store", b"3"],
        ];
        for words in others {
            let mut none = Attributes::default();
            assert_eq!(none.take_like(&recent, words, |_| true), None);
            assert_eq!(none, NONE);
        }
    }
}
