//! Finding pools that the wake-up queue may not know: after a load, a promotion, a change of the retention. The
//! whole key space is walked in short slices, while clients are served.

use std::os::raw::{c_int, c_void};
use std::time::Instant;

use redis_module::raw;

use super::api::{self, Ctx};
use super::data_type;
use super::state;
use super::trampoline::guarded;
use super::value::StoredValue;

/// So many buckets are walked between two looks at the clock.
const STEPS: usize = 32;

/// Looks at a key without a trace: no last access, no statistics, no event, no lazy expiry (where the server
/// knows how).
const QUIETLY: u32 = raw::REDISMODULE_READ
    | raw::REDISMODULE_OPEN_KEY_NOTOUCH
    | raw::REDISMODULE_OPEN_KEY_NONOTIFY
    | raw::REDISMODULE_OPEN_KEY_NOSTATS
    | raw::REDISMODULE_OPEN_KEY_NOEXPIRE
    | raw::REDISMODULE_OPEN_KEY_NOEFFECTS;

/// How far the search is.
pub struct Rescan {
    wanted: bool,
    under_way: Option<Position>,
    /// How many searches came to their end.
    pub finished: u64,
}

/// Where the search stands. The cursor is freed when the search ends.
#[derive(Clone, Copy)]
struct Position {
    cursor: *mut raw::RedisModuleScanCursor,
    db: i32,
}

impl Rescan {
    /// None wanted.
    pub const fn new() -> Self {
        Self { wanted: false, under_way: None, finished: 0 }
    }

    /// A search from the start is wanted, whatever is under way.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// The key space under a running search was exchanged: it must begin anew.
    pub fn disturb(&mut self) {
        self.wanted |= self.under_way.is_some();
    }

    /// Whether there is something to search.
    pub fn is_wanted(&self) -> bool {
        self.wanted || self.under_way.is_some()
    }
}

/// Goes on with the search until the deadline; true while there is more to do.
pub fn advance(ctx: Ctx<'_>, until: Instant) -> bool {
    let Some(mut position) = position() else {
        return false;
    };
    loop {
        if !ctx.select(position.db) {
            finish(position);
            return state::with(|state| state.rescan.is_wanted());
        }
        for _ in 0..STEPS {
            // SAFETY: the context and the cursor are live; the callback fits.
            let more =
                unsafe { api!(RedisModule_Scan(ctx.raw(), position.cursor, Some(on_key), std::ptr::null_mut())) };
            if more == 0 {
                free(position.cursor);
                position = Position { cursor: cursor(), db: position.db.saturating_add(1) };
                break;
            }
        }
        if Instant::now() >= until {
            state::with(|state| state.rescan.under_way = Some(position));
            return true;
        }
    }
}

/// Where to go on: at the start, where a search is wanted.
fn position() -> Option<Position> {
    let (wanted, under_way) = state::with(|state| {
        let rescan = &mut state.rescan;
        (std::mem::take(&mut rescan.wanted), rescan.under_way.take())
    });
    if !wanted {
        return under_way;
    }
    if let Some(old) = under_way {
        free(old.cursor);
    }
    Some(Position { cursor: cursor(), db: 0 })
}

fn finish(position: Position) {
    free(position.cursor);
    state::with(|state| state.rescan.finished = state.rescan.finished.saturating_add(1));
}

fn cursor() -> *mut raw::RedisModuleScanCursor {
    // SAFETY: no arguments.
    unsafe { api!(RedisModule_ScanCursorCreate()) }
}

fn free(cursor: *mut raw::RedisModuleScanCursor) {
    // SAFETY: each cursor is freed once, by whoever took it out of the state.
    unsafe { api!(RedisModule_ScanCursorDestroy(cursor)) };
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
            None if key.is_null() => look_at(Ctx::new(ctx), name, schedule),
            None => {}
        }
    });
}

/// Puts a pool into the wake-up queue.
pub fn schedule(db: i32, name: &[u8], value: &mut StoredValue) {
    state::with(|state| {
        state.wake_queue.schedule(db, name, value);
    });
}

/// Opens a key quietly and works on it if it is a pool.
pub fn look_at(ctx: Ctx<'_>, name: *mut raw::RedisModuleString, work: impl FnOnce(i32, &[u8], &mut StoredValue)) {
    // SAFETY: the context and the name are live; the handle is closed here. The value is not open elsewhere:
    // this runs between commands, or while the server tells of an arrival, which it never does while a
    // command of ours has keys open.
    unsafe {
        let key = api!(RedisModule_OpenKey(ctx.raw(), name, QUIETLY as c_int));
        if key.is_null() {
            return;
        }
        if let Some(value) = data_type::value_of(key).as_mut() {
            work(api::db_of(key), api::bytes(name), value);
        }
        api!(RedisModule_CloseKey(key));
    }
}
