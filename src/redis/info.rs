//! The section `INFO stock`.

use std::ffi::{CStr, CString};
use std::os::raw::c_int;

use redis_module::raw;

use super::panic::guarded;
use super::{api, state, value};
use crate::command::journal::Outcome;

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
        self.count(c"pools", value::POOLS.get());
        self.count(c"partial_pools", value::PARTIAL_POOLS.get());
        self.count(c"open_holds", value::OPEN_HOLDS.get());
        self.count(c"remembered_orders", value::REMEMBERED_ORDERS.get());
        self.count(c"memory_bytes", value::MEMORY_BYTES.get());
        self.totals();
        self.background();
        self.count(c"evicting_maxmemory_policy", u64::from(evicts()));
    }

    /// One total per outcome of a call, then totals of what happens without a call.
    fn totals(&self) {
        let (outcomes, expired, divergences, steps, published, dropped) = state::with(|state| {
            let totals = &state.totals;
            (totals.outcomes, totals.expired, totals.divergences, totals.clock_steps, totals.published, totals.dropped)
        });
        for (outcome, name) in Outcome::NAMES {
            let name = CString::new(format!("replies_{name}")).unwrap_or_default();
            self.count(&name, outcomes.get(outcome as usize).copied().unwrap_or_default());
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

    fn count(&self, name: &CStr, value: u64) {
        // SAFETY: the handle is live; the name is copied.
        unsafe { api!(RedisModule_InfoAddFieldULongLong(self.info, name.as_ptr(), value)) };
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
