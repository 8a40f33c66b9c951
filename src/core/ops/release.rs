//! RELEASE: a hold is given up. Remembered also when it comes before its order.

use crate::core::model::change::{Change, OrderChange, OrderRef};
use crate::core::model::order::{NewOrder, Numbers, OrderState};
use crate::core::model::pool::Pool;
use crate::core::model::refusal::Refusal;
use crate::core::model::view::View;

use super::{allocate, order_row, reserve};

/// What RELEASE would do. Holds that are due have been returned before, also the named one.
/// [`OrderChange::Cancelled`] is answered as NOORDER.
///
/// # Errors
/// [`Refusal::NoOrder`], [`Refusal::Exists`], [`Refusal::Confirmed`], [`Refusal::Closed`].
pub fn decide<'a>(view: &View<'_>, order: &'a [u8]) -> Result<Change<'a>, Refusal> {
    let order = view.pool.order_ref(order);
    let forget_ms = view.pool.forget_ms(OrderState::Released, &view.context);
    match view.known(order) {
        // Where no more fits, nothing is remembered: giving back must not fail.
        None if allocate::check_capacity(view, order).is_err() => Err(Refusal::NoOrder),
        None => Ok(Change::Order(order, OrderChange::Cancelled { forget_ms })),
        Some((_, OrderState::Reserved | OrderState::Expired)) => {
            Ok(Change::Order(order, OrderChange::Released { forget_ms }))
        }
        Some((known, OrderState::Released)) => Err(reserve::exists(&known, OrderState::Released)),
        Some((_, OrderState::Confirmed)) => Err(Refusal::Confirmed),
        Some((_, OrderState::Returned)) => Err(Refusal::Closed(OrderState::Returned)),
    }
}

/// Returns the units, if the order still holds them.
pub fn apply(pool: &mut Pool, order: OrderRef<'_>, now_ms: i64, forget_ms: i64) {
    let Some(row) = order.row else { return };
    if let Some(qty) = order_row::held_now(pool, row) {
        order_row::uncount(pool, row, qty, true, now_ms);
        pool.reserved = pool.reserved.saturating_sub(qty);
    }
    order_row::set_state(pool, row, OrderState::Released, forget_ms);
}

/// Remembers that this order is not to be taken any more.
pub fn apply_cancelled(pool: &mut Pool, order: OrderRef<'_>, now_ms: i64, forget_ms: i64) {
    let cancelled = NewOrder {
        id: order.id,
        numbers: Numbers { qty: 0, time_ms: forget_ms, placed_ms: now_ms, limits_below: pool.next_limit },
        asked: 0,
        fingerprint: 0,
        shares: &[],
        state: OrderState::Released,
        partial: false,
        extra: None,
        remembered: &[],
    };
    order_row::insert(pool, order, &cancelled);
}
