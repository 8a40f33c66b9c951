//! SUSPEND and RESUME: stop and restart everything that takes units.

use crate::core::model::change::{Change, PoolChange};
use crate::core::model::pool::Pool;

/// The change, where there is one.
#[must_use]
pub fn decide(pool: &Pool, suspended: bool) -> Option<Change<'static>> {
    let change = if suspended { PoolChange::Suspended } else { PoolChange::Resumed };
    (pool.suspended != suspended).then_some(Change::Pool(change))
}
