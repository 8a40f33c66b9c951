//! Opens pools and changes them. [`commit`] is the only function that changes a pool on behalf of a
//! client.

use super::error::CommandError;
use super::event::{attributes, changed, entry, StreamEntry, StreamField};
use super::host::{Append, Handle};
use super::journal::Notification;
use super::refusal::{self, Outcome};
use super::spec::Call;
use crate::core::apply::apply;
use crate::core::codec::effect::{self, EventRef};
use crate::core::model::change::{Change, Kind};
use crate::core::model::context::{CallContext, DUE_PER_WRITE};
use crate::core::model::event::{quantity, Event, StreamPosition};
use crate::core::model::ids::Bytes;
use crate::core::model::number::OrderRow;
use crate::core::model::pool::{Pool, Stamp};
use crate::core::model::time::Clock;
use crate::core::model::view::View;
use crate::core::ops::{expire, purge, roll, schedule};

/// The time and the defaults of a call.
#[must_use]
pub fn context(call: &Call<'_>) -> CallContext {
    CallContext { clock: call.env.clock, defaults: call.env.defaults }
}

/// A pool as a write sees it.
#[must_use]
pub fn view<'v>(call: &'v Call<'_>, handle: Handle) -> View<'v> {
    View::of_write(call.keys.pool(handle), context(call))
}

/// Opens a pool for a read. `None`: there is no such key, and the reply is nil.
///
/// # Errors
/// `WRONG_TYPE`, `PARTIAL`, `BROKEN` of [`CommandError`].
pub fn read_pool(call: &mut Call<'_>, key: &[u8]) -> Result<Option<Handle>, CommandError> {
    let handle = call.keys.open(key)?;
    if handle.is_none() {
        call.out.nil();
    }
    Ok(handle)
}

/// Opens a pool for a write, and makes the changes first that are due. `None`: there is no such
/// key, and the reply is NOPOOL.
///
/// # Errors
/// `WRONG_TYPE`, `PARTIAL`, `BROKEN` of [`CommandError`], and `TRY_AGAIN` while the slot moves.
pub fn write_pool(call: &mut Call<'_>, key: &[u8]) -> Result<Option<Handle>, CommandError> {
    let handle = open_for_write(call, key)?;
    if handle.is_none() {
        reply_no_pool(call, key);
    }
    Ok(handle)
}

/// As [`write_pool`], without a reply.
///
/// # Errors
/// As [`write_pool`].
pub fn open_for_write(call: &mut Call<'_>, key: &[u8]) -> Result<Option<Handle>, CommandError> {
    let handle = call.keys.open(key)?;
    if let Some(handle) = handle {
        make_due_changes(call, handle, call.env.clock, DUE_PER_WRITE);
    }
    Ok(handle)
}

/// Replies NOPOOL.
pub fn reply_no_pool(call: &mut Call<'_>, key: &[u8]) {
    call.journal.outcome = Some(Outcome::NoPool);
    refusal::begin(call.out, const { refusal::NOPOOL.shape() }, key);
}

/// Makes the changes that the clock has brought about: the sale has opened or ended, holds are due.
/// Returns how many holds expired, at most `max`.
#[inline]
pub fn make_due_changes(call: &mut Call<'_>, handle: Handle, clock: Clock, max: usize) -> usize {
    // One compare for what is due of all kinds: nearly always nothing is.
    if call.keys.pool(handle).is_quiet(clock.now_ms) {
        return 0;
    }
    announce_sale(call, handle);
    expire_due(call, handle, clock, max)
}

/// Announces that the sale has opened or ended since the last change. Each is a change of its own.
pub fn announce_sale(call: &mut Call<'_>, handle: Handle) {
    let now_ms = call.env.clock.now_ms;
    while let Some(change) = schedule::due(call.keys.pool(handle), now_ms) {
        commit(call, handle, &change);
    }
}

/// Expires up to `max` due holds in order of deadline, and returns how many it expired.
fn expire_due(call: &mut Call<'_>, handle: Handle, clock: Clock, max: usize) -> usize {
    let mut expired = 0;
    while expired < max {
        let pool = call.keys.pool(handle);
        let Some(row) = expire::next_due(pool, clock) else { break };
        expire_hold(call, handle, row);
        expired = expired.saturating_add(1);
    }
    expired
}

/// Expires one hold.
pub fn expire_hold(call: &mut Call<'_>, handle: Handle, row: OrderRow) {
    let context = context(call);
    let pool = call.keys.pool(handle);
    // A copy, since the change writes to the record that holds the id. Short ids need no
    // allocation.
    let Some(id) = pool.order(row).map(|o| Bytes::new(o.id)) else { return };
    let change = expire::change(pool, &context, row, id.as_slice());
    commit(call, handle, &change);
}

/// Makes a change: encodes it as an effect, applies it, publishes it to the event stream of the
/// pool, and notes what to announce.
pub fn commit(call: &mut Call<'_>, handle: Handle, change: &Change<'_>) {
    commit_noted(call, handle, change, None);
}

/// As [`commit`], with what the caller noted, which is published with the change and kept nowhere
/// else.
pub fn commit_noted(call: &mut Call<'_>, handle: Handle, change: &Change<'_>, note: Option<&[u8]>) {
    commit_one(call, handle, change, note);
}

/// Says in which windows limits with a named zone count from now on, where that is news.
#[cold]
fn resolve_windows(call: &mut Call<'_>, handle: Handle, now_ms: i64) {
    let windows = roll::plan(call.keys.pool(handle), now_ms);
    if !windows.is_empty() {
        commit_one(call, handle, &Change::Resolved(windows), None);
    }
}

/// Makes one change. Returns whether nothing of the pool is due behind it.
fn commit_one(call: &mut Call<'_>, handle: Handle, change: &Change<'_>, note: Option<&[u8]>) -> bool {
    let now_ms = call.env.clock.now_ms;
    let mut pool = call.keys.pool_mut(handle);
    if !roll::is_resolved(pool, now_ms) && !matches!(change, Change::Resolved(_)) {
        resolve_windows(call, handle, now_ms);
        pool = call.keys.pool_mut(handle);
    }
    let about = if let Change::Pool(_) = change { changed(&mut call.journal.entry_text, pool, change) } else { None };
    let fresh = change.kind().is_some() && pool.needs_epoch(call.env.promotion);
    // 0 is what a pool has before its first change.
    let new_epoch = fresh.then(|| (call.env.entropy)().max(1));
    let effects_skipped = call.journal.effects_skipped;
    let alike = call.journal.alike;
    let changed = call.journal.changes_of(handle);
    if !effects_skipped {
        if changed.effect.is_empty() {
            effect::begin(&mut changed.effect, now_ms, pool.seq());
        }
        if alike {
            effect::add_alike(&mut changed.effect, pool, now_ms, new_epoch, change, &mut changed.common);
        } else {
            effect::add(&mut changed.effect, pool, now_ms, new_epoch, change);
        }
    }
    let stamp = Stamp { now_ms, promotion: call.env.promotion, new_epoch };
    // Before the change is applied. A new policy may change the stream, but is about no units.
    let publishes = stream(pool, call.env.events.default_stream).is_some();
    let qty = if publishes { quantity(pool, change) } else { 0 };
    let announced = apply(pool, &stamp, change);
    let quiet = pool.is_quiet(now_ms);
    let Some((kind, transitions)) = announced else { return quiet };
    changed.notifications.push(Notification { kind, transitions });
    if kind == Kind::Expired {
        call.journal.expired = call.journal.expired.saturating_add(1);
    }
    if !publishes && !matches!(change, Change::Pool(_)) {
        return quiet;
    }
    let Some(name) = stream(pool, call.env.events.default_stream) else { return quiet };
    // A copy, since appending borrows the keyspace that holds the pool. Short names need no
    // allocation.
    let name = Bytes::new(name);
    let own = pool.events().is_some();
    let event = Event { note, ..Event::of(pool, change, (kind, transitions), qty, now_ms) };
    if let Some(position) = publish(call, handle, name.as_slice(), (change, about), &event) {
        if !effects_skipped {
            let event_ref = EventRef { position, stream: (!own).then(|| name.as_slice()), note };
            effect::put_event_ref(&mut call.journal.changes_of(handle).effect, now_ms, &event_ref);
        }
    }
    quiet
}

/// The stream of a pool: that of its policy, or else that of the server.
fn stream<'s>(pool: &'s Pool, server: Option<&'s [u8]>) -> Option<&'s [u8]> {
    pool.events().or(server).filter(|name| !name.is_empty())
}

/// Appends the entry of a change that was applied; `about`: [`changed`] has written its text.
/// `None`: the stream did not take it, and readers see a gap in seq.
fn publish(
    call: &mut Call<'_>,
    handle: Handle,
    stream: &[u8],
    (change, about): (&Change<'_>, Option<StreamField>),
    event: &Event<'_>,
) -> Option<StreamPosition> {
    let mut text = std::mem::take(&mut call.journal.entry_text);
    let field = about.or_else(|| attributes(&mut text, call.keys.pool(handle), change));
    let at = Append::End { max_len: call.env.events.max_len };
    let packed = call.keys.pool(handle).packed_events();
    let text_of = |field| (field, text.as_slice());
    let position = append(call, handle, stream, at, &entry(event, field.map(text_of), packed));
    call.journal.entry_text = text;
    position
}

/// Appends an entry, and counts it.
pub fn append(
    call: &mut Call<'_>,
    handle: Handle,
    stream: &[u8],
    at: Append,
    entry: &StreamEntry<'_>,
) -> Option<StreamPosition> {
    let position = call.keys.append(handle, stream, at, entry);
    let total = if position.is_some() { &mut call.journal.published } else { &mut call.journal.dropped };
    *total = total.saturating_add(1);
    position
}

/// Purges up to `max` records that are no longer needed.
#[inline]
pub fn purge(call: &mut Call<'_>, handle: Handle, max: usize) {
    if !call.keys.pool(handle).is_quiet(call.env.clock.now_ms) {
        purge_some(call, handle, max);
    }
}

#[cold]
fn purge_some(call: &mut Call<'_>, handle: Handle, max: usize) {
    let purged = purge::plan(call.keys.pool(handle), &context(call), max);
    if !purged.is_empty() {
        commit(call, handle, &Change::Purged(purged));
    }
}

/// Makes the changes of a call, in order, and purges a few records.
pub fn commit_all(call: &mut Call<'_>, handle: Handle, changes: &[Change<'_>]) {
    for change in changes {
        commit(call, handle, change);
    }
    purge(call, handle, purge::PER_WRITE);
}

/// Makes the change of a call, and purges a few records.
pub fn commit_and_purge(call: &mut Call<'_>, handle: Handle, change: &Change<'_>) {
    commit_noted_and_purge(call, handle, change, None);
}

/// As [`commit_noted`], and purges a few records.
pub fn commit_noted_and_purge(call: &mut Call<'_>, handle: Handle, change: &Change<'_>, note: Option<&[u8]>) {
    if !commit_one(call, handle, change, note) {
        purge_some(call, handle, purge::PER_WRITE);
    }
}
