//! `STOCK.ORDER key order`

use super::args::Args;
use super::commit::{context, read_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::order_map;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::view::View;

pub const SPEC: Spec = Spec {
    name: "STOCK.ORDER",
    summary: "Returns the state of an order, and the attributes that the pool knows of it.",
    complexity: "O(L) where L is the number of limits that counted the order.",
    since: "0.1.0",
    arity: 3,
    access: Access::Read,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::ORDER],
    docs: Docs {
        details: "Pages that poll an order read this, from any replica.",
        replies: &[
            reply(
                "map",
                "`state` (reserved, confirmed, returned, released or expired), `qty`, `returned`, \
                `deadline_ms`, `for` (the attributes that limits counted, and those that the policy's `remember` \
                named when it was placed).",
            ),
            reply("nil", "The key does not exist, or the pool does not know the order."),
        ],
        errors: &[],
        example: include_str!("examples/order.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let id = args.order()?;
    args.end()?;
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let view = View::of_read(call.keys.pool(handle), context(call));
    let order_ref = view.pool.order_ref(id);
    match (order_ref.row, view.known(order_ref)) {
        (Some(row), Some((order, state))) => order_map::write(call.out, view.pool, row, &order, state),
        _ => call.out.nil(),
    }
    Ok(())
}
