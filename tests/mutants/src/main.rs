//! Puts all places of cargo-mutants into one build, each behind a switch, and runs the tests once
//! for each place.
//!
//! cargo-mutants builds anew for each place, which takes hours for the two thousand of the core.
//! Here it lists the places (`cargo mutants --list --json`); each becomes a condition in a copy of
//! the sources, which is built once. A place that does not fit behind a switch (its types are not
//! those of a branch) is written to a file, for cargo-mutants itself.
//!
//!     stock-mutants plant COPY PLACES UNFIT     put the switches in; builds until the compiler is content
//!     stock-mutants run TESTS PLACES UNFIT REPORT FILTER…   run the program of tests for each place

mod build;
mod place;
mod plant;
mod run;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["plant", copy, places, unfit] => build::plant_all(Path::new(copy), Path::new(places), Path::new(unfit)),
        ["run", tests, places, unfit, report, filters @ ..] => {
            run::all(Path::new(tests), Path::new(places), Path::new(unfit), Path::new(report), filters)
        }
        _ => {
            eprintln!("usage: stock-mutants plant COPY PLACES UNFIT | run TESTS PLACES UNFIT REPORT FILTER…");
            ExitCode::FAILURE
        }
    }
}
