//! One SKU in several buckets, each on a server of its own: what a call costs beside one pool, and
//! what a balancer costs. Servers here are not in cluster mode, neither those of the buckets nor
//! that of the one pool.

mod projection;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Result};

use crate::client::{Connection, Load};
use crate::compare::{DEPTH, WIDTH};
use crate::goals::{Finding, Measure};
use crate::ids;
use crate::report::Section;
use crate::rows::calls::RESERVED;
use crate::rows::setup::{make_pool, Events};
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;
use crate::stats::Spread;
use crate::wire::Calls;
use stock_balance::bucket_of;

const COUNTS: [usize; 3] = [1, 2, 4];
const MOST: usize = 4;
/// Each bucket has that much at first.
const UNITS: &str = "1000000000";
/// Moves a second of the balancer whose cost is measured.
const MOVES: u64 = 1_000;
/// How long it is watched.
const WATCHED_MS: u64 = 5_000;
/// So often a balancer with that much to do makes a round.
const ROUND_EVERY: Duration = Duration::from_millis(10);

pub fn run(plan: &Plan<'_>, sizes: &Sizes) -> Result<Section> {
    let mut section = Section::new("Shards");
    let servers: Vec<Server> = (0..MOST).map(|_| Server::start(plan, Options::default())).collect::<Result<_>>()?;
    let mut ratio = 1.0;
    section.attempt("calls", |section| {
        ratio = calls(&servers, sizes, section)?;
        Ok(())
    });
    section.attempt("the balancer", |section| balancer(&servers, sizes, section));
    projection::add(&mut section, ratio);
    Ok(section)
}

fn key(bucket: usize) -> String {
    format!("{{b{bucket}}}tea")
}

/// One pool, then one, two and four buckets, in turns. Each bucket gets as many calls as the one
/// pool, all at the same time. Answers the ratio per shard of the most.
fn calls(servers: &[Server], sizes: &Sizes, section: &mut Section) -> Result<f64> {
    eprintln!("shards: {} rounds of {} calls a bucket", sizes.rounds, sizes.calls);
    let mut alone = Vec::new();
    let mut shared: Vec<Vec<f64>> = vec![Vec::new(); COUNTS.len()];
    for _ in 0..sizes.rounds {
        alone.push(round(servers, &[("tea".to_string(), 0, 1)], sizes)?);
        for (count, rates) in COUNTS.iter().zip(&mut shared) {
            let buckets: Vec<(String, usize, usize)> = (0..*count).map(|at| (key(at), at, *count)).collect();
            rates.push(round(servers, &buckets, sizes)?);
        }
    }
    section.line(&format!(
        "RESERVE with 3 limits, {} calls a bucket and round, {} rounds in turns, {WIDTH} connections with \
         {DEPTH} calls in flight for each bucket, all buckets at once; a call's CPU time is that of its \
         server's main thread. In the buckets units and quotas of each region have shifted.\n",
        sizes.calls, sizes.rounds
    ));
    section.line("| | calls per CPU second and server | beside one pool, same round |\n|---|---|---|");
    let mut last = f64::NAN;
    let spread = |figures: &[f64]| Spread::of(figures.iter().copied());
    if let Some(Spread { median, min, max }) = spread(&alone) {
        section.line(&format!("| one pool | {median:.0} ({min:.0} to {max:.0}) | |"));
    }
    for (count, rates) in COUNTS.iter().zip(&shared) {
        let (Some(rate), Some(ratio)) = (spread(rates), Spread::of_ratios(rates, &alone)) else { continue };
        section.line(&format!(
            "| {count} bucket{} | {:.0} ({:.0} to {:.0}) | {:.3} ({:.3} to {:.3}) |",
            if *count == 1 { "" } else { "s" },
            rate.median,
            rate.min,
            rate.max,
            ratio.median,
            ratio.min,
            ratio.max
        ));
        last = ratio.median;
    }
    let detail = format!("{MOST} buckets, median of {} rounds", sizes.rounds);
    section.findings.push(Finding { measure: Measure::ShardAgainstPool, figure: last, detail, caveat: None });
    Ok(last)
}

/// Calls per CPU second of a server, the mean of all: `buckets` are keys, each with its number and
/// how many there are.
fn round(servers: &[Server], buckets: &[(String, usize, usize)], sizes: &Sizes) -> Result<f64> {
    for server in servers {
        server.connection()?.say("FLUSHALL SYNC")?;
    }
    for (at, (key, ..)) in buckets.iter().enumerate() {
        make_pool(&mut servers[at].connection()?, key, UNITS, 3, Events::None)?;
    }
    shift_some(servers, buckets)?;
    let rates = thread::scope(|scope| {
        let running: Vec<_> = buckets
            .iter()
            .zip(servers)
            .map(|((key, number, count), server)| {
                let socket = server.socket();
                scope.spawn(move || load(&socket, key, *number, *count, sizes.calls))
            })
            .collect();
        let ended = running.into_iter().map(|one| one.join().map_err(|_| anyhow!("a load failed"))?);
        ended.collect::<Result<Vec<f64>>>()
    })?;
    Ok(rates.iter().sum::<f64>() / rates.len() as f64)
}

/// Units, and the quotas of all regions, shift round in a circle, as a balancer leaves them.
fn shift_some(servers: &[Server], buckets: &[(String, usize, usize)]) -> Result<()> {
    if buckets.len() < 2 {
        return Ok(());
    }
    for (at, (from, ..)) in buckets.iter().enumerate() {
        let next = (at + 1) % buckets.len();
        let to = &buckets[next].0;
        let (mut source, mut target) = (servers[at].connection()?, servers[next].connection()?);
        source.say(&format!("STOCK.SHIFT {from} TO {to} 1000"))?;
        target.say(&format!("STOCK.SHIFT {to} FROM {from} 1000"))?;
        for region in 0..ids::REGIONS {
            let region = String::from_utf8_lossy(&ids::region(region)).into_owned();
            let quota = format!("LIMIT region PER DAY FOR {region}");
            source.say(&format!("STOCK.SHIFT {from} TO {to} 1000 {quota}"))?;
            target.say(&format!("STOCK.SHIFT {to} FROM {from} 1000 SINCE 1 {quota}"))?;
        }
    }
    Ok(())
}

/// The calls of the users of one bucket; how many its server made per CPU second.
fn load(socket: &Path, key: &str, number: usize, count: usize, calls: u64) -> Result<f64> {
    let users = (0..).filter(|n| bucket_of(&ids::user(*n), count as u32) as usize == number);
    let warm = (calls / 10).max(64);
    let mut ready = [Calls::default(), Calls::default()];
    for (nth, user) in users.take((warm + calls) as usize).enumerate() {
        let into = usize::from(nth as u64 >= warm);
        let (order, buyer, region, store) = (ids::order(user), ids::user(user), ids::region(user), ids::store(user));
        let head: [&[u8]; 6] = [b"STOCK.RESERVE", key.as_bytes(), &order, b"1", b"EX", b"900"];
        let whom: [&[u8]; 7] = [b"FOR", b"user", &buyer, b"region", &region, b"store", &store];
        ready[into].add(&[&head[..], &whom].concat());
    }
    let (mut connection, mut load) = (Connection::open(socket)?, Load::open(socket, WIDTH)?);
    load.run(&ready[0], DEPTH, RESERVED)?;
    let before_us = connection.cpu_us()?;
    load.run(&ready[1], DEPTH, RESERVED)?;
    let cpu_s = (connection.cpu_us()? - before_us) / 1e6;
    Ok(calls as f64 / cpu_s)
}

/// What the calls of a balancer cost the servers of four buckets, while it moves so much that a
/// round follows the other.
fn balancer(servers: &[Server], sizes: &Sizes, section: &mut Section) -> Result<()> {
    let watched = Duration::from_millis(sizes.patience_ms(WATCHED_MS));
    eprintln!("shards: a balancer, {} s", watched.as_secs());
    let mut connections: Vec<Connection> = servers.iter().map(Server::connection).collect::<Result<_>>()?;
    for (at, connection) in connections.iter_mut().enumerate() {
        connection.say("FLUSHALL SYNC")?;
        make_pool(connection, &key(at), UNITS, 3, Events::None)?;
    }
    connections[0].call(&["SET", "{tea}shards", &config()])?;
    let cpu_us =
        |connections: &mut [Connection]| -> Result<f64> { connections.iter_mut().map(Connection::cpu_us).sum() };
    let before_us = cpu_us(&mut connections)?;
    thread::sleep(watched);
    let idle_us = cpu_us(&mut connections)? - before_us;
    let before_us = cpu_us(&mut connections)?;
    let (begin, mut moves, mut rounds) = (Instant::now(), 0u64, 0u32);
    let mut totals = [[0u64; MOST]; MOST];
    while begin.elapsed() < watched {
        let due = (begin.elapsed().as_micros() as u64).saturating_mul(MOVES) / 1_000_000;
        let mut steps = Vec::new();
        while moves < due {
            let from = (moves % MOST as u64) as usize;
            let to = (from + 1 + (moves / MOST as u64) as usize % (MOST - 1)) % MOST;
            totals[from][to] += 1;
            steps.push((from, to, totals[from][to]));
            moves += 1;
        }
        balancer_round(&mut connections, &steps)?;
        rounds += 1;
        thread::sleep((ROUND_EVERY * rounds).saturating_sub(begin.elapsed()));
    }
    let took = begin.elapsed();
    let spent_us = cpu_us(&mut connections)? - before_us - idle_us;
    let share = spent_us / 1e6 / took.as_secs_f64() / MOST as f64;
    section.line(&format!(
        "\nA balancer that makes {:.0} moves a second between {MOST} buckets, in {:.0} rounds a second, costs \
         each of their servers {:.2} % of a core ({:.1} µs of CPU a move, all in all). A round: who asks; who \
         leads, and a look at all buckets; all first halves; all second halves, and what is left. Each of these \
         wakes a server once.\n",
        moves as f64 / took.as_secs_f64(),
        f64::from(rounds) / took.as_secs_f64(),
        share * 100.0,
        spent_us / moves as f64
    ));
    let detail = format!("of each server's core, {MOST} buckets, {moves} moves in {:.1} s", took.as_secs_f64());
    section.findings.push(Finding {
        measure: Measure::BalancerCost,
        figure: share * 100.0,
        detail,
        caveat: sizes.caveat(),
    });
    Ok(())
}

/// What says which buckets there are.
fn config() -> String {
    let keys: Vec<String> = (0..MOST).map(|at| format!("\"{}\"", key(at))).collect();
    format!("{{\"version\":1,\"by\":\"user\",\"buckets\":[{}]}}", keys.join(","))
}

/// The calls of `stockctl balance` (`round` in its balancer.rs): the sharded pool's own keys are at
/// the first server.
fn balancer_round(connections: &mut [Connection], steps: &[(usize, usize, u64)]) -> Result<()> {
    let own = |lines: &[&str]| -> Vec<(usize, String)> { lines.iter().map(|line| (0, (*line).to_string())).collect() };
    together(connections, &own(&["LPOP {tea}asks 1000"]))?;
    let mut look = own(&["SET {tea}balancer 1:1795900000000 NX PX 2000", "GET {tea}balancer", "GET {tea}shards"]);
    look.extend((0..MOST).flat_map(|at| ["GET", "SHIFTS"].map(|what| (at, format!("STOCK.{what} {}", key(at))))));
    together(connections, &look)?;
    let halves = |way: &str| -> Vec<(usize, String)> {
        let half = |&(from, to, total): &(usize, usize, u64)| {
            let (at, peer) = if way == "TO" { (from, to) } else { (to, from) };
            (at, format!("STOCK.SHIFT {} {way} {} {total}", key(at), key(peer)))
        };
        steps.iter().map(half).collect()
    };
    together(connections, &halves("TO"))?;
    let mut arriving = halves("FROM");
    arriving.extend(own(&["PEXPIRE {tea}balancer 2000", "SET {tea}left 4000000000 PX 2000"]));
    together(connections, &arriving)
}

/// To each server all of its calls, and to all servers at once.
fn together(connections: &mut [Connection], lines: &[(usize, String)]) -> Result<()> {
    let mut calls: Vec<Calls> = connections.iter().map(|_| Calls::default()).collect();
    for (at, line) in lines {
        calls[*at].add(&line.split_whitespace().map(str::as_bytes).collect::<Vec<_>>());
    }
    for (connection, calls) in connections.iter_mut().zip(&calls).filter(|(_, calls)| calls.len() > 0) {
        connection.send(calls.bytes(0, calls.len()))?;
    }
    for (connection, calls) in connections.iter_mut().zip(&calls) {
        (0..calls.len()).try_for_each(|_| connection.no_error())?;
    }
    Ok(())
}
