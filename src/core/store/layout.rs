//! The fixed fields at the beginning of a row of bytes. Each begins where the one before ends:
//! `type Next = Field<{ Previous::END }, LEN>`.

/// An unsigned little-endian number of `LEN` bytes (at most 8), `AT` bytes from the row's
/// beginning.
pub struct Field<const AT: usize, const LEN: usize>;

impl<const AT: usize, const LEN: usize> Field<AT, LEN> {
    /// Where the next field begins.
    pub const END: usize = AT.saturating_add(LEN);
    /// The largest number that fits.
    pub const MAX: u64 = u64::MAX >> (8usize.saturating_sub(LEN).saturating_mul(8));

    /// Reads it.
    #[inline(always)]
    #[must_use]
    pub fn get<const HEAD: usize>(head: &[u8; HEAD]) -> u64 {
        let mut bytes = [0; 8];
        if let (Some(to), Some(from)) = (bytes.get_mut(..LEN), head.get(AT..Self::END)) {
            to.copy_from_slice(from);
        }
        u64::from_le_bytes(bytes)
    }

    /// Writes a number that fits. Of a larger one the upper bytes would be lost: see
    /// [`Field::fit`].
    #[inline(always)]
    pub fn set<const HEAD: usize>(head: &mut [u8; HEAD], number: u64) {
        if let (Some(to), Some(from)) = (head.get_mut(AT..Self::END), number.to_le_bytes().get(..LEN)) {
            to.copy_from_slice(from);
        }
    }

    /// The number, where it is not negative and fits.
    #[inline(always)]
    #[must_use]
    pub fn fit(number: i64) -> Option<u64> {
        u64::try_from(number).ok().filter(|&number| number <= Self::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_to_their_bytes() {
        type First = Field<0, 1>;
        type Second = Field<{ First::END }, 3>;
        type Third = Field<{ Second::END }, 8>;
        let mut head = [0xaa; Third::END];
        Second::set(&mut head, Second::MAX);
        assert_eq!(head, [0xaa, 0xff, 0xff, 0xff, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa]);
        Third::set(&mut head, 0x0102_0304_0506_0708);
        Second::set(&mut head, 5);
        assert_eq!((First::get(&head), Second::get(&head), Third::get(&head)), (0xaa, 5, 0x0102_0304_0506_0708));
        assert_eq!(Second::fit(0xff_ffff), Some(0xff_ffff));
        assert_eq!((Second::fit(0x100_0000), Second::fit(-1)), (None, None));
        assert_eq!(Third::fit(i64::MAX), Some(i64::MAX.unsigned_abs()));
    }
}
