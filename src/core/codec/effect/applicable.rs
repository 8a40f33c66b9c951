//! Whether an effect fits the state that it meets.

use crate::core::model::change::{Change, OrderRef, Recount};
use crate::core::model::limit::MAX_LIMITS;
use crate::core::model::order::{Order, OrderState};
use crate::core::model::pool::Pool;

/// Whether a change can have happened in this state. The primary has decided it there; here it is a
/// check against divergence.
pub fn applicable(pool: &Pool, change: &Change<'_>) -> bool {
    let record = |order: &OrderRef<'_>| order.row.and_then(|row| pool.orders.get(row));
    let unknown = |order: &OrderRef<'_>| record(order).is_none_or(|o| o.state != OrderState::Reserved);
    let held = |order: &OrderRef<'_>| record(order).filter(|o| o.state == OrderState::Reserved);
    // Exactly the limits that counted the order, and are still there, count it anew.
    let counted = |recount: &Recount, o: &Order<'_>| {
        let entries = o.shares.iter().filter_map(|at| pool.usage.entries.get(at));
        let living = entries.filter(|e| pool.limits.iter().any(|l| l.id == e.limit && l.keeps_usage()));
        let ids: Vec<u32> = living.map(|e| e.limit).collect();
        ids.len() == recount.len() && recount.iter().all(|(id, _)| ids.contains(id))
    };
    match change {
        Change::Created { .. } => pool.seq == 0 && pool.orders.is_empty(),
        Change::Set(_) | Change::Suspended | Change::Resumed | Change::Policy(_) => true,
        Change::Added { .. } | Change::Reconciled { .. } => !pool.unlimited,
        Change::LimitSet(set) => {
            let there = pool.limits.iter().any(|l| l.identity == set.identity);
            there || (pool.limits.len() < MAX_LIMITS && set.offset_min.is_some() && set.missing.is_some())
        }
        Change::LimitRemoved { id, .. } => pool.limits.iter().any(|l| l.id == *id),
        Change::Reserved { order, .. }
        | Change::LatePlaced { order, .. }
        | Change::Cancelled { order, .. }
        | Change::UnverifiedReturn { order, .. } => unknown(order),
        Change::Amended { order, qty, recount } => held(order).is_some_and(|o| match recount {
            Some(recount) => *qty > o.qty && counted(recount, &o),
            None => *qty < o.qty,
        }),
        Change::Extended { order, deadline_ms } => held(order).is_some_and(|o| *deadline_ms > o.time_ms),
        Change::Confirmed { order, qty, .. } => held(order).is_some_and(|o| *qty <= o.qty),
        Change::Expired { order, .. } | Change::Replaced { order, .. } => held(order).is_some(),
        Change::Late { order, qty, recount, .. } => {
            record(order).is_some_and(|o| o.state == OrderState::Expired && *qty <= o.qty && counted(recount, &o))
        }
        Change::Released { order, .. } => {
            record(order).is_some_and(|o| matches!(o.state, OrderState::Reserved | OrderState::Expired))
        }
        Change::Returned { order, content, .. } => record(order).is_some_and(|o| {
            let left = o.qty.saturating_sub(o.returned());
            o.unverified() || (o.state == OrderState::Confirmed && content.qty <= left)
        }),
        Change::Purged(purged) => {
            let finished = pool.orders.len().saturating_sub(pool.open_holds() as usize);
            purged.orders as usize <= finished
                && purged.tokens as usize <= pool.tokens.len()
                && purged.orphaned as usize <= pool.usage.orphaned.len()
                && purged.pruned.iter().all(|&(place, n)| {
                    pool.limits.get(usize::from(place)).is_some_and(|l| n as usize <= l.entries.len())
                })
        }
    }
}
