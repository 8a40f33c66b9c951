//! REPLACES: a new order takes the place of an older one, in one step.

use smallvec::SmallVec;

use crate::core::model::change::{Change, OrderChange, OrderRef};
use crate::core::model::order::OrderState;
use crate::core::model::refusal::Refusal;
use crate::core::model::view::View;

use super::expire;
use super::order_row;
use super::reserve::{self, Reserve};

/// The changes of one pool, in order.
pub type Changes<'a> = SmallVec<[Change<'a>; 3]>;

/// An order whose place another one takes.
#[derive(Clone, Copy, Debug)]
pub struct Old<'a> {
    order: OrderRef<'a>,
    /// Where it stands; `None`: it holds nothing, and nothing becomes of it.
    state: Option<OrderState>,
}

/// Looks the old order up.
///
/// # Errors
/// [`Refusal::Confirmed`]: it is paid.
pub fn find<'a>(view: &View<'_>, old: &'a [u8]) -> Result<Old<'a>, Refusal> {
    let order = view.pool.order_ref(old);
    let state = view.known_state(order);
    match state {
        Some(OrderState::Confirmed) => Err(Refusal::Confirmed),
        Some(OrderState::Released | OrderState::Returned) => Ok(Old { order, state: None }),
        Some(OrderState::Reserved | OrderState::Expired) | None => Ok(Old { order, state }),
    }
}

/// What RESERVE of an order that is not known would do in the place of the old one: as if that had
/// been released before.
///
/// # Errors
/// As [`reserve::decide_new`].
pub fn decide<'a>(
    view: &View<'_>,
    old: Old<'a>,
    order: OrderRef<'a>,
    call: Reserve<'a>,
) -> Result<Changes<'a>, Refusal> {
    let row = old.order.row.filter(|_| old.state.is_some());
    let held = row.and_then(|row| Some((row, order_row::held_now(view.pool, row)?)));
    let Some((row, qty)) = held else {
        let change = reserve::decide_new(view, order, call)?;
        let mut changes = given_up(view, old, false);
        changes.push(change);
        return Ok(changes);
    };
    let vacated = View::without_hold(view.pool, view.context, row, qty);
    let mut change = reserve::decide_new(&vacated, order, call)?;
    if let (Change::Order(_, OrderChange::Reserved { given_up, .. }), Some(OrderState::Reserved)) =
        (&mut change, old.state)
    {
        *given_up = qty;
    }
    let mut changes = given_up(view, old, true);
    changes.push(change);
    Ok(changes)
}

/// What becomes of the old order. `taken_again`: a new one takes units behind it in the same step.
///
/// A hold that is due, but was not among those that expired before the call, expires first.
#[must_use]
pub fn given_up<'a>(view: &View<'_>, old: Old<'a>, taken_again: bool) -> Changes<'a> {
    let Old { order, state } = old;
    let mut changes = Changes::new();
    let forget_ms = view.pool.forget_ms(OrderState::Released, &view.context);
    match (state, order.row) {
        (Some(OrderState::Reserved), _) if taken_again => {
            changes.push(Change::Order(order, OrderChange::Replaced { forget_ms }))
        }
        (Some(OrderState::Expired), Some(row)) => {
            if expire::is_due(view.pool, row, view.context.clock) {
                changes.push(expire::change(view.pool, &view.context, row, order.id));
            }
            changes.push(Change::Order(order, OrderChange::Released { forget_ms }));
        }
        (Some(_), _) => changes.push(Change::Order(order, OrderChange::Released { forget_ms })),
        (None, _) => {}
    }
    changes
}
