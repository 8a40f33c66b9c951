//! What has shifted between a pool and its peers, as records.

use super::damage::Damage;
use super::fields::{lane, put_lane};
use super::wire::{put_signed, Read, Reader};
use crate::core::model::ids::Bytes;
use crate::core::model::pool::Pool;
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::shifts::{Lane, Totals, MAX_SHIFTS};

/// Writes what has shifted in one lane.
pub fn put(out: &mut Vec<u8>, lane: &Lane, totals: Totals) {
    put_lane(out, lane.peer.as_slice(), lane.quota.as_ref());
    put_signed(out, totals.sent);
    put_signed(out, totals.received);
    put_signed(out, totals.since_ms);
}

/// Reads what has shifted in one lane.
///
/// # Errors
/// [`Damage`]: it is damaged, out of order, or says nothing.
pub fn read(reader: &mut Reader<'_>, pool: &mut Pool) -> Read<()> {
    let (peer, quota) = lane(reader)?;
    let lane = Lane { peer: Bytes::new(peer), quota };
    let mut total = || reader.within(0..=MAX_UNITS);
    let totals = Totals { sent: total()?, received: total()?, since_ms: total()? };
    if (totals.sent == 0) != (totals.since_ms == 0) || (totals.sent == 0 && totals.received == 0) {
        return Err(Damage("nothing has shifted"));
    }
    let shifts = pool.shifts.get_or_insert_default();
    if shifts.len() >= MAX_SHIFTS || shifts.last().is_some_and(|last| *last >= lane) {
        return Err(Damage("shifts are too many, or not in order"));
    }
    shifts.set(lane, totals);
    Ok(())
}

/// What all of them add up to, once: each sum goes through all of them.
///
/// # Errors
/// [`Damage`]: a sum is out of bounds.
pub fn add_up(pool: &mut Pool) -> Read<()> {
    let Some(shifts) = &pool.shifts else { return Ok(()) };
    if shifts.net_units().is_none() {
        return Err(Damage("a sum is out of bounds"));
    }
    for limit in pool.limits.iter_mut() {
        limit.shifted = shifts.quotas_of(&limit.text);
        if limit.shifted.as_ref().is_some_and(|shifted| !shifted.within_bounds()) {
            return Err(Damage("a sum is out of bounds"));
        }
    }
    Ok(())
}
