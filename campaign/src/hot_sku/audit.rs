//! What must be true of a sharded pool when its sale is over.

use std::collections::{BTreeMap, HashMap};

use super::balancer::{balancer, settle};
use super::buyer::{pay, Fate, Order};
use super::sale::{Delivery, Sale, EACH};
use super::trouble::Site;
use stock_balance::in_flight;
use testkit::shopper::Shopper;
use testkit::{orders_in, status_word, stock_info, wait_until, Client};

/// A sale that is over.
pub struct End<'a> {
    pub site: &'a Site,
    pub sale: &'a Sale,
    pub deliveries: &'a [Delivery],
    /// A failover can have lost calls that were answered.
    pub is_lossy: bool,
}

/// What was found at the end of one sale.
#[derive(Default)]
pub struct Found {
    pub paid: u64,
    pub units: i64,
    pub lost: u64,
    pub refunded: u64,
    pub short: i64,
}

/// Repairs what a failover has lost, as a shop does it, and looks at every number.
pub fn check(end: &End<'_>, mut orders: Vec<Order>) -> Found {
    let sale = end.sale;
    let (mut shop, mut found) = (sale.shopper(), Found::default());
    end.repair(&mut shop, &mut orders, &mut found);
    settle(sale);
    {
        let _balancer = balancer(sale);
        end.sell_the_rest(&mut shop, &mut orders);
    }
    settle(sale);
    let mut put_in = sale.put_in.clone();
    end.deliveries.iter().for_each(|delivery| put_in[delivery.bucket] += delivery.units);
    let mut on_hand = 0;
    for (at, key) in sale.keys.iter().enumerate() {
        let mut client = end.primary_of(key);
        let of_it = orders.iter().filter(|order| order.bucket == at && order.fate == Fate::Paid);
        let paid: HashMap<String, i64> = of_it.map(|order| (order.id.clone(), order.qty)).collect();
        assert_eq!(orders_in(&mut client, key, "confirmed"), paid, "{key}: each paid order is there once");
        let pool = client.say(&format!("STOCK.GET {key}"));
        let number = |name: &str| pool.field(name).int();
        let shifted = if pool.to_string().contains("shifted") { number("shifted") } else { 0 };
        assert_eq!(number("on_hand") - shifted + number("sold"), put_in[at], "{key}: its own units");
        assert_eq!(number("sold"), paid.values().sum::<i64>(), "{key}: what was sold");
        assert_eq!(number("reserved"), 0, "{key}");
        assert_eq!(number("available"), 0, "{key}: nothing is left");
        on_hand += number("on_hand");
        (found.units, found.short) = (found.units + number("sold"), found.short + number("shortfall"));
        client.verify(key);
    }
    assert_eq!(in_flight(&sale.look(&mut shop)), (0, 0), "everything has arrived");
    assert_eq!(found.units + on_hand, put_in.iter().sum::<i64>(), "all units are there");
    let nothing = (found.short, on_hand) == (0, 0);
    assert!(end.is_lossy || nothing, "{} short, {on_hand} left, and nothing was lost", found.short);
    end.limits_have_held(&orders);
    end.replicas_agree();
    found.paid = orders.iter().filter(|order| order.fate == Fate::Paid).count() as u64;
    for key in &sale.keys {
        end.primary_of(key).call(&["DEL", key]);
    }
    found
}

impl End<'_> {
    fn primary_of(&self, key: &str) -> Client {
        self.site.cluster.client(self.site.cluster.owner(key))
    }

    /// Every delivery, payment and release once more.
    fn repair(&self, shop: &mut Shopper, orders: &mut [Order], found: &mut Found) {
        self.deliveries.iter().for_each(|delivery| delivery.arrive(shop, self.sale));
        for order in orders {
            match order.fate {
                Fate::Paid => {
                    let (fate, was_lost) = pay(shop, self.sale, order);
                    assert!(self.is_lossy || !was_lost, "nothing can be lost, and a payment is: {order:?}");
                    found.lost += u64::from(was_lost);
                    found.refunded += u64::from(fate == Fate::Refunded);
                    order.fate = fate;
                }
                Fate::Released | Fate::Refunded => {
                    let key = &self.sale.keys[order.bucket];
                    let answer = shop.say(key, &format!("STOCK.RELEASE {key} {}", order.id));
                    let is_known = ["OK", "EXISTS"].contains(&status_word(&answer).as_str());
                    // A failover has lost the order with its release: it is remembered as released.
                    let is_lost = self.is_lossy && status_word(&answer) == "NOORDER";
                    assert!(is_known || is_lost, "{order:?}: {answer}");
                }
                Fate::Refused => {}
            }
        }
    }

    /// What came back at the end is found by somebody who asks for it, unit by unit.
    fn sell_the_rest(&self, shop: &mut Shopper, orders: &mut Vec<Order>) {
        let sale = self.sale;
        let mut n = 0;
        wait_until("the last units are sold", || {
            let rest: i64 = sale.look(shop).iter().map(|bucket| bucket.available.max(0)).sum();
            if rest == 0 && sale.left(shop) == Some(0) {
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
                sale.ask(shop, &format!(r#"["{id}",{bucket},1]"#));
            }
            false
        });
    }

    /// Of a user always; of a promotion, which is divided, where no failover has lost a quota.
    fn limits_have_held(&self, orders: &[Order]) {
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
        let most = self.sale.promotion;
        for (name, units) in promotions {
            assert!(self.is_lossy || units <= most, "{units} of {most} in {name}");
        }
    }

    fn replicas_agree(&self) {
        let cluster = &self.site.cluster;
        for key in &self.sale.keys {
            let owner = cluster.owner(key);
            let other = cluster.other_of(owner);
            let mut reader = cluster.client(other);
            reader.expect("READONLY", "OK");
            let mut primary = cluster.client(owner);
            wait_until("the replica holds the same", || {
                cluster.nodes[other].catch_up(&cluster.nodes[owner]);
                reader.digest(key) == primary.digest(key)
            });
        }
        for node in &cluster.nodes {
            assert_eq!(stock_info(&mut node.client(), "divergences"), 0, "effects that did not fit");
            crate::rounds::no_internal_error(node);
        }
    }
}
