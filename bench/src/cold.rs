//! What a RESERVE in a large pool waits for: lines of memory that the last cache does not have, by
//! callgrind's simulation of the caches. A pool's tables grow in steps, so it is measured at
//! several sizes while it doubles.

use anyhow::{ensure, Context, Result};

use crate::callgrind;
use crate::compare::DEPTH;
use crate::report::Section;
use crate::rows::calls::{reserve, POOLS, RESERVED};
use crate::rows::setup::{make_pool, Events};
use crate::server::{is_there, Options, Plan, Server};
use crate::sizes::Sizes;
use crate::wire::Calls;

/// The sizes, in tenths of a million orders.
const SIZES: [u64; 6] = [10, 11, 12, 14, 16, 18];
/// Calls that fill the simulated caches, and calls that are counted.
const CALLS: (u64, u64) = (20_000, 10_000);

/// Fills one pool, and counts at each size.
pub fn run(plan: &Plan<'_>, sizes: &Sizes) -> Result<Section> {
    ensure!(is_there("valgrind"), "valgrind is not installed");
    let mut section = Section::new("Cold lines");
    section.line("Lines of 64 bytes per RESERVE with 3 limits that a last cache of 8 MB (16 ways) does not have, by callgrind's simulation: 10,000 calls each, behind 20,000 that fill the caches. Every order and every user is new.\n");
    section.line("| orders in the pool | read | written | all |\n|---|---|---|---|");
    let server = Server::start(plan, Options { callgrind: true, caches: true, ..Options::default() })?;
    let (mut connection, mut load) = (server.connection()?, server.load(1)?);
    make_pool(&mut connection, POOLS[0], "1000000000", 3, Events::None)?;
    let call = |calls: &mut Calls, n| reserve(b"STOCK.RESERVE", calls, n, n);
    let (warm, counted) = (sizes.scaled(CALLS.0), sizes.scaled(CALLS.1));
    let (mut made, mut sum) = (0, 0.0);
    for tenths in SIZES {
        let orders = sizes.scaled(tenths * 100_000).max(made);
        eprintln!("cold lines: {orders} orders");
        load.fill(made, orders - made, RESERVED, call)?;
        callgrind::control(&server, &["-i", "on"])?;
        load.run(&Calls::of(orders, warm, call), DEPTH, RESERVED)?;
        callgrind::control(&server, &["-d"])?;
        load.run(&Calls::of(orders + warm, counted, call), DEPTH, RESERVED)?;
        callgrind::control(&server, &["-i", "off"])?;
        let dump = callgrind::take_dump(&server)?;
        let misses = |event| callgrind::events(&dump, event).with_context(|| format!("no {event} in the dump"));
        let each = |misses: f64| misses / counted as f64;
        let (read, written) = (each(misses("DLmr")? + misses("ILmr")?), each(misses("DLmw")?));
        section.line(&format!("| {orders} | {read:.2} | {written:.2} | {:.2} |", read + written));
        (made, sum) = (orders + warm + counted, sum + read + written);
    }
    section.line(&format!("\nOn average: {:.2}.", sum / SIZES.len() as f64));
    Ok(section)
}
