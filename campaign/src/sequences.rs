//! Every sequence of calls up to a length: `tests/model/scope.rs`.

use crate::record::{grouped, share, Ledger, Row};
use testkit::scope::{walk, Counts, LETTERS, SMALL};

const NAME: &str = "every sequence";

#[derive(clap::Args)]
pub struct Options {
    /// How long the sequences are.
    #[arg(long, default_value_t = 4)]
    length: usize,
    /// How many letters they are made of: 24 are all.
    #[arg(long, default_value_t = LETTERS.len())]
    letters: usize,
}

/// How much went wrong: nothing, or the walk ended with a report.
pub fn run(options: &Options, ledger: &Ledger) -> u64 {
    let letters = options.letters.min(LETTERS.len());
    let mut sum = Counts::default();
    for first in 0..letters {
        let counts = walk(letters, options.length, first..first + 1);
        sum.sequences += counts.sequences;
        sum.changes += counts.changes;
        eprintln!("{} of {letters}: {} sequences", first + 1, grouped(sum.sequences));
    }
    let counts = format!(
        "{} sequences of up to {} calls over {letters} letters{}, {} changed the state with their last call",
        grouped(sum.sequences),
        options.length,
        if letters <= SMALL { " (reduced)" } else { "" },
        share(sum.changes, sum.sequences)
    );
    ledger.write(&Row { campaign: NAME, server: "in process".into(), seeds: (0, 0), counts, found: 0 });
    0
}
