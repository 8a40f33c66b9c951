//! What the server answers, as values. In numbers of units -1 means unlimited; times are
//! milliseconds since 1970, UTC.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Error;
use crate::text::Text;

/// The answer of a call that decides something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It is done now.
    Done(T),
    /// The same call was made before, and nothing was done twice.
    Exists(Exists),
    /// The pool said no, and nothing has changed: something to tell the buyer, not an error.
    Refused(Refused),
}

impl<T> Outcome<T> {
    /// Whether it is done, by this call or by the same one before.
    pub fn is_done(&self) -> bool {
        !matches!(self, Outcome::Refused(_))
    }

    /// After a reservation: whether the buyer may be asked for payment.
    pub fn is_held(&self) -> bool {
        match self {
            Outcome::Done(_) => true,
            Outcome::Exists(order) => order.state == OrderState::Reserved,
            Outcome::Refused(_) => false,
        }
    }

    /// The refusal, if it is one.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Outcome::Refused(no) => Some(no),
            _ => None,
        }
    }
}

/// Where an order stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderState {
    /// Its units are held until its deadline.
    Reserved,
    /// Paid.
    Confirmed,
    /// Paid, and all of it came back.
    Returned,
    /// Given up.
    Released,
    /// Its hold was not paid in time.
    Expired,
    /// No order: the token of an `add` that was done.
    Added,
    /// No order: the token of a `transfer` that was done.
    Transferred,
    /// One that this library does not know.
    Other(String),
}

impl OrderState {
    pub(crate) fn of(word: &[u8]) -> OrderState {
        match word {
            b"reserved" => OrderState::Reserved,
            b"confirmed" => OrderState::Confirmed,
            b"returned" => OrderState::Returned,
            b"released" => OrderState::Released,
            b"expired" => OrderState::Expired,
            b"added" => OrderState::Added,
            b"transferred" => OrderState::Transferred,
            other => OrderState::Other(String::from_utf8_lossy(other).into_owned()),
        }
    }

    /// The server's word.
    pub fn as_str(&self) -> &str {
        match self {
            OrderState::Reserved => "reserved",
            OrderState::Confirmed => "confirmed",
            OrderState::Returned => "returned",
            OrderState::Released => "released",
            OrderState::Expired => "expired",
            OrderState::Added => "added",
            OrderState::Transferred => "transferred",
            OrderState::Other(word) => word,
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(out)
    }
}

/// An order that the same call made before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exists {
    /// Its pool.
    pub key: Text,
    /// Where it stands now.
    pub state: OrderState,
    /// Its units.
    pub quantity: i64,
    /// How many of them came back.
    pub returned: i64,
    /// Until when they are held; 0 when they are not.
    pub deadline_ms: i64,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status word, such as `SOLDOUT`; also one that this library does not know.
    pub word: String,
    /// The pool that refused.
    pub key: Text,
    /// What the word has to say.
    pub why: Why,
}

/// The fields of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// SOLDOUT.
    SoldOut {
        /// What is left.
        available: i64,
    },
    /// LIMITED.
    Limited(Limited),
    /// CLOSED: the order is over.
    Closed {
        /// How it ended.
        state: OrderState,
    },
    /// EARLY: the sale has not begun.
    Early {
        /// When it does.
        from_ms: i64,
    },
    /// ENDED: the sale is over.
    Ended {
        /// Since when.
        until_ms: i64,
    },
    /// The word says it all, or is one that this library does not know.
    Plain,
}

/// Which limit refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Such as `user/day/units`.
    pub limit: Text,
    /// Whose limit.
    pub value: Vec<Text>,
    /// How many this value has taken.
    pub used: i64,
    /// How many it may take.
    pub max: i64,
    /// When its window ends; 0 is never.
    pub resets_ms: i64,
}

/// `reserve`: units are held until the deadline. `check`: they would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Units of this order.
    pub quantity: i64,
    /// What is left for others.
    pub available: i64,
    /// When the hold ends.
    pub deadline_ms: i64,
}

/// `confirm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Units of this order.
    pub quantity: i64,
    /// Units that the pool has sold.
    pub sold: i64,
}

/// `release` and `amend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Released: what the order held. Amended: what it holds now.
    pub quantity: i64,
    /// What is left for others.
    pub available: i64,
}

/// `split`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Units that went over.
    pub quantity: i64,
    /// Units that stay with the order.
    pub left: i64,
    /// When both holds end.
    pub deadline_ms: i64,
}

/// `return_units` and `return_order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Units that came back by this call.
    pub quantity: i64,
    /// What is left for others.
    pub available: i64,
    /// Units that the pool has sold.
    pub sold: i64,
}

/// `extend` and `reserve_cart`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When the hold ends.
    pub deadline_ms: i64,
}

/// `add`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Units on hand.
    pub on_hand: i64,
    /// What is left for buyers.
    pub available: i64,
}

/// `transfer`: what is in both pools now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// Of the pool that the units came from.
    pub on_hand: i64,
    /// Of the pool that the units came from.
    pub available: i64,
    /// Of the pool that they went to.
    pub to_on_hand: i64,
    /// Of the pool that they went to.
    pub to_available: i64,
}

/// `reconcile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// What the pool had too many of, or too few.
    pub drift: i64,
    /// Units on hand.
    pub on_hand: i64,
    /// What is left for buyers.
    pub available: i64,
}

/// `get`: everything about a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// None where the pool is unlimited.
    pub on_hand: Option<i64>,
    /// Units that holds have.
    pub reserved: i64,
    /// Units that are kept back.
    pub safety: i64,
    /// What is left for buyers.
    pub available: i64,
    /// Units that are promised and not there.
    pub shortfall: i64,
    /// Units that were sold.
    pub sold: i64,
    /// Units that have left since the epoch began.
    pub out: i64,
    /// Number of orders by state.
    pub orders: BTreeMap<String, i64>,
    /// Whether it takes no new orders.
    pub suspended: bool,
    /// Whether it never sells out.
    pub unlimited: bool,
    /// When the next hold ends; 0 when there is none.
    pub next_deadline_ms: i64,
    /// The pool's life, which a new SET of a missing key begins anew.
    pub epoch: String,
    /// Number of its last event.
    pub seq: i64,
    /// Number of its limits.
    pub limits: i64,
    /// At how many units left an alert is sent.
    pub alert: i64,
    /// When the sale opens, Unix ms; 0 where it is always open.
    pub from_ms: i64,
    /// When the sale ends, Unix ms; 0 where it never does.
    pub until_ms: i64,
    /// Seconds of a hold, where the call names none.
    pub hold_seconds: i64,
    /// Seconds for which an order that is over is remembered.
    pub retain_seconds: i64,
    /// The same for one that was paid.
    pub retain_paid_seconds: i64,
    /// Its stream of events, if it has one of its own.
    pub events: Option<Text>,
    /// Of `get_returning`: as [`Explained`] has it.
    pub returning: BTreeMap<String, Option<i64>>,
}

/// `order`: where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where it stands.
    pub state: OrderState,
    /// Its units.
    pub quantity: i64,
    /// How many of them came back.
    pub returned: i64,
    /// Until when they are held; 0 when they are not.
    pub deadline_ms: i64,
    /// The attributes by which limits counted it, and those that the policy's `remember` names.
    pub attributes: BTreeMap<Text, Text>,
}

/// `orders`: one page of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where the next page begins; `0` at the end.
    pub cursor: Text,
    /// Orders and their states.
    pub orders: Vec<(Text, OrderState)>,
    /// With details: the view of each of them.
    pub details: Vec<Order>,
}

/// `limits`: one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Such as `user/day/units`.
    pub limit: Text,
    /// How many each value may take.
    pub max: i64,
    /// The time zone in which its days begin.
    pub tz: Text,
    /// What happens where an order has no such attribute.
    pub missing: Text,
    /// Values that may take more, or less.
    pub overrides: Vec<(Vec<Text>, i64)>,
}

/// `usage` and `top_usage`: of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Such as `user/day/units`.
    pub limit: Text,
    /// Of `top_usage`: by whom.
    pub values: Option<Vec<Text>>,
    /// How many this value has taken.
    pub used: i64,
    /// How many it may take.
    pub max: i64,
    /// How many are left to it.
    pub remaining: i64,
    /// When its window ends; 0 is never.
    pub resets_ms: i64,
}

/// `explain`: the steps of a decision.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// None where the key is not there.
    pub pool: Option<Explained>,
    /// What `reserve` would answer.
    pub answer: Result<Outcome<Held>, Error>,
}

/// `explain`: of a pool that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Whether it takes no new orders.
    pub suspended: bool,
    /// When the sale opens, Unix ms; 0 where it is always open.
    pub from_ms: i64,
    /// When the sale ends, Unix ms; 0 where it never does.
    pub until_ms: i64,
    /// How many orders it remembers.
    pub orders: i64,
    /// How many it may remember.
    pub max_orders: i64,
    /// Dimensions that limits want and the call lacks.
    pub missing: Vec<Text>,
    /// None where the pool is unlimited.
    pub on_hand: Option<i64>,
    /// Units that holds have.
    pub held: i64,
    /// Units that are kept back.
    pub safety: i64,
    /// What is left for buyers.
    pub available: i64,
    /// Each limit, and what it says of the call by itself.
    pub limits: Vec<ExplainedLimit>,
    /// Held units by deadline: `within_1m`, …, `later`; none where there are too many to look at.
    pub returning: BTreeMap<String, Option<i64>>,
}

/// `explain`: of one limit. Where a dimension is missing, it has no values and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedLimit {
    /// Such as `user/day/units`.
    pub limit: Text,
    /// `allows`, `refuses`, `nodim` or `skipped`.
    pub verdict: String,
    /// Dimensions that the call lacks.
    pub missing: Vec<Text>,
    /// Whose limit.
    pub values: Option<Vec<Text>>,
    /// How many this value has taken.
    pub used: Option<i64>,
    /// How many it may take.
    pub max: Option<i64>,
    /// How many are left to it.
    pub remaining: Option<i64>,
    /// When its window ends; 0 is never.
    pub resets_ms: Option<i64>,
}
