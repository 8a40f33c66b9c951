//! Attributes that orders keep although no limit counts them: names and values, each behind its
//! length in one byte, sorted by name.

use crate::core::model::attributes::{Attributes, MAX_ATTRIBUTES};
use crate::core::model::ids::{is_id, is_name, Bytes, MAX_ID, MAX_NAME};

/// The most dimensions that a policy can name in `remember`.
pub const MAX_REMEMBER: usize = MAX_ATTRIBUTES;

/// The most bytes that one order keeps: each name and value behind its length.
pub const MAX_REMEMBERED: usize = MAX_REMEMBER * (MAX_NAME + MAX_ID + 2);

/// What an order with these attributes keeps, by the names of the policy, which are sorted.
#[must_use]
pub fn encode(names: &[Bytes], attributes: &Attributes<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names.iter().map(Bytes::as_slice) {
        let Some(value) = attributes.get(name) else { continue };
        for part in [name, value] {
            // Names have at most 32 bytes, values at most 128.
            bytes.push(part.len() as u8);
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

/// The names and values.
pub fn pairs(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || Some((part(&mut rest)?, part(&mut rest)?)))
}

fn part<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (&len, tail) = rest.split_first()?;
    let (part, tail) = tail.split_at_checked(usize::from(len))?;
    *rest = tail;
    Some(part)
}

/// Whether these bytes are what [`encode`] can have made: proper names in order, proper values, and
/// nothing behind them.
#[must_use]
pub fn is_valid(bytes: &[u8]) -> bool {
    let mut taken = 0usize;
    let mut count = 0usize;
    let mut last: &[u8] = &[];
    for (name, value) in pairs(bytes) {
        if !is_name(name) || !is_id(value) || name <= last {
            return false;
        }
        last = name;
        count = count.saturating_add(1);
        taken = taken.saturating_add(name.len()).saturating_add(value.len()).saturating_add(2);
    }
    taken == bytes.len() && count <= MAX_REMEMBER
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_nothing_else_is_valid() {
        let mut attributes = Attributes::default();
        for (name, value) in [("user", "42"), ("region", "bj"), ("store", "s1")] {
            attributes.add(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let names = [Bytes::new(b"email"), Bytes::new(b"store"), Bytes::new(b"user")];
        let bytes = encode(&names, &attributes);
        let all: Vec<_> = pairs(&bytes).collect();
        assert_eq!(all, [(&b"store"[..], &b"s1"[..]), (b"user", b"42")]);
        assert!(is_valid(&bytes) && is_valid(&[]));
        assert!(encode(&names[..1], &attributes).is_empty());
        for cut in 1..bytes.len() {
            // Between the two pairs it is valid again.
            assert_eq!(is_valid(bytes.get(..cut).unwrap()), cut == 9, "{cut}");
        }
        assert!(!is_valid(b"\x04user\x0142"), "a byte is left");
        assert!(!is_valid(b"\x04user\x0242\x04user\x0242"), "twice");
        assert!(!is_valid(b"\x04user\x00"), "no value");
        assert!(!is_valid(b"\x04User\x0242"), "no name");
    }
}
