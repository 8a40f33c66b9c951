//! What goes to the append-only file and the replicas, and what WATCH and client-side caches hear of.

use std::ffi::CStr;
use std::os::raw::c_longlong;

use redis_module::raw;

use super::api::Ctx;
use super::keyspace::OpenKeys;
use crate::command::journal::{Journal, PoolChanges};

/// The command that carries one pool's effect.
const EFFECT: &CStr = c"STOCK.EFFECT";
/// The command that carries the effects of one call on several pools.
const MEFFECT: &CStr = c"STOCK.MEFFECT";

/// Replicates and signals what a call has changed. A call that changed nothing leaves no trace at all. One
/// that failed may have changed something, too: due holds are returned before a call is decided. What comes from the log goes on
/// as it came, also where it does not fit.
pub fn propagate(ctx: Ctx<'_>, keys: &OpenKeys<'_>, journal: &Journal) {
    if !journal.verbatim && journal.effects_skipped {
        if !journal.changed().is_empty() {
            // Goes nowhere, and counts the change for the server's save points. SAFETY: the context is live.
            unsafe { api!(RedisModule_ReplicateVerbatim(ctx.raw())) };
        }
    } else if !journal.verbatim {
        effects(ctx, keys, journal);
    } else {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplicateVerbatim(ctx.raw())) };
    }
    signal(ctx, keys, journal);
}

/// One command for one call, whatever it touched: the other side, and a log that breaks off, has all of it or nothing.
fn effects(ctx: Ctx<'_>, keys: &OpenKeys<'_>, journal: &Journal) {
    match journal.changed() {
        [] => {}
        [changed] => {
            let Some(key) = keys.at(changed.handle) else { return };
            let (start, len) = (changed.effect.as_ptr(), changed.effect.len());
            // SAFETY: the context and the name are live; the format matches the arguments; the bytes are copied.
            unsafe { api!(RedisModule_Replicate(ctx.raw(), EFFECT.as_ptr(), c"sb".as_ptr(), key.name, start, len)) };
        }
        many => cart(ctx, keys, many),
    }
}

/// `STOCK.MEFFECT numkeys key [key ...] effect [effect ...]`.
fn cart(ctx: Ctx<'_>, keys: &OpenKeys<'_>, changed: &[PoolChanges]) {
    let names = changed.iter().filter_map(|one| keys.at(one.handle)).map(|key| key.name);
    let mut arguments: Vec<*mut raw::RedisModuleString> = names.collect();
    let own = arguments.len();
    for one in changed {
        // SAFETY: the context is live; the bytes are copied.
        arguments
            .push(unsafe { api!(RedisModule_CreateString(ctx.raw(), one.effect.as_ptr().cast(), one.effect.len())) });
    }
    let count = own as c_longlong;
    // SAFETY: the context and all strings are live; the format matches the arguments.
    unsafe {
        api!(RedisModule_Replicate(
            ctx.raw(),
            MEFFECT.as_ptr(),
            c"lv".as_ptr(),
            count,
            arguments.as_mut_ptr(),
            arguments.len()
        ))
    };
    for &effect in arguments.iter().skip(own) {
        // SAFETY: made above; whoever needs it longer has taken a reference.
        unsafe { api!(RedisModule_FreeString(ctx.raw(), effect)) };
    }
}

/// Tells WATCH and client-side caches of pools whose visible content changed. Freeing memory is no such
/// change.
fn signal(ctx: Ctx<'_>, keys: &OpenKeys<'_>, journal: &Journal) {
    let noted = journal.changed().iter().filter(|changed| !changed.notifications.is_empty());
    let noted = noted.filter_map(|changed| keys.at(changed.handle)).filter(|key| !key.exchanged);
    let exchanged = keys.opened().iter().filter(|key| key.exchanged);
    for key in noted.chain(exchanged) {
        // SAFETY: the context and the name are live.
        unsafe { api!(RedisModule_SignalModifiedKey(ctx.raw(), key.name)) };
    }
}
