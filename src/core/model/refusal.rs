//! Why a call does not do what it asks for, as values.

use crate::core::model::ids::Bytes;
use crate::core::model::number::LimitIndex;
use crate::core::model::order::OrderState;

/// What differs between a call and what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The quantity.
    Quantity,
    /// PARTIAL.
    Partial,
    /// The attributes.
    Attributes,
    /// More than the order holds.
    MoreThanHeld,
    /// All that the order holds, or more.
    AllOfHold,
    /// More than is left to return.
    MoreThanLeft,
    /// The token was used with other content.
    Token,
    /// Everything was returned before, under other tokens.
    AllReturned,
}

/// A bound that depends on the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `stock.pool-max-orders` is reached.
    Orders,
    /// The new hold would be over already.
    DeadlineOver,
    /// A sum would leave ±(2^53 - 1).
    Sum,
    /// The order has 1,000 return tokens.
    Tokens,
    /// The pool has 32 limits.
    Limits,
    /// The limit has 10,000 overrides.
    Overrides,
    /// There is no on_hand to add to.
    Unlimited,
    /// The sale would end before it opens.
    Schedule,
    /// The limit is not there, or its max cannot be divided.
    NoLimit,
    /// 10,000 lanes have shifted something.
    Shifts,
}

/// Why a call does not do what it asks for. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The same call was made before: where the order stands.
    Exists {
        /// Its state.
        state: OrderState,
        /// What it holds or has bought.
        qty: i64,
        /// What came back of it.
        returned: i64,
        /// Unix ms; 0 when it is not reserved.
        deadline_ms: i64,
    },
    /// An ADD with this token and delta was made before.
    Added {
        /// Units.
        delta: i64,
    },
    /// A TRANSFER with this token, these pools and this quantity was made before.
    Transferred {
        /// Units.
        qty: i64,
    },
    /// As much was shifted before.
    Shifted {
        /// What the two pools have shifted in all, in this direction: units, or of a limit's max.
        total: i64,
    },
    /// The order is over.
    Closed(OrderState),
    /// The hold is over.
    Expired,
    /// Paid: RETURN it.
    Confirmed,
    /// Not paid: RELEASE it.
    Reserved,
    /// The pool takes no units.
    Suspended,
    /// The sale has not opened yet.
    Early {
        /// When it opens, Unix ms.
        from_ms: i64,
    },
    /// The sale has ended.
    Ended {
        /// When it ended, Unix ms.
        until_ms: i64,
    },
    /// The pool does not know the order.
    NoOrder,
    /// The pool does not know the epoch.
    Unknown,
    /// Not enough stock.
    SoldOut {
        /// As shown: 0 or more.
        available: i64,
    },
    /// A limit is reached.
    Limited {
        /// Which one.
        limit: LimitIndex,
        /// The value, as a tuple.
        value: Bytes,
        /// Used in the current window.
        used: i64,
        /// Allowed.
        max: i64,
        /// When the window ends, Unix ms; 0 = never.
        resets_ms: i64,
    },
    /// The same id or token with other content: a bug of the caller's.
    Conflict(Conflict),
    /// A dimension of a limit is missing: a bug of the caller's.
    NoDim {
        /// Which limit.
        limit: LimitIndex,
        /// The first of its dimensions that the call lacks.
        dim: usize,
    },
    /// A bound is reached: an error.
    Bound(Bound),
}
