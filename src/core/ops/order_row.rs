//! The steps that operations on an order share.

use arrayvec::ArrayVec;

use crate::core::model::change::OrderRef;
use crate::core::model::limit::{Count, Limit, MAX_LIMITS};
use crate::core::model::order::{Extra, NewOrder, OrderState};
use crate::core::model::pool::Pool;
use crate::core::model::usage::EntryState;

/// Puts a new record into the table, the index and the list that its state asks for. Another record
/// of this id, whose order is forgotten, ends.
pub fn insert(pool: &mut Pool, order_ref: OrderRef<'_>, order: &NewOrder<'_>) {
    let row = store(pool, order);
    pool.order_index.insert_at(order_ref.hash, row, order_ref.position);
    // Last, since the new order's shares may keep entries alive that the old one's end would free.
    if let Some(old) = order_ref.row {
        remove(pool, old);
    }
}

/// Puts a new record into the table and the list that its state asks for.
pub fn store(pool: &mut Pool, order: &NewOrder<'_>) -> u32 {
    let time_ms = order.numbers.time_ms;
    let list = match order.state {
        OrderState::Reserved => &mut pool.holds,
        _ => &mut pool.finished,
    };
    let row = pool.orders.insert(order, list.links_at(time_ms));
    list.add_composed(&mut pool.orders, row, time_ms);
    count(pool, order.state);
    row
}

fn count(pool: &mut Pool, state: OrderState) {
    if let Some(count) = pool.counts.get_mut(state as usize) {
        *count = count.saturating_add(1);
    }
}

fn delist(pool: &mut Pool, row: u32) {
    let (state, time_ms) = pool.orders.listed_at(row);
    match state {
        OrderState::Reserved => pool.holds.remove_at(&mut pool.orders, row, time_ms),
        _ => pool.finished.remove_at(&mut pool.orders, row, time_ms),
    }
    if let Some(count) = pool.counts.get_mut(state as usize) {
        *count = count.saturating_sub(1);
    }
}

/// Moves an order to another state, or to another deadline or time of change in the one that it is
/// in.
pub fn set_state(pool: &mut Pool, row: u32, state: OrderState, time_ms: i64) {
    delist(pool, row);
    let list = match state {
        OrderState::Reserved => &mut pool.holds,
        _ => &mut pool.finished,
    };
    pool.orders.set_state(row, state, time_ms, list.links_at(time_ms));
    list.add_composed(&mut pool.orders, row, time_ms);
    count(pool, state);
}

/// Forgets an order and frees its memory.
pub fn remove(pool: &mut Pool, row: u32) {
    delist(pool, row);
    let salt = pool.salt;
    let order = pool.orders.at(row);
    pool.order_index.remove(salt.order(order.id), row);
    pool.purged_placed_ms = pool.purged_placed_ms.max(order.placed_ms);
    if order.state.is_paid() {
        pool.sold_before = pool.sold_before.saturating_add(order.qty.saturating_sub(order.returned()));
    }
    for entry in order.shares.iter() {
        pool.usage.release_ref(salt, &mut pool.limits, entry);
    }
    pool.orders.remove(row);
}

/// Gives an order's usage back, as far as its windows are not over: so many units, and where
/// `whole` the order itself.
pub fn uncount(pool: &mut Pool, row: u32, units: i64, whole: bool, now_ms: i64) {
    let Some(order) = pool.orders.get(row) else { return };
    for at in order.shares.iter() {
        let Some(entry) = pool.usage.entries.get(at) else { continue };
        if entry.state == EntryState::Detached {
            continue;
        }
        let id = entry.limit;
        let Some(limit) = pool.limits.iter().find(|l| l.id == id) else { continue };
        if !limit.keeps_usage() || entry.window_ms < limit.counted_since_ms(now_ms) {
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

/// Counts some units of an order, which [`uncount`] has just taken off, for another order where the
/// first one is counted; where orders are counted, one more. The shares of the other order.
pub fn join_shares(pool: &mut Pool, row: u32, units: i64, now_ms: i64) -> ArrayVec<u32, MAX_LIMITS> {
    let mut shares = ArrayVec::new();
    let Some(order) = pool.orders.get(row) else { return shares };
    for at in order.shares.iter().take(MAX_LIMITS) {
        let Some(entry) = pool.usage.entries.get(at) else { continue };
        let limit = pool.limits.iter().find(|l| l.id == entry.limit && l.keeps_usage());
        let counted = |limit: &Limit| entry.window_ms >= limit.counted_since_ms(now_ms);
        let counts = entry.state == EntryState::Indexed && limit.is_some_and(counted);
        let amount = match limit {
            Some(limit) if limit.identity.count == Count::Orders => 1,
            Some(_) if counts => units,
            _ => 0,
        };
        pool.usage.join(at, amount);
        shares.push(at);
    }
    shares
}

/// Changes what few orders have.
pub fn with_extra(pool: &mut Pool, row: u32, change: impl FnOnce(&mut Extra)) {
    pool.orders.with_extra(row, change);
}
