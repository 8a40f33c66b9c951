//! The shell: all code that uses the server's C interface, and the only code with `unsafe`.
//!
//! In reading order:
//!
//! - calling C: `api`, `handles`, `allocator`, `log`, `panic`;
//! - what the process keeps: `locked`, `parameters`, `wake_queue`, `event_streams`, `background`,
//!   `rates`, `scratch`, `state`;
//! - what a key holds: `value`, `data_type`;
//! - one call: `trampoline`, `positions`, `call`, `open_key`, `keyspace`, `reply`;
//! - after a change: `stream`, `replication_consumers`, `replicate`, `notify`;
//! - without a call: `sweep`, `rescan`, `backlog`, `events`;
//! - at load: `commands`, `docs`, `server_config`, `module_options`, `info`.
//!
//! C callbacks delegate at once to safe code, and no panic leaves them. Nothing here decides about
//! stock.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::undocumented_unsafe_blocks,
    clippy::wildcard_enum_match_arm,
    unsafe_op_in_unsafe_fn
)]

#[macro_use]
mod api;
mod allocator;
mod background;
mod backlog;
mod call;
mod commands;
mod data_type;
mod docs;
mod event_streams;
mod events;
mod handles;
mod info;
mod kept_refusals;
mod keyspace;
mod locked;
mod log;
mod module_options;
mod notify;
mod open_key;
mod panic;
mod parameters;
mod positions;
mod rates;
mod replicate;
mod replication_consumers;
mod reply;
mod rescan;
mod scratch;
mod server_config;
mod state;
mod stream;
mod sweep;
mod trampoline;
mod value;
mod wake_queue;

use std::os::raw::c_int;

use redis_module::raw;

use api::Ctx;

/// The name: prefix of the parameters (`stock.hold-seconds`) and of the `INFO` section.
const NAME: &std::ffi::CStr = c"stock";

/// Called by the server when it loads the module.
///
/// # Safety
/// Called by the server, once, with a live context and its arguments.
#[no_mangle]
pub unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // This comes first, before anything is allocated: it fills in the server's functions, its
    // allocator among them. SAFETY: the context is live; the name is copied.
    if unsafe { raw::Export_RedisModule_Init(ctx, NAME.as_ptr(), version(), raw::REDISMODULE_APIVER_1 as c_int) }
        != api::OK
    {
        return api::ERR;
    }
    panic::log_panics();
    log::use_context(ctx);
    panic::guarded(api::ERR, || {
        // SAFETY: what the server hands in is live until we return.
        let (ctx, argv) = unsafe { (Ctx::new(ctx), strings(argv, argc)) };
        load(ctx, &argv).map_or_else(refuse_to_load, |()| api::OK)
    })
}

fn refuse_to_load(reason: String) -> c_int {
    log::warning(&format!("redis-stock is not loaded: {reason}"));
    log::use_context(std::ptr::null_mut());
    api::ERR
}

/// Registers everything. What can fail comes first: the server unloads the library after a failed
/// load, and callbacks that were registered before would point into memory that is gone.
fn load(ctx: Ctx<'_>, args: &[&[u8]]) -> Result<(), String> {
    if let Some(name) = api::missing() {
        return Err(format!("the server has no {name}: at least Redis 7.0 or Valkey 8.0 is needed"));
    }
    if !allocator::is_usable() {
        return Err("the server's allocator does not align to 16 bytes".into());
    }
    state::with(|state| state.cluster = ctx.flags() & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0);
    server_config::register(ctx, args)?;
    commands::register(ctx)?;
    data_type::register(ctx)?;
    module_options::set(ctx);
    let lasting = sweep::set_up(ctx)?;
    log::use_context(lasting);
    replication_consumers::subscribe(ctx);
    // SAFETY: the context of the sweep lives as long as the process.
    unsafe { reply::keep_words(lasting) };
    if info::register(ctx) && notify::subscribe(ctx) && events::subscribe(ctx) {
        log_start();
        Ok(())
    } else {
        Err("the server refuses a subscription to its events".into())
    }
}

fn log_start() {
    log::notice(concat!("redis-stock ", env!("CARGO_PKG_VERSION")));
    if info::evicts() {
        log::warning("maxmemory-policy may evict keys, and stock with them: set it to noeviction");
    }
}

/// The version as one number: 1.2.3 is 10203.
fn version() -> c_int {
    let parts = [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    parts.iter().fold(0, |sum, part| sum * 100 + part.parse().unwrap_or(0))
}

/// The bytes of the arguments of `loadmodule`.
///
/// # Safety
/// `argv` are `argc` live strings.
unsafe fn strings<'s>(argv: *mut *mut raw::RedisModuleString, argc: c_int) -> Vec<&'s [u8]> {
    if argv.is_null() {
        return Vec::new();
    }
    // SAFETY: see above.
    unsafe { std::slice::from_raw_parts(argv, argc as usize).iter().map(|&arg| api::bytes(arg)).collect() }
}
