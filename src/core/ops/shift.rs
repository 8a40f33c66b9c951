//! SHIFT: units, or a quota of a limit, leave for another pool or arrive from one.

use super::allocate::limited;
use crate::core::model::change::{Change, PoolChange};
use crate::core::model::limit::Limit;
use crate::core::model::number::LimitIndex;
use crate::core::model::pool::Pool;
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::model::shifts::{LimitQuota, Shifted, Way};
use crate::core::model::view::View;
use crate::core::model::window::Window;

/// Under which condition something shifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is sent: it must be free here.
    Free,
    /// It is sent, and the peer has it already: it leaves whatever is held or used here.
    Received,
    /// It is received: not before this time, Unix ms.
    Since(i64),
}

impl Condition {
    /// Which total grows.
    #[must_use]
    pub const fn way(self) -> Way {
        match self {
            Self::Free | Self::Received => Way::To,
            Self::Since(_) => Way::From,
        }
    }
}

/// What SHIFT asks for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The other pool.
    pub peer: &'a [u8],
    /// A quota of a limit; `None` = units.
    pub quota: Option<LimitQuota>,
    /// The total from now on, at least 1.
    pub total: i64,
    /// Which one, and under which condition.
    pub condition: Condition,
}

/// What SHIFT would do.
///
/// # Errors
/// [`Bound::NoLimit`], [`Refusal::Shifted`], [`Bound::Unlimited`], [`Refusal::Early`],
/// [`Refusal::SoldOut`], [`Refusal::Limited`], [`Bound::Shifts`], [`Bound::Sum`].
pub fn decide<'a>(view: &View<'_>, request: Request<'a>) -> Result<Change<'a>, Refusal> {
    let pool = view.pool;
    let Request { peer, quota, total, condition } = request;
    let way = condition.way();
    let mut shifted = Shifted { peer, quota, way, total, since_ms: 0 };
    let limit = match &shifted.quota {
        Some(quota) => Some(limit_of(pool, quota).ok_or(Refusal::Bound(Bound::NoLimit))?),
        None => None,
    };
    let before = shifted.reached(pool.shifts());
    if total <= before {
        return Err(Refusal::Shifted { total: before });
    }
    let units = total.saturating_sub(before);
    if limit.is_none() && pool.unlimited {
        return Err(Refusal::Bound(Bound::Unlimited));
    }
    match condition {
        Condition::Since(from_ms) if view.context.clock.now_ms < from_ms => return Err(Refusal::Early { from_ms }),
        Condition::Free => check_free(view, limit.zip(shifted.quota.as_ref()), units)?,
        Condition::Since(_) | Condition::Received => {}
    }
    if way == Way::To {
        shifted.since_ms = since_ms(view, limit.zip(shifted.quota.as_ref()));
    }
    pool.check_shift(&shifted)?;
    Ok(Change::Pool(PoolChange::Shifted(Box::new(shifted))))
}

/// The limit of a quota with its index, where it is one whose `max` can be divided.
fn limit_of<'p>(pool: &'p Pool, quota: &LimitQuota) -> Option<(LimitIndex, &'p Limit)> {
    let divisible = quota.identity.window != Window::Order;
    pool.limits.indexed().find(|(_, limit)| divisible && limit.text == quota.text)
}

/// Only what is not held, and not used, can leave.
fn check_free(view: &View<'_>, quota: Option<((LimitIndex, &Limit), &LimitQuota)>, units: i64) -> Result<(), Refusal> {
    let Some(((at, limit), quota)) = quota else {
        let enough = view.available().is_none_or(|available| available >= units);
        return enough.then_some(()).ok_or(Refusal::SoldOut { available: view.shown_available() });
    };
    let value = quota.value.as_slice();
    let Some(max) = limit.quota(value) else { return Err(Refusal::Bound(Bound::NoLimit)) };
    let (used, window_ms) = view.usage_of(limit, value);
    if max.saturating_sub(used) < units {
        return Err(limited(view, limit, at, value, (used, window_ms), units));
    }
    Ok(())
}

/// Until when what leaves now has counted here. After a step back of the clock a quota is used in a
/// window that lies ahead.
fn since_ms(view: &View<'_>, quota: Option<((LimitIndex, &Limit), &LimitQuota)>) -> i64 {
    let now_ms = view.context.clock.now_ms;
    quota.map_or(now_ms, |((_, limit), quota)| now_ms.max(view.usage_of(limit, quota.value.as_slice()).1))
}

/// Shifts it.
pub fn apply(pool: &mut Pool, shifted: &Shifted<'_>) {
    let lane = shifted.lane();
    let shifts = pool.shifts.get_or_insert_default();
    let before = shifts.get(&lane).unwrap_or_default();
    let mut after = before;
    match shifted.way {
        Way::To => {
            after.sent = shifted.total;
            after.since_ms = after.since_ms.max(shifted.since_ms);
        }
        Way::From => after.received = shifted.total,
    }
    shifts.set(lane, after);
    let units = after.net().saturating_sub(before.net());
    let Some(quota) = &shifted.quota else {
        pool.on_hand = pool.on_hand.saturating_add(units);
        return;
    };
    if let Some(limit) = pool.limits.iter_mut().find(|limit| limit.text == quota.text) {
        limit.shift_quota(&quota.value, units);
    }
}
