//! One sale after the other in a cluster, with everything that goes wrong.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::thread::{scope, ScopedJoinHandle};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::audit::{check, End};
use super::balancer::{balancer, settle};
use super::buyer::{Buyer, Order};
use super::sale::{Delivery, Sale, EACH};
use super::trouble::{Site, Trouble, ALL, PRIMARIES};
use crate::rounds::Scene;
use testkit::cluster::{share_of, tags_within};
use testkit::{wait_until, Client, Running};

pub const BUCKETS: usize = 8;
const BUYERS: u64 = 3;
/// Interruptions of a round.
const TROUBLES: usize = 3;

/// What happened in all rounds.
#[derive(Default)]
pub struct Counts {
    pub paid: u64,
    pub units: i64,
    /// Orders that found units, or a quota, of another bucket.
    pub asked: u64,
    /// Of these, how long the slowest waited while nothing was down.
    pub slowest_ms: u64,
    /// Buyers who were not served although others had units, in the end of a failover.
    pub unserved: u64,
    pub balancers: u64,
    pub handovers: u64,
    pub deaths: u64,
    pub restarts: u64,
    pub moved: u64,
    /// Sales in which no failover can have lost a call.
    pub exact: u64,
    /// Payments that a failover had lost.
    pub lost: u64,
    /// Of these, payments whose units were sold to others meanwhile: refunded.
    pub refunded: u64,
    /// Units that a failover has made exist twice, and that were owed in the end.
    pub short: i64,
}

/// A cluster, and one sale after the other.
pub struct Sales<'a> {
    site: Site,
    counts: &'a RefCell<Counts>,
}

impl Scene for Sales<'_> {
    const ROUNDS: u64 = 10;

    fn round(&mut self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let sale = self.set_up(seed, &mut rng);
        let (orders, deliveries, is_lossy) = self.sell(&sale, seed, &mut rng);
        settle(&sale);
        let found = check(&End { site: &self.site, sale: &sale, deliveries: &deliveries, is_lossy }, orders);
        let mut counts = self.counts.borrow_mut();
        (counts.paid, counts.units) = (counts.paid + found.paid, counts.units + found.units);
        (counts.lost, counts.refunded) = (counts.lost + found.lost, counts.refunded + found.refunded);
        counts.short += found.short;
        counts.exact += u64::from(!is_lossy);
    }

    fn client(&self) -> Client {
        self.site.cluster.client(0)
    }
}

/// Sends the buyers home where the sale ends by a panic: their threads are waited for.
struct Closing<'a>(&'a Sale);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.given_up.store(std::thread::panicking(), Ordering::Relaxed);
    }
}

impl<'a> Sales<'a> {
    pub fn open(counts: &'a RefCell<Counts>) -> Self {
        let site = Site::open();
        Sales { site, counts }
    }

    /// Two buckets on each primary of the beginning; the units lie anywhere.
    fn set_up(&self, seed: u64, rng: &mut SmallRng) -> Sale {
        let tag = |n: usize| tags_within(share_of(n % PRIMARIES, PRIMARIES)).nth(n / PRIMARIES).expect("a tag");
        let keys: Vec<String> = (0..BUCKETS).map(|n| format!("{{{}}}s{seed}", tag(n))).collect();
        let mut put_in = vec![0; BUCKETS];
        for _ in 0..rng.random_range(1..5) {
            put_in[rng.random_range(0..BUCKETS)] += rng.random_range(20..200);
        }
        let share = rng.random_range(1..20);
        let ports = self.site.cluster.ports();
        let sale = Sale::new(format!("s{seed}"), keys, ports, put_in, share * BUCKETS as i64);
        let mut shop = sale.shopper();
        for (key, units) in sale.keys.iter().zip(&sale.put_in) {
            for line in [
                format!("STOCK.SET {key} {units}"),
                format!("STOCK.LIMIT {key} user {EACH}"),
                format!("STOCK.LIMIT {key} promotion {share} MISSING ALLOW"),
            ] {
                assert_eq!(shop.say(key, &line).to_string(), "OK", "{line}");
            }
            wait_until("a replica has it", || shop.replicated());
        }
        let list: Vec<String> = sale.keys.iter().map(|key| format!("\"{key}\"")).collect();
        let config = format!(r#"{{"version":1,"by":"user","buckets":[{}]}}"#, list.join(","));
        let key = sale.own("shards");
        shop.call(&key, &["SET", &key, &config].map(|word| word.as_bytes().to_vec()));
        wait_until("a replica has it", || shop.replicated());
        sale
    }

    /// The sale, with everything that goes wrong; whether a failover can have lost something.
    fn sell(&mut self, sale: &Sale, seed: u64, rng: &mut SmallRng) -> (Vec<Order>, Vec<Delivery>, bool) {
        let mut balancers: Vec<Running> = (0..2).map(|_| balancer(sale)).collect();
        let mut deliveries: Vec<Delivery> = Vec::new();
        let mut is_lossy = false;
        let mut primaries = self.site.primaries();
        let orders = scope(|threads| {
            let buyers: Vec<_> =
                (0..BUYERS).map(|n| threads.spawn(move || Buyer::new(sale, seed, n).buy_until_sold_out())).collect();
            let _closing = Closing(sale);
            for nth in 0..TROUBLES {
                let_pass(sale, &mut deliveries, &buyers, rng, 60);
                let trouble = if nth == 0 { ALL[(seed % 4) as usize] } else { ALL[rng.random_range(0..ALL.len())] };
                let bucket = rng.random_range(0..BUCKETS);
                let old = rng.random_range(0..2);
                // One of the balancers dies in the middle of it.
                balancers[old] = balancer(sale);
                sale.down.store(trouble != Trouble::Move, Ordering::Relaxed);
                // A primary that was given up although nobody had killed it.
                is_lossy |= self.site.primaries() != primaries;
                is_lossy |= self.site.make(trouble, sale, bucket, rng, || {
                    let before = sale.placed.load(Ordering::Relaxed);
                    wait_until("some more orders", || {
                        buyers.iter().any(ScopedJoinHandle::is_finished)
                            || sale.placed.load(Ordering::Relaxed) > before + 20
                    });
                });
                primaries = self.site.primaries();
                self.count(trouble);
                let_pass(sale, &mut deliveries, &buyers, rng, 40);
                sale.down.store(false, Ordering::Relaxed);
            }
            sale.last.store(true, Ordering::Relaxed);
            buyers.into_iter().flat_map(|buyer| buyer.join().expect("a buyer")).collect()
        });
        is_lossy |= self.site.primaries() != primaries;
        let mut counts = self.counts.borrow_mut();
        counts.asked += sale.asked.load(Ordering::Relaxed);
        counts.unserved += sale.unserved.load(Ordering::Relaxed);
        counts.slowest_ms = counts.slowest_ms.max(sale.slowest_ms.load(Ordering::Relaxed));
        (orders, deliveries, is_lossy)
    }

    fn count(&self, trouble: Trouble) {
        let mut counts = self.counts.borrow_mut();
        counts.balancers += 1;
        match trouble {
            Trouble::HandOver => counts.handovers += 1,
            Trouble::Die => counts.deaths += 1,
            Trouble::Restart => counts.restarts += 1,
            Trouble::Move => counts.moved += 1,
        }
    }
}

/// Waits for so many more orders. Units arrive where few are left, so that the sale goes on.
fn let_pass(
    sale: &Sale,
    deliveries: &mut Vec<Delivery>,
    buyers: &[ScopedJoinHandle<'_, Vec<Order>>],
    rng: &mut SmallRng,
    orders: u64,
) {
    let goal = sale.placed.load(Ordering::Relaxed) + orders;
    let mut shop = sale.shopper();
    wait_until("the buyers go on", || {
        assert!(!buyers.iter().any(ScopedJoinHandle::is_finished), "a buyer gave up");
        let there: i64 = sale.put_in.iter().chain(deliveries.iter().map(|one| &one.units)).sum();
        if there - sale.units.load(Ordering::Relaxed) < 150 {
            let (bucket, units) = (rng.random_range(0..BUCKETS), rng.random_range(20..200));
            let delivery = Delivery { bucket, units, token: format!("d{}", deliveries.len()) };
            delivery.arrive(&mut shop, sale);
            deliveries.push(delivery);
        }
        sale.placed.load(Ordering::Relaxed) >= goal
    });
}
