//! `STOCK.MRETURN order numkeys key [key …] [KEEPUSAGE] [NORESTOCK]`

use smallvec::SmallVec;

use super::args::{set_flag, Args};
use super::cart::{all_or_none, distinct, finishing, keys, write_pools, CartStep, KEYS, NUMKEYS};
use super::commit::view;
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::spec::{Arg, Call, Spec};
use crate::core::ops::return_units::{decide, Return};

pub const SPEC: Spec = finishing(
    "STOCK.MRETURN",
    "Takes back all sold units of one order in several pools, in all of them or in none.",
    &[
        Arg::ORDER,
        NUMKEYS,
        KEYS,
        Arg::word("keepusage", "KEEPUSAGE").optional(),
        Arg::word("norestock", "NORESTOCK").optional(),
    ],
    Docs {
        details: "Pools in which it is done already count as done. `KEEPUSAGE` and `NORESTOCK` work as in \
            `STOCK.RETURN`. To return one product of a cart, use `STOCK.RETURN` on its pool.",
        replies: &[
            reply("[OK]", "All that was left of the order is returned in every pool."),
            refusal::NOPOOL,
            reply("[EXISTS, key, state, qty, returned, deadline_ms]", "It was done in all pools before."),
            reply("the refusal of STOCK.RETURN", "Of the first pool that refuses. Nothing has changed anywhere."),
        ],
        errors: &[],
        example: include_str!("examples/mreturn.txt"),
    },
    run,
);

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let order = args.order()?;
    let named = keys(&mut args)?;
    let (mut keep_usage, mut no_restock) = (false, false);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "KEEPUSAGE" => set_flag(&mut keep_usage)?,
            "NORESTOCK" => set_flag(&mut no_restock)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let Some(items) = write_pools(call, &distinct(named))? else { return Ok(()) };
    all_or_none(call, &items, Outcome::Returned, |call, item| {
        let request = Return { order, refund: None, keep_usage, no_restock };
        CartStep::of(decide(&view(call, item.handle), request).map(|change| SmallVec::from_iter([change])))
    })
}
