//! Instructions per call, and the code that it runs through, counted by callgrind: figures that
//! other work on the machine does not touch.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

use crate::compare::{Comparison, DEPTH};
use crate::rows::scripts::Scripts;
use crate::rows::setup::Events;
use crate::rows::{self, Row};
use crate::server::{is_there, Options, Plan, Server};
use crate::sizes::Sizes;
use crate::touched::touched;
use crate::wire::Calls;

/// Calls before counting begins.
const WARM: u64 = 480;
/// Behind them the server's cron is waited for, which runs once a second here: it makes the answers
/// that are kept.
const CRON: Duration = Duration::from_millis(1_200);

/// Adds the figures to the lines.
pub fn add(plan: &Plan<'_>, sizes: &Sizes, comparison: &mut Comparison) -> Result<()> {
    ensure!(sizes.callgrind_calls > 0, "left out");
    ensure!(is_there("valgrind"), "valgrind is not installed");
    let server = Server::start(plan, Options { callgrind: true, ..Options::default() })?;
    let scripts = Scripts::load(&mut server.connection()?)?;
    for (row, line) in rows::all().iter().zip(&mut comparison.lines) {
        eprintln!("callgrind: {}", row.name);
        let calls = ((sizes.callgrind_calls as f64 * row.share) as u64).max(160);
        let dump = dump(&server, &scripts, row, calls).with_context(|| row.name)?;
        let total = total(&dump).context("no totals in the dump")?;
        line.instructions = Some(total / (calls * row.orders) as f64);
        let module = plan.module.file_name().and_then(|name| name.to_str()).context("the module has no name")?;
        line.touched = Some(touched(&dump, calls, module));
    }
    Ok(())
}

/// What callgrind counts of one row, sockets included.
fn dump(server: &Server, scripts: &Scripts, row: &Row, calls: u64) -> Result<String> {
    // One connection: the same number of calls in each turn of the event loop, every time.
    let (mut connection, mut load) = (server.connection()?, server.load(1)?);
    row.setup.prepare(&mut connection, &mut load, WARM + calls, Events::None)?;
    let make = |first, count| Calls::of(first, count, |calls, n| (row.make)(scripts, calls, n));
    load.run(&make(0, WARM), DEPTH, row.reply)?;
    let ready = make(WARM, calls);
    sleep(CRON);
    control(server, &["-i", "on"])?;
    load.run(&ready, DEPTH, row.reply)?;
    control(server, &["-i", "off"])?;
    take_dump(server)
}

/// Writes what was counted since the last dump, and reads it.
pub fn take_dump(server: &Server) -> Result<String> {
    let dumps = dumps(server)?;
    control(server, &["-d"])?;
    fs::read_to_string(server.dir().join(format!("callgrind.{}", dumps + 1))).context("the dump")
}

/// How many dumps there are.
fn dumps(server: &Server) -> Result<usize> {
    let names = fs::read_dir(server.dir())?.flatten().map(|entry| entry.file_name());
    Ok(names.filter(|name| name.to_string_lossy().starts_with("callgrind.")).count())
}

/// Tells the callgrind of a server what to do.
pub fn control(server: &Server, args: &[&str]) -> Result<()> {
    let pid = server.pid().to_string();
    let output = Command::new("callgrind_control").args(args).arg(pid).stdin(Stdio::null()).output()?;
    if !output.status.success() || !String::from_utf8_lossy(&output.stdout).contains("OK") {
        bail!("callgrind_control: {}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(())
}

/// How many instructions a dump counted in all.
fn total(dump: &str) -> Option<f64> {
    events(dump, "Ir")
}

/// How often a dump counted this event in all.
pub fn events(dump: &str, event: &str) -> Option<f64> {
    let line = |head| dump.lines().find_map(|line| line.strip_prefix(head)).map(str::split_whitespace);
    let nth = line("events: ")?.position(|name| name == event)?;
    line("totals: ")?.nth(nth)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_dump_has_a_total() {
        assert_eq!(super::total("events: Ir\nsummary: 7\n\ntotals: 1234\n"), Some(1234.0));
        assert_eq!(super::total("events: Ir\n"), None);
        let dump = "events: Ir DLmr DLmw\ntotals: 9 5 3\n";
        assert_eq!((super::events(dump, "DLmw"), super::events(dump, "ILmr")), (Some(3.0), None));
    }
}
