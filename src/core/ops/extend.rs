//! EXTEND: a hold gets a later deadline.

use crate::core::model::change::{Change, OrderChange, OrderRef};
use crate::core::model::order::OrderState;
use crate::core::model::pool::Pool;
use crate::core::model::refusal::Refusal;
use crate::core::model::view::View;

use super::reserve::Hold;
use super::{order_row, reserve};

/// What EXTEND would do.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives for one call, on the stack")]
pub enum Extension<'a> {
    /// The deadline moves.
    Later(Change<'a>),
    /// It is as late already; Unix ms.
    Unchanged(i64),
}

/// What EXTEND would do: never a shorter hold.
///
/// # Errors
/// [`Refusal::NoOrder`], [`Refusal::Confirmed`], [`Refusal::Expired`], [`Refusal::Closed`].
pub fn decide<'a>(view: &View<'_>, order: &'a [u8], hold: Hold) -> Result<Extension<'a>, Refusal> {
    let order = view.pool.order_ref(order);
    let known = reserve::held(view, order)?;
    let deadline_ms = hold.deadline_ms(view);
    if deadline_ms <= known.time_ms {
        return Ok(Extension::Unchanged(known.time_ms));
    }
    Ok(Extension::Later(Change::Order(order, OrderChange::Extended { deadline_ms })))
}

/// Moves the deadline.
pub fn apply(pool: &mut Pool, order: OrderRef<'_>, deadline_ms: i64) {
    let Some(row) = order.row else { return };
    order_row::set_state(pool, row, OrderState::Reserved, deadline_ms);
}
