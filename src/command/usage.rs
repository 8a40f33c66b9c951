//! `STOCK.USAGE key [TOP n] [FOR dim value …]`

use super::args::{bounded, set_once, Args};
use super::commit::{context, read_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::spec::{Access, Arg, Call, KeyPositions, Spec, FOR};
use crate::core::model::attributes::Attributes;
use crate::core::model::limit::{values, Cap, Limit, TupleBuf};
use crate::core::model::top_usage::{top_usage, MAX_ENTRIES};
use crate::core::model::view::View;

pub const SPEC: Spec = Spec {
    name: "STOCK.USAGE",
    summary:
        "Returns what is used and what remains of each limit, for the given attributes or for those who used most.",
    complexity:
        "O(L) where L is the number of limits of the pool. With TOP O(V) where V is the number of values that have \
        used something, at most 1,000,000.",
    since: "0.1.0",
    arity: -2,
    access: Access::Read,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::integer("n").after("TOP").optional(), FOR],
    docs: Docs {
        details: "Shows the limits all of whose dimensions are given, in the order in which they were set.\n\n`TOP n` \
            (1 to 1,000) shows, limit by limit, the `n` values that have used most, from the largest, with their \
            `values`; with `FOR` only of the limits that have all of these dimensions, and only values that fit. It \
            walks all values of the pool: run it on a replica where there are many.",
        replies: &[
            reply("array of maps", "`limit`, `used`, `max`, `remaining` (-1 = unlimited), `resets_ms` (0 = never)."),
            reply(
                "array of maps",
                "With `TOP`: `limit`, `values` (in the order of the limit's dimensions), `used`, `max`, `remaining`, \
                `resets_ms`.",
            ),
            docs::NIL,
        ],
        errors: &["ERR: more than 1,000,000 values have used something, too many for `TOP`."],
        example: include_str!("examples/usage.txt"),
    },
    run,
};

/// The most values of a limit that one call shows.
const MAX_TOP: i64 = 1_000;

struct LimitUsage<'p> {
    limit: &'p Limit,
    /// The value, where it is shown.
    tuple: Option<&'p [u8]>,
    used: i64,
    cap: Cap,
    resets_ms: i64,
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let (mut top, mut attributes) = (None, Attributes::default());
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "TOP" => {
                let outside = CommandError::line("ERR TOP is out of range: 1 to 1000");
                set_once(&mut top, bounded(args.option_value()?, 1..=MAX_TOP, outside)?)?;
            }
            "FOR" => args.attributes(&mut attributes)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let view = View::of_read(call.keys.pool(handle), context(call));
    if top.is_some() && view.pool.usage_entries() > MAX_ENTRIES {
        return Err(CommandError::line("ERR too many values have used something: at most 1000000 for TOP"));
    }
    let mut buf = TupleBuf::new();
    let mut lines: Vec<LimitUsage<'_>> = Vec::new();
    for limit in view.pool.limits() {
        if let Some(top) = top {
            let found = top_usage(&view, limit, &attributes, usize::try_from(top).unwrap_or(0));
            lines.extend(found.into_iter().map(|value| LimitUsage {
                limit,
                tuple: Some(value.tuple),
                used: value.used,
                cap: limit.cap(value.tuple),
                resets_ms: view.resets_ms(limit, value.tuple, value.window_ms, 0),
            }));
            continue;
        }
        let Some(tuple) = limit.tuple(&attributes, &mut buf) else { continue };
        let (used, window_ms) = if limit.keeps_usage() { view.usage_of(limit, tuple) } else { (0, 0) };
        let (cap, resets_ms) = (limit.cap(tuple), view.resets_ms(limit, tuple, window_ms, 0));
        lines.push(LimitUsage { limit, tuple: None, used, cap, resets_ms });
    }
    let out = &mut *call.out;
    out.array(lines.len());
    for line in lines {
        out.map(if line.tuple.is_some() { 6 } else { 5 });
        out.field("limit").bulk(line.limit.text.as_bytes());
        if let Some(tuple) = line.tuple {
            let dims = line.limit.identity.dims.len();
            out.field("values").bulks(dims, values(tuple, dims));
        }
        let remaining = line.cap.left(line.used).unwrap_or(-1);
        for (name, value) in
            [("used", line.used), ("max", line.cap.shown()), ("remaining", remaining), ("resets_ms", line.resets_ms)]
        {
            out.field(name).int(value);
        }
    }
    Ok(())
}
