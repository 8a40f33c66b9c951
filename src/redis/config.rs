//! The parameters: `CONFIG GET/SET stock.*`, lines in redis.conf, and arguments of `loadmodule`.
//!
//! An argument of `loadmodule` (`hold-seconds 600`) replaces the default of its parameter. A line in
//! redis.conf (`stock.hold-seconds 600`) and CONFIG SET go before it, so that what CONFIG REWRITE wrote holds
//! after a restart.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_longlong, c_void};
use std::ptr::null_mut;
use std::time::Duration;

use redis_module::raw;

use super::api::{self, Ctx};
use super::state;
use super::trampoline::guarded;
use crate::core::Defaults;

/// A parameter that is a number.
struct Number {
    name: &'static CStr,
    default: i64,
    least: i64,
    most: i64,
}

/// Places in [`NUMBERS`].
const RETAIN_SECONDS: usize = 1;
const RETAIN_PAID_SECONDS: usize = 2;
const FAILOVER_GRACE_MS: usize = 4;

/// Ten years.
const MOST_SECONDS: i64 = 315_360_000;

/// The parameters that are numbers.
static NUMBERS: [Number; 5] = [
    Number { name: c"hold-seconds", default: 900, least: 1, most: MOST_SECONDS },
    Number { name: c"retain-seconds", default: 86_400, least: 1, most: MOST_SECONDS },
    Number { name: c"retain-paid-seconds", default: 604_800, least: 1, most: MOST_SECONDS },
    Number { name: c"pool-max-orders", default: 10_000_000, least: 1, most: 4_000_000_000 },
    Number { name: c"failover-grace-ms", default: 0, least: 0, most: 86_400_000 },
];

/// The one that is a text.
const UTC_OFFSET: &CStr = c"utc-offset";
const UTC_OFFSET_DEFAULT: &str = "+00:00";
/// The furthest offset: 18 hours.
const MOST_OFFSET_MIN: i32 = 18 * 60;

/// What the parameters are set to.
pub struct Settings {
    numbers: [i64; NUMBERS.len()],
    utc_offset_min: i32,
    /// As it was written: the server wants a string that stays ours.
    utc_offset: *mut raw::RedisModuleString,
}

impl Settings {
    /// The defaults.
    pub const fn new() -> Self {
        Self { numbers: [900, 86_400, 604_800, 10_000_000, 0], utc_offset_min: 0, utc_offset: null_mut() }
    }

    /// For the core.
    pub fn defaults(&self) -> Defaults {
        let [hold, retain, retain_paid, max_orders, _] = self.numbers;
        Defaults {
            hold_ms: hold.saturating_mul(1000),
            retain_ms: retain.saturating_mul(1000),
            retain_paid_ms: retain_paid.saturating_mul(1000),
            max_orders: u32::try_from(max_orders).unwrap_or(u32::MAX),
            utc_offset_min: self.utc_offset_min,
        }
    }

    /// How long no hold becomes due after a promotion or restart.
    pub fn grace(&self) -> Duration {
        Duration::from_millis(self.numbers[FAILOVER_GRACE_MS].unsigned_abs())
    }
}

/// Registers the parameters and lets the server set them.
pub fn register(ctx: Ctx<'_>, args: &[&[u8]]) -> Result<(), String> {
    let given = Arguments::parse(args)?;
    for (index, number) in NUMBERS.iter().enumerate() {
        let default = given.numbers[index];
        let place = index as *mut c_void;
        let (least, most, flags) = (number.least, number.most, raw::REDISMODULE_CONFIG_DEFAULT);
        // SAFETY: the context is live; the strings are copied; the callbacks fit and take the index as their
        // data.
        let done = unsafe {
            api!(RedisModule_RegisterNumericConfig(
                ctx.raw(),
                number.name.as_ptr(),
                default,
                flags,
                least,
                most,
                Some(get),
                Some(set),
                None,
                place,
            ))
        };
        ensure(done)?;
    }
    let default = std::ffi::CString::new(given.utc_offset).map_err(|_| "a parameter cannot be registered")?;
    let flags = raw::REDISMODULE_CONFIG_DEFAULT;
    // SAFETY: as above.
    ensure(unsafe {
        api!(RedisModule_RegisterStringConfig(
            ctx.raw(),
            UTC_OFFSET.as_ptr(),
            default.as_ptr(),
            flags,
            Some(get_offset),
            Some(set_offset),
            None,
            null_mut(),
        ))
    })?;
    // SAFETY: the context is live.
    let loaded = unsafe { api!(RedisModule_LoadConfigs(ctx.raw())) };
    if loaded == api::OK {
        Ok(())
    } else {
        Err("a stock.* parameter in the configuration is not accepted (see above)".into())
    }
}

fn ensure(done: c_int) -> Result<(), String> {
    if done == api::OK {
        Ok(())
    } else {
        Err("a parameter cannot be registered".into())
    }
}

unsafe extern "C" fn get(_: *const c_char, place: *mut c_void) -> c_longlong {
    guarded(0, || state::with(|state| state.settings.numbers.get(place as usize).copied().unwrap_or_default()))
}

unsafe extern "C" fn set(
    _: *const c_char,
    value: c_longlong,
    place: *mut c_void,
    _: *mut *mut raw::RedisModuleString,
) -> c_int {
    guarded(api::ERR, || {
        state::with(|state| {
            let Some(number) = state.settings.numbers.get_mut(place as usize) else {
                return;
            };
            let before = std::mem::replace(number, value);
            if before != value && matches!(place as usize, RETAIN_SECONDS | RETAIN_PAID_SECONDS) {
                // Memory may be due for freeing earlier than the agenda knows.
                state.rescan.want();
            }
        });
        api::OK
    })
}

unsafe extern "C" fn get_offset(_: *const c_char, _: *mut c_void) -> *mut raw::RedisModuleString {
    guarded(null_mut(), || state::with(|state| state.settings.utc_offset))
}

unsafe extern "C" fn set_offset(
    _: *const c_char,
    value: *mut raw::RedisModuleString,
    _: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    guarded(api::ERR, || {
        // SAFETY: the server's string is live for the callback.
        let text = unsafe { api::bytes(value) };
        let Some(minutes) = offset_minutes(text) else {
            // SAFETY: the server takes the string over.
            unsafe { *error = api::string(b"a UTC offset is +hh:mm or -hh:mm, up to 18:00") };
            return api::ERR;
        };
        keep_offset(minutes, text);
        api::OK
    })
}

fn keep_offset(minutes: i32, text: &[u8]) {
    let text = api::string(text);
    let old = state::with(|state| {
        state.settings.utc_offset_min = minutes;
        std::mem::replace(&mut state.settings.utc_offset, text)
    });
    if !old.is_null() {
        // SAFETY: it was ours, and nothing refers to it any more.
        unsafe { api!(RedisModule_FreeString(null_mut(), old)) };
    }
}

/// `+hh:mm` or `-hh:mm` in minutes.
fn offset_minutes(text: &[u8]) -> Option<i32> {
    let &[sign, h1, h2, b':', m1, m2] = text else {
        return None;
    };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
    let (hours, minutes) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
    let total = hours * 60 + minutes;
    match sign {
        _ if minutes > 59 || total > MOST_OFFSET_MIN => None,
        b'+' => Some(total),
        b'-' => Some(-total),
        _ => None,
    }
}

/// The arguments of `loadmodule`: pairs of a parameter's name, with or without `stock.`, and its value.
#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    numbers: [i64; NUMBERS.len()],
    utc_offset: String,
}

impl Arguments {
    fn parse(args: &[&[u8]]) -> Result<Self, String> {
        let mut given =
            Self { numbers: NUMBERS.each_ref().map(|number| number.default), utc_offset: UTC_OFFSET_DEFAULT.into() };
        for pair in args.chunks(2) {
            let name = String::from_utf8_lossy(pair.first().copied().unwrap_or_default()).to_ascii_lowercase();
            let name = name.strip_prefix("stock.").unwrap_or(&name);
            let value = pair.get(1).ok_or_else(|| format!("the argument {name} has no value"))?;
            given.take(name, value)?;
        }
        Ok(given)
    }

    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(value).unwrap_or_default();
        if name.as_bytes() == UTC_OFFSET.to_bytes() {
            offset_minutes(value).ok_or("the argument utc-offset must be +hh:mm or -hh:mm, up to 18:00")?;
            self.utc_offset = text.into();
            return Ok(());
        }
        let index = NUMBERS.iter().position(|number| number.name.to_bytes() == name.as_bytes());
        let index = index.ok_or_else(|| format!("the argument {name} is not known"))?;
        let Number { least, most, .. } = NUMBERS[index];
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        self.numbers[index] =
            number.ok_or_else(|| format!("the argument {name} must be a number from {least} to {most}"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_signed_hours_and_minutes() {
        assert_eq!(offset_minutes(b"+00:00"), Some(0));
        assert_eq!(offset_minutes(b"+08:00"), Some(480));
        assert_eq!(offset_minutes(b"-05:30"), Some(-330));
        assert_eq!(offset_minutes(b"+18:00"), Some(1080));
        assert_eq!(offset_minutes(b"-18:00"), Some(-1080));
        for wrong in ["", "08:00", "+8:00", "+08:60", "+18:01", "+19:00", "+0800", "+08:00 ", "Z", "+ab:cd"] {
            assert_eq!(offset_minutes(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn arguments_replace_defaults() {
        let given = Arguments::parse(&[b"Hold-Seconds", b"60", b"stock.utc-offset", b"+08:00"]);
        assert_eq!(given, Ok(Arguments { numbers: [60, 86_400, 604_800, 10_000_000, 0], utc_offset: "+08:00".into() }));
        assert_eq!(Arguments::parse(&[]).map(|given| given.numbers), Ok(Settings::new().numbers));
    }

    #[test]
    fn unknown_and_wrong_arguments_are_refused_by_name() {
        let wrong: [&[&[u8]]; 5] = [
            &[b"hold-second", b"60"],
            &[b"hold-seconds"],
            &[b"hold-seconds", b"0"],
            &[b"hold-seconds", b"1x"],
            &[b"hold-seconds", b"315360001"],
        ];
        for args in wrong {
            let why = Arguments::parse(args).err().unwrap_or_default();
            assert!(why.contains("hold-second"), "{why}");
        }
        assert!(Arguments::parse(&[b"utc-offset", b"8"]).is_err());
    }
}
