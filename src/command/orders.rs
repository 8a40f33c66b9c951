//! `STOCK.ORDERS key cursor [STATE s] [DETAILS] [COUNT n] [FOR dim value …]`

use super::args::{bounded, integer, is, set_flag, set_once, Args, Parsed};
use super::commit::{context, read_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::order_map;
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec, FOR};
use crate::core::model::attributes::Attributes;
use crate::core::model::number::{Number, OrderRow};
use crate::core::model::order::{Order, OrderState};
use crate::core::model::view::View;

pub const SPEC: Spec = Spec {
    name: "STOCK.ORDERS",
    summary: "Iterates over the orders of a pool with a cursor: all of them, or those of a state or a buyer.",
    complexity: "O(1) for every call. O(N) for a whole walk, where N is the number of orders.",
    since: "0.1.0",
    arity: -3,
    access: Access::Read,
    fast: false,
    keys: KeyPositions::First,
    args: &[
        Arg::KEY,
        Arg::integer("cursor"),
        Arg::new("state", ArgKind::OneOf(STATES)).after("STATE").optional(),
        Arg::word("details", "DETAILS").optional(),
        Arg::integer("n").after("COUNT").optional(),
        FOR,
    ],
    docs: Docs {
        details: "The cursor is 0 to begin. Each order that stays in the pool is seen at least once, as with \
            HSCAN. `COUNT` is 1 to 10,000. A call looks at no more than ten times as many orders, so a page \
            may be short, or empty before the end.\n\n`FOR` finds the orders of a buyer: those that are known to have \
            all of these attributes, because a limit counted them or the policy's `remember` names them. It comes \
            last and takes everything behind it.",
        replies: &[
            reply("[cursor, [order, state, …]]", "Go on with `cursor` until it is 0."),
            reply("[cursor, [order, map, …]]", "With `DETAILS`: each order's map as `STOCK.ORDER` answers it."),
            docs::NIL,
        ],
        errors: &[],
        example: include_str!("examples/orders.txt"),
    },
    run,
};

const STATES: &[Arg] = &[
    Arg::word("reserved", "RESERVED"),
    Arg::word("confirmed", "CONFIRMED"),
    Arg::word("returned", "RETURNED"),
    Arg::word("released", "RELEASED"),
    Arg::word("expired", "EXPIRED"),
];

/// A call looks at no more rows than COUNT times this, so that a search for a rare state is not
/// slow.
const SCAN_FACTOR: u32 = 10;

fn state(word: &[u8]) -> Parsed<OrderState> {
    let found = OrderState::ALL.into_iter().find(|s| is(word, s.word()));
    found.ok_or(CommandError::line("ERR unknown state: reserved, confirmed, returned, released or expired"))
}

/// The state of an order in an iteration: as a write would find it, so that the states add up to
/// what GET counts.
fn state_in_walk(view: &View<'_>, row: OrderRow, order: &Order<'_>) -> Option<OrderState> {
    let state = view.state(order)?;
    // A hold that is due, but that a write would not expire yet, is still reserved.
    let still_held = state == OrderState::Expired && order.state == OrderState::Reserved && !view.would_return(row);
    Some(if still_held { OrderState::Reserved } else { state })
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let cursor = integer(args.required()?).and_then(|n| u32::try_from(n).ok());
    let cursor = cursor.ok_or(CommandError::line("ERR invalid cursor"))?;
    let (mut only, mut count, mut details) = (None, None, false);
    let mut attributes = Attributes::default();
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "STATE" => set_once(&mut only, state(args.option_value()?)?)?,
            "COUNT" => {
                let outside = CommandError::line("ERR COUNT is out of range: 1 to 10000");
                set_once(&mut count, bounded(args.option_value()?, 1..=10_000, outside)?)?;
            }
            "DETAILS" => set_flag(&mut details)?,
            "FOR" => args.attributes(&mut attributes)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let view = View::of_read(call.keys.pool(handle), context(call));
    let count = usize::try_from(count.unwrap_or(10)).unwrap_or(10);
    let span = view.pool.order_rows_end();
    let mut last = cursor.saturating_add((count as u32).saturating_mul(SCAN_FACTOR)).min(span);
    let mut found: Vec<(OrderRow, Order<'_>, OrderState)> = Vec::new();
    let has_all = |row: OrderRow, order: &Order<'_>| {
        attributes.iter().all(|(name, value)| view.pool.has_attribute(row, order, name, value))
    };
    let mut at = cursor;
    while at < last && found.len() < count {
        let next = view.pool.next_order_row(at);
        if next > at {
            // Skipping empty chunks does not count as looking.
            last = last.saturating_add(next.saturating_sub(at)).min(span);
            at = next;
            continue;
        }
        let row = OrderRow::of(at);
        if let Some(order) = view.pool.order(row) {
            let state = state_in_walk(&view, row, &order).filter(|s| only.is_none_or(|only| only == *s));
            if let Some(state) = state.filter(|_| has_all(row, &order)) {
                found.push((row, order, state));
            }
        }
        at = at.saturating_add(1);
    }
    let next = if at >= span { 0 } else { at };
    call.out.array(2);
    call.out.bulk(next.to_string().as_bytes());
    call.out.array(found.len().saturating_mul(2));
    for (row, order, state) in found {
        call.out.bulk(order.id);
        if details {
            order_map::write(call.out, view.pool, row, &order, state);
        } else {
            call.out.bulk(state.word().as_bytes());
        }
    }
    Ok(())
}
