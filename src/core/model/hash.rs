//! Keyed hashing: buyers choose the bytes that fill the tables, and must not choose where they
//! fall.
//!
//! SipHash-1-3 (Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012), written out for
//! inputs that lie in one piece: a call hashes five short strings, and a general hasher costs three
//! times as much for them.

use smallvec::SmallVec;

use crate::core::model::attributes::Attributes;
use crate::core::model::ids::short_word;
use crate::core::model::number::{LimitId, Number};

/// The secret of one pool: random at its creation, kept through copies, loads and replicas so that
/// fingerprints stay comparable. No command shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub u64);

/// Keeps the uses of one key apart.
const ORDER: u64 = 0x6f72_6465_7200_0000;
const USAGE: u64 = 0x7573_6167_6500_0000;
const ATTRIBUTES: u64 = 0x6174_7472_0000_0000;
const TOKEN: u64 = 0x746f_6b65_6e00_0000;
const PEER: u64 = 0x7065_6572_0000_0000;

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

impl SipState {
    #[inline(always)]
    const fn new(key: u64, domain: u64) -> Self {
        Self([
            key ^ 0x736f_6d65_7073_6575,
            domain ^ 0x646f_7261_6e64_6f6d,
            key ^ 0x6c79_6765_6e65_7261,
            domain ^ 0x7465_6462_7974_6573,
        ])
    }

    /// The hash, from the last bytes, fewer than eight, and the length of all.
    #[inline(always)]
    fn finish(mut self, tail: u64, len: usize) -> u64 {
        self.word((len as u64) << 56 | tail);
        self.0[2] ^= 0xff;
        self.round();
        self.round();
        self.round();
        let [v0, v1, v2, v3] = self.0;
        v0 ^ v1 ^ v2 ^ v3
    }
}

fn sip13(key: u64, domain: u64, bytes: &[u8]) -> u64 {
    let mut state = SipState::new(key, domain);
    let mut rest = bytes;
    while let Some((word, more)) = rest.split_first_chunk::<8>() {
        state.word(u64::from_le_bytes(*word));
        rest = more;
    }
    state.finish(short_word(rest), bytes.len())
}

/// Takes a message word by word.
trait Words {
    fn word(&mut self, word: u64);
}

impl Words for SipState {
    #[inline(always)]
    fn word(&mut self, word: u64) {
        SipState::word(self, word);
    }
}

impl Words for SmallVec<[u64; MESSAGE]> {
    fn word(&mut self, word: u64) {
        self.push(word);
    }
}

/// A message that comes in pieces: they are put together in words, not in memory.
struct Pieces<W> {
    words: W,
    /// The bytes that do not fill a word yet.
    word: u64,
    /// How many bits those have, below 64.
    bits: u32,
    len: usize,
}

impl<W: Words> Pieces<W> {
    const fn new(words: W) -> Self {
        Self { words, word: 0, bits: 0, len: 0 }
    }

    /// Adds so many bytes, at most eight, as a number.
    #[inline(always)]
    fn push(&mut self, number: u64, bytes: usize) {
        self.len = self.len.wrapping_add(bytes);
        self.word |= number << self.bits;
        let bits = self.bits.wrapping_add((bytes as u32).wrapping_mul(8));
        self.bits = bits & 63;
        if bits >= 64 {
            self.words.word(self.word);
            // What did not fit: the upper `self.bits` bits of the number, of which there are none
            // where it ended with the word.
            let taken = (bytes as u32).wrapping_mul(8).wrapping_sub(self.bits);
            self.word = number.checked_shr(taken).unwrap_or(0);
        }
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((word, more)) = rest.split_first_chunk::<8>() {
            self.push(u64::from_le_bytes(*word), 8);
            rest = more;
        }
        self.push(short_word(rest), rest.len());
    }

    #[inline(always)]
    fn attributes(&mut self, attributes: &Attributes<'_>) {
        for (word, name, value) in attributes.iter_with_words() {
            // Lengths are below 256: one byte each keeps ("a", "bc") and ("ab", "c") apart.
            let lengths = (value.len() as u64) << 8 | name.len() as u64;
            if name.len() <= 6 {
                self.push(word << 16 | lengths, name.len().wrapping_add(2));
            } else {
                self.push(lengths, 2);
                self.bytes(name);
            }
            self.bytes(value);
        }
    }
}

/// So many words of a message stand in place.
const MESSAGE: usize = 16;

/// What is hashed of a set of attributes: the pools of a cart, whose salts differ, have it made
/// once.
#[derive(Clone, Debug)]
pub struct Message {
    words: SmallVec<[u64; MESSAGE]>,
    /// The bytes behind the last whole word.
    rest: u64,
    len: usize,
}

impl Message {
    /// That of these attributes.
    #[must_use]
    pub fn of(attributes: &Attributes<'_>) -> Self {
        let mut pieces = Pieces::new(SmallVec::new());
        pieces.attributes(attributes);
        Self { words: pieces.words, rest: pieces.word, len: pieces.len }
    }
}

impl Salt {
    /// Of an order id.
    #[must_use]
    pub fn order(self, id: &[u8]) -> u64 {
        sip13(self.0, ORDER, id)
    }

    /// Of the key of the other pool of a transfer.
    #[must_use]
    pub fn peer(self, key: &[u8]) -> u64 {
        sip13(self.0, PEER, key)
    }

    /// Of a token of ADD or TRANSFER.
    #[must_use]
    pub fn token(self, token: &[u8]) -> u64 {
        sip13(self.0, TOKEN, token)
    }

    /// Of a value of a limit.
    #[must_use]
    pub fn usage(self, limit: LimitId, tuple: &[u8]) -> u64 {
        sip13(self.0, USAGE ^ u64::from(limit.get()), tuple)
    }

    /// Of a set of attributes: two sets with one fingerprint are taken for the same content of a
    /// retry.
    #[must_use]
    pub fn attributes(self, attributes: &Attributes<'_>) -> u64 {
        let mut pieces = Pieces::new(SipState::new(self.0, ATTRIBUTES));
        pieces.attributes(attributes);
        pieces.words.finish(pieces.word, pieces.len)
    }

    /// As [`Salt::attributes`], of the message that they make.
    #[must_use]
    pub fn message(self, message: &Message) -> u64 {
        let mut state = SipState::new(self.0, ATTRIBUTES);
        message.words.iter().for_each(|&word| state.word(word));
        state.finish(message.rest, message.len)
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

    #[test]
    fn pieces_hash_as_the_whole() {
        let bytes: Vec<u8> = (0..128u8).map(|n| n.wrapping_mul(59)).collect();
        for piece in 1..20 {
            for len in 0..bytes.len() {
                let mut pieces = Pieces::new(SipState::new(7, 9));
                bytes[..len].chunks(piece).for_each(|piece| pieces.bytes(piece));
                assert_eq!(
                    pieces.words.finish(pieces.word, pieces.len),
                    sip13(7, 9, &bytes[..len]),
                    "{len} bytes in pieces of {piece}"
                );
            }
        }
    }

    #[test]
    fn a_fingerprint_is_that_of_its_bytes_in_a_row() {
        let (name, long) = ([b'n'; 32], [b'v'; 128]);
        let mut attributes = Attributes::default();
        let mut joined = Vec::new();
        let pairs: [(&[u8], &[u8]); 14] = [
            (b"a", b"1"),
            (b"bcdefg", b"12345678"),
            (b"c", b"1234567890"),
            (b"d", b"1234567890123456"),
            (b"e1", b"123456789012345"),
            (b"e2", b"1234567"),
            (b"e3", b"1234567890123456"),
            (b"e4", b"1234567890123456"),
            (b"e5", b"1234567890123456"),
            (b"f", b"12345678901234567"),
            (b"hijklmn", b"123456789"),
            (b"m.m", &long),
            (&name, &long),
            (b"z", b"1"),
        ];
        for (name, value) in pairs {
            attributes.add(name, value).unwrap();
            joined.extend([name.len() as u8, value.len() as u8]);
            joined.extend_from_slice(name);
            joined.extend_from_slice(value);
            assert_eq!(Salt(5).attributes(&attributes), sip13(5, ATTRIBUTES, &joined));
            assert_eq!(Salt(5).message(&Message::of(&attributes)), sip13(5, ATTRIBUTES, &joined));
        }
    }
}
