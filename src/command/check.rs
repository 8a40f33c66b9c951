//! `STOCK.CHECK key qty [FOR dim value …]`

use super::args::{quantity, Args};
use super::commit::{context, reply_no_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::host::Out;
use super::refusal;
use super::refusal::refuse;
use super::reply::ok;
use super::spec::{Access, Arg, Call, KeyPositions, Spec, FOR};
use crate::core::model::attributes::Attributes;
use crate::core::model::view::View;
use crate::core::ops::reserve::check;

pub const SPEC: Spec = Spec {
    name: "STOCK.CHECK",
    summary: "Returns what STOCK.RESERVE would reply to a new order, without changing anything.",
    complexity: "O(L) where L is the number of limits of the pool.",
    since: "0.1.0",
    arity: -3,
    access: Access::Read,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::integer("qty"), FOR],
    docs: Docs {
        details: "Do not call it before each `STOCK.RESERVE`: that checks everything itself. Works on \
            replicas.",
        replies: &[
            reply("[OK, qty, available, deadline_ms]", "It would be held."),
            refusal::NOPOOL,
            refusal::SUSPENDED,
            refusal::EARLY,
            refusal::ENDED,
            refusal::SOLDOUT,
            refusal::LIMITED,
        ],
        errors: &[docs::NODIM, docs::FULL],
        example: include_str!("examples/check.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let qty = quantity(args.required()?)?;
    let mut attributes = Attributes::default();
    if args.option(SPEC.args)?.is_some() {
        args.attributes_like(&mut call.journal.recent_names, &mut attributes)?;
    }
    let Some(handle) = call.keys.open(key)? else {
        reply_no_pool(call, key);
        return Ok(());
    };
    let view = View::of_read(call.keys.pool(handle), context(call));
    answer(call.out, &view, key, qty, &attributes)
}

/// What RESERVE of a new order would answer.
///
/// # Errors
/// A refusal that is an error reply; nothing is written then.
pub fn answer(
    out: &mut dyn Out,
    view: &View<'_>,
    key: &[u8],
    qty: i64,
    attributes: &Attributes<'_>,
) -> Result<(), CommandError> {
    match check(view, qty, attributes) {
        Ok(deadline_ms) => {
            ok(out, 4);
            out.int(qty);
            out.int(view.available().map_or(-1, |units| units.saturating_sub(qty).max(0)));
            out.int(deadline_ms);
        }
        Err(refusal) => {
            refuse(out, key, view.pool, &refusal)?;
        }
    }
    Ok(())
}
