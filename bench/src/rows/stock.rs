//! The calls of the module.

use super::calls::{
    batch, cart, cart_of, reserve, BATCH_ORDERS, BATCH_RESERVED, CART_RESERVED, GREEDY_BUYERS, POOLS, RESERVED,
};
use super::row::{Kind, Make, Row, BATCH, LIMITED, MRESERVE, REPLACES, RESERVE_3, SOLDOUT};
use super::scripts::Scripts;
use super::setup::{Before, Events, Setup};
use crate::ids;
use crate::wire::Calls;

/// The number of an order that no other row has.
const OTHER_ORDERS: u64 = 1 << 40;

pub fn rows() -> Vec<Row> {
    let row = |name, kind, setup, make: Make, reply| Row {
        name,
        kind,
        writes: true,
        share: 1.0,
        orders: 1,
        setup,
        make,
        reply,
    };
    let stock = |name, setup, make, reply| row(name, Kind::Stock, setup, make, reply);
    let taken = Setup { before: Before::TheOrders, ..Setup::pool(3) };
    let sold_out = Setup { on_hand: "0", ..Setup::pool(3) };
    let carts = Setup { pools: 3, before: Before::TheCarts, ..Setup::pool(3) };
    let greedy = Setup { before: Before::GreedyBuyers, ..Setup::pool(3) };
    let read = |name, make, reply| Row { writes: false, ..stock(name, Setup::pool(3), make, reply) };
    let refusal = |name, setup, make, reply| Row { writes: false, ..row(name, Kind::Refusal, setup, make, reply) };
    vec![
        stock("RESERVE, bare", Setup::pool(0), bare, RESERVED),
        stock("RESERVE, 1 limit", Setup::pool(1), usual, RESERVED),
        stock(RESERVE_3, Setup::pool(3), usual, RESERVED),
        Row { share: 0.05, orders: BATCH_ORDERS, ..stock(BATCH, Setup::pool(3), batch, BATCH_RESERVED) },
        stock(
            "RESERVE, 3 limits, an event of fields",
            Setup { events: Events::Fields, ..Setup::pool(3) },
            usual,
            RESERVED,
        ),
        stock("RESERVE, 3 limits, a packed event", Setup { events: Events::Packed, ..Setup::pool(3) }, usual, RESERVED),
        stock("RESERVE, 8 limits", Setup::pool(8), usual, RESERVED),
        stock("CONFIRM", taken, |_, calls, n| of_order(b"STOCK.CONFIRM", calls, n), b"*3\r\n$2\r\nOK\r\n"),
        stock("RELEASE", taken, |_, calls, n| of_order(b"STOCK.RELEASE", calls, n), b"*3\r\n$2\r\nOK\r\n"),
        read("AVAILABLE", |_, calls, _| calls.add(&[b"STOCK.AVAILABLE", POOLS[0].as_bytes()]), b"*1\r\n:"),
        read("CHECK, 3 limits", check, RESERVED),
        Row { share: 0.5, ..stock(MRESERVE, Setup { pools: 3, ..Setup::pool(3) }, cart, CART_RESERVED) },
        Row { share: 0.5, ..stock(REPLACES, carts, replacing, CART_RESERVED) },
        refusal(SOLDOUT, sold_out, usual, b"*3\r\n$7\r\nSOLDOUT\r\n"),
        refusal(LIMITED, greedy, limited, b"*7\r\n$7\r\nLIMITED\r\n"),
        refusal("RESERVE: EXISTS", taken, usual, b"*6\r\n$6\r\nEXISTS\r\n"),
    ]
}

/// RESERVE of a new order by a new buyer.
fn usual(_: &Scripts, calls: &mut Calls, n: u64) {
    reserve(b"STOCK.RESERVE", calls, n, n);
}

/// MRESERVE of a new cart in the place of the one that its buyer holds.
fn replacing(_: &Scripts, calls: &mut Calls, n: u64) {
    cart_of(calls, OTHER_ORDERS + n, n, &[b"REPLACES", &ids::order(n)]);
}

fn bare(_: &Scripts, calls: &mut Calls, n: u64) {
    calls.add(&[b"STOCK.RESERVE", POOLS[0].as_bytes(), &ids::order(n), b"1", b"EX", b"900"]);
}

/// RESERVE of a new order by one of the buyers who have had theirs.
fn limited(_: &Scripts, calls: &mut Calls, n: u64) {
    reserve(b"STOCK.RESERVE", calls, OTHER_ORDERS + n, n % u64::from(GREEDY_BUYERS));
}

fn check(_: &Scripts, calls: &mut Calls, n: u64) {
    let (user, region, store) = (ids::user(n), ids::region(n), ids::store(n));
    let key = POOLS[0].as_bytes();
    calls.add(&[b"STOCK.CHECK", key, b"1", b"FOR", b"user", &user, b"region", &region, b"store", &store]);
}

fn of_order(command: &[u8], calls: &mut Calls, n: u64) {
    calls.add(&[command, POOLS[0].as_bytes(), &ids::order(n)]);
}
