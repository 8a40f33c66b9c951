//! What must be there before the calls of a row.

use anyhow::Result;

use super::calls::{cart_of, reserve, CART_RESERVED, GREEDY_BUYERS, POOLS, RESERVED};
use crate::client::{Connection, Load};

/// The stream of the events.
pub const STREAM: &str = "{618}events";
/// More than any run takes.
const PLENTY: &str = "1000000000";

/// Eight limits, of which a row has the first few. None of them is ever reached.
const LIMITS: [&str; 8] = [
    "user 1000000000 PER DAY",
    "region 1000000000 PER DAY",
    "store 1000000000 PER DAY",
    "* 1000000000 PER ORDER",
    "user 1000000000",
    "region+user 1000000000 PER WEEK",
    "store+user 1000000000 PER MONTH",
    "region+store 1000000000 PER HOUR COUNT ORDERS",
];

/// Orders that are there before the calls begin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Nothing,
    /// Every order that a call names is reserved.
    TheOrders,
    /// So is every cart.
    TheCarts,
    /// A thousand buyers have used up their limit.
    GreedyBuyers,
}

#[derive(Clone, Copy)]
pub struct Setup {
    pub pools: usize,
    pub limits: usize,
    pub on_hand: &'static str,
    /// Of the row itself, in every mode.
    pub events: Events,
    pub before: Before,
}

/// Whether changes are published, and how an entry is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Events {
    None,
    Fields,
    Packed,
}

impl Events {
    /// What a policy says of it behind the stream.
    const fn format(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Fields => Some(""),
            Self::Packed => Some(",\"events_format\":\"packed\""),
        }
    }
}

impl Setup {
    pub const NONE: Self = Self { pools: 0, limits: 0, on_hand: PLENTY, events: Events::None, before: Before::Nothing };

    /// One pool with so many limits.
    pub const fn pool(limits: usize) -> Self {
        Self { pools: 1, limits, ..Self::NONE }
    }

    /// Empties the server and makes the pools, and the orders of the calls `0..calls`. `events` is
    /// what the mode asks for, of which a row that has its own takes no notice.
    pub fn prepare(self, connection: &mut Connection, load: &mut Load, calls: u64, events: Events) -> Result<()> {
        connection.say("FLUSHALL SYNC")?;
        // Enough for every script, whatever it calls its stock.
        for key in ["stock", "stock1", "stock2", "stock3"] {
            connection.call(&["SET", key, PLENTY])?;
        }
        for pool in &POOLS[..self.pools] {
            let events = if self.events == Events::None { events } else { self.events };
            make_pool(connection, pool, self.on_hand, self.limits, events)?;
        }
        match self.before {
            Before::Nothing => Ok(()),
            Before::TheOrders => load.fill(0, calls, RESERVED, |calls, n| reserve(b"STOCK.RESERVE", calls, n, n)),
            Before::TheCarts => load.fill(0, calls, CART_RESERVED, |calls, n| cart_of(calls, n, n, &[])),
            Before::GreedyBuyers => {
                connection.call(&["STOCK.LIMIT", POOLS[0], "user", "1", "PER", "DAY"])?;
                let some = u64::from(GREEDY_BUYERS);
                load.fill(0, some, RESERVED, |calls, n| reserve(b"STOCK.RESERVE", calls, n, n))
            }
        }
    }
}

/// One pool with the first few limits.
pub fn make_pool(connection: &mut Connection, key: &str, on_hand: &str, limits: usize, events: Events) -> Result<()> {
    connection.call(&["STOCK.SET", key, on_hand])?;
    if let Some(format) = events.format() {
        let policy = format!("{{\"events\":\"{STREAM}\"{format}}}");
        connection.call(&["STOCK.SETPOLICY", key, &policy])?;
    }
    LIMITS[..limits].iter().try_for_each(|limit| connection.say(&format!("STOCK.LIMIT {key} {limit}")).map(drop))
}

/// Whether the module writes events into a stream.
pub fn writes_events(connection: &mut Connection) -> Result<bool> {
    connection.say("FLUSHALL SYNC")?;
    make_pool(connection, POOLS[0], "10", 0, Events::Fields)?;
    let entries = connection.integers(&format!("XLEN {STREAM}"))?;
    Ok(entries.first().is_some_and(|count| *count > 0))
}
