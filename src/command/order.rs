//! `STOCK.ORDER key order`

use super::args::Args;
use super::commit::{context, read_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::order::OrderState;
use crate::core::model::view::View;

pub const SPEC: Spec = Spec {
    name: "STOCK.ORDER",
    summary: "Returns the state of an order, and the attributes that limits counted it by.",
    complexity: "O(L) where L is the number of limits that counted the order.",
    since: "0.1.0",
    arity: 3,
    access: Access::Read,
    fast: true,
    keys: KeyPositions::First,
    inserts: false,
    args: &[Arg::KEY, Arg::ORDER],
    docs: Docs {
        details: "Pages that poll an order read this, from any replica.",
        replies: &[
            reply(
                "map",
                "`state` (reserved, confirmed, returned, released or expired), `qty`, `returned`, \
                `deadline_ms`, `for` (the attributes that limits counted).",
            ),
            reply("nil", "The key does not exist, or the pool does not know the order."),
        ],
        errors: &[],
        example: include_str!("examples/order.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let key = args.required()?;
    let id = args.order()?;
    args.end()?;
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let view = View::of_read(call.keys.pool(handle), context(call));
    let Some((order, state)) = view.known(view.pool.order_ref(id)) else {
        call.out.nil();
        return Ok(());
    };
    let attributes = view.pool.counted_attributes(&order);
    let out = &mut *call.out;
    out.map(5);
    out.bulk(b"state");
    out.bulk(state.word().as_bytes());
    for (name, value) in [
        ("qty", order.qty),
        ("returned", order.returned()),
        ("deadline_ms", if state == OrderState::Reserved { order.time_ms } else { 0 }),
    ] {
        out.bulk(name.as_bytes());
        out.int(value);
    }
    out.bulk(b"for");
    out.map(attributes.len());
    for (name, value) in attributes {
        out.bulk(name);
        out.bulk(value);
    }
    Ok(())
}
