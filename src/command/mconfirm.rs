//! `STOCK.MCONFIRM order numkeys key [key …] [LATE]`

use super::args::{is, Args};
use super::cart::{all_or_none, distinct, finishing, keys, write_pools, CartStep, KEYS, NUMKEYS};
use super::confirm::changes;
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::journal::Outcome;
use super::spec::{Arg, Call, Spec};
use crate::core::ops::confirm::{Confirm, Late};

pub const SPEC: Spec = finishing(
    "STOCK.MCONFIRM",
    "Turns the holds of one order in several pools into sales, in all of them or in none.",
    &[Arg::ORDER, NUMKEYS, KEYS, Arg::word("late", "LATE").optional()],
    Docs {
        details: "Pools in which it is done already count as done. `LATE` works as in `STOCK.CONFIRM`, without \
            `QTY`, `SINCE` and `FOR`.",
        replies: &[
            reply("[OK]", "Every pool has sold the order's units."),
            docs::NOPOOL,
            reply("[EXISTS, key, state, qty, returned, deadline_ms]", "It was done in all pools before."),
            reply("the refusal of STOCK.CONFIRM", "Of the first pool that refuses. Nothing has changed anywhere."),
        ],
        errors: &[],
        example: include_str!("examples/mconfirm.txt"),
    },
    run,
);

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let order = args.order()?;
    let named = keys(&mut args)?;
    let late = args.take().map(|word| if is(word, "LATE") { Ok(()) } else { Err(CommandError::SYNTAX) }).transpose()?;
    if !args.is_empty() {
        return Err(CommandError::SYNTAX);
    }
    let Some(items) = write_pools(call, &distinct(named, |_, _| ()))? else { return Ok(()) };
    all_or_none(call, &items, Outcome::Confirmed, |call, item| {
        let request = Confirm { order, qty: None, late: late.map(|()| Late::default()) };
        CartStep::of(changes(call, item.handle, request))
    })
}
