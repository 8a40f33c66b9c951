//! The simulation of sharded pools, `testkit/src/shards.rs`, for longer.

use std::panic::catch_unwind;
use std::time::Instant;

use crate::record::{grouped, Ledger, Row};
use testkit::shards::{run as history, Counts};

const NAME: &str = "sharded pools";

#[derive(clap::Args)]
pub struct Options {
    /// The first seed; by default the one behind the last row of the table.
    #[arg(long)]
    seed: Option<u64>,
    /// How many histories.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// Steps of each history.
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
                eprintln!("to repeat: make campaign NAME=shards ARGS='--seed {seed} --seeds 1 --steps {steps}'");
                if found >= 10 {
                    break;
                }
            }
        }
    }
    let Counts { calls, shifts, repeated, deaths, failovers, slots, twice: _, sold } = sum;
    let counts = format!(
        "{} calls to buckets, {} shifts, {} units sold; {} movers died, {} calls repeated in vain, {} slots moved or restarted, {} failovers that lost something",
        grouped(calls),
        grouped(shifts),
        grouped(sold),
        grouped(deaths),
        grouped(repeated),
        grouped(slots),
        grouped(failovers)
    );
    ledger.write(&Row { campaign: NAME, server: "in process".into(), seeds: (first, last), counts, found });
    found
}
