//! Words that were retired, each with what to write in its place, and how long lines may be.

use super::sources;

/// The folders that keep to all of it.
const SRC: &[&str] = &["src"];
/// The folders that keep to [`EVERYWHERE`] and to the length of comments.
const OTHERS: &[&str] = &[
    "ledger/src",
    "stockctl/src",
    "balance/src",
    "shop/src",
    "compare/src",
    "testkit/src",
    "clients/rust",
    "tests/model",
    "tests/server",
    "tests/cluster",
    "tests/feed",
    "tests/clients",
    "ledger/tests",
    "bench/src",
    "campaign/src",
    "demo/src",
];

#[test]
fn no_retired_word_and_no_long_line() {
    let mut faults = Vec::new();
    for (folders, in_src) in [(SRC, true), (OTHERS, false)] {
        for (path, text) in folders.iter().flat_map(|folder| sources(folder)) {
            for (number, line) in text.lines().enumerate() {
                let fault = fault(line, in_src);
                faults.extend(fault.map(|fault| format!("{}:{}: {fault}", path.display(), number + 1)));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_slot_is_a_clusters() {
    let faults: Vec<_> =
        sources("src/core").iter().flat_map(|(path, text)| names_a_slot(text, &path.display())).collect();
    assert!(faults.is_empty(), "`slot` is a cluster's, a cell the index's:\n{}", faults.join("\n"));
    assert_eq!(names_a_slot("let cell = 1; // its slot\n/// A slot.\nfn find_slot() {}", &"x").len(), 1);
}

fn names_a_slot(text: &str, path: &impl std::fmt::Display) -> Vec<String> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let named = code.filter(|(_, line)| parts(&names_of(line)).iter().any(|part| NAMES_IN_CORE.contains(&&**part)));
    named.map(|(number, _)| format!("{path}:{}", number + 1)).collect()
}

/// Retired in every folder, as whole words and as parts of a name (`StockAgenda`).
const EVERYWHERE: &[(&str, &str)] = &[
    ("agenda", "wake-up queue"),
    ("unheard", "effects_skipped"),
    ("deaf", "stream_unreachable"),
    ("listeners", "replication consumers"),
    ("neighbour", "second module"),
    ("manners", "server integration"),
    ("nasty", "hostile"),
    ("house", "project"),
    ("book", "expected state"),
];

/// Retired in `src`, likewise (`told_of`, `ToldOf`).
const IN_SRC: &[(&str, &str)] = &[
    ("told", "published, EventRef"),
    ("untold", "unpublished"),
    ("reign", "promotion"),
    ("contents", "StoredPool"),
    ("arriving", "partial"),
    ("arrived", "partial pool"),
    ("beside", "side table, or in addition to"),
    ("vouched", "unverified"),
    ("vouches", "unverified"),
    ("floating", "detached"),
    ("floats", "is detached"),
    ("tidy", "purge"),
    ("terms", "context"),
];

/// Retired as they stand, in every folder.
const PHRASES: &[(&str, &str)] = &[
    ("giveback", "WriteAllowOom"),
    ("arriving_pools", "partial_pools"),
    ("events_missed", "events_dropped"),
    ("events_written", "events_published"),
    ("stock_reign", "stock_promotions"),
];

/// Retired as they stand, in `src`.
const PHRASES_IN_SRC: &[(&str, &str)] = &[
    ("give back", "return"),
    ("gives back", "returns"),
    ("given back", "returned"),
    ("give_back", "return_units"),
    ("is_true", "check_invariants"),
    ("assert_true", "check_invariants"),
    ("look_again", "invalidate"),
    ("over_ms", "next_expiry_ms"),
    ("stands twice", "is a duplicate"),
    ("share of a limit", "quota (what a bucket has of its max), or usage"),
    ("shares of a limit", "quotas, or usage"),
    ("part of a rolling window", "sub-window"),
];

/// Retired as names in the code of `src`: one word meant the index of a limit, the position of an
/// entry in a stream, the list that holds a usage entry, and more. Comments may say "in place of".
const NAMES_IN_SRC: &[(&str, &str)] = &[("place", "index, position or state"), ("places", "indexes or positions")];

/// Retired as names in the code of `src/core`, which knows no cluster.
const NAMES_IN_CORE: &[&str] = &["slot", "slots"];

/// The longest line of code and of comments, in characters.
const CODE: usize = 120;
const PROSE: usize = 100;

/// What is wrong with a line: at most one thing.
fn fault(line: &str, in_src: bool) -> Option<String> {
    let is_comment = line.trim_start().starts_with("//");
    let length = line.chars().count();
    if is_comment && length > PROSE {
        return Some(format!("{length} characters of comment, at most {PROSE}"));
    }
    if in_src && length > CODE {
        return Some(format!("{length} characters of code, at most {CODE}"));
    }
    let lower = line.to_lowercase();
    let mut phrases = PHRASES.iter().chain(PHRASES_IN_SRC.iter().filter(|_| in_src));
    let phrase = phrases.find(|(phrase, _)| lower.contains(phrase));
    let word = || {
        let is_retired = |part: &String| {
            let mut words = EVERYWHERE.iter().chain(IN_SRC.iter().filter(|_| in_src));
            words.find(|(word, _)| part == word)
        };
        parts(line).iter().find_map(is_retired)
    };
    let name = || {
        let named = if in_src && !is_comment { parts(&names_of(line)) } else { Vec::new() };
        named.iter().find_map(|part| NAMES_IN_SRC.iter().find(|(name, _)| part == name))
    };
    phrase.or_else(word).or_else(name).map(|(word, instead)| format!("`{word}` is retired: {instead}"))
}

/// The code of a line, without its strings and without the comment behind it.
fn names_of(line: &str) -> String {
    let code = line.split(" // ").next().unwrap_or(line);
    code.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}

/// The words of a line in lower case; names in `snake_case` and `CamelCase` in their parts.
fn parts(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for c in line.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && before.is_lowercase()) {
            parts.push(String::new());
        }
        if c.is_alphabetic() {
            if let Some(part) = parts.last_mut() {
                part.extend(c.to_lowercase());
            }
        }
        before = c;
    }
    parts
}

#[test]
fn retired_words_are_found_in_names_and_prose() {
    for line in
        ["let told = 1;", "struct EventTold;", "/// Nobody was told.", "fn count_told()", "ToldOf", "// is_true"]
    {
        assert!(fault(line, true).is_some(), "{line}");
    }
    for line in ["let place = 1;", "fn place_of(", "struct PlaceOf;", "a share of a limit"] {
        assert!(fault(line, true).is_some(), "{line}");
    }
    for line in [
        "let toldest = 1;",
        "/// A pool.",
        "retold",
        "// in place of it",
        "\"its place\"",
        "placed_ms",
        "x; // its place",
    ] {
        assert_eq!(fault(line, true), None);
    }
    assert!(fault("let agenda = 1;", false).is_some() && fault("let told = 1;", false).is_none());
    assert!(fault(&format!("/// {}", "x".repeat(97)), true).is_some());
    assert!(fault(&"x".repeat(120), true).is_none() && fault(&"x".repeat(121), true).is_some());
}
