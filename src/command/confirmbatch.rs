//! `STOCK.CONFIRMBATCH key ORDERS m order [order …]`

use super::args::{checked_id, Args, Parsed, BAD_ORDER};
use super::batch::{self, ORDERS};
use super::commit::commit_all;
use super::confirm::{changes, paid, reply_paid};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::ops::confirm::Confirm;

pub const SPEC: Spec = Spec {
    name: "STOCK.CONFIRMBATCH",
    summary: "Turns up to 128 holds of one pool into sales, each judged as by a STOCK.CONFIRM of its own.",
    complexity: "O(M) where M is the number of orders.",
    since: "0.1.0",
    arity: -5,
    access: Access::WriteAllowOom,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY, ORDERS, Arg::ORDER.multiple()],
    docs: Docs {
        details: "For payments that are reported in batches. The orders are judged one after the other, as by so \
            many `STOCK.CONFIRM` without options; one that is refused stops none of the others. `EXPIRED` and \
            `NOORDER` of one order are for `STOCK.CONFIRM` with `LATE`. The log and the replicas have all of a call \
            or nothing.\n\nSend the same call again when no answer came: what was paid is `EXISTS`.",
        replies: &[reply(
            "[answer, …]",
            "One for each order, in order: what `STOCK.CONFIRM` answers, and its errors as elements of the array. \
            Where there is no such key, each is `[NOPOOL, key]`.",
        )],
        errors: &[],
        example: include_str!("examples/confirmbatch.txt"),
    },
    run,
};

fn parse<'a>(args: &mut Args<'a>) -> Parsed<Vec<&'a [u8]>> {
    if args.option(SPEC.args)?.is_none() {
        return Err(CommandError::SYNTAX);
    }
    let words = batch::orders(args, 1)?.flatten();
    let orders =
        words.enumerate().map(|(at, id)| checked_id(id, BAD_ORDER).map_err(|e| e.at("order", at.saturating_add(1))));
    orders.collect()
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let orders = parse(&mut args)?;
    let Some(handle) = batch::write_pool(call, key, orders.len())? else { return Ok(()) };
    let mut answers = Vec::with_capacity(orders.len());
    for &order in &orders {
        let changes = changes(call, handle, Confirm { order, qty: None, late: None });
        answers.push(changes.map(|changes| {
            commit_all(call, handle, &changes);
            paid(call, handle, changes.last())
        }));
    }
    batch::reply(call, key, handle, answers, reply_paid);
    Ok(())
}
