//! Expires due holds of pools without traffic.
//!
//! A server that is paused, or a replica, must never be made to write: an assertion would end it.
//! So the sweep writes nothing itself. It calls `STOCK.SWEEP` through the server in script mode,
//! which refuses where the write of a script would be refused (on a replica, with too few replicas,
//! after a disk error, in a slot of another node), and only after asking whether replicas may be
//! written to at all.
//!
//! The server's cron (ten times a second) starts the sweep. The rest follows in slices of half a
//! millisecond, one per turn of the event loop, between which clients are served. For that a socket
//! that is always readable is in the event loop while there is work. (One-shot callbacks would not
//! do: the server runs those that are added meanwhile in the same turn.)

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::os::raw::{c_int, c_void};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use redis_module::raw;

use super::api::{self, Ctx};
use super::background::{BackgroundCall, EventLoopWaker};
use super::handles::{CallReply, OwnedString};
use super::panic::guarded;
use super::{rescan, state, value};

/// How long one slice may take; the rescan gets half of it. A call of a client waits for at most
/// two slices: the one that runs when it arrives, and the one of the turn in which it is answered.
const SLICE: Duration = Duration::from_micros(500);
/// How many holds one call expires: a fraction of a slice, also if each is published to a stream.
const HOLDS_PER_CALL: i64 = 32;
/// How many discarded entries of the wake-up queue one slice frees.
const FREED_PER_SLICE: usize = 1_000;
/// After how long a pool in a slot of another node is tried again, ms.
const FOREIGN_RETRY_MS: i64 = 10_000;

/// How many due pools of each database are looked at for the oldest hold that waits.
const WAITING_POOLS: usize = 32;

const COMMAND: &CStr = c"STOCK.SWEEP";

/// Contexts in which the background does nothing: a load, a script, a transaction, a forked child.
pub const BUSY: u32 = raw::REDISMODULE_CTX_FLAGS_LOADING
    | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING
    | raw::REDISMODULE_CTX_FLAGS_LUA
    | raw::REDISMODULE_CTX_FLAGS_MULTI
    | raw::REDISMODULE_CTX_FLAGS_IS_CHILD;

/// Sets the waker up, at load. Returns its context, which is outside of any call.
///
/// # Errors
/// The text for the server's log: `no socket pair: …` (the process has no file descriptors left),
/// or `the socket pair does not work: …`.
pub fn set_up(ctx: Ctx<'_>) -> Result<*mut raw::RedisModuleCtx, String> {
    let (readable, mut writer) = UnixStream::pair().map_err(|error| format!("no socket pair: {error}"))?;
    std::io::Write::write_all(&mut writer, b"!").map_err(|error| format!("the socket pair does not work: {error}"))?;
    // SAFETY: the context is live; the new one lives as long as the process, as the module does.
    let ctx = unsafe { api!(RedisModule_GetDetachedThreadSafeContext(ctx.raw())) };
    state::with(|state| state.sweep.waker = Some(EventLoopWaker { ctx, readable, _writer: writer }));
    Ok(ctx)
}

/// From the server's cron: puts the waker into the event loop if there is work.
pub fn tick() {
    let now_ms = api::now_ms();
    let start = state::with(|state| {
        state.rates.measure(Instant::now(), &state.totals.outcomes);
        value::set_max_orders(state.parameters.defaults().max_orders);
        if !state.wake_queue.is_due(now_ms) {
            state.sweep.waiting_since_ms = None;
        }
        let work = state.rescan.is_pending() || state.wake_queue.has_discarded() || state.wake_queue.is_due(now_ms);
        let fd = state.sweep.waker.as_ref().map(|waker| waker.readable.as_raw_fd());
        fd.filter(|_| work && !state.sweep.running)
    });
    if let Some(fd) = start {
        let mask = raw::REDISMODULE_EVENTLOOP_READABLE as c_int;
        // SAFETY: the descriptor stays open; the callback fits.
        let added = unsafe { api!(RedisModule_EventLoopAdd(fd, mask, Some(on_turn), std::ptr::null_mut())) };
        state::with(|state| state.sweep.running = added == api::OK);
    }
}

unsafe extern "C" fn on_turn(fd: c_int, _: *mut c_void, _: c_int) {
    let more = guarded(false, || {
        let ctx = state::with(|state| state.sweep.waker.as_ref().map(|waker| waker.ctx));
        // SAFETY: the context of the waker lives as long as the process.
        ctx.is_some_and(|ctx| run_slice(unsafe { Ctx::new(ctx) }))
    });
    if !more {
        stop(fd);
    }
}

fn stop(fd: c_int) {
    let mask = raw::REDISMODULE_EVENTLOOP_READABLE as c_int;
    // SAFETY: the descriptor is open and in the event loop.
    unsafe { api!(RedisModule_EventLoopDel(fd, mask)) };
    state::with(|state| state.sweep.running = false);
}

/// Runs one slice; true while there is more to do at once.
fn run_slice(ctx: Ctx<'_>) -> bool {
    let flags = ctx.flags();
    if flags & BUSY != 0 {
        return false;
    }
    let start = Instant::now();
    let freeing = state::with(|state| state.wake_queue.free_discarded(FREED_PER_SLICE));
    let scanning = rescan::advance(ctx, start + SLICE / 2);
    let sweeping = expires_holds(flags) && sweep_due(ctx, start + SLICE);
    freeing || scanning || sweeping
}

/// Whether it is this server that expires holds now. A replica waits for its primary; a promoted
/// one gives buyers time to find it.
fn expires_holds(flags: u32) -> bool {
    let expires =
        flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0 && !state::with(|state| state.holds_wait(api::now_ms()));
    if !expires {
        state::with(|state| state.sweep.waiting_since_ms = None);
    }
    expires
}

/// Notes since when the oldest hold waits that cannot be expired now. Entries of the wake-up queue
/// may be earlier than their pool needs, so the pools are looked at.
fn note_waiting(ctx: Ctx<'_>) {
    let now_ms = api::now_ms();
    let due = state::with(|state| state.wake_queue.due(now_ms, WAITING_POOLS));
    let deadlines = due.iter().filter_map(|(db, key)| {
        let name = OwnedString::new(key);
        ctx.select(*db).then(|| rescan::next_deadline_ms(ctx, &name)).flatten()
    });
    let oldest = deadlines.filter(|&deadline_ms| deadline_ms <= now_ms).min();
    state::with(|state| state.sweep.waiting_since_ms = oldest);
}

/// Sweeps due pools, the most overdue first, until the deadline; true while there are more.
fn sweep_due(ctx: Ctx<'_>, until: Instant) -> bool {
    // SAFETY: no arguments.
    if unsafe { api!(RedisModule_AvoidReplicaTraffic()) } != 0 {
        note_waiting(ctx);
        return false;
    }
    loop {
        let now_ms = api::now_ms();
        let Some((db, at_ms, key)) = state::with(|state| state.wake_queue.first_due(now_ms)) else {
            return false;
        };
        match sweep_pool(ctx, db, &key) {
            Swept::Done(done) => update_queue(db, at_ms, &key, now_ms, done),
            Swept::Foreign => postpone(db, at_ms, &key, now_ms.saturating_add(FOREIGN_RETRY_MS)),
            // The server refuses all writes, not only this one: the next cron tries again.
            Swept::Refused => {
                note_waiting(ctx);
                return false;
            }
        }
        state::with(|state| state.sweep.waiting_since_ms = None);
        if Instant::now() >= until {
            return true;
        }
    }
}

/// Removes the entry of a pool that was swept. The call has moved it to the pool's next time, which
/// may be the same one; otherwise an entry that is still there is stale: the key holds no pool any
/// more, or one that is scheduled for another time.
fn update_queue(db: i32, at_ms: i64, key: &[u8], now_ms: i64, done: Done) {
    state::with(|state| {
        if done.scheduled_ms != Some(at_ms) {
            state.wake_queue.remove(db, at_ms, key);
        }
        if done.expired > 0 {
            state.sweep.lag_ms = now_ms.saturating_sub(at_ms);
        }
    });
}

fn postpone(db: i32, at_ms: i64, key: &[u8], until_ms: i64) {
    state::with(|state| {
        state.wake_queue.remove(db, at_ms, key);
        state.wake_queue.insert(db, until_ms, key);
    });
}

/// How the sweep of one pool ended.
enum Swept {
    /// The command ran.
    Done(Done),
    /// The slot of the key is on another node, or is being migrated with the event stream on the
    /// other node.
    Foreign,
    /// The server refuses writes.
    Refused,
}

/// What the sweep of one pool did.
#[derive(Default)]
struct Done {
    /// How many holds expired.
    expired: i64,
    /// The time at which the wake-up queue has the pool now.
    scheduled_ms: Option<i64>,
}

fn sweep_pool(ctx: Ctx<'_>, db: i32, key: &[u8]) -> Swept {
    /// `EPERM`, with which the server refuses a key of another node's slot.
    const NOT_PERMITTED: i32 = 1;
    if !ctx.select(db) {
        return Swept::Done(Done::default());
    }
    state::with(|state| state.sweep.call = Some(BackgroundCall::default()));
    let (reply, errno) = call(ctx, key);
    let own = state::with(|state| state.sweep.call.take()).unwrap_or_default();
    let error = reply.as_ref().and_then(CallReply::error);
    if own.ran && error.is_some_and(|line| line.starts_with(b"TRYAGAIN")) {
        // The event stream is on another node until the migration of the slot ends.
        Swept::Foreign
    } else if own.ran {
        let expired = reply.as_ref().and_then(CallReply::integer).unwrap_or(0);
        Swept::Done(Done { expired, scheduled_ms: own.scheduled_ms.flatten() })
    } else if errno == Some(NOT_PERMITTED) {
        Swept::Foreign
    } else {
        Swept::Refused
    }
}

/// Calls the command as a script would: replicated (`!`), in script mode (`S`), with errors as
/// replies (`E`; without it a refusal crashes Valkey 9.1). Returns the reply, and the `errno` that
/// tells why the server refused.
fn call(ctx: Ctx<'_>, key: &[u8]) -> (Option<CallReply>, Option<i32>) {
    let (name, format) = (COMMAND.as_ptr(), c"!SEbcl".as_ptr());
    let (start, len, count) = (key.as_ptr(), key.len(), c"COUNT".as_ptr());
    // SAFETY: the context is live; the format matches the arguments.
    unsafe {
        let reply = api!(RedisModule_Call(ctx.raw(), name, format, start, len, count, HOLDS_PER_CALL));
        let errno = std::io::Error::last_os_error().raw_os_error();
        (CallReply::from_raw(reply), errno)
    }
}
