//! SETPOLICY: the whole policy, all or nothing. A limit that stays keeps its age and its usage.

use crate::core::model::change::{Change, OnHand, PoolChange};
use crate::core::model::limit::{Limit, Recent, MAX_LIMIT_ID};
use crate::core::model::number::{LimitId, Number};
use crate::core::model::policy::{Policy, PolicyLimit};
use crate::core::model::pool::{sellable, Pool, Times};
use crate::core::model::quantity::difference;
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::store::timeline::Timeline;

/// What SETPOLICY would do; `None` when nothing differs.
///
/// # Errors
/// [`Bound::Sum`], by the new safety.
pub fn decide(pool: &Pool, policy: Policy) -> Result<Option<Change<'static>>, Refusal> {
    plan(pool, policy).map_err(Refusal::Bound)
}

fn plan(pool: &Pool, policy: Policy) -> Result<Option<Change<'static>>, Bound> {
    if policy == current(pool) {
        return Ok(None);
    }
    let new = policy.limits.len() as u32;
    if pool.next_limit.get().checked_add(new).is_none_or(|next| next > MAX_LIMIT_ID) {
        return Err(Bound::Limits);
    }
    let sellable = sellable(pool.on_hand, policy.safety);
    if !pool.unlimited && sellable.is_none_or(|units| difference(units, pool.reserved).is_none()) {
        return Err(Bound::Sum);
    }
    Ok(Some(Change::Pool(PoolChange::Policy(Box::new(policy)))))
}

/// What SETPOLICY would do to a pool that is created with so much on hand; `None` when nothing
/// differs from the policy of a new pool.
///
/// # Errors
/// [`Bound::Sum`], by the safety.
pub fn decide_new(on_hand: OnHand, policy: Policy) -> Result<Option<Change<'static>>, Bound> {
    let mut pool = Pool::new(0);
    pool.set_on_hand(on_hand);
    plan(&pool, policy)
}

/// Replaces the policy.
pub fn apply(pool: &mut Pool, policy: &Policy, now_ms: i64) {
    pool.times = Times { hold_ms: policy.hold_ms, retain_ms: policy.retain_ms, retain_paid_ms: policy.retain_paid_ms };
    pool.safety = policy.safety;
    pool.alert = policy.alert;
    pool.events.clone_from(&policy.events);
    pool.packed_events = policy.packed_events;
    super::schedule::apply(pool, policy.schedule, now_ms);
    pool.remember.clone_from(&policy.remember);
    let mut old = pool.limits.take(policy.limits.len());
    for wanted in &policy.limits {
        let kept = old.iter().position(|l| l.identity == wanted.identity);
        let limit = match kept {
            Some(at) => {
                let mut limit = old.swap_remove(at);
                limit.set_tz(wanted.tz);
                limit.missing = wanted.missing;
                limit.base = wanted.base;
                limit.overrides.clone_from(&wanted.overrides);
                limit
            }
            None => fresh(pool, wanted, now_ms),
        };
        pool.limits.push(limit);
    }
    super::roll::invalidate(pool);
    // In order of age, so that what they leave has the same order everywhere.
    old.sort_by_key(|l| l.id);
    for limit in old {
        pool.usage.orphan(limit.entries);
    }
}

/// A limit that begins to count now.
pub fn fresh(pool: &mut Pool, wanted: &PolicyLimit, now_ms: i64) -> Limit {
    let id = pool.next_limit;
    let text: Box<str> = wanted.identity.text().into();
    pool.next_limit = LimitId::of(id.get().saturating_add(1));
    Limit {
        id,
        set_ms: now_ms,
        shifted: pool.shifts.as_ref().and_then(|shifts| shifts.quotas_of(&text)),
        text,
        identity: wanted.identity.clone(),
        tz: wanted.tz,
        resolved: (0, 0),
        missing: wanted.missing,
        base: wanted.base,
        overrides: wanted.overrides.clone(),
        entries: Timeline::default(),
        recent: Recent::default(),
    }
}

/// The policy as it is.
#[must_use]
pub fn current(pool: &Pool) -> Policy {
    let limits = pool.limits.iter().map(|l| PolicyLimit {
        identity: l.identity.clone(),
        tz: l.tz,
        missing: l.missing,
        base: l.base,
        overrides: l.overrides.clone(),
    });
    Policy {
        hold_ms: pool.times.hold_ms,
        retain_ms: pool.times.retain_ms,
        retain_paid_ms: pool.times.retain_paid_ms,
        safety: pool.safety,
        alert: pool.alert,
        events: pool.events.clone(),
        packed_events: pool.packed_events,
        schedule: pool.schedule(),
        remember: pool.remember.clone(),
        limits: limits.collect(),
    }
}
