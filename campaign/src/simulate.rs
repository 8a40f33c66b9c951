//! The simulation of `tests/model/simulation.rs`, for longer.

use std::panic::catch_unwind;
use std::time::Instant;

use crate::record::{grouped, share, Ledger, Row};
use testkit::simulation::{run as history, Counts};

const NAME: &str = "simulation";

#[derive(clap::Args)]
pub struct Options {
    /// The first seed; by default the one behind the last row of the table.
    #[arg(long)]
    seed: Option<u64>,
    /// How many histories.
    #[arg(long, default_value_t = 25)]
    seeds: u64,
    /// Calls in each history.
    #[arg(long, default_value_t = 4_000)]
    steps: u64,
    /// End earlier, after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
}

/// How many histories went wrong.
pub fn run(options: &Options, ledger: &Ledger) -> u64 {
    let first = options.seed.unwrap_or_else(|| ledger.next_seed(NAME));
    let start = Instant::now();
    let mut sum = Counts::default();
    let mut found = 0;
    let mut last = first;
    for seed in first..first + options.seeds {
        if options.seconds.is_some_and(|seconds| seed > first && start.elapsed().as_secs() >= seconds) {
            break;
        }
        last = seed;
        match catch_unwind(|| history(seed, options.steps)) {
            Ok(counts) => sum += counts,
            Err(_) => {
                found += 1;
                let steps = options.steps;
                eprintln!("to repeat: make campaign NAME=simulate ARGS='--seed {seed} --seeds 1 --steps {steps}'");
                if found >= 10 {
                    break;
                }
            }
        }
        if seed % 500 == 0 {
            let rate = sum.calls as f64 / start.elapsed().as_secs_f64();
            eprintln!("seed {seed}: {} calls, {rate:.0} a second", grouped(sum.calls));
        }
    }
    let Counts { calls, changes, replayed, failovers, crashes, lost, loads } = sum;
    let counts = format!(
        "{} operations, {} changed the state; {} effects replayed, {} failovers, {} restarts from the file, {} effects lost, {} loads",
        grouped(calls),
        share(changes, calls),
        grouped(replayed),
        grouped(failovers),
        grouped(crashes),
        grouped(lost),
        grouped(loads)
    );
    ledger.write(&Row { campaign: NAME, server: "in process".into(), seeds: (first, last), counts, found });
    found
}
