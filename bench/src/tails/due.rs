//! Very many holds that are due in the same second, while others call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{bail, ensure, Context, Result};

use super::probe::{Noted, MAX_MEMORY, RUNS};
use crate::client::{Connection, Load};
use crate::compare::WIDTH;
use crate::goals::{Finding, Measure};
use crate::report::Section;
use crate::rows::calls;
use crate::rows::calls::{POOLS, RESERVED};
use crate::rows::setup::{make_pool, writes_events, Events};
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;
use crate::stats::Delays;
use crate::wire::Calls;

/// How long the load runs before the first hold is due: the control.
const CONTROL_MS: u64 = 3_000;
/// Holds that are not back by then stay where they are.
const PATIENCE_MS: i64 = 60_000;
/// The product that the load buys; the holds are on another.
const OTHER: &str = POOLS[1];

/// In [`RUNS`] servers one after the other: a virtual machine charges a turn now and then for what
/// it did not do, in one run here, in another there. What the sweep costs by itself it costs in
/// each, so the median is judged.
pub fn run(plan: &Plan<'_>, sizes: &Sizes, events: bool, section: &mut Section) -> Result<()> {
    let holds = sizes.scaled(1_000_000);
    let with = if events { "events on" } else { "events off" };
    let (count, mut runs) = (sizes.runs(RUNS), Vec::new());
    for number in 1..=count {
        eprintln!("tails: {holds} holds due in one second, {with}, {number} of {count}");
        let (seen, bought) = run_once(plan, sizes, holds, events)?;
        let title = format!("{holds} holds due in one second, {with}, {number} of {count}");
        let back = format!("all back {:.2} s after the first was due, {bought} calls of others beside it", seen.back_s);
        section.row(&title, &back);
        section.row("the same, turns of the event loop", &seen.during.turns_text());
        section.row("the same, wall time of PING, and of CHECK of another pool", &seen.delays.text());
        section.row("control: the same load before", &format!("{}; {}", seen.before.turns_text(), seen.control.text()));
        runs.push(seen);
    }
    let (back, delay) =
        if events { (Measure::DueBackEvents, Measure::DueDelayEvents) } else { (Measure::DueBack, Measure::DueDelay) };
    let caveat = || sizes.caveat();
    let detail = format!("{holds} holds, after the first was due; median of {count} runs");
    let figure = median(runs.iter().map(|seen| seen.back_s));
    section.findings.push(Finding { measure: back, figure, detail, caveat: caveat() });
    let each = |figure: fn(&Seen) -> f64| {
        let all: Vec<String> = runs.iter().map(|seen| format!("{:.3}", figure(seen))).collect();
        all.join(", ")
    };
    let detail = format!(
        "longest turn of the event loop, CPU, median of {count} runs: {}; {} ms before; wall: worst {}, {} ms before",
        each(|seen| seen.during.turns.worst_ms),
        each(|seen| seen.before.turns.worst_ms),
        each(|seen| seen.delays.worst_ms()),
        each(|seen| seen.control.worst_ms())
    );
    let figure = median(runs.iter().map(|seen| seen.during.turns.worst_ms));
    section.findings.push(Finding { measure: delay, figure, detail, caveat: caveat() });
    Ok(())
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = figures.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// On a server of its own: what was seen, and how many calls others made.
fn run_once(plan: &Plan<'_>, sizes: &Sizes, holds: u64, events: bool) -> Result<(Seen, u64)> {
    let server = Server::start(plan, Options { probe: true, max_memory: MAX_MEMORY, ..Options::default() })?;
    let mut connection = server.connection()?;
    if events {
        ensure!(writes_events(&mut connection)?, "the module writes no events");
    }
    let control_ms = sizes.patience_ms(CONTROL_MS) as i64;
    let due_ms = fill(&server, &mut connection, holds, events, control_ms)?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = server.load(WIDTH)?;
        let loading = scope.spawn(|| keep_buying(load, &stop));
        let seen = watch(&mut connection, due_ms, holds, control_ms);
        stop.store(true, Ordering::Relaxed);
        let bought = loading.join().map_err(|_| anyhow::anyhow!("the load failed"))??;
        seen.map(|seen| (seen, bought))
    })
}

/// Makes the holds in time, and answers when the first is due.
fn fill(server: &Server, connection: &mut Connection, holds: u64, events: bool, control_ms: i64) -> Result<i64> {
    let mut load = server.load(WIDTH)?;
    // The first try is short, and shows how fast this machine is.
    let mut lead_ms = control_ms + 2_000;
    for _ in 0..6 {
        connection.say("FLUSHALL SYNC")?;
        let events = if events { Events::Fields } else { Events::None };
        make_pool(connection, POOLS[0], "1000000000", 3, events)?;
        make_pool(connection, OTHER, "1000000000", 3, events)?;
        let begin_ms = now_ms()?;
        let due_ms = begin_ms + lead_ms;
        let mut made = 0;
        while made < holds && now_ms()? < due_ms - control_ms {
            let some = (holds - made).min(5_000);
            load.fill(made, some, RESERVED, |calls, n| {
                let deadline = (due_ms + (n % 1_000) as i64).to_string();
                calls::reserve_until(&[b"STOCK.RESERVE"], [b"PXAT", deadline.as_bytes()], calls, n, n);
            })?;
            made += some;
        }
        let took_ms = now_ms()? - begin_ms;
        if made == holds && took_ms < lead_ms - control_ms {
            return Ok(due_ms);
        }
        let whole_ms = took_ms as f64 * holds as f64 / made as f64;
        lead_ms = control_ms + 1_000 + (whole_ms * 1.5) as i64;
    }
    bail!("the machine is too slow to make {holds} holds before they are due")
}

struct Seen {
    back_s: f64,
    before: Noted,
    during: Noted,
    control: Delays,
    delays: Delays,
}

/// Calls, now and then, from before the holds are due until all are back.
fn watch(connection: &mut Connection, due_ms: i64, holds: u64, control_ms: i64) -> Result<Seen> {
    let expired = |connection: &mut Connection| connection.figure("stock", "stock_holds_expired");
    let mut probes = Calls::default();
    probes.add(&[b"PING"]);
    probes.add(&[b"STOCK.CHECK", OTHER.as_bytes(), b"1", b"FOR", b"user", b"u", b"region", b"r", b"store", b"s"]);
    let probe = |connection: &mut Connection, kept: &mut Vec<u64>| -> Result<()> {
        for (place, reply) in [(0, b"+PONG".as_slice()), (1, RESERVED)] {
            let begin = Instant::now();
            connection.send(probes.bytes(place, place + 1))?;
            connection.expect(reply)?;
            kept.push(begin.elapsed().as_nanos() as u64);
        }
        thread::sleep(Duration::from_micros(200));
        Ok(())
    };
    while now_ms()? < due_ms - control_ms {
        thread::sleep(Duration::from_millis(10));
    }
    let (mut control, mut delays) = (Vec::new(), Vec::new());
    Noted::take(connection)?;
    while now_ms()? < due_ms - 10 {
        probe(connection, &mut control)?;
    }
    let (before, expected) = (Noted::take(connection)?, expired(connection)? + holds as f64);
    let mut looked = Instant::now();
    let back_s = loop {
        probe(connection, &mut delays)?;
        if looked.elapsed() < Duration::from_millis(20) {
            continue;
        }
        looked = Instant::now();
        let left = expected - expired(connection)?;
        if left <= 0.0 {
            break (now_ms()? - due_ms) as f64 / 1e3;
        }
        ensure!(now_ms()? < due_ms + PATIENCE_MS, "{left} holds are not back after {} s", PATIENCE_MS / 1_000);
    };
    let during = Noted::take(connection)?;
    Ok(Seen { back_s, before, during, control: Delays::of(control), delays: Delays::of(delays) })
}

/// Reserves and releases in the other pool until told to stop. How many calls that were.
fn keep_buying(mut load: Load, stop: &AtomicBool) -> Result<u64> {
    let mut made = 0;
    let key = OTHER.as_bytes();
    while !stop.load(Ordering::Relaxed) {
        let reserve = Calls::of(made, 500, |calls, n| {
            let order = crate::ids::order(n);
            calls.add(&[
                b"STOCK.RESERVE",
                key,
                &order,
                b"1",
                b"EX",
                b"900",
                b"FOR",
                b"user",
                &order,
                b"region",
                b"r",
                b"store",
                b"s",
            ]);
        });
        load.run(&reserve, 1, RESERVED)?;
        let release = |calls: &mut Calls, n| calls.add(&[b"STOCK.RELEASE", key, &crate::ids::order(n)]);
        load.run(&Calls::of(made, 500, release), 1, b"*3\r\n$2\r\nOK")?;
        made += 500;
    }
    Ok(made * 2)
}

fn now_ms() -> Result<i64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?.as_millis() as i64)
}
