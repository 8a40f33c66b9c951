//! What one call did to one pool, as bytes: for the append-only file and the replicas. Everything is resolved (time, deadline,
//! windows, quantity taken, epoch): whoever reads it needs no clock, no configuration and no chance.

mod fits;
mod read;
mod told;
mod write;

pub use read::{Effect, Step};
pub use told::{put_told, Told};
pub use write::{add, begin};

/// The changes by their numbers in the encoding. The top bit says that an epoch follows.
mod op {
    pub const CREATED: u8 = 1;
    pub const SET: u8 = 2;
    pub const ADDED: u8 = 3;
    pub const SUSPENDED: u8 = 4;
    pub const RESUMED: u8 = 5;
    pub const POLICY: u8 = 6;
    pub const LIMIT_SET: u8 = 7;
    pub const LIMIT_REMOVED: u8 = 8;
    pub const RESERVED: u8 = 9;
    pub const AMENDED: u8 = 10;
    pub const EXTENDED: u8 = 11;
    pub const CONFIRMED: u8 = 12;
    pub const LATE: u8 = 13;
    pub const LATE_PLACED: u8 = 14;
    pub const RELEASED: u8 = 15;
    pub const CANCELLED: u8 = 16;
    pub const EXPIRED: u8 = 17;
    pub const RETURNED: u8 = 18;
    pub const VOUCHED: u8 = 19;
    pub const FREED: u8 = 20;
    pub const RECONCILED: u8 = 21;
    /// No change of its own: where the change before it was told of.
    pub const TOLD: u8 = 22;
}
