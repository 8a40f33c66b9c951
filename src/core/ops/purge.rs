//! Purging rows past their retention: only in replicated changes, a bounded number at a time.

use crate::core::model::change::Purged;
use crate::core::model::context::CallContext;
use crate::core::model::pool::Pool;
use crate::core::model::time::SLACK_MS;
use crate::core::store::placed_orders::PlacedOrders;
use crate::core::store::tokens::Tokens;

use super::order_row;

/// How many rows of each kind a write purges after its own change: more than it can add.
pub const PER_WRITE: usize = 4;

/// What can be purged now, at most `most` rows of each kind.
#[must_use]
pub fn plan(pool: &Pool, context: &CallContext, most: usize) -> Purged {
    let now_ms = context.clock.now_ms;
    if pool.is_quiet(now_ms) || pool.next_purge_ms().is_none_or(|at| now_ms < at) {
        return Purged::default();
    }
    let over = |time_ms: i64| now_ms >= time_ms.saturating_add(SLACK_MS);
    let finished = |placed: &PlacedOrders| {
        placed.finished().take(most).take_while(|&row| over(placed.orders.at(row).time_ms)).count() as u32
    };
    let tokens = |tokens: &Tokens| tokens.iter().take(most).take_while(|t| over(t.forget_ms)).count() as u32;
    let mut purged = Purged {
        orders: pool.placed.get().map_or(0, finished),
        tokens: pool.tokens.get().map_or(0, tokens),
        ..Purged::default()
    };
    let Some(usage) = pool.usage.get() else { return purged };
    usage.invalidate_next_expiry();
    purged.orphaned = usage.orphaned.len().min(most) as u32;
    for (at, limit) in pool.limits.indexed() {
        if !limit.identity.window.repeats() {
            continue;
        }
        let stale = usage.stale(limit, now_ms.saturating_sub(limit.kept_ms()), most);
        if stale > 0 {
            purged.pruned.push((at, stale as u32));
        }
    }
    purged
}

/// Purges it.
pub fn apply(pool: &mut Pool, purged: &Purged) {
    let salt = pool.salt;
    if let Some(usage) = pool.usage.get() {
        usage.invalidate_next_expiry();
    }
    // Usage first: an order's end may free entries too, and the numbers count what the lists held
    // when it was planned.
    for &(at, n) in &purged.pruned {
        if let Some(limit) = pool.limits.get_mut(at) {
            pool.usage.prune(salt, limit, n as usize);
        }
    }
    if purged.orphaned > 0 {
        pool.usage.purge_orphaned(salt, purged.orphaned as usize);
    }
    for _ in 0..purged.orders {
        let Some(row) = pool.placed.finished.first() else { break };
        order_row::remove(pool, row);
    }
    if purged.tokens > 0 {
        pool.tokens.free(salt, purged.tokens as usize);
    }
}
