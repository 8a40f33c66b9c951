//! Whether an effect fits the state that it meets.

use crate::core::model::change::{Change, OrderChange, OrderRef, PoolChange, Recount};
use crate::core::model::limit::{TupleBuf, MAX_LIMITS};
use crate::core::model::number::LimitId;
use crate::core::model::order::{Order, OrderState};
use crate::core::model::pool::Pool;
use crate::core::model::sale::SalePhase;
use crate::core::model::shifts::{Shifted, Way};

/// Whether a change can have happened in this state. The primary has decided it there; here it is a
/// check against divergence.
pub fn applicable(pool: &Pool, change: &Change<'_>) -> bool {
    match change {
        Change::Order(order, change) => order_applicable(pool, *order, change),
        Change::Pool(change) => pool_applicable(pool, change),
        Change::Credited(credit) => {
            let mut buf = TupleBuf::new();
            credit.limits.iter().all(|&id| {
                let limit = pool.limits.iter().find(|l| l.id == id && l.keeps_usage());
                let tuple = limit.and_then(|l| l.tuple(credit.attributes, &mut buf));
                tuple.is_some_and(|tuple| pool.usage.find(pool.salt.usage(id, tuple), id, tuple).is_some())
            })
        }
        Change::Resolved(windows) => {
            let named = |id: LimitId| pool.limits.iter().any(|l| l.id == id && l.is_resolved());
            windows.iter().all(|&(id, ..)| named(id))
        }
        Change::Purged(purged) => {
            let finished = pool.remembered().saturating_sub(pool.open_holds());
            let orphaned = pool.usage.get().map_or(0, |usage| usage.orphaned.len());
            u64::from(purged.orders) <= finished
                && purged.tokens as usize <= pool.token_count()
                && purged.orphaned as usize <= orphaned
                && purged
                    .pruned
                    .iter()
                    .all(|&(index, n)| pool.limits.get(index).is_some_and(|l| n as usize <= l.entries.len()))
        }
    }
}

fn pool_applicable(pool: &Pool, change: &PoolChange<'_>) -> bool {
    match change {
        PoolChange::Created { .. } => pool.seq == 0 && pool.remembered() == 0,
        PoolChange::Set(_)
        | PoolChange::Suspended
        | PoolChange::Resumed
        | PoolChange::Policy(_)
        | PoolChange::Scheduled(_) => true,
        PoolChange::Added { .. } | PoolChange::Reconciled { .. } => !pool.unlimited,
        PoolChange::Transferred { delta, .. } => !pool.unlimited && *delta != 0,
        PoolChange::LimitSet(set) => {
            let there = pool.limits.iter().any(|l| l.identity == set.identity);
            there || (pool.limits.len() < MAX_LIMITS && set.tz.is_some() && set.missing.is_some())
        }
        PoolChange::LimitRemoved { id, .. } => pool.limits.iter().any(|l| l.id == *id),
        PoolChange::Shifted(shifted) => shift_applicable(pool, shifted),
        PoolChange::Opened => pool.sale.as_ref().is_some_and(|sale| sale.announced == SalePhase::Early),
        PoolChange::Ended => {
            pool.sale.as_ref().is_some_and(|sale| sale.announced == SalePhase::Open && sale.schedule.until_ms.is_some())
        }
    }
}

/// Totals only grow, and what follows from them stays within its bounds.
fn shift_applicable(pool: &Pool, shifted: &Shifted<'_>) -> bool {
    let units = shifted.units(pool.shifts());
    let countable = shifted.quota.is_some() || !pool.unlimited;
    countable && units != 0 && (units > 0) == (shifted.way == Way::From) && pool.check_shift(shifted).is_ok()
}

fn order_applicable(pool: &Pool, order: OrderRef<'_>, change: &OrderChange<'_>) -> bool {
    let record = || order.row.and_then(|row| pool.placed.orders.get(row));
    let held = || record().filter(|o| o.state == OrderState::Reserved);
    // Exactly the limits that counted the order, and are still there, count it anew.
    let counted = |recount: &Recount, o: &Order<'_>| {
        let entries = o.shares.iter().filter_map(|at| pool.usage.entries.get(at));
        let living = entries.filter(|e| pool.limits.iter().any(|l| l.id == e.limit && l.keeps_usage()));
        let ids: Vec<LimitId> = living.map(|e| e.limit).collect();
        ids.len() == recount.len() && recount.iter().all(|(id, _)| ids.contains(id))
    };
    match change {
        OrderChange::Reserved { .. }
        | OrderChange::LatePlaced { .. }
        | OrderChange::Cancelled { .. }
        | OrderChange::UnverifiedReturn { .. } => record().is_none_or(|o| o.state != OrderState::Reserved),
        OrderChange::Amended { qty, recount } => held().is_some_and(|o| match recount {
            Some(recount) => *qty > o.qty && counted(recount, &o),
            None => *qty < o.qty,
        }),
        OrderChange::Parted { qty } => held().is_some_and(|o| *qty < o.qty),
        OrderChange::Split { from, .. } => {
            let source = from.row.and_then(|row| pool.placed.orders.get(row));
            held().is_none() && source.is_some_and(|o| o.state == OrderState::Reserved)
        }
        OrderChange::Extended { deadline_ms } => held().is_some_and(|o| *deadline_ms > o.time_ms),
        OrderChange::Confirmed { qty, .. } => held().is_some_and(|o| *qty <= o.qty),
        OrderChange::Expired { .. } | OrderChange::Replaced { .. } => held().is_some(),
        OrderChange::Late { qty, recount, .. } => {
            record().is_some_and(|o| o.state == OrderState::Expired && *qty <= o.qty && counted(recount, &o))
        }
        OrderChange::Released { .. } => {
            record().is_some_and(|o| matches!(o.state, OrderState::Reserved | OrderState::Expired))
        }
        OrderChange::Returned { content, .. } => record().is_some_and(|o| {
            let left = o.qty.saturating_sub(o.returned());
            o.unverified() || (o.state == OrderState::Confirmed && content.qty <= left)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::change::Purged;

    /// Replicas and the append-only file ask of each effect: a pool without orders stays as small
    /// as it is on the primary.
    #[test]
    fn asking_of_a_purge_makes_no_table() {
        let pool = Pool::new(0);
        assert!(applicable(&pool, &Change::Purged(Purged::default())));
        assert!(!applicable(&pool, &Change::Purged(Purged { tokens: 1, ..Purged::default() })));
        assert_eq!(pool.memory_bytes(), size_of::<Pool>());
    }
}
