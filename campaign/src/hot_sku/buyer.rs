//! Buyers, who do what docs/guides/hot-sku.md tells them to do.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::sale::Sale;
use stock_balance::bucket_of;
use testkit::shopper::Shopper;
use testkit::{now_ms, status_word};

/// How long a buyer waits for units of other buckets: longer than a failover takes.
const PATIENCE: Duration = Duration::from_secs(15);
const PROMOTIONS: [&str; 2] = ["spring", "autumn"];

/// What became of an order, as its buyer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Paid,
    Released,
    Refused,
    /// Paid, and then there was nothing to be had: the money is given back.
    Refunded,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub id: String,
    pub bucket: usize,
    pub user: String,
    pub promotion: Option<&'static str>,
    pub qty: i64,
    pub placed_ms: i64,
    pub fate: Fate,
}

impl Order {
    /// Its attributes, behind FOR.
    pub fn attributes(&self) -> String {
        let promotion = self.promotion.map(|name| format!(" promotion {name}")).unwrap_or_default();
        format!("user {}{promotion}", self.user)
    }
}

pub struct Buyer<'a> {
    sale: &'a Sale,
    shop: Shopper,
    rng: SmallRng,
    name: u64,
}

/// What a buyer is told in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Reserved,
    Limited,
    SoldOut,
}

impl<'a> Buyer<'a> {
    pub fn new(sale: &'a Sale, seed: u64, name: u64) -> Self {
        let rng = SmallRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(name));
        Buyer { sale, shop: sale.shopper(), rng, name }
    }

    /// Order after order, until nothing is left in any bucket, and nothing comes.
    pub fn buy_until_sold_out(mut self) -> Vec<Order> {
        let mut orders = Vec::new();
        for n in 0.. {
            if self.sale.given_up.load(Ordering::Relaxed) {
                break;
            }
            let (order, told) = self.buy(n);
            orders.push(order);
            if told == Told::SoldOut && self.sale.last.load(Ordering::Relaxed) && self.left() == Some(0) {
                break;
            }
            sleep(Duration::from_millis(3));
        }
        orders
    }

    fn buy(&mut self, n: u64) -> (Order, Told) {
        // A user comes several times, and meets the limit.
        let user = format!("u{}-{}", self.name, n / 3);
        let bucket = bucket_of(user.as_bytes(), self.sale.keys.len() as u32) as usize;
        let promotion = self.rng.random_bool(0.3).then(|| PROMOTIONS[self.rng.random_range(0..PROMOTIONS.len())]);
        let qty = self.rng.random_range(1..=2);
        let id = format!("o{}-{n}", self.name);
        let mut order = Order { id, bucket, user, promotion, qty, placed_ms: now_ms(), fate: Fate::Refused };
        let told = self.reserve(&order);
        if told == Told::Reserved {
            self.sale.placed.fetch_add(1, Ordering::Relaxed);
            self.sale.units.fetch_add(qty, Ordering::Relaxed);
            if self.rng.random_bool(0.1) {
                order.fate = Fate::Released;
                self.sale.units.fetch_sub(qty, Ordering::Relaxed);
                let key = &self.sale.keys[bucket];
                self.shop.say(key, &format!("STOCK.RELEASE {key} {}", order.id));
            } else {
                order.fate = pay(&mut self.shop, self.sale, &order).0;
            }
        }
        (order, told)
    }

    /// Reserves in the buyer's bucket; where it is empty, asks for units of the others.
    fn reserve(&mut self, order: &Order) -> Told {
        let key = &self.sale.keys[order.bucket];
        let call = format!("STOCK.RESERVE {key} {} {} EX 600 FOR {}", order.id, order.qty, order.attributes());
        let (began, mut was_down, mut asked) = (Instant::now(), false, false);
        loop {
            was_down |= self.sale.down.load(Ordering::Relaxed);
            let answer = self.shop.say(key, &call);
            let ask = match status_word(&answer).as_str() {
                "OK" | "EXISTS" => {
                    if asked {
                        self.sale.asked.fetch_add(1, Ordering::Relaxed);
                        if !was_down {
                            let waited_ms = began.elapsed().as_millis() as u64;
                            self.sale.slowest_ms.fetch_max(waited_ms, Ordering::Relaxed);
                        }
                    }
                    return Told::Reserved;
                }
                "SOLDOUT" => format!(r#"["{}",{},{}]"#, order.id, order.bucket, order.qty),
                "LIMITED" => {
                    let (limit, values) = (answer.items()[2].text(), answer.items()[3].items());
                    // The limit of the user is whole in the bucket.
                    if limit.starts_with("user/") {
                        return Told::Limited;
                    }
                    let value = values[0].text();
                    format!(r#"["{}",{},{},"{limit}",["{value}"]]"#, order.id, order.bucket, order.qty)
                }
                other => panic!("{call}: {other}"),
            };
            let is_limit = status_word(&answer) == "LIMITED";
            if !is_limit && self.left().is_some_and(|left| left < order.qty) {
                return Told::SoldOut;
            }
            // Nobody says how much is left of a promotion: whoever gets nothing in time is told so.
            let patience = if is_limit { Duration::from_millis(200) } else { PATIENCE };
            if began.elapsed() > patience {
                if !is_limit {
                    self.sale.unserved.fetch_add(1, Ordering::Relaxed);
                    assert!(was_down, "nobody was down, and {} got nothing although there was some", order.id);
                }
                return if is_limit { Told::Limited } else { Told::SoldOut };
            }
            asked = true;
            self.sale.ask(&mut self.shop, &ask);
            sleep(Duration::from_millis(4));
        }
    }

    /// What all buckets have, as a balancer says it.
    fn left(&mut self) -> Option<i64> {
        self.sale.left(&mut self.shop)
    }
}

/// Pays an order, also one that a failover has lost; and whether it was lost.
pub fn pay(shop: &mut Shopper, sale: &Sale, order: &Order) -> (Fate, bool) {
    let key = &sale.keys[order.bucket];
    let answer = shop.say(key, &format!("STOCK.CONFIRM {key} {}", order.id));
    match status_word(&answer).as_str() {
        "EXISTS" => (Fate::Paid, false),
        "OK" => (Fate::Paid, true),
        "NOORDER" => {
            let late = format!("QTY {} LATE SINCE {} FOR {}", order.qty, order.placed_ms, order.attributes());
            let answer = shop.say(key, &format!("STOCK.CONFIRM {key} {} {late}", order.id));
            match status_word(&answer).as_str() {
                "OK" | "EXISTS" => (Fate::Paid, true),
                "SOLDOUT" | "LIMITED" => (Fate::Refunded, true),
                other => panic!("{order:?}: {other}"),
            }
        }
        other => panic!("{order:?}: {other}"),
    }
}
