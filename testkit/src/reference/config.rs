//! The parameters.

use super::zone::Tz;

/// The server's parameters that concern one pool.
#[derive(Debug, Clone)]
pub struct Config {
    pub hold_s: i64,
    pub retain_s: i64,
    pub retain_paid_s: i64,
    pub max_orders: usize,
    pub tz: Tz,
}

impl Default for Config {
    fn default() -> Self {
        Config { hold_s: 900, retain_s: 86_400, retain_paid_s: 604_800, max_orders: 10_000_000, tz: Tz::Offset(0) }
    }
}
