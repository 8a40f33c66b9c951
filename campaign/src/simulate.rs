//! The simulation of `tests/model/simulation.rs`, for longer.

use crate::histories::Simulation;
use crate::record::{grouped, share};
use testkit::simulation::{run as history, Counts};

pub const SIMULATE: Simulation<Counts> =
    Simulation { name: "simulation", target: "simulate", seeds: 25, history, calls: |counts| counts.calls, text };

fn text(counts: Counts) -> String {
    let Counts { calls, changes, replayed, failovers, crashes, lost, loads } = counts;
    format!(
        "{} operations, {} changed the state; {} effects replayed, {} failovers, {} restarts from the file, {} effects lost, {} loads",
        grouped(calls),
        share(changes, calls),
        grouped(replayed),
        grouped(failovers),
        grouped(crashes),
        grouped(lost),
        grouped(loads)
    )
}
