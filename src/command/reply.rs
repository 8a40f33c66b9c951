//! Replies: what they share, and the reply of a refused call.

use super::error::CommandError;
use super::host::{Handle, Out};
use super::journal::Refused;
use super::refusal::refuse;
use super::spec::Call;
use crate::core::model::change::OnHand;
use crate::core::model::pool::Pool;
use crate::core::model::refusal::Refusal;

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
