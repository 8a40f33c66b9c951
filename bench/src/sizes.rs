//! How much is measured: a full run, or a part of it.

use crate::rows::Row;

/// How much is measured.
#[derive(Clone, clap::Args)]
pub struct Sizes {
    /// Rounds in which the rows take turns
    #[arg(long, env = "ROUNDS", default_value_t = 9, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=99))]
    pub rounds: usize,
    /// Calls of a row in a round; of long ones fewer
    #[arg(long, env = "CALLS", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..=2_000_000))]
    pub calls: u64,
    /// Of tails, memory and RDB: the share of the sizes that the goals name, 0.001 to 1; for
    /// several servers one after the other, with commas: the last is that of all that follow
    #[arg(long = "scale", env = "SCALE", value_delimiter = ',', default_value = "1", value_parser = share)]
    pub scales: Vec<f64>,
    /// That of the server which is measured.
    #[arg(skip = 1.0)]
    pub scale: f64,
    /// Calls of a row under callgrind; 0 to leave it out
    #[arg(long, default_value_t = 3_200, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    pub callgrind_calls: u64,
    /// Of tails: only these
    #[arg(long, env = "ONLY", value_enum)]
    pub only: Option<Tail>,
}

/// One kind of slow moment.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tail {
    /// A pool grows, and is freed
    Grow,
    /// A day window rolls over
    Rollover,
    /// Very many holds are due at once
    Due,
}

impl Sizes {
    /// The number of calls of a row.
    pub fn calls_of(&self, row: &Row) -> u64 {
        ((self.calls as f64 * row.share) as u64).max(64)
    }

    /// A size that a goal names, made smaller by the scale.
    pub fn scaled(&self, size: u64) -> u64 {
        ((size as f64 * self.scale) as u64).max(1_000)
    }

    /// How long to watch or to wait where a run of full size does so this long; a tiny one is for
    /// testing the bench.
    pub fn patience_ms(&self, full_ms: u64) -> u64 {
        if self.scale < 0.01 {
            full_ms / 5
        } else {
            full_ms
        }
    }

    /// In how many runs the same is measured; a tiny one is for testing the bench.
    pub fn runs(&self, full: usize) -> usize {
        if self.scale < 0.01 {
            1
        } else {
            full
        }
    }

    pub fn is_full(&self) -> bool {
        self.scale >= 1.0
    }

    /// Why a figure does not speak for a goal.
    pub fn caveat(&self) -> Option<String> {
        (!self.is_full()).then(|| format!("not judged: at {}% of the size", self.scale * 100.0))
    }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.001..=1.0).contains(share)).ok_or_else(|| "a number from 0.001 to 1".into())
}
