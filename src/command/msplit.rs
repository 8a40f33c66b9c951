//! `STOCK.MSPLIT order part numkeys key [key …] QTY qty [qty …]`

use super::args::{another, Args};
use super::cart::{all_or_none, keys, sums, write_pools, CartStep, KEYS, NUMKEYS};
use super::commit::view;
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use super::split::{PART, SAME};
use crate::core::ops::split::{decide, Split};

pub const SPEC: Spec = Spec {
    name: "STOCK.MSPLIT",
    summary: "Makes part of a cart an order of its own, in all its pools or in none.",
    complexity: "O(K * L) where K is the number of pools and L that of their limits.",
    since: "0.1.0",
    arity: -7,
    access: Access::Write,
    fast: false,
    keys: KeyPositions::Counted(3),
    args: &[Arg::ORDER, PART, NUMKEYS, KEYS, Arg::integer("qty").after("QTY").multiple()],
    docs: Docs {
        details: "`STOCK.SPLIT` in each pool. Pools in which it is done already count as done. A pool that is named \
            twice counts once, with the sum.",
        replies: &[
            reply("[OK]", "Every pool has split its hold."),
            refusal::NOPOOL,
            reply("[EXISTS, key, state, qty, returned, deadline_ms]", "It was done in all pools before."),
            reply("the refusal of STOCK.SPLIT", "Of the first pool that refuses. Nothing has changed anywhere."),
        ],
        errors: &["CONFLICT: as `STOCK.SPLIT`. The text says which key, counted from 1.", docs::FULL],
        example: include_str!("examples/msplit.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let order = args.order()?;
    let part = args.order()?;
    let named = keys(&mut args)?;
    if args.option(SPEC.args)? != Some("QTY") {
        return Err(CommandError::SYNTAX);
    }
    let (distinct, qty) = sums(&mut args, named, 1)?;
    if !args.is_empty() {
        return Err(CommandError::SYNTAX);
    }
    another(order, part, SAME)?;
    let Some(items) = write_pools(call, &distinct)? else { return Ok(()) };
    let mut quantities = qty.into_iter();
    all_or_none(call, &items, Outcome::Split, |call, item| {
        let qty = quantities.next().unwrap_or(0);
        let changes = decide(&view(call, item.handle), Split { order, part, qty });
        CartStep::of(changes.map(|changes| changes.into_iter().collect()))
    })
}
