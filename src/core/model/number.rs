//! Numbers of different things, which the compiler keeps apart: rows of the tables of a pool, and
//! the ids of its limits. All are counted in 32 bits; the places where one becomes bare bits are
//! the tables themselves, the index, and the codec.

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
