//! Keyspace notifications: those of this module, and those of the server that it needs.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int};

use redis_module::raw;

use super::api::{self, Ctx};
use super::open_key::OpenKey;
use super::panic::guarded;
use super::rescan;
use crate::command::journal::Journal;

/// Announces the changes of one call: each change, then the availability transitions that it
/// caused. The keys are closed by now, since subscribers may do anything with them.
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

fn event(ctx: Ctx<'_>, key: *mut raw::RedisModuleString, name: &CStr) {
    let class = raw::REDISMODULE_NOTIFY_MODULE as c_int;
    // SAFETY: the context and the name of the key are live; the name of the event ends in NUL.
    unsafe { api!(RedisModule_NotifyKeyspaceEvent(ctx.raw(), class, name.as_ptr(), key)) };
}

/// Subscribes to keys that appear under a name without a command of this module; false if the
/// server refuses.
pub fn subscribe(ctx: Ctx<'_>) -> bool {
    let class = raw::REDISMODULE_NOTIFY_GENERIC as c_int;
    // SAFETY: the context is live; the callback fits.
    unsafe { api!(RedisModule_SubscribeToKeyspaceEvents(ctx.raw(), class, Some(on_event))) == api::OK }
}

/// After these events a pool may be under a name that the wake-up queue does not know.
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
        guarded((), || rescan::schedule_key(ctx, key));
    }
    api::OK
}
