//! What the table documents can be called: every form of every command is made from `SPEC.args`,
//! and every keyword of it stands in a form that the command understands.

use std::collections::BTreeSet;

use redis_stock::command::host::Origin;
use redis_stock::command::spec::{Access, Arg, ArgKind, Spec};
use redis_stock::command::TABLE;

use testkit::host::Host;
use testkit::reply::Reply;

type Words = Vec<String>;

/// What a caller may write for an argument. What may be left out is left out, too; what may be
/// repeated stands once.
fn forms(arg: &Arg) -> Vec<Words> {
    let mut forms = match arg.kind {
        ArgKind::Token => vec![Words::new()],
        ArgKind::OneOf(parts) => parts.iter().flat_map(forms).collect(),
        ArgKind::Block(parts) => all(parts),
        ArgKind::Key | ArgKind::String | ArgKind::Integer | ArgKind::UnixTime => vec![vec![sample(arg)]],
    };
    for form in &mut forms {
        form.splice(0..0, arg.token.map(str::to_string));
    }
    if arg.optional {
        forms.push(Words::new());
    }
    forms
}

/// The forms of arguments in a row.
fn all(args: &[Arg]) -> Vec<Words> {
    let rows = |rows: Vec<Words>, arg: &Arg| {
        let forms = forms(arg);
        rows.iter().flat_map(|row| forms.iter().map(|form| [row.as_slice(), form].concat())).collect()
    };
    args.iter().fold(vec![Words::new()], rows)
}

/// A value that the parser takes.
fn sample(arg: &Arg) -> String {
    let text = match (arg.kind, arg.name) {
        (ArgKind::Integer | ArgKind::UnixTime, _) => "1",
        (_, "json") => "{}",
        (_, "by") => "user",
        (_, "window") => "60",
        (_, "zone") => "+01:00",
        (_, "epoch") => "0123456789abcdef",
        (_, name) => name,
    };
    text.to_string()
}

fn keywords(args: &[Arg], found: &mut BTreeSet<&'static str>) {
    for arg in args {
        found.extend(arg.token);
        if let ArgKind::OneOf(args) | ArgKind::Block(args) = arg.kind {
            keywords(args, found);
        }
    }
}

fn answer(spec: &Spec, form: &Words) -> Reply {
    let argv: Vec<Vec<u8>> = std::iter::once(spec.name).chain(form.iter().map(String::as_str)).map(Vec::from).collect();
    Host::new(1).call(1_767_225_600_000, Origin::Client, &argv).0
}

fn is_understood(spec: &Spec, form: &Words) -> bool {
    let lines = ["ERR syntax error", "ERR wrong number of arguments"];
    !matches!(answer(spec, form), Reply::Error(text) if lines.iter().any(|line| text.starts_with(line)))
}

#[test]
fn every_documented_option_is_understood() {
    let mut seen = 0;
    for spec in TABLE.iter().filter(|spec| spec.access != Access::Replicated) {
        let mut left = BTreeSet::new();
        keywords(spec.args, &mut left);
        let forms = all(spec.args);
        seen += left.len();
        left.retain(|word| !forms.iter().any(|form| form.iter().any(|w| w == word) && is_understood(spec, form)));
        assert!(left.is_empty(), "{}: documented, but not understood: {left:?}", spec.name);
        assert!(forms.iter().any(|form| is_understood(spec, form)), "{}: no form is understood", spec.name);
    }
    assert!(seen > 60, "{seen} keywords are found");
}

/// An option of another command, and one of none.
#[test]
fn an_option_that_is_not_documented_is_refused() {
    for spec in TABLE.iter().filter(|spec| spec.access != Access::Replicated) {
        let mut own = BTreeSet::new();
        keywords(spec.args, &mut own);
        // Behind what may be repeated to the end, every word is one more of it.
        if spec.args.last().is_some_and(|last| last.multiple && !last.optional) {
            continue;
        }
        let shortest = all(spec.args).into_iter().filter(|form| is_understood(spec, form)).min_by_key(Vec::len);
        let shortest = shortest.unwrap_or_default();
        for option in ["NORESTOCK", "DRYRUN", "XYZZY"].iter().filter(|option| !own.contains(*option)) {
            let form = [shortest.as_slice(), &[(*option).to_string()]].concat();
            let answer = answer(spec, &form);
            assert!(matches!(answer, Reply::Error(_)), "{} takes {option}: {answer:?}", spec.name);
        }
    }
}
