//! One sale: what its buyers share, and what an operator does with its buckets.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use stock_balance::{Bucket, Lane, Quota};
use testkit::shopper::Shopper;
use testkit::{status_word, Value};

/// What one user may buy.
pub const EACH: i64 = 3;

/// What the buyers of a sale share.
pub struct Sale {
    pub name: String,
    pub keys: Vec<String>,
    pub ports: Vec<u16>,
    /// What was put into each bucket.
    pub put_in: Vec<i64>,
    /// Of each promotion, over all buckets.
    pub promotion: i64,
    /// No more is delivered: whoever finds nothing left is done.
    pub last: AtomicBool,
    /// Something is wrong: whoever buys goes home.
    pub given_up: AtomicBool,
    pub placed: AtomicU64,
    pub units: AtomicI64,
    pub asked: AtomicU64,
    pub slowest_ms: AtomicU64,
    pub unserved: AtomicU64,
    /// A primary is down, or was a moment ago.
    pub down: AtomicBool,
}

impl Sale {
    pub fn new(name: String, keys: Vec<String>, ports: Vec<u16>, put_in: Vec<i64>, promotion: i64) -> Sale {
        Sale {
            name,
            keys,
            ports,
            put_in,
            promotion,
            last: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            placed: AtomicU64::new(0),
            units: AtomicI64::new(0),
            asked: AtomicU64::new(0),
            slowest_ms: AtomicU64::new(0),
            unserved: AtomicU64::new(0),
            down: AtomicBool::new(false),
        }
    }

    /// A key of the sharded pool itself, beside those of its buckets.
    pub fn own(&self, what: &str) -> String {
        format!("{{{}}}{what}", self.name)
    }

    /// A client of the cluster.
    pub fn shopper(&self) -> Shopper {
        Shopper::new(self.ports.clone())
    }

    /// What all buckets have, as a balancer says it.
    pub fn left(&self, shop: &mut Shopper) -> Option<i64> {
        let key = self.own("left");
        match shop.say(&key, &format!("GET {key}")) {
            Value::Nil => None,
            value => Some(value.text().parse().expect("a number")),
        }
    }

    /// A buyer asks the balancers for units of other buckets.
    pub fn ask(&self, shop: &mut Shopper, ask: &str) {
        let key = self.own("asks");
        shop.call(&key, &["RPUSH", &key, ask].map(|word| word.as_bytes().to_vec()));
    }

    /// What the buckets say.
    pub fn look(&self, shop: &mut Shopper) -> Vec<Bucket> {
        let bucket = |key: &String| {
            let available = shop.say(key, &format!("STOCK.AVAILABLE {key}"));
            let lanes = shop.say(key, &format!("STOCK.SHIFTS {key}"));
            let available = match &available {
                Value::Int(n) => *n,
                other => other.items()[0].int(),
            };
            Bucket { key: key.clone(), available, rate: 0, lanes: lanes.items().iter().map(lane).collect() }
        };
        self.keys.iter().map(bucket).collect()
    }
}

fn lane(line: &Value) -> Lane {
    let limit = line.field("limit");
    let values = || line.field("values").items().iter().map(|value| value.text().into_bytes()).collect();
    Lane {
        peer: line.field("peer").text(),
        quota: (limit != Value::Nil).then(|| Quota { limit: limit.text(), values: values() }),
        sent: line.field("sent").int(),
        received: line.field("received").int(),
        since_ms: line.field("since_ms").int(),
    }
}

/// Units that arrived during the sale.
pub struct Delivery {
    /// The number of the bucket.
    pub bucket: usize,
    pub units: i64,
    pub token: String,
}

impl Delivery {
    /// The same again changes nothing.
    pub fn arrive(&self, shop: &mut Shopper, sale: &Sale) {
        let key = &sale.keys[self.bucket];
        let answer = shop.say(key, &format!("STOCK.ADD {key} {} TOKEN {}", self.units, self.token));
        assert!(["OK", "EXISTS"].contains(&status_word(&answer).as_str()), "{answer}");
    }
}
