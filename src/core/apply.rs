//! The only way in which a pool changes. On the primary, on replicas and when a log is replayed the
//! same changes run through here, so that the same state follows.

use crate::core::model::change::{Change, Kind, Transitions};
use crate::core::model::hash::Salt;
use crate::core::model::pool::{Pool, Stamp};
use crate::core::ops;

/// Applies a change, and says how it is announced, if it is. Cannot fail.
pub fn apply(pool: &mut Pool, stamp: &Stamp, change: &Change<'_>) -> Option<(Kind, Transitions)> {
    let now_ms = stamp.now_ms;
    let Some(kind) = change.kind() else {
        if let Change::Purged(purged) = change {
            ops::purge::apply(pool, purged);
        }
        return None;
    };
    pool.begin(stamp);
    if let Some(forget_ms) = change.forget_ms() {
        pool.shortest_retain_ms = pool.shortest_retain_ms.min(forget_ms.saturating_sub(now_ms));
    }
    let before = pool.available();
    match change {
        Change::Created { salt, on_hand } => {
            pool.salt = Salt(*salt);
            pool.set_on_hand(*on_hand);
        }
        Change::Set(on_hand) => pool.set_on_hand(*on_hand),
        Change::Added { delta, token } => ops::add::apply(pool, *delta, *token),
        Change::Reconciled { on_hand } => pool.on_hand = *on_hand,
        Change::Suspended => pool.suspended = true,
        Change::Resumed => pool.suspended = false,
        Change::Policy(policy) => ops::policy::apply(pool, policy, now_ms),
        Change::LimitSet(set) => ops::limit::apply_set(pool, set, now_ms),
        Change::LimitRemoved { id, pattern } => ops::limit::apply_removed(pool, *id, pattern.as_ref()),
        Change::Reserved { order, asked, qty, partial, deadline_ms, attributes, shares, given_up: _ } => {
            let fingerprint = pool.salt.attributes(attributes);
            let placed = ops::allocate::Placed {
                order: *order,
                asked: *asked,
                qty: *qty,
                partial: *partial,
                placed_ms: now_ms,
                fingerprint,
                attributes,
                shares,
            };
            ops::reserve::apply(pool, &placed, *deadline_ms);
        }
        Change::LatePlaced { order, qty, placed_ms, attributes, shares, forget_ms } => {
            let fingerprint = pool.salt.attributes(attributes);
            let placed = ops::allocate::Placed {
                order: *order,
                asked: *qty,
                qty: *qty,
                partial: false,
                placed_ms: *placed_ms,
                fingerprint,
                attributes,
                shares,
            };
            ops::confirm::apply_late_placed(pool, &placed, *forget_ms);
        }
        Change::Amended { order, qty, recount } => ops::amend::apply(pool, *order, *qty, recount.as_ref(), now_ms),
        Change::Extended { order, deadline_ms } => ops::extend::apply(pool, *order, *deadline_ms),
        Change::Confirmed { order, qty, forget_ms } => ops::confirm::apply(pool, *order, *qty, now_ms, *forget_ms),
        Change::Late { order, qty, recount, forget_ms } => {
            ops::confirm::apply_late(pool, *order, *qty, recount, *forget_ms);
        }
        Change::Released { order, forget_ms } | Change::Replaced { order, forget_ms } => {
            ops::release::apply(pool, *order, now_ms, *forget_ms)
        }
        Change::Cancelled { order, forget_ms } => ops::release::apply_cancelled(pool, *order, now_ms, *forget_ms),
        Change::Expired { order, forget_ms } => ops::expire::apply(pool, *order, now_ms, *forget_ms),
        Change::Returned { order, token, content, forget_ms } => {
            ops::return_units::apply(pool, *order, *token, *content, now_ms, *forget_ms);
        }
        Change::UnverifiedReturn { order, token, content, forget_ms } => {
            ops::return_units::apply_unverified(pool, *order, token, *content, now_ms, *forget_ms);
        }
        Change::Purged(_) => {}
    }
    Some((
        kind,
        match change {
            // What the two changes of one step do together is said with the second.
            Change::Replaced { .. } => Transitions::default(),
            Change::Reserved { given_up, .. } => pool.transitions(before.map(|units| units.saturating_sub(*given_up))),
            _ => pool.transitions(before),
        },
    ))
}
