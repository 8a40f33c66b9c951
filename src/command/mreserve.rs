//! `STOCK.MRESERVE order numkeys key [key …] QTY qty [qty …] [EX|PX|PXAT t] [REPLACES old]
//! [FOR dim value …]`

use smallvec::SmallVec;

use super::args::{is, set_once, Args, Parsed, OUTSIDE};
use super::cart::{keys, refuse_pool, sums, write_pools, CartPools, Distinct, Quantities, KEYS, NUMKEYS};
use super::commit::{commit_all, commit_and_purge, view};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::reply::ok;
use super::spec::{Access, Arg, Call, KeyPositions, Spec, FOR, HOLD, REPLACES};
use crate::core::model::attributes::{Attributes, RecentNames};
use crate::core::model::change::{Change, OrderRef};
use crate::core::model::hash::Message;
use crate::core::model::refusal::Refusal;
use crate::core::ops::replace;
use crate::core::ops::reserve::{decide_new, retry, Hold, Reserve};

pub const SPEC: Spec = Spec {
    name: "STOCK.MRESERVE",
    summary: "Holds units in several pools for one order, in all of them or in none.",
    complexity: "O(K * L) where K is the number of pools and L that of their limits.",
    since: "0.1.0",
    arity: -6,
    access: Access::Write,
    fast: false,
    keys: KeyPositions::Counted(2),
    args: &[Arg::ORDER, NUMKEYS, KEYS, Arg::integer("qty").after("QTY").multiple(), HOLD.optional(), REPLACES, FOR],
    docs: Docs {
        details: "The keys stand together behind their number, then come as many quantities. A pool that is \
            named twice counts once, with the sum. All holds have one deadline; without `EX`, `PX` or \
            `PXAT` that of the pool whose default hold is the shortest. The limits of all pools see the \
            same attributes. In a cluster the pools share a hash slot.\n\n`REPLACES` gives up, in the same \
            step, what another order holds in the named pools: see `STOCK.RESERVE`. With it a quantity of 0 names \
            a pool in which the new order takes nothing and only `old` has units. Name every pool of `old`: in \
            the others it keeps its holds.",
        replies: &[
            reply("[OK, deadline_ms]", "Every pool holds its units."),
            refusal::NOPOOL,
            refusal::CLOSED,
            refusal::EXISTS,
            reply("[CONFIRMED, key]", "With `REPLACES`: `old` is paid in this pool. Nothing has changed."),
            reply(
                "[SUSPENDED, key], [EARLY, key, …], [ENDED, key, …], [SOLDOUT, key, …], [LIMITED, key, …]",
                "The first pool that refuses, in the order given. Nothing was taken anywhere.",
            ),
        ],
        errors: &[
            "CONFLICT: as `STOCK.RESERVE`, or some of the pools know the order and others do not. The text \
            says which key, counted from 1.",
            docs::NODIM,
            docs::FULL,
        ],
        example: include_str!("examples/mreserve.txt"),
    },
    run,
};

/// The order, looked up in each pool.
type Orders<'a> = SmallVec<[OrderRef<'a>; 4]>;

/// The parsed call.
struct Cart<'a> {
    order: &'a [u8],
    /// Each key once, with its position.
    keys: Distinct<'a>,
    /// The quantity of each key; 0 with REPLACES only.
    qty: Quantities,
    hold: Hold,
    /// The order whose place it takes.
    old: Option<&'a [u8]>,
    attributes: &'a Attributes<'a>,
}

fn parse<'r, 'a: 'r>(
    args: &mut Args<'a>,
    now_ms: i64,
    recent: &mut RecentNames,
    attributes: &'r mut Attributes<'a>,
) -> Parsed<Cart<'r>> {
    let order = args.order()?;
    let named = keys(args)?;
    if !args.take().is_some_and(|word| is(word, "QTY")) {
        return Err(CommandError::SYNTAX);
    }
    let mut ahead = *args;
    let nothing = ahead.take_n(named.len()).is_some_and(|given| given.contains(&&b"0"[..]));
    let (keys, qty) = sums(args, named, 0)?;
    let (mut hold, mut old) = (None, None);
    while let Some(option) = args.take() {
        if let Some(given) = args.hold_option(option, now_ms)? {
            set_once(&mut hold, given)?;
        } else if is(option, "FOR") {
            args.attributes_like(recent, attributes)?;
        } else if is(option, "REPLACES") {
            set_once(&mut old, args.replaced(order)?)?;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    if nothing && (old.is_none() || qty.iter().all(|&qty| qty == 0)) {
        return Err(OUTSIDE);
    }
    Ok(Cart { order, keys, qty, hold: hold.unwrap_or(Hold::Default), old, attributes })
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let mut attributes = Attributes::default();
    let mut cart = parse(&mut args, call.env.clock.now_ms, &mut call.journal.recent_names, &mut attributes)?;
    let Some(items) = write_pools(call, &cart.keys)? else { return Ok(()) };
    let orders: Orders<'_> = items.iter().map(|item| call.keys.pool(item.handle).order_ref(cart.order)).collect();
    if known(call, &cart, &items, &orders)? {
        return Ok(());
    }
    // One cart, one deadline: that of the call, or the earliest of those that the pools would set.
    let earliest = || {
        let takes = items.iter().zip(&cart.qty).filter(|(_, &qty)| qty > 0);
        takes.map(|(item, _)| cart.hold.deadline_ms(&view(call, item.handle))).min().unwrap_or(0)
    };
    let deadline_ms = cart.hold.called_ms(call.env.clock.now_ms).unwrap_or_else(earliest);
    cart.hold = Hold::Until(deadline_ms);
    let done = match cart.old {
        None => reserve(call, &cart, &items, &orders)?,
        Some(old) => replace_all(call, &cart, &items, &orders, old)?,
    };
    if done {
        call.journal.outcome = Some(Outcome::Reserved);
        ok(call.out, 2);
        call.out.int(deadline_ms);
    }
    Ok(())
}

/// Holds the units in every pool. `false`: one refuses, and the reply has been written.
fn reserve(
    call: &mut Call<'_>,
    cart: &Cart<'_>,
    items: &CartPools<'_>,
    orders: &[OrderRef<'_>],
) -> Result<bool, CommandError> {
    let message = Message::of(cart.attributes);
    let mut changes: SmallVec<[Change<'_>; 4]> = SmallVec::new();
    for ((item, &qty), &order) in items.iter().zip(&cart.qty).zip(orders) {
        let view = view(call, item.handle);
        match decide_new(&view, order, cart.reserve(qty, Some(&message))) {
            Ok(change) => changes.push(change),
            Err(refusal) => return refuse_pool(call, item, &refusal).map(|()| false),
        }
    }
    for (item, change) in items.iter().zip(&changes) {
        commit_and_purge(call, item.handle, change);
    }
    Ok(true)
}

/// As [`reserve`], in the place of another order.
fn replace_all(
    call: &mut Call<'_>,
    cart: &Cart<'_>,
    items: &CartPools<'_>,
    orders: &[OrderRef<'_>],
    old: &[u8],
) -> Result<bool, CommandError> {
    let mut given_up: SmallVec<[replace::Old<'_>; 4]> = SmallVec::new();
    for item in items {
        match replace::find(&view(call, item.handle), old) {
            Ok(old) => given_up.push(old),
            Err(refusal) => return refuse_pool(call, item, &refusal).map(|()| false),
        }
    }
    let message = Message::of(cart.attributes);
    let mut changes: SmallVec<[replace::Changes<'_>; 4]> = SmallVec::new();
    for (((item, &qty), &order), &old) in items.iter().zip(&cart.qty).zip(orders).zip(&given_up) {
        let view = view(call, item.handle);
        if qty == 0 {
            changes.push(replace::given_up(&view, old, false));
            continue;
        }
        match replace::decide(&view, old, order, cart.reserve(qty, Some(&message))) {
            Ok(decided) => changes.push(decided),
            Err(refusal) => return refuse_pool(call, item, &refusal).map(|()| false),
        }
    }
    for (item, changes) in items.iter().zip(&changes).filter(|(_, changes)| !changes.is_empty()) {
        commit_all(call, item.handle, changes);
    }
    Ok(true)
}

impl Cart<'_> {
    /// The call on one of its pools.
    fn reserve<'m>(&'m self, qty: i64, message: Option<&'m Message>) -> Reserve<'m> {
        let Self { order, hold, attributes, .. } = *self;
        Reserve { order, qty, hold, partial: false, attributes, message }
    }
}

/// Whether a pool knows the order. If so, its state decides the call, and the reply has been
/// written.
fn known(
    call: &mut Call<'_>,
    cart: &Cart<'_>,
    items: &CartPools<'_>,
    orders: &[OrderRef<'_>],
) -> Result<bool, CommandError> {
    // As nearly always.
    if orders.iter().all(|order| order.row.is_none()) {
        return Ok(false);
    }
    let mut closed = None;
    let mut other = None;
    let mut unknown = None;
    let mut first = None;
    for ((item, &qty), &order) in items.iter().zip(&cart.qty).zip(orders) {
        let view = view(call, item.handle);
        let refusal = view.known(order).map(|(record, state)| retry(&view, &cart.reserve(qty, None), &record, state));
        match refusal {
            // A pool in which it takes nothing need not know it.
            None if qty == 0 => {}
            None => _ = unknown.get_or_insert(item),
            Some(refusal @ Refusal::Closed(_)) => _ = closed.get_or_insert((item, refusal)),
            Some(refusal @ Refusal::Conflict(_)) => _ = other.get_or_insert((item, refusal)),
            Some(refusal) => _ = first.get_or_insert((item, refusal)),
        }
    }
    if let Some((item, refusal)) = closed.or(other) {
        refuse_pool(call, item, &refusal)?;
        return Ok(true);
    }
    match (first, unknown) {
        (None, _) => Ok(false),
        (Some((item, refusal)), None) => {
            refuse_pool(call, item, &refusal)?;
            Ok(true)
        }
        (Some(_), Some(item)) => {
            let error = CommandError::line("CONFLICT order exists in other pools of the cart but not in this one");
            Err(error.at("key", item.position))
        }
    }
}
