//! CONFIRM: a hold is paid. With LATE also one that has expired, or one that the pool has lost.

use crate::core::model::attributes::{Attributes, NONE};
use crate::core::model::change::{Change, OrderChange, OrderRef, Recount};
use crate::core::model::order::{Order, OrderState};
use crate::core::model::placement::Placement;
use crate::core::model::pool::{Pool, SumDeltas};
use crate::core::model::refusal::{Conflict, Refusal};
use crate::core::model::time::SLACK_MS;
use crate::core::model::view::View;

use super::{allocate, order_row, recount, reserve};

/// The call.
#[derive(Clone, Debug)]
pub struct Confirm<'a> {
    /// The caller's id.
    pub order: &'a [u8],
    /// Units to sell, if not all: the rest is returned to stock.
    pub qty: Option<i64>,
    /// The payment is to be honoured even when the hold is over.
    pub late: Option<Late<'a>>,
}

/// What LATE says of the order.
#[derive(Clone, Debug, Default)]
pub struct Late<'a> {
    /// When it was placed, Unix ms: the caller's word on an order that the pool does not know.
    pub since_ms: Option<i64>,
    /// Who buys.
    pub attributes: Option<&'a Attributes<'a>>,
}

/// What CONFIRM would do. Holds that are due have been returned before, also the named one.
///
/// # Errors
/// By the state of the order [`Refusal::NoOrder`], [`Refusal::Expired`], [`Refusal::Closed`],
/// [`Refusal::Exists`], [`Refusal::Conflict`]. Where units are taken (LATE) what
/// [`View::check_open_late`] says, [`Refusal::NoDim`], [`Refusal::SoldOut`], [`Refusal::Limited`],
/// [`Bound::Orders`]. [`Bound::Sum`].
pub fn decide<'a>(view: &View<'_>, call: Confirm<'a>) -> Result<Change<'a>, Refusal> {
    let order = view.pool.order_ref(call.order);
    let forget_ms = view.pool.forget_ms(OrderState::Confirmed, &view.context);
    // Nearly always: all that is asked stands in the head of the order's row.
    if let (Some(row), None) = (order.row, &call.late) {
        if let Some((_, held)) =
            view.pool.placed.orders.hold_at(row).filter(|&(at_ms, _)| !view.context.clock.is_due(at_ms))
        {
            return pay(view, order, held, call.qty, forget_ms);
        }
    }
    let Some((known, state)) = view.known(order) else {
        return match call {
            Confirm { qty: Some(qty), late: Some(Late { since_ms: Some(since_ms), attributes }), .. } => {
                lost(view, order, qty, since_ms, attributes.unwrap_or(&NONE))
            }
            _ => Err(Refusal::NoOrder),
        };
    };
    match (state, call.late) {
        (OrderState::Reserved, late) => {
            let paid = pay(view, order, known.qty, call.qty, forget_ms);
            if !matches!(paid, Err(Refusal::Conflict(_))) {
                same_attributes(view, &known, late.as_ref())?;
            }
            paid
        }
        (OrderState::Expired, Some(late)) => expired(view, order, &known, call.qty, &late),
        (OrderState::Expired, None) => Err(Refusal::Expired),
        (OrderState::Released, _) => Err(Refusal::Closed(state)),
        (OrderState::Confirmed | OrderState::Returned, _) => {
            if call.qty.is_some_and(|qty| qty != known.qty) {
                return Err(Refusal::Conflict(Conflict::Quantity));
            }
            Err(reserve::exists(&known, state))
        }
    }
}

/// Sells so many units of a hold, or all of it.
#[inline]
fn pay<'a>(
    view: &View<'_>,
    order: OrderRef<'a>,
    held: i64,
    qty: Option<i64>,
    forget_ms: i64,
) -> Result<Change<'a>, Refusal> {
    let qty = qty.unwrap_or(held);
    if qty > held {
        return Err(Refusal::Conflict(Conflict::MoreThanHeld));
    }
    check_sale(view, held, qty)?;
    Ok(Change::Order(order, OrderChange::Confirmed { qty, forget_ms }))
}

/// The limits counted the order by its own attributes: a payment that names others is not its own.
fn same_attributes(view: &View<'_>, known: &Order<'_>, late: Option<&Late<'_>>) -> Result<(), Refusal> {
    let named = late.and_then(|late| late.attributes);
    if named.is_some_and(|attributes| view.pool.salt.attributes(attributes) != known.fingerprint) {
        return Err(Refusal::Conflict(Conflict::Attributes));
    }
    Ok(())
}

fn expired<'a>(
    view: &View<'_>,
    order: OrderRef<'a>,
    known: &Order<'_>,
    qty: Option<i64>,
    late: &Late<'_>,
) -> Result<Change<'a>, Refusal> {
    let qty = qty.unwrap_or(known.qty);
    if qty > known.qty {
        return Err(Refusal::Conflict(Conflict::MoreThanHeld));
    }
    same_attributes(view, known, Some(late))?;
    view.check_open_late(known.placed_ms)?;
    if let Some(available) = view.available().filter(|&a| a < qty) {
        return Err(Refusal::SoldOut { available: available.max(0) });
    }
    let recount = recount::decide(view, known, qty, false)?;
    check_sale(view, 0, qty)?;
    let forget_ms = view.pool.forget_ms(OrderState::Confirmed, &view.context);
    Ok(Change::Order(order, OrderChange::Late { qty, recount, forget_ms }))
}

fn lost<'a>(
    view: &View<'_>,
    order: OrderRef<'a>,
    qty: i64,
    since_ms: i64,
    attributes: &'a Attributes<'a>,
) -> Result<Change<'a>, Refusal> {
    let since_ms = since_ms.min(view.context.clock.now_ms);
    if has_forgotten(view, since_ms) {
        return Err(Refusal::NoOrder);
    }
    allocate::check_capacity(view, order)?;
    let mut plan = allocate::Plan::asked(view, attributes, qty, false);
    plan.search(view, |limit| limit.set_ms <= since_ms);
    view.check_open_late(since_ms)?;
    allocate::grant(view, &mut plan)?;
    check_sale(view, 0, plan.qty())?;
    plan.add_fingerprint(view.pool);
    let placement = Placement { placed_ms: since_ms, ..plan.placement() };
    let forget_ms = view.pool.forget_ms(OrderState::Confirmed, &view.context);
    Ok(Change::Order(order, OrderChange::LatePlaced { placement, forget_ms }))
}

/// How many forgotten orders are looked at before the pool errs on the safe side.
const MAX_SCAN: usize = 128;

/// Whether an order that was placed at or after `since_ms` may have been forgotten: then the one in
/// question may have been it.
fn has_forgotten(view: &View<'_>, since_ms: i64) -> bool {
    let pool = view.pool;
    if pool.purged_placed_ms >= since_ms {
        return true;
    }
    let Some(placed) = pool.placed.get() else { return false };
    let mut forgotten = placed.finished().map(|row| placed.orders.at(row)).take_while(|o| view.is_forgotten(o));
    if forgotten.by_ref().take(MAX_SCAN).any(|o| o.placed_ms >= since_ms) {
        return true;
    }
    // Beyond those: an order is placed before it is finished (a clock that stepped back apart), and
    // none was forgotten sooner than the shortest retention after that.
    let retain_ms = pool.shortest_retain_ms.saturating_sub(SLACK_MS);
    forgotten.next().is_some() && since_ms <= view.context.clock.now_ms.saturating_sub(retain_ms)
}

fn check_sale(view: &View<'_>, held: i64, qty: i64) -> Result<(), Refusal> {
    view.check_sums(&SumDeltas { on_hand: qty.saturating_neg(), reserved: held.saturating_neg(), sold: qty, out: qty })
}

fn sell(pool: &mut Pool, qty: i64) {
    if !pool.unlimited {
        pool.on_hand = pool.on_hand.saturating_sub(qty);
    }
    pool.sold = pool.sold.saturating_add(qty);
    pool.out = pool.out.saturating_add(qty);
}

/// Sells `qty` units of a hold and returns the rest to stock.
pub fn apply(pool: &mut Pool, order: OrderRef<'_>, qty: i64, now_ms: i64, forget_ms: i64) {
    let Some(row) = order.row else { return };
    let held = order_row::held(pool, row);
    let rest = held.saturating_sub(qty);
    if rest > 0 {
        order_row::uncount(pool, row, rest, false, now_ms);
        pool.placed.orders.set_qty(row, qty);
    }
    pool.reserved = pool.reserved.saturating_sub(held);
    sell(pool, qty);
    order_row::set_state(pool, row, OrderState::Confirmed, forget_ms);
}

/// Takes the units of an expired order again and sells them.
pub fn apply_late(pool: &mut Pool, order: OrderRef<'_>, qty: i64, counted: &Recount, forget_ms: i64) {
    let Some(row) = order.row else { return };
    recount::apply(pool, row, qty, counted);
    sell(pool, qty);
    pool.placed.orders.set_qty(row, qty);
    order_row::set_state(pool, row, OrderState::Confirmed, forget_ms);
}

/// Sells units to an order that the pool did not know.
pub fn apply_late_placed(pool: &mut Pool, order: OrderRef<'_>, placement: &Placement<'_>, forget_ms: i64) {
    sell(pool, placement.qty);
    allocate::apply(pool, order, placement, OrderState::Confirmed, forget_ms);
}
