//! `STOCK.RESERVE key order qty [EX|PX|PXAT t] [PARTIAL] [REPLACES old] [FOR dim value …]`

use super::args::{is, quantity, set_flag, set_once, Args, Parsed};
use super::commit::{commit_all, commit_and_purge, view, write_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::host::Handle;
use super::refusal::{self, Outcome};
use super::reply::{available, ok, refused};
use super::spec::{Access, Arg, Call, KeyPositions, Spec, FOR, HOLD, REPLACES};
use crate::core::model::attributes::{Attributes, RecentNames};
use crate::core::model::change::{Change, OrderChange};
use crate::core::model::refusal::Refusal;
use crate::core::ops::replace;
use crate::core::ops::reserve::{decide, retry, Hold, Reserve};

pub const SPEC: Spec = Spec {
    name: "STOCK.RESERVE",
    summary: "Holds units for an order until a deadline, if stock and all purchase limits allow it.",
    complexity: "O(L) where L is the number of limits of the pool.",
    since: "0.1.0",
    arity: -4,
    access: Access::Write,
    fast: true,
    keys: KeyPositions::First,
    args: &[
        Arg::KEY,
        Arg::ORDER,
        Arg::integer("qty"),
        HOLD.optional(),
        Arg::word("partial", "PARTIAL").optional(),
        REPLACES,
        FOR,
    ],
    docs: Docs {
        details: "Stock and limits are checked, the units are taken and the order is remembered in one step. \
            Without `EX`, `PX` or `PXAT` the hold lasts as long as the pool's `hold` or \
            `stock.hold-seconds` says. `PARTIAL` takes the largest quantity, at least 1, that stock and \
            limits allow. `FOR` comes last and takes everything behind it.\n\n`REPLACES` gives the hold of \
            another order up in the same step: `old` becomes released, and what it held and used does not stand in \
            the way of the new one. Where that is refused, `old` keeps its hold. Where `old` holds nothing \
            (unknown, expired, released or returned), the new one is tried as any other. Stock and usage in a \
            refusal are those without `old`.\n\nSend the same call again \
            when no answer came.",
        replies: &[
            reply("[OK, qty, available, deadline_ms]", "`qty` units are held until `deadline_ms`."),
            refusal::NOPOOL,
            refusal::EXISTS,
            refusal::CLOSED,
            reply("[CONFIRMED, key]", "With `REPLACES`: `old` is paid. Nothing has changed."),
            refusal::SUSPENDED,
            refusal::EARLY,
            refusal::ENDED,
            refusal::SOLDOUT,
            refusal::LIMITED,
        ],
        errors: &[docs::CONFLICT, docs::NODIM, docs::FULL],
        example: include_str!("examples/reserve.txt"),
    },
    run,
};

/// The call, and the order whose place it takes.
type Request<'r> = (Reserve<'r>, Option<&'r [u8]>);

fn parse<'r, 'a: 'r>(
    args: &mut Args<'a>,
    now_ms: i64,
    recent: &mut RecentNames,
    attributes: &'r mut Attributes<'a>,
) -> Parsed<Request<'r>> {
    let order = args.order()?;
    let qty = quantity(args.required()?)?;
    let mut hold = None;
    let mut partial = false;
    let mut old = None;
    while let Some(option) = args.take() {
        if let Some(given) = args.hold_option(option, now_ms)? {
            set_once(&mut hold, given)?;
        } else if is(option, "PARTIAL") {
            set_flag(&mut partial)?;
        } else if is(option, "FOR") {
            args.attributes_like(recent, attributes)?;
        } else if is(option, "REPLACES") {
            set_once(&mut old, args.replaced(order)?)?;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    let hold = hold.unwrap_or(Hold::Default);
    Ok((Reserve { order, qty, hold, partial, attributes, message: None }, old))
}

fn run<'a>(call: &mut Call<'a>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let mut attributes = Attributes::default();
    let (request, old) = parse(&mut args, call.env.clock.now_ms, &mut call.journal.recent_names, &mut attributes)?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    if let Some(old) = old {
        match replacing(call, handle, request, old) {
            Ok(changes) => {
                commit_all(call, handle, &changes);
                reply_reserved(call, reserved(call, handle, changes.last()));
            }
            Err(refusal) => refused(call, key, handle, &refusal)?,
        }
        return Ok(());
    }
    // By reference: a change is large, and is not moved.
    let decision = decide(&view(call, handle), request);
    match &decision {
        Ok(change) => {
            commit_and_purge(call, handle, change);
            reply_reserved(call, reserved(call, handle, Some(change)));
        }
        Err(refusal) => refused(call, key, handle, refusal)?,
    }
    Ok(())
}

/// The changes of a call with REPLACES, in order: those of the old order, then the reservation.
fn replacing<'a>(
    call: &Call<'_>,
    handle: Handle,
    request: Reserve<'a>,
    old: &'a [u8],
) -> Result<replace::Changes<'a>, Refusal> {
    let view = view(call, handle);
    let order = view.pool.order_ref(request.order);
    if let Some((record, state)) = view.known(order) {
        return Err(retry(&view, &request, &record, state));
    }
    let old = replace::find(&view, old)?;
    replace::decide(&view, old, order, request)
}

/// What is held.
#[derive(Clone, Copy, Debug)]
pub struct Reserved {
    /// Units.
    qty: i64,
    /// What is left for others; -1 for any quantity.
    available: i64,
    /// Until when, Unix ms.
    deadline_ms: i64,
}

/// What a change that has just been made holds. `None`: it is no reservation.
pub fn reserved(call: &Call<'_>, handle: Handle, change: Option<&Change<'_>>) -> Option<Reserved> {
    let Some(Change::Order(_, OrderChange::Reserved { placement, deadline_ms, .. })) = change else { return None };
    Some(Reserved { qty: placement.qty, available: available(call.keys.pool(handle)), deadline_ms: *deadline_ms })
}

/// Replies that the units are held.
pub fn reply_reserved(call: &mut Call<'_>, reserved: Option<Reserved>) {
    let Some(Reserved { qty, available, deadline_ms }) = reserved else { return };
    call.journal.outcome = Some(Outcome::Reserved);
    ok(call.out, 4);
    call.out.int(qty);
    call.out.int(available);
    call.out.int(deadline_ms);
}
