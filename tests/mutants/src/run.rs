//! Runs the program of tests once for each place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::place;

/// So many times what the unchanged program takes, and at least so long, may a run take.
const PATIENCE: u32 = 6;
const LEAST_PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Missed,
    TimedOut,
    Caught,
}

/// Runs the tests for each place, as many at once as there are processors. Fails where a place is
/// missed.
pub fn all(tests: &Path, places: &Path, unfit: &Path, report: &Path, filters: &[&str]) -> ExitCode {
    let unfit = std::fs::read_to_string(unfit).expect("the places that do not fit");
    let unfit: BTreeSet<usize> = unfit.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    // What an earlier run has caught is not run again: its report tells.
    let before = std::fs::read_to_string(report).unwrap_or_default();
    let known: BTreeSet<&str> =
        before.lines().filter_map(|line| line.strip_prefix("Caught ")?.split_once(' ')).map(|(_, name)| name).collect();
    let places = place::read(places);
    let (mut outcomes, mut left) = (BTreeMap::new(), Vec::new());
    for place in places.into_iter().filter(|place| !unfit.contains(&place.id)) {
        if known.contains(place.name.as_str()) {
            outcomes.insert((Outcome::Caught, place.id), place.name);
        } else {
            left.push(place);
        }
    }
    let places = left;
    let began = Instant::now();
    assert_eq!(run(tests, 0, filters, Duration::from_secs(3600)), Outcome::Missed, "the unchanged program passes");
    let patience = (began.elapsed() * PATIENCE).max(LEAST_PATIENCE);
    println!("the unchanged program passes in {:.1} s; {} places", began.elapsed().as_secs_f32(), places.len());
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(outcomes));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(tests, place.id, filters, patience);
                    if outcome != Outcome::Caught {
                        println!("{outcome:?} {} {}", place.id, place.name);
                    }
                    outcomes.lock().expect("no worker panics").insert((outcome, place.id), place.name.clone());
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no worker panics");
    let count = |of: Outcome| outcomes.keys().filter(|(outcome, _)| *outcome == of).count();
    let mut text = String::new();
    for ((outcome, id), name) in &outcomes {
        let _ = writeln!(text, "{outcome:?} {id} {name}");
    }
    std::fs::write(report, text).expect("the report can be written");
    let (missed, over) = (count(Outcome::Missed), count(Outcome::TimedOut));
    println!("{} places: {} caught, {over} ran out of time, {missed} missed", outcomes.len(), count(Outcome::Caught));
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One run with one place switched on, 0 for none. The memory of a run without end is bounded by
/// the shell's `ulimit`.
fn run(tests: &Path, id: usize, filters: &[&str], patience: Duration) -> Outcome {
    let mut child = Command::new(tests)
        .args(filters)
        .args(["--test-threads", "1"])
        .env("STOCK_SWITCHED", id.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program of tests");
    let began = Instant::now();
    loop {
        match child.try_wait().expect("the state of the run") {
            Some(status) if status.success() => return Outcome::Missed,
            Some(_) => return Outcome::Caught,
            None if began.elapsed() > patience => {
                let _ = child.kill();
                let _ = child.wait();
                return Outcome::TimedOut;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
