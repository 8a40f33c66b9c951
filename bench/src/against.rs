//! This build of the module against another one: RESERVE with 3 limits on servers of both in turns,
//! so that what else the machine does meets both.

use std::path::Path;

use anyhow::{Context, Result};

use crate::client::Connection;
use crate::compare::{DEPTH, WIDTH};
use crate::report::Section;
use crate::rows::calls::{reserve, POOLS};
use crate::rows::setup::{make_pool, Events};
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;
use crate::stats::Spread;
use crate::wire::Calls;

/// How a reply of RESERVE begins that has reserved, also of builds whose first word was a status.
const RESERVED: &[u8] = b"*4\r\n";
/// The orders of the large pool.
const LARGE: u64 = 1_000_000;

/// In which surroundings the calls are made, and the ratio that is wanted of them.
struct Case {
    name: &'static str,
    aof: bool,
    events: Events,
    orders: u64,
    wanted: f64,
}

const CASES: [Case; 4] = [
    Case { name: "RESERVE, 3 limits", aof: false, events: Events::None, orders: 0, wanted: 0.62 },
    Case { name: "with the append-only file", aof: true, events: Events::None, orders: 0, wanted: 0.70 },
    Case {
        name: "with packed events (the other build: fields)",
        aof: false,
        events: Events::Packed,
        orders: 0,
        wanted: 0.60,
    },
    Case { name: "in a large pool", aof: false, events: Events::None, orders: LARGE, wanted: 0.60 },
];

/// Measures both builds, `sizes.rounds` times.
pub fn run(plan: &Plan<'_>, before: &Path, sizes: &Sizes) -> Result<Section> {
    let mut section = Section::new("Against another build");
    let name = before.file_name().unwrap_or_default().to_string_lossy();
    section.line(&format!(
        "CPU time of the server's main thread per call, at pipeline 16 on 16 connections, in {} rounds; in each of them both builds, which take turns in being first. The large pool has {} orders. The other build: {name}.\n",
        sizes.rounds,
        sizes.scaled(LARGE)
    ));
    section
        .line("| what | this build, µs | the other, µs | ratio, in the same round | wanted |\n|---|---|---|---|---|");
    for case in &CASES {
        section.attempt(case.name, |section| one_case(plan, before, sizes, case, section));
    }
    Ok(section)
}

fn one_case(plan: &Plan<'_>, before: &Path, sizes: &Sizes, case: &Case, section: &mut Section) -> Result<()> {
    let other = Plan { module: before, ..*plan };
    let (mut now, mut then) = (Vec::new(), Vec::new());
    for round in 0..sizes.rounds {
        eprintln!("against: {}, round {} of {}", case.name, round + 1, sizes.rounds);
        if round % 2 == 0 {
            now.push(cpu_us(plan, sizes, case)?);
            then.push(cpu_us(&other, sizes, case)?);
        } else {
            then.push(cpu_us(&other, sizes, case)?);
            now.push(cpu_us(plan, sizes, case)?);
        }
    }
    let ratio = Spread::of_ratios(&now, &then).context("no ratio")?;
    let text = |spread: Spread| format!("{:.2} ({:.2} to {:.2})", spread.median, spread.min, spread.max);
    let [now, then] = [now, then].map(|figures| Spread::of(figures).map_or(String::new(), text));
    let Case { name, wanted, .. } = case;
    section.line(&format!("| {name} | {now} | {then} | {} | at most {wanted:.2} |", text(ratio)));
    Ok(())
}

/// CPU time of a call on a fresh server, in µs.
fn cpu_us(plan: &Plan<'_>, sizes: &Sizes, case: &Case) -> Result<f64> {
    let server = Server::start(plan, Options { aof: case.aof, ..Options::default() })?;
    let (mut connection, mut load) = (server.connection()?, server.load(WIDTH)?);
    prepare(&mut connection, case.events)?;
    let filled = if case.orders == 0 { 0 } else { sizes.scaled(case.orders) };
    load.fill(0, filled, RESERVED, call)?;
    let warm = sizes.calls / 10;
    load.run(&Calls::of(filled, warm, call), DEPTH, RESERVED)?;
    let ready = Calls::of(filled + warm, sizes.calls, call);
    let begin = connection.cpu_us()?;
    load.run(&ready, DEPTH, RESERVED)?;
    Ok((connection.cpu_us()? - begin) / sizes.calls as f64)
}

fn call(calls: &mut Calls, n: u64) {
    reserve(b"STOCK.RESERVE", calls, n, n);
}

/// The pool. A build that knows no packed events gets those of fields.
fn prepare(connection: &mut Connection, events: Events) -> Result<()> {
    let mut make = |events| make_pool(connection, POOLS[0], "1000000000", 3, events);
    match events {
        Events::Packed => make(events).or_else(|_| make(Events::Fields)),
        Events::Fields | Events::None => make(events),
    }
}
