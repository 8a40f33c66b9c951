//! TRANSFER: free units go from one pool to another, in one step.

use crate::core::model::change::{Change, PoolChange};
use crate::core::model::order::OrderState;
use crate::core::model::pool::{Pool, SumDeltas};
use crate::core::model::refusal::{Bound, Conflict, Refusal};
use crate::core::model::view::View;
use crate::core::store::tokens::AddToken;

use super::add::{check_tokens, known_token, move_units};

/// The call.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'a> {
    /// The keys of the pool that gives and of the one that takes.
    pub keys: [&'a [u8]; 2],
    /// Units, 1 or more.
    pub qty: i64,
    /// The caller's token.
    pub token: &'a [u8],
}

/// Which of the two pools refuses (0: the one that gives), and why.
pub type RefusedBy = (usize, Refusal);

/// What TRANSFER would do: the first change is of the pool that gives, the second of the one that
/// takes.
///
/// Both pools remember the token. Both have changed in one step, so it is enough that one of them
/// still knows it: the other may have been made anew since.
///
/// # Errors
/// [`Conflict::Token`], [`Refusal::Transferred`], [`Bound::Orders`], [`Bound::Unlimited`],
/// [`Refusal::SoldOut`], [`Bound::Sum`].
pub fn decide<'a>(views: [&View<'_>; 2], call: &Transfer<'a>) -> Result<[Change<'a>; 2], RefusedBy> {
    let Transfer { keys: [from_key, to_key], qty, token } = *call;
    let [from, to] = views;
    let sides = [(from, qty.saturating_neg(), to_key), (to, qty, from_key)];
    let mut done = None;
    for (at, (view, delta, peer)) in sides.into_iter().enumerate() {
        match known_token(view, token) {
            Some(seen) if seen.delta == delta && seen.peer == Some(view.pool.salt.peer(peer)) => {
                done.get_or_insert(at);
            }
            Some(_) => return Err((at, Refusal::Conflict(Conflict::Token))),
            None => {}
        }
    }
    if let Some(at) = done {
        return Err((at, Refusal::Transferred { qty }));
    }
    let [gives, takes] = sides;
    Ok([change(gives, token).map_err(|refusal| (0, refusal))?, change(takes, token).map_err(|refusal| (1, refusal))?])
}

/// The change of one pool.
fn change<'a>((view, delta, peer): (&View<'_>, i64, &'a [u8]), token: &'a [u8]) -> Result<Change<'a>, Refusal> {
    check_tokens(view, token)?;
    let Some(available) = view.available() else { return Err(Refusal::Bound(Bound::Unlimited)) };
    if delta < 0 {
        // What RESERVE could take, as far as it lies on the shelf: a negative safety lets a pool
        // sell what it does not have yet, and there is nothing of that to be moved.
        let free = available.min(view.pool.on_hand.saturating_sub(view.reserved())).max(0);
        if delta.saturating_neg() > free {
            return Err(Refusal::SoldOut { available: free });
        }
    }
    view.check_sums(&SumDeltas { on_hand: delta, out: delta.saturating_neg(), ..SumDeltas::default() })?;
    let forget_ms = view.pool.forget_ms(OrderState::Confirmed, &view.context);
    Ok(Change::Pool(PoolChange::Transferred { delta, token: (token, forget_ms), peer }))
}

/// Moves the units of one pool.
pub fn apply(pool: &mut Pool, delta: i64, (token, forget_ms): (&[u8], i64), peer: &[u8]) {
    move_units(pool, delta);
    let peer = pool.salt.peer(peer);
    pool.tokens.add(pool.salt, AddToken::new(token, delta, forget_ms, Some(peer)));
}
