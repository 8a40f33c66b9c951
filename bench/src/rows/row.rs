//! One line of the tables.

use super::scripts::Scripts;
use super::setup::{Events, Setup};
use crate::wire::Calls;

/// Makes the n-th call of a row.
pub type Make = fn(&Scripts, &mut Calls, u64);

/// Which rows a row belongs to, in tables and in the chart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What anybody knows the price of, and the floor.
    Yardstick,
    /// A call of the module that does what it was asked.
    Stock,
    /// A call of the module that is refused.
    Refusal,
    /// A Lua script.
    Lua,
}

/// One line of the tables.
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    /// Whether it writes, so that the append-only file matters.
    pub writes: bool,
    /// The share of the usual number of calls: long ones need fewer.
    pub share: f64,
    /// Orders in one call: figures are for each of them.
    pub orders: u64,
    pub setup: Setup,
    pub make: Make,
    /// How each reply begins.
    pub reply: &'static [u8],
}

impl Row {
    /// Whether a mode with events makes a difference to it.
    pub fn has_events(&self) -> bool {
        self.kind == Kind::Stock && self.writes && self.setup.events == Events::None
    }
}

pub const PING: &str = "PING";
pub const FLOOR: &str = "floor";
pub const RESERVE_3: &str = "RESERVE, 3 limits";
pub const BATCH: &str = "RESERVEBATCH of 64, 3 limits: for each order";
pub const MRESERVE: &str = "MRESERVE, 3 pools × 3 limits";
pub const REPLACES: &str = "MRESERVE … REPLACES, 3 pools × 3 limits";
pub const SOLDOUT: &str = "RESERVE: SOLDOUT";
pub const LIMITED: &str = "RESERVE: LIMITED";
pub const LUA_A: &str = "Lua A: stock only";
pub const LUA_C: &str = "Lua C: 3 limits";
pub const LUA_C2: &str = "Lua C2: C, tuned";
pub const LUA_D: &str = "Lua D: cart of 3";
