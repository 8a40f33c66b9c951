//! `STOCK.MRELEASE order numkeys key [key …]`

use smallvec::SmallVec;

use super::args::Args;
use super::cart::{all_or_none, distinct, finishing, keys, refuse_pool, write_pools, CartStep, KEYS, NUMKEYS};
use super::commit::commit_and_purge;
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::release::changes;
use super::spec::{Arg, Call, Spec};
use crate::core::model::change::{Change, OrderChange};
use crate::core::model::refusal::Refusal;

pub const SPEC: Spec = finishing(
    "STOCK.MRELEASE",
    "Releases the holds of one order in several pools, in all of them or in none.",
    &[Arg::ORDER, NUMKEYS, KEYS],
    Docs {
        details: "Pools in which it is done already count as done. An order that no pool knows is remembered as \
            released in all of them.",
        replies: &[
            reply("[OK]", "Every pool has its units back."),
            refusal::NOPOOL,
            reply("[EXISTS, key, state, qty, returned, deadline_ms]", "It was done in all pools before."),
            reply("[NOORDER, key]", "The first pool that does not know the order."),
            reply("the refusal of STOCK.RELEASE", "Of the first pool that refuses. Nothing has changed anywhere."),
        ],
        errors: &[],
        example: include_str!("examples/mrelease.txt"),
    },
    run,
);

type Decision<'a> = Result<SmallVec<[Change<'a>; 1]>, Refusal>;

/// Whether the pool does not know the order, and remembers the release or is full.
fn unknown(decision: &Decision<'_>) -> bool {
    match decision {
        Ok(changes) => matches!(changes.as_slice(), [Change::Order(_, OrderChange::Cancelled { .. })]),
        Err(refusal) => *refusal == Refusal::NoOrder,
    }
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let order = args.order()?;
    let named = keys(&mut args)?;
    args.end()?;
    let Some(items) = write_pools(call, &distinct(named))? else { return Ok(()) };
    let decisions: SmallVec<[Decision<'_>; 4]> = items.iter().map(|item| changes(call, item.handle, order)).collect();
    let over = |decision: &Decision<'_>| unknown(decision) || matches!(decision, Err(Refusal::Exists { .. }));
    let first = decisions.iter().position(unknown).and_then(|at| items.get(at));
    // The release has overtaken its reservation: every pool that does not know the order remembers
    // it.
    if let (Some(first), true) = (first, decisions.iter().all(over)) {
        for (item, decision) in items.iter().zip(&decisions) {
            for change in decision.iter().flatten() {
                commit_and_purge(call, item.handle, change);
            }
        }
        return refuse_pool(call, first, &Refusal::NoOrder);
    }
    let mut decisions = decisions.into_iter();
    all_or_none(call, &items, Outcome::Released, |_, _| match decisions.next() {
        Some(decision) if !unknown(&decision) => CartStep::of(decision),
        _ => Err(Refusal::NoOrder),
    })
}
