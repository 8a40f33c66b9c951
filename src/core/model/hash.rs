//! Keyed hashing: buyers choose the bytes that fill the tables, and must not choose where they
//! fall.
//!
//! SipHash-1-3 (Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012), written out for
//! inputs that lie in one piece: a call hashes five short strings, and a general hasher costs three
//! times as much for them.

use arrayvec::ArrayVec;

use crate::core::model::attributes::{Attributes, MAX_ATTRIBUTES};
use crate::core::model::ids::{MAX_ID, MAX_NAME};

/// The secret of one pool: random at its creation, kept through copies, loads and replicas so that
/// fingerprints stay comparable. No command shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub u64);

/// Keeps the uses of one key apart.
const ORDER: u64 = 0x6f72_6465_7200_0000;
const USAGE: u64 = 0x7573_6167_6500_0000;
const ATTRIBUTES: u64 = 0x6174_7472_0000_0000;
const TOKEN: u64 = 0x746f_6b65_6e00_0000;

/// All attributes of a call in one piece.
type Joined = ArrayVec<u8, { MAX_ATTRIBUTES * (MAX_NAME + MAX_ID + 2) }>;

struct SipState([u64; 4]);

impl SipState {
    #[inline(always)]
    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.0;
        *v0 = v0.wrapping_add(*v1);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v3);
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.wrapping_add(*v3);
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.wrapping_add(*v1);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v2 = v2.rotate_left(32);
    }

    #[inline(always)]
    fn word(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }
}

/// The last bytes, fewer than eight, as a number.
#[inline(always)]
fn tail(bytes: &[u8]) -> u64 {
    let mut word = 0;
    let mut shift = 0u32;
    let mut rest = bytes;
    if let Some((four, more)) = rest.split_first_chunk::<4>() {
        word = u64::from(u32::from_le_bytes(*four));
        shift = 32;
        rest = more;
    }
    if let Some((two, more)) = rest.split_first_chunk::<2>() {
        word |= u64::from(u16::from_le_bytes(*two)) << shift;
        shift |= 16;
        rest = more;
    }
    if let Some(&last) = rest.first() {
        word |= u64::from(last) << shift;
    }
    word
}

fn sip13(key: u64, domain: u64, bytes: &[u8]) -> u64 {
    let mut state = SipState([
        key ^ 0x736f_6d65_7073_6575,
        domain ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        domain ^ 0x7465_6462_7974_6573,
    ]);
    let mut rest = bytes;
    while let Some((word, more)) = rest.split_first_chunk::<8>() {
        state.word(u64::from_le_bytes(*word));
        rest = more;
    }
    state.word((bytes.len() as u64) << 56 | tail(rest));
    state.0[2] ^= 0xff;
    state.round();
    state.round();
    state.round();
    let [v0, v1, v2, v3] = state.0;
    v0 ^ v1 ^ v2 ^ v3
}

impl Salt {
    /// Of an order id.
    #[must_use]
    pub fn order(self, id: &[u8]) -> u64 {
        sip13(self.0, ORDER, id)
    }

    /// Of a token of ADD.
    #[must_use]
    pub fn token(self, token: &[u8]) -> u64 {
        sip13(self.0, TOKEN, token)
    }

    /// Of a value of a limit.
    #[must_use]
    pub fn usage(self, limit: u32, tuple: &[u8]) -> u64 {
        sip13(self.0, USAGE ^ u64::from(limit), tuple)
    }

    /// Of a set of attributes: two sets with one fingerprint are taken for the same content of a
    /// retry.
    #[must_use]
    pub fn attributes(self, attributes: &Attributes<'_>) -> u64 {
        let mut joined = Joined::new();
        for (name, value) in attributes.iter() {
            // Lengths are below 256: one byte each keeps ("a", "bc") and ("ab", "c") apart. All of
            // it always fits.
            let lengths = [name.len() as u8, value.len() as u8];
            for part in [&lengths[..], name, value] {
                let _ = joined.try_extend_from_slice(part);
            }
        }
        sip13(self.0, ATTRIBUTES, &joined)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;
    use siphasher::sip::SipHasher13;
    use std::hash::Hasher;

    #[test]
    fn it_is_siphash_for_every_length() {
        let bytes: Vec<u8> = (0..200u8).map(|n| n.wrapping_mul(37)).collect();
        for len in 0..bytes.len() {
            let mut reference = SipHasher13::new_with_keys(0x0123_4567_89ab_cdef, 0xfeed_beef_0000_1111);
            reference.write(&bytes[..len]);
            assert_eq!(sip13(0x0123_4567_89ab_cdef, 0xfeed_beef_0000_1111, &bytes[..len]), reference.finish());
        }
    }
}
