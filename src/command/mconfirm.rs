//! `STOCK.MCONFIRM order numkeys key [key …] [QTY qty [qty …]] [LATE]`

use super::args::{set_flag, set_once, Args};
use super::cart::{all_or_none, distinct, finishing, keys, sums, write_pools, CartStep, KEYS, NUMKEYS};
use super::confirm::changes;
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::spec::{Arg, Call, Spec};
use crate::core::ops::confirm::{Confirm, Late};

pub const SPEC: Spec = finishing(
    "STOCK.MCONFIRM",
    "Turns the holds of one order in several pools into sales, in all of them or in none.",
    &[
        Arg::ORDER,
        NUMKEYS,
        KEYS,
        Arg::integer("qty").after("QTY").optional().multiple(),
        Arg::word("late", "LATE").optional(),
    ],
    Docs {
        details: "Pools in which it is done already count as done. `QTY` works as in `STOCK.CONFIRM`, with as many \
            quantities as keys: less than what a pool holds sells that much and releases the rest. `LATE` works \
            as in `STOCK.CONFIRM`, without `SINCE` and `FOR`.",
        replies: &[
            reply("[OK]", "Every pool has sold the order's units."),
            refusal::NOPOOL,
            reply("[EXISTS, key, state, qty, returned, deadline_ms]", "It was done in all pools before."),
            reply("the refusal of STOCK.CONFIRM", "Of the first pool that refuses. Nothing has changed anywhere."),
        ],
        errors: &["CONFLICT: with `QTY`, as `STOCK.CONFIRM`. The text says which key, counted from 1."],
        example: include_str!("examples/mconfirm.txt"),
    },
    run,
);

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let order = args.order()?;
    let named = keys(&mut args)?;
    let (mut given, mut late) = (None, false);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "LATE" => set_flag(&mut late)?,
            "QTY" => set_once(&mut given, sums(&mut args, named, 1)?.1)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let Some(items) = write_pools(call, &distinct(named))? else { return Ok(()) };
    let mut quantities = given.into_iter().flatten();
    all_or_none(call, &items, Outcome::Confirmed, |call, item| {
        let request = Confirm { order, qty: quantities.next(), late: late.then(Late::default) };
        CartStep::of(changes(call, item.handle, request))
    })
}
