//! Where a change was published: the id of its entry in an event stream. The entry itself is not in
//! the effect, since whoever applies the change makes the same one; but for the caller's note,
//! which nothing else has.

use super::op;
use crate::core::codec::damage::Damage;
use crate::core::codec::wire::{put, put_bytes, put_signed, Read, Reader};
use crate::core::model::event::{EntryId, StreamPosition};
use crate::core::model::ids::MAX_STREAM;

/// An entry that the primary appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// Where in the stream.
    pub position: StreamPosition,
    /// Which stream, where the pool's policy does not say.
    pub stream: Option<&'a [u8]>,
    /// What the caller noted.
    pub note: Option<&'a [u8]>,
}

/// The stream is named.
const NAMED: u8 = 1;
/// The stream was trimmed to a length.
const TRIMMED: u8 = 2;
/// There is a note.
const NOTED: u8 = 4;

/// Writes it down, behind its change.
pub fn put_event_ref(out: &mut Vec<u8>, now_ms: i64, event_ref: &EventRef<'_>) {
    let trimmed = event_ref.position.length.map_or(0, |_| TRIMMED);
    let named = event_ref.stream.map_or(0, |_| NAMED);
    let noted = event_ref.note.map_or(0, |_| NOTED);
    out.push(op::EVENT_REF);
    out.push(named | trimmed | noted);
    // Mostly a millisecond or none behind the call. Ids may be any 64 bits: the difference wraps.
    put_signed(out, (event_ref.position.id.ms as i64).wrapping_sub(now_ms));
    put(out, event_ref.position.id.seq);
    if let Some(stream) = event_ref.stream {
        put_bytes(out, stream);
    }
    if let Some(length) = event_ref.position.length {
        put(out, length);
    }
    if let Some(note) = event_ref.note {
        put_bytes(out, note);
    }
}

/// Reads it, where there is one.
pub fn event_ref<'a>(reader: &mut Reader<'a>, now_ms: i64) -> Read<Option<EventRef<'a>>> {
    let mut ahead = *reader;
    if !ahead.byte().is_ok_and(|code| code == op::EVENT_REF) {
        return Ok(None);
    }
    let flags = ahead.byte()?;
    if flags & !(NAMED | TRIMMED | NOTED) != 0 {
        return Err(Damage("an event has unknown flags"));
    }
    let ms = ahead.signed()?.wrapping_add(now_ms) as u64;
    let id = EntryId { ms, seq: ahead.number()? };
    let stream = if flags & NAMED != 0 { Some(ahead.bytes(MAX_STREAM)?) } else { None };
    let length = if flags & TRIMMED != 0 { Some(ahead.number()?) } else { None };
    let note = if flags & NOTED != 0 { Some(ahead.id()?) } else { None };
    *reader = ahead;
    Ok(Some(EventRef { position: StreamPosition { id, length }, stream, note }))
}
