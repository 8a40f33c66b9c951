//! `STOCK.RELEASE key order`

use smallvec::SmallVec;

use super::args::Args;
use super::commit::{commit, context, purge, view, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::host::Handle;
use super::refusal::{self, Outcome};
use super::reply::{available, ok, refused};
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::change::{Change, OrderChange};
use crate::core::model::order::OrderState;
use crate::core::model::refusal::Refusal;
use crate::core::model::time::Clock;
use crate::core::ops::expire;
use crate::core::ops::purge::PER_WRITE;
use crate::core::ops::release::decide;

pub const SPEC: Spec = Spec {
    name: "STOCK.RELEASE",
    summary: "Releases a hold. An unknown order is remembered as released, so that a late STOCK.RESERVE takes nothing.",
    complexity: "O(1)",
    since: "0.1.0",
    arity: 3,
    access: Access::WriteAllowOom,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::ORDER],
    docs: Docs {
        details: "Do not release a hold because one payment attempt is stale: another attempt may still pay. Let \
            the hold end by itself.",
        replies: &[
            reply("[OK, qty, available]", "`qty` units came back; 0 where they had come back already."),
            refusal::NOPOOL,
            reply("[EXISTS, key, state, qty, returned, deadline_ms]", "It was released before."),
            reply("[NOORDER, key]", "The pool did not know the order. It is remembered as released."),
            refusal::CONFIRMED,
            reply("[CLOSED, key, state]", "The order is `returned`."),
        ],
        errors: &[],
        example: include_str!("examples/release.txt"),
    },
    run,
};

/// The changes of a release, in order. A hold that is due, but has not expired before the call (for
/// the number of due holds or for the failover grace), expires first and is then closed.
///
/// # Errors
/// The refusal.
pub fn changes<'a>(call: &Call<'_>, handle: Handle, order: &'a [u8]) -> Result<SmallVec<[Change<'a>; 1]>, Refusal> {
    let view = view(call, handle);
    let pool = view.pool;
    let change = decide(&view, order)?;
    let clock = Clock::at(call.env.clock.now_ms);
    let row = if let Change::Order(found, _) = &change { found.row } else { None };
    let due = row.filter(|&row| expire::is_due(pool, row, clock));
    let expired = due.map(|row| expire::change(pool, &context(call), row, order));
    Ok(expired.into_iter().chain([change]).collect())
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let order = args.order()?;
    args.end()?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    let changes = match changes(call, handle, order) {
        Ok(changes) => changes,
        Err(refusal) => {
            refused(call, key, handle, &refusal)?;
            return Ok(());
        }
    };
    let units = match changes.as_slice() {
        [Change::Order(order, OrderChange::Released { .. })] => {
            let record = order.row.and_then(|row| call.keys.pool(handle).order(row));
            record.filter(|o| o.state == OrderState::Reserved).map_or(0, |o| o.qty)
        }
        _ => 0,
    };
    for change in &changes {
        commit(call, handle, change);
    }
    purge(call, handle, PER_WRITE);
    if matches!(changes.last(), Some(Change::Order(_, OrderChange::Cancelled { .. }))) {
        refused(call, key, handle, &Refusal::NoOrder)?;
        return Ok(());
    }
    call.journal.outcome = Some(Outcome::Released);
    ok(call.out, 3);
    call.out.int(units);
    call.out.int(available(call.keys.pool(handle)));
    Ok(())
}
