//! The project keeps its own rules: layers, one table of commands, no file that must be scrolled
//! for minutes.

mod circles;
mod commands_page;
mod documents;
mod packaging;
mod server_functions;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use redis_stock::command::TABLE;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(below: &str) -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(below), &mut found);
    assert!(!found.is_empty(), "{below} has sources");
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap_or_default())).collect()
}

/// The code of a file: without comments, which may speak of anything.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

fn forbid(below: &str, words: &[&str]) {
    for (path, text) in sources(below) {
        let code = code(&text);
        for word in words {
            assert!(!code.contains(word), "{} must not know `{word}`", path.display());
        }
    }
}

#[test]
fn the_core_is_pure() {
    forbid(
        "src/core",
        &[
            "redis_module",
            "crate::command",
            "crate::redis",
            "unsafe ",
            "SystemTime",
            "Instant",
            "std::env",
            "std::fs",
            "std::io",
            "std::net",
            "std::thread",
            "println!",
        ],
    );
}

#[test]
fn commands_know_no_server() {
    forbid("src/command", &["redis_module", "crate::redis", "unsafe ", "SystemTime", "Instant", "std::env"]);
}

/// What the reference model says would prove nothing if it came from the code under test.
#[test]
fn the_reference_model_shares_no_code_with_the_core() {
    for below in ["testkit/src/reference", "testkit/src/generate"] {
        forbid(below, &["redis_stock", "testkit::", "super::super"]);
        // Of the other parts of testkit, some run the core.
        for (path, text) in sources(below) {
            let code = code(&text);
            for used in code.split("crate::").skip(1) {
                let known = ["reply::", "reference::"].iter().any(|part| used.starts_with(part));
                let used = used.lines().next().unwrap_or_default();
                assert!(known, "{} must not use crate::{used}", path.display());
            }
        }
    }
    for (path, text) in sources("testkit/src").iter().filter(|(path, _)| path.ends_with("reply.rs")) {
        assert!(!code(text).contains("redis_stock"), "{}", path.display());
    }
}

/// A file that two crates include is compiled twice and belongs to nobody: what crates share is in
/// testkit.
#[test]
fn no_crate_includes_a_file_of_another() {
    for below in ["src", "tests", "testkit", "bench", "campaign", "demo", "fuzz/fuzz_targets", "ledger"] {
        for (path, text) in sources(below) {
            if path.starts_with(root().join("tests/tidy")) {
                continue;
            }
            for word in ["#[path = \"../", "include!("] {
                assert!(!code(&text).contains(word), "{} includes another crate's file", path.display());
            }
        }
    }
}

#[test]
fn no_file_is_endless() {
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        assert!(lines <= 520, "{} has {lines} lines", path.display());
    }
}

#[test]
fn names_are_unique_and_arities_fit_the_arguments() {
    let names: BTreeSet<_> = TABLE.iter().map(|s| s.name).collect();
    assert_eq!(names.len(), TABLE.len());
    for spec in TABLE {
        let required = spec.args.iter().filter(|a| !a.optional).map(|a| match (a.token, a.kind) {
            // A word and the value behind it.
            (None, redis_stock::command::spec::ArgKind::Block(parts)) => {
                parts.iter().filter(|part| !part.optional).count() as i32
            }
            (Some(_), redis_stock::command::spec::ArgKind::Token) | (None, _) => 1,
            (Some(_), _) => 2,
        });
        let least = 1 + required.sum::<i32>();
        // EX 1 and the like: one of several pairs, of which DOCS sees one argument, or none where
        // each is optional.
        let slack = i32::from(["STOCK.EXTEND", "STOCK.MEXTEND", "STOCK.LOAD", "STOCK.SCHEDULE"].contains(&spec.name));
        let arity = spec.arity.abs();
        assert!(arity == least || arity == least + slack, "{}: arity {arity}, arguments {least}", spec.name);
        assert!(spec.summary.ends_with('.') && spec.summary.is_ascii(), "{}", spec.name);
    }
}

/// A bug of the controls that does not fit the sources any more would be a control less.
#[test]
fn the_bugs_of_the_controls_fit_the_sources() {
    let table = fs::read_to_string(root().join("tests/mutants/table.txt")).unwrap_or_default();
    let (mut name, mut file, mut bugs) = (String::new(), String::new(), 0);
    for line in table.lines() {
        if let Some(head) = line.strip_prefix("@ ") {
            let mut parts = head.split(" | ");
            name = parts.next().unwrap_or_default().to_string();
            file = fs::read_to_string(root().join(parts.next().unwrap_or_default())).unwrap_or_default();
        } else if let Some(old) = line.strip_prefix("- ") {
            assert_eq!(file.matches(old).count(), 1, "{name}: the text of the bug stands once in its file");
            bugs += 1;
        }
    }
    assert!(bugs >= 20, "{bugs} bugs");
}
