//! What a sale consists of: pools, limits, and orders with what their buyers will do. Both modes
//! make one of these; everything after that (running, counting, proving) is the same for both.

use rand::rngs::SmallRng;
use rand::Rng;

/// How many limits each pool has.
pub const RULES: usize = 3;

/// One kind of limit; its max differs from pool to pool.
pub struct Rule {
    /// Index into [`Scenario::dims`].
    pub dim: usize,
    /// Per day, or else for the pool's whole life.
    pub daily: bool,
    /// Counts orders, or else units.
    pub orders: bool,
}

/// The limits of every pool, in the order in which they are set.
pub const LIMITS: [Rule; RULES] = [
    Rule { dim: 0, daily: true, orders: false },
    Rule { dim: 1, daily: true, orders: false },
    Rule { dim: 0, daily: false, orders: true },
];

impl Rule {
    /// The limit's name as the server says it.
    pub fn text(&self, dims: [&str; 2]) -> String {
        let window = if self.daily { "day" } else { "life" };
        let count = if self.orders { "orders" } else { "units" };
        format!("{}/{window}/{count}", dims[self.dim])
    }

    /// What an order of `qty` units counts against this limit.
    pub fn share(&self, qty: i64) -> i64 {
        if self.orders {
            1
        } else {
            qty
        }
    }
}

pub struct Pool {
    pub key: String,
    pub stock: i64,
    /// The max of each of [`LIMITS`].
    pub max: [i64; RULES],
}

/// What the buyer does with a reservation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plan {
    Confirm,
    Release,
    /// Walks away: the hold is this short and runs out.
    Expire {
        px: u32,
    },
    /// Pays, and later brings goods back; all of it at once, or so many units under a token.
    Return {
        qty: i64,
        token: bool,
    },
}

/// How the buyer sends the reservation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Click {
    Once,
    /// Through two connections at the same moment.
    Double,
    /// Once more after the answer.
    Again,
    /// The connection is lost before the answer arrives; the call is sent again.
    Lost,
}

pub struct Order {
    pub id: String,
    pub pool: u32,
    pub qty: i64,
    /// The buyer's value in each of [`Scenario::dims`].
    pub who: [u32; 2],
    pub plan: Plan,
    pub click: Click,
    /// How often the buyer asks again after a refusal.
    pub tries: u8,
}

pub struct Scenario {
    pub title: String,
    pub dims: [&'static str; 2],
    pub pools: Vec<Pool>,
    pub orders: Vec<Order>,
}

impl Scenario {
    pub fn limit_texts(&self) -> [String; RULES] {
        LIMITS.map(|rule| rule.text(self.dims))
    }

    pub fn pool_of(&self, order: &Order) -> &Pool {
        &self.pools[order.pool as usize]
    }
}

/// Of 100 reservations 60 are paid and kept, 15 cancelled, 10 abandoned, 15 paid and (partly)
/// brought back.
pub fn draw_plan(rng: &mut SmallRng, qty: i64) -> Plan {
    match rng.random_range(0..100) {
        0..60 => Plan::Confirm,
        60..75 => Plan::Release,
        75..85 => Plan::Expire { px: rng.random_range(500..=1500) },
        _ if rng.random_bool(0.5) => Plan::Return { qty, token: false },
        _ => Plan::Return { qty: rng.random_range(1..=qty), token: true },
    }
}

/// Of 100 reservations 3 are double clicks, 3 are sent again, 1 loses its answer.
pub fn draw_click(rng: &mut SmallRng) -> Click {
    match rng.random_range(0..100) {
        0..3 => Click::Double,
        3..6 => Click::Again,
        6 => Click::Lost,
        _ => Click::Once,
    }
}
