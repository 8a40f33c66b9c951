//! Whether anything consumes what is replicated: an append-only file, replicas, or a backlog that
//! replicas may come back to. RM_Replicate looks a command up and copies strings before it finds
//! that there is no consumer, which costs more than the work of a sale itself.
//!
//! Skip replication only when the server reports no consumer; stop skipping on any event that may
//! add one. Every consumer begins with a copy of the data set, and every copy is made by a forked
//! child, of which the server tells (`FORK_CHILD`, born): the RDB of a full synchronisation, the
//! base of an append-only file that is switched on. What was changed before the fork is in the
//! copy. A partial synchronisation needs a backlog, which begins with a full one, with being a
//! replica, or with a load. So a fork, a load or a change of role ends the skipping, and the cron
//! starts it when it finds no replica, no backlog and no append-only file. In a cluster, where
//! slots also migrate in other ways, nothing is skipped.
//!
//! Between a replica's SYNC and its fork the backlog exists already, and calls go into it as the
//! clients sent them. No replica can ask for that part: the replication id is new with the backlog,
//! and the first offset that a replica knows is that of the fork.

use std::os::raw::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

use redis_module::raw;

use super::api::{self, Ctx};

/// There is no consumer. Written and read by the main thread only.
static NONE: AtomicBool = AtomicBool::new(false);
/// The server announces forks.
static FORK_EVENTS: AtomicBool = AtomicBool::new(false);

/// Flags with which there is, or may be, a consumer.
const MAY_CONSUME: u32 = raw::REDISMODULE_CTX_FLAGS_AOF
    | raw::REDISMODULE_CTX_FLAGS_CLUSTER
    | raw::REDISMODULE_CTX_FLAGS_LOADING
    | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING
    | raw::REDISMODULE_CTX_FLAGS_IS_CHILD;

/// Whether there certainly is no consumer.
pub fn none() -> bool {
    NONE.load(Ordering::Relaxed)
}

/// There may be a consumer from now on.
pub fn invalidate() {
    NONE.store(false, Ordering::Relaxed);
}

/// Subscribes to forks. On a server that does not know the event nothing is skipped.
pub fn subscribe(ctx: Ctx<'_>) {
    let event = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_FORK_CHILD, dataver: 1 };
    // SAFETY: the context is live; the callback fits.
    let known = unsafe { api!(RedisModule_SubscribeToServerEvent(ctx.raw(), event, Some(on_fork))) == api::OK };
    FORK_EVENTS.store(known, Ordering::Relaxed);
}

unsafe extern "C" fn on_fork(_: *mut raw::RedisModuleCtx, _: raw::RedisModuleEvent, _: u64, _: *mut c_void) {
    invalidate();
}

/// From the server's cron: asks the server for consumers, unless there certainly is none.
pub fn refresh(ctx: Ctx<'_>) {
    if none() || !FORK_EVENTS.load(Ordering::Relaxed) {
        return;
    }
    let flags = ctx.flags();
    if flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0 && flags & MAY_CONSUME == 0 && no_replica_or_backlog(ctx) {
        NONE.store(true, Ordering::Relaxed);
    }
}

/// Whether `INFO replication` shows neither a replica nor a backlog.
fn no_replica_or_backlog(ctx: Ctx<'_>) -> bool {
    // SAFETY: the pointers are written once, at load; if one is missing, the server is not asked.
    let functions = unsafe {
        raw::RedisModule_GetServerInfo
            .zip(raw::RedisModule_ServerInfoGetFieldUnsigned)
            .zip(raw::RedisModule_FreeServerInfo)
    };
    let Some(((ask, field), free)) = functions else { return false };
    // SAFETY: the context and the names are live; the info is freed once, after its last use.
    unsafe {
        let info = ask(ctx.raw(), c"replication".as_ptr());
        if info.is_null() {
            return false;
        }
        let none = [c"connected_slaves", c"repl_backlog_active"].into_iter().all(|name| {
            let mut failed = 0;
            field(info, name.as_ptr(), &mut failed) == 0 && failed == 0
        });
        free(ctx.raw(), info);
        none
    }
}
