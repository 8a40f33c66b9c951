//! The steps that operations on an order share.

use arrayvec::ArrayVec;

use crate::core::model::change::OrderRef;
use crate::core::model::limit::{Count, MAX_LIMITS};
use crate::core::model::number::{Number, OrderRow, UsageRow};
use crate::core::model::order::{Extra, NewOrder, OrderState};
use crate::core::model::pool::Pool;
use crate::core::model::usage::EntryState;
use crate::core::store::placed_orders::PlacedOrders;
use crate::core::store::timeline::Timeline;

/// Puts a new record into the table, the index and the list that its state asks for. Another record
/// of this id, whose order is forgotten, ends.
pub fn insert(pool: &mut Pool, order_ref: OrderRef<'_>, order: &NewOrder<'_>) {
    let row = store(pool, order);
    pool.placed.index.insert_at(order_ref.hash, row.get(), order_ref.position);
    // Last, since the new order's shares may keep entries alive that the old one's end would free.
    if let Some(old) = order_ref.row {
        remove(pool, old);
    }
}

/// Puts a new record into the table and the list that its state asks for.
pub fn store(pool: &mut Pool, order: &NewOrder<'_>) -> OrderRow {
    let time_ms = order.numbers.time_ms;
    let PlacedOrders { orders, holds, finished, .. } = &mut *pool.placed;
    let list = list_of(holds, finished, order.state);
    let row = orders.insert(order, list.links_at(time_ms));
    list.add_composed(orders, row, time_ms);
    count(pool, order.state);
    row
}

/// The list that orders of a state are in: holds by deadline, others by the end of retention.
#[inline(always)]
fn list_of<'p>(
    holds: &'p mut Timeline<OrderRow>,
    finished: &'p mut Timeline<OrderRow>,
    state: OrderState,
) -> &'p mut Timeline<OrderRow> {
    match state {
        OrderState::Reserved => holds,
        OrderState::Confirmed | OrderState::Returned | OrderState::Released | OrderState::Expired => finished,
    }
}

fn count(pool: &mut Pool, state: OrderState) {
    if let Some(count) = pool.counts.get_mut(state as usize) {
        *count = count.saturating_add(1);
    }
}

fn delist(pool: &mut Pool, row: OrderRow) {
    let PlacedOrders { orders, holds, finished, .. } = &mut *pool.placed;
    let (state, time_ms) = orders.listed_at(row);
    list_of(holds, finished, state).remove_at(orders, row, time_ms);
    if let Some(count) = pool.counts.get_mut(state as usize) {
        *count = count.saturating_sub(1);
    }
}

/// Moves an order to another state, or to another deadline or time of change in the one that it is
/// in.
pub fn set_state(pool: &mut Pool, row: OrderRow, state: OrderState, time_ms: i64) {
    delist(pool, row);
    let PlacedOrders { orders, holds, finished, .. } = &mut *pool.placed;
    let list = list_of(holds, finished, state);
    orders.set_state(row, state, time_ms, list.links_at(time_ms));
    list.add_composed(orders, row, time_ms);
    count(pool, state);
}

/// The units of a hold.
#[must_use]
pub fn held(pool: &Pool, row: OrderRow) -> i64 {
    pool.placed.orders.hold_at(row).map_or_else(|| pool.placed.orders.at(row).qty, |(_, qty)| qty)
}

/// The units of an order that may hold some. `None`: it is no hold.
#[must_use]
pub fn held_now(pool: &Pool, row: OrderRow) -> Option<i64> {
    if let Some((_, qty)) = pool.placed.orders.hold_at(row) {
        return Some(qty);
    }
    let order = pool.placed.orders.get(row)?;
    (order.state == OrderState::Reserved).then_some(order.qty)
}

/// Forgets an order and frees its memory.
pub fn remove(pool: &mut Pool, row: OrderRow) {
    delist(pool, row);
    let salt = pool.salt;
    let PlacedOrders { orders, index, .. } = &mut *pool.placed;
    let order = orders.at(row);
    index.remove(salt.order(order.id), row.get());
    pool.purged_placed_ms = pool.purged_placed_ms.max(order.placed_ms);
    if order.state.is_paid() {
        pool.sold_before = pool.sold_before.saturating_add(order.qty.saturating_sub(order.returned()));
    }
    for entry in order.shares.iter() {
        pool.usage.release_ref(salt, &mut pool.limits, entry);
    }
    orders.remove(row);
}

/// Takes so many units of an order off its usage, in windows that are not over; with `whole` the
/// order itself, too, where orders are counted.
pub fn uncount(pool: &mut Pool, row: OrderRow, units: i64, whole: bool, now_ms: i64) {
    let Some(order) = pool.placed.orders.get(row) else { return };
    for at in order.shares.iter() {
        let Some((id, window_ms, state)) = pool.usage.entries.window_of(at) else { continue };
        if state == EntryState::Detached {
            continue;
        }
        let Some(limit) = pool.limits.iter().find(|l| l.id == id) else { continue };
        if !limit.keeps_usage() || window_ms < limit.counted_since_ms(now_ms) {
            continue;
        }
        let amount = match limit.identity.count {
            Count::Units => units,
            Count::Orders if whole => 1,
            Count::Orders => continue,
        };
        pool.usage.return_units(at, amount);
    }
}

/// Makes another order, which takes over some units of this one, count where they are counted;
/// where orders are counted, it is one more. Returns the shares of the other order.
pub fn join_shares(pool: &mut Pool, row: OrderRow) -> ArrayVec<UsageRow, MAX_LIMITS> {
    let mut shares = ArrayVec::new();
    let Some(order) = pool.placed.orders.get(row) else { return shares };
    for at in order.shares.iter().take(MAX_LIMITS) {
        let Some(entry) = pool.usage.entries.get(at) else { continue };
        let limit = pool.limits.iter().find(|l| l.id == entry.limit && l.keeps_usage());
        let orders = limit.is_some_and(|limit| limit.identity.count == Count::Orders);
        pool.usage.join(at, i64::from(orders));
        shares.push(at);
    }
    shares
}

/// Changes the rare fields of an order.
pub fn with_extra(pool: &mut Pool, row: OrderRow, change: impl FnOnce(&mut Extra)) {
    pool.placed.orders.with_extra(row, change);
}
