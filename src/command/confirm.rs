//! `STOCK.CONFIRM key order [QTY n] [LATE [SINCE unix-ms] [FOR dim value …]]`

use smallvec::SmallVec;

use super::args::{bounded, quantity, set_flag, set_once, Args, Parsed};
use super::commit::{commit_all, commit_and_purge, context, view, write_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::host::Handle;
use super::refusal::{self, Outcome};
use super::reply::{ok, refused};
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec, FOR};
use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, OrderChange};
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::refusal::Refusal;
use crate::core::model::view::View;
use crate::core::ops::confirm::{decide, Confirm, Late};
use crate::core::ops::expire;

pub const SPEC: Spec = Spec {
    name: "STOCK.CONFIRM",
    summary: "Turns a hold into a sale. With LATE also an expired or lost hold, if stock and limits still allow it.",
    complexity: "O(1); with LATE O(L) where L is the number of limits of the pool.",
    since: "0.1.0",
    arity: -3,
    access: Access::WriteAllowOom,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::ORDER, Arg::integer("n").after("QTY").optional(), LATE],
    docs: Docs {
        details: "`QTY` less than what is held sells that much and releases the rest. With `LATE`, `QTY` and `SINCE` \
            (the time at which the order was placed) it also sells to an order that the pool does not know, for \
            example after a failover; limits that were set after `SINCE` do not count. Take `SINCE` from your own \
            records, never from the buyer.",
        replies: &[
            reply("[OK, qty, sold]", "`qty` units are sold; `sold` counts all units that this pool has sold."),
            refusal::NOPOOL,
            refusal::EXISTS,
            refusal::EXPIRED,
            refusal::CLOSED,
            refusal::NOORDER,
            reply(
                "[SUSPENDED, key], [ENDED, …], [SOLDOUT, …], [LIMITED, …]",
                "With `LATE` only, where units must be taken again. Refund, or (`SUSPENDED`) send it again \
                later. `ENDED`: the order was placed after the end of the sale.",
            ),
        ],
        errors: &[
            "CONFLICT: `QTY` is more than the order holds, differs from what was confirmed, or `FOR` \
            differs from the order's attributes.",
            docs::NODIM,
            docs::FULL,
        ],
        example: include_str!("examples/confirm.txt"),
    },
    run,
};

const LATE: Arg = Arg::new("late", ArgKind::Block(LATE_PARTS)).optional();
const LATE_PARTS: &[Arg] =
    &[Arg::word("late", "LATE"), Arg::new("unix-time-milliseconds", ArgKind::UnixTime).after("SINCE").optional(), FOR];

fn parse<'r, 'a: 'r>(args: &mut Args<'a>, attributes: &'r mut Attributes<'a>) -> Parsed<Confirm<'r>> {
    let order = args.order()?;
    let (mut qty, mut since_ms, mut named, mut late) = (None, None, false, false);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "QTY" => set_once(&mut qty, quantity(args.option_value()?)?)?,
            "LATE" => set_flag(&mut late)?,
            "SINCE" => {
                let outside = CommandError::line("ERR invalid SINCE: Unix time in milliseconds, 1 or greater");
                set_once(&mut since_ms, bounded(args.option_value()?, 1..=MAX_UNITS, outside)?)?;
            }
            "FOR" => {
                args.attributes(attributes)?;
                named = true;
            }
            _ => return Err(CommandError::SYNTAX),
        }
    }
    if !late && since_ms.is_some() {
        return Err(CommandError::line("ERR SINCE needs LATE"));
    }
    if !late && named {
        return Err(CommandError::line("ERR FOR needs LATE"));
    }
    let attributes = named.then_some(&*attributes);
    Ok(Confirm { order, qty, late: late.then_some(Late { since_ms, attributes }) })
}

/// The changes of a confirmation, in order. A hold that is due, but was not among those that
/// expired before the call, expires first, so that LATE is decided as if it had expired before.
///
/// # Errors
/// The refusal.
pub fn changes<'a>(
    call: &Call<'_>,
    handle: Handle,
    request: Confirm<'a>,
) -> Result<SmallVec<[Change<'a>; 1]>, Refusal> {
    let pool = call.keys.pool(handle);
    let id = request.order;
    let row = request.late.as_ref().and_then(|_| pool.order_ref(id).row);
    let Some(row) = row.filter(|&row| expire::is_due(pool, row, call.env.clock)) else {
        return decide(&view(call, handle), request).map(|change| SmallVec::from_iter([change]));
    };
    let held = pool.order(row).map_or(0, |order| order.qty);
    let change = decide(&View::without_hold(pool, context(call), row, held), request)?;
    Ok(SmallVec::from_iter([expire::change(pool, &context(call), row, id), change]))
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let mut attributes = Attributes::default();
    let request = parse(&mut args, &mut attributes)?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    if request.late.is_some() {
        return confirm_late(call, key, handle, request);
    }
    // By reference: a change is large, and is not moved.
    let decision = decide(&view(call, handle), request);
    match &decision {
        Ok(change) => {
            commit_and_purge(call, handle, change);
            reply_paid(call, paid(call, handle, Some(change)));
        }
        Err(refusal) => refused(call, key, handle, refusal)?,
    }
    Ok(())
}

/// With LATE there may be several changes.
fn confirm_late(call: &mut Call<'_>, key: &[u8], handle: Handle, request: Confirm<'_>) -> Result<(), CommandError> {
    match changes(call, handle, request) {
        Ok(changes) => {
            commit_all(call, handle, &changes);
            reply_paid(call, paid(call, handle, changes.last()));
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}

/// What is paid.
#[derive(Clone, Copy, Debug)]
pub struct Paid {
    outcome: Outcome,
    /// Units of this order.
    qty: i64,
    /// All units that the pool has sold.
    sold: i64,
}

/// What a change that has just been made sells. `None`: it is no confirmation.
pub fn paid(call: &Call<'_>, handle: Handle, change: Option<&Change<'_>>) -> Option<Paid> {
    let (outcome, qty) = match change {
        Some(Change::Order(_, OrderChange::Confirmed { qty, .. })) => (Outcome::Confirmed, *qty),
        Some(Change::Order(_, OrderChange::Late { qty, .. })) => (Outcome::Late, *qty),
        Some(Change::Order(_, OrderChange::LatePlaced { placement, .. })) => (Outcome::Late, placement.qty),
        _ => return None,
    };
    Some(Paid { outcome, qty, sold: call.keys.pool(handle).sold() })
}

/// Replies that the order is paid.
pub fn reply_paid(call: &mut Call<'_>, paid: Option<Paid>) {
    let Some(Paid { outcome, qty, sold }) = paid else { return };
    call.journal.outcome = Some(outcome);
    ok(call.out, 3);
    call.out.int(qty);
    call.out.int(sold);
}
