//! What a pool remembers of one order.

use crate::core::model::ids::Bytes;
use crate::core::model::number::{LimitId, UsageRow};
use crate::core::store::order_shares::OrderShares;

/// The most return tokens in one order.
pub const MAX_TOKENS: usize = 1_000;

/// Where an order stands in one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OrderState {
    /// Holds units until a deadline.
    Reserved = 0,
    /// Paid, also when partly returned.
    Confirmed = 1,
    /// Paid and all of it returned.
    Returned = 2,
    /// Released by the caller, or cancelled before it was known.
    Released = 3,
    /// Expired: nobody paid before the deadline.
    Expired = 4,
}

impl OrderState {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Reserved, Self::Confirmed, Self::Returned, Self::Released, Self::Expired];

    /// The state with this number. `None`: there is no such state.
    #[must_use]
    pub const fn of_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Reserved,
            1 => Self::Confirmed,
            2 => Self::Returned,
            3 => Self::Released,
            4 => Self::Expired,
            _ => return None,
        })
    }

    /// The word of answers and events.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Returned => "returned",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    /// Whether it was paid: remembered for `retain_paid`.
    #[must_use]
    pub const fn is_paid(self) -> bool {
        matches!(self, Self::Confirmed | Self::Returned)
    }
}

/// One partial return, so that its retry is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnToken {
    /// The caller's token.
    pub token: Bytes,
    /// Its content.
    pub content: ReturnContent,
}

/// What makes two returns the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnContent {
    /// Units.
    pub qty: i64,
    /// The units stay counted in the limits.
    pub keep_usage: bool,
    /// The goods do not come back.
    pub no_restock: bool,
}

/// Rare fields, stored outside the row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Units that came back after payment.
    pub returned: i64,
    /// The partial returns.
    pub tokens: Vec<ReturnToken>,
    /// Made by an unverified return: the pool had forgotten the order, and its quantity is what the
    /// caller said.
    pub unverified: bool,
}

/// The numbers of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Units held or bought; for a finished order what it had last.
    pub qty: i64,
    /// While reserved the deadline, then the moment from which it is forgotten; Unix ms. Fixed when
    /// it is finished: a later policy neither shortens nor revives it.
    pub time_ms: i64,
    /// When it was placed, Unix ms.
    pub placed_ms: i64,
    /// Limits with this id or a larger one are newer than the order.
    pub limits_below: LimitId,
}

/// An order that is to be remembered.
#[derive(Clone, Debug)]
pub struct NewOrder<'a> {
    /// The caller's id.
    pub id: &'a [u8],
    /// Its numbers.
    pub numbers: Numbers,
    /// Units first asked for.
    pub asked: i64,
    /// Keyed hash of the attributes as first sent.
    pub fingerprint: u64,
    /// The usage entries in which it is counted, in the order of the limits; at most 32.
    pub shares: &'a [UsageRow],
    /// Where it stands.
    pub state: OrderState,
    /// Whether it asked for less to be enough.
    pub partial: bool,
    /// Rare fields, stored outside the row.
    pub extra: Option<Extra>,
    /// Attributes that it keeps although no limit counts them (`model::remembered`).
    pub remembered: &'a [u8],
}

/// What a pool remembers of one order.
#[derive(Clone, Copy, Debug)]
pub struct Order<'p> {
    /// The caller's id.
    pub id: &'p [u8],
    /// See [`Numbers`].
    pub qty: i64,
    /// Units first asked for.
    pub asked: i64,
    /// See [`Numbers`].
    pub time_ms: i64,
    /// See [`Numbers`].
    pub placed_ms: i64,
    /// See [`Numbers`].
    pub limits_below: LimitId,
    /// Keyed hash of the attributes as first sent.
    pub fingerprint: u64,
    /// The usage entries in which it is (or was) counted, in the order of the limits of that time.
    pub shares: OrderShares<'p>,
    /// Rare fields, stored outside the row.
    pub extra: Option<&'p Extra>,
    /// Where it stands.
    pub state: OrderState,
    /// Whether it asked for less to be enough.
    pub partial: bool,
}

impl Order<'_> {
    /// Units that came back after payment.
    #[must_use]
    pub fn returned(&self) -> i64 {
        self.extra.map_or(0, |e| e.returned)
    }

    /// Whether it was made by an unverified return.
    #[must_use]
    pub fn unverified(&self) -> bool {
        self.extra.is_some_and(|e| e.unverified)
    }
}
