//! Numbers and strings as bytes.

use super::damage::Damage;
use crate::core::model::ids::{is_id, Bytes};
use crate::core::model::quantity::MAX_UNITS;

/// The version of the encoding. It grows with every change; what an older version wrote is always
/// understood.
///
/// 1: the first. 2: further kinds of records and changes; those of version 1 are as they were.
pub const VERSION: i32 = 2;

/// The oldest version that is read.
pub const OLDEST_VERSION: i32 = 1;

/// Writes an unsigned number.
pub fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Writes a signed number.
pub fn put_signed(out: &mut Vec<u8>, n: i64) {
    put(out, ((n << 1) ^ (n >> 63)) as u64);
}

/// Writes a string.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a number that may be missing.
pub fn put_optional(out: &mut Vec<u8>, n: Option<i64>) {
    out.push(u8::from(n.is_some()));
    if let Some(n) = n {
        put_signed(out, n);
    }
}

/// Reads what was written, and trusts none of it.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// The result of reading.
pub type Read<T> = Result<T, Damage>;

impl<'a> Reader<'a> {
    /// Reads these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Damage`]: no byte is left.
    pub fn byte(&mut self) -> Read<u8> {
        let (&first, rest) = self.rest.split_first().ok_or(Damage("ends too early"))?;
        self.rest = rest;
        Ok(first)
    }

    /// A byte that is 0 or 1.
    ///
    /// # Errors
    /// [`Damage`]: it is neither.
    pub fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damage("a flag is neither 0 nor 1")),
        }
    }

    /// An unsigned number.
    ///
    /// # Errors
    /// [`Damage`]: it has more than 64 bits, or more bytes than it needs.
    pub fn number(&mut self) -> Read<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits.checked_shl(shift).is_none_or(|s| s >> shift != bits) {
                return Err(Damage("a number is too large"));
            }
            n |= bits << shift;
            if byte < 0x80 {
                // One way to write a number, so that equal states are equal bytes.
                return if byte == 0 && shift > 0 { Err(Damage("a number has needless bytes")) } else { Ok(n) };
            }
        }
        Err(Damage("a number is too large"))
    }

    /// A signed number.
    ///
    /// # Errors
    /// As [`Reader::number`].
    pub fn signed(&mut self) -> Read<i64> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ ((n & 1) as i64).wrapping_neg())
    }

    /// A signed number in ±(2^53 - 1): a sum, or a Unix time in ms.
    ///
    /// # Errors
    /// [`Damage`]: it is outside.
    pub fn bounded(&mut self) -> Read<i64> {
        let n = self.signed()?;
        if (-MAX_UNITS..=MAX_UNITS).contains(&n) {
            Ok(n)
        } else {
            Err(Damage("a number is out of bounds"))
        }
    }

    /// A signed number within bounds.
    ///
    /// # Errors
    /// [`Damage`]: it is outside.
    pub fn within(&mut self, bounds: std::ops::RangeInclusive<i64>) -> Read<i64> {
        let n = self.signed()?;
        if bounds.contains(&n) {
            Ok(n)
        } else {
            Err(Damage("a number is out of bounds"))
        }
    }

    /// An unsigned number of at most 32 bits.
    ///
    /// # Errors
    /// [`Damage`]: it is larger.
    pub fn small(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| Damage("a number is too large"))
    }

    /// A number that may be missing.
    ///
    /// # Errors
    /// As its parts.
    pub fn optional(&mut self, bounds: std::ops::RangeInclusive<i64>) -> Read<Option<i64>> {
        Ok(if self.flag()? { Some(self.within(bounds)?) } else { None })
    }

    /// A string of at most so many bytes.
    ///
    /// # Errors
    /// [`Damage`]: it is longer, or ends too early.
    pub fn bytes(&mut self, most: usize) -> Read<&'a [u8]> {
        let len = usize::try_from(self.number()?).map_err(|_| Damage("a string is too long"))?;
        if len > most {
            return Err(Damage("a string is too long"));
        }
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Damage("ends too early"))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// An order id, value or token.
    ///
    /// # Errors
    /// [`Damage`]: it is empty or too long.
    pub fn id(&mut self) -> Read<&'a [u8]> {
        let bytes = self.bytes(crate::core::model::ids::MAX_ID)?;
        if is_id(bytes) {
            Ok(bytes)
        } else {
            Err(Damage("an id is empty"))
        }
    }

    /// A string that may be missing.
    ///
    /// # Errors
    /// [`Damage`]: it is too long.
    pub fn optional_bytes(&mut self, most: usize) -> Read<Option<Bytes>> {
        Ok(if self.flag()? { Some(Bytes::new(self.bytes(most)?)) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for n in [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN, MAX_UNITS, -MAX_UNITS] {
            let mut out = Vec::new();
            put_signed(&mut out, n);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.signed(), Ok(n));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Reader::new(&[0x80]).number().is_err());
        assert!(Reader::new(&[0x80, 0x00]).number().is_err(), "needless byte");
        assert!(Reader::new(&[0xff; 11]).number().is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).number().is_err());
        assert!(Reader::new(&[5, 1, 2]).bytes(9).is_err());
        assert!(Reader::new(&[2]).flag().is_err());
    }
}
