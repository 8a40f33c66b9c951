//! Replies: what they share, and the reply of a refused call.

use super::error::CommandError;
use super::host::{Handle, Out};
use super::journal::Refused;
use super::refusal::{self, refuse};
use super::spec::Call;
use crate::core::model::change::OnHand;
use crate::core::model::order::OrderState;
use crate::core::model::pool::Pool;
use crate::core::model::refusal::Refusal;

/// Begins a reply `[OK, …]` of `len` elements.
pub fn ok(out: &mut dyn Out, len: usize) {
    out.array(len);
    out.word(OK);
}

/// The word of a call that was done.
const OK: &str = "OK";

/// The words that most answers have, the most frequent first.
pub const WORDS: [&str; 18] = [
    OK,
    const { refusal::SOLDOUT.shape().0 },
    const { refusal::LIMITED.shape().0 },
    const { refusal::EXISTS.shape().0 },
    const { refusal::NOPOOL.shape().0 },
    const { refusal::CLOSED.shape().0 },
    const { refusal::EXPIRED.shape().0 },
    const { refusal::CONFIRMED.shape().0 },
    const { refusal::RESERVED.shape().0 },
    const { refusal::NOORDER.shape().0 },
    const { refusal::SUSPENDED.shape().0 },
    const { refusal::EARLY.shape().0 },
    const { refusal::ENDED.shape().0 },
    OrderState::Reserved.word(),
    OrderState::Confirmed.word(),
    OrderState::Returned.word(),
    OrderState::Released.word(),
    OrderState::Expired.word(),
];

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
