//! The whole bench once, as small as it gets, on a real server: every part measures something.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A library of the workspace, where cargo has built it for this test.
fn library(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let path = test.parent().expect("it is in a directory").join(name);
    assert!(path.exists(), "{} is built", path.display());
    path
}

/// Runs one part, or all of them, and answers what it printed.
fn bench(args: &[&str], out: &Path) -> String {
    let server = std::env::var("REDIS_SERVER").unwrap_or("redis-server".into());
    let module = std::env::var_os("STOCK_MODULE").map_or_else(|| library("libredis_stock.so"), PathBuf::from);
    let mut command = Command::new(env!("CARGO_BIN_EXE_stock-bench"));
    command.args(args).arg("--server").arg(server).arg("--module").arg(module);
    command.arg("--floor").arg(library("libstock_floor.so")).arg("--out").arg(out);
    command.args(["--rounds", "1", "--calls", "200", "--scale", "0.001", "--callgrind-calls", "0"]);
    let output = command.output().expect("the bench runs");
    let [told, report] = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{told}");
    report
}

/// The figure in this column (from 1) of the row with this name.
fn cell(report: &str, row: &str, column: usize) -> f64 {
    let line =
        report.lines().find(|line| line.starts_with(&format!("| {row} |"))).unwrap_or_else(|| panic!("{report}"));
    let cell = line.split('|').nth(column + 1).unwrap_or_default();
    let digits: String = cell.trim().split(' ').next().unwrap_or_default().replace(',', "");
    digits.parse().unwrap_or_else(|_| panic!("{row}: {cell}"))
}

#[test]
fn rows_have_figures_and_a_chart() {
    let dir = tempfile::tempdir().expect("a directory");
    let report = bench(&["rows"], dir.path());
    for row in [
        "PING",
        "floor",
        "RESERVE, 3 limits",
        "RESERVE: LIMITED",
        "MRESERVE … REPLACES, 3 pools × 3 limits",
        "Lua D: cart of 3",
    ] {
        assert!(cell(&report, row, 1) > 0.0 && cell(&report, row, 2) > 0.0, "{row}:\n{report}");
    }
    // The log of RESERVE is behind the four modes: bytes, where the floor writes none.
    let modes = report.split("event stream\n").nth(1).expect("the modes");
    assert!(cell(modes, "RESERVE, 3 limits", 5) > 20.0, "{modes}");
    assert!(!modes.contains("| floor |"), "{modes}");
    assert_eq!(report.matches("Not measured").count(), 1, "callgrind is left out, and that is all: {report}");
    let chart = fs::read_to_string(dir.path().join("benchmarks.svg")).expect("the chart");
    assert_eq!(chart.matches("<rect").count(), 25);
    assert!(fs::read_to_string(dir.path().join("benchmarks.md")).expect("the report").starts_with("# Benchmarks"));
}

#[test]
fn two_builds_are_compared_in_turns() {
    let dir = tempfile::tempdir().expect("a directory");
    let module = std::env::var_os("STOCK_MODULE").map_or_else(|| library("libredis_stock.so"), PathBuf::from);
    let report = bench(&["against", "--before", module.to_str().expect("UTF-8")], dir.path());
    for case in [
        "RESERVE, 3 limits",
        "with the append-only file",
        "with packed events (the other build: fields)",
        "in a large pool",
    ] {
        assert!((1..=3).all(|column| cell(&report, case, column) > 0.0), "{case}:\n{report}");
    }
    assert!(!report.contains("Not measured"), "{report}");
}

#[test]
fn the_long_parts_measure_something() {
    let dir = tempfile::tempdir().expect("a directory");
    let found = |part: &str, goals: &[&str]| {
        let report = bench(&[part], dir.path());
        for goal in goals {
            let line = report.lines().find(|line| line.starts_with(&format!("| {goal}"))).unwrap_or_default();
            assert!(line.contains("not judged: at 0.1% of the size"), "{goal}:\n{report}");
        }
    };
    found("memory", &["memory per live order"]);
    found(
        "rdb",
        &["RDB against the keys of C: save", "RDB against the keys of C: load", "RDB against the keys of C: size"],
    );
    let report = bench(&["shards"], dir.path());
    assert!(cell(&report, "4 buckets", 1) > 0.0 && cell(&report, "4 buckets", 2) > 0.0, "{report}");
    assert!(report.contains("moves a second") && report.contains("| 64 | users by Zipf, s = 1 |"), "{report}");
    found(
        "tails",
        &["slowest call while a pool grows", "holds due in one second: all back, events off", "UNLINK", "FLUSHALL"],
    );
}
