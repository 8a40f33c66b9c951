//! `STOCK.RESERVE key order qty [EX|PX|PXAT t] [PARTIAL] [FOR dim value …]`

use super::args::{is, quantity, set_flag, set_once, Args, Parsed};
use super::commit::{commit_and_purge, view, write_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::journal::Outcome;
use super::reply::{available, ok, refused};
use super::spec::{Access, Arg, Call, KeyPositions, Spec, FOR, HOLD};
use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, OrderChange};
use crate::core::ops::reserve::{decide, Hold, Reserve};

pub const SPEC: Spec = Spec {
    name: "STOCK.RESERVE",
    summary: "Holds units for an order until a deadline, if stock and all purchase limits allow it.",
    complexity: "O(L) where L is the number of limits of the pool.",
    since: "0.1.0",
    arity: -4,
    access: Access::Write,
    fast: true,
    keys: KeyPositions::First,
    inserts: false,
    args: &[
        Arg::KEY,
        Arg::ORDER,
        Arg::integer("qty"),
        HOLD.optional(),
        Arg::word("partial", "PARTIAL").optional(),
        FOR,
    ],
    docs: Docs {
        details: "Stock and limits are checked, the units are taken and the order is remembered in one step. \
            Without `EX`, `PX` or `PXAT` the hold lasts as long as the pool's `hold` or \
            `stock.hold-seconds` says. `PARTIAL` takes the largest quantity, at least 1, that stock and \
            limits allow. `FOR` comes last and takes everything behind it.\n\nSend the same call again \
            when no answer came.",
        replies: &[
            reply("[OK, qty, available, deadline_ms]", "`qty` units are held until `deadline_ms`."),
            docs::NOPOOL,
            docs::EXISTS,
            docs::CLOSED,
            docs::SUSPENDED,
            docs::EARLY,
            docs::ENDED,
            docs::SOLDOUT,
            docs::LIMITED,
        ],
        errors: &[docs::CONFLICT, docs::NODIM, docs::FULL],
        example: include_str!("examples/reserve.txt"),
    },
    run,
};

fn parse<'r, 'a: 'r>(args: &mut Args<'a>, now_ms: i64, attributes: &'r mut Attributes<'a>) -> Parsed<Reserve<'r>> {
    let order = args.order()?;
    let qty = quantity(args.required()?)?;
    let mut hold = None;
    let mut partial = false;
    while let Some(option) = args.take() {
        if let Some(given) = args.hold_option(option, now_ms)? {
            set_once(&mut hold, given)?;
        } else if is(option, "PARTIAL") {
            set_flag(&mut partial)?;
        } else if is(option, "FOR") {
            args.attributes(attributes)?;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok(Reserve { order, qty, hold: hold.unwrap_or(Hold::Default), partial, attributes })
}

fn run<'a>(call: &mut Call<'a>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let key = args.required()?;
    let mut attributes = Attributes::default();
    let request = parse(&mut args, call.env.clock.now_ms, &mut attributes)?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    match decide(&view(call, handle), request) {
        Ok(change) => {
            commit_and_purge(call, handle, &change);
            let Change::Order(_, OrderChange::Reserved { qty, deadline_ms, .. }) = change else { return Ok(()) };
            call.journal.outcome = Some(Outcome::Reserved);
            ok(call.out, 4);
            call.out.int(qty);
            call.out.int(available(call.keys.pool(handle)));
            call.out.int(deadline_ms);
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}
