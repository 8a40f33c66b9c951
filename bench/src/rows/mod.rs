//! What is measured: for each row the calls, what must be there before them, and how their replies
//! begin.

pub mod calls;
pub mod lua;
mod row;
pub mod scripts;
pub mod setup;
pub mod stock;

pub use row::*;
use setup::Setup;

/// All rows, in the order of the tables.
pub fn all() -> Vec<Row> {
    let yardstick = |name, make: Make, reply| Row {
        name,
        kind: Kind::Yardstick,
        writes: false,
        share: 1.0,
        orders: 1,
        setup: Setup::NONE,
        make,
        reply,
    };
    let mut rows = vec![
        yardstick(PING, |_, calls, _| calls.add(&[b"PING"]), b"+PONG"),
        Row { writes: true, ..yardstick("INCRBY", |_, calls, _| calls.add(&[b"INCRBY", b"counter", b"1"]), b":") },
        yardstick(FLOOR, |_, calls, n| calls::reserve(b"BENCH.FLOOR", calls, n, n), b"*4\r\n+OK\r\n"),
    ];
    rows.extend(stock::rows());
    rows.extend(lua::rows());
    rows
}
