//! Counting an order that the pool knows anew, in the current windows: AMEND up and LATE.

use crate::core::model::change::Recount;
use crate::core::model::ids::Bytes;
use crate::core::model::limit::Limit;
use crate::core::model::number::{OrderRow, UsageRow};
use crate::core::model::order::Order;
use crate::core::model::pool::Pool;
use crate::core::model::quantity::sum;
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::model::usage::{Share, TupleAt, UsageEntry};
use crate::core::model::view::View;

use super::allocate;

/// The share of an order in a limit that counted it.
pub fn share_of<'p>(pool: &'p Pool, order: &Order<'_>, limit: &Limit) -> Option<(UsageRow, UsageEntry<'p>)> {
    if limit.id >= order.limits_below {
        return None;
    }
    let mut shares = order.shares.iter().filter_map(|at| pool.usage.entries.get(at).map(|e| (at, e)));
    shares.find(|(_, e)| e.limit == limit.id)
}

/// Whether the limits that counted the order allow it to have `total` units now. `holds`: it counts
/// with its quantity already, which is subtracted first.
///
/// # Errors
/// [`Refusal::Limited`].
pub fn decide(view: &View<'_>, order: &Order<'_>, total: i64, holds: bool) -> Result<Recount, Refusal> {
    let mut recount = Recount::new();
    let mut fits = true;
    for (at, limit) in view.pool.limits.indexed() {
        let Some((own, entry)) = share_of(view.pool, order, limit) else { continue };
        let tuple = entry.value;
        let more = limit.amount(total);
        if !limit.keeps_usage() {
            let refused = || allocate::limited(view, limit, at, tuple, (0, 0), more);
            allocate::check_limit(limit, tuple, 0, total).ok_or_else(refused)?;
            continue;
        }
        let current = view.pool.usage.find_counts(view.pool.salt.usage(limit.id, tuple), limit.id, tuple);
        let shown = view.used(limit, current);
        let share = holds.then(|| (own, limit.amount(order.qty)));
        let (used, window_ms) = if holds { view.used_without(limit, current, share) } else { shown };
        // A refusal shows what the buyer has used, the order's own share included.
        let more = more.saturating_sub(shown.0.saturating_sub(used));
        allocate::check_limit(limit, tuple, used, total)
            .ok_or_else(|| allocate::limited(view, limit, at, tuple, shown, more))?;
        let credit = current.map_or(0, |found| view.pool.usage.credit(found.row));
        let counted = used.saturating_add(credit);
        fits &= sum(counted, limit.amount(total)).is_some();
        recount.push((limit.id, window_ms));
    }
    // Behind all limits: what one of them refuses is data, and comes first.
    fits.then_some(recount).ok_or(Refusal::Bound(Bound::Sum))
}

/// Counts the order with `qty` units where `decide` said.
pub fn apply(pool: &mut Pool, row: OrderRow, qty: i64, recount: &Recount) {
    let salt = pool.salt;
    for &(id, window_ms) in recount {
        let Some((index, _)) = pool.limits.find(id) else { continue };
        let Some(order) = pool.placed.orders.get(row) else { return };
        let entries = &pool.usage.entries;
        let of_limit = |at: UsageRow| entries.get(at).is_some_and(|e| e.limit == id);
        let Some(nth) = order.shares.iter().position(of_limit) else { continue };
        let Some(old) = order.shares.iter().nth(nth) else { continue };
        let value = Bytes::new(entries.at(old).value);
        pool.usage.release_ref(salt, &mut pool.limits, old);
        let tuple = value.as_slice();
        let hash = salt.usage(id, tuple);
        let (found, position) = pool.usage.find_from(hash, pool.usage.begin(hash).0, id, tuple);
        let entry = found.map(|found| found.row);
        let current = found.is_some_and(|found| found.window_ms == window_ms);
        let tuple_at = TupleAt::Attribute(0);
        let share = Share { limit: index, tuple: tuple_at, window_ms, hash, entry, current, position };
        let Some(limit) = pool.limits.get_mut(index) else { continue };
        let amount = limit.amount(qty);
        let fresh = pool.usage.count(salt, limit, &share, || tuple, amount);
        pool.placed.orders.set_share(row, nth, fresh);
    }
}
