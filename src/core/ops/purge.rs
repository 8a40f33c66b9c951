//! Purging rows past their retention: only in replicated changes, a bounded number at a time.

use crate::core::model::change::Purged;
use crate::core::model::context::CallContext;
use crate::core::model::pool::Pool;
use crate::core::model::time::SLACK_MS;

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
    pool.usage.invalidate_next_expiry();
    let over = |time_ms: i64| now_ms >= time_ms.saturating_add(SLACK_MS);
    let finished = pool.finished.iter(&pool.orders).take(most);
    let mut purged = Purged {
        orders: finished.take_while(|&row| over(pool.orders.at(row).time_ms)).count() as u32,
        tokens: pool.tokens.iter().take(most).take_while(|t| over(t.forget_ms)).count() as u32,
        orphaned: pool.usage.orphaned.len().min(most) as u32,
        ..Purged::default()
    };
    for (at, limit) in pool.limits.indexed() {
        if !limit.identity.window.repeats() {
            continue;
        }
        let stale = pool.usage.stale(limit, now_ms.saturating_sub(limit.kept_ms()), most);
        if stale > 0 {
            purged.pruned.push((at, stale as u32));
        }
    }
    purged
}

/// Purges it.
pub fn apply(pool: &mut Pool, purged: &Purged) {
    let salt = pool.salt;
    pool.usage.invalidate_next_expiry();
    // Usage first: an order's end may free entries too, and the numbers count what the lists held
    // when it was planned.
    for &(at, n) in &purged.pruned {
        if let Some(limit) = pool.limits.get_mut(at) {
            pool.usage.prune(salt, limit, n as usize);
        }
    }
    pool.usage.purge_orphaned(salt, purged.orphaned as usize);
    for _ in 0..purged.orders {
        let Some(row) = pool.finished.first() else { break };
        order_row::remove(pool, row);
    }
    pool.tokens.free(salt, purged.tokens as usize);
}
