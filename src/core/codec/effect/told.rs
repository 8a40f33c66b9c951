//! Where a change was told of: the id of its entry in an event stream. The entry itself is not in the effect, since whoever
//! repeats the change can make it again.

use super::op;
use crate::core::codec::wire::{put, put_bytes, put_signed, Read, Reader};
use crate::core::codec::Damage;
use crate::core::model::event::{EntryId, Place};
use crate::core::model::ids::MAX_STREAM;

/// An entry that the primary appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// Where in the stream.
    pub place: Place,
    /// Which stream, where the pool's policy does not say.
    pub stream: Option<&'a [u8]>,
}

/// The stream is named.
const NAMED: u8 = 1;
/// The stream was trimmed to a length.
const TRIMMED: u8 = 2;

/// Writes it down, behind its change.
pub fn put_told(out: &mut Vec<u8>, now_ms: i64, told: &Told<'_>) {
    let trimmed = told.place.length.map_or(0, |_| TRIMMED);
    let named = told.stream.map_or(0, |_| NAMED);
    out.push(op::TOLD);
    out.push(named | trimmed);
    // Mostly a millisecond or none behind the call. Ids may be any 64 bits: the difference wraps.
    put_signed(out, (told.place.id.ms as i64).wrapping_sub(now_ms));
    put(out, told.place.id.seq);
    if let Some(stream) = told.stream {
        put_bytes(out, stream);
    }
    if let Some(length) = told.place.length {
        put(out, length);
    }
}

/// Reads it, where there is one.
pub fn told<'a>(reader: &mut Reader<'a>, now_ms: i64) -> Read<Option<Told<'a>>> {
    let mut ahead = *reader;
    if !ahead.byte().is_ok_and(|code| code == op::TOLD) {
        return Ok(None);
    }
    let flags = ahead.byte()?;
    if flags & !(NAMED | TRIMMED) != 0 {
        return Err(Damage("an event has unknown flags"));
    }
    let ms = ahead.signed()?.wrapping_add(now_ms) as u64;
    let id = EntryId { ms, seq: ahead.number()? };
    let stream = if flags & NAMED != 0 { Some(ahead.bytes(MAX_STREAM)?) } else { None };
    let length = if flags & TRIMMED != 0 { Some(ahead.number()?) } else { None };
    *reader = ahead;
    Ok(Some(Told { place: Place { id, length }, stream }))
}
