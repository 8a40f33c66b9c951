//! The parameters, as the server sees them: `CONFIG GET/SET stock.*`, lines in redis.conf, and
//! arguments of `loadmodule`.
//!
//! An argument of `loadmodule` (`hold-seconds 600`) replaces the default of its parameter. A line
//! in redis.conf (`stock.hold-seconds 600`) and CONFIG SET come before it, so what CONFIG REWRITE
//! wrote holds after a restart.

use std::os::raw::{c_char, c_int, c_longlong, c_void};
use std::ptr::null_mut;

use redis_module::raw;

use super::api::{self, Ctx};
use super::handles::OwnedString;
use super::panic::guarded;
use super::parameters::{objection, Arguments, NUMBERS, RETAIN_PAID_SECONDS, RETAIN_SECONDS, TEXTS};
use super::state;

/// Registers the parameters and lets the server set them.
///
/// # Errors
/// The text for the server's log: that of [`Arguments::parse`]; `a parameter cannot be registered`;
/// `a stock.* parameter of the configuration is not accepted (see above)`.
pub fn register(ctx: Ctx<'_>, args: &[&[u8]]) -> Result<(), String> {
    let defaults = Arguments::parse(args, state::with(|state| state.cluster))?;
    for (index, (number, &default)) in NUMBERS.iter().zip(&defaults.numbers).enumerate() {
        let (data, flags) = (index as *mut c_void, raw::REDISMODULE_CONFIG_DEFAULT);
        // SAFETY: the context is live; the strings are copied; the callbacks fit, and take the
        // index as their data.
        registered(unsafe {
            api!(RedisModule_RegisterNumericConfig(
                ctx.raw(),
                number.name.as_ptr(),
                default,
                flags,
                number.min,
                number.max,
                Some(get_number),
                Some(set_number),
                None,
                data,
            ))
        })?;
    }
    for (index, (text, default)) in TEXTS.iter().zip(defaults.texts).enumerate() {
        let default = std::ffi::CString::new(default).map_err(|_| "a parameter cannot be registered")?;
        let (data, flags) = (index as *mut c_void, raw::REDISMODULE_CONFIG_DEFAULT);
        // SAFETY: as above.
        registered(unsafe {
            api!(RedisModule_RegisterStringConfig(
                ctx.raw(),
                text.name.as_ptr(),
                default.as_ptr(),
                flags,
                Some(get_text),
                Some(set_text),
                None,
                data,
            ))
        })?;
    }
    // SAFETY: the context is live.
    if unsafe { api!(RedisModule_LoadConfigs(ctx.raw())) } != api::OK {
        return Err("a stock.* parameter of the configuration is not accepted (see above)".into());
    }
    Ok(())
}

fn registered(result: c_int) -> Result<(), String> {
    (result == api::OK).then_some(()).ok_or_else(|| "a parameter cannot be registered".into())
}

unsafe extern "C" fn get_number(_: *const c_char, index: *mut c_void) -> c_longlong {
    guarded(0, || state::with(|state| state.parameters.number(index as usize).unwrap_or_default()))
}

unsafe extern "C" fn set_number(
    _: *const c_char,
    value: c_longlong,
    index: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    guarded(api::ERR, || {
        let index = index as usize;
        if let Some(objection) = objection(index, value) {
            // SAFETY: the server takes the string over.
            unsafe { *error = OwnedString::new(objection.as_bytes()).into_raw() };
            return api::ERR;
        }
        state::with(|state| {
            let before = state.parameters.set_number(index, value);
            if before != Some(value) && matches!(index, RETAIN_SECONDS | RETAIN_PAID_SECONDS) {
                // Records may be due for purging earlier than the wake-up queue knows.
                state.rescan.request();
            }
        });
        api::OK
    })
}

unsafe extern "C" fn get_text(_: *const c_char, index: *mut c_void) -> *mut raw::RedisModuleString {
    guarded(null_mut(), || {
        state::with(|state| state.parameters.text(index as usize).map_or(null_mut(), OwnedString::as_ptr))
    })
}

unsafe extern "C" fn set_text(
    _: *const c_char,
    value: *mut raw::RedisModuleString,
    index: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    guarded(api::ERR, || {
        // SAFETY: the server's string is live for the callback.
        let text = unsafe { api::bytes(value) };
        let index = index as usize;
        if state::with(|state| state.parameters.set_text(index, text, state.cluster)) {
            return api::OK;
        }
        let message = TEXTS.get(index).map_or("", |text| text.error);
        // SAFETY: the server takes the string over.
        unsafe { *error = OwnedString::new(message.as_bytes()).into_raw() };
        api::ERR
    })
}
