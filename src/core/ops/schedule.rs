//! The sale window of a pool: SCHEDULE, and the announcements when the sale opens and ends.

use crate::core::model::change::{Change, PoolChange};
use crate::core::model::pool::Pool;
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::model::sale::{Sale, SalePhase, Schedule};

/// What SCHEDULE says of one bound: `None` leaves it, `Some(None)` removes it.
pub type NewBound = Option<Option<i64>>;

/// What SCHEDULE would do; `None` when nothing differs.
///
/// # Errors
/// [`Bound::Schedule`].
pub fn decide(pool: &Pool, from_ms: NewBound, until_ms: NewBound) -> Result<Option<Change<'static>>, Refusal> {
    let before = pool.schedule();
    let schedule =
        Schedule { from_ms: from_ms.unwrap_or(before.from_ms), until_ms: until_ms.unwrap_or(before.until_ms) };
    if !schedule.is_valid() {
        return Err(Refusal::Bound(Bound::Schedule));
    }
    Ok((schedule != before).then_some(Change::Pool(PoolChange::Scheduled(schedule))))
}

/// The opening or the end that is to be announced now, if there is one.
#[must_use]
pub fn due(pool: &Pool, now_ms: i64) -> Option<Change<'static>> {
    match pool.sale.as_ref()?.due(now_ms)? {
        SalePhase::Early => None,
        SalePhase::Open => Some(Change::Pool(PoolChange::Opened)),
        SalePhase::Ended => Some(Change::Pool(PoolChange::Ended)),
    }
}

/// Sets the window.
pub fn apply(pool: &mut Pool, schedule: Schedule, now_ms: i64) {
    if schedule != pool.schedule() {
        let before = pool.sale.as_deref().copied().unwrap_or_default();
        store(pool, before.rescheduled(schedule, now_ms));
    }
}

/// Notes what was announced.
pub fn apply_announced(pool: &mut Pool, announced: SalePhase) {
    let schedule = pool.schedule();
    store(pool, Sale { schedule, announced });
}

/// A pool that always sells keeps nothing.
fn store(pool: &mut Pool, sale: Sale) {
    pool.sale = (sale != Sale::default()).then(|| Box::new(sale));
}
