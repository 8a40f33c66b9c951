//! `STOCK.USAGE key [FOR dim value …]`

use super::args::{is, Args};
use super::commit::{context, read_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::spec::{Access, Arg, Call, KeyPositions, Spec, FOR};
use crate::core::model::attributes::Attributes;
use crate::core::model::limit::TupleBuf;
use crate::core::model::view::View;

pub const SPEC: Spec = Spec {
    name: "STOCK.USAGE",
    summary: "Returns what is used and what remains of each limit that applies to the given attributes.",
    complexity: "O(L) where L is the number of limits of the pool.",
    since: "0.1.0",
    arity: -2,
    access: Access::Read,
    fast: true,
    keys: KeyPositions::First,
    inserts: false,
    args: &[Arg::KEY, FOR],
    docs: Docs {
        details: "Shows the limits all of whose dimensions are given, in the order in which they were set.",
        replies: &[
            reply("array of maps", "`limit`, `used`, `max`, `remaining` (-1 = unlimited), `resets_ms` (0 = never)."),
            docs::NIL,
        ],
        errors: &[],
        example: include_str!("examples/usage.txt"),
    },
    run,
};

struct LimitUsage<'p> {
    limit: &'p str,
    used: i64,
    max: i64,
    remaining: i64,
    resets_ms: i64,
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let key = args.required()?;
    let mut attributes = Attributes::default();
    if let Some(option) = args.take() {
        if !is(option, "FOR") {
            return Err(CommandError::SYNTAX);
        }
        args.attributes(&mut attributes)?;
    }
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let view = View::of_read(call.keys.pool(handle), context(call));
    let mut buf = TupleBuf::new();
    let mut lines: Vec<LimitUsage<'_>> = Vec::new();
    for limit in view.pool.limits() {
        let Some(tuple) = limit.tuple(&attributes, &mut buf) else { continue };
        let (used, window_ms) = if limit.keeps_usage() { view.usage_of(limit, tuple) } else { (0, 0) };
        let cap = limit.cap(tuple);
        lines.push(LimitUsage {
            limit: &limit.text,
            used,
            max: cap.shown(),
            remaining: cap.left(used).unwrap_or(-1),
            resets_ms: view.resets_ms(limit, tuple, window_ms, 0),
        });
    }
    let out = &mut *call.out;
    out.array(lines.len());
    for line in lines {
        out.map(5);
        out.bulk(b"limit");
        out.bulk(line.limit.as_bytes());
        for (name, value) in
            [("used", line.used), ("max", line.max), ("remaining", line.remaining), ("resets_ms", line.resets_ms)]
        {
            out.bulk(name.as_bytes());
            out.int(value);
        }
    }
    Ok(())
}
