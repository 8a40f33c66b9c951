//! Random orders from several connections: everything that changes a pool and that a database
//! follows.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use testkit::{Client, Server};

/// How many calls may be made: the test lets the load go on bit by bit, so that what it does
/// meanwhile is spread over it.
#[derive(Default)]
struct Gate {
    allowed: AtomicU64,
    taken: AtomicU64,
    closed: AtomicBool,
}

impl Gate {
    /// Waits for the permission for `n` calls; false when the load is over.
    fn take(&self, n: u64) -> bool {
        let goal = self.taken.fetch_add(n, Ordering::SeqCst) + n;
        loop {
            if goal <= self.allowed.load(Ordering::SeqCst) {
                return true;
            }
            if self.closed.load(Ordering::SeqCst) {
                return false;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

pub struct Load {
    gate: Arc<Gate>,
    lanes: Vec<JoinHandle<u64>>,
}

/// Calls that are sent at once.
const BATCH: u64 = 16;

impl Load {
    pub fn start(server: &Server, name: &str, pools: &[String], lanes: usize, seed: u64) -> Load {
        let gate = Arc::new(Gate::default());
        let lanes = (0..lanes).map(|lane| {
            let mut lane = Lane {
                socket: server.socket(),
                name: format!("{name}{lane}"),
                pools: pools.to_vec(),
                rng: SmallRng::seed_from_u64(seed.wrapping_add(lane as u64)),
                orders: VecDeque::new(),
                next: 0,
            };
            let gate = gate.clone();
            std::thread::spawn(move || lane.run(&gate))
        });
        Load { lanes: lanes.collect(), gate }
    }

    /// Lets calls up to this number in all be made.
    pub fn allow(&self, calls: u64) {
        self.gate.allowed.fetch_max(calls, Ordering::SeqCst);
    }

    /// Waits until what is allowed has been made, and ends. How many calls there were.
    pub fn finish(self) -> u64 {
        self.gate.closed.store(true, Ordering::SeqCst);
        self.lanes.into_iter().map(|lane| lane.join().expect("a lane of the load")).sum()
    }
}

struct Lane {
    socket: PathBuf,
    name: String,
    pools: Vec<String>,
    rng: SmallRng,
    /// Pool and id of the last orders.
    orders: VecDeque<(String, String)>,
    next: u64,
}

impl Lane {
    fn run(&mut self, gate: &Gate) -> u64 {
        let mut client = Client::unix(&self.socket).expect("a connection");
        let mut calls = 0;
        while gate.take(BATCH) {
            let lines: Vec<Vec<String>> = (0..BATCH).map(|_| self.call()).collect();
            for (line, answer) in lines.iter().zip(client.pipeline(&lines)) {
                let text = answer.to_string();
                // An amended, sold or vouched order may be asked for in other words: that is a
                // CONFLICT, and changes nothing.
                assert!(!answer.is_error() || text.starts_with("-CONFLICT"), "{line:?}: {text}");
            }
            calls += BATCH;
        }
        calls
    }

    fn pool(&mut self) -> String {
        let at = self.rng.random_range(0..self.pools.len());
        self.pools[at].clone()
    }

    /// A pool that is not unlimited: all but the last are counted.
    fn counted(&mut self) -> String {
        let at = self.rng.random_range(0..self.pools.len() - 1);
        self.pools[at].clone()
    }

    fn order(&mut self) -> (String, String) {
        match self.orders.len() {
            0 => (self.pool(), "none".into()),
            len => self.orders[self.rng.random_range(0..len)].clone(),
        }
    }

    fn call(&mut self) -> Vec<String> {
        let text = match self.rng.random_range(0..100) {
            0..42 => self.reserve(),
            42..48 => self.cart(),
            48..63 => self.about("STOCK.CONFIRM {} {}"),
            63..72 => self.about("STOCK.RELEASE {} {}"),
            72..78 => self.about("STOCK.AMEND {} {} %"),
            78..82 => self.about("STOCK.EXTEND {} {} PX 400"),
            82..88 => {
                let rest = ["", " KEEPUSAGE", " NORESTOCK"][self.rng.random_range(0..3)];
                let token = self.rng.random_range(0..5);
                self.about(&format!("STOCK.RETURN {{}} {{}} QTY 1 TOKEN t{token}{rest}"))
            }
            88..92 => self.about("STOCK.CONFIRM {} {} LATE"),
            92..97 => format!("STOCK.ADD {} {}", self.counted(), self.rng.random_range(1..12)),
            97 => format!("STOCK.ADD {} -{}", self.counted(), self.rng.random_range(1..6)),
            98 if self.rng.random_ratio(1, 8) => format!("STOCK.SUSPEND {}", self.pool()),
            _ => format!("STOCK.RESUME {}", self.pool()),
        };
        text.split(' ').map(String::from).collect()
    }

    fn new_order(&mut self) -> String {
        self.next += 1;
        format!("{}-{}", self.name, self.next)
    }

    fn remember(&mut self, pool: &str, order: &str) {
        self.orders.push_back((pool.into(), order.into()));
        if self.orders.len() > 200 {
            self.orders.pop_front();
        }
    }

    fn reserve(&mut self) -> String {
        let (pool, order) = (self.pool(), self.new_order());
        self.remember(&pool, &order);
        let quantity = self.rng.random_range(1..4);
        let hold = if self.rng.random_ratio(1, 3) { self.rng.random_range(1..300) } else { 600_000 };
        let user = self.rng.random_range(0..5000);
        format!("STOCK.RESERVE {pool} {order} {quantity} PX {hold} FOR user {user} region bj")
    }

    fn cart(&mut self) -> String {
        let order = self.new_order();
        let at = self.rng.random_range(0..self.pools.len() - 1);
        let (a, b) = (self.pools[at].clone(), self.pools[at + 1].clone());
        self.remember(&a, &order);
        self.remember(&b, &order);
        format!("STOCK.MRESERVE {order} 2 {a} {b} QTY 1 2 PX 500 FOR user 1 region sh")
    }

    /// A call about an order; `%` is a quantity.
    fn about(&mut self, form: &str) -> String {
        let (pool, order) = self.order();
        let quantity = self.rng.random_range(1..6).to_string();
        form.replacen("{}", &pool, 1).replacen("{}", &order, 1).replace('%', &quantity)
    }
}
