//! Words that were retired, each with what to write in its place, and how long lines may be.

use super::sources;

/// The folders that keep to it. Add yours when its words are done.
const CHECKED: &[&str] = &["src/core"];

#[test]
fn no_retired_word_and_no_long_line() {
    for folder in CHECKED {
        for (path, text) in sources(folder) {
            for (number, line) in text.lines().enumerate() {
                if let Some(fault) = fault(line) {
                    panic!("{}:{}: {fault}", path.display(), number + 1);
                }
            }
        }
    }
}

/// Retired in identifiers and in prose, as whole words and as parts of a name (`told_of`, `ToldOf`).
const RETIRED: &[(&str, &str)] = &[
    ("told", "published, EventRef"),
    ("untold", "unpublished"),
    ("reign", "promotion"),
    ("agenda", "wake-up queue"),
    ("contents", "StoredPool"),
    ("arriving", "partial"),
    ("arrived", "partial pool"),
    ("unheard", "effects_skipped"),
    ("deaf", "stream_unreachable"),
    ("beside", "side table, or in addition to"),
    ("vouched", "unverified"),
    ("vouches", "unverified"),
    ("floating", "detached"),
    ("floats", "is detached"),
    ("tidy", "purge"),
    ("terms", "context"),
    ("house", "project"),
    ("neighbour", "second module"),
    ("manners", "server integration"),
    ("nasty", "hostile input"),
];

/// Retired as they stand.
const PHRASES: &[(&str, &str)] = &[
    ("give back", "return"),
    ("gives back", "returns"),
    ("given back", "returned"),
    ("give_back", "return_units"),
    ("is_true", "check_invariants"),
    ("assert_true", "check_invariants"),
    ("look_again", "invalidate"),
    ("over_ms", "next_expiry_ms"),
    ("stands twice", "is a duplicate"),
];

/// The longest line of code and of comments, in characters.
const CODE: usize = 120;
const PROSE: usize = 100;

/// What is wrong with a line: at most one thing.
fn fault(line: &str) -> Option<String> {
    let (most, what) = if line.trim_start().starts_with("//") { (PROSE, "comment") } else { (CODE, "code") };
    let length = line.chars().count();
    if length > most {
        return Some(format!("{length} characters of {what}, at most {most}"));
    }
    for (phrase, instead) in PHRASES {
        if line.contains(phrase) {
            return Some(format!("`{phrase}` is retired: {instead}"));
        }
    }
    let retired = |part: &String| RETIRED.iter().find(|(word, _)| part == word);
    parts(line).iter().find_map(retired).map(|(word, instead)| format!("`{word}` is retired: {instead}"))
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
        assert!(fault(line).is_some(), "{line}");
    }
    for line in ["let toldest = 1;", "/// A pool.", "retold"] {
        assert_eq!(fault(line), None);
    }
    assert!(fault(&format!("/// {}", "x".repeat(97))).is_some() && fault(&"x".repeat(120)).is_none());
}
