//! The scripts that a shop would write instead. `bench/lua` has them, and says what each does.

use super::row::{Kind, Make, Row, LUA_A, LUA_C, LUA_C2, LUA_D};
use super::scripts::Scripts;
use super::setup::Setup;
use crate::ids;
use crate::wire::Calls;

/// A limit that no run reaches.
const PLENTY: &[u8] = b"1000000000";
/// Seconds: how long a hold lasts, and a window.
const HOLD: &[u8] = b"900";
const WINDOW: &[u8] = b"86400";
/// The time that the callers tell, at the first call. It moves on by a second every 5,000 calls.
const FIRST_SECOND: u64 = 1_760_000_000;

pub fn rows() -> Vec<Row> {
    let row = |name, share, make: Make, reply| Row {
        name,
        kind: Kind::Lua,
        writes: true,
        share,
        orders: 1,
        setup: Setup::NONE,
        make,
        reply,
    };
    vec![
        row(LUA_A, 1.0, a, b":9"),
        row("Lua B: 1 limit, TTL", 0.5, b, b":1"),
        row(LUA_C, 0.3, |scripts, calls, n| c(b"EVALSHA", &scripts.c, calls, n), b"*2\r\n:1\r\n"),
        row(LUA_C2, 0.3, c2, b"*2\r\n:1\r\n"),
        row("C2 as a Function", 0.3, |_, calls, n| c(b"FCALL", "c2", calls, n), b"*2\r\n:1\r\n"),
        row(LUA_D, 0.2, d, b"*1\r\n:1\r\n"),
    ]
}

fn a(scripts: &Scripts, calls: &mut Calls, _: u64) {
    calls.add(&[b"EVALSHA", scripts.a.as_bytes(), b"1", b"stock", b"1"]);
}

fn b(scripts: &Scripts, calls: &mut Calls, n: u64) {
    let (order, user) = (key("order:", &ids::order(n)), ids::user(n));
    calls.add(&[b"EVALSHA", scripts.b.as_bytes(), b"3", b"stock", b"bought", &order, &user, b"1", PLENTY, HOLD]);
}

/// C and C2 have the same keys and arguments.
fn c(command: &[u8], script: &str, calls: &mut Calls, n: u64) {
    let id = ids::order(n);
    let [user, region, store] = counters("", n);
    let (order, now) = (key("order:", &id), now(n));
    let keys: [&[u8]; 9] = [command, script.as_bytes(), b"6", b"stock", &order, b"expiries", &user, &region, &store];
    let args: [&[u8]; 9] = [&id, b"sku", b"1", now.as_bytes(), HOLD, WINDOW, PLENTY, PLENTY, PLENTY];
    calls.add(&[keys, args].concat());
}

pub fn c2(scripts: &Scripts, calls: &mut Calls, n: u64) {
    c(b"EVALSHA", &scripts.c2, calls, n);
}

pub fn d(scripts: &Scripts, calls: &mut Calls, n: u64) {
    let id = ids::order(n);
    let (order, now) = (key("order:", &id), now(n));
    let pools = ["1", "2", "3"].map(|pool| (key("stock", pool.as_bytes()), counters(pool, n)));
    let mut args: Vec<&[u8]> = vec![b"EVALSHA", scripts.d.as_bytes(), b"14", &order, b"expiries"];
    for (stock, [user, region, store]) in &pools {
        args.extend([stock.as_slice(), user, region, store]);
    }
    args.extend([&id, now.as_bytes(), HOLD, WINDOW]);
    for sku in [b"sku1", b"sku2", b"sku3"] {
        args.extend([sku.as_slice(), b"1", PLENTY, PLENTY, PLENTY]);
    }
    calls.add(&args);
}

/// The keys of the n-th order of C, written by the commands that C itself runs: much faster than C.
/// Each answers an integer.
pub fn keys_of_c(calls: &mut Calls, n: u64) {
    let id = ids::order(n);
    let ex = (FIRST_SECOND + n / 5_000 + 900).to_string();
    calls.add(&[b"HSET", &key("order:", &id), b"st", b"held", b"sku", b"sku", b"q", b"1", b"ex", ex.as_bytes()]);
    calls.add(&[b"ZADD", b"expiries", ex.as_bytes(), &id]);
    calls.add(&[b"DECRBY", b"stock", b"1"]);
    // Regions and stores come again: only their first counter gets its time to live.
    for (counter, first) in counters("", n).iter().zip([true, n < ids::REGIONS, n < ids::STORES]) {
        calls.add(&[b"INCRBY", counter, b"1"]);
        if first {
            calls.add(&[b"EXPIRE", counter, WINDOW]);
        }
    }
}

/// The counters of a buyer, a region and a store.
fn counters(pool: &str, n: u64) -> [Vec<u8>; 3] {
    let kinds: [(&str, &[u8]); 3] = [("user", &ids::user(n)), ("region", &ids::region(n)), ("store", &ids::store(n))];
    kinds.map(|(kind, id)| key(&format!("{kind}{pool}:"), id))
}

fn key(prefix: &str, id: &[u8]) -> Vec<u8> {
    [prefix.as_bytes(), id].concat()
}

fn now(n: u64) -> String {
    (FIRST_SECOND + n / 5_000).to_string()
}
