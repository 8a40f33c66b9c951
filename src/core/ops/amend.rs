//! AMEND: a hold gets a new total.

use crate::core::model::change::{Change, OrderChange, OrderRef, Recount};
use crate::core::model::order::OrderState;
use crate::core::model::pool::{Pool, SumDeltas};
use crate::core::model::refusal::Refusal;
use crate::core::model::view::View;

use super::{order_row, recount, reserve};

/// What AMEND would do.
///
/// # Errors
/// [`Refusal::NoOrder`], [`Refusal::Confirmed`], [`Refusal::Expired`], [`Refusal::Closed`],
/// [`Refusal::Exists`]; on the way up what [`View::check_open`] says, [`Refusal::SoldOut`],
/// [`Refusal::Limited`], [`crate::core::model::refusal::Bound::Sum`].
pub fn decide<'a>(view: &View<'_>, order: &'a [u8], qty: i64) -> Result<Change<'a>, Refusal> {
    let order = view.pool.order_ref(order);
    let known = reserve::held(view, order)?;
    if qty == known.qty {
        return Err(reserve::exists(&known, OrderState::Reserved));
    }
    if qty < known.qty {
        return Ok(Change::Order(order, OrderChange::Amended { qty, recount: None }));
    }
    view.check_open()?;
    let more = qty.saturating_sub(known.qty);
    if let Some(available) = view.available().filter(|&a| a < more) {
        return Err(Refusal::SoldOut { available: available.max(0) });
    }
    let recount = recount::decide(view, &known, qty, true)?;
    view.pool.check_sums(&SumDeltas { reserved: more, ..SumDeltas::default() })?;
    Ok(Change::Order(order, OrderChange::Amended { qty, recount: Some(recount) }))
}

/// Holds the new total.
pub fn apply(pool: &mut Pool, order: OrderRef<'_>, qty: i64, counted: Option<&Recount>, now_ms: i64) {
    let Some(row) = order.row else { return };
    let held = pool.placed.orders.at(row).qty;
    match counted {
        Some(counted) => {
            order_row::uncount(pool, row, held, true, now_ms);
            recount::apply(pool, row, qty, counted);
        }
        None => order_row::uncount(pool, row, held.saturating_sub(qty), false, now_ms),
    }
    pool.reserved = pool.reserved.saturating_sub(held).saturating_add(qty);
    pool.placed.orders.set_qty(row, qty);
}
