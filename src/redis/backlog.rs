//! Looks at the event streams for `INFO`: how long they are, and how far their groups of readers
//! are behind. Reads only, in short slices from the server's cron.
//!
//! The server tells of groups by XINFO GROUPS alone, so that is called, as the module: no user
//! needs a permission for it, and nothing is replicated. What it does leave is one call of XINFO
//! and one keyspace hit in the server's statistics. The key is looked at first, without a trace, so
//! that a stream that is not there is no miss.

use std::os::raw::c_longlong;
use std::time::{Duration, Instant};

use redis_module::raw;

use super::api::Ctx;
use super::event_streams::{Backlog, Groups};
use super::handles::{CallReply, KeyHandle, OwnedString};
use super::{rescan, state, sweep};

/// How long one slice may take. One stream is always looked at.
const SLICE: Duration = Duration::from_micros(200);

/// So many entries that a group has not read are counted; of more, the server's number is taken.
const COUNTED: u64 = 100;

/// From the server's cron: looks at some streams, if a pass is due or under way.
pub fn tick(ctx: Ctx<'_>) {
    let begun = Instant::now();
    let work = state::with(|state| {
        let (default, _) = state.parameters.events();
        state.event_streams.begin_pass(default.as_deref(), begun);
        state.event_streams.has_work()
    });
    if !work {
        return;
    }
    let flags = ctx.flags();
    if flags & sweep::BUSY != 0 {
        return;
    }
    // A replica of a cluster refuses commands on its keys: they are for the primary to answer.
    let answers = flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0 || !state::with(|state| state.cluster);
    let mut began = begun;
    while let Some((db, name)) = state::with(|state| state.event_streams.next_stream()) {
        let backlog = look(ctx, db, &name, answers);
        let now = Instant::now();
        state::with(|state| state.event_streams.found(db, &name, backlog, began, now));
        if now.saturating_duration_since(begun) >= SLICE {
            return;
        }
        began = now;
    }
}

/// Looks at one stream; `None`: there is none. `answers`: the server answers commands on its keys.
fn look(ctx: Ctx<'_>, db: i32, name: &[u8], answers: bool) -> Option<Backlog> {
    if !ctx.select(db) {
        return None;
    }
    let name = OwnedString::new(name);
    let entries = entries(ctx, &name)?;
    let groups = if answers { groups(ctx, &name, entries) } else { None };
    Some(Backlog { entries, groups })
}

/// The length of the stream under this name, if there is one and it has not expired.
fn entries(ctx: Ctx<'_>, name: &OwnedString) -> Option<u64> {
    // SAFETY: the context and the name are live; the handle is dropped here.
    let key = unsafe { KeyHandle::open(ctx, name.as_ptr(), rescan::QUIET) };
    // SAFETY: the handle is live.
    let is_live = || unsafe { api!(RedisModule_GetExpire(key.as_ptr())) != 0 };
    // SAFETY: the handle is live.
    let length = || unsafe { api!(RedisModule_ValueLength(key.as_ptr())) as u64 };
    (key.kind() == raw::REDISMODULE_KEYTYPE_STREAM && is_live()).then(length)
}

/// What XINFO GROUPS says. `None`: an error, such as that of a slot that has moved.
fn groups(ctx: Ctx<'_>, stream: &OwnedString, entries: u64) -> Option<Groups> {
    let (command, format, what) = (c"XINFO".as_ptr(), c"Ecs".as_ptr(), c"GROUPS".as_ptr());
    // SAFETY: the context and the name are live; the format matches the arguments.
    let reply =
        unsafe { CallReply::from_raw(api!(RedisModule_Call(ctx.raw(), command, format, what, stream.as_ptr()))) };
    let reply = reply.filter(|reply| reply.error().is_none())?;
    let mut groups = Groups::default();
    for group in reply.elements() {
        let field = |wanted: &[u8]| {
            let at = group.elements().position(|name| name.text() == Some(wanted))?;
            group.elements().nth(at.saturating_add(1))
        };
        let count = |wanted: &[u8]| field(wanted)?.integer().and_then(|n| u64::try_from(n).ok());
        let name = field(b"name");
        let name = name.as_ref().and_then(|name| name.text()).unwrap_or_default();
        let lag = count(b"lag").map(|lag| {
            let delivered = field(b"last-delivered-id");
            let delivered = delivered.as_ref().and_then(|id| id.text()).unwrap_or_default();
            unread(ctx, stream, delivered, lag.min(entries))
        });
        groups.add(name, lag, count(b"pending").unwrap_or(0));
    }
    Some(groups)
}

/// Entries behind `delivered`, if they are few, else `lag`.
///
/// Where entries were trimmed that a group had not read, Redis 7.0 calls as many unread for ever,
/// and Valkey 9.1 until the group reads the next one. So the last ones are counted: a group that
/// has read everything has a lag of 0.
fn unread(ctx: Ctx<'_>, stream: &OwnedString, delivered: &[u8], lag: u64) -> u64 {
    if lag == 0 {
        return 0;
    }
    let after = [b"(", delivered].concat();
    let (command, format, end, option) = (c"XRANGE".as_ptr(), c"Esbccl".as_ptr(), c"+".as_ptr(), c"COUNT".as_ptr());
    let (id, id_len, at_most) = (after.as_ptr(), after.len(), COUNTED as c_longlong);
    // SAFETY: the context, the name and the id are live; the format matches the arguments.
    let reply = unsafe {
        let stream = stream.as_ptr();
        CallReply::from_raw(api!(RedisModule_Call(
            ctx.raw(),
            command,
            format,
            stream,
            id,
            id_len,
            end,
            option,
            at_most
        )))
    };
    let counted = reply.filter(|reply| reply.error().is_none()).map(|reply| reply.elements().count() as u64);
    counted.filter(|&counted| counted < COUNTED).unwrap_or(lag)
}
