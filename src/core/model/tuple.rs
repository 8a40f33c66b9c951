//! The values of a limit's dimensions as one string of bytes.

use arrayvec::ArrayVec;

use crate::core::model::ids::MAX_ID;

/// The most dimensions that one limit combines.
pub const MAX_DIMENSIONS: usize = 4;
/// The longest tuple of values, in bytes.
pub const MAX_TUPLE: usize = MAX_DIMENSIONS * (MAX_ID + 1);

/// Values of a limit's dimensions, in their order, as one string of bytes: each value behind its
/// length, the last bare. An empty value stands for any (overrides only).
pub type TupleBuf = ArrayVec<u8, MAX_TUPLE>;

/// Writes one value of a tuple; the length goes first unless it is the last.
pub fn push_value(buf: &mut TupleBuf, value: &[u8], last: bool) {
    if !last {
        buf.push(value.len() as u8);
    }
    // Values are at most 128 bytes and at most four: it always fits.
    let _ = buf.try_extend_from_slice(value);
}

/// The values of a tuple of so many dimensions.
pub fn values(tuple: &[u8], dims: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = tuple;
    (0..dims).map(move |at| {
        if at.saturating_add(1) == dims {
            return rest;
        }
        let Some((&len, tail)) = rest.split_first() else { return rest };
        let (value, tail) = tail.split_at_checked(usize::from(len)).unwrap_or((tail, &[]));
        rest = tail;
        value
    })
}
