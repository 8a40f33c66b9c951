//! Finds pools that the wake-up queue may not know: after a load, a promotion or a change of the
//! retention. Walks the whole key space in short slices, while clients are served.

use std::os::raw::c_void;
use std::time::Instant;

use redis_module::raw;

use super::api::{self, Ctx};
use super::background::ScanProgress;
use super::data_type;
use super::handles::{KeyHandle, OwnedString, ScanCursor};
use super::panic::guarded;
use super::state;
use super::value::StoredValue;

/// How many steps of the scan (buckets of keys) run between two looks at the clock.
const STEPS: usize = 32;

/// Opens a key without a trace: no access time, no statistics, no event, no lazy expiry (on servers
/// that know these flags).
pub const QUIET: u32 = raw::REDISMODULE_READ
    | raw::REDISMODULE_OPEN_KEY_NOTOUCH
    | raw::REDISMODULE_OPEN_KEY_NONOTIFY
    | raw::REDISMODULE_OPEN_KEY_NOSTATS
    | raw::REDISMODULE_OPEN_KEY_NOEXPIRE
    | raw::REDISMODULE_OPEN_KEY_NOEFFECTS;

/// Continues the walk until the deadline; true while there is more to do.
pub fn advance(ctx: Ctx<'_>, until: Instant) -> bool {
    let Some(mut progress) = state::with(|state| state.rescan.take_progress()) else {
        return false;
    };
    loop {
        // There is no database of this number: the walk is complete.
        if !ctx.select(progress.db) {
            return state::with(|state| {
                state.rescan.completed = state.rescan.completed.saturating_add(1);
                state.rescan.is_pending()
            });
        }
        for _ in 0..STEPS {
            let cursor = progress.cursor.as_ptr();
            // SAFETY: the context and the cursor are live; the callback fits.
            let more = unsafe { api!(RedisModule_Scan(ctx.raw(), cursor, Some(on_key), std::ptr::null_mut())) };
            if more == 0 {
                progress = ScanProgress { cursor: ScanCursor::new(), db: progress.db.saturating_add(1) };
                break;
            }
        }
        if Instant::now() >= until {
            state::with(|state| state.rescan.keep_progress(progress));
            return true;
        }
    }
}

unsafe extern "C" fn on_key(
    ctx: *mut raw::RedisModuleCtx,
    name: *mut raw::RedisModuleString,
    key: *mut raw::RedisModuleKey,
    _: *mut c_void,
) {
    // SAFETY: what the server hands in is live until we return; the key may be null.
    guarded((), || unsafe {
        match data_type::value_of(key).as_mut() {
            Some(value) => schedule(api::db_of(key), api::bytes(name), value),
            None if key.is_null() => schedule_key(Ctx::new(ctx), name),
            None => {}
        }
    });
}

/// Schedules the pool under this name, if there is one.
pub fn schedule_key(ctx: Ctx<'_>, name: *mut raw::RedisModuleString) {
    // SAFETY: the context and the name are live. The value is not open elsewhere: this runs between
    // commands, or while the server announces a key that has appeared, which it never does while a
    // command of this module has keys open.
    unsafe {
        let key = KeyHandle::open(ctx, name, QUIET);
        if let Some(value) = data_type::value_of(key.as_ptr()).as_mut() {
            schedule(api::db_of(key.as_ptr()), api::bytes(name), value);
        }
    }
}

/// The earliest deadline of a hold in the pool under this name.
pub fn next_deadline_ms(ctx: Ctx<'_>, name: &OwnedString) -> Option<i64> {
    // SAFETY: the context and the name are live. The value is not open elsewhere: this runs between
    // commands.
    unsafe {
        let key = KeyHandle::open(ctx, name.as_ptr(), QUIET);
        data_type::value_of(key.as_ptr()).as_ref()?.stored.pool()?.next_deadline_ms()
    }
}

fn schedule(db: i32, name: &[u8], value: &mut StoredValue) {
    state::with(|state| {
        state.wake_queue.schedule(db, name, value);
        state.note_stream(db, value);
    });
}
