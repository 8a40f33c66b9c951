//! The README's numbers: what a shop asks first. The goals, and all that is behind them, are in the
//! report.

use std::fmt::Write;

use crate::compare::{Comparison, Line, Sample};
use crate::goals::{Finding, Measure, Verdict, GOALS};
use crate::report::thousands;

/// A row of ours beside the row of the script that does the same.
const PAIRS: [(&str, &str, Option<&str>); 3] = [
    ("RESERVE with 3 limits", "RESERVE, 3 limits", Some("Lua C2: C, tuned")),
    ("RESERVE that is SOLDOUT", "RESERVE: SOLDOUT", None),
    ("a cart of 3 pools with 3 limits each", "MRESERVE, 3 pools × 3 limits", Some("Lua D: cart of 3")),
];

/// The table, and how many of the goals are met.
pub fn summary(server: &str, comparison: &Comparison, findings: &[Finding]) -> String {
    let line = |name: &str| comparison.lines.iter().find(|line| line.name == name);
    let median = |line: Option<&Line>, mode: usize, figure: fn(&Sample) -> f64| {
        thousands(line.and_then(|line| line.spread(mode, figure)).map(|spread| spread.median))
    };
    let mut text = format!("| {server}, one thread of the server | this module | Lua script |\n|---|---|---|\n");
    for (what, ours, script) in PAIRS {
        let (ours, script) = (line(ours), script.and_then(line));
        let rate = |line| median(line, 0, |sample| sample.calls_per_second);
        let _ = writeln!(text, "| {what}: calls a second, pipelines of 16 | {} | {} |", rate(ours), rate(script));
    }
    let (ours, script) = (line(PAIRS[0].1), PAIRS[0].2.and_then(line));
    let single = |line| median(line, 0, |sample| sample.calls_per_second_single);
    let bytes = |line| median(line, 1, |sample| sample.log_bytes);
    let _ = writeln!(
        text,
        "| RESERVE with 3 limits: calls a second, no pipelines | {} | {} |",
        single(ours),
        single(script)
    );
    let _ = writeln!(
        text,
        "| RESERVE with 3 limits: bytes in the append-only file | {} | {} |",
        bytes(ours),
        bytes(script)
    );
    let found = |measure| findings.iter().find(|finding| finding.measure == measure).map(|finding| finding.figure);
    if let Some(figure) = found(Measure::MemoryOfOrder) {
        let _ = writeln!(text, "| memory of a live order with its share of 3 limits, bytes | {figure:.0} | |");
    }
    if let Some((off, on)) = found(Measure::DueBack).zip(found(Measure::DueBackEvents)) {
        let _ = writeln!(
            text,
            "| 1,000,000 holds due in one second: all back after | {off:.1} s ({on:.1} s with events) | never by itself |"
        );
    }
    let judged: Vec<_> = GOALS.iter().map(|goal| (goal.text, goal.judge(findings).0)).collect();
    let count = |verdict: &Verdict| judged.iter().filter(|(_, judged)| judged == verdict).count();
    let missed: Vec<&str> = judged.iter().filter(|(_, v)| *v == Verdict::NotMet).map(|&(text, _)| text).collect();
    let _ = write!(text, "\nOf the project's own {} goals {} are met", judged.len(), count(&Verdict::Met));
    let _ = match missed.is_empty() {
        true => writeln!(text, "."),
        false => writeln!(text, ", and these are **not**:\n\n- {}", missed.join("\n- ")),
    };
    text
}
