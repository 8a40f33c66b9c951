//! Options of the module: what the server may do with its keys.

use std::os::raw::c_int;

use redis_module::raw;

use super::api::Ctx;
use super::state;

/// Valkey 9: keys may arrive in a slot before the node owns it. Without this option the server
/// refuses `CLUSTER MIGRATESLOTS`.
const HANDLE_SLOT_MIGRATION: u32 = 1 << 5;
/// Valkey 9: the context flag of the client that imports a slot. Redis uses the bit for something
/// else.
const SLOT_IMPORT_CLIENT: u32 = 1 << 25;

/// Sets the options. The module handles read errors (a truncated RESTORE fails instead of ending
/// the server), a replica may load a data set while it serves the old one, and a key that was
/// opened for writing but not changed does not fail WATCH.
pub fn set(ctx: Ctx<'_>) {
    let slots = if migrates_slots() { HANDLE_SLOT_MIGRATION } else { 0 };
    let options = raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS
        | raw::REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED
        | raw::REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD
        | slots;
    // SAFETY: the context is live.
    unsafe { api!(RedisModule_SetModuleOptions(ctx.raw(), options as c_int)) };
    if slots != 0 {
        state::with(|state| state.import_flag = SLOT_IMPORT_CLIENT);
    }
}

/// Whether this is a Valkey that migrates slots key by key. Redis uses the same bits for something
/// else.
fn migrates_slots() -> bool {
    // SAFETY: no arguments.
    let known = unsafe { raw::RedisModule_GetModuleOptionsAll.map_or(0, |all| all()) };
    is_valkey() && known as u32 & HANDLE_SLOT_MIGRATION != 0
}

/// Whether the server is Valkey, which offers its functions also under a prefix of its own.
fn is_valkey() -> bool {
    let mut function: *mut std::os::raw::c_void = std::ptr::null_mut();
    let target: *mut *mut std::os::raw::c_void = &mut function;
    // SAFETY: the server writes one pointer if it knows the name.
    unsafe { raw::RedisModule_GetApi.is_some_and(|get| get(c"ValkeyModule_Alloc".as_ptr(), target.cast()) == 0) }
}
