//! Takes units for an order that the pool does not know: checks stock and limits, and says where
//! the order is counted.

use arrayvec::ArrayVec;

use crate::core::model::attributes::Attributes;
use crate::core::model::change::OrderRef;
use crate::core::model::hash::Message;
use crate::core::model::ids::Bytes;
use crate::core::model::limit::{Count, Limit, Missing, MAX_LIMITS};
use crate::core::model::number::{LimitIndex, UsageRow};
use crate::core::model::order::{NewOrder, Numbers, OrderState};
use crate::core::model::placement::Placement;
use crate::core::model::pool::Pool;
use crate::core::model::quantity::sum;
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::model::remembered;
use crate::core::model::usage::{tuple_at, FoundEntry, Share};
use crate::core::model::view::View;
use crate::core::store::index::IndexPosition;

use super::order_row;

/// Whether one more order fits into the pool's memory.
///
/// # Errors
/// [`Bound::Orders`].
pub fn check_capacity(view: &View<'_>, order: OrderRef<'_>) -> Result<(), Refusal> {
    let full = view.pool.remembered() >= u64::from(view.context.defaults.max_orders);
    if full && order.row.is_none() {
        return Err(Refusal::Bound(Bound::Orders));
    }
    Ok(())
}

/// What a call wants of stock and limits, before the limits are searched.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The least that is enough.
    least: i64,
    /// What the stock grants, at least that; `None`: there is less.
    granted: Option<i64>,
    /// The order, with the values that limits count. None of them where the stock does not suffice.
    placement: Placement<'a>,
    /// The first limit that lacks a dimension.
    missing: Option<LimitIndex>,
}

impl<'a> Plan<'a> {
    /// Looks at the stock. Less than `qty` is enough with `partial`, at least 1.
    #[must_use]
    #[inline(always)]
    pub fn asked(view: &View<'_>, attributes: &'a Attributes<'a>, qty: i64, partial: bool) -> Self {
        let least = if partial { 1 } else { qty };
        let granted = match view.available() {
            Some(available) => Some(available.min(qty)).filter(|&granted| granted >= least),
            None => Some(qty),
        };
        let placed_ms = view.context.clock.now_ms;
        Self { least, granted, placement: Placement::asked(attributes, qty, partial, placed_ms), missing: None }
    }

    /// Looks for the values that the limits count, where the stock suffices: the memory in which
    /// they will be searched is on its way when this returns.
    #[inline(always)]
    pub fn search(&mut self, view: &View<'_>, applies: impl Fn(&Limit) -> bool) {
        let pool = view.pool;
        let usage = pool.usage.get();
        let Placement { shares, joined, attributes, .. } = &mut self.placement;
        let mut touched = 0;
        for (at, limit) in pool.limits.indexed().filter(|(_, limit)| applies(limit)) {
            let Some(tuple) = limit.locate(attributes, joined) else {
                if limit.missing == Missing::Refuse {
                    self.missing = Some(at);
                    break;
                }
                continue;
            };
            if self.granted.is_some() {
                let value = tuple_at(attributes, joined, tuple);
                let window_ms = 0;
                // Each is composed where it stands.
                if let Some(row) = usage.and_then(|usage| usage.recall(limit, value)) {
                    let (hash, position) = (RECALLED, IndexPosition::default());
                    shares.push(Share {
                        limit: at,
                        tuple,
                        window_ms,
                        hash,
                        entry: Some(row),
                        current: false,
                        position,
                    });
                } else {
                    let hash = pool.salt.usage(limit.id, value);
                    let (position, cell) = usage.map_or_else(Default::default, |usage| usage.begin(hash));
                    touched ^= cell;
                    shares.push(Share { limit: at, tuple, window_ms, hash, entry: None, current: false, position });
                }
            }
        }
        std::hint::black_box(touched);
    }

    /// Units granted.
    #[must_use]
    pub const fn qty(&self) -> i64 {
        self.placement.qty
    }

    /// Adds the fingerprint, which an order is remembered by and no check needs.
    #[inline(always)]
    pub fn add_fingerprint(&mut self, pool: &Pool) {
        self.placement.fingerprint = pool.salt.attributes(self.placement.attributes);
    }

    /// As [`Plan::add_fingerprint`], where the message of the attributes is there.
    #[inline(always)]
    pub fn add_fingerprint_of(&mut self, pool: &Pool, message: &Message) {
        self.placement.fingerprint = pool.salt.message(message);
    }

    /// The order, decided.
    #[must_use]
    #[inline(always)]
    pub fn placement(self) -> Placement<'a> {
        self.placement
    }
}

/// What stock and limits grant: all that is asked for, or with `partial` as much as possible.
/// Filled into the plan in place, since it is large: [`Plan::placement`] hands it over.
///
/// # Errors
/// The first of: what [`View::check_open`] says, [`Refusal::NoDim`], [`Refusal::SoldOut`],
/// [`Refusal::Limited`], [`Bound::Sum`].
#[inline]
pub fn allocate(view: &View<'_>, plan: &mut Plan<'_>) -> Result<(), Refusal> {
    view.check_open()?;
    grant(view, plan)
}

/// As [`allocate`], where the caller has checked whether the pool takes units.
///
/// # Errors
/// The first of [`Refusal::NoDim`], [`Refusal::SoldOut`], [`Refusal::Limited`], [`Bound::Sum`].
#[inline(always)]
pub fn grant(view: &View<'_>, plan: &mut Plan<'_>) -> Result<(), Refusal> {
    let pool = view.pool;
    if let Some(at) = plan.missing {
        return Err(no_dim(pool, at, plan.placement.attributes));
    }
    let Some(mut granted) = plan.granted else {
        return Err(Refusal::SoldOut { available: view.available().unwrap_or(0).max(0) });
    };
    let Placement { shares, attributes, joined, .. } = &mut plan.placement;
    let mut most_used = 0;
    for share in shares {
        let at = share.limit;
        let Some(limit) = pool.limits.get(at) else { continue };
        let tuple = tuple_at(attributes, joined, share.tuple);
        let found = search(pool, limit, tuple, share);
        let (used, window_ms) = if limit.keeps_usage() { view.used(limit, found) } else { (0, 0) };
        (share.entry, share.window_ms) = (found.map(|found| found.row), window_ms);
        share.current = found.is_some_and(|found| found.window_ms == window_ms);
        if !share.current && share.hash == RECALLED {
            share.hash = pool.salt.usage(limit.id, tuple);
        }
        let Some(left) = check_limit(limit, tuple, used, plan.least) else {
            return Err(limited(view, limit, at, tuple, (used, window_ms), limit.amount(plan.least)));
        };
        if limit.identity.count == Count::Units {
            granted = left.map_or(granted, |left| granted.min(left));
            let credit = share.entry.map_or(0, |row| pool.usage.credit(row));
            most_used = most_used.max(used.saturating_add(credit));
        }
    }
    if sum(most_used, granted).is_none() {
        return Err(Refusal::Bound(Bound::Sum));
    }
    plan.placement.qty = granted;
    Ok(())
}

/// Stands for the hash of a share whose entry was found without one (`Usage::recall`). It is made
/// where a new entry has to be indexed. (A real hash of this value is merely made twice.)
const RECALLED: u64 = 0;

/// Ends the search for a value, and says in its share where that was.
#[inline(always)]
fn search(pool: &Pool, limit: &Limit, tuple: &[u8], share: &mut Share) -> Option<FoundEntry> {
    let usage = pool.usage.get()?;
    if let Some(row) = share.entry {
        let found = usage.recalled(row, limit, tuple);
        if found.is_some() {
            return found;
        }
        share.hash = pool.salt.usage(limit.id, tuple);
        share.position = usage.begin(share.hash).0;
    }
    let found;
    (found, share.position) = usage.find_from(share.hash, share.position, limit.id, tuple);
    if let Some(found) = found {
        usage.note_frequent(limit, tuple, found.row);
    }
    found
}

#[cold]
fn no_dim(pool: &Pool, at: LimitIndex, attributes: &Attributes<'_>) -> Refusal {
    let dims = pool.limits.get(at).map_or(&[][..], |limit| limit.identity.dims.as_slice());
    let lacks = |dim: &Bytes| attributes.get(dim.as_slice()).is_none();
    Refusal::NoDim { limit: at, dim: dims.iter().position(lacks).unwrap_or(0) }
}

/// What a limit leaves, where that is room for at least this many units (or for one order).
/// `Some(None)` = any quantity; `None`: not enough.
#[must_use]
#[inline(always)]
pub fn check_limit(limit: &Limit, tuple: &[u8], used: i64, least: i64) -> Option<Option<i64>> {
    let left = limit.cap(tuple).left(used);
    left.is_none_or(|left| left >= limit.amount(least)).then_some(left)
}

/// The refusal of a limit: what a value has used of it, and when it allows `more`.
#[must_use]
#[cold]
pub fn limited(
    view: &View<'_>,
    limit: &Limit,
    at: LimitIndex,
    tuple: &[u8],
    (used, window_ms): (i64, i64),
    more: i64,
) -> Refusal {
    Refusal::Limited {
        limit: at,
        value: Bytes::new(tuple),
        used,
        max: limit.cap(tuple).shown(),
        resets_ms: view.resets_ms(limit, tuple, window_ms, more),
    }
}

/// Counts a new order and remembers it.
pub fn apply(pool: &mut Pool, order: OrderRef<'_>, placement: &Placement<'_>, state: OrderState, time_ms: i64) {
    let mut shares = ArrayVec::<UsageRow, MAX_LIMITS>::new();
    for share in &placement.shares {
        let Some(limit) = pool.limits.get_mut(share.limit) else { continue };
        let amount = if limit.keeps_usage() { limit.amount(placement.qty) } else { 0 };
        shares.push(pool.usage.count(pool.salt, limit, share, || placement.tuple(share.tuple), amount));
    }
    let kept =
        if pool.remember.is_empty() { Vec::new() } else { remembered::encode(&pool.remember, placement.attributes) };
    let Placement { asked, qty, partial, placed_ms, fingerprint, .. } = *placement;
    let new = NewOrder {
        id: order.id,
        numbers: Numbers { qty, time_ms, placed_ms, limits_below: pool.next_limit },
        asked,
        fingerprint,
        shares: &shares,
        state,
        partial,
        extra: None,
        remembered: &kept,
    };
    order_row::insert(pool, order, &new);
}
