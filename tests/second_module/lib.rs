//! Another module in the same server, for the tests: it does what others do to ours.
//!
//! - `SECOND.THREAD command [arg ...]`: calls a command from a thread of its own, under the
//!   server's lock.
//! - `SECOND.ON event command [arg ...]`: from now on calls a command whenever this keyspace event
//!   comes. Modules should not write then, and some do.
//! - `SECOND.REPLICATE command [arg ...]`: sends this command to replicas and slot imports, and
//!   does nothing itself.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int};
use std::sync::Mutex;

use redis_module::raw;

const OK: c_int = raw::REDISMODULE_OK as c_int;
const ERR: c_int = raw::REDISMODULE_ERR as c_int;

/// A command with its arguments.
type Words = Vec<Vec<u8>>;

/// The event, and what is called then.
static ON: Mutex<Option<(Vec<u8>, Words)>> = Mutex::new(None);

macro_rules! api {
    ($name:ident($($arg:expr),* $(,)?)) => {
        match raw::$name {
            Some(function) => function($($arg),*),
            None => panic!("a function of the server is missing"),
        }
    };
}

/// Calls a command, replicated as a client's would be.
///
/// # Safety
/// The context is live, and the server's lock is held.
unsafe fn call(ctx: *mut raw::RedisModuleCtx, words: &[Vec<u8>]) {
    let name = std::ffi::CString::new(words[0].clone()).expect("a command");
    // SAFETY: the context is live; the strings are ours until they are freed; the format matches
    // the arguments.
    unsafe {
        let mut args: Vec<_> = words[1..]
            .iter()
            .map(|word| api!(RedisModule_CreateString(std::ptr::null_mut(), word.as_ptr().cast(), word.len())))
            .collect();
        let reply = api!(RedisModule_Call(ctx, name.as_ptr(), c"E!v".as_ptr(), args.as_mut_ptr(), args.len()));
        if !reply.is_null() {
            api!(RedisModule_FreeCallReply(reply));
        }
        for arg in args {
            api!(RedisModule_FreeString(std::ptr::null_mut(), arg));
        }
    }
}

/// The arguments behind the command's name.
///
/// # Safety
/// What the server hands in is live.
unsafe fn words(argv: *mut *mut raw::RedisModuleString, argc: c_int) -> Words {
    // SAFETY: see above.
    unsafe {
        let args = std::slice::from_raw_parts(argv, argc as usize);
        let bytes = |&arg: &*mut raw::RedisModuleString| {
            let mut len = 0;
            let start = api!(RedisModule_StringPtrLen(arg, &mut len));
            std::slice::from_raw_parts(start.cast::<u8>(), len).to_vec()
        };
        args.iter().skip(1).map(bytes).collect()
    }
}

unsafe extern "C" fn thread(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: what the server hands in is live; the thread has a context of its own, which it
    // frees.
    unsafe {
        let words = words(argv, argc);
        std::thread::spawn(move || {
            let ctx = api!(RedisModule_GetThreadSafeContext(std::ptr::null_mut()));
            api!(RedisModule_ThreadSafeContextLock(ctx));
            call(ctx, &words);
            api!(RedisModule_ThreadSafeContextUnlock(ctx));
            api!(RedisModule_FreeThreadSafeContext(ctx));
        });
        api!(RedisModule_ReplyWithSimpleString(ctx, c"OK".as_ptr()))
    }
}

unsafe extern "C" fn on(ctx: *mut raw::RedisModuleCtx, argv: *mut *mut raw::RedisModuleString, argc: c_int) -> c_int {
    // SAFETY: what the server hands in is live.
    unsafe {
        let mut words = words(argv, argc);
        let event = words.remove(0);
        *ON.lock().expect("no panic before") = Some((event, words));
        api!(RedisModule_ReplyWithSimpleString(ctx, c"OK".as_ptr()))
    }
}

unsafe extern "C" fn replicate(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: what the server hands in is live; the format matches the arguments.
    unsafe {
        let name = std::ffi::CString::new(words(argv, argc).remove(0)).expect("a command");
        api!(RedisModule_Replicate(ctx, name.as_ptr(), c"v".as_ptr(), argv.add(2), argc as usize - 2));
        api!(RedisModule_ReplyWithSimpleString(ctx, c"OK".as_ptr()))
    }
}

unsafe extern "C" fn heard(
    ctx: *mut raw::RedisModuleCtx,
    _class: c_int,
    event: *const c_char,
    _key: *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: the event's name ends in NUL.
    let event = unsafe { CStr::from_ptr(event) };
    let wanted = ON.lock().expect("no panic before").clone();
    if let Some((_, words)) = wanted.filter(|(name, _)| name == event.to_bytes()) {
        // SAFETY: the context is live, and the server's lock is held by whoever caused the event.
        unsafe { call(ctx, &words) };
    }
    OK
}

/// Where the server begins.
///
/// # Safety
/// Called by the server, once, with a live context.
#[no_mangle]
pub unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    // SAFETY: the context is live; the texts are copied; the callbacks fit.
    unsafe {
        if raw::Export_RedisModule_Init(ctx, c"second".as_ptr(), 1, raw::REDISMODULE_APIVER_1 as c_int) != OK {
            return ERR;
        }
        for (name, entry) in [
            (c"SECOND.THREAD", thread as unsafe extern "C" fn(_, _, _) -> _),
            (c"SECOND.ON", on as unsafe extern "C" fn(_, _, _) -> _),
            (c"SECOND.REPLICATE", replicate as unsafe extern "C" fn(_, _, _) -> _),
        ] {
            if api!(RedisModule_CreateCommand(ctx, name.as_ptr(), Some(entry), c"write".as_ptr(), 0, 0, 0)) != OK {
                return ERR;
            }
        }
        // Valkey 9 moves slots only where every module says that it can be.
        let mut function: *mut std::os::raw::c_void = std::ptr::null_mut();
        let target: *mut *mut std::os::raw::c_void = &mut function;
        if api!(RedisModule_GetApi(c"ValkeyModule_Alloc".as_ptr(), target.cast())) == OK {
            const HANDLE_SLOT_MIGRATION: c_int = 1 << 5;
            api!(RedisModule_SetModuleOptions(ctx, HANDLE_SLOT_MIGRATION));
        }
        // Also streams and keys that are made (Redis 7.0 on).
        const NEW: c_int = 1 << 14;
        let classes = raw::REDISMODULE_NOTIFY_STREAM as c_int | raw::REDISMODULE_NOTIFY_GENERIC as c_int | NEW;
        api!(RedisModule_SubscribeToKeyspaceEvents(ctx, classes, Some(heard)))
    }
}
