//! `STOCK.SCHEDULE key [FROM unix-ms|NONE] [UNTIL unix-ms|NONE] [NOTE text]`

use super::args::{bounded, keyword, set_once, Args, Parsed};
use super::commit::write_pool;
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal;
use super::refusal::bound_text;
use super::setpolicy::finish;
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec, NOTE};
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::refusal::Bound;
use crate::core::model::sale::Schedule;
use crate::core::ops::schedule::{decide, NewBound};

pub const SPEC: Spec = Spec {
    name: "STOCK.SCHEDULE",
    summary: "Sets from when and until when a pool sells.",
    complexity: "O(1)",
    since: "0.1.0",
    arity: -3,
    access: Access::WriteAllowOom,
    fast: true,
    keys: KeyPositions::First,
    args: &[
        Arg::KEY,
        Arg::new("from", ArgKind::OneOf(BOUND)).after("FROM").optional(),
        Arg::new("until", ArgKind::OneOf(BOUND)).after("UNTIL").optional(),
        NOTE,
    ],
    docs: Docs {
        details: "The sale opens at `FROM` and has ended at `UNTIL`, to the millisecond, with or without traffic. \
            Outside of it nothing is taken: `EARLY` or `ENDED`. Holds go on: they can be paid, released and \
            extended after the end, and a `LATE` payment of an order that was placed before the end is \
            accepted. A bound that is not named stays; `NONE` removes it. \
            The policy shows them as `from` and `until`. `NOTE` says who and why: it is published with the \
            change, and kept nowhere else.\n\n`stock.open` and `stock.ended` are announced once each, \
            and published as `opened` and `ended`.",
        replies: &[reply("OK", "Also where nothing changed."), refusal::NOPOOL],
        errors: &["ERR: `FROM` is not before `UNTIL`."],
        example: include_str!("examples/schedule.txt"),
    },
    run,
};
const BOUND: &[Arg] = &[Arg::new("unix-time-milliseconds", ArgKind::UnixTime), Arg::word("none", "NONE")];

/// A bound: Unix ms, or NONE.
fn bound(argument: &[u8]) -> Parsed<Option<i64>> {
    if keyword(BOUND, argument).is_some() {
        return Ok(None);
    }
    let outside = CommandError::line("ERR invalid sale window: times are 1 to 9007199254740991 ms, or NONE");
    bounded(argument, 1..=MAX_UNITS, outside).map(Some)
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let (mut from_ms, mut until_ms): (NewBound, NewBound) = (None, None);
    let mut note = None;
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "FROM" => set_once(&mut from_ms, bound(args.option_value()?)?)?,
            "UNTIL" => set_once(&mut until_ms, bound(args.option_value()?)?)?,
            "NOTE" => set_once(&mut note, args.note()?)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    // What the call alone says is checked before anything is touched.
    if !(Schedule { from_ms: from_ms.flatten(), until_ms: until_ms.flatten() }.is_valid()) {
        return Err(CommandError::line(bound_text(Bound::Schedule)));
    }
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    let decision = decide(call.keys.pool(handle), from_ms, until_ms);
    finish(call, key, handle, decision, note)
}
