//! Saving and loading many orders: a pool, and the keys of C for the same orders.

use std::fs;
use std::time::Instant;

use anyhow::{ensure, Context, Result};

use crate::compare::WIDTH;
use crate::goals::{Finding, Measure};
use crate::report::Section;
use crate::rows::calls;
use crate::rows::calls::POOLS;
use crate::rows::lua;
use crate::rows::scripts::Scripts;
use crate::rows::setup::{make_pool, Events};
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;
use crate::stats::Spread;

/// A server that takes more has gone wrong.
const MAX_MEMORY: Option<&str> = Some("12gb");
/// Orders whose keys prove that the fast way to write them is that of the script.
const PROOF: u64 = 500;

/// Several saves and loads, and the size of the file.
#[derive(Default)]
struct Times {
    save: Vec<Took>,
    load: Vec<Took>,
    bytes: u64,
}

/// What one of them took: by the clock, and of the main thread's CPU.
#[derive(Clone, Copy)]
struct Took {
    wall_s: f64,
    cpu_s: f64,
}

pub fn run(plan: &Plan<'_>, sizes: &Sizes) -> Result<Section> {
    let orders = sizes.scaled(5_000_000);
    let repeats = if sizes.is_full() { 3 } else { 1 };
    eprintln!("rdb: a pool of {orders} orders");
    let pool = {
        let mut server = start(plan)?;
        make_pool(&mut server.connection()?, POOLS[0], "1000000000", 3, Events::None)?;
        let reply = calls::RESERVED;
        let hold: [&[u8]; 2] = [b"EX", b"86400"];
        let make = |calls: &mut _, n| calls::reserve_until(&[b"STOCK.RESERVE"], hold, calls, n, n);
        server.load(WIDTH)?.fill(0, orders, reply, make)?;
        times(&mut server, repeats, |server| {
            Ok(server.connection()?.figure("stock", "stock_open_holds")? == orders as f64)
        })?
    };
    eprintln!("rdb: the keys of C for {orders} orders");
    let keys = {
        let mut server = start(plan)?;
        prove_keys(&server)?;
        server.load(WIDTH)?.fill(0, orders, b":", lua::keys_of_c)?;
        let size = server.connection()?.say("DBSIZE")?;
        times(&mut server, repeats, |server| Ok(server.connection()?.say("DBSIZE")? == size))?
    };
    section(sizes, orders, &pool, &keys)
}

fn start(plan: &Plan<'_>) -> Result<Server> {
    Server::start(plan, Options { max_memory: MAX_MEMORY, ..Options::default() })
}

/// The keys of the first orders as C2 writes them, and as [`lua::keys_of_c`] does: the same.
fn prove_keys(server: &Server) -> Result<()> {
    let (mut connection, mut load) = (server.connection()?, server.load(1)?);
    let scripts = Scripts::load(&mut connection)?;
    connection.say("SET stock 1000000000")?;
    load.fill(0, PROOF, b"*2\r\n:1\r\n", |calls, n| lua::c2(&scripts, calls, n))?;
    let by_script = connection.say("DEBUG DIGEST")?;
    connection.say("FLUSHALL SYNC")?;
    connection.say("SET stock 1000000000")?;
    load.fill(0, PROOF, b":", lua::keys_of_c)?;
    ensure!(connection.say("DEBUG DIGEST")? == by_script, "the keys are not those that the script writes");
    connection.say("FLUSHALL SYNC")?;
    connection.say("SET stock 1000000000").map(drop)
}

/// Saves and loads; `is_whole` says whether all is there again.
fn times(server: &mut Server, repeats: usize, is_whole: impl Fn(&Server) -> Result<bool>) -> Result<Times> {
    let mut times = Times::default();
    for _ in 0..repeats {
        let mut connection = server.connection()?;
        let (begin, before_us) = (Instant::now(), connection.cpu_us()?);
        connection.say("SAVE")?;
        let wall_s = begin.elapsed().as_secs_f64();
        times.save.push(Took { wall_s, cpu_s: (connection.cpu_us()? - before_us) / 1e6 });
        times.bytes = fs::metadata(server.dir().join("dump.rdb"))?.len();
        server.restart()?;
        // Of a process that has just begun, and has done nothing but load.
        let cpu_s = server.connection()?.cpu_us()? / 1e6;
        let wall_s = load_seconds(&server.log()).context("the log does not say how long the load took")?;
        ensure!(is_whole(server)?, "after the load orders are missing");
        times.load.push(Took { wall_s, cpu_s });
    }
    Ok(times)
}

/// How long the last load took, as the server's log says it.
fn load_seconds(log: &str) -> Option<f64> {
    let line = log.lines().rev().find(|line| line.contains("DB loaded from disk"))?;
    line.rsplit("disk: ").next()?.split(' ').next()?.parse().ok()
}

fn section(sizes: &Sizes, orders: u64, pool: &Times, keys: &Times) -> Result<Section> {
    let median = |took: &[Took]| {
        let of =
            |figure: fn(&Took) -> f64| Spread::of(took.iter().map(figure)).map_or(f64::NAN, |spread| spread.median);
        Took { wall_s: of(|took| took.wall_s), cpu_s: of(|took| took.cpu_s) }
    };
    let mut section = Section::new("RDB");
    section.line(&format!(
        "{orders} live orders with 3 limits, every user new; the median of {}. Saved by SAVE, loaded at a restart (as the server's log says it); CPU is that of the main thread. The keys of C are written by the commands that C runs, which DEBUG DIGEST proves for the first {PROOF} orders.\n",
        pool.save.len()
    ));
    section.line("| | save, s | CPU | load, s | CPU | file, bytes per order |\n|---|---|---|---|---|---|");
    for (name, times) in [("a pool", pool), ("the keys of C", keys)] {
        let (save, load) = (median(&times.save), median(&times.load));
        section.line(&format!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} |",
            save.wall_s,
            save.cpu_s,
            load.wall_s,
            load.cpu_s,
            times.bytes as f64 / orders as f64
        ));
    }
    let mut found = |measure, figure, detail| {
        section.findings.push(Finding { measure, figure, detail, caveat: sizes.caveat() });
    };
    for (measure, ours, theirs) in [
        (Measure::RdbSave, median(&pool.save), median(&keys.save)),
        (Measure::RdbLoad, median(&pool.load), median(&keys.load)),
    ] {
        let by_cpu = theirs.cpu_s / ours.cpu_s;
        let detail = format!("{:.2} s against {:.2} s; by CPU time {by_cpu:.2} times", ours.wall_s, theirs.wall_s);
        found(measure, theirs.wall_s / ours.wall_s, detail);
    }
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let detail = format!("{:.0} MB against {:.0} MB", mb(pool.bytes), mb(keys.bytes));
    found(Measure::RdbSize, pool.bytes as f64 / keys.bytes as f64, detail);
    Ok(section)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_log_says_how_long_a_load_took() {
        let log = "1:M * DB loaded from disk: 9.000 seconds\n1:M * Ready\n1:M * DB loaded from disk: 0.125 seconds\n";
        assert_eq!(super::load_seconds(log), Some(0.125));
        assert_eq!(super::load_seconds("nothing"), None);
    }
}
