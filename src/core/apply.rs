//! The only way in which a pool changes. On the primary, on replicas and when a log is replayed the
//! same changes run through here, so that the same state follows.

use crate::core::model::change::{Change, Kind, OrderChange, OrderRef, PoolChange, Transitions};
use crate::core::model::hash::Salt;
use crate::core::model::pool::{Pool, Stamp};
use crate::core::model::sale::SalePhase;
use crate::core::model::time::SLACK_MS;
use crate::core::ops;

/// Applies a change, and says how it is announced, if it is. Cannot fail.
pub fn apply(pool: &mut Pool, stamp: &Stamp, change: &Change<'_>) -> Option<(Kind, Transitions)> {
    // A panic below is a bug of this crate: it leaves the pool marked as half changed, and nobody
    // is served from it any more.
    pool.applying = true;
    let quiet_until_ms = pool.quiet_until_ms.replace(0);
    match change {
        Change::Purged(purged) => ops::purge::apply(pool, purged),
        Change::Resolved(windows) => ops::roll::apply(pool, windows),
        Change::Credited(credit) => ops::credit::apply(pool, credit),
        Change::Order(..) | Change::Pool(_) => {}
    }
    let announced = change.kind().map(|kind| {
        pool.begin(stamp);
        let before = pool.available();
        match change {
            Change::Order(order, change) => apply_order(pool, stamp.now_ms, *order, change),
            Change::Pool(change) => apply_pool(pool, stamp.now_ms, change),
            Change::Purged(_) | Change::Resolved(_) | Change::Credited(_) => {}
        }
        (kind, transitions(pool, before, change))
    });
    if let Some(next_ms) = next_wake_ms(change) {
        let usage_ms = pool.next_usage_expiry_ms();
        pool.quiet_until_ms.set(quiet_until_ms.min(next_ms).min(usage_ms));
    }
    pool.applying = false;
    announced
}

/// When what a change has added needs to be looked at, usage apart, Unix ms. `None`: the pool has
/// to be asked anew.
fn next_wake_ms(change: &Change<'_>) -> Option<i64> {
    let Change::Order(_, change) = change else { return None };
    if let OrderChange::Reserved { deadline_ms, .. } = change {
        return Some(*deadline_ms);
    }
    change.forget_ms().map(|forget_ms| forget_ms.saturating_add(SLACK_MS))
}

/// The transitions that a change has caused. What two changes of one step do together is said with
/// the second: units that come back and are taken again were never to be had.
fn transitions(pool: &Pool, before: Option<i64>, change: &Change<'_>) -> Transitions {
    match change {
        Change::Order(_, OrderChange::Replaced { .. } | OrderChange::Parted { .. }) => Transitions::default(),
        Change::Order(_, OrderChange::Reserved { given_up, .. } | OrderChange::Split { qty: given_up, .. }) => {
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
        PoolChange::Transferred { delta, token, peer } => ops::transfer::apply(pool, *delta, *token, peer),
        PoolChange::Reconciled { on_hand } => pool.on_hand = *on_hand,
        PoolChange::Suspended => pool.suspended = true,
        PoolChange::Resumed => pool.suspended = false,
        PoolChange::Policy(policy) => ops::policy::apply(pool, policy, now_ms),
        PoolChange::LimitSet(set) => ops::limit::apply_set(pool, set, now_ms),
        PoolChange::LimitRemoved { id, pattern } => ops::limit::apply_removed(pool, *id, pattern.as_ref()),
        PoolChange::Scheduled(schedule) => ops::schedule::apply(pool, *schedule, now_ms),
        PoolChange::Opened => ops::schedule::apply_announced(pool, SalePhase::Open),
        PoolChange::Ended => ops::schedule::apply_announced(pool, SalePhase::Ended),
        PoolChange::Shifted(shifted) => ops::shift::apply(pool, shifted),
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
        OrderChange::Parted { qty } => ops::split::apply_parted(pool, order, *qty),
        OrderChange::Split { from, qty } => ops::split::apply(pool, order, *from, *qty, now_ms),
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::core::model::attributes::NONE;
    use crate::core::model::change::OnHand;
    use crate::core::model::placement::Placement;

    /// A pool with one hold.
    fn pool(stamp: &Stamp) -> Pool {
        let mut pool = Pool::new(1);
        apply(&mut pool, stamp, &Change::Pool(PoolChange::Created { salt: 1, on_hand: OnHand::Units(9) }));
        let order = pool.order_ref(b"o");
        let placement = Placement { qty: 2, ..Placement::asked(&NONE, 2, false, stamp.now_ms) };
        let held = OrderChange::Reserved { placement, deadline_ms: 5_000, given_up: 0 };
        apply(&mut pool, stamp, &Change::Order(order, held));
        pool
    }

    #[test]
    fn a_panic_while_a_change_is_applied_leaves_a_pool_that_says_so() {
        let stamp = Stamp { now_ms: 1_000, promotion: 1, new_epoch: None };
        let mut pool = pool(&stamp);
        assert!(!pool.is_broken());
        let order = pool.order_ref(b"o");
        // A row that a list and the index know is gone: no call can do that.
        pool.placed.orders.remove(order.row.unwrap());
        let confirmed = Change::Order(order, OrderChange::Confirmed { qty: 2, forget_ms: 9_000 });
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| apply(&mut pool, &stamp, &confirmed)));
        assert!(panic.is_err());
        assert!(pool.is_broken() && pool.copy().is_broken());
    }

    #[test]
    fn a_pool_is_quiet_until_its_first_deadline() {
        let mut stamp = Stamp { now_ms: 1_000, promotion: 1, new_epoch: None };
        let mut pool = pool(&stamp);
        assert!(pool.is_quiet(4_999) && !pool.is_quiet(5_000));
        // An earlier one counts at once.
        let order = pool.order_ref(b"earlier");
        let placement = Placement { qty: 1, ..Placement::asked(&NONE, 1, false, stamp.now_ms) };
        let held = OrderChange::Reserved { placement, deadline_ms: 3_000, given_up: 0 };
        apply(&mut pool, &stamp, &Change::Order(order, held));
        assert!(pool.is_quiet(2_999) && !pool.is_quiet(3_000));
        // So does the end of the retention of a finished order.
        stamp.now_ms = 2_000;
        for (id, forget_ms) in [(&b"earlier"[..], 2_500), (b"o", 2_600)] {
            let order = pool.order_ref(id);
            apply(&mut pool, &stamp, &Change::Order(order, OrderChange::Released { forget_ms }));
        }
        let first_ms = 2_500 + SLACK_MS;
        assert!(pool.is_quiet(first_ms - 1) && !pool.is_quiet(first_ms));
        assert_eq!(pool.next_wake_ms(), Some(first_ms));
    }
}
