//! The one encoding of pools and changes: RDB, DUMP, the append-only file, replicas, slot imports and golden files.
//!
//! A pool is a sequence of chunks of whole records ([`save`], [`Loader`]); a call's effect is one string ([`effect`]). Both are
//! canonical: the same state gives the same bytes, so the digest of a pool is the digest of its encoding, and no field can be
//! forgotten in one of them. What has arrived of a pool ([`save_arriving`]) is written as the pool is, up to the last record that is
//! there. Numbers are LEB128, signed ones zigzag; strings have their length in front.

pub mod effect;
mod fields;
mod load;
mod save;
pub mod wire;

pub use load::{begins, Loader};
pub use save::{save, save_arriving};

use std::fmt;

/// The version of the encoding. It grows with every change of it; what an older version wrote is always understood.
///
/// 1: the first.
pub const VERSION: i32 = 1;

/// What is wrong with bytes that should be a pool or an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage(pub &'static str);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Damage {}

/// The kinds of records in a chunk.
mod record {
    pub const HEADER: u8 = 1;
    pub const EPOCH: u8 = 2;
    pub const LIMIT: u8 = 3;
    pub const OVERRIDE: u8 = 4;
    pub const TOKEN: u8 = 5;
    pub const USAGE: u8 = 6;
    pub const LEFT: u8 = 7;
    pub const FLOATING: u8 = 8;
    pub const ORDER: u8 = 9;
    pub const RETURN: u8 = 10;
    pub const END: u8 = 11;
}
