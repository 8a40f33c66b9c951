//! Histories in this process, one for each seed: what the simulations share.

use std::ops::AddAssign;
use std::panic::catch_unwind;
use std::time::Instant;

use crate::record::{grouped, Ledger, Row};
use crate::rounds::Bounds;

#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    bounds: Bounds,
    /// Calls, or steps, of each history.
    #[arg(long, default_value_t = 4_000)]
    steps: u64,
}

/// One of the simulations.
pub struct Simulation<C> {
    /// Its name in the table.
    pub name: &'static str,
    /// Its name behind `make campaign`.
    pub target: &'static str,
    /// How many histories, unless the options say.
    pub seeds: u64,
    /// The history of a seed with so many steps. It panics where something is wrong.
    pub history: fn(u64, u64) -> C,
    /// The calls among what is counted.
    pub calls: fn(&C) -> u64,
    /// What is counted, in words.
    pub text: fn(C) -> String,
}

/// How many histories went wrong.
pub fn run<C: Default + AddAssign>(simulation: &Simulation<C>, options: &Options, ledger: &Ledger) -> u64 {
    let Simulation { name, target, history, .. } = *simulation;
    let mut seeds = options.bounds.seeds(name, simulation.seeds, ledger);
    let start = Instant::now();
    let mut sum = C::default();
    let mut found = 0;
    for seed in seeds.by_ref() {
        match catch_unwind(|| history(seed, options.steps)) {
            Ok(counts) => sum += counts,
            Err(_) => {
                found += 1;
                let steps = options.steps;
                eprintln!("to repeat: make campaign NAME={target} ARGS='--seed {seed} --seeds 1 --steps {steps}'");
                if found >= 10 {
                    break;
                }
            }
        }
        if seed % 500 == 0 {
            let calls = (simulation.calls)(&sum);
            let rate = calls as f64 / start.elapsed().as_secs_f64();
            eprintln!("seed {seed}: {} calls, {rate:.0} a second", grouped(calls));
        }
    }
    let counts = (simulation.text)(sum);
    ledger.write(&Row { campaign: name, server: "in process".into(), seeds: seeds.ran(), counts, found });
    found
}
