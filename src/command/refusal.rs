//! The refusals: for each its word and fields, what it is counted as, and what the manual says.
//!
//! One that a shop must expect is data: an array that begins with a word and the key of the pool.
//! One that shows a bug of the caller is an error reply.

use super::docs::{reply, Reply};
use super::error::CommandError;
use super::host::Out;
use crate::core::model::limit::values;
use crate::core::model::order::OrderState;
use crate::core::model::pool::Pool;
use crate::core::model::refusal::{Bound, Conflict, Refusal};

/// The outcomes, each with its name in `INFO stock`, and its index among the counters of a pool
/// (`pool_stats::ANSWERS`) where it has one.
macro_rules! outcomes {
    ($($(#[$doc:meta])* $outcome:ident = $name:literal $(=> $counter:literal)?;)*) => {
        /// The outcomes of calls that `INFO stock` counts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Outcome {
            $($(#[$doc])* $outcome,)*
            /// Not counted (reads, settings).
            Other,
        }

        impl Outcome {
            /// Every counted outcome with its name in `INFO stock`.
            pub const NAMES: &[(Outcome, &'static str)] = &[$((Outcome::$outcome, $name),)*];
            /// The number of outcomes, `Other` included.
            pub const COUNT: usize = Self::NAMES.len() + 1;

            /// The index among the counters of a pool. `None`: it is counted in `INFO stock` only.
            #[must_use]
            pub const fn counter(self) -> Option<usize> {
                match self {
                    $(Self::$outcome => counter!($($counter)?),)*
                    Self::Other => None,
                }
            }
        }
    };
}

macro_rules! counter {
    () => {
        None
    };
    ($index:literal) => {
        Some($index)
    };
}

outcomes! {
    /// Units were reserved.
    Reserved = "reserved" => 0;
    /// A hold was confirmed.
    Confirmed = "confirmed" => 1;
    /// A hold was confirmed after its deadline.
    Late = "late" => 1;
    /// A hold was released.
    Released = "released";
    /// A hold was amended.
    Amended = "amended";
    /// Part of a hold became an order of its own.
    Split = "split";
    /// A deadline was moved.
    Extended = "extended";
    /// Units were returned after payment.
    Returned = "returned";
    /// The call was made before.
    Exists = "exists" => 5;
    /// Not enough stock.
    SoldOut = "soldout" => 2;
    /// A purchase limit was reached.
    Limited = "limited" => 3;
    /// The order is released, expired or returned.
    Closed = "closed" => 4;
    /// The hold had expired.
    Expired = "expired" => 6;
    /// The order is confirmed.
    AlreadyConfirmed = "already_confirmed";
    /// The order is not confirmed yet.
    StillReserved = "still_reserved";
    /// The pool is suspended.
    Suspended = "suspended" => 7;
    /// The sale has not opened yet.
    Early = "early" => 7;
    /// The sale has ended.
    Ended = "ended" => 7;
    /// No such order.
    NoOrder = "noorder";
    /// No such epoch.
    Unknown = "unknown";
    /// No such pool.
    NoPool = "nopool";
    /// An error reply (CONFLICT, NODIM, ERR).
    Error = "error" => 8;
}

/// There is no such key.
pub const NOPOOL: Reply = reply("[NOPOOL, key]", "The key does not exist: create it with `STOCK.SET`.");
/// The call was made before.
pub const EXISTS: Reply = reply(
    "[EXISTS, key, state, qty, returned, deadline_ms]",
    "The same call was made before. Nothing was done twice; look at `state`.",
);
/// The order is over.
pub const CLOSED: Reply =
    reply("[CLOSED, key, state]", "The order is over: `released`, `expired` or `returned`. Buy again under a new id.");
/// The hold is over.
pub const EXPIRED: Reply = reply("[EXPIRED, key]", "The deadline has passed.");
/// The order is paid.
pub const CONFIRMED: Reply = reply("[CONFIRMED, key]", "The order is paid: use `STOCK.RETURN`.");
/// The order is not paid.
pub const RESERVED: Reply = reply("[RESERVED, key]", "The order is not paid: use `STOCK.RELEASE`.");
/// The order is not known.
pub const NOORDER: Reply = reply("[NOORDER, key]", "The pool does not know the order, or no longer.");
/// The epoch is not known.
pub const UNKNOWN: Reply =
    reply("[UNKNOWN, key]", "The pool does not know this epoch, or not so far. Read the stream from its start.");
/// The pool is suspended.
pub const SUSPENDED: Reply = reply("[SUSPENDED, key]", "`STOCK.SUSPEND` is in force.");
/// The sale is to come.
pub const EARLY: Reply = reply("[EARLY, key, from_ms]", "The sale opens at `from_ms`.");
/// The sale is over.
pub const ENDED: Reply = reply("[ENDED, key, until_ms]", "The sale has ended.");
/// Not enough units.
pub const SOLDOUT: Reply = reply("[SOLDOUT, key, available]", "Not enough units; `available` could still be had.");
/// A limit is reached.
pub const LIMITED: Reply = reply(
    "[LIMITED, key, limit, [value …], used, max, resets_ms]",
    "A purchase limit is reached. `limit` is a text such as `region+user/day/units`; `resets_ms` 0 means never.",
);

/// The outcome of a refused call, for `INFO stock`.
const fn counted(refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::Exists { .. } | Refusal::Added { .. } | Refusal::Transferred { .. } | Refusal::Shifted { .. } => {
            Outcome::Exists
        }
        Refusal::Closed(_) => Outcome::Closed,
        Refusal::Expired => Outcome::Expired,
        Refusal::Confirmed => Outcome::AlreadyConfirmed,
        Refusal::Reserved => Outcome::StillReserved,
        Refusal::Suspended => Outcome::Suspended,
        Refusal::Early { .. } => Outcome::Early,
        Refusal::Ended { .. } => Outcome::Ended,
        Refusal::NoOrder => Outcome::NoOrder,
        Refusal::Unknown => Outcome::Unknown,
        Refusal::SoldOut { .. } => Outcome::SoldOut,
        Refusal::Limited { .. } => Outcome::Limited,
        Refusal::Conflict(_) | Refusal::NoDim { .. } | Refusal::Bound(_) => Outcome::Error,
    }
}

/// Begins the array of a refusal: its word and the key of the pool.
pub fn begin(out: &mut dyn Out, (word, elements): (&'static str, usize), key: &[u8]) {
    out.array(elements);
    out.word(word);
    out.bulk(key);
}

/// Replies with a refusal, and returns its outcome.
///
/// # Errors
/// CONFLICT, NODIM and bounds (ERR) are error replies.
pub fn refuse(out: &mut dyn Out, key: &[u8], pool: &Pool, refusal: &Refusal) -> Result<Outcome, CommandError> {
    if matches!(refusal, Refusal::SoldOut { available: 0 }) && out.sold_out(key) {
        return Ok(Outcome::SoldOut);
    }
    let mut begin = |shape| begin(out, shape, key);
    match refusal {
        Refusal::Exists { state, qty, returned, deadline_ms } => {
            begin(const { EXISTS.shape() });
            exists(out, state.word(), *qty, *returned, *deadline_ms);
        }
        Refusal::Added { delta } => {
            begin(const { EXISTS.shape() });
            exists(out, "added", *delta, 0, 0);
        }
        Refusal::Transferred { qty } => {
            begin(const { EXISTS.shape() });
            exists(out, "transferred", *qty, 0, 0);
        }
        Refusal::Shifted { total } => {
            begin(const { EXISTS.shape() });
            exists(out, "shifted", *total, 0, 0);
        }
        Refusal::Closed(state) => {
            begin(const { CLOSED.shape() });
            out.word(OrderState::word(*state));
        }
        Refusal::Expired => begin(const { EXPIRED.shape() }),
        Refusal::Confirmed => begin(const { CONFIRMED.shape() }),
        Refusal::Reserved => begin(const { RESERVED.shape() }),
        Refusal::Suspended => begin(const { SUSPENDED.shape() }),
        Refusal::Early { from_ms } => {
            begin(const { EARLY.shape() });
            out.int(*from_ms);
        }
        Refusal::Ended { until_ms } => {
            begin(const { ENDED.shape() });
            out.int(*until_ms);
        }
        Refusal::NoOrder => begin(const { NOORDER.shape() }),
        Refusal::Unknown => begin(const { UNKNOWN.shape() }),
        Refusal::SoldOut { available } => {
            begin(const { SOLDOUT.shape() });
            out.int(*available);
        }
        Refusal::Limited { limit, value, used, max, resets_ms } => {
            begin(const { LIMITED.shape() });
            let limit = pool.limits().get(*limit);
            out.bulk(limit.map_or("", |l| &l.text).as_bytes());
            let dims = limit.map_or(0, |l| l.identity.dims.len());
            out.array(dims);
            for value in values(value.as_slice(), dims) {
                out.bulk(value);
            }
            for n in [used, max, resets_ms] {
                out.int(*n);
            }
        }
        Refusal::Conflict(conflict) => return Err(CommandError::line(conflict_text(*conflict))),
        Refusal::NoDim { limit, .. } => {
            let text = pool.limits().get(*limit).map_or("", |l| &l.text);
            // The text holds only names of dimensions, which are plain ASCII.
            return Err(CommandError::Line(format!("NODIM missing dimension for limit {text}").into()));
        }
        Refusal::Bound(bound) => return Err(CommandError::line(bound_text(*bound))),
    }
    Ok(counted(refusal))
}

fn exists(out: &mut dyn Out, state: &'static str, qty: i64, returned: i64, deadline_ms: i64) {
    out.word(state);
    out.int(qty);
    out.int(returned);
    out.int(deadline_ms);
}

const fn conflict_text(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Quantity => "CONFLICT quantity differs from the first call",
        Conflict::Partial => "CONFLICT PARTIAL differs from the first call",
        Conflict::Attributes => "CONFLICT attributes differ from the first call",
        Conflict::MoreThanHeld => "CONFLICT quantity exceeds what the order holds",
        Conflict::AllOfHold => "CONFLICT quantity must be less than the order holds",
        Conflict::MoreThanLeft => "CONFLICT quantity exceeds what is left to return",
        Conflict::Token => "CONFLICT token already used with different content",
        Conflict::AllReturned => "CONFLICT all units already returned by another call",
    }
}

/// The error reply of a bound.
#[must_use]
pub const fn bound_text(bound: Bound) -> &'static str {
    match bound {
        Bound::Orders => "ERR pool has reached stock.pool-max-orders",
        Bound::DeadlineOver => "ERR invalid expire time: in the past",
        Bound::Sum => "ERR result would be out of range: -9007199254740991 to 9007199254740991",
        Bound::Tokens => "ERR too many return tokens for one order: at most 1000",
        Bound::Limits => "ERR too many limits in one pool: at most 32",
        Bound::Overrides => "ERR too many overrides in one limit: at most 10000",
        Bound::Unlimited => "ERR pool is unlimited: it has no on_hand",
        Bound::NoLimit => "ERR no such limit, or one whose max cannot be divided",
        Bound::Shifts => "ERR too many peers and quotas have shifted: at most 10000",
        Bound::Schedule => "ERR invalid sale window: FROM must be before UNTIL",
    }
}
