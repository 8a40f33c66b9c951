//! RECONCILE: the database is right about what is on the shelf, the pool about what has moved
//! since.

use crate::core::model::change::{Change, PoolChange};
use crate::core::model::pool::{sellable, Pool};
use crate::core::model::quantity::{difference, sum};
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::model::view::View;

/// Up to which change the database has followed the pool: of the last event that it applied, all
/// from one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The epoch.
    pub epoch: u64,
    /// The number.
    pub seq: u64,
    /// `out` after it.
    pub out: i64,
}

/// What RECONCILE finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What on_hand should be.
    pub expected: i64,
    /// By how much that is more than on_hand is.
    pub drift: i64,
}

impl Found {
    /// The change that repairs it; `None` where there is no drift.
    #[must_use]
    pub fn change(&self) -> Option<Change<'static>> {
        (self.drift != 0).then_some(Change::Pool(PoolChange::Reconciled { on_hand: self.expected }))
    }
}

/// Compares the shelf of the database with the pool.
///
/// # Errors
/// [`Refusal::Unknown`]: the pool has never been in this epoch, or has forgotten it. [`Bound`]:
/// nothing is counted here, or a sum would leave its bounds.
pub fn decide(view: &View<'_>, on_hand: i64, after: Option<After>) -> Result<Found, Refusal> {
    let pool = view.pool;
    // What has moved here and has not reached the database.
    let moved = match after {
        None => Some(0),
        Some(after) => difference(pool.out, followed(pool, after).ok_or(Refusal::Unknown)?),
    };
    if pool.unlimited {
        return Err(Refusal::Bound(Bound::Unlimited));
    }
    // The database knows nothing of units that have shifted between buckets. Three numbers within
    // the bounds stay far within an i64.
    let owned = moved.map(|moved| on_hand.saturating_sub(moved).saturating_add(pool.shifted_units()));
    let expected = owned.and_then(|units| sum(units, 0));
    let expected = expected.filter(|&units| {
        sellable(units, pool.safety).is_some_and(|units| difference(units, view.reserved()).is_some())
            && difference(units, pool.on_hand).is_some()
    });
    let expected = expected.ok_or(Refusal::Bound(Bound::Sum))?;
    Ok(Found { expected, drift: expected.saturating_sub(pool.on_hand) })
}

/// `out` as the database has followed it. Where it has followed an epoch further than it goes here,
/// the rest was lost in a failover: counting begins where that epoch ends here, and the lost
/// movements stay in the database.
fn followed(pool: &Pool, after: After) -> Option<i64> {
    let (seq, out) = if after.epoch == pool.epoch {
        (pool.seq, pool.out)
    } else {
        let ended = pool.ended.iter().rev().find(|ended| ended.epoch == after.epoch)?;
        (ended.seq, ended.out)
    };
    Some(if after.seq > seq { out } else { after.out })
}
