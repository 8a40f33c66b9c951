//! RETURN: paid units come back.

use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, OrderChange, OrderRef};
use crate::core::model::ids::Bytes;
use crate::core::model::order::{Extra, NewOrder, Numbers, OrderState, ReturnContent, ReturnToken, MAX_TOKENS};
use crate::core::model::pool::{Pool, SumDeltas};
use crate::core::model::quantity::sum;
use crate::core::model::refusal::{Bound, Conflict, Refusal};
use crate::core::model::view::View;

use super::{allocate, credit, order_row, reserve};

/// Some of the units, under the token of their refund.
#[derive(Clone, Copy, Debug)]
pub struct Refund<'a> {
    /// Units.
    pub qty: i64,
    /// The caller's token, by which a retry is recognised.
    pub token: &'a [u8],
    /// LATE: accept the return of an order that the pool no longer knows.
    pub late: bool,
    /// With LATE: who had bought, so that the limits return the units, too.
    pub attributes: Option<&'a Attributes<'a>>,
}

/// The call.
#[derive(Clone, Copy, Debug)]
pub struct Return<'a> {
    /// The caller's id.
    pub order: &'a [u8],
    /// `None`: all that is left comes back.
    pub refund: Option<Refund<'a>>,
    /// The units stay counted in the limits.
    pub keep_usage: bool,
    /// The goods do not come back.
    pub no_restock: bool,
}

/// What RETURN would do.
///
/// # Errors
/// [`Refusal::NoOrder`], [`Refusal::Reserved`], [`Refusal::Closed`], [`Refusal::Exists`],
/// [`Refusal::Conflict`]; [`Bound::Orders`], [`Bound::Tokens`], [`Bound::Sum`].
pub fn decide<'a>(view: &View<'_>, call: Return<'a>) -> Result<Change<'a>, Refusal> {
    let pool = view.pool;
    let order = pool.order_ref(call.order);
    let forget_ms = pool.forget_ms(OrderState::Returned, &view.context);
    let content = |qty| ReturnContent { qty, keep_usage: call.keep_usage, no_restock: call.no_restock };
    let Some((known, state)) = view.known(order) else {
        let Some(Refund { qty, token, late: true, .. }) = call.refund else { return Err(Refusal::NoOrder) };
        allocate::check_capacity(view, order)?;
        check_return(pool, content(qty))?;
        return Ok(Change::Order(order, OrderChange::UnverifiedReturn { token, content: content(qty), forget_ms }));
    };
    match state {
        OrderState::Reserved => return Err(Refusal::Reserved),
        OrderState::Expired | OrderState::Released => return Err(Refusal::Closed(state)),
        OrderState::Confirmed | OrderState::Returned => {}
    }
    let tokens = known.extra.as_ref().map_or(&[][..], |e| &e.tokens);
    let Some(refund) = call.refund else {
        if state == OrderState::Returned {
            return Err(reserve::exists(&known, state));
        }
        let content = content(known.qty.saturating_sub(known.returned()));
        check_return(pool, content)?;
        return Ok(Change::Order(order, OrderChange::Returned { token: None, content, forget_ms }));
    };
    // The limits know who bought: another buyer's name is the mistake of a caller.
    let other = |attributes: &Attributes<'_>| pool.salt.attributes(attributes) != known.fingerprint;
    if !known.unverified() && refund.attributes.is_some_and(other) {
        return Err(Refusal::Conflict(Conflict::Attributes));
    }
    let content = content(refund.qty);
    if let Some(seen) = tokens.iter().find(|t| t.token.as_slice() == refund.token) {
        return Err(if seen.content == content {
            reserve::exists(&known, state)
        } else {
            Refusal::Conflict(Conflict::Token)
        });
    }
    if known.unverified() {
        if !refund.late {
            return Err(Refusal::Conflict(Conflict::AllReturned));
        }
        if sum(known.qty, refund.qty).is_none() {
            return Err(Refusal::Bound(Bound::Sum));
        }
    } else if state == OrderState::Returned {
        return Err(Refusal::Conflict(Conflict::AllReturned));
    } else if refund.qty > known.qty.saturating_sub(known.returned()) {
        return Err(Refusal::Conflict(Conflict::MoreThanLeft));
    }
    if tokens.len() >= MAX_TOKENS {
        return Err(Refusal::Bound(Bound::Tokens));
    }
    check_return(pool, content)?;
    Ok(Change::Order(order, OrderChange::Returned { token: Some(refund.token), content, forget_ms }))
}

/// What limits get back in addition to the return that [`decide`] has allowed.
#[must_use]
pub fn credit<'a>(view: &View<'_>, call: &Return<'a>) -> Option<Change<'a>> {
    let Refund { qty, attributes, .. } = call.refund?;
    let known = view.known(view.pool.order_ref(call.order));
    if known.is_some_and(|(order, _)| !order.unverified()) {
        return None;
    }
    credit::decide(view, qty, attributes?)
}

fn check_return(pool: &Pool, content: ReturnContent) -> Result<(), Refusal> {
    let back = if content.no_restock { 0 } else { content.qty };
    let less = content.qty.saturating_neg();
    pool.check_sums(&SumDeltas { on_hand: back, sold: less, out: back.saturating_neg(), reserved: 0 })
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
    let Some(row) = order.row else { return };
    unsell(pool, content);
    order_row::with_extra(pool, row, |extra| {
        extra.returned = extra.returned.saturating_add(content.qty);
        if let Some(token) = token {
            extra.tokens.push(ReturnToken { token: Bytes::new(token), content });
        }
    });
    let known = pool.placed.orders.at(row);
    if known.unverified() {
        let qty = known.qty.saturating_add(content.qty);
        pool.placed.orders.set_asked(row, qty, qty);
        pool.sold_before = pool.sold_before.saturating_sub(content.qty);
    }
    let known = pool.placed.orders.at(row);
    let last = known.returned() >= known.qty;
    if !content.keep_usage {
        order_row::uncount(pool, row, content.qty, last, now_ms);
    }
    order_row::set_state(pool, row, if last { OrderState::Returned } else { OrderState::Confirmed }, forget_ms);
}

/// Takes units of a forgotten order back, and remembers that.
pub fn apply_unverified(
    pool: &mut Pool,
    order: OrderRef<'_>,
    token: &[u8],
    content: ReturnContent,
    now_ms: i64,
    forget_ms: i64,
) {
    unsell(pool, content);
    pool.sold_before = pool.sold_before.saturating_sub(content.qty);
    let extra = Extra {
        returned: content.qty,
        tokens: vec![ReturnToken { token: Bytes::new(token), content }],
        unverified: true,
    };
    let unverified = NewOrder {
        id: order.id,
        numbers: Numbers { qty: content.qty, time_ms: forget_ms, placed_ms: now_ms, limits_below: pool.next_limit },
        asked: content.qty,
        fingerprint: pool.salt.attributes(&Attributes::default()),
        shares: &[],
        state: OrderState::Returned,
        partial: false,
        extra: Some(extra),
        remembered: &[],
    };
    order_row::insert(pool, order, &unverified);
}
