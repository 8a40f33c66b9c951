//! What a decision may depend on, in addition to the pool and the call itself.

use crate::core::model::time::Clock;
use crate::core::model::zone::Tz;

/// How many due holds a write returns before it is decided.
pub const DUE_PER_WRITE: usize = 128;

/// The server's parameters: they apply where a pool's policy says nothing.
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
    /// The clock of limits that name none.
    pub tz: Tz,
}

impl Defaults {
    /// The parameters of a server that sets none.
    pub const STANDARD: Self = Self {
        hold_ms: 900_000,
        retain_ms: 86_400_000,
        retain_paid_ms: 604_800_000,
        max_orders: 10_000_000,
        tz: Tz::UTC,
    };
}

impl Default for Defaults {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Time and parameters of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallContext {
    /// The time of the call.
    pub clock: Clock,
    /// The server's parameters.
    pub defaults: Defaults,
}
