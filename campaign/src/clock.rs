//! Clock steps: the clocks of a primary and its replica go their own ways, forward and back by
//! milliseconds to weeks, while holds are made, extended and paid, and while the roles change. No
//! hold ends before its deadline by the clock of a primary; each that is due by it comes back; the
//! sums and the replica are right whatever the clocks say.
//!
//! The servers read the clock of the tests (`testkit/src/clock.c`), which stands still between two
//! steps. So each answer is predicted to the millisecond.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::record::{grouped, Ledger};
use crate::rounds::{self, Bounds, Scene};
use testkit::{now_ms, status_word, stock_info, Client, Server};

const NAME: &str = "clock steps";
const POOLS: [&str; 3] = ["{t}a", "{t}b", "{t}c"];
const ON_HAND: i64 = 1_000_000_000;
/// Finished orders are remembered for ten years, whatever the clock does.
const POLICY: &str = r#"{"retain":315360000,"retain_paid":315360000,"limits":[{"by":["user"],"max":1000000000,"per":"day"},{"by":["user"],"max":1000000000,"per":7}]}"#;
const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// Steps of the clock in a round.
const STEPS: u64 = 25;

#[derive(Default)]
struct Counts {
    steps_forward: u64,
    steps_back: u64,
    calls: u64,
    due: u64,
    /// Holds that were due, and by a clock that went back were not yet returned.
    spared: u64,
    promotions: u64,
}

/// How much went wrong.
pub fn run(bounds: &Bounds, ledger: &Ledger) -> u64 {
    if Server::on_port_at(now_ms(), &[]).is_none() {
        println!("skipped: this server cannot be given a clock (see above); no row is written");
        return 0;
    }
    let counts = RefCell::new(Counts::default());
    let open = |_| Pair::open(&counts);
    rounds::run(NAME, "clock", bounds, ledger, open, |rounds| {
        let counts = counts.borrow();
        let text = format!(
            "{} rounds, {} steps forward and {} back, by 1 ms to 40 days, the replica's clock at another time; {} calls, each answer predicted; {} holds fell due and came back, {} more were due until the clock went back; {} promotions; digests of both servers equal after each round",
            grouped(rounds),
            grouped(counts.steps_forward),
            grouped(counts.steps_back),
            grouped(counts.calls),
            grouped(counts.due),
            grouped(counts.spared),
            grouped(counts.promotions),
        );
        (counts.due > 0 && counts.steps_back > 0 && counts.calls > 0).then_some(text)
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Held until this deadline.
    Held(i64),
    Expired,
    Sold,
    Returned,
    Released,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    pool: usize,
    qty: i64,
    state: State,
    /// The latest time that the clock of a primary has shown since the order was placed.
    latest_ms: i64,
}

struct Pair<'a> {
    primary: Server,
    replica: Server,
    /// What their clocks show.
    now_ms: i64,
    other_ms: i64,
    orders: BTreeMap<String, Order>,
    serial: u64,
    counts: &'a RefCell<Counts>,
}

impl Scene for Pair<'_> {
    const ROUNDS: u64 = 12;

    fn round(&mut self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        for _ in 0..STEPS {
            self.step(&mut rng);
            let mut client = self.primary.client();
            for _ in 0..rng.random_range(0..16) {
                self.call(&mut client, &mut rng);
            }
            if rng.random_ratio(1, 6) {
                self.come_back(&mut client);
            }
        }
        if rng.random_ratio(1, 3) {
            self.promote();
        }
        self.audit();
    }

    fn client(&self) -> Client {
        self.primary.client()
    }
}

impl Pair<'_> {
    fn open(counts: &RefCell<Counts>) -> Pair<'_> {
        // Links are judged by the same clocks, and must not break for them.
        let args = ["--appendonly", "yes", "--repl-timeout", "2000000000", "--auto-aof-rewrite-percentage", "0"];
        let start_ms = now_ms();
        let primary = Server::on_port_at(start_ms, &args).expect("a server with a clock");
        let replica = Server::on_port_at(start_ms, &args).expect("a server with a clock");
        replica.follow(&primary);
        let mut client = primary.client();
        for pool in POOLS {
            client.expect(&format!("STOCK.SET {pool} {ON_HAND}"), "OK");
            client.expect(&format!("STOCK.SETPOLICY {pool} {POLICY}"), "OK");
        }
        let orders = BTreeMap::new();
        Pair { primary, replica, now_ms: start_ms, other_ms: start_ms, orders, serial: 0, counts }
    }

    /// Sets the clock of the primary, and now and then that of the replica.
    fn step(&mut self, rng: &mut SmallRng) {
        let by = |rng: &mut SmallRng| {
            let unit = [1, 20, SECOND, 61 * SECOND, HOUR, DAY, 40 * DAY][rng.random_range(0..7)];
            let by = rng.random_range(1..=unit);
            if rng.random_ratio(2, 5) {
                -by
            } else {
                by
            }
        };
        let by_ms = by(rng);
        // The drift stays within bounds: what is remembered must not be forgotten.
        let by_ms = if (self.now_ms + by_ms - now_ms()).abs() > 700 * DAY { -by_ms } else { by_ms };
        if rng.random_ratio(1, 4) {
            self.other_ms = now_ms() + by(rng);
            self.replica.set_clock(self.other_ms);
        }
        // Now and then exactly to a deadline, or one ms before it.
        let deadlines = self.orders.values().filter_map(|order| match order.state {
            State::Held(at_ms) if at_ms > self.now_ms => Some(at_ms),
            _ => None,
        });
        let next_ms = deadlines.min().filter(|_| rng.random_ratio(1, 4));
        self.show(next_ms.map_or(self.now_ms + by_ms, |at_ms| at_ms - rng.random_range(0..2)));
    }

    /// The clock of the primary shows another time.
    fn show(&mut self, to_ms: i64) {
        let mut counts = self.counts.borrow_mut();
        if to_ms < self.now_ms {
            counts.steps_back += 1;
        } else {
            counts.steps_forward += 1;
        }
        drop(counts);
        self.now_ms = to_ms;
        self.primary.set_clock(to_ms);
        self.look_at_the_clock();
        self.settle();
    }

    fn look_at_the_clock(&mut self) {
        for order in self.orders.values_mut() {
            order.latest_ms = order.latest_ms.max(self.now_ms);
        }
    }

    /// Holds that were due before the clock went back have been returned, or not: from here on it
    /// is known.
    fn settle(&mut self) {
        let now_ms = self.now_ms;
        let doubtful =
            |order: &Order| matches!(order.state, State::Held(at_ms) if order.latest_ms >= at_ms && now_ms < at_ms);
        if !self.orders.values().any(doubtful) {
            return;
        }
        let mut client = self.primary.client();
        for (name, order) in self.orders.iter_mut().filter(|(_, order)| doubtful(order)) {
            let now = client.say(&format!("STOCK.ORDER {} {name}", POOLS[order.pool]));
            let mut counts = self.counts.borrow_mut();
            match now.field("state").text().as_str() {
                "expired" => {
                    order.state = State::Expired;
                    counts.due += 1;
                }
                "reserved" => {
                    order.latest_ms = now_ms;
                    counts.spared += 1;
                }
                other => panic!("order {name} was held and due, and is {other}"),
            }
        }
    }

    /// One call, whose answer is known before.
    fn call(&mut self, client: &mut Client, rng: &mut SmallRng) {
        self.counts.borrow_mut().calls += 1;
        let longest = [30, SECOND, 100 * SECOND, HOUR, 3 * DAY][rng.random_range(0..5)];
        let px = rng.random_range(1..=longest);
        let some = (!self.orders.is_empty() && rng.random_ratio(3, 5)).then(|| {
            let back = rng.random_range(0..self.serial.min(40));
            format!("t{}", self.serial - back)
        });
        let Some((name, order)) = some.and_then(|name| self.orders.get_key_value(&name)).map(|(n, o)| (n.clone(), *o))
        else {
            self.serial += 1;
            let (name, pool, qty) = (format!("t{}", self.serial), rng.random_range(0..3), rng.random_range(1..5));
            let user = rng.random_range(0..9);
            let line = format!("STOCK.RESERVE {} {name} {qty} PX {px} FOR user u{user}", POOLS[pool]);
            let deadline_ms = self.now_ms + px;
            client.expect(&line, &format!("[OK, {qty}, *, {deadline_ms}]"));
            let order = Order { pool, qty, state: State::Held(deadline_ms), latest_ms: self.now_ms };
            self.orders.insert(name, order);
            return;
        };
        let (key, qty) = (POOLS[order.pool], order.qty);
        let due = matches!(order.state, State::Held(at_ms) if self.now_ms >= at_ms) || order.state == State::Expired;
        let (line, expected, after) = match (rng.random_range(0..5), order.state) {
            (0 | 1, State::Held(_) | State::Expired) if due => {
                (format!("STOCK.CONFIRM {key} {name}"), format!("[EXPIRED, {key}]"), State::Expired)
            }
            (0 | 1, State::Held(_)) => (format!("STOCK.CONFIRM {key} {name}"), format!("[OK, {qty}, *]"), State::Sold),
            (2, State::Held(_) | State::Expired) if due => {
                (format!("STOCK.CONFIRM {key} {name} LATE"), format!("[OK, {qty}, *]"), State::Sold)
            }
            (2, State::Held(at_ms)) => {
                let at_ms = at_ms.max(self.now_ms + px);
                (format!("STOCK.EXTEND {key} {name} PX {px}"), format!("[OK, {at_ms}]"), State::Held(at_ms))
            }
            (3, State::Held(_) | State::Expired) if due => {
                (format!("STOCK.RELEASE {key} {name}"), "[OK, 0, *]".into(), State::Released)
            }
            (3, State::Held(_)) => (format!("STOCK.RELEASE {key} {name}"), format!("[OK, {qty}, *]"), State::Released),
            (3, State::Sold) => (format!("STOCK.RETURN {key} {name}"), format!("[OK, {qty}, *]"), State::Returned),
            (_, state) => {
                let word = match state {
                    State::Held(_) | State::Expired if due => "expired",
                    State::Held(_) => "reserved",
                    State::Sold => "confirmed",
                    State::Returned => "returned",
                    State::Released | State::Expired => "released",
                };
                let now = client.say(&format!("STOCK.ORDER {key} {name}"));
                assert_eq!(now.field("state").text(), word, "order {name} at {}: {order:?}", self.now_ms);
                return;
            }
        };
        let before = format!("{order:?} at {}", self.now_ms);
        let answer = client.say(&line);
        assert!(testkit::fits(&expected, &answer.to_string()), "{line}: {answer}, not {expected}; {before}");
        if due && matches!(order.state, State::Held(_)) {
            self.counts.borrow_mut().due += 1;
        }
        if let Some(order) = self.orders.get_mut(&name) {
            order.state = after;
        }
    }

    /// What is due comes back by itself.
    fn come_back(&mut self, client: &mut Client) {
        rounds::nothing_stays_due(client, 1);
        let now_ms = self.now_ms;
        for order in self.orders.values_mut() {
            if matches!(order.state, State::Held(at_ms) if now_ms >= at_ms) {
                order.state = State::Expired;
                self.counts.borrow_mut().due += 1;
            }
        }
    }

    /// The replica takes over, and what is due is so by its clock from here on.
    fn promote(&mut self) {
        self.replica.catch_up(&self.primary);
        let mut client = self.replica.client();
        client.expect("REPLICAOF NO ONE", "OK");
        self.primary.follow(&self.replica);
        std::mem::swap(&mut self.primary, &mut self.replica);
        std::mem::swap(&mut self.now_ms, &mut self.other_ms);
        self.look_at_the_clock();
        self.settle();
        self.counts.borrow_mut().promotions += 1;
        assert!(status_word(&client.say(&format!("STOCK.CHECK {} 1 FOR user u", POOLS[0]))) == "OK");
    }

    fn audit(&mut self) {
        let mut client = self.primary.client();
        self.come_back(&mut client);
        rounds::equal(&self.primary, &self.replica);
        // A server that was a replica has begun its file anew when it had everything.
        rounds::wait_for_rewrite(&mut client);
        let lines = ["DEBUG PAUSE-CRON 1", "DEBUG DIGEST", "DEBUG LOADAOF", "DEBUG DIGEST", "DEBUG PAUSE-CRON 0"];
        let calls: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
        let answers = client.pipeline(&calls);
        assert_eq!(answers[3], answers[1], "the digest before and after DEBUG LOADAOF");
        let mut sums = [(0, 0); 3];
        for (name, order) in &self.orders {
            let (reserved, sold) = &mut sums[order.pool];
            let now = client.say(&format!("STOCK.ORDER {} {name}", POOLS[order.pool]));
            let word = match order.state {
                State::Held(at_ms) => {
                    *reserved += order.qty;
                    assert_eq!(now.field("deadline_ms").int(), at_ms, "the deadline of order {name}");
                    "reserved"
                }
                State::Expired => "expired",
                State::Sold => {
                    *sold += order.qty;
                    "confirmed"
                }
                State::Returned => "returned",
                State::Released => "released",
            };
            assert_eq!(now.field("state").text(), word, "order {name} at {}: {order:?}", self.now_ms);
        }
        for (pool, (reserved, sold)) in POOLS.iter().zip(sums) {
            let on_hand = ON_HAND - sold;
            let expected = format!("on_hand={on_hand} reserved={reserved} sold={sold} out={sold}");
            for client in [&mut client, &mut self.replica.client()] {
                client.verify(pool);
            }
            client.expect_pool(pool, &expected);
        }
        assert_eq!(stock_info(&mut client, "divergences"), 0);
    }
}
