//! UNLINK and FLUSHALL ASYNC of a big pool.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::probe::Noted;
use crate::client::Connection;
use crate::goals::{Finding, Measure};
use crate::report::Section;
use crate::rows::calls::POOLS;
use crate::sizes::Sizes;

/// For how long the main thread is watched afterwards.
const WATCHED_MS: u64 = 1_500;
/// Freeing in the background that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pool is there; a copy of it goes first.
pub fn run(connection: &mut Connection, orders: u64, sizes: &Sizes, section: &mut Section) -> Result<()> {
    let copied = connection.say(&format!("COPY {} copy", POOLS[0]))?;
    ensure!(copied == ":1\r\n", "the pool is not copied: {copied:?}");
    let watched_ms = sizes.patience_ms(WATCHED_MS);
    Noted::take(connection)?;
    sleep(Duration::from_millis(watched_ms));
    let idle = Noted::take(connection)?;
    section.row("control: an idle server with the pool in it", &idle.turns_text());
    for (what, command, measure) in
        [("UNLINK", "UNLINK copy", Measure::Unlink), ("FLUSHALL ASYNC", "FLUSHALL ASYNC", Measure::Flushall)]
    {
        let before = connection.figure("memory", "used_memory")?;
        Noted::take(connection)?;
        let begin = Instant::now();
        connection.say(command)?;
        let answered = begin.elapsed();
        sleep(Duration::from_millis(watched_ms));
        let noted = Noted::take(connection)?;
        while connection.figure("memory", "lazyfree_pending_objects")? > 0.0 {
            ensure!(begin.elapsed() < PATIENCE, "{what}: the background still frees");
            sleep(Duration::from_millis(50));
        }
        let freed_mb = (before - connection.figure("memory", "used_memory")?) / 1e6;
        ensure!(freed_mb > 0.0, "{what} has freed nothing");
        let wall_ms = answered.as_secs_f64() * 1e3;
        let text = format!("{}; answered after {wall_ms:.3} ms; {freed_mb:.0} MB freed", noted.turns_text());
        section.row(&format!("{what} of {orders} live orders"), &text);
        let detail = format!("longest turn of the event loop within {watched_ms} ms");
        let figure = noted.turns.worst_ms;
        section.findings.push(Finding { measure, figure, detail, caveat: sizes.caveat() });
    }
    Ok(())
}
