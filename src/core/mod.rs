//! The rules of selling limited stock, pure: no Redis, no clock, no I/O, no unsafe, no text for users.
//!
//! Read in this order: `quantity`, `ids`, `time`, `window` (the words), `order`, `limit`, `usage` (what is kept), `pool` (the
//! aggregate), `change` (what can happen to it), `event` (what is told of it), `view` (what a call sees), `ops` (one operation per file: decide, then
//! apply), `codec` (bytes), `contents` (what a key holds), `verify` (is it all true).

#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

pub mod attributes;
pub mod change;
pub mod codec;
pub mod contents;
mod entries;
pub mod event;
pub mod hash;
pub mod ids;
pub mod limit;
pub mod ops;
pub mod order;
mod orders;
pub mod policy;
pub mod pool;
pub mod quantity;
pub mod refusal;
pub mod table;
pub mod time;
mod timeline;
pub mod token;
pub mod usage;
pub mod verify;
pub mod view;
pub mod window;

use time::Clock;

/// How many due holds a write returns before it is decided.
pub const DUE_PER_WRITE: usize = 128;

/// What holds where a pool's policy says nothing: the parameters of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// How long a hold lasts, ms.
    pub hold_ms: i64,
    /// How long released and expired orders are remembered, ms.
    pub retain_ms: i64,
    /// How long confirmed and returned orders are remembered, ms.
    pub retain_paid_ms: i64,
    /// The most orders in one pool's memory.
    pub max_orders: u32,
    /// Offset of calendar windows from UTC, in minutes, for limits that do not say.
    pub utc_offset_min: i32,
}

impl Defaults {
    /// The parameters of a server that sets none.
    pub const STANDARD: Self = Self {
        hold_ms: 900_000,
        retain_ms: 86_400_000,
        retain_paid_ms: 604_800_000,
        max_orders: 10_000_000,
        utc_offset_min: 0,
    };
}

impl Default for Defaults {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// What a decision may depend on beside the pool and the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The time of the call.
    pub clock: Clock,
    /// The server's parameters.
    pub defaults: Defaults,
}
