//! `STOCK.EXTEND key order EX|PX|PXAT t`

use super::args::Args;
use super::commit::{commit_and_purge, view, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::reply::{ok, refused};
use super::spec::{Access, Arg, Call, KeyPositions, Spec, HOLD};
use crate::core::model::change::{Change, OrderChange};
use crate::core::ops::extend::{decide, Extension};

pub const SPEC: Spec = Spec {
    name: "STOCK.EXTEND",
    summary: "Moves the deadline of a hold to a later time.",
    complexity: "O(log N) where N is the number of different deadlines of open holds.",
    since: "0.1.0",
    arity: 5,
    access: Access::WriteAllowOom,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::ORDER, HOLD],
    docs: Docs {
        details: "Extend a hold when the buyer goes to a payment page that takes long. A deadline at or before \
            the current one changes nothing.",
        replies: &[
            reply("[OK, deadline_ms]", "The deadline of the hold."),
            refusal::NOPOOL,
            refusal::NOORDER,
            refusal::EXPIRED,
            refusal::CONFIRMED,
            refusal::CLOSED,
        ],
        errors: &[],
        example: include_str!("examples/extend.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let order = args.order()?;
    let option = args.option(SPEC.args)?.ok_or(CommandError::Arity)?;
    let hold = args.hold(option, call.env.clock.now_ms)?;
    args.end()?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    let deadline_ms = match decide(&view(call, handle), order, hold) {
        Ok(Extension::Unchanged(deadline_ms)) => deadline_ms,
        Ok(Extension::Later(change)) => {
            commit_and_purge(call, handle, &change);
            let Change::Order(_, OrderChange::Extended { deadline_ms, .. }) = change else { return Ok(()) };
            deadline_ms
        }
        Err(refusal) => {
            refused(call, key, handle, &refusal)?;
            return Ok(());
        }
    };
    call.journal.outcome = Some(Outcome::Extended);
    ok(call.out, 2);
    call.out.int(deadline_ms);
    Ok(())
}
