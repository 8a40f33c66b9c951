//! The contract in tables: the state table cell by cell, windows, overrides, give-back, LATE,
//! tokens, bounds. What they expect is written from the contract by hand. Each call goes to the
//! reference and to the core: a second opinion on both.

use redis_stock::command::host::Origin;

use testkit::generate::{Generator, Profile, START_MS};
use testkit::host::Host;
use testkit::reference::{Config, Reference};
use testkit::reply::{same, same_for, Reply};

mod carts;
mod generator;
mod late;
mod limits;
mod orders;
mod policies;
mod reading;
mod replace;
mod schedule;
mod shifts;
mod split;
mod states;
mod stock;
mod transfer;
mod wrong;

/// Thursday, 2026-01-01T00:00:00Z.
const NEW_YEAR_MS: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The reference and the core with one clock, spoken to in text.
struct Shop {
    model: Reference,
    core: Host,
    now_ms: i64,
}

impl Clone for Shop {
    fn clone(&self) -> Self {
        Shop { model: self.model.clone(), core: self.core.twin(), now_ms: self.now_ms }
    }
}

/// Runs a call that must not change anything.
#[track_caller]
fn refuses(shop: &mut Shop, call: &str, expected: &str) {
    let (changes, state) = (shop.model.changes(), shop.core.state());
    shop.says(call, expected);
    assert_eq!(shop.model.changes(), changes, "{call}");
    assert!(shop.core.state() == state, "{call} changed the core");
}

impl Shop {
    fn at(now_ms: i64) -> Self {
        Shop { model: Reference::new(Config::default()), core: Host::new(1), now_ms }
    }

    /// A shop with one pool `k`.
    fn with_stock(now_ms: i64, on_hand: &str) -> Self {
        let mut shop = Shop::at(now_ms);
        shop.says(&format!("SET k {on_hand}"), "OK");
        shop
    }

    fn call(&mut self, text: &str) -> Reply {
        let mut argv: Vec<Vec<u8>> = text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        argv[0] = format!("STOCK.{}", text.split(' ').next().unwrap_or("")).into_bytes();
        let expected = self.model.call(self.now_ms, &argv);
        let (answer, _) = self.core.call(self.now_ms, Origin::Client, &argv);
        assert!(same_for(&argv[0], &expected, &answer), "{text}: reference {expected:?}, core {answer:?}");
        assert_eq!(self.core.verify(), Vec::<String>::new(), "{text}");
        expected
    }

    #[track_caller]
    fn says(&mut self, call: &str, expected: &str) {
        assert_eq!(show(&self.call(call)), expected, "{call}");
    }

    #[track_caller]
    fn field(&mut self, call: &str, name: &str, expected: &str) {
        let reply = self.call(call);
        let value = reply.field(name).map_or("(none)".into(), show);
        assert_eq!(value, expected, "{name} of {call}");
    }

    /// `used/max/remaining/resets` of the limits that apply.
    #[track_caller]
    fn usage(&mut self, call: &str, expected: &[&str]) {
        let Reply::Array(limits) = self.call(call) else {
            panic!("{call} is no array");
        };
        let shown: Vec<String> = limits
            .iter()
            .map(|limit| {
                let fields = ["used", "max", "remaining", "resets_ms"];
                let fields = fields.map(|name| limit.field(name).map_or("?".into(), show));
                fields.join("/")
            })
            .collect();
        assert_eq!(shown, expected, "{call}");
    }
}

/// A reply in one line: words as they are, arrays inside arrays in brackets, errors by their first
/// word.
fn show(reply: &Reply) -> String {
    let inner = |item: &Reply| match item {
        Reply::Array(_) | Reply::Map(_) => format!("[{}]", show(item)),
        item => show(item),
    };
    match reply {
        Reply::Int(value) => value.to_string(),
        Reply::Nil => "nil".into(),
        Reply::Error(_) => format!("-{}", reply.word().unwrap_or_default()),
        Reply::Array(items) => items.iter().map(inner).collect::<Vec<_>>().join(" "),
        Reply::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}={}", inner(key), inner(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        _ => String::from_utf8_lossy(reply.bytes().unwrap_or_default()).into_owned(),
    }
}

/// A pool of 10, and one order `o` of 4 that got into this state.
fn order_in(state: &str) -> Shop {
    let mut shop = Shop::with_stock(1_000_000, "10");
    let calls: &[&str] = match state {
        "unknown" => &[],
        "reserved" | "due" => &["RESERVE k o 4 PX 10000 FOR user u"],
        "expired" => &["RESERVE k o 4 PX 10000 FOR user u"],
        "released" => &["RESERVE k o 4 PX 10000 FOR user u", "RELEASE k o"],
        "confirmed" => &["RESERVE k o 4 PX 10000 FOR user u", "CONFIRM k o"],
        "partly returned" => &["RESERVE k o 4 PX 10000 FOR user u", "CONFIRM k o", "RETURN k o QTY 1 TOKEN t"],
        "returned" => &["RESERVE k o 4 PX 10000 FOR user u", "CONFIRM k o", "RETURN k o"],
        _ => unreachable!("no such state"),
    };
    for call in calls {
        let reply = show(&shop.call(call));
        assert!(reply.starts_with("OK"), "{call}: {reply}");
    }
    match state {
        "due" => shop.now_ms = 1_010_000,
        "expired" => {
            shop.now_ms = 1_010_000;
            shop.says("SWEEP k", "1");
        }
        _ => {}
    }
    shop
}
