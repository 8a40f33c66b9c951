//! The options that a command parses are those that it documents.

use std::collections::BTreeSet;

use redis_stock::command::spec::{Arg, ArgKind};
use redis_stock::command::TABLE;

use super::{code, sources};

/// The keywords of arguments, in all depths.
fn keywords(args: &[Arg], found: &mut BTreeSet<String>) {
    for arg in args {
        found.extend(arg.token.map(str::to_string));
        if let ArgKind::OneOf(args) | ArgKind::Block(args) = arg.kind {
            keywords(args, found);
        }
    }
}

/// The words that a file compares arguments with: `is(argument, "WORD")`.
fn parsed(code: &str) -> BTreeSet<String> {
    let calls = code.split("is(").skip(1).filter_map(|rest| rest.split(')').next());
    calls.filter_map(|call| call.split('"').nth(1)).map(str::to_string).collect()
}

#[test]
fn options_are_documented_and_documented_options_are_parsed() {
    let (mut all_documented, mut all_parsed) = (BTreeSet::new(), BTreeSet::new());
    for (path, text) in sources("src/command") {
        let code = code(&text);
        let parsed = parsed(&code);
        let mut documented = BTreeSet::new();
        for spec in TABLE.iter().filter(|spec| code.contains(&format!("\"{}\"", spec.name))) {
            keywords(spec.args, &mut documented);
        }
        // Files without a command parse for others.
        if !documented.is_empty() {
            let unknown: Vec<_> = parsed.difference(&documented).collect();
            assert!(unknown.is_empty(), "{}: parsed, but not documented: {unknown:?}", path.display());
        }
        all_documented.extend(documented);
        all_parsed.extend(parsed);
    }
    assert!(all_documented.len() > 20, "the keywords are found");
    // Compared with the words of `State`.
    let states = ["RESERVED", "CONFIRMED", "RETURNED", "RELEASED", "EXPIRED"].map(str::to_string);
    all_parsed.extend(states);
    let unparsed: Vec<_> = all_documented.difference(&all_parsed).collect();
    assert!(unparsed.is_empty(), "documented, but not parsed: {unparsed:?}");
}
