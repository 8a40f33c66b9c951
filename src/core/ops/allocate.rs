//! Taking units for an order that the pool does not know: do stock and limits allow it, and where
//! is it counted.

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use crate::core::model::attributes::Attributes;
use crate::core::model::change::{OrderRef, Shares};
use crate::core::model::ids::Bytes;
use crate::core::model::limit::{Count, Limit, Missing, TupleBuf, MAX_LIMITS};
use crate::core::model::order::{NewOrder, Numbers, OrderState};
use crate::core::model::pool::Pool;
use crate::core::model::quantity::sum;
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::model::usage::Share;
use crate::core::model::view::View;

use super::order_row;

/// Whether one more order fits into the pool's memory.
///
/// # Errors
/// [`Bound::Orders`].
pub fn check_capacity(view: &View<'_>, order: OrderRef<'_>) -> Result<(), Refusal> {
    let full = view.pool.orders.len() >= view.context.defaults.max_orders as usize;
    if full && order.row.is_none() {
        return Err(Refusal::Bound(Bound::Orders));
    }
    Ok(())
}

/// The place of a limit, the hash of (limit, value), and the value where it is one attribute.
type LimitValue<'a> = (u8, u64, Option<&'a [u8]>);

/// What a call wants of stock and limits, before the limits are searched.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The least that is enough.
    least: i64,
    /// What the stock grants, at least that; `None`: there is less.
    granted: Option<i64>,
    /// The values that limits count, with their hashes. Empty where the stock does not suffice.
    values: SmallVec<[LimitValue<'a>; 6]>,
    /// The first limit that lacks a dimension.
    missing: Option<usize>,
}

/// Looks at the stock and, where that suffices, for the values that the limits count: the memory in
/// which they will be searched is on its way when this returns. Less than `qty` is enough with
/// `partial`, at least 1.
pub fn plan<'a>(
    view: &View<'_>,
    attributes: &Attributes<'a>,
    qty: i64,
    partial: bool,
    applies: impl Fn(&Limit) -> bool,
) -> Plan<'a> {
    let pool = view.pool;
    let least = if partial { 1 } else { qty };
    let granted = match view.available() {
        Some(available) => Some(available.min(qty)).filter(|&granted| granted >= least),
        None => Some(qty),
    };
    let mut plan = Plan { least, granted, values: SmallVec::new(), missing: None };
    let mut buf = TupleBuf::new();
    let mut touched = 0;
    for (at, limit) in pool.limits.iter().enumerate().filter(|(_, limit)| applies(limit)) {
        let whole = limit.whole(attributes);
        let Some(tuple) = whole.or_else(|| limit.tuple(attributes, &mut buf)) else {
            if limit.missing == Missing::Refuse {
                plan.missing = Some(at);
                break;
            }
            continue;
        };
        if granted.is_some() {
            let hash = pool.salt.usage(limit.id, tuple);
            touched ^= pool.usage.prefetch(hash);
            plan.values.push((at as u8, hash, whole));
        }
    }
    std::hint::black_box(touched);
    plan
}

/// What stock and limits grant: all that is asked for, or with `partial` as much as possible.
///
/// # Errors
/// The first of: suspended, a dimension missing, sold out, limited.
pub fn allocate(view: &View<'_>, attributes: &Attributes<'_>, plan: &Plan<'_>) -> Result<(i64, Shares), Refusal> {
    let pool = view.pool;
    if pool.suspended {
        return Err(Refusal::Suspended);
    }
    if let Some(at) = plan.missing {
        return Err(Refusal::NoDim(at));
    }
    let Some(mut granted) = plan.granted else {
        return Err(Refusal::SoldOut { available: view.available().unwrap_or(0).max(0) });
    };
    let mut buf = TupleBuf::new();
    let mut most_used = 0;
    let mut shares = Shares::new();
    for &(place, hash, whole) in &plan.values {
        let at = usize::from(place);
        let Some(limit) = pool.limits.get(at) else { continue };
        let Some(tuple) = whole.or_else(|| limit.tuple(attributes, &mut buf)) else { continue };
        let entry = pool.usage.find(hash, limit.id, tuple);
        let (used, window_ms) = if limit.keeps_usage() { view.used(limit, entry) } else { (0, 0) };
        let left = check_limit(limit, at, tuple, used, window_ms, plan.least)?;
        if limit.identity.count == Count::Units {
            granted = left.map_or(granted, |left| granted.min(left));
        }
        let counted = used.saturating_add(pool.usage.credit(entry));
        most_used = most_used.max(if limit.identity.count == Count::Units { counted } else { 0 });
        shares.push(Share { limit: place, window_ms, hash, entry });
    }
    if sum(most_used, granted).is_none() {
        return Err(Refusal::Bound(Bound::Sum));
    }
    Ok((granted, shares))
}

/// Whether a limit leaves room for at least this many units (or for one order). What it leaves;
/// `None` = any quantity.
///
/// # Errors
/// [`Refusal::Limited`].
pub fn check_limit(
    limit: &Limit,
    at: usize,
    tuple: &[u8],
    used: i64,
    window_ms: i64,
    least: i64,
) -> Result<Option<i64>, Refusal> {
    let cap = limit.cap(tuple);
    let left = cap.left(used);
    if left.is_some_and(|left| left < limit.amount(least)) {
        return Err(limited(limit, at, tuple, used, window_ms));
    }
    Ok(left)
}

/// The refusal of a limit: what a value has used of it, and when its window ends.
#[must_use]
pub fn limited(limit: &Limit, at: usize, tuple: &[u8], used: i64, window_ms: i64) -> Refusal {
    Refusal::Limited {
        limit: at,
        value: Bytes::new(tuple),
        used,
        max: limit.cap(tuple).shown(),
        resets_ms: limit.window_end_ms(window_ms),
    }
}

/// A new order, decided.
pub struct Placed<'c, 'a> {
    /// Its id.
    pub order: OrderRef<'a>,
    /// Units asked for.
    pub asked: i64,
    /// Units granted.
    pub qty: i64,
    /// Less was enough.
    pub partial: bool,
    /// Unix ms.
    pub placed_ms: i64,
    /// Of the attributes.
    pub fingerprint: u64,
    /// As sent.
    pub attributes: &'c Attributes<'a>,
    /// Where it counts.
    pub shares: &'c Shares,
}

/// Counts a new order and remembers it.
pub fn apply(pool: &mut Pool, placed: &Placed<'_, '_>, state: OrderState, time_ms: i64) {
    let mut buf = TupleBuf::new();
    let mut shares = ArrayVec::<u32, MAX_LIMITS>::new();
    for share in placed.shares {
        let Some(limit) = pool.limits.get_mut(usize::from(share.limit)) else { continue };
        let Some(tuple) = limit.tuple(placed.attributes, &mut buf) else { continue };
        let amount = if limit.keeps_usage() { limit.amount(placed.qty) } else { 0 };
        shares.push(pool.usage.count(pool.salt, limit, share, tuple, amount));
    }
    let order = NewOrder {
        id: placed.order.id,
        numbers: Numbers { qty: placed.qty, time_ms, placed_ms: placed.placed_ms, limits_below: pool.next_limit },
        asked: placed.asked,
        fingerprint: placed.fingerprint,
        shares: &shares,
        state,
        partial: placed.partial,
        extra: None,
    };
    order_row::insert(pool, placed.order, &order);
}
