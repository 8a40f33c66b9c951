//! The data type of pools: how the server saves, loads, copies, measures and frees them.
//!
//! Most callbacks may run in a forked child (snapshots, rewrites) or while another data set is
//! served (a replica's diskless load), and values may be freed on any thread. So nothing here
//! touches the state of the process except the gauges, and `unlink`: it runs on the main thread,
//! for keys of the data set in use.

use std::os::raw::{c_int, c_longlong, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw;

use super::api::{self, Ctx};
use super::log;
use super::panic::guarded;
use super::state;
use super::value::StoredValue;
use crate::core::codec::{self, Loader};
use crate::core::stored_pool::StoredPool;

/// The type, once it is registered.
pub static TYPE: AtomicPtr<raw::RedisModuleType> = AtomicPtr::new(null_mut());

/// Nine characters, as the server requires. They are part of every RDB file and never change.
const NAME: &std::ffi::CStr = c"stockpool";

/// Marks a chunk of a value.
const MORE: u64 = 1;
/// Marks the end of a pool.
const END: u64 = 0;
/// Marks the end of a partial pool: `STOCK.LOAD` may bring more. (Not 2: Redis 7 puts that before
/// each number, and a damaged RDB file can make it pass for a mark.)
const END_OF_PARTIAL: u64 = 3;

/// Registers the type.
///
/// # Errors
/// The text for the server's log: `the data type stockpool cannot be registered`.
pub fn register(ctx: Ctx<'_>) -> Result<(), String> {
    let mut methods = raw::RedisModuleTypeMethods {
        // The version of this structure up to `copy2`, which Redis 7.0 knows.
        version: 4,
        rdb_load: Some(rdb_load),
        rdb_save: Some(rdb_save),
        aof_rewrite: Some(aof_rewrite),
        mem_usage: None,
        digest: Some(digest),
        free: Some(free),
        aux_load: None,
        aux_save: None,
        aux_save_triggers: 0,
        free_effort: None,
        unlink: None,
        copy: None,
        defrag: Some(defrag),
        mem_usage2: Some(mem_usage),
        free_effort2: Some(free_effort),
        unlink2: Some(unlink),
        copy2: Some(copy),
        aux_save2: None,
    };
    // SAFETY: the context is live; the server copies the methods.
    let kind = unsafe { api!(RedisModule_CreateDataType(ctx.raw(), NAME.as_ptr(), codec::VERSION, &mut methods)) };
    TYPE.store(kind, Ordering::Relaxed);
    if kind.is_null() {
        return Err("the data type stockpool cannot be registered".into());
    }
    Ok(())
}

/// The value of an open key; null if it holds another type or nothing.
///
/// # Safety
/// The key is a live handle or null.
pub unsafe fn value_of(key: *mut raw::RedisModuleKey) -> *mut StoredValue {
    // SAFETY: both take null as well; a value of our type is ours.
    unsafe {
        let kind = api!(RedisModule_ModuleTypeGetType(key));
        if kind.is_null() || kind != TYPE.load(Ordering::Relaxed) {
            return null_mut();
        }
        api!(RedisModule_ModuleTypeGetValue(key)).cast()
    }
}

/// The value behind the pointer of a callback.
///
/// # Safety
/// The server got the pointer from `StoredValue::boxed`, and nothing changes the value during `'v`.
unsafe fn value<'v>(value: *const c_void) -> &'v StoredValue {
    // SAFETY: see above.
    unsafe { &*value.cast() }
}

unsafe extern "C" fn rdb_load(io: *mut raw::RedisModuleIO, version: c_int) -> *mut c_void {
    guarded(null_mut(), || match load(io, version) {
        Ok(value) => Box::into_raw(value).cast(),
        Err(why) => {
            // SAFETY: the handle is live for the callback.
            unsafe { log::io_warning(io, &why) };
            null_mut()
        }
    })
}

fn load(io: *mut raw::RedisModuleIO, version: c_int) -> Result<Box<StoredValue>, String> {
    if version > codec::VERSION {
        return Err(format!(
            "stock: this value has encoding version {version}; this module reads up to version {}: load a newer module",
            codec::VERSION
        ));
    }
    let mut loader = Box::new(Loader::new());
    loop {
        // SAFETY: the handle is live for the callback.
        let mark = unsafe { api!(RedisModule_LoadUnsigned(io)) };
        ensure_read(io)?;
        match mark {
            MORE => next_chunk(io, &mut loader)?,
            END => {
                let pool = loader.finish().map_err(|damage| format!("stock: damaged value: {damage}"))?;
                return Ok(StoredValue::boxed(StoredPool::Complete(pool)));
            }
            END_OF_PARTIAL => return Ok(StoredValue::boxed(StoredPool::Partial(loader))),
            _ => return Err("stock: damaged value: unknown mark".into()),
        }
    }
}

/// Reads one chunk. The server checks its length against the payload, the loader checks its
/// content.
fn next_chunk(io: *mut raw::RedisModuleIO, loader: &mut Loader) -> Result<(), String> {
    let mut len = 0;
    // SAFETY: the handle is live; the server writes the length.
    let start = unsafe { api!(RedisModule_LoadStringBuffer(io, &mut len)) };
    if start.is_null() {
        return Err("stock: damaged value: truncated".into());
    }
    // SAFETY: the server allocated so many bytes, and they are ours until freed.
    let fed = loader.feed(unsafe { std::slice::from_raw_parts(start.cast(), len) });
    // SAFETY: ours, see above.
    unsafe { api!(RedisModule_Free(start.cast())) };
    ensure_read(io)?;
    fed.map_err(|damage| format!("stock: damaged value: {damage}"))
}

fn ensure_read(io: *mut raw::RedisModuleIO) -> Result<(), String> {
    // SAFETY: the handle is live for the callback.
    if unsafe { api!(RedisModule_IsIOError(io)) } != 0 {
        return Err("stock: damaged value: truncated".into());
    }
    Ok(())
}

/// Runs the body of a callback that saves. If it panics in a forked child, the child exits with an
/// error: the server drops the file, and the last good one stays.
fn saving(body: impl FnOnce()) {
    let saved = guarded(false, || {
        body();
        true
    });
    if saved {
        return;
    }
    // SAFETY: flags can be asked for without a context.
    let flags = unsafe { api!(RedisModule_GetContextFlags(null_mut())) };
    if flags as u32 & raw::REDISMODULE_CTX_FLAGS_IS_CHILD != 0 {
        extern "C" {
            fn _exit(status: c_int) -> !;
        }
        // SAFETY: ends the child at once, as the server ends its children.
        unsafe { _exit(1) }
    }
}

unsafe extern "C" fn rdb_save(io: *mut raw::RedisModuleIO, pool: *mut c_void) {
    // SAFETY: the handle and the value are live for the callback.
    saving(|| unsafe {
        let stored = &value(pool).stored;
        stored.save(&mut |chunk| {
            api!(RedisModule_SaveUnsigned(io, MORE));
            api!(RedisModule_SaveStringBuffer(io, chunk.as_ptr().cast(), chunk.len()));
        });
        api!(RedisModule_SaveUnsigned(io, if stored.pool().is_some() { END } else { END_OF_PARTIAL }));
    });
}

unsafe extern "C" fn aof_rewrite(io: *mut raw::RedisModuleIO, key: *mut raw::RedisModuleString, pool: *mut c_void) {
    let command = c"STOCK.LOAD".as_ptr();
    // SAFETY: the handle, the key and the value are live for the callback; the formats match their
    // arguments.
    saving(|| unsafe {
        let stored = &value(pool).stored;
        stored.save(&mut |chunk| {
            let (more, start, len) = (c"MORE".as_ptr(), chunk.as_ptr(), chunk.len());
            let (word, version) = (c"VERSION".as_ptr(), c_longlong::from(codec::VERSION));
            api!(RedisModule_EmitAOF(io, command, c"scbcl".as_ptr(), key, more, start, len, word, version));
        });
        if stored.pool().is_some() {
            api!(RedisModule_EmitAOF(io, command, c"sc".as_ptr(), key, c"END".as_ptr()));
        }
    });
}

unsafe extern "C" fn digest(digest: *mut raw::RedisModuleDigest, pool: *mut c_void) {
    // SAFETY: the handle and the value are live for the callback.
    guarded((), || unsafe {
        let stored = &value(pool).stored;
        stored.save(&mut |chunk| {
            api!(RedisModule_DigestAddStringBuffer(digest, chunk.as_ptr().cast(), chunk.len()));
        });
        if stored.pool().is_none() {
            api!(RedisModule_DigestAddLongLong(digest, END_OF_PARTIAL as i64));
        }
        api!(RedisModule_DigestEndSequence(digest));
    });
}

/// Moves the value to where the allocator prefers it. Only the value itself: the tables of a small
/// pool stay, and those of a large one are too large to fragment.
unsafe extern "C" fn defrag(
    ctx: *mut raw::RedisModuleDefragCtx,
    _key: *mut raw::RedisModuleString,
    pool: *mut *mut c_void,
) -> c_int {
    guarded(0, || {
        // SAFETY: the handle is live, and the server owns the memory of the value. Moving a value
        // copies its bytes: nothing points into it (the wake-up queue knows pools by name), and the
        // server frees the old memory without dropping the value in it.
        unsafe {
            let moved = api!(RedisModule_DefragAlloc(ctx, *pool));
            if !moved.is_null() {
                *pool = moved;
            }
        }
        0
    })
}

/// A key loses its value (DEL, RENAME, expiry, eviction, overwriting; not FLUSHALL): its entry in
/// the wake-up queue is removed. A primary would remove a stale entry when its time comes, but a
/// replica, which sweeps nothing, would collect them.
unsafe extern "C" fn unlink(key: *mut raw::RedisModuleKeyOptCtx, pool: *const c_void) {
    // SAFETY: the handle and the value are live for the callback.
    guarded((), || unsafe {
        if let Some(at_ms) = value(pool).scheduled_ms {
            let name = api::bytes(api!(RedisModule_GetKeyNameFromOptCtx(key)));
            let db = api!(RedisModule_GetDbIdFromOptCtx(key));
            state::with(|state| state.wake_queue.remove(db, at_ms, name));
        }
    });
}

unsafe extern "C" fn free(value: *mut c_void) {
    // SAFETY: the server gives up the value, which it got from `Box::into_raw`.
    guarded((), || drop(unsafe { Box::from_raw(value.cast::<StoredValue>()) }));
}

unsafe extern "C" fn mem_usage(_: *mut raw::RedisModuleKeyOptCtx, pool: *const c_void, _samples: usize) -> usize {
    // SAFETY: the value is live for the callback.
    guarded(0, || unsafe { value(pool) }.memory_bytes())
}

unsafe extern "C" fn free_effort(_: *mut raw::RedisModuleKeyOptCtx, pool: *const c_void) -> usize {
    // SAFETY: the value is live for the callback.
    guarded(1, || unsafe { value(pool) }.stored.free_effort().max(1))
}

unsafe extern "C" fn copy(_: *mut raw::RedisModuleKeyOptCtx, pool: *const c_void) -> *mut c_void {
    guarded(null_mut(), || {
        // SAFETY: the value is live for the callback.
        let stored = unsafe { value(pool) }.stored.copy();
        Box::into_raw(StoredValue::boxed(stored)).cast()
    })
}
