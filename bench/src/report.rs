//! The report, in Markdown: sections, tables, goals.

use std::fmt::Write;

use anyhow::Result;

use crate::compare::{Comparison, Line, Sample, MODES};
use crate::goals::{Finding, Verdict, GOALS};
use crate::rows;
use crate::rows::scripts::Scripts;
use crate::stats::Spread;
use crate::touched::Touched;
use crate::wire::{self, Calls};

/// A part of the report, and what it found for the goals.
pub struct Section {
    title: String,
    body: String,
    pub findings: Vec<Finding>,
    /// What could not be measured, and why.
    failures: Vec<String>,
}

impl Section {
    pub fn new(title: &str) -> Self {
        Self { title: title.into(), body: String::new(), findings: Vec::new(), failures: Vec::new() }
    }

    pub fn line(&mut self, text: &str) {
        self.body.push_str(text);
        self.body.push('\n');
    }

    /// A row of a table of two columns.
    pub fn row(&mut self, what: &str, figures: &str) {
        self.line(&format!("| {what} | {figures} |"));
    }

    /// Runs one part; where it fails, the report says so, and goes on.
    pub fn attempt(&mut self, what: &str, part: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(error) = part(self) {
            eprintln!("not measured: {what}: {error:#}");
            self.failures.push(format!("{what}: {error:#}"));
        }
    }

    pub fn text(&self) -> String {
        let mut text = format!("### {}\n\n{}", self.title, self.body);
        for failure in &self.failures {
            let _ = write!(text, "\nNot measured: {}\n", for_others(failure));
        }
        text
    }
}

/// The first line of an error (a server's log may be behind it), with names of files instead of
/// paths: the report is read elsewhere.
fn for_others(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let words =
        line.split(' ').map(|word| if word.starts_with('/') { word.rsplit('/').next().unwrap_or(word) } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// The goals as a table.
pub fn goals(findings: &[Finding]) -> String {
    let mut text = String::from("| goal | wanted | | measured |\n|---|---|---|---|\n");
    for goal in &GOALS {
        let (verdict, figure) = goal.judge(findings);
        let word = match verdict {
            Verdict::Met => "met".to_string(),
            Verdict::NotMet => "**not met**".to_string(),
            Verdict::NotJudged(why) => why,
        };
        let _ = writeln!(text, "| {} | {} | {word} | {figure} |", goal.text, goal.wanted());
    }
    text
}

/// The rows as sections. `counted`: whether callgrind could count instructions.
pub fn comparison(comparison: &Comparison, counted: Result<()>) -> Vec<Section> {
    let mut calls = Section::new("Calls");
    calls.line("AOF off, events off. CPU time is that of the server's main thread (INFO cpu), at pipeline 16: median (least to greatest). Calls per second: medians. Busy: how much of the time the main thread ran; where it is far from 100%, client and machine have their share in the throughput. Instructions are those of the server's process in user space, counted by valgrind's callgrind on one connection at pipeline 16: parsing the call, running it, writing the reply. Other work on the machine does not touch them. Code: the lines of 64 bytes that at least every second call runs through, of the whole process and of the module.\n");
    calls
        .line("| row | CPU, µs per call | calls/s, pipeline 16 | busy | calls/s, pipeline 1 | instructions per call | code, of it the module |");
    calls.line("|---|---|---|---|---|---|---|");
    for line in &comparison.lines {
        let rate = |figure: fn(&Sample) -> f64| thousands(line.spread(0, figure).map(|spread| spread.median));
        calls.line(&format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            line.name,
            spread(line.spread(0, |sample| sample.cpu_us)),
            rate(|sample| sample.calls_per_second),
            line.spread(0, Sample::busy).map_or(String::new(), |busy| format!("{:.0}%", busy.median * 100.0)),
            rate(|sample| sample.calls_per_second_single),
            thousands(line.instructions),
            line.touched.map_or(String::new(), kilobytes)
        ));
    }
    calls.attempt("instructions per call", |_| counted);
    let mut modes = Section::new("With the append-only file and the event stream");
    modes.line("CPU in µs per call, and calls per second at pipeline 16: medians. AOF: appendfsync everysec.\n");
    if !comparison.events {
        modes.line("This build of the module writes no events: those columns are empty.\n");
    }
    modes.line(
        "| row | neither | AOF | events | both | AOF bytes per call | with events |\n|---|---|---|---|---|---|---|",
    );
    for line in comparison.lines.iter().filter(|line| !line.samples[1].is_empty()) {
        let cells = (0..MODES.len()).map(|mode| mode_cell(line, mode)).collect::<Vec<_>>().join(" | ");
        let bytes = |mode| line.spread(mode, |sample| sample.log_bytes).map(|spread| spread.median);
        modes.line(&format!("| {} | {cells} | {} | {} |", line.name, thousands(bytes(1)), thousands(bytes(3))));
    }
    vec![calls, modes]
}

/// So much of a call is shown; all of them are ASCII.
const LONGEST_CALL: usize = 700;

/// One call of each row, as it is sent.
pub fn calls() -> String {
    let scripts = Scripts::named();
    let mut text = String::from("\n## The calls\n\nThe first call of each row; ids differ from call to call.\n\n```\n");
    for row in rows::all() {
        let call = Calls::of(0, 1, |calls, n| (row.make)(&scripts, calls, n));
        let mut typed = wire::typed(call.bytes(0, 1));
        if typed.len() > LONGEST_CALL {
            typed.truncate(LONGEST_CALL);
            typed.push('…');
        }
        let _ = writeln!(text, "{}: {typed}", row.name);
    }
    text.push_str(
        "```\n\nThe pools and their limits are made by [bench/src/rows/setup.rs](../../bench/src/rows/setup.rs).\n",
    );
    text
}

fn mode_cell(line: &Line, mode: usize) -> String {
    let median = |figure: fn(&Sample) -> f64| line.spread(mode, figure).map(|spread| spread.median);
    median(|sample| sample.cpu_us).map_or(String::new(), |cpu_us| {
        format!("{cpu_us:.2} µs, {}/s", thousands(median(|sample| sample.calls_per_second)))
    })
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or(String::new(), |s| format!("{:.2} ({:.2} to {:.2})", s.median, s.min, s.max))
}

/// Code in KB, of the process and of the module.
fn kilobytes(touched: Touched) -> String {
    let kb = |bytes: u64| bytes as f64 / 1024.0;
    format!("{:.1} KB, {:.1} KB", kb(touched.all), kb(touched.module))
}

/// A whole number with its thousands apart.
pub fn thousands(figure: Option<f64>) -> String {
    let Some(figure) = figure else { return String::new() };
    let digits = format!("{figure:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// Puts the text between the two markers of a page.
pub fn between_markers(page: &str, text: &str) -> Option<String> {
    const BEGIN: &str = "<!-- bench: begin -->\n";
    let from = page.find(BEGIN)? + BEGIN.len();
    let to = from + page[from..].find("<!-- bench: end -->")?;
    Some(format!("{}{text}{}", &page[..from], &page[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::Measure;

    #[test]
    fn the_goals_say_met_or_not() {
        let finding = |measure, figure| Finding { measure, figure, detail: "9 rounds".into(), caveat: None };
        let text = goals(&[finding(Measure::Unlink, 0.4), finding(Measure::Flushall, 4.0)]);
        assert!(text.contains("main thread | at most 1.000 ms | met | 0.400 ms (9 rounds) |"), "{text}");
        assert!(text.contains("main thread | at most 1.000 ms | **not met** | 4.000 ms (9 rounds) |"), "{text}");
        assert_eq!(text.matches("| not measured |").count(), GOALS.len() - 2);
    }

    #[test]
    fn a_part_that_fails_is_named() {
        let mut section = Section::new("Tails");
        section.attempt("freeing", |_| anyhow::bail!("no pool in /a/b\nlog"));
        section.attempt("growing", |section| {
            section.row("a", "b");
            Ok(())
        });
        assert_eq!(section.text(), "### Tails\n\n| a | b |\n\nNot measured: freeing: no pool in b\n");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(thousands(Some(1_234_567.4)), "1,234,567");
        assert_eq!(thousands(Some(12.0)), "12");
        assert_eq!(thousands(None), "");
    }

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page = "a\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nb\n";
        let wanted = "a\n<!-- bench: begin -->\nnew\n<!-- bench: end -->\nb\n";
        assert_eq!(between_markers(page, "new\n").as_deref(), Some(wanted));
        assert_eq!(between_markers("a", "new\n"), None);
    }
}
