//! Durable confirms: shops pay, some confirms are waited for (WAIT, WAITAOF), the primary is killed
//! and the replica takes over. What was waited for is there. What the failover has lost is seen by
//! epoch and seq, and is repaired: confirms are repeated, with LATE where the order is lost, too,
//! and RECONCILE says what the database knows. In the end each paid order is sold once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::record::{grouped, Ledger};
use crate::rounds::{self, Bounds, Scene};
use testkit::{now_ms, pass, status_word, stock_info, wait_until, Client, Server, Value};

const NAME: &str = "WAIT, then failover";
const POOLS: [&str; 2] = ["{d}a", "{d}b"];
const ON_HAND: i64 = 1_000_000;
/// How long no hold becomes due after a promotion.
const GRACE_MS: i64 = 1_200;

#[derive(Default)]
struct Counts {
    waited: u64,
    waited_for_file: u64,
    /// Acknowledged as paid, not waited for.
    plain: u64,
    /// Of these, not on the new primary.
    lost: u64,
    again: u64,
    late: u64,
    anew: u64,
    /// Holds that were due within the grace, and stayed.
    kept: u64,
    reconciled: u64,
}

/// How much went wrong.
pub fn run(bounds: &Bounds, ledger: &Ledger) -> u64 {
    let counts = RefCell::new(Counts::default());
    rounds::run(
        NAME,
        "durable",
        bounds,
        ledger,
        |_| Shop::open(&counts),
        |rounds| {
            let counts = counts.borrow();
            let text = format!(
            "{} primaries killed and replicas promoted; {} confirms that WAIT saw on the replica ({} of them WAITAOF in its file), all there; {} not waited for, {} of these lost, all seen by seq; repaired by CONFIRM {}, by LATE {}, by LATE SINCE {}; {} due holds kept by the grace; {} pools reconciled to the unit",
            grouped(rounds),
            grouped(counts.waited),
            grouped(counts.waited_for_file),
            grouped(counts.plain),
            grouped(counts.lost),
            grouped(counts.again),
            grouped(counts.late),
            grouped(counts.anew),
            grouped(counts.kept),
            grouped(counts.reconciled),
        );
            (counts.waited > 0 && counts.lost > 0 && counts.kept > 0).then_some(text)
        },
    )
}

#[derive(Clone, Copy, Debug)]
struct Order {
    pool: usize,
    qty: i64,
    user: u32,
    placed_ms: i64,
    deadline_ms: i64,
    /// CONFIRM was answered OK: the money is taken.
    paid: bool,
    /// WAIT said that the replica has it.
    waited: bool,
}

/// What the database knows of a pool: the last event that it has seen.
struct Position {
    epoch: String,
    seq: i64,
    out: i64,
}

impl Position {
    fn of(client: &mut Client, pool: &str) -> Position {
        let map = client.say(&format!("STOCK.GET {pool}"));
        Position { epoch: map.field("epoch").text(), seq: map.field("seq").int(), out: map.field("out").int() }
    }
}

struct Shop<'a> {
    primary: Server,
    replica: Server,
    /// Whether the server has WAITAOF.
    waits_for_files: bool,
    orders: BTreeMap<String, Order>,
    serial: u64,
    /// What the database believes to have been delivered, beyond the first units.
    delivered: [i64; 2],
    counts: &'a RefCell<Counts>,
}

impl Scene for Shop<'_> {
    const ROUNDS: u64 = 12;

    fn round(&mut self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        self.sell_and_wait(&mut rng);
        let known = self.lose(&mut rng);
        let promoted = Instant::now();
        self.replica.client().expect("REPLICAOF NO ONE", "OK");
        self.look(&known);
        self.within_the_grace(promoted);
        if rng.random_ratio(1, 3) {
            // A shop that is too slow: holds that were paid are due, and come back before their
            // payment is repeated.
            let mut client = self.replica.client();
            wait_until("the grace ends", || stock_info(&mut client, "failover_grace") == 0);
            rounds::nothing_stays_due(&mut client, 1);
        }
        self.repair(promoted);
        self.reconcile(&mut rng);
        self.carry_on();
    }

    fn client(&self) -> Client {
        self.primary.client()
    }
}

impl Shop<'_> {
    fn open(counts: &RefCell<Counts>) -> Shop<'_> {
        let grace = GRACE_MS.to_string();
        // WAITAOF answers when both have written through.
        let args = [
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--stock.failover-grace-ms",
            &grace,
            "--repl-timeout",
            "20",
        ];
        let (primary, mut client) = Server::on_port(&args).with_client();
        let replica = Server::replica_of(&primary, &args);
        for pool in POOLS {
            client.expect(&format!("STOCK.SET {pool} {ON_HAND}"), "OK");
            client.expect(&format!("STOCK.LIMIT {pool} user 100000 PER DAY"), "OK");
        }
        let waits_for_files = client.say("COMMAND INFO WAITAOF").items()[0] != Value::Nil;
        let (orders, delivered) = (BTreeMap::new(), [0; 2]);
        Shop { primary, replica, waits_for_files, orders, serial: 0, delivered, counts }
    }

    fn reserve(&mut self, client: &mut Client, rng: &mut SmallRng, px: i64) -> String {
        self.serial += 1;
        let (name, pool) = (format!("d{}", self.serial), rng.random_range(0..2));
        let (qty, user) = (rng.random_range(1..5), rng.random_range(0..20));
        let placed_ms = now_ms();
        let line = format!("STOCK.RESERVE {} {name} {qty} PX {px} FOR user u{user}", POOLS[pool]);
        let answer = client.expect(&line, "[OK, *]");
        let deadline_ms = answer.items()[3].int();
        let order = Order { pool, qty, user, placed_ms, deadline_ms, paid: false, waited: false };
        self.orders.insert(name.clone(), order);
        name
    }

    /// The buyer pays. A hold may be over before, on a slow machine.
    fn pay(&mut self, client: &mut Client, name: &str) -> bool {
        let Some(order) = self.orders.get_mut(name) else { return false };
        let answer = client.say(&format!("STOCK.CONFIRM {} {name}", POOLS[order.pool]));
        match status_word(&answer).as_str() {
            "OK" => order.paid = true,
            "EXPIRED" if now_ms() >= order.deadline_ms => {}
            _ => panic!("CONFIRM of {order:?}: {answer}"),
        }
        order.paid
    }

    /// Confirms that are waited for, one by one or some at once; and holds that will be due when
    /// the roles change.
    fn sell_and_wait(&mut self, rng: &mut SmallRng) {
        let mut client = self.primary.client();
        for _ in 0..rng.random_range(3..15) {
            let batch: Vec<String> =
                (0..rng.random_range(1..4)).map(|_| self.reserve(&mut client, rng, 3_600_000)).collect();
            let paid: Vec<String> = batch.into_iter().filter(|name| self.pay(&mut client, name)).collect();
            let for_file = self.waits_for_files && rng.random_bool(0.5);
            let seen = match for_file {
                true => client.say("WAITAOF 1 1 5000").items().iter().all(|n| n.int() >= 1),
                false => client.say("WAIT 1 5000").int() >= 1,
            };
            let mut counts = self.counts.borrow_mut();
            for name in paid {
                if let Some(order) = self.orders.get_mut(&name) {
                    order.waited = seen;
                    counts.waited += u64::from(seen);
                    counts.waited_for_file += u64::from(seen && for_file);
                    counts.plain += u64::from(!seen);
                }
            }
        }
        // Known to the replica as holds.
        for _ in 0..rng.random_range(4..16) {
            let px = if rng.random_bool(0.5) { rng.random_range(150..500) } else { 3_600_000 };
            self.reserve(&mut client, rng, px);
        }
        client.say("WAIT 1 5000");
    }

    /// The replica is cut off, or not; more is sold, nothing is waited for; the primary dies. What
    /// the database has seen until then.
    fn lose(&mut self, rng: &mut SmallRng) -> Vec<Position> {
        let mut client = self.primary.client();
        let cut = rng.random_bool(0.8);
        if cut {
            self.replica.freeze();
            client.call(&["CLIENT", "KILL", "TYPE", "replica"]);
        }
        let held = self.orders.iter().filter(|(_, order)| !order.paid && order.deadline_ms > now_ms());
        let mut held: Vec<String> = held.map(|(name, _)| name.clone()).collect();
        for _ in 0..rng.random_range(0..12) {
            let name = match held.pop().filter(|_| rng.random_bool(0.5)) {
                Some(name) => name,
                None => self.reserve(&mut client, rng, 3_600_000),
            };
            if rng.random_bool(0.8) && self.pay(&mut client, &name) {
                self.counts.borrow_mut().plain += 1;
            }
        }
        if cut {
            // Waited for in vain: it says so.
            let name = self.reserve(&mut client, rng, 3_600_000);
            self.pay(&mut client, &name);
            self.counts.borrow_mut().plain += 1;
            assert_eq!(client.say("WAIT 1 20").int(), 0, "nobody could have it");
        }
        let known = POOLS.map(|pool| Position::of(&mut client, pool));
        self.primary.kill();
        if cut {
            self.replica.thaw();
        }
        known.into()
    }

    fn state(client: &mut Client, name: &str, order: &Order) -> String {
        match client.say(&format!("STOCK.ORDER {} {name}", POOLS[order.pool])) {
            Value::Nil => "unknown".into(),
            map => map.field("state").text(),
        }
    }

    /// What was waited for is there; what is not there shows in seq and out, to the unit.
    fn look(&mut self, known: &[Position]) {
        let mut client = self.replica.client();
        let mut lost = [0; 2];
        for (name, order) in self.orders.iter().filter(|(_, order)| order.paid) {
            if Shop::state(&mut client, name, order) != "confirmed" {
                assert!(!order.waited, "order {name} was waited for, and is lost: {order:?}");
                lost[order.pool] += order.qty;
                self.counts.borrow_mut().lost += 1;
            }
        }
        for (at, (pool, seen)) in POOLS.iter().zip(known).enumerate() {
            let here = Position::of(&mut client, pool);
            assert_eq!(here.epoch, seen.epoch, "no change since the promotion");
            assert_eq!(seen.out - here.out, lost[at], "what the database has seen more of {pool}");
            assert!(lost[at] == 0 || here.seq < seen.seq, "{pool}: the loss shows in seq");
            assert!(here.seq <= seen.seq, "{pool}: there is nothing that the old primary did not have");
            // RECONCILE with what the database has seen knows of the loss: these units are not on
            // the shelf.
            let shelf = self.shelf(at);
            let line = format!("STOCK.RECONCILE {pool} {shelf} AFTER {} {} {} DRYRUN", seen.epoch, seen.seq, seen.out);
            client.expect(&line, &format!("[OK, {}, {shelf}, *]", -lost[at]));
        }
    }

    /// What the database says is on the shelf.
    fn shelf(&self, pool: usize) -> i64 {
        let paid = self.orders.values().filter(|order| order.paid && order.pool == pool);
        ON_HAND + self.delivered[pool] - paid.map(|order| order.qty).sum::<i64>()
    }

    /// Holds whose time has come are still held.
    fn within_the_grace(&mut self, promoted: Instant) {
        let mut client = self.replica.client();
        let late = || promoted.elapsed() >= Duration::from_millis(GRACE_MS as u64 - 100);
        if !late() {
            assert_eq!(stock_info(&mut client, "failover_grace"), 1, "the grace has begun");
        }
        // The latest of the short holds is due in a moment.
        let soon_ms = now_ms() + 200;
        let due = self.orders.values().filter(|order| !order.paid && order.deadline_ms < soon_ms);
        pass(due.map(|order| order.deadline_ms).max().unwrap_or(0));
        // The background had time to do wrong.
        std::thread::sleep(Duration::from_millis(150));
        let now_ms = now_ms();
        let fresh = |order: &&Order| !order.paid && now_ms - order.placed_ms < 5_000;
        let mut kept = 0;
        for (name, order) in self.orders.iter().filter(|(_, order)| fresh(order) && order.deadline_ms <= now_ms) {
            let state = Shop::state(&mut client, name, order);
            if late() {
                return;
            }
            // One that the old primary has returned itself, or that never came here, may be gone.
            if order.deadline_ms > now_ms - promoted.elapsed().as_millis() as i64 {
                assert!(state == "reserved" || state == "unknown", "order {name} is {state} within the grace");
            }
            kept += u64::from(state == "reserved");
        }
        self.counts.borrow_mut().kept += kept;
    }

    /// Each payment is repeated, as a shop does that does not know what was lost.
    fn repair(&mut self, promoted: Instant) {
        let mut client = self.replica.client();
        for (name, order) in self.orders.iter().filter(|(_, order)| order.paid) {
            let key = POOLS[order.pool];
            let mut answer = client.say(&format!("STOCK.CONFIRM {key} {name}"));
            let in_grace = promoted.elapsed() < Duration::from_millis(GRACE_MS as u64 - 100);
            let mut counts = self.counts.borrow_mut();
            match status_word(&answer).as_str() {
                "EXISTS" => continue,
                "OK" => counts.again += 1,
                "EXPIRED" => {
                    assert!(!in_grace || order.waited, "{name}: {answer} within the grace: {order:?}");
                    answer = client.say(&format!("STOCK.CONFIRM {key} {name} LATE"));
                    counts.late += 1;
                }
                "NOORDER" => {
                    let Order { qty, user, placed_ms, .. } = order;
                    let line = format!("STOCK.CONFIRM {key} {name} QTY {qty} LATE SINCE {placed_ms} FOR user u{user}");
                    answer = client.say(&line);
                    counts.anew += 1;
                }
                _ => {}
            }
            assert_eq!(status_word(&answer), "OK", "{name}: {answer}: {order:?}");
        }
    }

    /// The database has read the new history to its end, with each payment once, and goods have
    /// come meanwhile.
    fn reconcile(&mut self, rng: &mut SmallRng) {
        let mut client = self.replica.client();
        for (at, pool) in POOLS.iter().enumerate() {
            let came = rng.random_range(0..3);
            self.delivered[at] += came;
            let shelf = self.shelf(at);
            let Position { epoch, seq, out } = Position::of(&mut client, pool);
            let line = format!("STOCK.RECONCILE {pool} {shelf} AFTER {epoch} {seq} {out}");
            client.expect(&line, &format!("[OK, {came}, {shelf}, *]"));
            client.expect(&line, &format!("[OK, 0, {shelf}, *]"));
            self.counts.borrow_mut().reconciled += 1;
        }
    }

    /// The old primary comes back as a replica, the grace ends, and each paid order is sold once.
    fn carry_on(&mut self) {
        self.primary.start_again();
        self.primary.follow(&self.replica);
        std::mem::swap(&mut self.primary, &mut self.replica);
        let mut client = self.primary.client();
        wait_until("the grace ends", || stock_info(&mut client, "failover_grace") == 0);
        rounds::nothing_stays_due(&mut client, 1);
        rounds::equal(&self.primary, &self.replica);
        for (at, pool) in POOLS.iter().enumerate() {
            let paid = self.orders.values().filter(|order| order.paid && order.pool == at);
            let sold: i64 = paid.map(|order| order.qty).sum();
            client.expect_pool(pool, &format!("on_hand={} sold={sold} out={sold}", self.shelf(at)));
            client.verify(pool);
        }
        for (name, order) in self.orders.iter().filter(|(_, order)| order.paid) {
            assert_eq!(Shop::state(&mut client, name, order), "confirmed", "order {name}: {order:?}");
        }
        // Orders that nobody paid for and nobody knows are over.
        self.orders.retain(|name, order| order.paid || Shop::state(&mut client, name, order) != "unknown");
        // From here on both have the others, and they count as waited for.
        for order in self.orders.values_mut().filter(|order| order.paid) {
            order.waited = true;
        }
    }
}
