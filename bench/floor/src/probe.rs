//! A stopwatch inside the server, in CPU time of its main thread: what others do on the machine
//! does not count.
//!
//! `BENCH.TIMED command [arg ...]` runs a command and notes what the thread spent in it. Beside it
//! every turn of the event loop is noted, from waking up to going to sleep: calls, their sockets,
//! timers, cron and sweeps. `BENCH.SLOWEST` answers which calls took long, `BENCH.PROBE` how many
//! and how long, and begins anew. `BENCH.CLOCK` shows what the clock does by itself.

use std::cell::{Cell, RefCell};
use std::os::raw::{c_int, c_void};

use redis_module::raw;

use crate::{api, ERR, OK};

/// From here on something counts as slow.
const SLOW_NS: u64 = 1_000_000;

/// Calls that took at least so long are noted one by one.
const LONG_NS: u64 = 250_000;
/// At most so many of them; with more, BENCH.SLOWEST is an error.
const LONGEST: usize = 10_000;

/// What was noted of one kind of thing.
#[derive(Clone, Copy)]
struct Noted {
    count: u64,
    max_ns: u64,
    /// Which one that was, from 1 on.
    max_at: u64,
    slow: u64,
    /// How many pages of memory the kernel had to provide in it; of calls not noted.
    max_faults: u64,
}

impl Noted {
    const NONE: Self = Self { count: 0, max_ns: 0, max_at: 0, slow: 0, max_faults: 0 };

    fn add(mut self, ns: u64, faults: impl FnOnce() -> u64) -> Self {
        self.count = self.count.wrapping_add(1);
        self.slow = self.slow.wrapping_add(u64::from(ns > SLOW_NS));
        if ns > self.max_ns {
            (self.max_ns, self.max_at, self.max_faults) = (ns, self.count, faults());
        }
        self
    }
}

thread_local! {
    /// Calls that took long: number, time.
    static LONG: RefCell<Vec<(u64, u64)>> = const { RefCell::new(Vec::new()) };
    static CALLS: Cell<Noted> = const { Cell::new(Noted::NONE) };
    static TURNS: Cell<Noted> = const { Cell::new(Noted::NONE) };
    /// When the thread woke up; 0 before its first turn, and after BENCH.PROBE, whose own turn does
    /// not count.
    static AWAKE_NS: Cell<u64> = const { Cell::new(0) };
    /// The page faults of the thread until then.
    static AWAKE_FAULTS: Cell<u64> = const { Cell::new(0) };
}

/// What this thread has spent on the CPU so far.
fn cpu_ns() -> u64 {
    let mut spent = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct is ours to write.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut spent) };
    (spent.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(spent.tv_nsec as u64)
}

/// How many pages of memory the kernel has had to provide for this thread so far.
fn page_faults() -> u64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the struct is ours to write, and all zeros are one.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.ru_minflt.wrapping_add(usage.ru_majflt) as u64
}

/// `BENCH.TIMED command [arg ...]`: the command's own answer.
unsafe extern "C" fn timed(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let Ok(given @ 2..) = usize::try_from(argc) else {
        // SAFETY: the context is live.
        return unsafe { api!(RedisModule_WrongArity(ctx)) };
    };
    // SAFETY: the server hands in `argc` live strings and a live context; the reply is ours until
    // we free it.
    unsafe {
        let name = api!(RedisModule_StringPtrLen(*argv.add(1), std::ptr::null_mut()));
        let Some(call) = raw::RedisModule_Call else { return ERR };
        let begin = cpu_ns();
        let reply = call(ctx, name, c"v".as_ptr(), argv.add(2), given.saturating_sub(2));
        let spent = cpu_ns().saturating_sub(begin);
        let calls = CALLS.get().add(spent, || 0);
        CALLS.set(calls);
        if spent >= LONG_NS {
            LONG.with_borrow_mut(|long| {
                if long.len() < LONGEST {
                    long.push((calls.count, spent));
                }
            });
        }
        if reply.is_null() {
            api!(RedisModule_ReplyWithError(ctx, c"ERR this command cannot be called".as_ptr()));
            return OK;
        }
        api!(RedisModule_ReplyWithCallReply(ctx, reply));
        api!(RedisModule_FreeCallReply(reply));
    }
    OK
}

/// `BENCH.PROBE`: `[calls, slowest, its number, over 1 ms, turns, longest, its number, over 1 ms,
/// page faults of the longest]` since the last time, in ns.
unsafe extern "C" fn probe(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    let (calls, turns) = (CALLS.replace(Noted::NONE), TURNS.replace(Noted::NONE));
    AWAKE_NS.set(0);
    LONG.with_borrow_mut(Vec::clear);
    // SAFETY: the context is live.
    unsafe {
        api!(RedisModule_ReplyWithArray(ctx, 9));
        for noted in [calls, turns] {
            for figure in [noted.count, noted.max_ns, noted.max_at, noted.slow] {
                api!(RedisModule_ReplyWithLongLong(ctx, figure as i64));
            }
        }
        api!(RedisModule_ReplyWithLongLong(ctx, turns.max_faults as i64));
    }
    OK
}

/// `BENCH.SLOWEST`: `[number, ns, ...]` of the calls that took long since the last BENCH.PROBE.
unsafe extern "C" fn slowest(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    let long = LONG.with_borrow(Clone::clone);
    if long.len() >= LONGEST {
        // SAFETY: the context is live; the text ends in NUL and is copied.
        unsafe { api!(RedisModule_ReplyWithError(ctx, c"ERR more calls took long than are noted".as_ptr())) };
        return OK;
    }
    // SAFETY: the context is live.
    unsafe {
        api!(RedisModule_ReplyWithArray(ctx, long.len().saturating_mul(2) as _));
        for (number, ns) in long {
            api!(RedisModule_ReplyWithLongLong(ctx, number as i64));
            api!(RedisModule_ReplyWithLongLong(ctx, ns as i64));
        }
    }
    OK
}

/// For how much CPU time `BENCH.CLOCK` reads the clock.
const CLOCK_NS: u64 = 500_000_000;

/// `BENCH.CLOCK`: reads the clock for half a second, and does nothing else: `[readings, the most
/// that it went on from one to the next, how often by more than 1 ms]`, in ns.
unsafe extern "C" fn clock(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    let begin = cpu_ns();
    let (mut noted, mut last) = (Noted::NONE, begin);
    while last.saturating_sub(begin) < CLOCK_NS {
        let now = cpu_ns();
        noted = noted.add(now.saturating_sub(last), || 0);
        last = now;
    }
    // SAFETY: the context is live.
    unsafe {
        api!(RedisModule_ReplyWithArray(ctx, 3));
        for figure in [noted.count, noted.max_ns, noted.slow] {
            api!(RedisModule_ReplyWithLongLong(ctx, figure as i64));
        }
    }
    OK
}

/// The event loop wakes up or goes to sleep.
unsafe extern "C" fn turn(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    _data: *mut c_void,
) {
    if subevent == raw::REDISMODULE_SUBEVENT_EVENTLOOP_AFTER_SLEEP {
        AWAKE_FAULTS.set(page_faults());
        AWAKE_NS.set(cpu_ns());
    } else if AWAKE_NS.get() != 0 {
        let spent = cpu_ns().saturating_sub(AWAKE_NS.replace(0));
        TURNS.set(TURNS.get().add(spent, || page_faults().saturating_sub(AWAKE_FAULTS.get())));
    }
}

/// Registers the stopwatch.
///
/// # Safety
/// The context is live, and the server's functions are filled in.
pub unsafe fn register(ctx: *mut raw::RedisModuleCtx) -> c_int {
    let event = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_EVENTLOOP, dataver: 1 };
    // SAFETY: the context is live; the callbacks have the types that the server calls.
    unsafe {
        if crate::register(ctx, c"BENCH.TIMED", timed, c"write", (0, 0, 0)) != OK
            || crate::register(ctx, c"BENCH.PROBE", probe, c"readonly", (0, 0, 0)) != OK
            || crate::register(ctx, c"BENCH.CLOCK", clock, c"readonly", (0, 0, 0)) != OK
            || crate::register(ctx, c"BENCH.SLOWEST", slowest, c"readonly", (0, 0, 0)) != OK
        {
            return ERR;
        }
        api!(RedisModule_SubscribeToServerEvent(ctx, event, Some(turn)))
    }
}
