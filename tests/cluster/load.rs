//! Shoppers at work, and their own notes of what they were told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use testkit::shopper::{Met, Shopper};
use testkit::{now_ms, status_word, wait_until};

/// How many buy at the same time.
const SHOPPERS: u64 = 4;
/// Longer than any interruption that these tests cause.
const HOLD_S: i64 = 120;
/// Of an order that nobody comes back to.
const ABANDONED_MS: i64 = 500;

/// What became of an order, as its buyer was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Refused,
    Paid,
    Released,
    Abandoned,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub id: String,
    /// Key and quantity, in the order of the call.
    pub lines: Vec<(String, i64)>,
    pub fate: Fate,
    /// Every answer came as OK and was followed by a WAIT that a replica answered.
    pub waited: bool,
    pub placed_ms: i64,
}

/// What all shoppers noted.
#[derive(Default)]
pub struct Ledger {
    pub orders: Vec<Order>,
    pub met: Met,
}

impl Ledger {
    pub fn count(&self, fate: Fate) -> usize {
        self.orders.iter().filter(|order| order.fate == fate).count()
    }

    pub fn add(&mut self, other: Ledger) {
        self.orders.extend(other.orders);
        self.met += other.met;
    }
}

/// The shop's own part: which pools stand in one slot.
pub type Shelf = Vec<String>;

pub struct Load {
    stop: Arc<AtomicBool>,
    placed: Arc<AtomicU64>,
    shoppers: Vec<JoinHandle<Ledger>>,
}

impl Load {
    /// Buys from the shelves until `stop`. With `wait`, each paid order is followed by a WAIT.
    pub fn start(name: &str, seeds: &[u16], shelves: &[Shelf], wait: bool) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let placed = Arc::new(AtomicU64::new(0));
        let shoppers = (0..SHOPPERS)
            .map(|n| {
                let mut buyer = Buyer {
                    name: format!("{name}-{n}"),
                    shopper: Shopper::new(seeds.to_vec()),
                    dice: 0x9E37_79B9_7F4A_7C15 ^ (n + 1),
                    wait,
                    // A cart that waits for its slot stops its buyer; these go on.
                    carts: n % 2 == 0,
                };
                let (stop, placed, shelves) = (stop.clone(), placed.clone(), shelves.to_vec());
                thread::spawn(move || {
                    let mut ledger = Ledger::default();
                    while !stop.load(Ordering::Relaxed) {
                        ledger.orders.push(buyer.buy(&shelves, ledger.orders.len()));
                        placed.fetch_add(1, Ordering::Relaxed);
                        // The machine is shared: what matters is that they go on all the time.
                        thread::sleep(Duration::from_millis(2));
                    }
                    ledger.met = buyer.shopper.met;
                    ledger
                })
            })
            .collect();
        Load { stop, placed, shoppers }
    }

    /// Waits until so many more orders were placed.
    pub fn let_pass(&self, orders: u64) {
        let goal = self.placed.load(Ordering::Relaxed) + orders;
        wait_until("the shoppers go on", || {
            let dead = self.shoppers.iter().any(JoinHandle::is_finished);
            assert!(!dead, "a shopper gave up");
            self.placed.load(Ordering::Relaxed) >= goal
        });
    }

    pub fn stop(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Ledger::default();
        for shopper in self.shoppers {
            all.add(shopper.join().expect("a shopper came to its end"));
        }
        all
    }
}

struct Buyer {
    name: String,
    shopper: Shopper,
    dice: u64,
    wait: bool,
    carts: bool,
}

impl Buyer {
    /// xorshift: every run makes the same choices.
    fn roll(&mut self, sides: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % sides as u64) as usize
    }

    /// One order: one pool or a cart, then paid, given up, or left alone.
    fn buy(&mut self, shelves: &[Shelf], n: usize) -> Order {
        let shelf = shelves[self.roll(shelves.len())].clone();
        let first = self.roll(shelf.len());
        let size = if self.carts { 1 + self.roll(3.min(shelf.len())) } else { 1 };
        let lines: Vec<(String, i64)> =
            (0..size).map(|i| (shelf[(first + i) % shelf.len()].clone(), 1 + self.roll(2) as i64)).collect();
        let fate = match self.roll(10) {
            0 => Fate::Abandoned,
            1 | 2 => Fate::Released,
            _ => Fate::Paid,
        };
        let mut order = Order { id: format!("{}-{n}", self.name), lines, fate, waited: self.wait, placed_ms: now_ms() };
        let hold = if fate == Fate::Abandoned { format!("PX {ABANDONED_MS}") } else { format!("EX {HOLD_S}") };
        if !self.step(&mut order, "RESERVE", &hold) {
            order.fate = Fate::Refused;
            return order;
        }
        match fate {
            Fate::Paid => assert!(self.step(&mut order, "CONFIRM", ""), "a hold was gone: {order:?}"),
            Fate::Released => assert!(self.step(&mut order, "RELEASE", ""), "a hold was gone: {order:?}"),
            Fate::Abandoned | Fate::Refused => {}
        }
        order
    }

    /// One call for the whole order; whether it was done.
    fn step(&mut self, order: &mut Order, verb: &str, hold: &str) -> bool {
        let (first, id) = (order.lines[0].0.clone(), &order.id);
        let line = if order.lines.len() == 1 {
            match verb {
                "RESERVE" => format!("STOCK.RESERVE {first} {id} {} {hold} FOR user {}", order.lines[0].1, self.name),
                _ => format!("STOCK.{verb} {first} {id}"),
            }
        } else {
            let keys: Vec<&str> = order.lines.iter().map(|line| line.0.as_str()).collect();
            let cart = format!("STOCK.M{verb} {id} {} {}", keys.len(), keys.join(" "));
            match verb {
                "RESERVE" => {
                    let quantities: Vec<String> = order.lines.iter().map(|line| line.1.to_string()).collect();
                    format!("{cart} QTY {} {hold} FOR user {}", quantities.join(" "), self.name)
                }
                _ => cart,
            }
        };
        let answer = self.shopper.say(&first, &line);
        assert!(!answer.is_error(), "{line}: {answer}");
        let word = status_word(&answer);
        // After EXISTS the connection that waits is not the one that wrote.
        order.waited &= word == "OK" && self.wait && self.shopper.replicated();
        match word.as_str() {
            "OK" | "EXISTS" => true,
            // A hold that a repeated call finds over was let go before the answer came.
            "SOLDOUT" if verb == "RESERVE" => false,
            // Its reservation went down with a primary: the shop vouches for it later.
            "NOORDER" if verb != "RESERVE" => true,
            "CLOSED" if order.fate == Fate::Abandoned => true,
            _ => panic!("{line}: {answer}"),
        }
    }
}
