//! What is published of a change: one entry of the pool's event stream.
//!
//! An entry follows from the change and the pool after it, so that a replica makes the same one
//! from the effect.

use crate::core::model::change::{Change, Kind, OnHand, OrderChange, OrderRef, PoolChange, Transitions};
use crate::core::model::order::OrderState;
use crate::core::model::pool::Pool;
use crate::core::model::shifts::{Shifted, Way};

/// The id of an entry in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId {
    /// Unix ms.
    pub ms: u64,
    /// Counts within the millisecond.
    pub seq: u64,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPosition {
    /// Its id.
    pub id: EntryId,
    /// To which length the stream was then trimmed, if it was.
    pub length: Option<u64>,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What happened.
    pub kind: Kind,
    /// Which edges of availability it crossed.
    pub transitions: Transitions,
    /// The epoch of the change.
    pub epoch: u64,
    /// Its number.
    pub seq: u64,
    /// The order that it is about.
    pub order: Option<&'a [u8]>,
    /// The caller's token of a restock, a transfer or a return: by it a repeated one is known again
    /// whose first one was lost.
    pub token: Option<&'a [u8]>,
    /// The other pool of a transfer or a shift.
    pub peer: Option<&'a [u8]>,
    /// What the caller noted.
    pub note: Option<&'a [u8]>,
    /// See [`quantity`].
    pub qty: i64,
    /// When, Unix ms.
    pub at_ms: i64,
    /// After the change, as shown: 0 or more; `None` = any quantity.
    pub available: Option<i64>,
    /// After the change.
    pub reserved: i64,
    /// After the change.
    pub on_hand: OnHand,
    /// After the change.
    pub sold: i64,
    /// After the change.
    pub out: i64,
}

/// The words of the caller in an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words<'a> {
    /// See [`Event::order`].
    pub order: Option<&'a [u8]>,
    /// See [`Event::token`].
    pub token: Option<&'a [u8]>,
    /// See [`Event::peer`].
    pub peer: Option<&'a [u8]>,
    /// See [`Event::note`].
    pub note: Option<&'a [u8]>,
}

/// The quantity that a change is about, to be asked before it happens: units held, sold or returned
/// by it, the new total of an amended hold, what an extended one holds, the units that a release or
/// an expiry returns, the delta of an ADD or a TRANSFER, the drift of a RECONCILE, the new on_hand
/// of a SET (0 where it is not counted), the units that a shift adds to on_hand; else 0.
#[must_use]
pub fn quantity(pool: &Pool, change: &Change<'_>) -> i64 {
    match change {
        Change::Order(order, change) => order_quantity(pool, *order, change),
        Change::Pool(change) => pool_quantity(pool, change),
        Change::Purged(_) | Change::Resolved(_) | Change::Credited(_) => 0,
    }
}

fn order_quantity(pool: &Pool, order: OrderRef<'_>, change: &OrderChange<'_>) -> i64 {
    match change {
        OrderChange::Reserved { placement, .. } | OrderChange::LatePlaced { placement, .. } => placement.qty,
        OrderChange::Amended { qty, .. }
        | OrderChange::Parted { qty }
        | OrderChange::Split { qty, .. }
        | OrderChange::Confirmed { qty, .. }
        | OrderChange::Late { qty, .. } => *qty,
        OrderChange::Returned { content, .. } | OrderChange::UnverifiedReturn { content, .. } => content.qty,
        OrderChange::Extended { .. }
        | OrderChange::Released { .. }
        | OrderChange::Replaced { .. }
        | OrderChange::Expired { .. } => {
            let order = order.row.and_then(|row| pool.order(row));
            order.filter(|order| order.state == OrderState::Reserved).map_or(0, |order| order.qty)
        }
        OrderChange::Cancelled { .. } => 0,
    }
}

fn pool_quantity(pool: &Pool, change: &PoolChange<'_>) -> i64 {
    match change {
        PoolChange::Created { on_hand, .. } | PoolChange::Set(on_hand) => match on_hand {
            OnHand::Units(units) => *units,
            OnHand::Unlimited => 0,
        },
        PoolChange::Added { delta, .. } | PoolChange::Transferred { delta, .. } => *delta,
        PoolChange::Reconciled { on_hand } => match pool.on_hand() {
            OnHand::Units(units) => on_hand.saturating_sub(units),
            OnHand::Unlimited => 0,
        },
        PoolChange::Shifted(shifted) => shifted_quantity(pool, shifted),
        PoolChange::Suspended
        | PoolChange::Resumed
        | PoolChange::Policy(_)
        | PoolChange::LimitSet(_)
        | PoolChange::LimitRemoved { .. }
        | PoolChange::Scheduled(_)
        | PoolChange::Opened
        | PoolChange::Ended => 0,
    }
}

/// Of a quota of a limit no units shift.
fn shifted_quantity(pool: &Pool, shifted: &Shifted<'_>) -> i64 {
    if shifted.quota.is_some() {
        return 0;
    }
    let units = shifted.total.saturating_sub(shifted.reached(pool.shifts()));
    match shifted.way {
        Way::To => units.saturating_neg(),
        Way::From => units,
    }
}

impl<'a> Event<'a> {
    /// The same with these words of the caller.
    #[must_use]
    pub fn with_words<'o>(&self, words: Words<'o>) -> Event<'o> {
        let Self { kind, transitions, epoch, seq, qty, at_ms, available, reserved, on_hand, sold, out, .. } = *self;
        let Words { order, token, peer, note } = words;
        Event {
            kind,
            transitions,
            epoch,
            seq,
            order,
            token,
            peer,
            note,
            qty,
            at_ms,
            available,
            reserved,
            on_hand,
            sold,
            out,
        }
    }

    /// What in it are words of the caller.
    #[must_use]
    pub fn words(&self) -> Words<'a> {
        Words { order: self.order, token: self.token, peer: self.peer, note: self.note }
    }

    /// The entry of a change that has just happened, without a note.
    #[must_use]
    pub fn of(
        pool: &Pool,
        change: &Change<'a>,
        (kind, transitions): (Kind, Transitions),
        qty: i64,
        at_ms: i64,
    ) -> Self {
        Self {
            kind,
            transitions,
            epoch: pool.epoch(),
            seq: pool.seq(),
            order: change.order().map(|order| order.id),
            token: change.token(),
            peer: change.peer(),
            note: None,
            qty,
            at_ms,
            available: pool.available().map(|units| units.max(0)),
            reserved: pool.reserved(),
            on_hand: pool.on_hand(),
            sold: pool.sold(),
            out: pool.out(),
        }
    }
}
