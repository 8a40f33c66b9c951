//! The documents: nothing outside of the project, no dead link, lines that can be read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::root;

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Every page of the project, by its name from the root.
fn pages() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "md") {
                let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                found.push((name.clone(), read(&name)));
            }
        }
    }
    let top = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"];
    let mut found: Vec<(String, String)> = top.map(|name| (name.to_string(), read(name))).into();
    walk(&root().join("docs"), &mut found);
    assert!(found.len() > 12, "the pages are there");
    found
}

/// The lines of a page that are no fenced block.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let lines = text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.map(|(at, line)| (at + 1, line)).collect()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut links = 0;
    for (name, text) in pages() {
        let here = root().join(&name);
        let here = here.parent().unwrap_or(Path::new("."));
        for (at, line) in prose(&text) {
            for rest in line.split("](").skip(1) {
                let target = rest.split(')').next().unwrap_or_default();
                if target.contains("://") {
                    continue;
                }
                let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
                let path = if file.is_empty() { root().join(&name) } else { here.join(file) };
                assert!(path.exists(), "{name}:{at}: {target} is not there");
                if !fragment.is_empty() {
                    let there = fs::read_to_string(&path).unwrap_or_default();
                    assert!(anchors(&there).contains(fragment), "{name}:{at}: {target}: no such heading");
                }
                links += 1;
            }
        }
    }
    assert!(links > 60, "{links} links");
}

#[test]
fn text_speaks_of_the_project_alone() {
    let example = ("redis.conf.example".to_string(), read("redis.conf.example"));
    for (name, text) in pages().into_iter().chain([example]) {
        for word in ["/work/", "/tmp/", "/root/", "TODO", "FIXME"] {
            assert!(!text.contains(word), "{name} holds {word}");
        }
    }
}

/// The first table of docs/internals/testing.md claims of each campaign at most what its runs sum
/// up to (of the first number of their counts), and all that they found.
#[test]
fn the_sums_of_the_campaigns_are_those_of_the_runs() {
    let runs = read("docs/internals/testing.md");
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
        let row = runs.lines().find(|line| line.starts_with(&format!("| {campaign} | ")));
        let row = row.unwrap_or_else(|| panic!("no sum of {campaign}: {sum}, found {found}"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let claimed: u64 = cells[2].split(' ').next().unwrap_or("").replace(',', "").parse().expect(row);
        assert!(claimed > 0 && claimed <= sum, "{campaign}: {sum} ran, the sums say {claimed}");
        assert_eq!(cells[3], found.to_string(), "{campaign}: what was found");
    }
}

#[test]
fn prose_can_be_read_without_scrolling() {
    // A program writes the report of the bench.
    let others = ["docs/internals/benchmarks.md"];
    for (name, text) in pages().into_iter().filter(|(name, _)| !others.contains(&name.as_str())) {
        for (at, line) in prose(&text) {
            let table = line.trim_start().starts_with('|');
            let columns = line.chars().count();
            assert!(table || columns <= 100 || !line.trim().contains(' '), "{name}:{at} has {columns} columns");
        }
    }
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 200, "{lines} lines");
}
