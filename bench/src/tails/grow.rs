//! One pool grows from nothing to millions of live orders, call by call; then it is freed.

use anyhow::Result;

use super::freeing;
use super::probe::{one_by_one, Noted, Slow, MAX_MEMORY, RUNS};
use crate::goals::{Finding, Measure};
use crate::report::Section;
use crate::rows::calls;
use crate::rows::calls::{POOLS, RESERVED};
use crate::rows::setup::{make_pool, Events};
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;
use crate::stats::Delays;
use crate::wire::Calls;

pub fn run(plan: &Plan<'_>, sizes: &Sizes, section: &mut Section) -> Result<()> {
    let orders = sizes.scaled(5_000_000);
    eprintln!("tails: a pool grows to {orders} orders");
    let server = Server::start(plan, Options { probe: true, max_memory: MAX_MEMORY, ..Options::default() })?;
    let mut connection = server.connection()?;
    let none = || Ok(());

    let some = (orders / 5).max(1_000);
    Noted::take(&mut connection)?;
    let timed: [&[u8]; 2] = [b"BENCH.TIMED", b"PING"];
    let idle = one_by_one(&mut connection, 0, some, b"+PONG", |calls, _| calls.add(&timed), none)?;
    let control = Noted::take(&mut connection)?;

    make_pool(&mut connection, POOLS[0], "1000000000", 3, Events::None)?;
    let pool = connection.bulk(&[b"DUMP", POOLS[0].as_bytes()])?;
    Noted::take(&mut connection)?;
    let (words, hold): ([&[u8]; 2], [&[u8]; 2]) = ([b"BENCH.TIMED", b"STOCK.RESERVE"], [b"EX", b"86400"]);
    let make = |calls: &mut _, n| calls::reserve_until(&words, hold, calls, n, n);
    let delays = Delays::of(one_by_one(&mut connection, 0, orders, RESERVED, make, none)?);
    let mut slow = Slow::read(&mut connection)?;
    let noted = Noted::take(&mut connection)?;
    for _ in 1..RUNS {
        slow = slow.and(&again(plan, &pool, orders, make)?);
    }

    let idle = Delays::of(idle);
    section.row(&format!("a pool grows from 0 to {orders} live orders, 3 limits"), &noted.calls_text());
    section.row(&format!("the same calls on the same pool in {RUNS} servers: each call's least time"), &slow.text());
    section.row("the first of these, turns of the event loop", &noted.turns_text());
    section.row("the same, wall time of a call", &delays.text());
    section.row("control: PING on the empty server", &control.calls_text());
    section.row("control, turns of the event loop", &control.turns_text());
    section.row("control, wall time of a call", &idle.text());
    let [wall, beside] = [&delays, &idle].map(|delays| delays.at_most_ms(0.9999));
    let detail = format!(
        "each of {} calls at its least of {RUNS} runs; in the first alone {:.3} ms, {} above 1 ms, where the slowest PING of {some} took {:.3} ms; wall p99.99 {wall:.3} ms, PING {beside:.3} ms",
        noted.calls.count, noted.calls.worst_ms, noted.calls.slow, control.calls.worst_ms
    );
    let (measure, figure) = (Measure::SlowestWhileGrowing, slow.worst_ms());
    section.findings.push(Finding { measure, figure, detail, caveat: sizes.caveat() });
    section.attempt("freeing", |section| freeing::run(&mut connection, orders, sizes, section));
    Ok(())
}

/// The same calls on the same pool (its secret decides where records fall) in a server of its own,
/// not one by one.
fn again(plan: &Plan<'_>, pool: &[u8], orders: u64, make: impl FnMut(&mut Calls, u64)) -> Result<Slow> {
    let server = Server::start(plan, Options { probe: true, max_memory: MAX_MEMORY, ..Options::default() })?;
    let mut connection = server.connection()?;
    connection.call(&[&b"RESTORE"[..], POOLS[0].as_bytes(), b"0", pool])?;
    Noted::take(&mut connection)?;
    server.load(1)?.fill(0, orders, RESERVED, make)?;
    Slow::read(&mut connection)
}
