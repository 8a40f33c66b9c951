//! The aggregate: one countable quantity of one thing, its orders, its limits and their usage.
//!
//! A pool changes in one place only, [`crate::core::apply`], which cannot fail: whether a change is
//! right was decided before (`ops`), or by the primary.

use std::cell::Cell;

use crate::core::model::change::{Change, OnHand, OrderRef, Transition, Transitions};
use crate::core::model::context::CallContext;
use crate::core::model::hash::Salt;
use crate::core::model::ids::Bytes;
use crate::core::model::limits::Limits;
use crate::core::model::number::{LimitId, Number, OrderRow};
use crate::core::model::order::{Order, OrderState};
use crate::core::model::quantity::{difference, sum, MAX_UNITS};
use crate::core::model::refusal::{Bound, Refusal};
use crate::core::model::sale::{Sale, Schedule};
use crate::core::model::time::SLACK_MS;
use crate::core::store::index::IndexPosition;
use crate::core::store::on_demand::OnDemand;
use crate::core::store::placed_orders::PlacedOrders;
use crate::core::store::tokens::Tokens;
use crate::core::store::usage::Usage;

/// How many ended epochs a pool keeps.
pub const MAX_EPOCHS: usize = 16;

/// Where an epoch ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedEpoch {
    /// Its id.
    pub epoch: u64,
    /// The last change in it.
    pub seq: u64,
    /// `out` after that change.
    pub out: i64,
}

/// When, and under which promotion of the process, a change happens.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Unix ms.
    pub now_ms: i64,
    /// The promotion of the primary that decides; 0 when a decision is repeated from the log.
    pub promotion: u64,
    /// The epoch that this change brings in.
    pub new_epoch: Option<u64>,
}

/// How long things are remembered, ms, where the policy says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// A hold.
    pub hold_ms: Option<i64>,
    /// Released and expired orders.
    pub retain_ms: Option<i64>,
    /// Confirmed and returned orders.
    pub retain_paid_ms: Option<i64>,
}

/// How the sums of a pool would differ.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::core) struct SumDeltas {
    pub on_hand: i64,
    pub reserved: i64,
    pub sold: i64,
    pub out: i64,
}

/// What of the shelf may be sold at all, where that sum stays within the bounds.
pub(in crate::core) fn sellable(on_hand: i64, safety: i64) -> Option<i64> {
    difference(on_hand, safety)
}

/// A pool.
#[derive(Clone, Debug)]
pub struct Pool {
    pub(in crate::core) salt: Salt,
    pub(in crate::core) on_hand: i64,
    pub(in crate::core) unlimited: bool,
    pub(in crate::core) suspended: bool,
    /// The sale window; `None` = always open, and nothing to announce.
    pub(in crate::core) sale: Option<Box<Sale>>,
    pub(in crate::core) reserved: i64,
    pub(in crate::core) safety: i64,
    pub(in crate::core) alert: i64,
    pub(in crate::core) sold: i64,
    pub(in crate::core) out: i64,
    /// The part of `sold` that remembered orders do not explain.
    pub(in crate::core) sold_before: i64,
    pub(in crate::core) times: Times,
    pub(in crate::core) events: Option<Bytes>,
    pub(in crate::core) packed_events: bool,
    pub(in crate::core) epoch: u64,
    pub(in crate::core) seq: u64,
    pub(in crate::core) ended: Vec<EndedEpoch>,
    /// No hold is due and nothing can be purged before this time, Unix ms; 0 = has to be found out.
    /// Every write asks: one compare in place of a look at each list. Not part of the state.
    pub(in crate::core) quiet_until_ms: Cell<i64>,
    /// A change is being applied. It stays set where applying it has panicked, and the pool is half
    /// changed: see [`Pool::is_broken`]. Not part of the state.
    pub(in crate::core) applying: bool,
    /// Promotion under which the last change was decided; 0 = not by this process as primary. Not
    /// part of the state.
    pub(in crate::core) promotion: u64,
    /// When the youngest order that was freed had been placed, Unix ms.
    pub(in crate::core) purged_placed_ms: i64,
    /// The shortest time for which an order was to be remembered after it was finished, ms;
    /// `i64::MAX` before the first.
    pub(in crate::core) shortest_retain_ms: i64,
    /// Dimensions whose values new orders keep although no limit counts them: sorted by name.
    pub(in crate::core) remember: Vec<Bytes>,
    pub(in crate::core) limits: Limits,
    pub(in crate::core) next_limit: LimitId,
    /// While all windows of named zones hold that were resolved last: from then, and until then,
    /// Unix ms; see [`crate::core::ops::roll`]. Not part of the state.
    pub(in crate::core) resolved_from_ms: Cell<i64>,
    pub(in crate::core) resolved_until_ms: Cell<i64>,
    pub(in crate::core) placed: OnDemand<PlacedOrders>,
    pub(in crate::core) counts: [u32; 5],
    pub(in crate::core) usage: OnDemand<Usage>,
    pub(in crate::core) tokens: OnDemand<Tokens>,
    /// What has shifted between this pool and its peers; `None` = nothing.
    pub(in crate::core) shifts: Option<Box<crate::core::model::shifts::Shifts>>,
}

impl Pool {
    /// An empty pool, before its first change.
    #[must_use]
    pub fn new(salt: u64) -> Self {
        Self {
            salt: Salt(salt),
            on_hand: 0,
            unlimited: false,
            suspended: false,
            sale: None,
            reserved: 0,
            safety: 0,
            alert: 0,
            sold: 0,
            out: 0,
            sold_before: 0,
            times: Times::default(),
            events: None,
            packed_events: false,
            epoch: 0,
            seq: 0,
            ended: Vec::new(),
            quiet_until_ms: Cell::new(0),
            applying: false,
            promotion: 0,
            purged_placed_ms: 0,
            shortest_retain_ms: i64::MAX,
            remember: Vec::new(),
            limits: Limits::default(),
            next_limit: LimitId::of(1),
            resolved_from_ms: Cell::new(i64::MIN),
            resolved_until_ms: Cell::new(i64::MIN),
            placed: OnDemand::default(),
            counts: [0; 5],
            usage: OnDemand::default(),
            tokens: OnDemand::default(),
            shifts: None,
        }
    }

    /// What is on the shelf.
    #[must_use]
    pub fn on_hand(&self) -> OnHand {
        if self.unlimited {
            OnHand::Unlimited
        } else {
            OnHand::Units(self.on_hand)
        }
    }

    /// What can be reserved, below 0 where it is short; `None` = any quantity.
    #[must_use]
    pub fn available(&self) -> Option<i64> {
        // Three sums of at most 2^53 - 1 stay far within an i64.
        (!self.unlimited).then(|| self.on_hand.wrapping_sub(self.reserved).wrapping_sub(self.safety))
    }

    /// Units held by orders that are not paid.
    #[must_use]
    pub fn reserved(&self) -> i64 {
        self.reserved
    }

    /// Net units sold.
    #[must_use]
    pub fn sold(&self) -> i64 {
        self.sold
    }

    /// Net units that left on_hand by movements which the database follows.
    #[must_use]
    pub fn out(&self) -> i64 {
        self.out
    }

    /// Whether taking units is stopped.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// The sale window.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        self.sale.as_ref().map_or_else(Schedule::default, |sale| sale.schedule)
    }

    /// The current epoch; 0 before the first change.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number of the last change.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Epochs that ended here, from the oldest; at most [`MAX_EPOCHS`].
    #[must_use]
    pub fn ended_epochs(&self) -> &[EndedEpoch] {
        &self.ended
    }

    /// The limits, in order.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What the policy says of times.
    #[must_use]
    pub fn times(&self) -> Times {
        self.times
    }

    /// Units that are never sold.
    #[must_use]
    pub fn safety(&self) -> i64 {
        self.safety
    }

    /// The `low` edge; 0 = off.
    #[must_use]
    pub fn alert(&self) -> i64 {
        self.alert
    }

    /// The event stream of the policy: `None` = the server's, empty = none at all.
    #[must_use]
    pub fn events(&self) -> Option<&[u8]> {
        self.events.as_ref().map(Bytes::as_slice)
    }

    /// Whether entries have one field, with the event as JSON.
    #[must_use]
    pub const fn packed_events(&self) -> bool {
        self.packed_events
    }

    /// Whether the next announced change of this primary brings in a new epoch.
    #[must_use]
    pub fn needs_epoch(&self, promotion: u64) -> bool {
        self.promotion != promotion
    }

    /// From when an order that is finished in this state now is forgotten, Unix ms.
    #[must_use]
    pub fn forget_ms(&self, state: OrderState, context: &CallContext) -> i64 {
        let retain_ms = if state.is_paid() {
            self.times.retain_paid_ms.unwrap_or(context.defaults.retain_paid_ms)
        } else {
            self.times.retain_ms.unwrap_or(context.defaults.retain_ms)
        };
        context.clock.now_ms.saturating_add(retain_ms)
    }

    /// What the sums would be after these differences, where they stay within the bounds.
    ///
    /// # Errors
    /// [`Bound::Sum`].
    pub(in crate::core) fn check_sums(&self, delta: &SumDeltas) -> Result<(), Refusal> {
        let on_hand = if self.unlimited { Some(0) } else { sum(self.on_hand, delta.on_hand) };
        let reserved = sum(self.reserved, delta.reserved);
        let fits = on_hand.zip(reserved).is_some_and(|(on_hand, reserved)| {
            self.unlimited || sellable(on_hand, self.safety).is_some_and(|units| difference(units, reserved).is_some())
        });
        let fits = fits && sum(self.sold, delta.sold).is_some() && sum(self.out, delta.out).is_some();
        fits.then_some(()).ok_or(Refusal::Bound(Bound::Sum))
    }

    /// Looks an order up, once for the call.
    #[must_use]
    pub fn order_ref<'a>(&self, id: &'a [u8]) -> OrderRef<'a> {
        let hash = self.salt.order(id);
        self.order_ref_from(id, hash, self.begin_order(hash).0)
    }

    /// Begins the search for an order: see [`crate::core::store::index::Index::begin`].
    #[inline(always)]
    pub(in crate::core) fn begin_order(&self, hash: u64) -> (IndexPosition, u64) {
        self.placed.get().map_or_else(Default::default, |placed| placed.index.begin(hash))
    }

    /// As [`Pool::order_ref`], where the search has begun already.
    #[inline(always)]
    pub(in crate::core) fn order_ref_from<'a>(&self, id: &'a [u8], hash: u64, from: IndexPosition) -> OrderRef<'a> {
        let (row, position) = self.placed.get().map_or_else(Default::default, |placed| {
            placed.index.find_from(hash, from, |at| placed.orders.is(OrderRow::of(at), id))
        });
        OrderRef { id, hash, row: row.map(OrderRow::of), position }
    }

    /// A remembered order by its record's number.
    #[must_use]
    pub fn order(&self, row: OrderRow) -> Option<Order<'_>> {
        self.placed.get()?.orders.get(row)
    }

    /// One more than the largest number of an order's record.
    #[must_use]
    pub fn order_rows_end(&self) -> u32 {
        self.placed.get().map_or(0, |placed| placed.orders.span())
    }

    /// The first number from `at` on at which there may be an order's record.
    #[must_use]
    pub fn next_order_row(&self, at: u32) -> u32 {
        self.placed.get().map_or(at, |placed| placed.orders.skip_empty(at))
    }

    /// Orders that hold units.
    #[must_use]
    pub fn open_holds(&self) -> u64 {
        u64::from(self.counts[0])
    }

    /// Orders in memory.
    #[must_use]
    pub fn remembered(&self) -> u64 {
        self.placed.get().map_or(0, |placed| placed.orders.len()) as u64
    }

    /// Values that have used something of a limit, past windows included.
    #[must_use]
    pub fn usage_entries(&self) -> usize {
        self.usage.get().map_or(0, |usage| usage.entries.len())
    }

    /// Tokens of ADD and TRANSFER in memory.
    pub(in crate::core) fn token_count(&self) -> usize {
        self.tokens.get().map_or(0, Tokens::len)
    }

    /// The bytes taken, in constant time.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let limits = self.limits.table_bytes();
        let overrides: usize = self.limits.iter().map(|l| l.overrides.bytes().saturating_add(l.entries.bytes())).sum();
        size_of::<Self>()
            .saturating_add(self.sale.as_ref().map_or(0, |_| size_of::<Sale>()))
            .saturating_add(self.remember.capacity().saturating_mul(size_of::<Bytes>()))
            .saturating_add(limits)
            .saturating_add(overrides)
            .saturating_add(self.placed.bytes(PlacedOrders::bytes))
            .saturating_add(self.usage.bytes(Usage::bytes))
            .saturating_add(self.tokens.bytes(Tokens::bytes))
            .saturating_add(self.shifts_bytes())
    }

    /// What freeing it costs, in allocations of size.
    #[must_use]
    pub fn free_effort(&self) -> usize {
        let orders = self.remembered() as usize;
        orders.saturating_add(self.usage_entries()).saturating_add(self.token_count()).saturating_add(1)
    }

    /// A copy for another key. Where the policy names an event stream, the copy publishes to none,
    /// so that one stream does not mix two pools.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { events: self.events.as_ref().map(|_| Bytes::default()), promotion: 0, ..self.clone() }
    }

    /// When the background next has a hold to expire, an opening or an end of the sale to announce,
    /// or rows to purge here, Unix ms; `None` = never.
    #[must_use]
    pub fn next_wake_ms(&self) -> Option<i64> {
        let (due_ms, purge_ms) = (self.next_deadline_ms(), self.next_purge_ms());
        let sale_ms = self.sale.as_ref().and_then(|sale| sale.next_ms());
        [due_ms, purge_ms, sale_ms].into_iter().flatten().min()
    }

    /// Whether no hold is due, nothing can be purged and the background has nothing to do here.
    #[must_use]
    pub fn is_quiet(&self, now_ms: i64) -> bool {
        if now_ms >= self.quiet_until_ms.get() {
            self.quiet_until_ms.set(self.next_wake_ms().unwrap_or(i64::MAX));
        }
        now_ms < self.quiet_until_ms.get()
    }

    /// A time before [`Pool::next_wake_ms`], or the same, Unix ms; 0 = unknown.
    #[must_use]
    pub fn quiet_until_ms(&self) -> i64 {
        self.quiet_until_ms.get()
    }

    /// Takes the pool out of service: see [`Pool::is_broken`].
    pub const fn mark_broken(&mut self) {
        self.applying = true;
    }

    /// Whether a panic has left the pool half changed. Nothing may be read from it or written to
    /// it: neither the log nor a replica has that change.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.applying
    }

    /// When rows can be purged, Unix ms, or earlier; 0 while removed limits have left entries.
    #[must_use]
    pub fn next_purge_ms(&self) -> Option<i64> {
        if self.usage.get().is_some_and(|usage| !usage.orphaned.is_empty()) {
            return Some(0);
        }
        // Every write asks: plain numbers with the largest for "never" are the cheapest.
        let token_ms = self.tokens.get().and_then(|tokens| tokens.iter().next()).map_or(i64::MAX, |t| t.forget_ms);
        let finished_ms = self.placed.get().and_then(|placed| placed.finished.next_ms());
        let other_ms = finished_ms.map_or(token_ms, |at| at.min(token_ms));
        let at_ms = self.next_usage_expiry_ms().min(other_ms.saturating_add(SLACK_MS));
        (at_ms < i64::MAX).then_some(at_ms)
    }

    /// The earliest deadline of a hold.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.placed.get()?.holds.next_ms()
    }

    /// From when usage may be over for good, Unix ms; `i64::MAX` = never.
    pub(in crate::core) fn next_usage_expiry_ms(&self) -> i64 {
        self.usage.get().map_or(i64::MAX, |usage| usage.next_expiry_ms(&self.limits))
    }

    /// Replay: what follows was the primary's change after this one.
    pub fn resume_at(&mut self, seq: u64) {
        self.seq = seq;
    }

    /// Replay: a change that does not fit here is left out, but counted as the primary counted it.
    pub fn skip(&mut self, stamp: &Stamp, change: &Change<'_>) {
        if change.kind().is_some() {
            self.begin(stamp);
        }
    }

    /// Numbers the change that follows, and begins the epoch that it brings in.
    pub(in crate::core) fn begin(&mut self, stamp: &Stamp) {
        if let Some(epoch) = stamp.new_epoch {
            if self.seq > 0 {
                if self.ended.len() >= MAX_EPOCHS {
                    self.ended.remove(0);
                }
                self.ended.push(EndedEpoch { epoch: self.epoch, seq: self.seq, out: self.out });
            }
            self.epoch = epoch;
        }
        self.promotion = stamp.promotion;
        // A payload may begin at the bound; what follows must stay loadable.
        self.seq = self.seq.saturating_add(1).min(MAX_UNITS.unsigned_abs());
    }

    /// How availability has changed since it was `before`.
    pub(in crate::core) fn transitions(&self, before: Option<i64>) -> Transitions {
        let before = before.unwrap_or(i64::MAX);
        let after = self.available().unwrap_or(i64::MAX);
        let stock = match (before > 0, after > 0) {
            (true, false) => Some(Transition::SoldOut),
            (false, true) => Some(Transition::Restocked),
            _ => None,
        };
        let low = self.alert > 0 && before > self.alert && after <= self.alert;
        Transitions { stock, low: low.then_some(Transition::Low) }
    }

    pub(in crate::core) fn set_on_hand(&mut self, on_hand: OnHand) {
        match on_hand {
            OnHand::Units(units) => {
                self.unlimited = false;
                self.on_hand = units;
            }
            OnHand::Unlimited => {
                self.unlimited = true;
                self.on_hand = 0;
            }
        }
    }
}
