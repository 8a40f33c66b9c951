//! A module for measuring. `BENCH.FLOOR` takes the arguments of `STOCK.RESERVE` and answers an
//! array of the same shape, of constants: what is left is the price of being a module command.
//! Loaded with the argument `probe`, the module also has a stopwatch ([`probe`]); without it
//! nothing of that is registered.

#![deny(clippy::unwrap_used, clippy::expect_used, unsafe_op_in_unsafe_fn)]

mod probe;

use std::ffi::CStr;
use std::os::raw::c_int;

use redis_module::raw;

/// The success of the server's functions.
const OK: c_int = raw::REDISMODULE_OK as c_int;
/// Their failure.
const ERR: c_int = raw::REDISMODULE_ERR as c_int;

/// A command as the server calls it.
type Entry = unsafe extern "C" fn(*mut raw::RedisModuleCtx, *mut *mut raw::RedisModuleString, c_int) -> c_int;

/// Calls a function of the server's interface; a function that the server lacks makes the command
/// fail.
macro_rules! api {
    ($name:ident($($arg:expr),* $(,)?)) => {
        match redis_module::raw::$name {
            Some(function) => function($($arg),*),
            None => return $crate::ERR,
        }
    };
}
pub(crate) use api;

/// `BENCH.FLOOR key order qty [EX seconds] [FOR dim value ...]`: `[OK, 1, 999, deadline]`, whatever
/// it is asked.
unsafe extern "C" fn floor(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    // SAFETY: the server hands in a live context; the text ends in NUL and is copied.
    unsafe {
        api!(RedisModule_ReplyWithArray(ctx, 4));
        api!(RedisModule_ReplyWithSimpleString(ctx, c"OK".as_ptr()));
        api!(RedisModule_ReplyWithLongLong(ctx, 1));
        api!(RedisModule_ReplyWithLongLong(ctx, 999));
        api!(RedisModule_ReplyWithLongLong(ctx, 1_800_000_000_000));
    }
    OK
}

/// Registers one command; `keys` is where its keys are, as the server wants it.
///
/// # Safety
/// The context is live.
unsafe fn register(
    ctx: *mut raw::RedisModuleCtx,
    name: &CStr,
    entry: Entry,
    flags: &CStr,
    keys: (c_int, c_int, c_int),
) -> c_int {
    let (first, last, step) = keys;
    // SAFETY: the context is live; the texts are copied; the entry has the type that the server
    // calls.
    unsafe { api!(RedisModule_CreateCommand(ctx, name.as_ptr(), Some(entry), flags.as_ptr(), first, last, step)) }
}

/// Where the server begins.
///
/// # Safety
/// Called by the server, once, with a live context and its arguments.
#[no_mangle]
pub unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the context is live; the name is copied. This fills in the server's functions.
    let done = unsafe { raw::Export_RedisModule_Init(ctx, c"bench".as_ptr(), 1, raw::REDISMODULE_APIVER_1 as c_int) };
    if done != OK {
        return ERR;
    }
    // SAFETY: the context is live.
    unsafe {
        // The flags and the key of RESERVE, which is what the server looks at before each call.
        if register(ctx, c"BENCH.FLOOR", floor, c"write deny-oom fast", (1, 1, 1)) != OK {
            return ERR;
        }
        // The only argument that there is: `probe`.
        if argc > 0 {
            return probe::register(ctx);
        }
    }
    OK
}
