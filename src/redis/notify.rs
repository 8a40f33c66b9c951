//! Keyspace notifications: ours to the world, and the server's to us.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int};

use redis_module::raw;

use super::api::{self, Ctx};
use super::keyspace::OpenKey;
use super::reply::Word;
use super::rescan;
use super::trampoline::guarded;
use crate::command::journal::Journal;

/// Announces the changes of one call: each change, then the edges that it crossed. The keys are closed by now,
/// since whoever listens may do as he likes with them.
pub fn announce(ctx: Ctx<'_>, keys: &[OpenKey], journal: &Journal) {
    for changed in journal.changed() {
        let Some(key) = keys.get(changed.handle.0) else {
            continue;
        };
        for notification in &changed.notifications {
            event(ctx, key.name, notification.kind.event());
            for transition in notification.transitions.iter() {
                event(ctx, key.name, transition.event());
            }
        }
    }
}

fn event(ctx: Ctx<'_>, key: *mut raw::RedisModuleString, name: &str) {
    let class = raw::REDISMODULE_NOTIFY_MODULE as c_int;
    let name = Word::new(name);
    // SAFETY: the context and the key's name are live; the event's name ends in NUL.
    unsafe { api!(RedisModule_NotifyKeyspaceEvent(ctx.raw(), class, name.as_ptr(), key)) };
}

/// Asks the server to tell of keys that appear without a command of ours.
pub fn subscribe(ctx: Ctx<'_>) -> bool {
    let class = raw::REDISMODULE_NOTIFY_GENERIC as c_int;
    // SAFETY: the context is live; the callback fits.
    unsafe { api!(RedisModule_SubscribeToKeyspaceEvents(ctx.raw(), class, Some(on_event))) == api::OK }
}

/// After these a value may stand under a name that the wake-up queue does not know.
const ARRIVALS: [&CStr; 4] = [c"rename_to", c"move_to", c"copy_to", c"restore"];

unsafe extern "C" fn on_event(
    ctx: *mut raw::RedisModuleCtx,
    _class: c_int,
    event: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: what the server hands in is live until we return.
    let (ctx, event) = unsafe { (Ctx::new(ctx), CStr::from_ptr(event)) };
    if ARRIVALS.contains(&event) {
        guarded((), || rescan::look_at(ctx, key, rescan::schedule));
    }
    api::OK
}
