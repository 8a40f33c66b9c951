//! One hot SKU in a real cluster: four primaries with a replica each, eight buckets, buyers, and two
//! balancers. During the sale balancers and primaries are killed, replicas take over, and slots with
//! buckets move. At the end everything has arrived, every unit is sold or there to be sold, each paid
//! order is there once, and limits have held.

mod audit;
mod buyer;

use std::cell::RefCell;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::{scope, sleep, ScopedJoinHandle};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::payloads::version;
use crate::record::{grouped, Ledger};
use crate::rounds::{self, Bounds, Scene};
use buyer::{Buyer, Order};
use testkit::cluster::{share_of, slot_of, tags_within, Cluster};
use testkit::shopper::Shopper;
use testkit::{info, status_word, wait_until, Client};

const NAME: &str = "one hot SKU";
const PRIMARIES: usize = 4;
const BUCKETS: usize = 8;
/// After so long a silent primary is given up.
const TIMEOUT_MS: u64 = 2_500;
/// What one user may buy.
const EACH: i64 = 3;
const BUYERS: u64 = 3;
/// Interruptions of a round.
const TROUBLES: usize = 3;
/// Rounds before the servers are new.
const ROUNDS: u64 = 10;

#[derive(Default)]
struct Counts {
    paid: u64,
    units: i64,
    /// Orders that found units, or a share, of another bucket.
    asked: u64,
    /// Of these, how long the slowest waited while nothing was down.
    slowest_ms: u64,
    /// Buyers who were not served although others had units, in the end of a failover.
    unserved: u64,
    balancers: u64,
    handovers: u64,
    deaths: u64,
    restarts: u64,
    moved: u64,
    /// Payments that a failover had lost.
    lost: u64,
    /// Of these, payments whose units were sold to others meanwhile: refunded.
    refunded: u64,
    /// Units that a failover has made exist twice, and that were owed in the end.
    short: i64,
}

/// How much went wrong.
pub fn run(bounds: &Bounds, ledger: &Ledger) -> u64 {
    let counts = RefCell::new(Counts::default());
    rounds::run(
        NAME,
        "hot-sku",
        bounds,
        ledger,
        |_| Sales::open(&counts),
        |rounds| {
            let counts = counts.borrow();
            let text = format!(
                "{} sales of {BUCKETS} buckets on {PRIMARIES} primaries: {} orders paid, {} units; {} orders got units or a share of another bucket, in at most {} ms where nothing was down; {} balancers killed, {} primaries killed whose replica took over, {} killed and started again, {} handed over, {} slots of buckets moved; {} payments lost by failovers and repeated, {} of them refunded, {} units owed after one, {} buyers sent away during one; oversold and undersold otherwise 0, limits exact",
                grouped(rounds),
                grouped(counts.paid),
                grouped(counts.units.unsigned_abs()),
                grouped(counts.asked),
                counts.slowest_ms,
                grouped(counts.balancers),
                grouped(counts.deaths),
                grouped(counts.restarts),
                grouped(counts.handovers),
                grouped(counts.moved),
                grouped(counts.lost),
                grouped(counts.refunded),
                grouped(counts.short.unsigned_abs()),
                grouped(counts.unserved),
            );
            (counts.asked > 0 && counts.balancers > 0 && counts.paid > 0).then_some(text)
        },
    )
}

/// What happens to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The replica of a bucket's primary takes over by CLUSTER FAILOVER: nothing is lost.
    HandOver,
    /// The primary of a bucket is killed, and its replica takes over by itself, sometimes without the
    /// last calls.
    Die,
    /// The primary of a bucket is killed and started again before it is given up.
    Restart,
    /// The slot of a bucket goes to another primary.
    Move,
}

const ALL: [Trouble; 4] = [Trouble::HandOver, Trouble::Die, Trouble::Restart, Trouble::Move];

/// A balancer; kill -9 when it is let go.
struct Balancer(Child);

impl Drop for Balancer {
    fn drop(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("its end");
    }
}

/// What the buyers of a sale share.
struct Sale {
    name: String,
    keys: Vec<String>,
    ports: Vec<u16>,
    /// What was put into each bucket.
    put_in: Vec<i64>,
    /// Of each promotion, over all buckets.
    promotion: i64,
    /// No more is delivered: whoever finds nothing left is done.
    last: AtomicBool,
    placed: AtomicU64,
    units: AtomicI64,
    asked: AtomicU64,
    slowest_ms: AtomicU64,
    unserved: AtomicU64,
    /// A primary is down, or was a moment ago.
    down: AtomicBool,
}

impl Sale {
    fn own(&self, what: &str) -> String {
        format!("{{{}}}{what}", self.name)
    }
}

/// A cluster, and one sale after the other.
struct Sales<'a> {
    cluster: Cluster,
    version: String,
    rounds: u64,
    counts: &'a RefCell<Counts>,
}

impl Scene for Sales<'_> {
    fn round(&mut self, seed: u64) {
        self.rounds += 1;
        let mut rng = SmallRng::seed_from_u64(seed);
        let sale = self.set_up(seed, &mut rng);
        let (orders, deliveries, is_lossy) = self.sell(&sale, seed, &mut rng);
        self.settle(&sale);
        self.check(&sale, orders, &deliveries, is_lossy);
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn is_worn(&self) -> bool {
        self.rounds >= ROUNDS
    }
}

/// Units that arrived during the sale, with the token of the delivery.
type Deliveries = Vec<(usize, i64, String)>;

impl<'a> Sales<'a> {
    fn open(counts: &'a RefCell<Counts>) -> Self {
        let cluster = Cluster::of(PRIMARIES, TIMEOUT_MS);
        let version = version(&mut cluster.client(0));
        Sales { cluster, version, rounds: 0, counts }
    }

    /// Two buckets on each primary; the units lie anywhere.
    fn set_up(&self, seed: u64, rng: &mut SmallRng) -> Sale {
        let tag = |n: usize| tags_within(share_of(n % PRIMARIES, PRIMARIES)).nth(n / PRIMARIES).expect("a tag");
        let keys: Vec<String> = (0..BUCKETS).map(|n| format!("{{{}}}s{seed}", tag(n))).collect();
        let mut put_in = vec![0; BUCKETS];
        for _ in 0..rng.random_range(1..5) {
            put_in[rng.random_range(0..BUCKETS)] += rng.random_range(20..200);
        }
        let ports = self.cluster.ports();
        let mut shop = Shopper::new(ports.clone());
        let share = rng.random_range(1..20);
        for (key, units) in keys.iter().zip(&put_in) {
            for line in [
                format!("STOCK.SET {key} {units}"),
                format!("STOCK.LIMIT {key} user {EACH}"),
                format!("STOCK.LIMIT {key} promotion {share} MISSING ALLOW"),
            ] {
                assert_eq!(status_word(&shop.say(key, &line)), "OK", "{line}");
            }
            wait_until("a replica has it", || shop.replicated());
        }
        let sale = Sale {
            name: format!("s{seed}"),
            keys,
            ports,
            put_in,
            promotion: share * BUCKETS as i64,
            last: AtomicBool::new(false),
            placed: AtomicU64::new(0),
            units: AtomicI64::new(0),
            asked: AtomicU64::new(0),
            slowest_ms: AtomicU64::new(0),
            unserved: AtomicU64::new(0),
            down: AtomicBool::new(false),
        };
        let list: Vec<String> = sale.keys.iter().map(|key| format!("\"{key}\"")).collect();
        let config = format!(r#"{{"version":1,"by":"user","buckets":[{}]}}"#, list.join(","));
        let key = sale.own("shards");
        shop.call(&key, &["SET", &key, &config].map(|word| word.as_bytes().to_vec()));
        wait_until("a replica has it", || shop.replicated());
        sale
    }

    fn stockctl(&self, sale: &Sale, more: &[&str]) -> Command {
        let urls: Vec<String> = sale.ports.iter().map(|port| format!("redis://127.0.0.1:{port}")).collect();
        let mut command = Command::new(program());
        command.args(["--url", &urls.join(","), "--timeout", "2", "balance", &sale.name]).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn balancer(&self, sale: &Sale) -> Balancer {
        Balancer(self.stockctl(sale, &["--every", "50"]).spawn().expect("stockctl starts"))
    }

    /// The sale, with everything that goes wrong; whether a failover can have lost something.
    fn sell(&mut self, sale: &Sale, seed: u64, rng: &mut SmallRng) -> (Vec<Order>, Deliveries, bool) {
        let mut balancers: Vec<Balancer> = (0..2).map(|_| self.balancer(sale)).collect();
        let mut deliveries: Deliveries = Vec::new();
        let mut is_lossy = false;
        let orders = scope(|threads| {
            let buyers: Vec<_> =
                (0..BUYERS).map(|n| threads.spawn(move || Buyer::new(sale, seed, n).buy_until_sold_out())).collect();
            for nth in 0..TROUBLES {
                self.let_pass(sale, &mut deliveries, &buyers, rng, 60);
                let trouble = if nth == 0 { ALL[(seed % 4) as usize] } else { ALL[rng.random_range(0..ALL.len())] };
                let bucket = rng.random_range(0..BUCKETS);
                let old = rng.random_range(0..2);
                // One of the balancers dies in the middle of it.
                balancers[old] = self.balancer(sale);
                self.counts.borrow_mut().balancers += 1;
                sale.down.store(trouble != Trouble::Move, Ordering::Relaxed);
                is_lossy |= self.make(trouble, &sale.keys[bucket], rng, || {
                    let before = sale.placed.load(Ordering::Relaxed);
                    wait_until("some more orders", || {
                        buyers.iter().any(ScopedJoinHandle::is_finished)
                            || sale.placed.load(Ordering::Relaxed) > before + 20
                    });
                });
                self.let_pass(sale, &mut deliveries, &buyers, rng, 40);
                sale.down.store(false, Ordering::Relaxed);
            }
            sale.last.store(true, Ordering::Relaxed);
            buyers.into_iter().flat_map(|buyer| buyer.join().expect("a buyer")).collect()
        });
        let mut counts = self.counts.borrow_mut();
        counts.asked += sale.asked.load(Ordering::Relaxed);
        counts.unserved += sale.unserved.load(Ordering::Relaxed);
        counts.slowest_ms = counts.slowest_ms.max(sale.slowest_ms.load(Ordering::Relaxed));
        (orders, deliveries, is_lossy)
    }

    /// Waits for so many more orders. Units arrive where few are left, so that the sale goes on.
    fn let_pass(
        &self,
        sale: &Sale,
        deliveries: &mut Deliveries,
        buyers: &[ScopedJoinHandle<'_, Vec<Order>>],
        rng: &mut SmallRng,
        orders: u64,
    ) {
        let goal = sale.placed.load(Ordering::Relaxed) + orders;
        let mut shop = Shopper::new(sale.ports.clone());
        wait_until("the buyers go on", || {
            assert!(!buyers.iter().any(ScopedJoinHandle::is_finished), "a buyer gave up");
            let there: i64 = sale.put_in.iter().sum::<i64>() + deliveries.iter().map(|one| one.1).sum::<i64>();
            if there - sale.units.load(Ordering::Relaxed) < 150 {
                let (bucket, units) = (rng.random_range(0..BUCKETS), rng.random_range(20..200));
                let token = format!("d{}", deliveries.len());
                deliveries.push((bucket, units, token));
                deliver(&mut shop, sale, deliveries.last().expect("one"));
            }
            sale.placed.load(Ordering::Relaxed) >= goal
        });
    }

    /// The node that serves a key now: all nodes answer.
    fn owner(&self, key: &str) -> usize {
        self.cluster.owner(key)
    }

    fn is_primary(&self, node: usize) -> bool {
        info(&mut self.cluster.client(node), "replication")["role"] == "master"
    }

    /// One interruption; whether it can have lost what was acknowledged.
    fn make(&mut self, trouble: Trouble, key: &str, rng: &mut SmallRng, some_orders: impl Fn()) -> bool {
        let from = self.owner(key);
        let to = self.cluster.other_of(from);
        match trouble {
            Trouble::HandOver => {
                self.cluster.hand_over(to);
                self.counts.borrow_mut().handovers += 1;
            }
            Trouble::Die => {
                let cut_off = rng.random_bool(0.5);
                if cut_off {
                    // Calls are acknowledged that no replica has.
                    self.cluster.nodes[to].freeze();
                    self.cluster.client(from).say("CLIENT KILL TYPE replica");
                    some_orders();
                }
                self.cluster.nodes[from].kill();
                if cut_off {
                    self.cluster.nodes[to].thaw();
                }
                self.cluster.promoted(to);
                self.cluster.nodes[from].start_again();
                self.counts.borrow_mut().deaths += 1;
            }
            Trouble::Restart => {
                self.cluster.nodes[from].kill();
                self.cluster.nodes[from].start_again();
                self.counts.borrow_mut().restarts += 1;
            }
            Trouble::Move => {
                let primaries: Vec<usize> =
                    (0..self.cluster.nodes.len()).filter(|&node| node != from && self.is_primary(node)).collect();
                let to = primaries[rng.random_range(0..primaries.len())];
                self.move_slot(slot_of(key.as_bytes()), from, to, &some_orders);
                self.counts.borrow_mut().moved += 1;
            }
        }
        // On a slow machine a primary that starts again is given up, too.
        let is_lost = trouble == Trouble::Die || (trouble == Trouble::Restart && !self.is_primary(from));
        self.wait_until_well();
        is_lost
    }

    /// Moves a slot with all its keys while orders run.
    fn move_slot(&self, slot: u16, from: usize, to: usize, some_orders: &impl Fn()) {
        self.cluster.open_slot(slot, from, to);
        some_orders();
        let mut source = self.cluster.client(from);
        let keys = source.say(&format!("CLUSTER GETKEYSINSLOT {slot} 1000"));
        for key in keys.items() {
            self.cluster.move_key(&key.text(), from, to);
        }
        some_orders();
        let others = (0..self.cluster.nodes.len()).filter(|&node| node != to && self.is_primary(node));
        for node in std::iter::once(to).chain(others) {
            let done = self.cluster.client(node).say(&format!("CLUSTER SETSLOT {slot} NODE {}", self.cluster.ids[to]));
            assert_eq!(done.to_string(), "OK", "SETSLOT at {node}");
        }
    }

    /// Every node knows all the others as well, and each replica follows its primary.
    fn wait_until_well(&self) {
        for node in 0..self.cluster.nodes.len() {
            let mut client = self.cluster.client(node);
            wait_until("the cluster is well", || {
                let is_well = client.say("CLUSTER INFO").text().contains("cluster_state:ok");
                let fields = info(&mut client, "replication");
                let follows = fields.get("master_link_status").is_none_or(|status| status == "up");
                let other = &self.cluster.ids[self.cluster.other_of(node)];
                let is_known = client
                    .say("CLUSTER NODES")
                    .text()
                    .lines()
                    .all(|line| !line.starts_with(other.as_str()) || !line.contains("fail"));
                is_well && follows && is_known
            });
        }
        for node in (0..self.cluster.nodes.len()).filter(|&node| self.is_primary(node)) {
            let mut client = self.cluster.client(node);
            wait_until("its replica is online", || {
                info(&mut client, "replication").get("slave0").is_some_and(|line| line.contains("state=online"))
            });
        }
    }

    /// What was begun is ended, as an operator does it.
    fn settle(&self, sale: &Sale) {
        for _ in 0..10 {
            let ended = self.stockctl(sale, &["--once"]).status().expect("stockctl runs");
            assert!(ended.success(), "balance --once");
            let seen = audit::look(&mut Shopper::new(sale.ports.clone()), &sale.keys);
            if stock_balance::settle(&seen).is_empty() {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        panic!("what was begun does not end");
    }

    fn primary_of(&self, key: &str) -> Client {
        self.cluster.client(self.owner(key))
    }
}

/// A delivery; the same again changes nothing.
fn deliver(shop: &mut Shopper, sale: &Sale, (bucket, units, token): &(usize, i64, String)) {
    let key = &sale.keys[*bucket];
    let answer = shop.say(key, &format!("STOCK.ADD {key} {units} TOKEN {token}"));
    assert!(["OK", "EXISTS"].contains(&status_word(&answer).as_str()), "{answer}");
}

/// stockctl, which cargo builds beside this program, or one folder above its tests.
fn program() -> std::path::PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join("stockctl")).find(|path| path.is_file());
    found.expect("stockctl stands beside this program: cargo build -p stockctl, with the same profile")
}
