//! What must be true of a sharded pool when its sale is over.

use std::collections::{BTreeMap, HashMap};

use super::buyer::{left, pay, Fate, Order};
use super::{deliver, Deliveries, Sale, Sales, EACH};
use stock_balance::{in_flight, Bucket, Lane, Share};
use testkit::shopper::Shopper;
use testkit::{orders_in, status_word, stock_info, wait_until, Value};

/// What the buckets say.
pub fn look(shop: &mut Shopper, keys: &[String]) -> Vec<Bucket> {
    let bucket = |key: &String| {
        let available = shop.say(key, &format!("STOCK.AVAILABLE {key}"));
        let lanes = shop.say(key, &format!("STOCK.SHIFTS {key}"));
        let available = match &available {
            Value::Int(n) => *n,
            other => other.items()[0].int(),
        };
        Bucket { key: key.clone(), available, rate: 0, lanes: lanes.items().iter().map(lane).collect() }
    };
    keys.iter().map(bucket).collect()
}

fn lane(line: &Value) -> Lane {
    let limit = line.field("limit");
    let values = || line.field("values").items().iter().map(|value| value.text().into_bytes()).collect();
    Lane {
        peer: line.field("peer").text(),
        share: (limit != Value::Nil).then(|| Share { limit: limit.text(), values: values() }),
        sent: line.field("sent").int(),
        received: line.field("received").int(),
        since_ms: line.field("since_ms").int(),
    }
}

impl Sales<'_> {
    /// Repairs what a failover has lost, as a shop does it, and looks at every number.
    pub(super) fn check(&self, sale: &Sale, mut orders: Vec<Order>, deliveries: &Deliveries, is_lossy: bool) {
        let mut shop = Shopper::new(sale.ports.clone());
        self.repair(&mut shop, sale, &mut orders, deliveries, is_lossy);
        self.settle(sale);
        self.sell_the_rest(&mut shop, sale, &mut orders);
        self.settle(sale);
        let mut put_in = sale.put_in.clone();
        for (bucket, units, _) in deliveries {
            put_in[*bucket] += units;
        }
        let (mut out, mut on_hand, mut short) = (0, 0, 0);
        for (at, key) in sale.keys.iter().enumerate() {
            let mut client = self.primary_of(key);
            let of_it = |fate| orders.iter().filter(move |order| order.bucket == at && order.fate == fate);
            let paid: HashMap<String, i64> = of_it(Fate::Paid).map(|order| (order.id.clone(), order.qty)).collect();
            assert_eq!(orders_in(&mut client, key, "confirmed"), paid, "{key}: each paid order is there once");
            let pool = client.say(&format!("STOCK.GET {key}"));
            let number = |name: &str| pool.field(name).int();
            let shifted = if pool.to_string().contains("shifted") { number("shifted") } else { 0 };
            assert_eq!(number("on_hand") - shifted + number("out"), put_in[at], "{key}: its own units");
            assert_eq!(number("out"), paid.values().sum::<i64>(), "{key}: what was sold");
            assert_eq!(number("reserved"), 0, "{key}");
            assert_eq!(number("available"), 0, "{key}: nothing is left");
            (out, on_hand, short) = (out + number("out"), on_hand + number("on_hand"), short + number("shortfall"));
            client.verify(key);
        }
        assert_eq!(in_flight(&look(&mut shop, &sale.keys)), (0, 0), "everything has arrived");
        assert_eq!(out + on_hand, put_in.iter().sum::<i64>(), "all units are there");
        assert!(is_lossy || (short, on_hand) == (0, 0), "{short} short, {on_hand} left, and nothing was lost");
        limits_have_held(sale, &orders, is_lossy);
        self.replicas_agree(sale);
        let mut counts = self.counts.borrow_mut();
        counts.paid += orders.iter().filter(|order| order.fate == Fate::Paid).count() as u64;
        (counts.units, counts.short) = (counts.units + out, counts.short + short);
        for key in &sale.keys {
            self.primary_of(key).call(&["DEL", key]);
        }
    }

    fn repair(&self, shop: &mut Shopper, sale: &Sale, orders: &mut [Order], deliveries: &Deliveries, is_lossy: bool) {
        deliveries.iter().for_each(|delivery| deliver(shop, sale, delivery));
        for order in orders {
            match order.fate {
                Fate::Paid => {
                    let (fate, was_lost) = pay(shop, sale, order);
                    assert!(is_lossy || !was_lost, "no failover has lost anything, and a payment is: {order:?}");
                    let mut counts = self.counts.borrow_mut();
                    counts.lost += u64::from(was_lost);
                    counts.refunded += u64::from(fate == Fate::Refunded);
                    order.fate = fate;
                }
                Fate::Released | Fate::Refunded => {
                    let key = &sale.keys[order.bucket];
                    let answer = shop.say(key, &format!("STOCK.RELEASE {key} {}", order.id));
                    assert!(["OK", "EXISTS"].contains(&status_word(&answer).as_str()), "{order:?}: {answer}");
                }
                Fate::Refused => {}
            }
        }
    }

    /// What came back at the end is found by somebody who asks for it, unit by unit.
    fn sell_the_rest(&self, shop: &mut Shopper, sale: &Sale, orders: &mut Vec<Order>) {
        let _balancer = self.balancer(sale);
        let mut n = 0;
        wait_until("the last units are sold", || {
            let seen = look(shop, &sale.keys);
            let rest: i64 = seen.iter().map(|bucket| bucket.available.max(0)).sum();
            if rest == 0 && left(shop, sale) == Some(0) {
                return true;
            }
            let bucket = n % sale.keys.len();
            let (key, id) = (&sale.keys[bucket], format!("rest-{n}"));
            let order = Order {
                id: id.clone(),
                bucket,
                user: id.clone(),
                promotion: None,
                qty: 1,
                placed_ms: testkit::now_ms(),
                fate: Fate::Paid,
            };
            let answer = shop.say(key, &format!("STOCK.RESERVE {key} {id} 1 EX 600 FOR user {id}"));
            if status_word(&answer) == "OK" {
                assert_eq!(pay(shop, sale, &order).0, Fate::Paid);
                orders.push(order);
                n += 1;
            } else {
                let asks = sale.own("asks");
                let ask = format!(r#"["{id}",{bucket},1]"#);
                shop.call(&asks, &["RPUSH", &asks, &ask].map(|word| word.as_bytes().to_vec()));
            }
            false
        });
    }

    fn replicas_agree(&self, sale: &Sale) {
        for key in &sale.keys {
            let owner = self.owner(key);
            let other = self.cluster.other_of(owner);
            let mut reader = self.cluster.client(other);
            reader.expect("READONLY", "OK");
            let mut primary = self.cluster.client(owner);
            wait_until("the replica holds the same", || {
                self.cluster.nodes[other].catch_up(&self.cluster.nodes[owner]);
                reader.digest(key) == primary.digest(key)
            });
        }
        for node in &self.cluster.nodes {
            assert_eq!(stock_info(&mut node.client(), "divergences"), 0, "effects that did not fit");
            crate::rounds::no_internal_error(node);
        }
    }
}

/// Of a user always; of a promotion, which is divided, where no failover has lost a share.
fn limits_have_held(sale: &Sale, orders: &[Order], is_lossy: bool) {
    let mut users: BTreeMap<&str, i64> = BTreeMap::new();
    let mut promotions: BTreeMap<&str, i64> = BTreeMap::new();
    for order in orders.iter().filter(|order| order.fate == Fate::Paid) {
        *users.entry(&order.user).or_default() += order.qty;
        if let Some(name) = order.promotion {
            *promotions.entry(name).or_default() += order.qty;
        }
    }
    for (user, units) in users {
        assert!(units <= EACH, "{user} has {units}");
    }
    for (name, units) in promotions {
        assert!(is_lossy || units <= sale.promotion, "{units} of {} in {name}", sale.promotion);
    }
}
