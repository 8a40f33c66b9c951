//! Retired words stay away, and comments stay narrow.

use super::{root, sources};

/// The folders that keep these rules.
const FOLDERS: &[&str] = &["src/redis", "src/command", "bench/src", "campaign/src", "demo/src"];

/// Words of earlier names, in any case, and what is used instead.
const RETIRED: &[(&str, &str)] = &[
    ("agenda", "wake-up queue"),
    ("unheard", "effects_skipped"),
    ("deaf", "stream_unreachable"),
    ("listeners", "replication consumers"),
    ("giveback", "WriteAllowOom"),
    ("arriving_pools", "partial_pools"),
    ("events_missed", "events_dropped"),
    ("events_written", "events_published"),
    ("stock_reign", "stock_promotions"),
    ("neighbour", "second module"),
    ("manners", "server integration"),
    ("nasty", "hostile"),
    ("house", "project"),
    ("book", "expected state"),
];

/// The most columns of a comment.
const COMMENT_COLUMNS: usize = 100;
/// The most columns of any line in `src`; elsewhere rustfmt bounds all but long texts.
const CODE_COLUMNS: usize = 120;

#[test]
fn retired_words_stay_away() {
    for (path, text) in FOLDERS.iter().flat_map(|folder| sources(folder)) {
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some((word, instead)) = words.find_map(|word| RETIRED.iter().find(|(retired, _)| word == *retired)) {
                panic!("{}:{}: `{word}` is retired: {instead}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn lines_are_narrow() {
    for (path, text) in FOLDERS.iter().flat_map(|folder| sources(folder)) {
        for (number, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            let place = || format!("{}:{}", path.display(), number + 1);
            let is_comment = line.trim_start().starts_with("//");
            assert!(!is_comment || columns <= COMMENT_COLUMNS, "{}: a comment of {columns} columns", place());
            let in_src = path.starts_with(root().join("src"));
            assert!(!in_src || columns <= CODE_COLUMNS, "{}: {columns} columns", place());
        }
    }
}
