//! Events of the server: role changes, loads, flushes, swaps of databases, cron.

use std::os::raw::c_void;

use redis_module::raw;

use super::api::{self, Ctx};
use super::panic::guarded;
use super::state::{self, State};
use super::{backlog, kept_refusals, log, replication_consumers, sweep};

/// Subscribes to the events; false if the server does not know one of them.
pub fn subscribe(ctx: Ctx<'_>) -> bool {
    let events: [(u64, raw::RedisModuleEventCallback); 6] = [
        (raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED, Some(on_role)),
        (raw::REDISMODULE_EVENT_LOADING, Some(on_loading)),
        (raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD, Some(on_async_load)),
        (raw::REDISMODULE_EVENT_FLUSHDB, Some(on_flush)),
        (raw::REDISMODULE_EVENT_SWAPDB, Some(on_swap)),
        (raw::REDISMODULE_EVENT_CRON_LOOP, Some(on_cron)),
    ];
    events.into_iter().all(|(id, callback)| {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        // SAFETY: the context is live; the callbacks fit.
        unsafe { api!(RedisModule_SubscribeToServerEvent(ctx.raw(), event, callback)) == api::OK }
    })
}

unsafe extern "C" fn on_role(_: *mut raw::RedisModuleCtx, _: raw::RedisModuleEvent, what: u64, _: *mut c_void) {
    replication_consumers::invalidate();
    guarded((), || {
        if what == raw::REDISMODULE_EVENT_REPLROLECHANGED_NOW_MASTER {
            promoted();
        }
    });
}

/// This process is primary from now on, while another history may go on elsewhere. Confirmations
/// that the old primary lost can be repeated during the grace.
fn promoted() {
    let promotion = state::with(|state| {
        state.promotion = state.promotion.saturating_add(1);
        state.begin_grace();
        state.rescan.request();
        state.promotion
    });
    log::notice(&format!("primary from now on (promotion {} of this process)", promotion.saturating_sub(1)));
}

unsafe extern "C" fn on_loading(_: *mut raw::RedisModuleCtx, _: raw::RedisModuleEvent, what: u64, _: *mut c_void) {
    replication_consumers::invalidate();
    guarded((), || state::with(|state| loading(state, what)));
}

/// Requests a rescan after a load. A load from disk is followed by a grace, since it may have lost
/// the latest confirmations, as a promotion may; a load from the primary has lost none.
fn loading(state: &mut State, what: u64) {
    match what {
        raw::REDISMODULE_SUBEVENT_LOADING_ENDED | raw::REDISMODULE_SUBEVENT_LOADING_FAILED => {
            state.rescan.request();
            if state.loading_from_disk {
                state.begin_grace();
            }
        }
        start => {
            state.loading_from_disk = start != raw::REDISMODULE_SUBEVENT_LOADING_REPL_START;
        }
    }
}

unsafe extern "C" fn on_async_load(_: *mut raw::RedisModuleCtx, _: raw::RedisModuleEvent, what: u64, _: *mut c_void) {
    replication_consumers::invalidate();
    guarded((), || {
        if what == raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_COMPLETED {
            state::with(|state| {
                state.discard_hints(None);
                state.rescan.request();
            });
        }
    });
}

unsafe extern "C" fn on_flush(_: *mut raw::RedisModuleCtx, _: raw::RedisModuleEvent, what: u64, info: *mut c_void) {
    guarded((), || {
        // SAFETY: the server passes this structure with this event.
        let info = unsafe { info.cast::<raw::RedisModuleFlushInfoV1>().as_ref() };
        if let Some(info) = info.filter(|_| what == raw::REDISMODULE_SUBEVENT_FLUSHDB_END) {
            let db = (info.dbnum >= 0).then_some(info.dbnum);
            state::with(|state| state.discard_hints(db));
        }
    });
}

unsafe extern "C" fn on_swap(_: *mut raw::RedisModuleCtx, _: raw::RedisModuleEvent, _: u64, info: *mut c_void) {
    guarded((), || {
        // SAFETY: the server passes this structure with this event.
        if let Some(info) = unsafe { info.cast::<raw::RedisModuleSwapDbInfoV1>().as_ref() } {
            state::with(|state| {
                state.wake_queue.swap_databases(info.dbnum_first, info.dbnum_second);
                state.event_streams.swap_databases(info.dbnum_first, info.dbnum_second);
                state.rescan.restart_if_running();
            });
        }
    });
}

unsafe extern "C" fn on_cron(ctx: *mut raw::RedisModuleCtx, _: raw::RedisModuleEvent, _: u64, _: *mut c_void) {
    guarded((), || {
        // SAFETY: the server's context is live for the callback.
        let ctx = unsafe { Ctx::new(ctx) };
        replication_consumers::refresh(ctx);
        sweep::tick();
        kept_refusals::make();
        backlog::tick(ctx);
    });
}
