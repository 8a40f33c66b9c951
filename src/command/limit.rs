//! ```text
//! STOCK.LIMIT key by max|UNLIMITED [PER window [ROLLING]] [TZ zone] [COUNT UNITS|ORDERS]
//!     [MISSING REFUSE|ALLOW] [NOTE text] [FOR value …]
//! ```

use super::args::{keyword, set_flag, set_once, Args, Parsed};
use super::commit::{commit_noted_and_purge, view, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::limit_text::{any, cap, dimensions, identity, pattern, rolling, time_zone, window, Named};
use super::refusal;
use super::reply::refused;
use super::spec::{
    Access, Arg, ArgKind, Call, KeyPositions, Spec, COUNT_PARTS, COUNT_WHAT, FOR_VALUES, NOTE, PER, ROLLING,
};
use crate::core::model::change::LimitSet;
use crate::core::model::ids::Bytes;
use crate::core::model::limit::{Count, Missing};
use crate::core::ops::limit::decide_set;

pub const SPEC: Spec = Spec {
    name: "STOCK.LIMIT",
    summary: "Sets a purchase limit for each value of some dimensions, or an override for some values.",
    complexity: "O(log N) where N is the number of overrides of the limit.",
    since: "0.1.0",
    arity: -4,
    access: Access::Write,
    fast: false,
    keys: KeyPositions::First,
    args: &[
        Arg::KEY,
        Arg::string("by"),
        Arg::new("cap", ArgKind::OneOf(&[Arg::integer("max"), Arg::word("unlimited", "UNLIMITED")])),
        PER,
        ROLLING,
        Arg::string("zone").after("TZ").optional(),
        COUNT_WHAT,
        Arg::new("missing", ArgKind::OneOf(MISSING)).after("MISSING").optional(),
        NOTE,
        FOR_VALUES,
    ],
    docs: Docs {
        details: "At most `max` units, or with `COUNT ORDERS` orders, for each value of the dimensions in `by` \
            (joined by `+`; `*` = everyone together) in each window. Windows: `ORDER`, `HOUR`, `DAY`, \
            `WEEK`, `MONTH`, `LIFE` (the default: the pool's whole life), or a number of seconds. A \
            window by number begins at multiples of that number since 1970; **with `ROLLING` it is the last \
            so many seconds**, whenever one looks, and units come back at most 1/64 of it late. `TZ` says \
            by which clock hours, days, weeks and months begin: a name such as `Europe/Berlin`, whose days \
            are 23 or 25 hours long where clocks change, or a fixed offset such as `+08:00`.\n\n\
            With `FOR` it sets an override for one value; `*` stands for any. `MISSING ALLOW` lets orders \
            pass that do not carry the dimension. Setting a limit again changes its `max` and keeps its \
            usage.\n\n`NOTE` says who and why: it is published with the change, and kept nowhere else. It stands \
            before `FOR`.",
        replies: &[reply("OK", "Done."), refusal::NOPOOL],
        errors: &["ERR: a pool has at most 32 limits, a limit at most 4 dimensions and 10,000 overrides."],
        example: include_str!("examples/limit.txt"),
    },
    run,
};

const MISSING: &[Arg] = &[Arg::word("refuse", "REFUSE"), Arg::word("allow", "ALLOW")];

/// Reads what a limit counts: `UNITS` or `ORDERS`.
///
/// # Errors
/// `SYNTAX` for anything else.
pub fn count(word: &[u8]) -> Parsed<Count> {
    match keyword(COUNT_PARTS, word) {
        Some("UNITS") => Ok(Count::Units),
        Some("ORDERS") => Ok(Count::Orders),
        _ => Err(CommandError::SYNTAX),
    }
}

fn missing(word: &[u8]) -> Parsed<Missing> {
    match keyword(MISSING, word) {
        Some("REFUSE") => Ok(Missing::Refuse),
        Some("ALLOW") => Ok(Missing::Allow),
        _ => Err(CommandError::SYNTAX),
    }
}

/// Reads the values behind FOR into the pattern of an override.
///
/// # Errors
/// `ERR override needs one value per dimension`, `ERR invalid dimension value`.
pub fn override_of(named: &Named<'_>, args: &mut Args<'_>) -> Parsed<Bytes> {
    let given = args.take_rest();
    if given.len() != named.len() {
        return pattern(named, &[]);
    }
    let given: arrayvec::ArrayVec<Option<&[u8]>, 4> = given.iter().map(|value| any(value)).collect();
    pattern(named, &given)
}

/// The limit, and the note.
fn parse<'a>(args: &mut Args<'a>) -> Parsed<(LimitSet, Option<&'a [u8]>)> {
    let named = dimensions(args.required()?)?;
    let cap = cap(args.required()?)?;
    let mut rolls = false;
    let (mut per, mut tz, mut what, mut without) = (None, None, None, None);
    let (mut special, mut note) = (None, None);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "PER" => set_once(&mut per, window(args.option_value()?)?)?,
            "ROLLING" => set_flag(&mut rolls)?,
            "TZ" => set_once(&mut tz, time_zone(args.option_value()?)?)?,
            "COUNT" => set_once(&mut what, count(args.option_value()?)?)?,
            "MISSING" => set_once(&mut without, missing(args.option_value()?)?)?,
            "NOTE" => set_once(&mut note, args.note()?)?,
            "FOR" => special = Some(override_of(&named, args)?),
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let identity = identity(&named, rolling(per, rolls)?, what.unwrap_or(Count::Units));
    Ok((LimitSet { identity, tz, missing: without, pattern: special, cap }, note))
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let (request, note) = parse(&mut args)?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    match decide_set(&view(call, handle), request) {
        Ok(change) => {
            if let Some(change) = change {
                commit_noted_and_purge(call, handle, &change, note);
            }
            call.out.ok();
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}
