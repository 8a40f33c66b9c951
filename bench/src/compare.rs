//! The rows in turns, round after round, each round on a fresh server.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::client::{Connection, Load};
use crate::goals::{Finding, Measure};
use crate::rows::scripts::Scripts;
use crate::rows::setup::{writes_events, Events};
use crate::rows::{self, Kind, Row};
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;
use crate::stats::Spread;
use crate::touched::Touched;

/// Connections that call.
pub const WIDTH: usize = 16;
/// Calls that are under way on each of them, where it is not one.
pub const DEPTH: usize = 16;

/// What is switched on beside the calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode {
    pub aof: bool,
    pub events: bool,
}

/// All modes; the ratios are those of the first.
pub const MODES: [Mode; 4] = [
    Mode { aof: false, events: false },
    Mode { aof: true, events: false },
    Mode { aof: false, events: true },
    Mode { aof: true, events: true },
];

/// One measurement of one row.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// CPU time of the server's main thread per call, with pipelines.
    pub cpu_us: f64,
    pub calls_per_second: f64,
    /// Without pipelines.
    pub calls_per_second_single: f64,
    /// What a call adds to the append-only file, where there is one.
    pub log_bytes: f64,
}

impl Sample {
    /// How much of the time the main thread ran.
    pub fn busy(&self) -> f64 {
        self.cpu_us * self.calls_per_second / 1e6
    }
}

/// A row with what was measured.
pub struct Line {
    pub name: &'static str,
    pub kind: Kind,
    /// By mode, then by round.
    pub samples: [Vec<Sample>; 4],
    /// Instructions per call, where callgrind could count them.
    pub instructions: Option<f64>,
    /// Code that a call runs through, where callgrind could count it.
    pub touched: Option<Touched>,
}

impl Line {
    /// A figure of the rounds in one mode.
    pub fn figures(&self, mode: usize, figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
        self.samples[mode].iter().map(figure).collect()
    }

    pub fn spread(&self, mode: usize, figure: impl Fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.figures(mode, figure))
    }
}

/// What came out.
pub struct Comparison {
    pub lines: Vec<Line>,
    /// Whether the module writes events.
    pub events: bool,
}

/// Measures every row.
pub fn run(plan: &Plan<'_>, sizes: &Sizes) -> Result<Comparison> {
    let rows = rows::all();
    let line = |row: &Row| {
        let (name, kind) = (row.name, row.kind);
        Line { name, kind, samples: Default::default(), instructions: None, touched: None }
    };
    let mut lines: Vec<Line> = rows.iter().map(line).collect();
    let events = writes_events(&mut Server::start(plan, Options::default())?.connection()?)?;
    for round in 0..sizes.rounds {
        for (place, mode) in MODES.iter().enumerate() {
            // The other modes are beside the ratios, and get a third of the rounds.
            if place > 0 && round % 3 != 0 || mode.events && !events {
                continue;
            }
            eprintln!("round {} of {}{}", round + 1, sizes.rounds, mode.text());
            one_round(plan, sizes, *mode, &rows, round, |row, sample| lines[row].samples[place].push(sample))?;
        }
    }
    Ok(Comparison { lines, events })
}

impl Mode {
    /// Whether it makes a difference to this row.
    fn concerns(self, row: &Row) -> bool {
        match self {
            Self { events: true, .. } => row.has_events(),
            Self { aof: true, .. } => row.writes,
            _ => true,
        }
    }

    pub fn text(self) -> &'static str {
        match (self.aof, self.events) {
            (false, false) => "",
            (true, false) => ", AOF",
            (false, true) => ", events",
            (true, true) => ", AOF and events",
        }
    }
}

fn one_round(
    plan: &Plan<'_>,
    sizes: &Sizes,
    mode: Mode,
    rows: &[Row],
    round: usize,
    mut keep: impl FnMut(usize, Sample),
) -> Result<()> {
    let server = Server::start(plan, Options { aof: mode.aof, ..Options::default() })?;
    let (mut connection, mut load) = (server.connection()?, server.load(WIDTH)?);
    let scripts = Scripts::load(&mut connection)?;
    for turn in 0..rows.len() {
        // Each round begins with another row, so that none is always first or last.
        let place = (turn + round * 5) % rows.len();
        let row = &rows[place];
        if mode.concerns(row) {
            let sample = measure(&mut connection, &mut load, &scripts, row, mode, sizes.calls_of(row));
            keep(place, sample.with_context(|| row.name)?);
        }
    }
    Ok(())
}

/// One measurement: some calls to get warm, `calls` with pipelines, a quarter as many without.
fn measure(
    connection: &mut Connection,
    load: &mut Load,
    scripts: &Scripts,
    row: &Row,
    mode: Mode,
    calls: u64,
) -> Result<Sample> {
    let (warm, single) = (calls / 10, calls / 4);
    let events = if mode.events { Events::Fields } else { Events::None };
    row.setup.prepare(connection, load, warm + calls + single, events)?;
    let make = |first, count| crate::wire::Calls::of(first, count, |calls, n| (row.make)(scripts, calls, n));
    load.run(&make(0, warm), DEPTH, row.reply)?;
    let ready = make(warm, calls);
    let (log_before, cpu_before) = (log_bytes(connection, mode)?, connection.cpu_us()?);
    let took = load.run(&ready, DEPTH, row.reply)?;
    let (cpu_after, log_after) = (connection.cpu_us()?, log_bytes(connection, mode)?);
    let took_single = load.run(&make(warm + calls, single), 1, row.reply)?;
    let (done, single) = ((calls * row.orders) as f64, (single * row.orders) as f64);
    Ok(Sample {
        cpu_us: (cpu_after - cpu_before) / done,
        calls_per_second: done / took.as_secs_f64(),
        calls_per_second_single: single / took_single.as_secs_f64(),
        log_bytes: (log_after - log_before) / done,
    })
}

/// The size of the append-only file, once all is in it.
fn log_bytes(connection: &mut Connection, mode: Mode) -> Result<f64> {
    if !mode.aof {
        return Ok(0.0);
    }
    for _ in 0..1_000 {
        if connection.figure("persistence", "aof_buffer_length")? == 0.0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    connection.figure("persistence", "aof_current_size")
}

impl Comparison {
    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }

    /// What the goals want to know. Figures of the same round stand together.
    pub fn findings(&self) -> Vec<Finding> {
        let ratio = |measure, mode, above: &str, below: &str, figure: fn(&Sample) -> f64, and: &str| {
            let (above, below) = (self.line(above)?.figures(mode, figure), self.line(below)?.figures(mode, figure));
            let spread = Spread::of_ratios(&above, &below)?;
            let detail = format!("{:.3} to {:.3} in {} rounds{and}", spread.min, spread.max, above.len());
            Some(Finding { measure, figure: spread.median, detail, caveat: None })
        };
        let cpu = |sample: &Sample| sample.cpu_us;
        let log = |sample: &Sample| sample.log_bytes;
        // The client has its share in the throughput; what the server itself spent stands beside
        // it.
        let rate = |measure, row| {
            let median = |name: &str| Some(self.line(name)?.spread(0, cpu)?.median);
            let by_cpu = median(rows::FLOOR).zip(median(row)).map_or(f64::NAN, |(floor, row)| floor / row);
            let and = format!("; by CPU time {by_cpu:.3}");
            ratio(measure, 0, row, rows::FLOOR, |sample| sample.calls_per_second, &and)
        };
        [
            ratio(Measure::ReserveAgainstC2, 0, rows::RESERVE_3, rows::LUA_C2, cpu, ""),
            rate(Measure::ReserveAgainstFloor, rows::RESERVE_3),
            ratio(Measure::BatchAgainstFloor, 0, rows::BATCH, rows::FLOOR, cpu, ""),
            ratio(Measure::CartAgainstD, 0, rows::MRESERVE, rows::LUA_D, cpu, ""),
            ratio(Measure::ReplacesAgainstCart, 0, rows::REPLACES, rows::MRESERVE, cpu, ""),
            rate(Measure::SoldoutAgainstFloor, rows::SOLDOUT),
            rate(Measure::LimitedAgainstFloor, rows::LIMITED),
            ratio(Measure::ReserveAgainstA, 0, rows::LUA_A, rows::RESERVE_3, cpu, ""),
            ratio(Measure::LogAgainstC, 1, rows::RESERVE_3, rows::LUA_C, log, ""),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::{Verdict, GOALS};

    fn comparison(reserve_us: f64, c2_us: f64) -> Comparison {
        let line = |name, cpu_us| {
            let sample = Sample { cpu_us, calls_per_second: 1.0, calls_per_second_single: 1.0, log_bytes: 0.0 };
            let samples = [vec![sample; 3], Vec::new(), Vec::new(), Vec::new()];
            Line { name, kind: Kind::Stock, samples, instructions: None, touched: None }
        };
        Comparison { lines: vec![line(rows::RESERVE_3, reserve_us), line(rows::LUA_C2, c2_us)], events: false }
    }

    #[test]
    fn goals_are_judged_by_the_rows() {
        let verdict = |reserve_us, c2_us| GOALS[0].judge(&comparison(reserve_us, c2_us).findings()).0;
        assert_eq!(verdict(3.0, 48.0), Verdict::Met);
        assert_eq!(verdict(5.0, 48.0), Verdict::NotMet);
        let against_a = |a_us| {
            let mut measured = comparison(3.0, 48.0);
            measured.lines[1].name = rows::LUA_A;
            measured.lines[1].samples[0].iter_mut().for_each(|sample| sample.cpu_us = a_us);
            let goal = GOALS.iter().find(|goal| goal.measure == Measure::ReserveAgainstA);
            goal.map(|goal| goal.judge(&measured.findings()).0)
        };
        assert_eq!((against_a(4.6), against_a(4.4)), (Some(Verdict::Met), Some(Verdict::NotMet)));
        // Rows that are missing are no success.
        assert_eq!(GOALS[1].judge(&comparison(3.0, 48.0).findings()).0, Verdict::NotJudged("not measured".into()));
    }
}
