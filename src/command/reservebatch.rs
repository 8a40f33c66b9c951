//! `STOCK.RESERVEBATCH key [EX|PX|PXAT t] [DIMS n dim [dim …]] ORDERS m order qty [value …] …`

use super::args::{checked_id, quantity, set_once, Args, Parsed, BAD_ORDER, INVALID_VALUE};
use super::batch::{self, ORDERS};
use super::commit::{commit_and_purge, view};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::reserve::{reply_reserved, reserved};
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec, HOLD};
use crate::core::model::attributes::{Attributes, CommonNames};
use crate::core::ops::reserve::{decide, Hold, Reserve};

pub const SPEC: Spec = Spec {
    name: "STOCK.RESERVEBATCH",
    summary: "Holds units of one pool for up to 128 orders, each judged as by a STOCK.RESERVE of its own.",
    complexity: "O(M * L) where M is the number of orders and L that of the limits of the pool.",
    since: "0.1.0",
    arity: -6,
    access: Access::Write,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY, HOLD.optional(), DIMS, ORDERS, ORDER],
    docs: Docs {
        details: "For who has many orders at hand: a queue of orders, a gateway that collects for a millisecond, an \
            import. The orders are judged one after the other, as by so many `STOCK.RESERVE` in this order; one that \
            is refused stops none of the others. All have one deadline. `DIMS` names the dimensions once, and each \
            order brings a value for each of them; an order that lacks one goes into another call. `ORDERS` comes \
            last and takes everything behind it.\n\nArguments that are wrong in any order (a quantity of 0, an id \
            that is too long) are an error of the whole call, and nothing is held; the error says which order, \
            counted from 1. The log and the replicas have all of a call or nothing.\n\nSend the same call again when \
            no answer came: what was held is `EXISTS`.",
        replies: &[reply(
            "[answer, …]",
            "One for each order, in order: what `STOCK.RESERVE` answers, and its errors (`CONFLICT`, `NODIM`, \
            `ERR`) as elements of the array. Where there is no such key, each is `[NOPOOL, key]`.",
        )],
        errors: &[],
        example: include_str!("examples/reservebatch.txt"),
    },
    run,
};

/// DIMS, how many names follow, and the names.
const DIMS: Arg = Arg::new("dims", ArgKind::Block(DIMS_PARTS)).optional();
const DIMS_PARTS: &[Arg] = &[Arg::integer("numdims").after("DIMS"), Arg::string("dim").multiple()];
/// One order.
const ORDER: Arg = Arg::new("order", ArgKind::Block(ORDER_PARTS)).multiple();
const ORDER_PARTS: &[Arg] = &[Arg::ORDER, Arg::integer("qty"), Arg::string("value").optional().multiple()];

/// One order: its id, how many units, and a value for each dimension.
struct Order<'a> {
    id: &'a [u8],
    qty: i64,
    values: &'a [&'a [u8]],
}

/// The parsed call.
struct Batch<'a> {
    hold: Hold,
    names: CommonNames<'a>,
    orders: Vec<Order<'a>>,
}

fn parse<'a>(args: &mut Args<'a>, now_ms: i64) -> Parsed<Batch<'a>> {
    let (mut hold, mut names) = (None, None);
    loop {
        match args.option(SPEC.args)?.ok_or(CommandError::SYNTAX)? {
            "DIMS" => set_once(&mut names, args.common_names()?)?,
            "ORDERS" => break,
            option => set_once(&mut hold, args.hold(option, now_ms)?)?,
        }
    }
    let names: CommonNames<'a> = names.unwrap_or_default();
    let words = batch::orders(args, names.len().saturating_add(2))?;
    let orders = words.enumerate().map(|(at, words)| order(words).map_err(|e| e.at("order", at.saturating_add(1))));
    Ok(Batch { hold: hold.unwrap_or(Hold::Default), orders: orders.collect::<Parsed<_>>()?, names })
}

fn order<'a>(words: &'a [&'a [u8]]) -> Parsed<Order<'a>> {
    let [id, qty, values @ ..] = words else { return Err(CommandError::SYNTAX) };
    let (id, qty) = (checked_id(id, BAD_ORDER)?, quantity(qty)?);
    for value in values {
        checked_id(value, INVALID_VALUE)?;
    }
    Ok(Order { id, qty, values })
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let Batch { hold, names, orders } = parse(&mut args, call.env.clock.now_ms)?;
    let Some(handle) = batch::write_pool(call, key, orders.len())? else { return Ok(()) };
    call.journal.alike = true;
    let mut answers = Vec::with_capacity(orders.len());
    let mut attributes = Attributes::default();
    for order in &orders {
        attributes.set(&names, order.values);
        let (order, qty) = (order.id, order.qty);
        let request = Reserve { order, qty, hold, partial: false, attributes: &attributes, message: None };
        answers.push(match decide(&view(call, handle), request) {
            // By reference: a change is large, and is not moved.
            Ok(ref change) => {
                commit_and_purge(call, handle, change);
                Ok(reserved(call, handle, Some(change)))
            }
            Err(refusal) => Err(refusal),
        });
    }
    batch::reply(call, key, handle, answers, reply_reserved);
    Ok(())
}
