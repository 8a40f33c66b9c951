//! `STOCK.MEXTEND order numkeys key [key …] EX|PX|PXAT t`

use smallvec::SmallVec;

use super::args::Args;
use super::cart::{all_or_none, distinct, finishing, keys, write_pools, CartStep, KEYS, NUMKEYS};
use super::commit::view;
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::spec::{Arg, Call, Spec, HOLD};
use crate::core::ops::extend::{decide, Extension};

pub const SPEC: Spec = Spec {
    arity: -6,
    ..finishing(
        "STOCK.MEXTEND",
        "Moves the deadlines of one order's holds in several pools, in all of them or in none.",
        &[Arg::ORDER, NUMKEYS, KEYS, HOLD],
        Docs {
            details: "A deadline at or before the current one changes nothing and counts as done.",
            replies: &[
                reply("[OK]", "Every hold lasts at least until then."),
                refusal::NOPOOL,
                reply("the refusal of STOCK.EXTEND", "Of the first pool that refuses. Nothing has changed anywhere."),
            ],
            errors: &[],
            example: include_str!("examples/mextend.txt"),
        },
        run,
    )
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let order = args.order()?;
    let named = keys(&mut args)?;
    let option = args.option_value()?;
    let hold = args.hold_option(option, call.env.clock.now_ms)?.ok_or(CommandError::SYNTAX)?;
    if !args.is_empty() {
        return Err(CommandError::SYNTAX);
    }
    let Some(items) = write_pools(call, &distinct(named))? else { return Ok(()) };
    all_or_none(call, &items, Outcome::Extended, |call, item| {
        // A deadline that is as late already is neither changed nor published.
        decide(&view(call, item.handle), order, hold).map(|extension| match extension {
            Extension::Later(change) => CartStep::Changes(SmallVec::from_iter([change])),
            Extension::Unchanged(_) => CartStep::Changes(SmallVec::new()),
        })
    })
}
