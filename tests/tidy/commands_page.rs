//! `docs/reference/commands.md` is made of the table of commands. `make docs` writes it anew.

use std::fmt::Write;
use std::fs;

use redis_stock::command::spec::{Access, Arg, ArgKind, Spec};
use redis_stock::command::TABLE;

use crate::root;

const PAGE: &str = "docs/reference/commands.md";

const HEAD: &str = "# Commands

<!-- Made of the table of commands by `make docs`. Do not edit. -->

`COMMAND DOCS` tells the same to tools; redis-cli completes from it. A test types every example.

- Refusals are data: an array that begins with a status word. Errors are bugs of the caller, or a
  server that cannot serve. [Errors](errors.md) has both.
- When several answers apply, [the order of errors and refusals](errors.md) says which is given.
- Names that end in `_ms` are Unix times in milliseconds. Maps are RESP3 maps, and flat arrays in
  RESP2.
- Every command can also answer `ERR` (syntax, a bound), `WRONGTYPE` (the key is no pool) and
  `TRYAGAIN` (the pool is still loading, or its hash slot is moving).

";

/// The syntax of an argument, in the manner of redis.io.
fn syntax(arg: &Arg) -> String {
    let parts = |parts: &[Arg], between: &str| parts.iter().map(syntax).collect::<Vec<_>>().join(between);
    let bare = match arg.kind {
        ArgKind::Token => arg.token.unwrap_or_default().to_string(),
        ArgKind::OneOf(choices) if arg.optional && arg.token.is_none() => parts(choices, " | "),
        ArgKind::OneOf(choices) => format!("<{}>", parts(choices, " | ")),
        ArgKind::Block(members) => parts(members, " "),
        _ => arg.name.to_string(),
    };
    let repeated = if arg.multiple { format!("{bare} [{bare} ...]") } else { bare };
    let word = arg.token.filter(|_| arg.kind != ArgKind::Token);
    let whole = word.map_or(repeated.clone(), |word| format!("{word} {repeated}"));
    if arg.optional {
        format!("[{whole}]")
    } else {
        whole
    }
}

fn categories(spec: &Spec) -> String {
    let access = if spec.access == Access::Read { "@read" } else { "@write" };
    let speed = if spec.fast { "@fast" } else { "@slow" };
    format!("{access}, {speed}, @stock")
}

/// The arguments, those inside others behind them.
fn arguments(args: &[Arg], rows: &mut Vec<(String, String)>) {
    for arg in args {
        let kind = match arg.kind {
            ArgKind::Key => "key",
            ArgKind::String => "bytes",
            ArgKind::Integer => "integer",
            ArgKind::UnixTime => "Unix time in milliseconds",
            ArgKind::Token => "word",
            ArgKind::OneOf(_) => "one of these",
            ArgKind::Block(_) => "all of these",
        };
        let optional = if arg.optional { ", optional" } else { "" };
        let multiple = if arg.multiple { ", repeatable" } else { "" };
        let name = match (arg.kind, arg.token) {
            (ArgKind::Token, Some(word)) => word.to_string(),
            (_, Some(word)) => format!("{word} {}", arg.name),
            (_, None) => arg.name.to_string(),
        };
        if let ArgKind::OneOf(parts) | ArgKind::Block(parts) = arg.kind {
            if arg.token.is_some() {
                rows.push((name, format!("{kind}{optional}{multiple}: `{}`", syntax_inside(arg))));
            } else {
                let before = rows.len();
                arguments(parts, rows);
                for (_, what) in &mut rows[before..] {
                    if !what.contains("optional") {
                        what.push_str(optional);
                    }
                }
            }
        } else {
            rows.push((name, format!("{kind}{optional}{multiple}")));
        }
    }
}

fn syntax_inside(arg: &Arg) -> String {
    syntax(&Arg { token: None, optional: true, multiple: false, ..*arg }).trim_matches(['[', ']']).to_string()
}

/// Breaks a paragraph at 100 columns, where every line but the first is indented by so much.
fn wrapped(text: &str, indent: usize) -> String {
    let (mut page, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > 100 {
            page.push('\n');
            page.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > 0 {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += length;
    }
    page
}

fn section(spec: &Spec) -> String {
    let mut page = String::new();
    let line = std::iter::once(spec.name.to_string()).chain(spec.args.iter().map(syntax)).collect::<Vec<_>>().join(" ");
    let mut add = |text: &str| page.push_str(text);
    add(&format!("## {}\n\n```text\n{line}\n```\n\n{}\n\n", spec.name, wrapped(spec.summary, 0)));
    for paragraph in spec.docs.details.split("\n\n").filter(|text| !text.is_empty()) {
        add(&format!("{}\n\n", wrapped(paragraph, 0)));
    }
    let complexity = wrapped(&format!("- Complexity: {}", spec.complexity.trim_end_matches('.')), 2);
    add(&format!("- Since: {}\n{complexity}\n- ACL categories: {}\n", spec.since, categories(spec)));
    let mut rows = Vec::new();
    arguments(spec.args, &mut rows);
    add("\n| argument | is |\n|---|---|\n");
    for (name, what) in rows {
        add(&format!("| `{name}` | {} |\n", what.replace('|', "\\|")));
    }
    add("\n| reply | when |\n|---|---|\n");
    for reply in spec.docs.replies {
        add(&format!("| `{}` | {} |\n", reply.form, reply.when.replace('|', "\\|")));
    }
    let memory = matches!(spec.access, Access::Write | Access::WriteNew).then_some("OOM: the server is out of memory.");
    let errors: Vec<&str> = spec.docs.errors.iter().copied().chain(memory).collect();
    if !errors.is_empty() {
        add("\nErrors:\n\n");
        for error in errors {
            add(&format!("{}\n", wrapped(&format!("- {error}"), 2)));
        }
    }
    add(&format!("\n```redis-cli {}\n{}```\n\n", spec.name, spec.docs.example));
    page
}

fn page() -> String {
    let mut page = HEAD.to_string();
    page.push_str("| command | what it does |\n|---|---|\n");
    for spec in TABLE {
        let anchor = spec.name.to_lowercase().replace('.', "");
        let _ = writeln!(page, "| [{}](#{anchor}) | {} |", spec.name, spec.summary);
    }
    page.push('\n');
    for spec in TABLE {
        page.push_str(&section(spec));
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

#[test]
fn the_page_of_the_commands_is_that_of_the_table() {
    let made = page();
    if std::env::var_os("STOCK_WRITE_DOCS").is_some() {
        fs::write(root().join(PAGE), &made).expect("written");
    }
    let there = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let differs = there.lines().zip(made.lines()).find(|(there, made)| there != made);
    assert!(there == made, "{PAGE} is stale: make docs. First difference: {differs:?}");
}

#[test]
fn every_command_says_how_it_answers() {
    for spec in TABLE {
        let docs = spec.docs;
        assert!(!docs.replies.is_empty(), "{}: replies", spec.name);
        assert!(docs.replies.iter().all(|r| r.when.ends_with('.')), "{}: replies are sentences", spec.name);
        assert!(docs.errors.iter().all(|e| e.ends_with('.')), "{}: errors are sentences", spec.name);
        assert!(docs.example.contains(&format!("> {}", spec.name)), "{}: the example shows it", spec.name);
    }
}
