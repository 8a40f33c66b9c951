//! The rows of values that are counted again and again: a region, a store, a channel. The next
//! order that names one finds its entry without a hash and a search.
//!
//! Only a hint, and no part of the state: the entry in the row is compared at every use. A table of
//! one word a cell, since nothing is lost where two values displace each other.

use std::cell::Cell;

use crate::core::model::ids::short_word;
use crate::core::model::number::{LimitId, Number, UsageRow};

/// How many values have a cell.
const CELLS: usize = 512;
/// Longer values are mostly those of one buyer each.
const LONGEST: usize = 7;
/// No value.
const NOBODY: u64 = u64::MAX;

/// The rows of values that were counted lately.
#[derive(Clone, Debug, Default)]
pub struct Frequent {
    /// Upper half: bits of the value; lower half: its row. Empty before [`Frequent::begin`].
    cells: Box<[Cell<u64>]>,
}

/// The cell and the bits of a value: any mixing will do, since nothing depends on it.
#[inline(always)]
fn mixed(limit: LimitId, value: &[u8]) -> u64 {
    let word = short_word(value) ^ u64::from(limit.get()).rotate_right(8);
    word.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Frequent {
    /// Makes room.
    #[cold]
    pub fn begin(&mut self) {
        self.cells = vec![Cell::new(NOBODY); CELLS].into();
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
        let known = self.cells.get((mixed >> 55) as usize)?.get();
        (known >> 32 == mixed >> 23 & 0xffff_ffff).then_some(UsageRow::of(known as u32))
    }

    /// Notes the row of the entry of a value.
    #[inline(always)]
    pub fn note(&self, limit: LimitId, value: &[u8], row: UsageRow) {
        if value.len() > LONGEST {
            return;
        }
        let mixed = mixed(limit, value);
        if let Some(cell) = self.cells.get((mixed >> 55) as usize) {
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
        frequent.begin();
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
        frequent.begin();
        let regions = (0..31).map(|n| format!("r{n:02}"));
        let names: Vec<String> = regions.chain((0..100).map(|n| format!("s{n:03}"))).collect();
        for (row, name) in names.iter().enumerate() {
            note(&frequent, 1, name.as_bytes(), row as u32);
        }
        let kept = |(row, name): &(usize, &String)| recall(&frequent, 1, name.as_bytes()) == Some(*row as u32);
        assert!(names.iter().enumerate().filter(kept).count() > names.len() / 2);
    }
}
