//! What a pool keeps, and what it tells: without the rules.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::{conflict, words};
use super::base::{Attributes, Bytes, Shared, Values};
use crate::reply::Reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Reserved,
    Confirmed,
    Returned,
    Released,
    Expired,
}

impl State {
    pub(super) const ALL: [State; 5] =
        [State::Reserved, State::Confirmed, State::Returned, State::Released, State::Expired];

    pub(super) fn name(self) -> &'static str {
        match self {
            State::Reserved => "reserved",
            State::Confirmed => "confirmed",
            State::Returned => "returned",
            State::Released => "released",
            State::Expired => "expired",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) state: State,
    /// What it holds or has bought; what it had last, once it is expired or released.
    pub(super) qty: i128,
    pub(super) returned: i128,
    /// The content as first sent.
    pub(super) asked: i128,
    pub(super) partial: bool,
    pub(super) attributes: Shared<Attributes>,
    /// The dimensions that limits looked at when it was placed.
    pub(super) counted: BTreeSet<u64>,
    pub(super) charges: Vec<Charge>,
    pub(super) deadline_ms: i128,
    /// When it arrived at that deadline, among the others of the pool.
    pub(super) arrival: u64,
    pub(super) placed_ms: i128,
    pub(super) changed_ms: i128,
    /// From when it is forgotten: fixed by the policy of its last change.
    pub(super) forget_ms: Option<i128>,
    pub(super) tokens: BTreeMap<Bytes, ReturnToken>,
    /// Made by a return that vouched for an order which the pool did not know.
    pub(super) vouched: bool,
    /// The dimensions that the policy told it to keep when it was placed.
    pub(super) remember: BTreeSet<Bytes>,
}

impl Order {
    /// The state by the order's own deadline.
    pub(super) fn state_at(&self, now: i128) -> State {
        match self.state {
            State::Reserved if self.deadline_ms <= now => State::Expired,
            state => state,
        }
    }

    pub(super) fn left(&self) -> i128 {
        self.qty - self.returned
    }

    /// A conflict unless it was reserved with this content.
    pub(super) fn refuse_other_content(&self, qty: i128, partial: bool, attributes: &Attributes) -> Result<(), Reply> {
        if self.asked != qty {
            return Err(conflict("the order has another quantity"));
        }
        if self.partial != partial {
            return Err(conflict("PARTIAL differs"));
        }
        if *self.attributes != *attributes {
            return Err(conflict("the attributes differ"));
        }
        Ok(())
    }
}

/// That a limit looked at an order when its units were taken.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) limit: u64,
    pub(super) values: Values,
    /// The usage in which it counts; none where no usage is kept.
    pub(super) counted_in: Option<u64>,
    pub(super) amount: i128,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReturnToken {
    pub(super) qty: i128,
    pub(super) keep_usage: bool,
    pub(super) no_restock: bool,
}

#[derive(Debug, Clone)]
pub(super) struct AddToken {
    pub(super) delta: i128,
    pub(super) at_ms: i128,
    /// From when it is forgotten.
    pub(super) forget_ms: Option<i128>,
    /// The other pool of a transfer.
    pub(super) peer: Option<Bytes>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) hold_s: Option<i128>,
    pub(super) retain_s: Option<i128>,
    pub(super) retain_paid_s: Option<i128>,
    pub(super) safety: i128,
    pub(super) alert: i128,
    pub(super) events: Option<Bytes>,
    pub(super) packed_events: bool,
    /// The sale window; none: always.
    pub(super) from_ms: Option<i128>,
    pub(super) until_ms: Option<i128>,
    /// Dimensions that new orders keep although no limit counts them.
    pub(super) remember: BTreeSet<Bytes>,
}

/// Where a sale stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sale {
    Early,
    #[default]
    Open,
    Ended,
}

/// A limit, by its text, and values of its dimensions.
pub(super) type Quota = (String, Vec<Bytes>);

/// What shifts: the peer, and a quota of a limit where it is not units.
pub(super) type Lane = (Bytes, Option<Quota>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) sent: i128,
    pub(super) received: i128,
    pub(super) since_ms: i128,
}

pub(super) type Shifts = BTreeMap<Lane, Totals>;

/// One change, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRef {
    pub kind: &'static str,
    pub order: Option<Bytes>,
    pub qty: i128,
    pub seq: i64,
    /// None: any quantity.
    pub available: Option<i128>,
    pub reserved: i128,
    pub on_hand: Option<i128>,
    pub sold: i128,
    pub out: i128,
    pub edge: Option<&'static str>,
    pub token: Option<Bytes>,
    pub peer: Option<Bytes>,
    /// Of a change of policy: what it changed.
    pub changed: Option<String>,
    pub note: Option<Bytes>,
    /// None: the pool tells nobody, or whom the server says.
    pub stream: Option<Bytes>,
    /// In one field, as JSON.
    pub packed: bool,
}

/// The refusal of an order that is over.
pub(super) fn closed(key: &[u8], state: State) -> Reply {
    words(&[Reply::bulk("CLOSED"), Reply::bulk(key), Reply::bulk(state.name())])
}
