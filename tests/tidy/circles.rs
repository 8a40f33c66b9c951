//! No circle between the files of a crate: a reader can start at the bottom and never goes round.
//!
//! Reads the paths that begin with `crate::`, `super::` or the name of a child module, also in
//! groups (`super::{a, b::c}`). The tests at the end of a file may use anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{code, root, sources};

/// A module, as the path of names from the root of its crate.
type Module = Vec<String>;

/// Which module each of the modules uses.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

/// The folders that have no circle, each in its crate.
const CHECKED: &[(&str, &str)] = &[
    ("src", "src/core"),
    ("src", "src/redis"),
    ("src", "src/command"),
    ("bench/src", "bench/src"),
    ("demo/src", "demo/src"),
    ("campaign/src", "campaign/src"),
    ("clients/rust/src", "clients/rust/src"),
    ("shop/src", "shop/src"),
    ("ledger/src", "ledger/src"),
    ("testkit/src", "testkit/src"),
];

#[test]
fn no_circle_between_files() {
    for (krate, folder) in CHECKED {
        let within: Module = Path::new(folder)
            .strip_prefix(krate)
            .map(|path| path.iter().map(|name| name.to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        let mut uses = uses(krate);
        uses.retain(|module, _| module.starts_with(&within));
        if let Some(circle) = circle(uses) {
            let names: Vec<String> = circle.iter().map(|module| module.join("/")).collect();
            panic!("{folder}: a circle of files: {}", names.join(" -> "));
        }
    }
}

/// What every file of a crate uses of the others.
fn uses(krate: &str) -> Uses {
    let base = root().join(krate);
    let files: BTreeMap<Module, String> = sources(krate)
        .into_iter()
        .map(|(path, text)| {
            let relative = path.strip_prefix(&base).unwrap_or(&path).with_extension("");
            let mut module: Module = relative.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
                module.pop();
            }
            let code = code(&text);
            (module, code.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_string())
        })
        .collect();
    let used = |module: &Module, code: &str| {
        let children = files.keys().filter(|other| other.len() == module.len() + 1 && other.starts_with(module));
        let children: Vec<&String> = children.filter_map(|child| child.last()).collect();
        let paths = paths(module, &children, code);
        let known = paths.into_iter().filter_map(|mut path| {
            while !files.contains_key(&path) {
                path.pop()?;
            }
            Some(path)
        });
        known.filter(|other| other != module).collect()
    };
    files.iter().map(|(module, code)| (module.clone(), used(module, code))).collect()
}

/// Every path in the code of a module that begins with `crate`, `super` or a child's name.
fn paths(module: &Module, children: &[&String], code: &str) -> Vec<Module> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let begins = at == 0 || tokens[at - 1] != "::";
        if !begins || tokens.get(at + 1).map(String::as_str) != Some("::") {
            continue;
        }
        let start = match token.as_str() {
            "crate" => Vec::new(),
            "super" => module[..module.len().saturating_sub(1)].to_vec(),
            name if children.iter().any(|child| *child == name) => [module.clone(), vec![token.clone()]].concat(),
            _ => continue,
        };
        follow(&tokens, at + 2, start, &mut found);
    }
    found
}

/// Follows a path from the token behind a `::`. Returns the index behind it.
fn follow(tokens: &[String], mut at: usize, mut path: Module, found: &mut Vec<Module>) -> usize {
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = follow(tokens, at, path.clone(), found).max(at + 1);
                    while tokens.get(at).is_some_and(|token| token == "," || token == "as") {
                        at += if tokens[at] == "as" { 2 } else { 1 };
                    }
                }
                return at + 1;
            }
            Some("super") => {
                path.pop();
                at += 1;
            }
            Some("self") => at += 1,
            Some(name) if name.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                path.push(name.to_string());
                at += 1;
            }
            _ => {
                found.push(path);
                return at;
            }
        }
        if tokens.get(at).map(String::as_str) != Some("::") {
            found.push(path);
            return at;
        }
        at += 1;
    }
}

/// Names, `::` and single signs.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let len = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            tokens.push(rest[..len].to_string());
        }
        rest = &rest[len..];
    }
    tokens
}

/// A circle, if there is one: what uses nothing of the rest is taken away until only circles are
/// left.
fn circle(mut uses: Uses) -> Option<Vec<Module>> {
    loop {
        let left: BTreeSet<Module> = uses.keys().cloned().collect();
        for used in uses.values_mut() {
            used.retain(|module| left.contains(module));
        }
        let before = uses.len();
        uses.retain(|_, used| !used.is_empty());
        if uses.len() == before {
            break;
        }
    }
    let mut circle = vec![uses.keys().next()?.clone()];
    loop {
        let next = uses.get(circle.last()?)?.first()?.clone();
        if let Some(start) = circle.iter().position(|module| *module == next) {
            circle.drain(..start);
            circle.push(next);
            return Some(circle);
        }
        circle.push(next);
    }
}

#[test]
fn circles_are_found() {
    let module = |name: &str| vec![name.to_string()];
    let edges = |pairs: &[(&str, &str)]| {
        let mut uses = Uses::new();
        for (from, to) in pairs {
            uses.entry(module(from)).or_default().insert(module(to));
            uses.entry(module(to)).or_default();
        }
        uses
    };
    assert_eq!(circle(edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let found = circle(edges(&[("x", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]));
    assert_eq!(found, Some(vec![module("a"), module("b"), module("c"), module("a")]));
    let code = "use super::{b::C, d}; use crate::e::{self, F}; fn f() { child::g(); other::h(); }";
    let found = paths(&vec!["m".into(), "a".into()], &[&"child".to_string()], code);
    let names: Vec<String> = found.iter().map(|path| path.join("/")).collect();
    assert_eq!(names, ["m/b/C", "m/d", "e", "e/F", "m/a/child/g"]);
}
