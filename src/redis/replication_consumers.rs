//! Whether anybody listens to what is replicated: the append-only file, replicas, a replication backlog that replicas may come
//! back to. RM_Replicate looks a command up and copies strings before it finds that nobody does, which costs more than all of
//! a sale's own work; so we want to know before.
//!
//! Nobody is believed in only after the server has said so, and only until something happens by which that may change. Every
//! listener begins with a copy of the data set, and every copy is made by a forked child, of which the server tells
//! (`FORK_CHILD`, born): the RDB of a full synchronisation, the base of an append-only file that is switched on. What was
//! changed before the fork is in the copy. A partial synchronisation needs a backlog, which begins with a full one, with
//! being a replica, or with a load. So the belief ends with a fork, a load, or a change of role, and begins when the cron finds no
//! replica, no backlog and no append-only file. In a cluster, where slots migrate in other ways, it never begins.
//!
//! Between a replica's SYNC and its fork the backlog is there already, and what is written then goes into it as the client
//! sent it. Nobody can ask for that part: the history's id is new with the backlog, and the first offset anybody knows is
//! that of the fork.

use std::os::raw::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

use redis_module::raw;

use super::api::{self, Ctx};

/// Written and read by the main thread only.
static NONE: AtomicBool = AtomicBool::new(false);
/// The server tells of forks.
static FORK_EVENTS: AtomicBool = AtomicBool::new(false);

/// What excludes the belief.
const MAY_CONSUME: u32 = raw::REDISMODULE_CTX_FLAGS_AOF
    | raw::REDISMODULE_CTX_FLAGS_CLUSTER
    | raw::REDISMODULE_CTX_FLAGS_LOADING
    | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING
    | raw::REDISMODULE_CTX_FLAGS_IS_CHILD;

/// Whether nobody listens. False where that is not certain.
pub fn none() -> bool {
    NONE.load(Ordering::Relaxed)
}

/// Something happened by which somebody may listen from now on.
pub fn invalidate() {
    NONE.store(false, Ordering::Relaxed);
}

/// Asks the server to tell of forks. One that does not know them is replicated to always.
pub fn subscribe(ctx: Ctx<'_>) {
    let event = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_FORK_CHILD, dataver: 1 };
    // SAFETY: the context is live; the callback fits.
    let known = unsafe { api!(RedisModule_SubscribeToServerEvent(ctx.raw(), event, Some(on_fork))) == api::OK };
    FORK_EVENTS.store(known, Ordering::Relaxed);
}

unsafe extern "C" fn on_fork(_: *mut raw::RedisModuleCtx, _: raw::RedisModuleEvent, _: u64, _: *mut c_void) {
    invalidate();
}

/// From the server's cron: asks the server, where it is not certain that nobody listens.
pub fn refresh(ctx: Ctx<'_>) {
    if none() || !FORK_EVENTS.load(Ordering::Relaxed) {
        return;
    }
    let flags = ctx.flags();
    if flags & raw::REDISMODULE_CTX_FLAGS_MASTER != 0 && flags & MAY_CONSUME == 0 && no_replica_or_backlog(ctx) {
        NONE.store(true, Ordering::Relaxed);
    }
}

/// Whether `INFO replication` knows neither a replica nor a backlog.
fn no_replica_or_backlog(ctx: Ctx<'_>) -> bool {
    // SAFETY: the pointers are written once, at load; where one is missing, nothing is asked.
    let functions = unsafe {
        raw::RedisModule_GetServerInfo
            .zip(raw::RedisModule_ServerInfoGetFieldUnsigned)
            .zip(raw::RedisModule_FreeServerInfo)
    };
    let Some(((ask, field), free)) = functions else { return false };
    // SAFETY: the context and the names are live; what is asked for is freed once, after its last use.
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
