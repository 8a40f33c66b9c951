//! ADD: a restock or a write-off.

use crate::core::model::change::{Change, PoolChange};
use crate::core::model::order::OrderState;
use crate::core::model::pool::{Pool, SumDeltas};
use crate::core::model::refusal::{Bound, Conflict, Refusal};
use crate::core::model::view::View;
use crate::core::store::tokens::AddToken;

/// What ADD would do.
///
/// # Errors
/// [`Refusal::Added`], [`Conflict::Token`], [`Bound::Orders`], [`Bound::Unlimited`],
/// [`Refusal::SoldOut`], [`Bound::Sum`].
pub fn decide<'a>(view: &View<'_>, delta: i64, token: Option<&'a [u8]>) -> Result<Change<'a>, Refusal> {
    let pool = view.pool;
    if let Some(token) = token {
        match known_token(view, token) {
            Some(seen) if seen.delta == delta && seen.peer.is_none() => return Err(Refusal::Added { delta }),
            Some(_) => return Err(Refusal::Conflict(Conflict::Token)),
            None => check_tokens(view, token)?,
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

/// The use of a token that the pool remembers.
pub fn known_token<'v>(view: &View<'v>, token: &[u8]) -> Option<&'v AddToken> {
    let tokens = view.pool.tokens.get()?;
    let seen = tokens.find(view.pool.salt, token).map(|(_, seen)| seen);
    seen.filter(|seen| view.context.clock.now_ms < seen.forget_ms)
}

/// Whether the pool can remember one more token. One that is over is replaced.
///
/// # Errors
/// [`Bound::Orders`].
pub fn check_tokens(view: &View<'_>, token: &[u8]) -> Result<(), Refusal> {
    let full = view.pool.token_count() >= view.context.defaults.max_orders as usize;
    if full && view.pool.tokens.find(view.pool.salt, token).is_none() {
        return Err(Refusal::Bound(Bound::Orders));
    }
    Ok(())
}

/// Adds the units.
pub fn apply(pool: &mut Pool, delta: i64, token: Option<(&[u8], i64)>) {
    move_units(pool, delta);
    if let Some((token, forget_ms)) = token {
        pool.tokens.add(pool.salt, AddToken::new(token, delta, forget_ms, None));
    }
}

/// Puts units on the shelf, or takes them off.
pub fn move_units(pool: &mut Pool, delta: i64) {
    pool.on_hand = pool.on_hand.saturating_add(delta);
    pool.out = pool.out.saturating_sub(delta);
}
