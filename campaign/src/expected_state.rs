//! The state that the servers are expected to have: each order as it was acknowledged, and what
//! each pool must hold after them.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::Rng;

use testkit::{now_ms, status_word, Client, Value};

/// What an order is in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Held for a long time.
    Held,
    /// Held until this time; then it must go by itself.
    Short(i64),
    Sold,
    Returned,
    Released,
}

#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub pool: usize,
    pub qty: i64,
    pub state: State,
}

/// One call that the shop may make next, and what the order is after it.
pub struct Step {
    pub line: String,
    pub order: String,
    pub after: Order,
}

/// Which calls are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CallMix {
    /// All calls.
    All,
    /// Only calls that return units or finish orders.
    ReturnUnits,
    /// Only calls that take units.
    Take,
}

pub struct ExpectedState {
    pub pools: Vec<String>,
    pub on_hand: i64,
    pub orders: BTreeMap<String, Order>,
    open: Vec<String>,
    serial: u64,
}

impl ExpectedState {
    /// Pools of so many units each, made on the server.
    #[track_caller]
    pub fn open(client: &mut Client, pools: &[&str], on_hand: i64, policy: &str) -> ExpectedState {
        for pool in pools {
            client.expect(&format!("STOCK.SET {pool} {on_hand}"), "OK");
            client.expect(&format!("STOCK.SETPOLICY {pool} {policy}"), "OK");
        }
        let pools = pools.iter().map(|pool| pool.to_string()).collect();
        ExpectedState { pools, on_hand, orders: BTreeMap::new(), open: Vec::new(), serial: 0 }
    }

    /// A call to make.
    pub fn plan(&mut self, rng: &mut SmallRng, mix: CallMix, now_ms: i64) -> Step {
        let fresh = match mix {
            CallMix::All => self.open.len() < 4 || rng.random_ratio(1, 2),
            CallMix::ReturnUnits => self.open.is_empty(),
            CallMix::Take => true,
        };
        if fresh {
            self.serial += 1;
            let order = format!("b{}", self.serial);
            let pool = rng.random_range(0..self.pools.len());
            let qty = rng.random_range(1..5);
            let until_ms = now_ms + rng.random_range(40..160);
            let (state, until) = match rng.random_ratio(1, 3) {
                true => (State::Short(until_ms), format!("PXAT {until_ms}")),
                false => (State::Held, "EX 86400".to_string()),
            };
            let user = rng.random_range(0..30);
            let line = format!("STOCK.RESERVE {} {order} {qty} {until} FOR user u{user}", self.pools[pool]);
            return Step { line, order, after: Order { pool, qty, state } };
        }
        let order = self.open[rng.random_range(0..self.open.len())].clone();
        let now = self.orders[&order];
        let (word, state) = match now.state {
            State::Sold => ("RETURN", State::Returned),
            _ if rng.random_ratio(2, 3) => ("CONFIRM", State::Sold),
            _ => ("RELEASE", State::Released),
        };
        Step { line: format!("STOCK.{word} {} {order}", self.pools[now.pool]), order, after: Order { state, ..now } }
    }

    /// Writes down what was acknowledged.
    pub fn note(&mut self, step: &Step) {
        self.open.retain(|order| *order != step.order);
        if matches!(step.after.state, State::Held | State::Sold) {
            self.open.push(step.order.clone());
        }
        // Some are kept for ever as they are, so that the calls do not only go round among a few.
        if self.open.len() > 60 {
            self.open.remove(0);
        }
        self.orders.insert(step.order.clone(), step.after);
    }

    /// Makes one call, which must succeed.
    #[track_caller]
    pub fn step(&mut self, client: &mut Client, rng: &mut SmallRng, mix: CallMix) {
        let step = self.plan(rng, mix, now_ms());
        let answer = client.say(&step.line);
        // On a slow machine a short hold may be over before it is made.
        if answer.to_string().contains("in the past") && answer.is_error() {
            return;
        }
        assert!(matches!(answer, Value::Array(_)) && status_word(&answer) == "OK", "{}: {answer}", step.line);
        self.note(&step);
    }

    /// Each order is as it was acknowledged, and the pools hold what the orders say. Short holds
    /// must be over by now.
    #[track_caller]
    pub fn check(&self, client: &mut Client) {
        let names: Vec<_> = self.orders.iter().collect();
        let calls: Vec<_> = names
            .iter()
            .map(|(name, order)| vec!["STOCK.ORDER".to_string(), self.pools[order.pool].clone(), name.to_string()])
            .collect();
        let mut sums = vec![(0, 0); self.pools.len()];
        for ((name, order), answer) in names.iter().zip(client.pipeline(&calls)) {
            let state = match order.state {
                State::Held => "reserved",
                State::Short(_) => "expired",
                State::Sold => "confirmed",
                State::Returned => "returned",
                State::Released => "released",
            };
            assert!(answer != Value::Nil, "order {name} is unknown, not {state}");
            assert_eq!(answer.field("state").text(), state, "order {name} of {}", self.pools[order.pool]);
            assert_eq!(answer.field("qty").int(), order.qty, "the quantity of order {name}");
            let (reserved, sold) = &mut sums[order.pool];
            match order.state {
                State::Held => *reserved += order.qty,
                State::Sold => *sold += order.qty,
                _ => {}
            }
        }
        for (pool, (reserved, sold)) in self.pools.iter().zip(sums) {
            let on_hand = self.on_hand - sold;
            client.expect_pool(pool, &format!("on_hand={on_hand} reserved={reserved} sold={sold} out={sold}"));
            client.verify(pool);
        }
    }
}
