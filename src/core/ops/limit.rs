//! LIMIT and UNLIMIT: one limit, or one override of it.

use crate::core::model::change::{Change, LimitSet, PoolChange};
use crate::core::model::ids::Bytes;
use crate::core::model::limit::{Cap, Identity, Missing, Overrides, MAX_LIMITS, MAX_LIMIT_ID, MAX_OVERRIDES};
use crate::core::model::number::{LimitId, Number};
use crate::core::model::policy::PolicyLimit;
use crate::core::model::pool::Pool;
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::model::view::View;
use crate::core::model::zone::Tz;

/// What LIMIT would do; `None` when nothing differs. What a new limit leaves open is resolved here.
///
/// # Errors
/// [`Bound::Limits`], [`Bound::Overrides`].
pub fn decide_set(view: &View<'_>, mut set: LimitSet) -> Result<Option<Change<'static>>, Refusal> {
    let pool = view.pool;
    match pool.limits.iter().find(|l| l.identity == set.identity) {
        Some(limit) => {
            let adds = set.pattern.as_ref().is_some_and(|p| limit.overrides.get(p).is_none());
            if adds && limit.overrides.len() >= MAX_OVERRIDES {
                return Err(Refusal::Bound(Bound::Overrides));
            }
            let same_cap = match &set.pattern {
                Some(pattern) => limit.overrides.get(pattern) == Some(set.cap),
                None => limit.base == set.cap,
            };
            let same_tz = set.tz.is_none_or(|tz| tz == limit.tz);
            if same_cap && same_tz && set.missing.is_none_or(|m| m == limit.missing) {
                return Ok(None);
            }
        }
        None if pool.limits.len() >= MAX_LIMITS || pool.next_limit.get() >= MAX_LIMIT_ID => {
            return Err(Refusal::Bound(Bound::Limits))
        }
        None => {
            set.tz.get_or_insert(view.context.defaults.tz);
            set.missing.get_or_insert(Missing::Refuse);
        }
    }
    Ok(Some(Change::Pool(PoolChange::LimitSet(Box::new(set)))))
}

/// Sets it.
pub fn apply_set(pool: &mut Pool, set: &LimitSet, now_ms: i64) {
    if !pool.limits.iter().any(|l| l.identity == set.identity) {
        let wanted = PolicyLimit {
            identity: set.identity.clone(),
            tz: Tz::UTC,
            missing: Missing::Refuse,
            base: Cap::Unlimited,
            overrides: Overrides::default(),
        };
        let limit = super::policy::fresh(pool, &wanted, now_ms);
        pool.limits.push(limit);
    }
    let Some(limit) = pool.limits.iter_mut().find(|l| l.identity == set.identity) else { return };
    limit.set_tz(set.tz.unwrap_or(limit.tz));
    limit.missing = set.missing.unwrap_or(limit.missing);
    match &set.pattern {
        Some(pattern) => {
            limit.overrides.set(pattern.clone(), limit.identity.dims.len(), set.cap);
        }
        None => limit.base = set.cap,
    }
    super::roll::invalidate(pool);
}

/// What UNLIMIT would do; `None` when there is nothing to remove.
#[must_use]
pub fn decide_removed(pool: &Pool, identity: &Identity, pattern: Option<Bytes>) -> Option<Change<'static>> {
    let limit = pool.limits.iter().find(|l| l.identity == *identity)?;
    if pattern.as_ref().is_some_and(|p| limit.overrides.get(p).is_none()) {
        return None;
    }
    Some(Change::Pool(PoolChange::LimitRemoved { id: limit.id, pattern }))
}

/// Removes it.
pub fn apply_removed(pool: &mut Pool, id: LimitId, pattern: Option<&Bytes>) {
    let Some(pattern) = pattern else {
        pool.limits.remove(id).into_iter().for_each(|limit| pool.usage.orphan(limit.entries));
        return;
    };
    if let Some(limit) = pool.limits.iter_mut().find(|l| l.id == id) {
        limit.overrides.remove(pattern, limit.identity.dims.len());
    }
}
