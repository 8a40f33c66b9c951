//! Replicates what a call has changed (append-only file, replicas), and signals it to WATCH and
//! client-side caches.

use std::ffi::CStr;

use redis_module::raw;
use smallvec::SmallVec;

use super::api::Ctx;
use super::handles::OwnedString;
use super::keyspace::OpenKeys;
use super::open_key::OpenKey;
use crate::command::journal::{Journal, PoolChanges};

/// The command that carries the effect of a call on one pool.
const EFFECT: &CStr = c"STOCK.EFFECT";
/// The command that carries the effects of a call on several pools.
const MEFFECT: &CStr = c"STOCK.MEFFECT";

/// Replicates and signals what a call has changed. A call that changed nothing leaves no trace. A
/// call that was refused may have changed something, too: due holds expire before a call is
/// decided. The commands of replication are passed on as they came, also if they do not fit this
/// data set.
pub fn propagate(ctx: Ctx<'_>, keys: &OpenKeys<'_>, journal: &Journal) {
    let changed = journal.changed();
    if journal.verbatim || (journal.effects_skipped && !changed.is_empty()) {
        // Where effects are skipped there is no consumer: this only counts the change for `save`.
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplicateVerbatim(ctx.raw())) };
    } else if !journal.effects_skipped {
        replicate_effects(ctx, keys, changed);
    }
    signal(ctx, keys, changed);
}

/// One command per call, whatever the call has changed: a consumer has all of it or nothing.
fn replicate_effects(ctx: Ctx<'_>, keys: &OpenKeys<'_>, changed: &[PoolChanges]) {
    match changed {
        [] => {}
        [one] => {
            let Some(key) = keys.at(one.handle) else { return };
            let (start, len) = (one.effect.as_ptr(), one.effect.len());
            // SAFETY: the context and the name are live; the format matches the arguments; the
            // bytes are copied.
            unsafe { api!(RedisModule_Replicate(ctx.raw(), EFFECT.as_ptr(), c"sb".as_ptr(), key.name, start, len)) };
        }
        several => replicate_cart(ctx, keys, several),
    }
}

/// `STOCK.MEFFECT key effect [key effect …]`
fn replicate_cart(ctx: Ctx<'_>, keys: &OpenKeys<'_>, changed: &[PoolChanges]) {
    let effects: SmallVec<[OwnedString; 8]> = changed.iter().map(|one| OwnedString::new(&one.effect)).collect();
    let pairs = changed.iter().zip(&effects);
    let pairs = pairs.filter_map(|(one, effect)| Some([keys.at(one.handle)?.name, effect.as_ptr()]));
    let mut arguments: SmallVec<[*mut raw::RedisModuleString; 16]> = pairs.flatten().collect();
    let (argv, argc) = (arguments.as_mut_ptr(), arguments.len());
    // SAFETY: the context and all strings are live; the format matches the arguments. The server
    // takes references to the strings that it keeps.
    unsafe { api!(RedisModule_Replicate(ctx.raw(), MEFFECT.as_ptr(), c"v".as_ptr(), argv, argc)) };
}

/// Signals the pools whose visible content has changed. Purging memory is no such change.
fn signal(ctx: Ctx<'_>, keys: &OpenKeys<'_>, changed: &[PoolChanges]) {
    for changed in changed {
        let key = keys.at(changed.handle).filter(|key| !key.replaced && !changed.notifications.is_empty());
        if let Some(key) = key {
            signal_key(ctx, key);
        }
    }
    for key in keys.opened() {
        if key.replaced {
            signal_key(ctx, key);
        }
    }
}

fn signal_key(ctx: Ctx<'_>, key: &OpenKey) {
    // SAFETY: the context and the name are live.
    unsafe { api!(RedisModule_SignalModifiedKey(ctx.raw(), key.name)) };
}
