//! EXTEND: a hold gets a later deadline.

use crate::core::model::change::{Change, OrderRef};
use crate::core::model::order::State;
use crate::core::model::pool::Pool;
use crate::core::model::refusal::Refusal;
use crate::core::model::view::View;

use super::record;
use super::reserve::Hold;

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
/// Why not.
pub fn decide<'a>(view: &View<'_>, order: &'a [u8], hold: Hold) -> Result<Extension<'a>, Refusal> {
    let order = view.pool.order_ref(order);
    let Some((known, state)) = view.known(order) else { return Err(Refusal::NoOrder) };
    match state {
        State::Reserved => {}
        State::Confirmed => return Err(Refusal::Confirmed),
        State::Expired => return Err(Refusal::Expired),
        State::Released | State::Returned => return Err(Refusal::Closed(state)),
    }
    let deadline_ms = hold.deadline_ms(view);
    if deadline_ms <= known.time_ms {
        return Ok(Extension::Unchanged(known.time_ms));
    }
    Ok(Extension::Later(Change::Extended { order, deadline_ms }))
}

/// Moves the deadline.
pub fn apply(pool: &mut Pool, order: OrderRef<'_>, deadline_ms: i64) {
    let Some(slot) = order.slot else { return };
    record::turn(pool, slot, State::Reserved, deadline_ms);
}
