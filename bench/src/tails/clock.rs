//! What the stopwatch would note of a server that does nothing: a virtual machine charges a thread
//! for what it did not do.

use anyhow::{bail, Result};

use crate::report::Section;
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;

/// How often half a second of CPU time.
const TIMES: u64 = 120;

pub fn run(plan: &Plan<'_>, sizes: &Sizes, section: &mut Section) -> Result<()> {
    eprintln!("tails: the clock");
    let server = Server::start(plan, Options { probe: true, ..Options::default() })?;
    let mut connection = server.connection()?;
    let times = if sizes.is_full() { TIMES } else { 1 };
    let (mut all, mut most_ns, mut slow) = (0, 0, 0);
    for _ in 0..times {
        let figures = connection.integers("BENCH.CLOCK")?;
        let [readings, longest_ns, over] = figures[..] else { bail!("the stopwatch answered {figures:?}") };
        (all, most_ns, slow) = (all + readings, most_ns.max(longest_ns), slow + over);
    }
    let most_ms = most_ns as f64 / 1e6;
    section.row(
        &format!("control: the main thread does nothing but read its clock, {} s CPU", times as f64 / 2.0),
        &format!("from one of {all} readings to the next at most {most_ms:.3} ms CPU, {slow} times above 1 ms"),
    );
    Ok(())
}
