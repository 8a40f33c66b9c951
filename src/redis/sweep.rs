//! Returning due holds of pools without traffic.
//!
//! The server must never be made to write while it is paused or a replica: an assertion would end it. So nothing is written
//! from here. The sweep calls our own `STOCK.SWEEP` through the server in script mode, which refuses where a client's script
//! would be refused (on a replica, with too few replicas, after a disk error, in a slot that is not ours), after asking
//! whether replicas may be written to at all.
//!
//! The server's cron (ten times a second) starts it. The rest follows in slices of a millisecond, one per turn of the event
//! loop, between which clients are served: for that a socket that is always readable is put into the event loop while there
//! is work. (One-shot callbacks would not do: the server runs those that are added meanwhile in the same turn.)

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::os::raw::{c_int, c_void};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use redis_module::raw;

use super::api::{self, Ctx};
use super::trampoline::guarded;
use super::{rescan, state};

/// How long one slice may take; the search for pools gets half of it.
const SLICE: Duration = Duration::from_millis(1);
/// How many holds one call returns: a fraction of a slice.
const HOLDS_PER_CALL: i64 = 256;
/// How many discarded entries a slice frees.
const FREED_PER_SLICE: usize = 2_000;
/// When a pool in a slot that is not ours is looked at again.
const FOREIGN_MS: i64 = 10_000;
/// When a pool is looked at again whose sweep the server refused.
const REFUSED_MS: i64 = 1_000;

const COMMAND: &CStr = c"STOCK.SWEEP";

/// What may not be interrupted by a write: a load, a script, a transaction; and a forked child writes nothing.
const BUSY: u32 = raw::REDISMODULE_CTX_FLAGS_LOADING
    | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING
    | raw::REDISMODULE_CTX_FLAGS_LUA
    | raw::REDISMODULE_CTX_FLAGS_MULTI
    | raw::REDISMODULE_CTX_FLAGS_IS_CHILD;

/// The background sweep.
pub struct Sweep {
    pump: Option<Pump>,
    running: bool,
    /// How late the last due hold was returned by the background.
    pub lag_ms: i64,
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
        Self {
            pump: None,
            running: false,
            lag_ms: 0,
        }
    }
}

/// Sets the pump up, at load. It gets a context of its own, outside any call.
pub fn set_up(ctx: Ctx<'_>) -> Result<*mut raw::RedisModuleCtx, String> {
    let (readable, mut writer) =
        UnixStream::pair().map_err(|why| format!("no socket pair: {why}"))?;
    std::io::Write::write_all(&mut writer, b"!")
        .map_err(|why| format!("the socket pair does not work: {why}"))?;
    // SAFETY: the context is live; the new one lives as long as the process, as the module does.
    let ctx = unsafe { api!(RedisModule_GetDetachedThreadSafeContext(ctx.raw())) };
    state::with(|state| {
        state.sweep.pump = Some(Pump {
            ctx,
            readable,
            _writer: writer,
        })
    });
    Ok(ctx)
}

/// From the server's cron: starts the slices when there is something to do.
pub fn tick() {
    let now_ms = api::now_ms();
    let start = state::with(|state| {
        state.loads.tidy();
        let work =
            state.rescan.is_wanted() || state.agenda.has_discarded() || state.agenda.is_due(now_ms);
        let pump = state
            .sweep
            .pump
            .as_ref()
            .map(|pump| pump.readable.as_raw_fd());
        pump.filter(|_| work && !state.sweep.running)
    });
    if let Some(fd) = start {
        let mask = raw::REDISMODULE_EVENTLOOP_READABLE as c_int;
        // SAFETY: the descriptor stays open; the callback fits.
        let added = unsafe {
            api!(RedisModule_EventLoopAdd(
                fd,
                mask,
                Some(on_turn),
                std::ptr::null_mut()
            ))
        };
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
    let freeing = state::with(|state| state.agenda.free_some(FREED_PER_SLICE));
    let searching = rescan::advance(ctx, start + SLICE / 2);
    let sweeping = may_write(flags) && sweep_due(ctx, start + SLICE);
    freeing || searching || sweeping
}

/// Whether the background may change anything now.
fn may_write(flags: u32) -> bool {
    // SAFETY: no arguments.
    let paused = unsafe { api!(RedisModule_AvoidReplicaTraffic()) } != 0;
    flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0
        && !paused
        && !state::with(|state| state.in_grace())
}

/// Sweeps pools whose time has come, the latest first, until the deadline; true while there are more.
fn sweep_due(ctx: Ctx<'_>, until: Instant) -> bool {
    loop {
        let now_ms = api::now_ms();
        let Some((db, at_ms, key)) = state::with(|state| state.agenda.first_due(now_ms)) else {
            return false;
        };
        match sweep_pool(ctx, db, &key) {
            Swept::Done(returned) => done(db, at_ms, &key, now_ms, returned),
            Swept::Foreign => postpone(db, at_ms, &key, now_ms.saturating_add(FOREIGN_MS)),
            Swept::Refused => {
                postpone(db, at_ms, &key, now_ms.saturating_add(REFUSED_MS));
                return false;
            }
        }
        if Instant::now() >= until {
            return true;
        }
    }
}

/// The call has moved the entry to the pool's next time. Where it still stands, the key holds no pool any more, or one that stands
/// in here under another time.
fn done(db: i32, at_ms: i64, key: &[u8], now_ms: i64, returned: i64) {
    state::with(|state| {
        if at_ms <= state.last_ms() {
            state.agenda.remove(db, at_ms, key);
        }
        if returned > 0 {
            state.sweep.lag_ms = now_ms.saturating_sub(at_ms);
        }
    });
}

fn postpone(db: i32, at_ms: i64, key: &[u8], until_ms: i64) {
    state::with(|state| {
        state.agenda.remove(db, at_ms, key);
        state.agenda.insert(db, until_ms, key);
    });
}

/// How a sweep ended.
enum Swept {
    /// It ran; so many holds were returned.
    Done(i64),
    /// The slot of the key is not ours.
    Foreign,
    /// The server refuses writes.
    Refused,
}

/// Sweeps one pool as a script would: replicated (`!`), in script mode (`S`).
fn sweep_pool(ctx: Ctx<'_>, db: i32, key: &[u8]) -> Swept {
    /// `EPERM`, by which the server says that a key is not in its slots.
    const NOT_PERMITTED: i32 = 1;
    if !ctx.select(db) {
        return Swept::Done(0);
    }
    // SAFETY: the context is live; the format matches the arguments; the reply is freed.
    unsafe {
        let (start, len, count) = (key.as_ptr(), key.len(), c"COUNT".as_ptr());
        let reply = api!(RedisModule_Call(
            ctx.raw(),
            COMMAND.as_ptr(),
            c"!Sbcl".as_ptr(),
            start,
            len,
            count,
            HOLDS_PER_CALL
        ));
        if reply.is_null() {
            let why = std::io::Error::last_os_error().raw_os_error();
            return if why == Some(NOT_PERMITTED) {
                Swept::Foreign
            } else {
                Swept::Refused
            };
        }
        let is_integer =
            api!(RedisModule_CallReplyType(reply)) == raw::REDISMODULE_REPLY_INTEGER as c_int;
        let returned = if is_integer {
            api!(RedisModule_CallReplyInteger(reply))
        } else {
            0
        };
        api!(RedisModule_FreeCallReply(reply));
        Swept::Done(returned)
    }
}
