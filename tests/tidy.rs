//! The project keeps its own rules: layers, one table of commands, no file that must be scrolled for minutes.

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
            (Some(_), redis_stock::command::spec::ArgKind::Token) | (None, _) => 1,
            (Some(_), _) => 2,
        });
        let least = 1 + required.sum::<i32>();
        // EX 1 and the like: one of several pairs, of which DOCS sees one argument.
        let slack = i32::from(["STOCK.EXTEND", "STOCK.MEXTEND", "STOCK.LOAD"].contains(&spec.name));
        let arity = spec.arity.abs();
        assert!(arity == least || arity == least + slack, "{}: arity {arity}, arguments {least}", spec.name);
        assert!(spec.summary.ends_with('.') && spec.summary.is_ascii(), "{}", spec.name);
    }
}

#[test]
fn the_readme_lists_every_command() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let mut listed = BTreeSet::new();
    for line in readme.lines().filter(|l| l.starts_with("| `STOCK.")) {
        let command = line.trim_start_matches("| `").split(['`', ' ']).next().unwrap_or("");
        assert!(listed.insert(command.to_string()), "{command} stands twice");
    }
    let known: BTreeSet<String> = TABLE.iter().map(|s| s.name.to_string()).collect();
    assert_eq!(listed, known, "the command table of the README is that of the code");
}

#[test]
fn text_speaks_of_the_project_alone() {
    let docs = fs::read_dir(root().join("docs")).into_iter().flatten().flatten().map(|entry| entry.path());
    let docs: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    assert!(docs.len() > 8, "the docs are there");
    let others = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "redis.conf.example"];
    for path in others.map(|name| root().join(name)).into_iter().chain(docs) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let name = path.display();
        assert!(!text.is_empty(), "{name} is there");
        for word in ["/work/", "/tmp/", "/root/", "TODO", "FIXME"] {
            assert!(!text.contains(word), "{name} holds {word}");
        }
    }
}

/// The README claims of each campaign at most what its runs in docs/reliability.md sum up to (of the first number of their counts), and all
/// that they found.
#[test]
fn the_readme_claims_the_sums_of_the_runs() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap_or_default();
    let (runs, readme) = (read("docs/reliability.md"), read("README.md"));
    let mut sums: Vec<(String, u64, u64)> = Vec::new();
    for row in runs.lines().filter(|line| line.starts_with("| 20")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (campaign, counts, found) = (cells[2], cells[5], cells[6]);
        let first: String = counts.split(' ').next().unwrap_or("").replace(',', "");
        let first: u64 = first.parse().unwrap_or_else(|_| panic!("{row}: counts begin with a number"));
        let found: u64 = found.parse().unwrap_or_else(|_| panic!("{row}: found is a number"));
        match sums.iter_mut().find(|sum| sum.0 == campaign) {
            Some(sum) => (sum.1, sum.2) = (sum.1 + first, sum.2 + found),
            None => sums.push((campaign.to_string(), first, found)),
        }
    }
    for (campaign, sum, found) in sums {
        let row = readme.lines().find(|line| line.starts_with(&format!("| {campaign} | ")));
        let row = row.unwrap_or_else(|| panic!("the README has no row of {campaign}: {sum}, found {found}"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let claimed: u64 = cells[2].split(' ').next().unwrap_or("").replace(',', "").parse().expect(row);
        assert!(claimed > 0 && claimed <= sum, "{campaign}: {sum} ran, the README says {claimed}");
        assert_eq!(cells[3], found.to_string(), "{campaign}: what was found");
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
