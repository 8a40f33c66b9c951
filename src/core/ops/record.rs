//! The steps that operations on an order share.

use crate::core::model::change::OrderRef;
use crate::core::model::order::{Extra, NewOrder, State};
use crate::core::model::pool::Pool;
use crate::core::store::usage::Place;

/// Puts a new record into the table, the index and the list that its state asks for. Another record of this id, whose order
/// is forgotten, ends.
pub fn insert(pool: &mut Pool, order_ref: OrderRef<'_>, order: &NewOrder<'_>) {
    let slot = store(pool, order);
    pool.order_index.insert(order_ref.hash, slot);
    // Last, since the new order's shares may keep entries alive that the old one's end would free.
    if let Some(old) = order_ref.slot {
        remove(pool, old);
    }
}

/// Puts a new record into the table and the list that its state asks for.
pub fn store(pool: &mut Pool, order: &NewOrder<'_>) -> u32 {
    let slot = pool.orders.insert(order);
    enlist(pool, slot, order.state);
    slot
}

fn enlist(pool: &mut Pool, slot: u32, state: State) {
    match state {
        State::Reserved => pool.holds.add(&mut pool.orders, slot),
        _ => pool.finished.add(&mut pool.orders, slot),
    }
    if let Some(count) = pool.counts.get_mut(state as usize) {
        *count = count.saturating_add(1);
    }
}

fn delist(pool: &mut Pool, slot: u32) {
    let state = pool.orders.at(slot).state;
    match state {
        State::Reserved => pool.holds.remove(&mut pool.orders, slot),
        _ => pool.finished.remove(&mut pool.orders, slot),
    }
    if let Some(count) = pool.counts.get_mut(state as usize) {
        *count = count.saturating_sub(1);
    }
}

/// Moves an order to another state, or to another deadline or time of change in the one that it is in.
pub fn turn(pool: &mut Pool, slot: u32, state: State, time_ms: i64) {
    delist(pool, slot);
    pool.orders.turn(slot, state, time_ms);
    enlist(pool, slot, state);
}

/// Forgets an order and frees its memory.
pub fn remove(pool: &mut Pool, slot: u32) {
    delist(pool, slot);
    let salt = pool.salt;
    let order = pool.orders.at(slot);
    pool.order_index.remove(salt.order(order.id), slot);
    pool.freed_placed_ms = pool.freed_placed_ms.max(order.placed_ms);
    if order.state.is_paid() {
        pool.sold_before = pool.sold_before.saturating_add(order.qty.saturating_sub(order.returned()));
    }
    for entry in order.shares.iter() {
        pool.usage.release_ref(salt, &mut pool.limits, entry);
    }
    pool.orders.remove(slot);
}

/// Gives an order's usage back, as far as its windows are not over: so many units, and where `whole` the order itself.
pub fn uncount(pool: &mut Pool, slot: u32, units: i64, whole: bool, now_ms: i64) {
    let Some(order) = pool.orders.get(slot) else { return };
    for at in order.shares.iter() {
        let Some(entry) = pool.usage.entries.get(at) else { continue };
        if entry.place == Place::Floating {
            continue;
        }
        let id = entry.limit;
        let Some(limit) = pool.limits.iter().find(|l| l.id == id) else { continue };
        if !limit.keeps_usage() || entry.window_ms < limit.window_ms(now_ms) {
            continue;
        }
        let amount = match limit.identity.count {
            crate::core::model::limit::Count::Units => units,
            crate::core::model::limit::Count::Orders if whole => 1,
            crate::core::model::limit::Count::Orders => continue,
        };
        pool.usage.give_back(at, amount);
    }
}

/// Changes what few orders have.
pub fn with_extra(pool: &mut Pool, slot: u32, change: impl FnOnce(&mut Extra)) {
    pool.orders.with_extra(slot, change);
}
