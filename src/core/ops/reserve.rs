//! RESERVE: hold units for an order until a deadline.

use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, OrderChange, OrderRef};
use crate::core::model::hash::Message;
use crate::core::model::order::{Order, OrderState};
use crate::core::model::placement::Placement;
use crate::core::model::pool::{Pool, SumDeltas};
use crate::core::model::refusal::{Bound, Conflict, Refusal};
use crate::core::model::view::View;
use crate::core::store::index::IndexPosition;

use super::allocate::{self, Plan};

/// How long a hold lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// As the policy says.
    Default,
    /// So many ms from now.
    For(i64),
    /// Until this Unix time in ms.
    Until(i64),
}

impl Hold {
    /// The deadline, Unix ms.
    #[must_use]
    pub fn deadline_ms(self, view: &View<'_>) -> i64 {
        let now_ms = view.context.clock.now_ms;
        let default = || now_ms.saturating_add(view.pool.times.hold_ms.unwrap_or(view.context.defaults.hold_ms));
        self.called_ms(now_ms).unwrap_or_else(default)
    }

    /// The deadline that the call names, Unix ms; `None` where the policy says.
    #[must_use]
    #[inline]
    pub fn called_ms(self, now_ms: i64) -> Option<i64> {
        match self {
            Self::Default => None,
            Self::For(ms) => Some(now_ms.saturating_add(ms)),
            Self::Until(at_ms) => Some(at_ms),
        }
    }
}

/// The call.
#[derive(Clone, Copy, Debug)]
pub struct Reserve<'a> {
    /// The caller's id.
    pub order: &'a [u8],
    /// Units wanted.
    pub qty: i64,
    /// How long.
    pub hold: Hold,
    /// Less is enough, at least 1.
    pub partial: bool,
    /// Who buys.
    pub attributes: &'a Attributes<'a>,
    /// What is hashed of the attributes, where several pools need it.
    pub message: Option<&'a Message>,
}

/// What RESERVE would do.
///
/// # Errors
/// As [`decide_new`]; for a known order what [`retry`] gives.
pub fn decide<'a>(view: &View<'_>, call: Reserve<'a>) -> Result<Change<'a>, Refusal> {
    let hash = view.pool.salt.order(call.order);
    // Prefetch the index cell, so that its cache miss overlaps the limit lookups.
    let (from, touched) = view.pool.begin_order(hash);
    std::hint::black_box(touched);
    let mut plan = Plan::asked(view, call.attributes, call.qty, call.partial);
    plan.search(view, |_| true);
    let order = view.pool.order_ref_from(call.order, hash, from);
    if let Some((record, state)) = view.known(order) {
        return Err(retry(view, &call, &record, state));
    }
    let deadline_ms = grant(view, order, &call, &mut plan)?;
    plan.add_fingerprint(view.pool);
    Ok(reserved(order, plan, deadline_ms))
}

/// What RESERVE of an order that is not known would do.
///
/// # Errors
/// [`Bound::DeadlineOver`], [`Bound::Orders`], what [`View::check_open`] says, [`Refusal::NoDim`],
/// [`Refusal::SoldOut`], [`Refusal::Limited`], [`Bound::Sum`].
pub fn decide_new<'a>(view: &View<'_>, order: OrderRef<'a>, call: Reserve<'a>) -> Result<Change<'a>, Refusal> {
    let mut plan = Plan::asked(view, call.attributes, call.qty, call.partial);
    plan.search(view, |_| true);
    let deadline_ms = grant(view, order, &call, &mut plan)?;
    match call.message {
        Some(message) => plan.add_fingerprint_of(view.pool, message),
        None => plan.add_fingerprint(view.pool),
    }
    Ok(reserved(order, plan, deadline_ms))
}

/// The reservation of a plan that is granted. Inlined, since a plan is large: it is moved once.
#[inline(always)]
fn reserved<'a>(order: OrderRef<'a>, plan: Plan<'a>, deadline_ms: i64) -> Change<'a> {
    Change::Order(order, OrderChange::Reserved { placement: plan.placement(), deadline_ms, given_up: 0 })
}

/// Until when RESERVE of a new order of so many units would hold them by default, Unix ms.
///
/// # Errors
/// As [`decide_new`].
pub fn check(view: &View<'_>, qty: i64, attributes: &Attributes<'_>) -> Result<i64, Refusal> {
    let nobody = OrderRef { id: &[], hash: 0, row: None, position: IndexPosition::default() };
    let call = Reserve { order: &[], qty, hold: Hold::Default, partial: false, attributes, message: None };
    let mut plan = Plan::asked(view, attributes, qty, false);
    plan.search(view, |_| true);
    grant(view, nobody, &call, &mut plan)
}

/// Fills the plan with what is granted, and returns the deadline.
#[inline(always)]
fn grant(view: &View<'_>, order: OrderRef<'_>, call: &Reserve<'_>, plan: &mut Plan<'_>) -> Result<i64, Refusal> {
    let deadline_ms = call.hold.deadline_ms(view);
    if deadline_ms <= view.context.clock.now_ms {
        return Err(Refusal::Bound(Bound::DeadlineOver));
    }
    allocate::check_capacity(view, order)?;
    allocate::allocate(view, plan)?;
    view.check_sums(&SumDeltas { reserved: plan.qty(), ..SumDeltas::default() })?;
    Ok(deadline_ms)
}

/// The answer to a RESERVE of an order that is known.
#[must_use]
pub fn retry(view: &View<'_>, call: &Reserve<'_>, record: &Order<'_>, state: OrderState) -> Refusal {
    if matches!(state, OrderState::Released | OrderState::Expired | OrderState::Returned) {
        return Refusal::Closed(state);
    }
    if record.asked != call.qty {
        return Refusal::Conflict(Conflict::Quantity);
    }
    if record.partial != call.partial {
        return Refusal::Conflict(Conflict::Partial);
    }
    if record.fingerprint != view.pool.salt.attributes(call.attributes) {
        return Refusal::Conflict(Conflict::Attributes);
    }
    exists(record, state)
}

/// A hold.
///
/// # Errors
/// [`Refusal::NoOrder`], [`Refusal::Confirmed`], [`Refusal::Expired`], [`Refusal::Closed`].
pub fn held<'p>(view: &View<'p>, order: OrderRef<'_>) -> Result<Order<'p>, Refusal> {
    let Some((record, state)) = view.known(order) else { return Err(Refusal::NoOrder) };
    match state {
        OrderState::Reserved => Ok(record),
        OrderState::Confirmed => Err(Refusal::Confirmed),
        OrderState::Expired => Err(Refusal::Expired),
        OrderState::Released | OrderState::Returned => Err(Refusal::Closed(state)),
    }
}

/// The answer to a call that was made before.
#[must_use]
pub fn exists(record: &Order<'_>, state: OrderState) -> Refusal {
    let deadline_ms = if state == OrderState::Reserved { record.time_ms } else { 0 };
    Refusal::Exists { state, qty: record.qty, returned: record.returned(), deadline_ms }
}

/// Holds the units.
pub fn apply(pool: &mut Pool, order: OrderRef<'_>, placement: &Placement<'_>, deadline_ms: i64) {
    pool.reserved = pool.reserved.saturating_add(placement.qty);
    allocate::apply(pool, order, placement, OrderState::Reserved, deadline_ms);
}
