//! Returning due holds of pools without traffic.
//!
//! The server must never be made to write while it is paused or a replica: an assertion would end it. So
//! nothing is written from here. The sweep calls our own `STOCK.SWEEP` through the server in script mode,
//! which refuses where a client's script would be refused (on a replica, with too few replicas, after a disk
//! error, in a slot that is not ours), after asking whether replicas may be written to at all.
//!
//! The server's cron (ten times a second) starts it. The rest follows in slices of half a millisecond, one per
//! turn of the event loop, between which clients are served: for that a socket that is always readable is put
//! into the event loop while there is work. (One-shot callbacks would not do: the server runs those that are
//! added meanwhile in the same turn.)

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::os::raw::{c_int, c_void};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use redis_module::raw;

use super::api::{self, Ctx};
use super::trampoline::guarded;
use super::{rescan, state};

/// How long one slice may take; the search for pools gets half of it. A call may wait for two of them: for the one that runs
/// when it comes in, and for the one of the turn in which it is answered.
const SLICE: Duration = Duration::from_micros(500);
/// How many holds one call returns: a fraction of a slice, also where each is told of in a stream.
const HOLDS_PER_CALL: i64 = 32;
/// How many discarded entries a slice frees.
const PURGED_PER_SLICE: usize = 1_000;
/// When a pool in a slot that is not ours is looked at again.
const FOREIGN_MS: i64 = 10_000;

const COMMAND: &CStr = c"STOCK.SWEEP";

/// What may not be interrupted by a write: a load, a script, a transaction; and a forked child writes
/// nothing.
const BUSY: u32 = raw::REDISMODULE_CTX_FLAGS_LOADING
    | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING
    | raw::REDISMODULE_CTX_FLAGS_LUA
    | raw::REDISMODULE_CTX_FLAGS_MULTI
    | raw::REDISMODULE_CTX_FLAGS_IS_CHILD;

/// The background sweep.
pub struct Sweep {
    pump: Option<Pump>,
    running: bool,
    /// Set while the command that runs is the background's own.
    pub call: Option<OwnCall>,
    /// How late the last due hold was returned by the background.
    pub lag_ms: i64,
}

/// A call of the background.
#[derive(Clone, Copy, Default)]
pub struct OwnCall {
    /// The command has begun: the server did not refuse it.
    pub ran: bool,
    /// Under which time the wake-up queue knows the pool after it. Set once: whoever listens to what the call
    /// announces may run further commands on other pools.
    pub scheduled_ms: Option<Option<i64>>,
}

/// What turns the event loop.
struct Pump {
    ctx: *mut raw::RedisModuleCtx,
    readable: UnixStream,
    /// Its other end, which must stay open and has written one byte.
    _writer: UnixStream,
}

impl Sweep {
    /// Not set up.
    pub const fn new() -> Self {
        Self { pump: None, running: false, call: None, lag_ms: 0 }
    }
}

/// Sets the pump up, at load. It gets a context of its own, outside any call.
pub fn set_up(ctx: Ctx<'_>) -> Result<*mut raw::RedisModuleCtx, String> {
    let (readable, mut writer) = UnixStream::pair().map_err(|why| format!("no socket pair: {why}"))?;
    std::io::Write::write_all(&mut writer, b"!").map_err(|why| format!("the socket pair does not work: {why}"))?;
    // SAFETY: the context is live; the new one lives as long as the process, as the module does.
    let ctx = unsafe { api!(RedisModule_GetDetachedThreadSafeContext(ctx.raw())) };
    state::with(|state| state.sweep.pump = Some(Pump { ctx, readable, _writer: writer }));
    Ok(ctx)
}

/// From the server's cron: starts the slices when there is something to do.
pub fn tick() {
    let now_ms = api::now_ms();
    let start = state::with(|state| {
        let work = state.rescan.is_wanted() || state.wake_queue.has_discarded() || state.wake_queue.is_due(now_ms);
        let pump = state.sweep.pump.as_ref().map(|pump| pump.readable.as_raw_fd());
        pump.filter(|_| work && !state.sweep.running)
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
        let ctx = state::with(|state| state.sweep.pump.as_ref().map(|pump| pump.ctx));
        // SAFETY: the pump's context lives as long as the process.
        ctx.is_some_and(|ctx| slice(unsafe { Ctx::new(ctx) }))
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

/// One slice; true while there is more to do at once.
fn slice(ctx: Ctx<'_>) -> bool {
    let flags = ctx.flags();
    if flags & BUSY != 0 {
        return false;
    }
    let start = Instant::now();
    let freeing = state::with(|state| state.wake_queue.purge_discarded(PURGED_PER_SLICE));
    let searching = rescan::advance(ctx, start + SLICE / 2);
    let sweeping = may_write(flags) && sweep_due(ctx, start + SLICE);
    freeing || searching || sweeping
}

/// Whether the background may change anything now.
fn may_write(flags: u32) -> bool {
    // SAFETY: no arguments.
    let paused = unsafe { api!(RedisModule_AvoidReplicaTraffic()) } != 0;
    flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0 && !paused && !state::with(|state| state.in_grace())
}

/// Sweeps pools whose time has come, the most overdue first, until the deadline; true while there are more.
fn sweep_due(ctx: Ctx<'_>, until: Instant) -> bool {
    loop {
        let now_ms = api::now_ms();
        let Some((db, at_ms, key)) = state::with(|state| state.wake_queue.first_due(now_ms)) else {
            return false;
        };
        match sweep_pool(ctx, db, &key) {
            Swept::Done(what) => done(db, at_ms, &key, now_ms, what),
            Swept::Foreign => postpone(db, at_ms, &key, now_ms.saturating_add(FOREIGN_MS)),
            // All writes are refused, not just this one: the next cron tries again.
            Swept::Refused => return false,
        }
        if Instant::now() >= until {
            return true;
        }
    }
}

/// The call has moved the entry to the pool's next time, which may be the same one. Otherwise an entry that
/// is still there is of no use: the key holds no pool any more, or one that stands in here under another
/// time.
fn done(db: i32, at_ms: i64, key: &[u8], now_ms: i64, done: Done) {
    state::with(|state| {
        if done.scheduled_ms != Some(at_ms) {
            state.wake_queue.remove(db, at_ms, key);
        }
        if done.returned > 0 {
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

/// How a sweep ended.
enum Swept {
    /// It ran.
    Done(Done),
    /// The slot of the key is not ours, or moves just now with the pool's event stream on the other side.
    Foreign,
    /// The server refuses writes.
    Refused,
}

/// What a sweep did.
#[derive(Default)]
struct Done {
    /// So many holds were returned.
    returned: i64,
    /// Under which time the wake-up queue knows the pool now.
    scheduled_ms: Option<i64>,
}

/// Sweeps one pool.
fn sweep_pool(ctx: Ctx<'_>, db: i32, key: &[u8]) -> Swept {
    /// `EPERM`, by which the server says that a key is not in its slots.
    const NOT_PERMITTED: i32 = 1;
    if !ctx.select(db) {
        return Swept::Done(Done::default());
    }
    state::with(|state| state.sweep.call = Some(OwnCall::default()));
    let (answer, why) = call(ctx, key);
    let own = state::with(|state| state.sweep.call.take()).unwrap_or_default();
    if own.ran && answer == Reply::TryAgain {
        Swept::Foreign
    } else if own.ran {
        let returned = if let Reply::Returned(holds) = answer { holds } else { 0 };
        Swept::Done(Done { returned, scheduled_ms: own.scheduled_ms.flatten() })
    } else if why == Some(NOT_PERMITTED) {
        Swept::Foreign
    } else {
        Swept::Refused
    }
}

/// What the command answered.
#[derive(PartialEq, Eq)]
enum Reply {
    /// So many holds were returned.
    Returned(i64),
    /// `-TRYAGAIN`: the event stream is on another node, until the slot has moved or the move is called off.
    TryAgain,
    /// Another error, or nothing.
    Other,
}

/// Runs the command as a script would: replicated (`!`), in script mode (`S`), with errors as replies (`E`;
/// without it a refusal crashes Valkey 9.1). What it answered, and the `errno` that is left where the server
/// refused.
fn call(ctx: Ctx<'_>, key: &[u8]) -> (Reply, Option<i32>) {
    let (name, format) = (COMMAND.as_ptr(), c"!SEbcl".as_ptr());
    let (start, len, count) = (key.as_ptr(), key.len(), c"COUNT".as_ptr());
    // SAFETY: the context is live; the format matches the arguments; the reply is ours until it is freed.
    unsafe {
        let reply = api!(RedisModule_Call(ctx.raw(), name, format, start, len, count, HOLDS_PER_CALL));
        let why = std::io::Error::last_os_error().raw_os_error();
        if reply.is_null() {
            return (Reply::Other, why);
        }
        let answer = match api!(RedisModule_CallReplyType(reply)) {
            kind if kind == raw::REDISMODULE_REPLY_INTEGER as c_int => {
                Reply::Returned(api!(RedisModule_CallReplyInteger(reply)))
            }
            kind if kind == raw::REDISMODULE_REPLY_ERROR as c_int && says(reply, b"TRYAGAIN") => Reply::TryAgain,
            _ => Reply::Other,
        };
        api!(RedisModule_FreeCallReply(reply));
        (answer, why)
    }
}

/// Whether an error reply begins with this code.
///
/// # Safety
/// The reply is live, and an error.
unsafe fn says(reply: *mut raw::RedisModuleCallReply, code: &[u8]) -> bool {
    let mut len = 0;
    // SAFETY: the reply is live; the text lives as long.
    let text = unsafe { api!(RedisModule_CallReplyStringPtr(reply, &mut len)) };
    // SAFETY: so many bytes are there.
    !text.is_null() && unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) }.starts_with(code)
}
