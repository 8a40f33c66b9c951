//! SPLIT: some units of a hold become an order of their own.

use crate::core::model::change::{Change, OrderChange, OrderRef};
use crate::core::model::limit::Count;
use crate::core::model::order::{NewOrder, Numbers, Order, OrderState};
use crate::core::model::pool::Pool;
use crate::core::model::refusal::{Conflict, Refusal};
use crate::core::model::usage::EntryState;
use crate::core::model::view::View;

use super::{allocate, order_row, recount, reserve};

/// The call.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a> {
    /// The order that holds the units.
    pub order: &'a [u8],
    /// The order that they go to.
    pub part: &'a [u8],
    /// How many.
    pub qty: i64,
}

/// What SPLIT would do: the hold has less, then the part is held.
///
/// # Errors
/// For a part that is known [`Refusal::Exists`], [`Refusal::Closed`] or a conflict; by the state of
/// the order [`Refusal::NoOrder`], [`Refusal::Confirmed`], [`Refusal::Expired`],
/// [`Refusal::Closed`]; [`Conflict::AllOfHold`],
/// [`crate::core::model::refusal::Bound::Orders`], [`Refusal::Limited`] where orders are counted.
pub fn decide<'a>(view: &View<'_>, call: Split<'a>) -> Result<[Change<'a>; 2], Refusal> {
    let Split { qty, .. } = call;
    let order = view.pool.order_ref(call.order);
    let part = view.pool.order_ref(call.part);
    if let Some((record, state)) = view.known(part) {
        return Err(retry(view, order, &record, state, qty));
    }
    let whole = reserve::held(view, order)?;
    if qty >= whole.qty {
        return Err(Refusal::Conflict(Conflict::AllOfHold));
    }
    allocate::check_capacity(view, part)?;
    check_orders(view, &whole)?;
    let left = whole.qty.saturating_sub(qty);
    Ok([
        Change::Order(order, OrderChange::Parted { qty: left }),
        Change::Order(part, OrderChange::Split { from: order, qty }),
    ])
}

/// The answer where the part is known.
fn retry(view: &View<'_>, order: OrderRef<'_>, part: &Order<'_>, state: OrderState, qty: i64) -> Refusal {
    if matches!(state, OrderState::Released | OrderState::Expired | OrderState::Returned) {
        return Refusal::Closed(state);
    }
    if part.asked != qty {
        return Refusal::Conflict(Conflict::Quantity);
    }
    if part.partial {
        return Refusal::Conflict(Conflict::Partial);
    }
    // Orders that were cancelled, or are known by an unverified return, never had attributes.
    let whole = view.known(order).filter(|(whole, _)| whole.asked > 0 && !whole.unverified());
    if whole.is_some_and(|(whole, _)| whole.fingerprint != part.fingerprint) {
        return Refusal::Conflict(Conflict::Attributes);
    }
    reserve::exists(part, state)
}

/// Whether the limits that count orders, and counted this one in a window that is not over, allow
/// one more.
fn check_orders(view: &View<'_>, whole: &Order<'_>) -> Result<(), Refusal> {
    for (at, limit) in view.pool.limits.indexed() {
        if limit.identity.count != Count::Orders {
            continue;
        }
        let Some((own, entry)) = recount::share_of(view.pool, whole, limit) else { continue };
        let tuple = entry.value;
        let (mut used, mut window_ms) = (0, 0);
        if limit.keeps_usage() {
            let current = view.pool.usage.find_counts(view.pool.salt.usage(limit.id, tuple), limit.id, tuple);
            (used, window_ms) = view.used(limit, current);
            let counts = match limit.identity.window.rolling_since_ms(view.context.clock.now_ms) {
                Some(since_ms) => entry.state == EntryState::Indexed && entry.window_ms >= since_ms,
                None => current.is_some_and(|found| found.row == own) && window_ms == entry.window_ms,
            };
            if !counts {
                continue;
            }
        }
        let refused = || allocate::limited(view, limit, at, tuple, (used, window_ms), limit.amount(1));
        allocate::check_limit(limit, tuple, used, 1).ok_or_else(refused)?;
    }
    Ok(())
}

/// A hold has fewer units. They stay counted where they are: the part takes them over, so what was
/// returned for forgotten orders of the same value is not touched.
pub fn apply_parted(pool: &mut Pool, order: OrderRef<'_>, qty: i64) {
    let Some(row) = order.row else { return };
    let held = pool.placed.orders.at(row).qty;
    pool.reserved = pool.reserved.saturating_sub(held).saturating_add(qty);
    pool.placed.orders.set_qty(row, qty);
}

/// Holds units that have just left another hold: with its deadline and attributes, counted where it
/// is.
pub fn apply(pool: &mut Pool, part: OrderRef<'_>, from: OrderRef<'_>, qty: i64, now_ms: i64) {
    let Some(row) = from.row else { return };
    let shares = order_row::join_shares(pool, row);
    let Some(whole) = pool.placed.orders.get(row) else { return };
    // A copy, since the table of the orders changes.
    let remembered = pool.placed.orders.remembered(row).to_vec();
    let order = NewOrder {
        id: part.id,
        // Placed now: a payment that names a later time cannot mean an order that was forgotten.
        numbers: Numbers { qty, time_ms: whole.time_ms, placed_ms: now_ms, limits_below: whole.limits_below },
        asked: qty,
        fingerprint: whole.fingerprint,
        shares: &shares,
        remembered: &remembered,
        state: OrderState::Reserved,
        partial: false,
        extra: None,
    };
    pool.reserved = pool.reserved.saturating_add(qty);
    order_row::insert(pool, part, &order);
}
