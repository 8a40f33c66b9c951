//! The rows of values that are counted again and again: a region, a store, a channel. The next
//! order that names one finds its entry without a hash and a search.
//!
//! Only a hint, and no part of the state: the entry in the row is compared at every use. A table of
//! one word a cell, since nothing is lost where two values displace each other.

use std::cell::Cell;

use crate::core::model::ids::short_word;
use crate::core::model::number::{LimitId, Number, UsageRow};

/// How many values a pool counts before it has so many cells. Few, or none, where few are counted:
/// a cell takes eight bytes. Fewer in tests, whose pools are small.
const SIZES: [(usize, usize); 3] =
    [(if cfg!(debug_assertions) { 4 } else { 512 }, 512), (2_048, 2_048), (32_768, 8_192)];
/// Longer values are mostly those of one buyer each.
const LONGEST: usize = 7;
/// No value.
const NOBODY: u64 = u64::MAX;

/// The rows of values that were counted lately.
#[derive(Clone, Debug)]
pub struct Frequent {
    /// Upper half: bits of the value; lower half: its row. None before there are many values.
    cells: Box<[Cell<u64>]>,
    /// By how much a mixed value is shifted to give its cell.
    shift: u32,
    /// From so many values on there are more cells.
    grows_at: usize,
}

impl Default for Frequent {
    fn default() -> Self {
        let [(grows_at, _), ..] = SIZES;
        Self { cells: Box::default(), shift: 0, grows_at }
    }
}

/// The cell and the bits of a value: any mixing will do, since nothing depends on it.
#[inline(always)]
fn mixed(limit: LimitId, value: &[u8]) -> u64 {
    let word = short_word(value) ^ u64::from(limit.get()).rotate_right(8);
    word.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Frequent {
    /// Makes room, where there are many values now.
    #[inline(always)]
    pub fn fit(&mut self, values: usize) {
        if values >= self.grows_at {
            self.grow(values);
        }
    }

    #[cold]
    fn grow(&mut self, values: usize) {
        for (from, cells) in SIZES {
            if values < from {
                self.grows_at = from;
                return;
            }
            self.cells = vec![Cell::new(NOBODY); cells].into();
            self.shift = u64::BITS.wrapping_sub(cells.ilog2());
        }
        self.grows_at = usize::MAX;
    }

    /// Whether there is room.
    #[must_use]
    #[inline(always)]
    pub fn has_begun(&self) -> bool {
        !self.cells.is_empty()
    }

    /// The row in which the entry of a value was, if it was noted.
    #[must_use]
    #[inline(always)]
    pub fn recall(&self, limit: LimitId, value: &[u8]) -> Option<UsageRow> {
        if value.len() > LONGEST {
            return None;
        }
        let mixed = mixed(limit, value);
        let known = self.cells.get(self.cell(mixed))?.get();
        (known >> 32 == mixed >> 23 & 0xffff_ffff).then_some(UsageRow::of(known as u32))
    }

    #[inline(always)]
    fn cell(&self, mixed: u64) -> usize {
        mixed.wrapping_shr(self.shift) as usize
    }

    /// Notes the row of the entry of a value.
    #[inline(always)]
    pub fn note(&self, limit: LimitId, value: &[u8], row: UsageRow) {
        if value.len() > LONGEST {
            return;
        }
        let mixed = mixed(limit, value);
        if let Some(cell) = self.cells.get(self.cell(mixed)) {
            cell.set(mixed >> 23 << 32 | u64::from(row.get()));
        }
    }

    /// The bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn note(frequent: &Frequent, limit: u32, value: &[u8], row: u32) {
        frequent.note(LimitId::of(limit), value, UsageRow::of(row));
    }

    fn recall(frequent: &Frequent, limit: u32, value: &[u8]) -> Option<u32> {
        frequent.recall(LimitId::of(limit), value).map(Number::get)
    }

    #[test]
    fn values_are_recalled_and_long_ones_are_not() {
        let mut frequent = Frequent::default();
        note(&frequent, 1, b"r07", 5);
        assert_eq!((recall(&frequent, 1, b"r07"), frequent.bytes()), (None, 0), "there is no room yet");
        frequent.fit(600);
        assert_eq!(recall(&frequent, 1, b"r07"), None);
        note(&frequent, 1, b"r07", 5);
        note(&frequent, 1, b"", 6);
        note(&frequent, 1, b"12345678", 7);
        assert_eq!(recall(&frequent, 1, b"r07"), Some(5));
        assert_eq!((recall(&frequent, 2, b"r07"), recall(&frequent, 1, b"r08")), (None, None));
        assert_eq!((recall(&frequent, 1, b""), recall(&frequent, 1, b"12345678")), (Some(6), None));
        note(&frequent, 1, b"r07", 8);
        assert_eq!(recall(&frequent, 1, b"r07"), Some(8));
    }

    #[test]
    fn most_of_a_few_hundred_values_keep_their_cell() {
        let mut frequent = Frequent::default();
        let regions = (0..31).map(|n| format!("r{n:02}"));
        let names: Vec<String> = regions.chain((0..199).map(|n| format!("s{n:03}"))).collect();
        for (values, cells, least) in [(600, 512, 60), (2_048, 2_048, 85), (40_000, 8_192, 95)] {
            frequent.fit(values);
            assert_eq!(frequent.bytes(), cells * 8);
            for (row, name) in names.iter().enumerate() {
                note(&frequent, 1, name.as_bytes(), row as u32);
            }
            let kept = |(row, name): &(usize, &String)| recall(&frequent, 1, name.as_bytes()) == Some(*row as u32);
            assert!(names.iter().enumerate().filter(kept).count() * 100 > names.len() * least);
        }
    }
}
