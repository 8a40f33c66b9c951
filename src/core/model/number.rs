//! Numbers of different things, which the compiler keeps apart: rows of the tables of a pool, the
//! ids of its limits, and their indexes. Only the tables themselves, the index of rows and the
//! codec turn one into bare bits.

/// A number that names a record for as long as it lives.
pub trait Number: Copy + Eq {
    /// The thing with this number.
    fn of(number: u32) -> Self;
    /// Its number.
    fn get(self) -> u32;
}

macro_rules! number {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(u32);

        impl Number for $name {
            #[inline(always)]
            fn of(number: u32) -> Self {
                Self(number)
            }
            #[inline(always)]
            fn get(self) -> u32 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The row of an order in the table of orders.
    OrderRow
}
number! {
    /// The row of a usage entry in the table of usage. An order's share is one.
    UsageRow
}
number! {
    /// The row of a token of ADD or TRANSFER.
    TokenRow
}
number! {
    /// The number that a limit got when it was made: 1 and up, never used again in its pool.
    LimitId
}

/// The index of a limit among those of its pool: 0 to 31. It names another limit once one before it
/// is removed, so it lasts for a call, or stands in a change that is applied to that very pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitIndex(u8);

impl LimitIndex {
    /// The index of the first limit.
    pub const FIRST: Self = Self(0);

    /// The limit at this position of a list that holds no more than a pool does.
    #[inline(always)]
    pub(in crate::core) const fn new(at: usize) -> Self {
        Self(at as u8)
    }

    /// As it is written.
    pub(in crate::core) const fn byte(self) -> u8 {
        self.0
    }

    /// As it was written, whether there is such a limit or not.
    pub(in crate::core) const fn of_byte(byte: u8) -> Self {
        Self(byte)
    }
}

impl From<LimitIndex> for usize {
    #[inline(always)]
    fn from(index: LimitIndex) -> Self {
        Self::from(index.0)
    }
}
