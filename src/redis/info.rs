//! The section `INFO stock`.

use std::ffi::{CStr, CString};
use std::os::raw::c_int;

use redis_module::raw;

use super::event_streams::Longest;
use super::panic::guarded;
use super::{api, state, value};
use crate::command::refusal::Outcome;
use crate::core::codec;

/// The version of this module.
const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The outcomes whose rate is shown: what takes units, and what refuses to.
const RATES: [(Outcome, &CStr); 8] = [
    (Outcome::Reserved, c"replies_per_sec_reserved"),
    (Outcome::Confirmed, c"replies_per_sec_confirmed"),
    (Outcome::SoldOut, c"replies_per_sec_soldout"),
    (Outcome::Limited, c"replies_per_sec_limited"),
    (Outcome::Closed, c"replies_per_sec_closed"),
    (Outcome::Suspended, c"replies_per_sec_suspended"),
    (Outcome::NoPool, c"replies_per_sec_nopool"),
    (Outcome::Error, c"replies_per_sec_error"),
];

/// Registers the section.
pub fn register(ctx: api::Ctx<'_>) -> bool {
    // SAFETY: the context is live; the callback fits.
    unsafe { api!(RedisModule_RegisterInfoFunc(ctx.raw(), Some(on_info))) == api::OK }
}

unsafe extern "C" fn on_info(info: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    // A crash report is written by a signal handler, which may interrupt a borrow of the state.
    if for_crash_report == 0 {
        guarded((), || Section { info }.write());
    }
}

struct Section {
    info: *mut raw::RedisModuleInfoCtx,
}

impl Section {
    fn write(&self) {
        // SAFETY: the handle is live; an empty name gives the section the name of the module.
        if unsafe { api!(RedisModule_InfoAddSection(self.info, c"".as_ptr())) } != api::OK {
            return;
        }
        self.text(c"version", VERSION);
        self.signed(c"encoding_version", codec::VERSION.into());
        self.count(c"pools", value::POOLS.get());
        self.count(c"partial_pools", value::PARTIAL_POOLS.get());
        self.count(c"open_holds", value::OPEN_HOLDS.get());
        self.count(c"remembered_orders", value::REMEMBERED_ORDERS.get());
        self.count(c"memory_bytes", value::MEMORY_BYTES.get());
        self.count(c"held_units", value::HELD_UNITS.get());
        self.count(c"soldout_pools", value::SOLD_OUT_POOLS.get());
        self.count(c"suspended_pools", value::SUSPENDED_POOLS.get());
        self.count(c"short_pools", value::SHORT_POOLS.get());
        self.count(c"nearly_full_pools", value::NEARLY_FULL_POOLS.get());
        self.totals();
        self.background();
        self.event_streams();
        self.count(c"evicting_maxmemory_policy", u64::from(evicts()));
    }

    /// One total per outcome of a call, then totals of what happens without a call.
    fn totals(&self) {
        let (outcomes, expired, divergences, steps, published, dropped) = state::with(|state| {
            let totals = &state.totals;
            (totals.outcomes, totals.expired, totals.divergences, totals.clock_steps, totals.published, totals.dropped)
        });
        for &(outcome, name) in Outcome::NAMES {
            let name = CString::new(format!("replies_{name}")).unwrap_or_default();
            self.count(&name, outcomes.get(outcome as usize).copied().unwrap_or_default());
        }
        for (outcome, name) in RATES {
            self.count(name, state::with(|state| state.rates.per_sec(outcome)));
        }
        self.count(c"holds_expired", expired);
        self.count(c"divergences", divergences);
        self.count(c"events_published", published);
        self.count(c"events_dropped", dropped);
        self.count(c"clock_steps", steps);
    }

    fn background(&self) {
        let now_ms = api::now_ms();
        let (lag_ms, due, rescans, scanning, promotion, grace) = state::with(|state| {
            let due = state.wake_queue.is_due(now_ms);
            let (rescans, scanning) = (state.rescan.completed, state.rescan.is_pending());
            (state.sweep.lag_ms(now_ms), due, rescans, scanning, state.promotion, state.in_grace())
        });
        self.signed(c"sweep_lag_ms", lag_ms);
        self.count(c"sweep_pending", u64::from(due));
        self.count(c"rescans", rescans);
        self.count(c"rescan_in_progress", u64::from(scanning));
        // The first one is the start of the process.
        self.count(c"promotions", promotion.saturating_sub(1));
        self.count(c"failover_grace", u64::from(grace));
    }

    /// Event streams, as the background has seen them last.
    fn event_streams(&self) {
        state::with(|state| {
            let all = state.event_streams.summary();
            self.count(c"event_streams", all.streams);
            self.count(c"event_streams_without_group", all.without_group);
            self.count(c"event_streams_lag_unknown", all.lag_unknown);
            self.count(c"event_streams_limit_reached", u64::from(state.event_streams.is_limit_reached()));
            // There are streams, and the backlog of no group is known.
            let none = if all.streams > 0 { c"unknown" } else { c"0" };
            self.longest(c"event_longest_stream_entries", c"event_longest_stream_at", all.longest, none);
            self.longest(c"event_longest_lag_entries", c"event_longest_lag_at", all.lag, none);
            self.longest(c"event_longest_pending_entries", c"event_longest_pending_at", all.pending, none);
        });
    }

    /// The longest of its kind, and whose it is. What is not printable ASCII in a name is escaped,
    /// so that no name writes a line of its own.
    fn longest(&self, entries: &CStr, at: &CStr, longest: Option<Longest<'_>>, none: &CStr) {
        let Some(Longest { entries: count, db, stream, group }) = longest else {
            self.text(entries, none);
            return self.text(at, c"");
        };
        self.count(entries, count);
        let mut whose = format!("db={db},stream={}", stream.escape_ascii());
        if let Some(group) = group {
            whose.push_str(&format!(",group={}", group.escape_ascii()));
        }
        self.text(at, &CString::new(whose).unwrap_or_default());
    }

    fn count(&self, name: &CStr, value: u64) {
        // SAFETY: the handle is live; the name is copied.
        unsafe { api!(RedisModule_InfoAddFieldULongLong(self.info, name.as_ptr(), value)) };
    }

    fn text(&self, name: &CStr, value: &CStr) {
        // SAFETY: the handle is live; name and value are copied.
        unsafe { api!(RedisModule_InfoAddFieldCString(self.info, name.as_ptr(), value.as_ptr())) };
    }

    fn signed(&self, name: &CStr, value: i64) {
        // SAFETY: the handle is live; the name is copied.
        unsafe { api!(RedisModule_InfoAddFieldLongLong(self.info, name.as_ptr(), value)) };
    }
}

/// Whether the server may evict keys when memory runs short: it would evict stock.
pub fn evicts() -> bool {
    // SAFETY: without a context the server answers for itself.
    let flags = unsafe { api!(RedisModule_GetContextFlags(std::ptr::null_mut())) };
    flags as u32 & raw::REDISMODULE_CTX_FLAGS_EVICT != 0
}
