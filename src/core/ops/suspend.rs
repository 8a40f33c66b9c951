//! SUSPEND and RESUME: stop and restart everything that takes units.

use crate::core::model::change::Change;
use crate::core::model::pool::Pool;

/// The change, where there is one.
#[must_use]
pub fn decide(pool: &Pool, suspended: bool) -> Option<Change<'static>> {
    (pool.suspended != suspended).then_some(if suspended { Change::Suspended } else { Change::Resumed })
}
