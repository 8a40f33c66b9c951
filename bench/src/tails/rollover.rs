//! A day window, full of users, rolls over.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::probe::{one_by_one, Noted, Slow, MAX_MEMORY, RUNS};
use crate::goals::{Finding, Measure};
use crate::report::Section;
use crate::rows::calls;
use crate::rows::calls::{POOLS, RESERVED};
use crate::rows::setup::{make_pool, Events};
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;
use crate::stats::Delays;
use testkit::clock::Clock;

/// Noon of a day, in UTC, and the first second of the next.
const NOON_MS: i64 = 1_768_478_400_000;
const NEXT_DAY_MS: i64 = NOON_MS + 12 * 3_600_000;

pub fn run(plan: &Plan<'_>, sizes: &Sizes, section: &mut Section) -> Result<()> {
    let users = sizes.scaled(1_000_000);
    eprintln!("tails: a day window of {users} users rolls over");
    let watched_ms = sizes.patience_ms(3_000);
    let Day { noted, mut slow, after, delays, pool } = day(plan, users, watched_ms, None)?;
    for _ in 1..RUNS {
        slow = slow.and(&day(plan, users, watched_ms, Some(&pool))?.slow);
    }

    section
        .row(&format!("a day window of {users} users rolls over: {users} calls of the next day"), &noted.calls_text());
    section.row(&format!("the same calls on the same pool in {RUNS} servers: each call's least time"), &slow.text());
    section.row("the first of these, turns of the event loop", &noted.turns_text());
    section.row("the same, wall time of a call", &delays.text());
    section.row(&format!("{watched_ms} ms without calls after it"), &after.turns_text());
    let detail = format!(
        "each of {} calls at its least of {RUNS} runs; in the first alone {:.3} ms, {} above 1 ms; longest turn of the event loop {:.3} ms",
        noted.calls.count,
        noted.calls.worst_ms,
        noted.calls.slow,
        noted.turns.worst_ms.max(after.turns.worst_ms)
    );
    let (measure, figure) = (Measure::SlowestWhileRollingOver, slow.worst_ms());
    section.findings.push(Finding { measure, figure, detail, caveat: sizes.caveat() });
    Ok(())
}

/// One run.
struct Day {
    noted: Noted,
    slow: Slow,
    after: Noted,
    delays: Delays,
    /// The pool as it began.
    pool: Vec<u8>,
}

fn day(plan: &Plan<'_>, users: u64, watched_ms: u64, pool: Option<&[u8]>) -> Result<Day> {
    let clock = Some(Clock::at(NOON_MS));
    let server = Server::start(plan, Options { probe: true, clock, max_memory: MAX_MEMORY, ..Options::default() })?;
    let mut connection = server.connection()?;
    ensure!(goes_by(&server, NOON_MS + 5_000)?, "this server's clock cannot be moved");

    match pool {
        Some(pool) => drop(connection.call(&[&b"RESTORE"[..], POOLS[0].as_bytes(), b"0", pool])?),
        None => make_pool(&mut connection, POOLS[0], "1000000000", 3, Events::None)?,
    }
    let pool = connection.bulk(&[b"DUMP", POOLS[0].as_bytes()])?;
    let hold: [&[u8]; 2] = [b"EX", b"864000"];
    let plain = |calls: &mut _, n| calls::reserve_until(&[b"STOCK.RESERVE"], hold, calls, n, n);
    // By one connection, so that it is the same in each run.
    server.load(1)?.fill(0, users, RESERVED, plain)?;

    ensure!(goes_by(&server, NEXT_DAY_MS)?, "this server's clock cannot be moved");
    Noted::take(&mut connection)?;
    let begin = Instant::now();
    let tick = || server.set_clock(NEXT_DAY_MS + begin.elapsed().as_millis() as i64);
    // New orders; half of the users have bought before.
    let words: [&[u8]; 2] = [b"BENCH.TIMED", b"STOCK.RESERVE"];
    let next_day = |calls: &mut _, n| calls::reserve_until(&words, hold, calls, n, n - users / 2);
    let delays = Delays::of(one_by_one(&mut connection, users, users, RESERVED, next_day, tick)?);
    let slow = Slow::read(&mut connection)?;
    let noted = Noted::take(&mut connection)?;
    // What is left to be freed is freed without calls, too.
    for _ in 0..watched_ms / 100 {
        sleep(Duration::from_millis(100));
        tick()?;
    }
    let after = Noted::take(&mut connection)?;
    Ok(Day { noted, slow, after, delays, pool })
}

/// Sets the clock, and answers whether the server follows: some read the time in their cron only.
fn goes_by(server: &Server, now_ms: i64) -> Result<bool> {
    server.set_clock(now_ms)?;
    sleep(Duration::from_millis(500));
    let time = server.connection()?.say("TIME")?;
    Ok(time.lines().nth(2).and_then(|second| second.parse().ok()) == Some(now_ms / 1_000))
}
