//! The calls of the module.

use super::setup::{Before, Setup, POOLS};
use super::{Kind, Make, Row, LIMITED, MRESERVE, RESERVE_3, SOLDOUT};
use crate::ids;
use crate::wire::Calls;

/// Who has used up the limit, in the row LIMITED.
pub const GREEDY_BUYERS: u32 = 1_000;
/// The number of an order that no other row has.
const OTHER_ORDERS: u64 = 1 << 40;

/// How long a hold lasts, unless said otherwise.
const HOLD: [&[u8]; 2] = [b"EX", b"900"];

/// `STOCK.RESERVE key order 1 EX 900 FOR user … region … store …`, or the floor with the same arguments.
pub fn reserve(command: &[u8], calls: &mut Calls, order: u64, user: u64) {
    reserve_until(&[command], HOLD, calls, order, user);
}

/// The same with another hold, and with whatever words come before the key.
pub fn reserve_until(command: &[&[u8]], hold: [&[u8]; 2], calls: &mut Calls, order: u64, user: u64) {
    let (order, buyer, region, store) = (ids::order(order), ids::user(user), ids::region(user), ids::store(user));
    let content: [&[u8]; 3] = [POOLS[0].as_bytes(), &order, b"1"];
    let whom: [&[u8]; 7] = [b"FOR", b"user", &buyer, b"region", &region, b"store", &store];
    calls.add(&[command, &content, &hold, &whom].concat());
}

pub fn rows() -> Vec<Row> {
    let row = |name, kind, setup, make: Make, reply| Row { name, kind, writes: true, share: 1.0, setup, make, reply };
    let stock = |name, setup, make, reply| row(name, Kind::Stock, setup, make, reply);
    let taken = Setup { before: Before::TheOrders, ..Setup::pool(3) };
    let sold_out = Setup { on_hand: "0", ..Setup::pool(3) };
    let greedy = Setup { before: Before::GreedyBuyers, ..Setup::pool(3) };
    let read = |name, make, reply| Row { writes: false, ..stock(name, Setup::pool(3), make, reply) };
    let refusal = |name, setup, make, reply| Row { writes: false, ..row(name, Kind::Refusal, setup, make, reply) };
    vec![
        stock("RESERVE, bare", Setup::pool(0), bare, b"*4\r\n$2\r\nOK\r\n"),
        stock("RESERVE, 1 limit", Setup::pool(1), usual, b"*4\r\n$2\r\nOK\r\n"),
        stock(RESERVE_3, Setup::pool(3), usual, b"*4\r\n$2\r\nOK\r\n"),
        stock("RESERVE, 8 limits", Setup::pool(8), usual, b"*4\r\n$2\r\nOK\r\n"),
        stock("CONFIRM", taken, |_, calls, n| of_order(b"STOCK.CONFIRM", calls, n), b"*3\r\n$2\r\nOK\r\n"),
        stock("RELEASE", taken, |_, calls, n| of_order(b"STOCK.RELEASE", calls, n), b"*3\r\n$2\r\nOK\r\n"),
        read("AVAILABLE", |_, calls, _| calls.add(&[b"STOCK.AVAILABLE", POOLS[0].as_bytes()]), b"*1\r\n:"),
        read("CHECK, 3 limits", check, b"*4\r\n$2\r\nOK\r\n"),
        Row { share: 0.5, ..stock(MRESERVE, Setup { pools: 3, ..Setup::pool(3) }, cart, b"*2\r\n$2\r\nOK\r\n") },
        refusal(SOLDOUT, sold_out, usual, b"*3\r\n$7\r\nSOLDOUT\r\n"),
        refusal(LIMITED, greedy, limited, b"*7\r\n$7\r\nLIMITED\r\n"),
        refusal("RESERVE: EXISTS", taken, usual, b"*6\r\n$6\r\nEXISTS\r\n"),
    ]
}

/// RESERVE of a new order by a new buyer.
fn usual(_: &super::Scripts, calls: &mut Calls, n: u64) {
    reserve(b"STOCK.RESERVE", calls, n, n);
}

fn bare(_: &super::Scripts, calls: &mut Calls, n: u64) {
    calls.add(&[b"STOCK.RESERVE", POOLS[0].as_bytes(), &ids::order(n), b"1", b"EX", b"900"]);
}

/// RESERVE of a new order by one of the buyers who have had theirs.
fn limited(_: &super::Scripts, calls: &mut Calls, n: u64) {
    reserve(b"STOCK.RESERVE", calls, OTHER_ORDERS + n, n % u64::from(GREEDY_BUYERS));
}

fn check(_: &super::Scripts, calls: &mut Calls, n: u64) {
    let (user, region, store) = (ids::user(n), ids::region(n), ids::store(n));
    let key = POOLS[0].as_bytes();
    calls.add(&[b"STOCK.CHECK", key, b"1", b"FOR", b"user", &user, b"region", &region, b"store", &store]);
}

fn of_order(command: &[u8], calls: &mut Calls, n: u64) {
    calls.add(&[command, POOLS[0].as_bytes(), &ids::order(n)]);
}

/// `STOCK.MRESERVE order 3 key key key QTY 1 1 1 EX 900 FOR user … region … store …`
pub fn cart(_: &super::Scripts, calls: &mut Calls, n: u64) {
    let (order, user, region, store) = (ids::order(n), ids::user(n), ids::region(n), ids::store(n));
    let [tea, cup, pot] = POOLS.map(str::as_bytes);
    let (head, tail) = ([b"STOCK.MRESERVE".as_slice(), &order, b"3", tea, cup, pot], [b"user".as_slice(), &user]);
    let middle: [&[u8]; 7] = [b"QTY", b"1", b"1", b"1", b"EX", b"900", b"FOR"];
    let last: [&[u8]; 4] = [b"region", &region, b"store", &store];
    calls.add(&[&head[..], &middle, &tail, &last].concat());
}
