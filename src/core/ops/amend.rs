//! AMEND: a hold gets a new total.

use crate::core::model::change::{Change, OrderRef, Recount};
use crate::core::model::order::State;
use crate::core::model::pool::{Pool, Sums};
use crate::core::model::refusal::Refusal;
use crate::core::model::view::View;

use super::{record, recount, reserve};

/// What AMEND would do.
///
/// # Errors
/// Why not.
pub fn decide<'a>(view: &View<'_>, order: &'a [u8], qty: i64) -> Result<Change<'a>, Refusal> {
    let order = view.pool.order_ref(order);
    let Some((known, state)) = view.known(order) else { return Err(Refusal::NoOrder) };
    match state {
        State::Reserved => {}
        State::Confirmed => return Err(Refusal::Confirmed),
        State::Expired => return Err(Refusal::Expired),
        State::Released | State::Returned => return Err(Refusal::Closed(state)),
    }
    if qty == known.qty {
        return Err(reserve::exists(&known, state));
    }
    if qty < known.qty {
        return Ok(Change::Amended { order, qty, recount: None });
    }
    if view.pool.suspended {
        return Err(Refusal::Suspended);
    }
    let more = qty.saturating_sub(known.qty);
    if let Some(available) = view.available().filter(|&a| a < more) {
        return Err(Refusal::SoldOut { available: available.max(0) });
    }
    let recount = recount::decide(view, &known, qty, true)?;
    view.pool.fits(&Sums { reserved: more, ..Sums::default() })?;
    Ok(Change::Amended { order, qty, recount: Some(recount) })
}

/// Holds the new total.
pub fn apply(pool: &mut Pool, order: OrderRef<'_>, qty: i64, counted: Option<&Recount>, now_ms: i64) {
    let Some(slot) = order.slot else { return };
    let held = pool.orders.at(slot).qty;
    match counted {
        Some(counted) => {
            record::uncount(pool, slot, held, true, now_ms);
            recount::apply(pool, slot, qty, counted);
        }
        None => record::uncount(pool, slot, held.saturating_sub(qty), false, now_ms),
    }
    pool.reserved = pool.reserved.saturating_sub(held).saturating_add(qty);
    pool.orders.set_qty(slot, qty);
}
