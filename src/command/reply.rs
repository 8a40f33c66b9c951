//! Replies. A refusal that a shop must expect is data; one that shows a bug of the caller is an
//! error reply.

use super::error::CommandError;
use super::host::{Handle, Out};
use super::journal::{Outcome, Refused};
use super::spec::Call;
use crate::core::model::change::OnHand;
use crate::core::model::limit::values;
use crate::core::model::order::OrderState;
use crate::core::model::pool::Pool;
use crate::core::model::refusal::{Bound, Conflict, Refusal};

/// Begins a reply `[OK, …]` of `len` elements.
pub fn ok(out: &mut dyn Out, len: usize) {
    out.array(len);
    out.bulk(b"OK");
}

/// on_hand in a reply: -1 for unlimited.
#[must_use]
pub fn on_hand(pool: &Pool) -> i64 {
    match pool.on_hand() {
        OnHand::Units(units) => units,
        OnHand::Unlimited => -1,
    }
}

/// available in a reply: 0 or more, -1 for unlimited.
#[must_use]
pub fn available(pool: &Pool) -> i64 {
    pool.available().map_or(-1, |units| units.max(0))
}

/// The outcome of a refused call, for `INFO stock`.
const fn counted(refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::Exists { .. } | Refusal::Added { .. } | Refusal::Shifted { .. } => Outcome::Exists,
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

/// Replies with a refusal, and returns its outcome.
///
/// # Errors
/// CONFLICT, NODIM and bounds (ERR) are error replies.
pub fn refuse(out: &mut dyn Out, key: &[u8], pool: &Pool, refusal: &Refusal) -> Result<Outcome, CommandError> {
    let mut word = |word: &'static str, len: usize| {
        out.array(len);
        out.bulk(word.as_bytes());
        out.bulk(key);
    };
    match refusal {
        Refusal::Exists { state, qty, returned, deadline_ms } => {
            word("EXISTS", 6);
            exists(out, state.word(), *qty, *returned, *deadline_ms);
        }
        Refusal::Added { delta } => {
            word("EXISTS", 6);
            exists(out, "added", *delta, 0, 0);
        }
        Refusal::Shifted { total } => {
            word("EXISTS", 6);
            exists(out, "shifted", *total, 0, 0);
        }
        Refusal::Closed(state) => {
            word("CLOSED", 3);
            out.bulk(OrderState::word(*state).as_bytes());
        }
        Refusal::Expired => word("EXPIRED", 2),
        Refusal::Confirmed => word("CONFIRMED", 2),
        Refusal::Reserved => word("RESERVED", 2),
        Refusal::Suspended => word("SUSPENDED", 2),
        Refusal::Early { from_ms } => {
            word("EARLY", 3);
            out.int(*from_ms);
        }
        Refusal::Ended { until_ms } => {
            word("ENDED", 3);
            out.int(*until_ms);
        }
        Refusal::NoOrder => word("NOORDER", 2),
        Refusal::Unknown => word("UNKNOWN", 2),
        Refusal::SoldOut { available } => {
            word("SOLDOUT", 3);
            out.int(*available);
        }
        Refusal::Limited { limit, value, used, max, resets_ms } => {
            word("LIMITED", 7);
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

/// Replies with the refusal of a call on one pool, and counts it.
///
/// # Errors
/// CONFLICT, NODIM and bounds (ERR) are error replies.
pub fn refused(call: &mut Call<'_>, key: &[u8], handle: Handle, refusal: &Refusal) -> Result<(), CommandError> {
    let pool = call.keys.pool(handle);
    call.journal.refused = Some(Refused::of(handle, pool, refusal));
    let answer = refuse(call.out, key, pool, refusal)?;
    call.journal.outcome = Some(answer);
    Ok(())
}

fn exists(out: &mut dyn Out, state: &str, qty: i64, returned: i64, deadline_ms: i64) {
    out.bulk(state.as_bytes());
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
        Bound::Shifts => "ERR too many peers and shares have shifted: at most 10000",
        Bound::Schedule => "ERR invalid sale window: FROM must be before UNTIL",
    }
}
