//! ADD: a restock or a write-off.

use crate::core::model::change::{Change, PoolChange};
use crate::core::model::order::OrderState;
use crate::core::model::pool::{Pool, SumDeltas};
use crate::core::model::refusal::{Bound, Conflict, Refusal};
use crate::core::model::view::View;

/// What ADD would do.
///
/// # Errors
/// [`Refusal::Added`], [`Conflict::Token`], [`Bound::Orders`], [`Bound::Unlimited`],
/// [`Refusal::SoldOut`], [`Bound::Sum`].
pub fn decide<'a>(view: &View<'_>, delta: i64, token: Option<&'a [u8]>) -> Result<Change<'a>, Refusal> {
    let pool = view.pool;
    if let Some(token) = token {
        let seen = pool.tokens.find(pool.salt, token).map(|(_, seen)| seen);
        match seen.filter(|t| view.context.clock.now_ms < t.forget_ms) {
            Some(seen) if seen.delta == delta => return Err(Refusal::Added { delta }),
            Some(_) => return Err(Refusal::Conflict(Conflict::Token)),
            None if seen.is_none() && pool.tokens.len() >= view.context.defaults.max_orders as usize => {
                return Err(Refusal::Bound(Bound::Orders));
            }
            None => {}
        }
    }
    if pool.unlimited {
        return Err(Refusal::Bound(Bound::Unlimited));
    }
    if delta < 0 && pool.on_hand.saturating_add(delta) < pool.reserved {
        return Err(Refusal::SoldOut { available: view.shown_available() });
    }
    pool.check_sums(&SumDeltas { on_hand: delta, out: delta.saturating_neg(), ..SumDeltas::default() })?;
    let token = token.map(|token| (token, pool.forget_ms(OrderState::Confirmed, &view.context)));
    Ok(Change::Pool(PoolChange::Added { delta, token }))
}

/// Adds the units.
pub fn apply(pool: &mut Pool, delta: i64, token: Option<(&[u8], i64)>) {
    pool.on_hand = pool.on_hand.saturating_add(delta);
    pool.out = pool.out.saturating_sub(delta);
    if let Some((token, forget_ms)) = token {
        pool.tokens.add(pool.salt, token, delta, forget_ms);
    }
}
