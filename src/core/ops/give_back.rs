//! RETURN: paid units come back.

use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, OrderRef};
use crate::core::model::ids::Bytes;
use crate::core::model::order::{Extra, NewOrder, Numbers, ReturnContent, ReturnToken, State, MAX_TOKENS};
use crate::core::model::pool::{Pool, Sums};
use crate::core::model::quantity::sum;
use crate::core::model::refusal::{Bound, Conflict, Refusal};
use crate::core::model::view::View;

use super::{place, record, reserve};

/// A partial return.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Units.
    pub qty: i64,
    /// The caller's token, by which a retry is recognised.
    pub token: &'a [u8],
    /// The caller vouches for an order that is forgotten.
    pub late: bool,
}

/// The call.
#[derive(Clone, Copy, Debug)]
pub struct Return<'a> {
    /// The caller's id.
    pub order: &'a [u8],
    /// Not all that is left.
    pub part: Option<Part<'a>>,
    /// The units stay counted in the limits.
    pub keep_usage: bool,
    /// The goods do not come back.
    pub no_restock: bool,
}

/// What RETURN would do.
///
/// # Errors
/// Why not.
pub fn decide<'a>(view: &View<'_>, call: Return<'a>) -> Result<Change<'a>, Refusal> {
    let pool = view.pool;
    let order = pool.order_ref(call.order);
    let forget_ms = pool.forget_ms(State::Returned, &view.context);
    let content = |qty| ReturnContent { qty, keep_usage: call.keep_usage, no_restock: call.no_restock };
    let Some((known, state)) = view.known(order) else {
        let Some(Part { qty, token, late: true }) = call.part else { return Err(Refusal::NoOrder) };
        place::room(view, order)?;
        return_fits(pool, content(qty))?;
        return Ok(Change::Vouched { order, token, content: content(qty), forget_ms });
    };
    match state {
        State::Reserved => return Err(Refusal::Reserved),
        State::Expired | State::Released => return Err(Refusal::Closed(state)),
        State::Confirmed | State::Returned => {}
    }
    let tokens = known.extra.as_ref().map_or(&[][..], |e| &e.tokens);
    let Some(part) = call.part else {
        if state == State::Returned {
            return Err(reserve::exists(&known, state));
        }
        let content = content(known.qty.saturating_sub(known.returned()));
        return_fits(pool, content)?;
        return Ok(Change::Returned { order, token: None, content, forget_ms });
    };
    let content = content(part.qty);
    if let Some(seen) = tokens.iter().find(|t| t.token.as_slice() == part.token) {
        return Err(if seen.content == content {
            reserve::exists(&known, state)
        } else {
            Refusal::Conflict(Conflict::Token)
        });
    }
    if known.vouched() {
        if !part.late {
            return Err(Refusal::Conflict(Conflict::AllReturned));
        }
        if sum(known.qty, part.qty).is_none() {
            return Err(Refusal::Bound(Bound::Sum));
        }
    } else if state == State::Returned {
        return Err(Refusal::Conflict(Conflict::AllReturned));
    } else if part.qty > known.qty.saturating_sub(known.returned()) {
        return Err(Refusal::Conflict(Conflict::MoreThanLeft));
    }
    if tokens.len() >= MAX_TOKENS {
        return Err(Refusal::Bound(Bound::Tokens));
    }
    return_fits(pool, content)?;
    Ok(Change::Returned { order, token: Some(part.token), content, forget_ms })
}

fn return_fits(pool: &Pool, content: ReturnContent) -> Result<(), Refusal> {
    let back = if content.no_restock { 0 } else { content.qty };
    let less = content.qty.saturating_neg();
    pool.fits(&Sums { on_hand: back, sold: less, out: back.saturating_neg(), reserved: 0 })
}

fn unsell(pool: &mut Pool, content: ReturnContent) {
    pool.sold = pool.sold.saturating_sub(content.qty);
    if content.no_restock {
        return;
    }
    pool.out = pool.out.saturating_sub(content.qty);
    if !pool.unlimited {
        pool.on_hand = pool.on_hand.saturating_add(content.qty);
    }
}

/// Takes the units back.
pub fn apply(
    pool: &mut Pool,
    order: OrderRef<'_>,
    token: Option<&[u8]>,
    content: ReturnContent,
    now_ms: i64,
    forget_ms: i64,
) {
    let Some(slot) = order.slot else { return };
    unsell(pool, content);
    record::with_extra(pool, slot, |extra| {
        extra.returned = extra.returned.saturating_add(content.qty);
        if let Some(token) = token {
            extra.tokens.push(ReturnToken { token: Bytes::new(token), content });
        }
    });
    let known = pool.orders.at(slot);
    if known.vouched() {
        let qty = known.qty.saturating_add(content.qty);
        pool.orders.set_asked(slot, qty, qty);
        pool.sold_before = pool.sold_before.saturating_sub(content.qty);
    }
    let known = pool.orders.at(slot);
    let last = known.returned() >= known.qty;
    if !content.keep_usage {
        record::uncount(pool, slot, content.qty, last, now_ms);
    }
    record::turn(pool, slot, if last { State::Returned } else { State::Confirmed }, forget_ms);
}

/// Takes units of a forgotten order back, and remembers that.
pub fn apply_vouched(
    pool: &mut Pool,
    order: OrderRef<'_>,
    token: &[u8],
    content: ReturnContent,
    now_ms: i64,
    forget_ms: i64,
) {
    unsell(pool, content);
    pool.sold_before = pool.sold_before.saturating_sub(content.qty);
    let extra =
        Extra { returned: content.qty, tokens: vec![ReturnToken { token: Bytes::new(token), content }], vouched: true };
    let vouched = NewOrder {
        id: order.id,
        numbers: Numbers { qty: content.qty, time_ms: forget_ms, placed_ms: now_ms, limits_below: pool.next_limit },
        asked: content.qty,
        fingerprint: pool.salt.attributes(&Attributes::default()),
        shares: &[],
        state: State::Returned,
        partial: false,
        extra: Some(extra),
    };
    record::insert(pool, order, &vouched);
}
