//! `STOCK.MRELEASE order numkeys key [key …]`

use smallvec::SmallVec;

use super::args::Args;
use super::cart::{all_or_none, distinct, keys, open, refuse_item, Step, KEYS, NUMKEYS};
use super::commit::{commit_and_tidy, view};
use super::error::CommandError;
use super::journal::Answer;
use super::release::return_named;
use super::spec::{Access, Arg, Call, Keys, Spec};
use crate::core::change::Change;
use crate::core::ops::release::decide;
use crate::core::refusal::Refusal;

pub const SPEC: Spec = Spec {
    name: "STOCK.MRELEASE",
    summary: "Gives up the holds of one order in several pools, in all of them or in none.",
    complexity: "O(K) where K is the number of pools.",
    since: "0.1.0",
    arity: -4,
    access: Access::GiveBack,
    fast: false,
    keys: Keys::Counted(2),
    inserts: false,
    args: &[Arg::ORDER, NUMKEYS, KEYS],
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let order = args.order()?;
    let named = keys(&mut args)?;
    args.end()?;
    let Some(items) = open(call, &distinct(named, |_, _| ()))? else { return Ok(()) };
    for item in &items {
        return_named(call, item.handle, order);
    }
    let decisions: SmallVec<[Result<Change<'_>, Refusal>; 4]> =
        items.iter().map(|item| decide(&view(call, item.handle), order)).collect();
    let unknown = |decision: &Result<Change<'_>, Refusal>| {
        matches!(decision, Ok(Change::Cancelled { .. }) | Err(Refusal::NoOrder))
    };
    let over =
        |decision: &Result<Change<'_>, Refusal>| unknown(decision) || matches!(decision, Err(Refusal::Exists { .. }));
    let first = decisions.iter().position(unknown).and_then(|at| items.get(at));
    // A release that overtook its reservation: remembered in every pool that does not know the order.
    if let (Some(first), true) = (first, decisions.iter().all(over)) {
        for (item, decision) in items.iter().zip(&decisions) {
            if let Ok(change) = decision {
                commit_and_tidy(call, item.handle, change);
            }
        }
        return refuse_item(call, first, &Refusal::NoOrder);
    }
    let mut decisions = decisions.into_iter();
    all_or_none(call, &items, Answer::Released, |_, _| match decisions.next() {
        Some(Ok(Change::Cancelled { .. })) | None => Err(Refusal::NoOrder),
        Some(decision) => Step::of(decision.map(|change| SmallVec::from_iter([change]))),
    })
}
