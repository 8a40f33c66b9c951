//! SET: what is on the shelf is corrected; open holds stay.

use crate::core::model::change::{Change, OnHand, PoolChange};
use crate::core::model::pool::{sellable, Pool};
use crate::core::model::quantity::difference;
use crate::core::model::refusal::{Bound, Refusal};

/// A correction is true by definition, unless the sums that follow from it leave their bounds.
///
/// # Errors
/// [`Bound::Sum`].
pub fn decide(pool: &Pool, on_hand: OnHand) -> Result<Change<'static>, Refusal> {
    if let OnHand::Units(units) = on_hand {
        if sellable(units, pool.safety).is_none_or(|units| difference(units, pool.reserved).is_none()) {
            return Err(Refusal::Bound(Bound::Sum));
        }
    }
    Ok(Change::Pool(PoolChange::Set(on_hand)))
}
