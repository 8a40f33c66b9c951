//! `STOCK.SPLIT key order part qty`

use super::args::{another, quantity, Args};
use super::commit::{commit_all, view, write_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::reply::{ok, refused};
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::change::{Change, OrderChange};
use crate::core::ops::split::{decide, Split};

pub const SPEC: Spec = Spec {
    name: "STOCK.SPLIT",
    summary: "Makes part of a hold an order of its own, with the same deadline and attributes.",
    complexity: "O(L) where L is the number of limits of the pool.",
    since: "0.1.0",
    arity: 5,
    access: Access::Write,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::ORDER, PART, Arg::integer("qty")],
    docs: Docs {
        details: "`qty` units go from `order` to `part`, an id that is new: to pay for them, ship them or give them \
            back apart from the rest. They stay held and stay counted where they are; limits that count orders \
            count one more. `order` keeps at least one unit. `part` counts as placed now: split before the \
            sale ends, or a late payment for it is answered `ENDED`.\n\nSend the same call again when no answer came.",
        replies: &[
            reply("[OK, qty, left, deadline_ms]", "`part` holds `qty` units, `order` the `left` others."),
            refusal::NOPOOL,
            reply("[EXISTS, key, state, qty, returned, deadline_ms]", "`part` is known: the call was made before."),
            reply("[CLOSED, key, state]", "`part` or `order` is over."),
            refusal::NOORDER,
            refusal::EXPIRED,
            refusal::CONFIRMED,
            reply("[LIMITED, key, …]", "By a limit that counts orders."),
        ],
        errors: &[
            "CONFLICT: `qty` is all that `order` holds or more, or `part` is known with other content.",
            docs::FULL,
        ],
        example: include_str!("examples/split.txt"),
    },
    run,
};

/// The order that takes part of the units.
pub const PART: Arg = Arg::string("part");
/// The error of a part that is the order itself.
pub const SAME: CommandError = CommandError::line("ERR part needs an order id of its own");

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let order = args.order()?;
    let part = args.order()?;
    let qty = quantity(args.required()?)?;
    args.end()?;
    another(order, part, SAME)?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    let changes = match decide(&view(call, handle), Split { order, part, qty }) {
        Ok(changes) => changes,
        Err(refusal) => return refused(call, key, handle, &refusal),
    };
    commit_all(call, handle, &changes);
    call.journal.outcome = Some(Outcome::Split);
    let [Change::Order(whole, OrderChange::Parted { qty: left }), _] = changes else { return Ok(()) };
    let record = whole.row.and_then(|row| call.keys.pool(handle).order(row));
    let deadline_ms = record.map_or(0, |record| record.time_ms);
    ok(call.out, 4);
    call.out.int(qty);
    call.out.int(left);
    call.out.int(deadline_ms);
    Ok(())
}
