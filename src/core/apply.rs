//! The only way in which a pool changes. On the primary, on replicas and when a log is replayed the
//! same changes run through here, so that the same state follows.

use crate::core::model::change::{Change, Kind, OrderChange, OrderRef, PoolChange, Transitions};
use crate::core::model::hash::Salt;
use crate::core::model::pool::{Pool, Stamp};
use crate::core::model::sale::SalePhase;
use crate::core::ops;

/// Applies a change, and says how it is announced, if it is. Cannot fail.
pub fn apply(pool: &mut Pool, stamp: &Stamp, change: &Change<'_>) -> Option<(Kind, Transitions)> {
    match change {
        Change::Purged(purged) => ops::purge::apply(pool, purged),
        Change::Resolved(windows) => ops::roll::apply(pool, windows),
        Change::Credited(credit) => ops::credit::apply(pool, credit),
        Change::Order(..) | Change::Pool(_) => {}
    }
    let kind = change.kind()?;
    pool.begin(stamp);
    let before = pool.available();
    match change {
        Change::Order(order, change) => apply_order(pool, stamp.now_ms, *order, change),
        Change::Pool(change) => apply_pool(pool, stamp.now_ms, change),
        Change::Purged(_) | Change::Resolved(_) | Change::Credited(_) => {}
    }
    Some((kind, transitions(pool, before, change)))
}

/// The transitions that a change has caused. What two changes of one step do together is said with
/// the second: units that come back and are taken again were never to be had.
fn transitions(pool: &Pool, before: Option<i64>, change: &Change<'_>) -> Transitions {
    match change {
        Change::Order(_, OrderChange::Replaced { .. }) => Transitions::default(),
        Change::Order(_, OrderChange::Reserved { given_up, .. }) => {
            pool.transitions(before.map(|units| units.saturating_sub(*given_up)))
        }
        _ => pool.transitions(before),
    }
}

fn apply_pool(pool: &mut Pool, now_ms: i64, change: &PoolChange<'_>) {
    match change {
        PoolChange::Created { salt, on_hand } => {
            pool.salt = Salt(*salt);
            pool.set_on_hand(*on_hand);
        }
        PoolChange::Set(on_hand) => pool.set_on_hand(*on_hand),
        PoolChange::Added { delta, token } => ops::add::apply(pool, *delta, *token),
        PoolChange::Reconciled { on_hand } => pool.on_hand = *on_hand,
        PoolChange::Suspended => pool.suspended = true,
        PoolChange::Resumed => pool.suspended = false,
        PoolChange::Policy(policy) => ops::policy::apply(pool, policy, now_ms),
        PoolChange::LimitSet(set) => ops::limit::apply_set(pool, set, now_ms),
        PoolChange::LimitRemoved { id, pattern } => ops::limit::apply_removed(pool, *id, pattern.as_ref()),
        PoolChange::Scheduled(schedule) => ops::schedule::apply(pool, *schedule, now_ms),
        PoolChange::Opened => ops::schedule::apply_announced(pool, SalePhase::Open),
        PoolChange::Ended => ops::schedule::apply_announced(pool, SalePhase::Ended),
    }
}

fn apply_order(pool: &mut Pool, now_ms: i64, order: OrderRef<'_>, change: &OrderChange<'_>) {
    if let Some(forget_ms) = change.forget_ms() {
        pool.shortest_retain_ms = pool.shortest_retain_ms.min(forget_ms.saturating_sub(now_ms));
    }
    match change {
        OrderChange::Reserved { placement, deadline_ms, given_up: _ } => {
            ops::reserve::apply(pool, order, placement, *deadline_ms)
        }
        OrderChange::LatePlaced { placement, forget_ms } => {
            ops::confirm::apply_late_placed(pool, order, placement, *forget_ms);
        }
        OrderChange::Amended { qty, recount } => ops::amend::apply(pool, order, *qty, recount.as_ref(), now_ms),
        OrderChange::Extended { deadline_ms } => ops::extend::apply(pool, order, *deadline_ms),
        OrderChange::Confirmed { qty, forget_ms } => ops::confirm::apply(pool, order, *qty, now_ms, *forget_ms),
        OrderChange::Late { qty, recount, forget_ms } => {
            ops::confirm::apply_late(pool, order, *qty, recount, *forget_ms);
        }
        OrderChange::Released { forget_ms } | OrderChange::Replaced { forget_ms } => {
            ops::release::apply(pool, order, now_ms, *forget_ms)
        }
        OrderChange::Cancelled { forget_ms } => ops::release::apply_cancelled(pool, order, now_ms, *forget_ms),
        OrderChange::Expired { forget_ms } => ops::expire::apply(pool, order, now_ms, *forget_ms),
        OrderChange::Returned { token, content, forget_ms } => {
            ops::return_units::apply(pool, order, *token, *content, now_ms, *forget_ms);
        }
        OrderChange::UnverifiedReturn { token, content, forget_ms } => {
            ops::return_units::apply_unverified(pool, order, token, *content, now_ms, *forget_ms);
        }
    }
}
