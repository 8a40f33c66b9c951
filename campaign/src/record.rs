//! The table of `docs/internals/testing.md`: one row for what ran, none for what did not.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use testkit::build::{commit, compiler};

/// What ran.
pub struct Row {
    /// The name in the table.
    pub campaign: &'static str,
    /// The server with its version, or `in process`.
    pub server: String,
    /// The first seed and the last.
    pub seeds: (u64, u64),
    /// What was counted, with units.
    pub counts: String,
    /// How much was found that should not be.
    pub found: u64,
}

/// Where rows go.
pub struct Ledger {
    file: Option<PathBuf>,
}

impl Ledger {
    /// A ledger in this file; without one, rows are printed only.
    pub fn open(file: Option<PathBuf>) -> Ledger {
        Ledger { file }
    }

    /// The first seed that no row of the campaign has had.
    pub fn next_seed(&self, campaign: &str) -> u64 {
        let text = self.file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let rows = text.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
        let last = rows.filter(|cells| cells.get(2) == Some(&campaign)).filter_map(|cells| {
            let seeds = cells.get(4)?.split(" to ").last()?.replace(',', "");
            seeds.parse::<u64>().ok()
        });
        last.max().unwrap_or(0) + 1
    }

    /// Prints the row, and appends it.
    pub fn write(&self, row: &Row) {
        let Row { campaign, server, seeds: (first, last), counts, found } = row;
        let build = format!("{}, {}", commit(), compiler());
        let line =
            format!("| {} | {campaign} | {server} | {first} to {last} | {counts} | {found} | {build} |", today());
        println!("{line}");
        let Some(file) = &self.file else { return };
        let mut text = fs::read_to_string(file).unwrap_or_default();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&line);
        text.push('\n');
        fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// The date in UTC.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // Days since 0000-03-01, so that leap days come last in a year of the calculation.
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A number with its thousands apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A share in percent.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".into();
    }
    format!("{} %", (part * 1000 / whole) as f64 / 10.0)
}
