//! The return of holds that nobody paid, in order of deadline.

use crate::core::model::change::{Change, OrderChange, OrderRef};
use crate::core::model::context::CallContext;
use crate::core::model::number::OrderRow;
use crate::core::model::order::OrderState;
use crate::core::model::pool::Pool;
use crate::core::model::time::Clock;
use crate::core::store::index::IndexPosition;

use super::order_row;

/// The record of the hold that is to be returned next, if one is due.
#[must_use]
pub fn next_due(pool: &Pool, clock: Clock) -> Option<OrderRow> {
    let deadline_ms = pool.next_deadline_ms()?;
    if !clock.is_due(deadline_ms) {
        return None;
    }
    pool.placed.holds.first()
}

/// Whether this record is a hold whose deadline has passed.
#[must_use]
pub fn is_due(pool: &Pool, row: OrderRow, clock: Clock) -> bool {
    pool.order(row).is_some_and(|o| o.state == OrderState::Reserved && clock.is_due(o.time_ms))
}

/// The return of one hold.
#[must_use]
pub fn change<'a>(pool: &Pool, context: &CallContext, row: OrderRow, id: &'a [u8]) -> Change<'a> {
    let order = OrderRef { id, hash: pool.salt.order(id), row: Some(row), position: IndexPosition::default() };
    Change::Order(order, OrderChange::Expired { forget_ms: pool.forget_ms(OrderState::Expired, context) })
}

/// Returns the units.
pub fn apply(pool: &mut Pool, order: OrderRef<'_>, now_ms: i64, forget_ms: i64) {
    let Some(row) = order.row else { return };
    let qty = order_row::held(pool, row);
    order_row::uncount(pool, row, qty, true, now_ms);
    pool.reserved = pool.reserved.saturating_sub(qty);
    order_row::set_state(pool, row, OrderState::Expired, forget_ms);
}
