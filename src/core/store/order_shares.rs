//! The shares of an order as its row holds them: the numbers of the usage entries in which it is
//! counted, each in as few bytes as it needs.

use crate::core::model::number::{Number, UsageRow};
use crate::core::store::slab::NONE;

/// The shares of one order.
#[derive(Clone, Copy, Debug)]
pub struct OrderShares<'p> {
    /// How many bytes each takes, less one: two bits a share.
    widths: &'p [u8],
    bytes: &'p [u8],
    /// All shares, where one of them has become too long for the row.
    overflow: Option<&'p [UsageRow]>,
    len: usize,
}

/// How many bytes a share takes: 1 to 4.
fn width(share: UsageRow) -> usize {
    (u32::BITS.saturating_sub((share.get() | 1).leading_zeros())).div_ceil(8) as usize
}

/// By how much the width of a share is shifted within its byte.
fn shift(nth: usize) -> u32 {
    (nth % 4).wrapping_mul(2) as u32
}

/// The most bytes that so many shares take in a row.
pub const fn most_bytes(shares: usize) -> usize {
    shares.div_ceil(4).saturating_add(shares.saturating_mul(size_of::<u32>()))
}

/// Most orders have no more shares than this.
pub const FEW: usize = 4;

/// Shares as a row holds them: their widths, then they. How many bytes they take.
#[inline(always)]
pub fn compose_shares(shares: &[UsageRow], bytes: &mut [u8]) -> usize {
    let mut end = shares.len().div_ceil(4);
    for (nth, &share) in shares.iter().enumerate() {
        let width = width(share);
        if let Some(byte) = bytes.get_mut(nth / 4) {
            *byte |= (width.wrapping_sub(1) as u8).wrapping_shl(shift(nth));
        }
        // Four bytes at once: what comes next overwrites those that are not used.
        if let Some(four) = bytes.get_mut(end..).and_then(|rest| rest.first_chunk_mut::<4>()) {
            *four = share.get().to_le_bytes();
        }
        end = end.wrapping_add(width);
    }
    end
}

impl<'p> OrderShares<'p> {
    /// Splits `len` shares off the bytes behind a row's head: the shares, and what follows them.
    pub fn split(rest: &'p [u8], len: usize, overflow: Option<&'p [UsageRow]>) -> Option<(Self, &'p [u8])> {
        let (widths, rest) = rest.split_at_checked(len.div_ceil(4))?;
        // Four shares at a time: each takes one byte more than its two bits say, and the bits of
        // those that are not there are 0.
        let taken = widths.iter().fold(len, |taken, &byte| {
            let pairs = (byte & 0b0011_0011).wrapping_add(byte >> 2 & 0b0011_0011);
            taken.wrapping_add(usize::from((pairs & 15).wrapping_add(pairs >> 4)))
        });
        let (bytes, rest) = rest.split_at_checked(taken)?;
        Some((Self { widths, bytes, overflow, len }, rest))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes the row has for the nth.
    #[must_use]
    pub fn width(&self, nth: usize) -> usize {
        let byte = self.widths.get(nth / 4).copied().unwrap_or(0);
        usize::from(byte.wrapping_shr(shift(nth)) & 3).saturating_add(1)
    }

    /// Where the bytes of the nth stand, counted from the end of the row's head. `None`: the row
    /// has no room for `share` there, or the shares have left the row.
    #[must_use]
    pub fn room_for(&self, nth: usize, share: UsageRow) -> Option<std::ops::Range<usize>> {
        let len = self.width(nth);
        if self.overflow.is_some() || width(share) > len {
            return None;
        }
        let ahead: usize = (0..nth).map(|nth| self.width(nth)).sum();
        let start = self.widths.len().saturating_add(ahead);
        Some(start..start.saturating_add(len))
    }

    /// Each, in order.
    pub fn iter(self) -> impl Iterator<Item = UsageRow> + 'p {
        let mut rest = self.bytes;
        (0..self.len).map(move |nth| {
            if let Some(shares) = self.overflow {
                return shares.get(nth).copied().unwrap_or_else(|| UsageRow::of(NONE));
            }
            let (bytes, more) = rest.split_at_checked(self.width(nth)).unwrap_or((rest, &[]));
            rest = more;
            UsageRow::of(bytes.iter().rev().fold(0, |share, &byte| share << 8 | u32::from(byte)))
        })
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(self, share: UsageRow) -> bool {
        self.iter().any(|other| other == share)
    }
}
