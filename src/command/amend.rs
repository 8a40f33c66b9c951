//! `STOCK.AMEND key order qty`

use super::args::{quantity, Args};
use super::commit::{commit_and_purge, view, write_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::reply::{available, ok, refused};
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::ops::amend::decide;

pub const SPEC: Spec = Spec {
    name: "STOCK.AMEND",
    summary: "Changes the quantity of a hold. More is checked like a new reservation; less is always accepted.",
    complexity: "O(L) where L is the number of limits of the pool.",
    since: "0.1.0",
    arity: 4,
    access: Access::WriteAllowOom,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::ORDER, Arg::integer("qty")],
    docs: Docs {
        details: "`qty` is the new total of the hold. More is checked as a new reservation is, by the limits \
            that counted the order; less is never refused. The deadline stays.",
        replies: &[
            reply("[OK, qty, available]", "The order now holds `qty` units."),
            refusal::NOPOOL,
            reply("[EXISTS, key, state, qty, returned, deadline_ms]", "It holds `qty` already."),
            refusal::NOORDER,
            refusal::EXPIRED,
            refusal::CONFIRMED,
            refusal::CLOSED,
            reply("[SUSPENDED, key], [EARLY, …], [ENDED, …], [SOLDOUT, …], [LIMITED, …]", "Where it asks for more."),
        ],
        errors: &[docs::NODIM],
        example: include_str!("examples/amend.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let order = args.order()?;
    let qty = quantity(args.required()?)?;
    args.end()?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    match decide(&view(call, handle), order, qty) {
        Ok(change) => {
            commit_and_purge(call, handle, &change);
            call.journal.outcome = Some(Outcome::Amended);
            ok(call.out, 3);
            call.out.int(qty);
            call.out.int(available(call.keys.pool(handle)));
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}
