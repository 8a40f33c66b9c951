//! A pool as a call sees it: after the due holds that a write would return first.

use crate::core::model::change::OrderRef;
use crate::core::model::context::{CallContext, DUE_PER_WRITE};
use crate::core::model::limit::Limit;
use crate::core::model::number::{OrderRow, UsageRow};
use crate::core::model::order::{Order, OrderState};
use crate::core::model::pool::{Pool, SumDeltas};
use crate::core::model::refusal::Refusal;
use crate::core::model::usage::FoundEntry;
use crate::core::store::placed_orders::PlacedOrders;
use crate::core::store::usage::Usage;

/// A pool at one moment. For a write, whose due holds have been returned, it is the pool itself;
/// for a read, which changes nothing, those holds are taken off on the way.
pub struct View<'p> {
    /// The pool.
    pub pool: &'p Pool,
    /// Time and defaults of the call.
    pub context: CallContext,
    due: Vec<OrderRow>,
    due_units: i64,
}

impl<'p> View<'p> {
    /// For a write: due holds have been returned already.
    #[must_use]
    pub fn of_write(pool: &'p Pool, context: CallContext) -> Self {
        Self { pool, context, due: Vec::new(), due_units: 0 }
    }

    /// For a write that names this hold of so many units, which is due but was not among those
    /// returned: as if it had been.
    #[must_use]
    pub fn without_hold(pool: &'p Pool, context: CallContext, row: OrderRow, due_units: i64) -> Self {
        Self { pool, context, due: vec![row], due_units }
    }

    /// For a read: what a write would find.
    #[must_use]
    pub fn of_read(pool: &'p Pool, context: CallContext) -> Self {
        let mut view = Self::of_write(pool, context);
        if pool.next_deadline_ms().is_some_and(|at| context.clock.is_due(at)) {
            let rows = pool.placed.holds().take(DUE_PER_WRITE);
            for row in rows {
                let order = pool.placed.orders.at(row);
                if !context.clock.is_due(order.time_ms) {
                    break;
                }
                view.due.push(row);
                view.due_units = view.due_units.saturating_add(order.qty);
            }
        }
        view
    }

    /// What the sums would be after these differences, where they stay within the bounds: as a
    /// write would find them.
    ///
    /// # Errors
    /// [`crate::core::model::refusal::Bound::Sum`].
    pub(in crate::core) fn check_sums(&self, delta: &SumDeltas) -> Result<(), Refusal> {
        self.pool.check_sums(&SumDeltas { reserved: delta.reserved.saturating_sub(self.due_units), ..*delta })
    }

    /// Units held.
    #[must_use]
    pub fn reserved(&self) -> i64 {
        self.pool.reserved.saturating_sub(self.due_units)
    }

    /// What can be reserved, below 0 where it is short; `None` = any quantity.
    #[must_use]
    pub fn available(&self) -> Option<i64> {
        self.pool.available().map(|units| units.saturating_add(self.due_units))
    }

    /// What can be reserved as answers show it: never below 0, -1 for any quantity.
    #[must_use]
    pub fn shown_available(&self) -> i64 {
        self.available().map_or(-1, |units| units.max(0))
    }

    /// Whether units can be taken anew now.
    ///
    /// # Errors
    /// [`Refusal::Suspended`], [`Refusal::Early`], [`Refusal::Ended`].
    pub fn check_open(&self) -> Result<(), Refusal> {
        if self.pool.suspended {
            return Err(Refusal::Suspended);
        }
        match &self.pool.sale {
            None => Ok(()),
            Some(sale) => sale.schedule.check(self.context.clock.now_ms),
        }
    }

    /// Whether units can be taken for a late payment of an order that was placed then: where that
    /// was before the end, the sale counts as open.
    ///
    /// # Errors
    /// [`Refusal::Suspended`], [`Refusal::Ended`].
    pub fn check_open_late(&self, placed_ms: i64) -> Result<(), Refusal> {
        if self.pool.suspended {
            return Err(Refusal::Suspended);
        }
        match self.pool.schedule().until_ms {
            Some(until_ms) if placed_ms >= until_ms => Err(Refusal::Ended { until_ms }),
            _ => Ok(()),
        }
    }

    /// Whether a finished order is remembered no more.
    #[must_use]
    pub fn is_forgotten(&self, order: &Order<'_>) -> bool {
        order.state != OrderState::Reserved && self.context.clock.now_ms >= order.time_ms
    }

    /// Where an order stands, judged by its own deadline. `None` when it is forgotten.
    #[must_use]
    pub fn state(&self, order: &Order<'_>) -> Option<OrderState> {
        if order.state == OrderState::Reserved && self.context.clock.is_due(order.time_ms) {
            Some(OrderState::Expired)
        } else if self.is_forgotten(order) {
            None
        } else {
            Some(order.state)
        }
    }

    /// A remembered order with its state.
    #[must_use]
    #[inline(always)]
    pub fn known(&self, order: OrderRef<'_>) -> Option<(Order<'p>, OrderState)> {
        self.known_in(order.row?)
    }

    fn known_in(&self, row: OrderRow) -> Option<(Order<'p>, OrderState)> {
        let record = self.pool.placed.orders.get(row)?;
        self.state(&record).map(|state| (record, state))
    }

    /// The state of a remembered order.
    #[must_use]
    pub fn known_state(&self, order: OrderRef<'_>) -> Option<OrderState> {
        let row = order.row?;
        // Nearly always a hold that is not due: that stands in the head of its row.
        if self.pool.placed.orders.hold_at(row).is_some_and(|(at_ms, _)| !self.context.clock.is_due(at_ms)) {
            return Some(OrderState::Reserved);
        }
        self.known(order).map(|(_, state)| state)
    }

    /// The usage of a value: what counts in its current window, and when that began. An entry that
    /// lies ahead (the clock stepped back) is the current one, unless all of it was returned.
    #[must_use]
    #[inline(always)]
    pub fn used(&self, limit: &Limit, entry: Option<FoundEntry>) -> (i64, i64) {
        if !self.due.is_empty() || limit.identity.window.is_rolling() || self.has_credits() {
            return self.used_in(limit, entry.map(|found| found.row));
        }
        counted(entry, limit.window_ms(self.context.clock.now_ms))
    }

    #[inline(always)]
    fn has_credits(&self) -> bool {
        self.pool.usage.get().is_some_and(Usage::has_credits)
    }

    /// As [`View::used_without`], of the entry in this row. It is read again here, so that it stays
    /// in registers on the usual way.
    #[cold]
    fn used_in(&self, limit: &Limit, row: Option<UsageRow>) -> (i64, i64) {
        self.used_without(limit, row.and_then(|row| self.pool.usage.found(row)), None)
    }

    /// As [`View::used`], after the share of an order, in this entry and of this amount, has been
    /// returned.
    #[must_use]
    pub fn used_without(&self, limit: &Limit, entry: Option<FoundEntry>, share: Option<(UsageRow, i64)>) -> (i64, i64) {
        let now_ms = self.context.clock.now_ms;
        let current_ms = limit.window_ms(now_ms);
        if let Some(since_ms) = limit.identity.window.rolling_since_ms(now_ms) {
            return self.used_of_sub_windows(limit, entry.map(|found| found.row), since_ms, share);
        }
        let (counted, window_ms) = counted(entry, current_ms);
        let own = share.filter(|&(row, _)| entry.is_some_and(|found| found.row == row && found.window_ms == window_ms));
        let less = own.map_or(0, |(_, amount)| amount);
        let credit = entry.map_or(0, |found| self.pool.usage.credit(found.row));
        if self.due.is_empty() && less == 0 {
            return (counted.saturating_sub(credit).max(0), window_ms);
        }
        let back: i64 = entry.map_or(0, |entry| {
            let orders = self.due.iter().map(|&row| self.pool.placed.orders.counted_at(row));
            orders.filter(|(shares, _)| shares.contains(entry.row)).map(|(_, qty)| limit.amount(qty)).sum()
        });
        let counted = counted.saturating_sub(back).saturating_sub(less).max(0);
        (counted.saturating_sub(credit).max(0), if counted == 0 { current_ms } else { window_ms })
    }

    /// The usage of a rolling window: the sum of the sub-windows that count, and the sub-window to
    /// count in.
    fn used_of_sub_windows(
        &self,
        limit: &Limit,
        entry: Option<UsageRow>,
        since_ms: i64,
        share: Option<(UsageRow, i64)>,
    ) -> (i64, i64) {
        let mut sum = 0i64;
        let mut newest_ms = limit.window_ms(self.context.clock.now_ms);
        for (row, window_ms, used) in self.used_sub_windows(limit, entry, since_ms) {
            let less = share.filter(|&(at, _)| at == row).map_or(0, |(_, amount)| amount);
            let used = used.saturating_sub(less).max(0);
            sum = sum.saturating_add(used);
            if used > 0 {
                newest_ms = newest_ms.max(window_ms);
            }
        }
        (sum, newest_ms)
    }

    /// The sub-windows of a rolling window that count, from the newest: row, beginning, and what is
    /// used.
    fn used_sub_windows<'v>(
        &'v self,
        limit: &'v Limit,
        entry: Option<UsageRow>,
        since_ms: i64,
    ) -> impl Iterator<Item = (UsageRow, i64, i64)> + 'v {
        let usage = self.pool.usage.get().into_iter();
        usage.flat_map(move |usage| usage.sub_windows(entry, since_ms)).map(|(row, window_ms, counts)| {
            let orders = self.due.iter().map(|&due| self.pool.placed.orders.counted_at(due));
            let back: i64 = orders.filter(|(shares, _)| shares.contains(row)).map(|(_, qty)| limit.amount(qty)).sum();
            (row, window_ms, counts.used.saturating_sub(back).max(0))
        })
    }

    /// When a limit allows `more` again to a value, as far as time alone does it, Unix ms; 0 =
    /// never. `window_ms`: of [`View::used`].
    ///
    /// Windows that follow each other end; of one that rolls, units come back sub-window by
    /// sub-window.
    #[must_use]
    pub fn resets_ms(&self, limit: &Limit, tuple: &[u8], window_ms: i64, more: i64) -> i64 {
        let Some(since_ms) = limit.identity.window.rolling_since_ms(self.context.clock.now_ms) else {
            return limit.window_end_ms(window_ms);
        };
        let hash = self.pool.salt.usage(limit.id, tuple);
        let entry = self.pool.usage.get().and_then(|usage| usage.find(hash, limit.id, tuple));
        let mut sub_windows: Vec<(i64, i64)> =
            self.used_sub_windows(limit, entry, since_ms).map(|(_, window_ms, used)| (window_ms, used)).collect();
        sub_windows.reverse();
        let mut used: i64 = sub_windows.iter().fold(0, |sum, &(_, used)| sum.saturating_add(used));
        for (window_ms, sub_window) in sub_windows.into_iter().filter(|&(_, sub_window)| sub_window > 0) {
            used = used.saturating_sub(sub_window);
            if limit.cap(tuple).left(used).is_none_or(|left| left >= more) {
                return limit.identity.window.comes_back_ms(window_ms);
            }
        }
        0
    }

    /// The usage of a value, by its tuple.
    #[must_use]
    pub fn usage_of(&self, limit: &Limit, tuple: &[u8]) -> (i64, i64) {
        let hash = self.pool.salt.usage(limit.id, tuple);
        self.used(limit, self.pool.usage.get().and_then(|usage| usage.find_counts(hash, limit.id, tuple)))
    }

    /// Whether this hold is among those that a write would return first.
    #[must_use]
    pub fn would_return(&self, row: OrderRow) -> bool {
        self.due.contains(&row)
    }

    /// How many remembered orders stand in each state.
    #[must_use]
    pub fn counts(&self) -> [u64; 5] {
        let mut counts = self.pool.counts.map(u64::from);
        let mut less = |state: OrderState, n: usize| {
            if let Some(count) = counts.get_mut(state as usize) {
                *count = count.saturating_sub(n as u64);
            }
        };
        less(OrderState::Reserved, self.due.len());
        // What is forgotten but not freed stands at the head. Bounded: an answer must not cost more
        // than a sweep's slice.
        let Some(placed) = self.pool.placed.get() else { return counts };
        for row in placed.finished().take(FORGOTTEN_PER_READ) {
            let order = placed.orders.at(row);
            if !self.is_forgotten(&order) {
                break;
            }
            less(order.state, 1);
        }
        if let Some(expired) = counts.get_mut(OrderState::Expired as usize) {
            *expired = expired.saturating_add(self.due.len() as u64);
        }
        counts
    }

    /// The earliest deadline that is not among the due ones.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<i64> {
        let placed = self.pool.placed.get()?;
        self.open_holds().next().map(|row| placed.orders.at(row).time_ms)
    }

    /// The rows of the holds that are not among the due ones, by deadline.
    pub(in crate::core) fn open_holds(&self) -> impl Iterator<Item = OrderRow> + '_ {
        self.pool.placed.get().into_iter().flat_map(PlacedOrders::holds).skip(self.due.len())
    }
}

/// What an entry counts, and when its window began: nothing in the current one, where it counts
/// nothing or its window is over.
#[inline(always)]
fn counted(entry: Option<FoundEntry>, current_ms: i64) -> (i64, i64) {
    match entry {
        Some(found) if found.counts.used > 0 && found.window_ms >= current_ms => (found.counts.used, found.window_ms),
        _ => (0, current_ms),
    }
}

/// How many orders that are over one read looks at.
const FORGOTTEN_PER_READ: usize = 1_000;
