//! Keyed hashing: buyers choose the bytes that fill the tables, and must not choose where they fall.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::attributes::Attributes;

/// The secret of one pool: random at its creation, kept through copies, loads and replicas so that fingerprints stay
/// comparable. No command shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub u64);

/// Keeps the uses of one key apart.
const ORDER: u64 = 0x6f72_6465_7200_0000;
const USAGE: u64 = 0x7573_6167_6500_0000;
const ATTRIBUTES: u64 = 0x6174_7472_0000_0000;
const TOKEN: u64 = 0x746f_6b65_6e00_0000;

impl Salt {
    fn hasher(self, domain: u64) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, domain)
    }

    /// Of an order id.
    #[must_use]
    pub fn order(self, id: &[u8]) -> u64 {
        let mut hasher = self.hasher(ORDER);
        hasher.write(id);
        hasher.finish()
    }

    /// Of a token of ADD.
    #[must_use]
    pub fn token(self, token: &[u8]) -> u64 {
        let mut hasher = self.hasher(TOKEN);
        hasher.write(token);
        hasher.finish()
    }

    /// Of a value of a limit.
    #[must_use]
    pub fn usage(self, limit: u32, tuple: &[u8]) -> u64 {
        let mut hasher = self.hasher(USAGE ^ u64::from(limit));
        hasher.write(tuple);
        hasher.finish()
    }

    /// Of a set of attributes: two sets with one fingerprint are taken for the same content of a retry.
    #[must_use]
    pub fn attributes(self, attributes: &Attributes<'_>) -> u64 {
        let mut hasher = self.hasher(ATTRIBUTES);
        for (name, value) in attributes.iter() {
            // Lengths are below 256: one byte each keeps ("a", "bc") and ("ab", "c") apart.
            hasher.write(&[name.len() as u8, value.len() as u8]);
            hasher.write(name);
            hasher.write(value);
        }
        hasher.finish()
    }
}
