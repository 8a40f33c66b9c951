//! What goes to the append-only file and the replicas, and what WATCH and client-side caches hear of.

use super::api::Ctx;
use super::keyspace::Keys;
use crate::command::journal::Journal;

/// The command that carries one pool's effect.
const EFFECT: &std::ffi::CStr = c"STOCK.EFFECT";

/// Replicates and signals what a call has changed. A call that changed nothing leaves no trace at all. One
/// that `failed` may have changed something, too: due holds are returned before a call is decided.
pub fn propagate(ctx: Ctx<'_>, keys: &Keys<'_>, journal: &Journal, failed: bool) {
    if !journal.verbatim {
        effects(ctx, keys, journal);
    } else if !failed {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplicateVerbatim(ctx.raw())) };
    }
    signal(ctx, keys, journal);
}

/// One command per pool. A call on several pools at once will need one command for all of them, so that the
/// other side applies all or nothing: this is the place for it.
fn effects(ctx: Ctx<'_>, keys: &Keys<'_>, journal: &Journal) {
    for changed in journal.changed() {
        let Some(key) = keys.at(changed.handle) else {
            continue;
        };
        let (start, len) = (changed.effect.as_ptr(), changed.effect.len());
        // SAFETY: the context and the name are live; the format matches the arguments; the bytes are copied.
        unsafe { api!(RedisModule_Replicate(ctx.raw(), EFFECT.as_ptr(), c"sb".as_ptr(), key.name, start, len)) };
    }
}

/// Tells WATCH and client-side caches of pools whose visible content changed. Freeing memory is no such
/// change.
fn signal(ctx: Ctx<'_>, keys: &Keys<'_>, journal: &Journal) {
    let noted = journal.changed().iter().filter(|changed| !changed.notes.is_empty());
    let noted = noted.filter_map(|changed| keys.at(changed.handle)).filter(|key| !key.created);
    let created = keys.opened().iter().filter(|key| key.created);
    for key in noted.chain(created) {
        // SAFETY: the context and the name are live.
        unsafe { api!(RedisModule_SignalModifiedKey(ctx.raw(), key.name)) };
    }
}
