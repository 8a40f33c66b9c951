//! Identifiers that callers choose: bytes of bounded length, stored without an allocation where
//! they are short.

use std::fmt;

/// The longest order id, dimension value or token, in bytes.
pub const MAX_ID: usize = 128;
/// The longest dimension name, in bytes.
pub const MAX_NAME: usize = 32;
/// The longest name of an events stream, in bytes.
pub const MAX_STREAM: usize = 512;

/// The longest key that a pool of a transfer has, in bytes: each pool publishes the other's.
pub const MAX_KEY: usize = 512;

const INLINE: usize = 22;

/// Bytes of 24 bytes' size when they are at most 22 long, and a box beyond that.
#[derive(Clone)]
pub enum Bytes {
    /// Short ones, in place.
    Inline {
        /// How many of `data` count.
        len: u8,
        /// The bytes; the rest is 0.
        data: [u8; INLINE],
    },
    /// Long ones.
    Boxed(Box<[u8]>),
}

impl Bytes {
    /// A copy of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut data = [0; INLINE];
        match data.get_mut(..bytes.len()) {
            Some(start) => {
                start.copy_from_slice(bytes);
                Self::Inline { len: bytes.len() as u8, data }
            }
            None => Self::Boxed(bytes.into()),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { len, data } => data.get(..usize::from(*len)).unwrap_or(data),
            Self::Boxed(bytes) => bytes,
        }
    }

    /// What it owns beyond its own size.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Boxed(bytes) => bytes.len(),
        }
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Inline { len: 0, data: [0; INLINE] }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}
impl Eq for Bytes {}
impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_slice().escape_ascii())
    }
}

/// Whether these bytes can be an order id, a dimension value or a token.
#[must_use]
pub fn is_id(bytes: &[u8]) -> bool {
    (1..=MAX_ID).contains(&bytes.len())
}

/// Whether these bytes can be a dimension name: `[a-z0-9_.-]{1,32}`.
#[must_use]
pub fn is_name(bytes: &[u8]) -> bool {
    (1..=MAX_NAME).contains(&bytes.len()) && bytes.iter().all(|&b| IN_NAMES.get(usize::from(b)) == Some(&true))
}

/// Which bytes a dimension name is made of. A table: every call asks of every name.
#[allow(clippy::indexing_slicing, reason = "every byte is within bounds; it runs when this is compiled")]
static IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < u8::MAX {
        table[byte as usize] = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
        byte = byte.wrapping_add(1);
    }
    table
};

/// Fewer than eight bytes as a number.
#[inline(always)]
pub fn short_word(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // Where the two overlap they have the same bits.
        let shift = (len as u32).wrapping_sub(4).wrapping_mul(8);
        let last = u64::from(u32::from_le_bytes(*last)).wrapping_shl(shift);
        u64::from(u32::from_le_bytes(*first)) | last
    } else if let (Some(&first), Some(&middle), Some(&last)) = (bytes.first(), bytes.get(len / 2), bytes.last()) {
        let byte = |byte: u8, at: usize| u64::from(byte).wrapping_shl((at as u32).wrapping_mul(8));
        byte(first, 0) | byte(middle, len / 2) | byte(last, len.wrapping_sub(1))
    } else {
        0
    }
}

/// As [`same_bytes`], of two strings of one length above 16.
#[inline(always)]
fn same_long(one: &[u8], other: &[u8]) -> bool {
    match (one.first_chunk::<16>(), one.last_chunk::<16>(), other.first_chunk::<16>(), other.last_chunk::<16>()) {
        (Some(a), Some(b), Some(c), Some(d)) if one.len() <= 32 => a == c && b == d,
        _ => one == other,
    }
}

/// Whether two strings are equal. Most ids and values are short, and are compared without a call.
#[inline(always)]
pub fn same_bytes(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match (one.first_chunk::<8>(), one.last_chunk::<8>(), other.first_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(a), Some(b), Some(c), Some(d)) if one.len() <= 16 => a == c && b == d,
        (None, ..) => short_word(one) == short_word(other),
        _ => same_long(one, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_word_has_every_byte_in_order() {
        for len in 0..8usize {
            let bytes: Vec<u8> = (0..len as u8).map(|n| n.wrapping_mul(77).wrapping_add(130)).collect();
            let mut padded = bytes.clone();
            padded.resize(8, 0);
            assert_eq!(short_word(&bytes).to_le_bytes().to_vec(), padded);
        }
    }

    #[test]
    fn strings_are_equal_in_every_byte_and_in_length() {
        for len in 0..40usize {
            let one: Vec<u8> = (0..len as u8).map(|n| n.wrapping_mul(77)).collect();
            assert!(same_bytes(&one, &one.clone()));
            for at in 0..len {
                let mut other = one.clone();
                if let Some(byte) = other.get_mut(at) {
                    *byte ^= 0x80;
                }
                assert!(!same_bytes(&one, &other), "byte {at} of {len}");
                assert!(!same_bytes(&one, one.get(..at).unwrap_or(&[])));
            }
        }
    }

    #[test]
    fn short_and_long_bytes_keep_their_content() {
        for len in [0, 1, 21, 22, 23, 128] {
            let bytes = vec![7u8; len];
            assert_eq!(Bytes::new(&bytes).as_slice(), bytes);
        }
        assert_eq!(size_of::<Bytes>(), 24);
        assert!(is_name(b"a.b_c-9") && !is_name(b"A") && !is_name(b"") && !is_name(&[b'a'; 33]));
    }
}
