//! The parameters: `CONFIG GET/SET stock.*`, lines in redis.conf, and arguments of `loadmodule`.
//!
//! An argument of `loadmodule` (`hold-seconds 600`) replaces the default of its parameter. A line in
//! redis.conf (`stock.hold-seconds 600`) and CONFIG SET go before it, so that what CONFIG REWRITE wrote holds
//! after a restart.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_longlong, c_void};
use std::ptr::null_mut;
use std::rc::Rc;
use std::time::Duration;

use redis_module::raw;

use super::api::{self, Ctx};
use super::state;
use super::trampoline::guarded;
use crate::core::model::context::Defaults;
use crate::core::model::ids::MAX_STREAM;

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
const EVENTS_MAXLEN: usize = 5;

/// Ten years.
const MOST_SECONDS: i64 = 315_360_000;

/// The parameters that are numbers.
static NUMBERS: [Number; 6] = [
    Number { name: c"hold-seconds", default: 900, least: 1, most: MOST_SECONDS },
    Number { name: c"retain-seconds", default: 86_400, least: 1, most: MOST_SECONDS },
    Number { name: c"retain-paid-seconds", default: 604_800, least: 1, most: MOST_SECONDS },
    Number { name: c"pool-max-orders", default: 10_000_000, least: 1, most: 4_000_000_000 },
    Number { name: c"failover-grace-ms", default: 0, least: 0, most: 86_400_000 },
    Number { name: c"events-maxlen", default: 0, least: 0, most: 9_007_199_254_740_991 },
];

/// A parameter that is a text.
struct Text {
    name: &'static CStr,
    default: &'static str,
    /// Why a text is not accepted.
    wrong: &'static str,
}

/// Places in [`TEXTS`].
const UTC_OFFSET: usize = 0;
const EVENTS: usize = 1;

/// The parameters that are texts.
static TEXTS: [Text; 2] = [
    Text { name: c"utc-offset", default: "+00:00", wrong: "a UTC offset is +hh:mm or -hh:mm, up to 18:00" },
    Text {
        name: c"events",
        default: "",
        wrong: "a stream's name has at most 512 bytes; in a cluster a pool's own policy names it (its stream must be in its slot)",
    },
];

/// The furthest offset: 18 hours.
const MOST_OFFSET_MIN: i32 = 18 * 60;

/// What the parameters are set to.
pub struct Settings {
    numbers: [i64; NUMBERS.len()],
    utc_offset_min: i32,
    events: Option<Rc<[u8]>>,
    /// As they were written: the server wants strings that stay ours.
    texts: [*mut raw::RedisModuleString; TEXTS.len()],
}

impl Settings {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            numbers: [900, 86_400, 604_800, 10_000_000, 0, 0],
            utc_offset_min: 0,
            events: None,
            texts: [null_mut(); TEXTS.len()],
        }
    }

    /// For the core.
    pub fn defaults(&self) -> Defaults {
        let [hold, retain, retain_paid, max_orders, _, _] = self.numbers;
        Defaults {
            hold_ms: hold.saturating_mul(1000),
            retain_ms: retain.saturating_mul(1000),
            retain_paid_ms: retain_paid.saturating_mul(1000),
            max_orders: u32::try_from(max_orders).unwrap_or(u32::MAX),
            utc_offset_min: self.utc_offset_min,
        }
    }

    /// The event stream of pools whose policy does not say, and how many entries every stream keeps.
    pub fn events(&self) -> (Option<Rc<[u8]>>, u64) {
        (self.events.clone(), self.numbers[EVENTS_MAXLEN].unsigned_abs())
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
    for (index, text) in TEXTS.iter().enumerate() {
        let default = given.texts.get(index).cloned().unwrap_or_default();
        let default = std::ffi::CString::new(default).map_err(|_| "a parameter cannot be registered")?;
        let (place, flags) = (index as *mut c_void, raw::REDISMODULE_CONFIG_DEFAULT);
        // SAFETY: as above.
        ensure(unsafe {
            api!(RedisModule_RegisterStringConfig(
                ctx.raw(),
                text.name.as_ptr(),
                default.as_ptr(),
                flags,
                Some(get_text),
                Some(set_text),
                None,
                place,
            ))
        })?;
    }
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
                // Memory may be due for freeing earlier than the wake-up queue knows.
                state.rescan.want();
            }
        });
        api::OK
    })
}

unsafe extern "C" fn get_text(_: *const c_char, place: *mut c_void) -> *mut raw::RedisModuleString {
    guarded(null_mut(), || state::with(|state| state.settings.texts.get(place as usize).copied().unwrap_or(null_mut())))
}

unsafe extern "C" fn set_text(
    _: *const c_char,
    value: *mut raw::RedisModuleString,
    place: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    guarded(api::ERR, || {
        // SAFETY: the server's string is live for the callback.
        let text = unsafe { api::bytes(value) };
        let place = place as usize;
        if state::with(|state| take_text(&mut state.settings, state.cluster, place, text)) {
            keep_text(place, text);
            return api::OK;
        }
        let wrong = TEXTS.get(place).map_or("", |text| text.wrong);
        // SAFETY: the server takes the string over.
        unsafe { *error = api::string(wrong.as_bytes()) };
        api::ERR
    })
}

/// Sets what a text means; false where it is not accepted.
fn take_text(settings: &mut Settings, cluster: bool, place: usize, text: &[u8]) -> bool {
    match place {
        UTC_OFFSET => offset_minutes(text).map(|minutes| settings.utc_offset_min = minutes).is_some(),
        EVENTS if text.is_empty() => {
            settings.events = None;
            true
        }
        EVENTS if !cluster && text.len() <= MAX_STREAM => {
            settings.events = Some(text.into());
            true
        }
        _ => false,
    }
}

fn keep_text(place: usize, text: &[u8]) {
    let text = api::string(text);
    let old = state::with(|state| state.settings.texts.get_mut(place).map(|kept| std::mem::replace(kept, text)));
    if let Some(old) = old.filter(|old| !old.is_null()) {
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
    texts: [String; TEXTS.len()],
}

impl Arguments {
    fn parse(args: &[&[u8]]) -> Result<Self, String> {
        let mut given = Self {
            numbers: NUMBERS.each_ref().map(|number| number.default),
            texts: TEXTS.each_ref().map(|text| text.default.into()),
        };
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
        if let Some(place) = TEXTS.iter().position(|text| text.name.to_bytes() == name.as_bytes()) {
            let cluster = state::with(|state| state.cluster);
            if std::str::from_utf8(value).is_err() || !take_text(&mut Settings::new(), cluster, place, value) {
                return Err(format!("the argument {name} is not accepted: {}", TEXTS[place].wrong));
            }
            self.texts[place] = text.into();
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
        let (numbers, texts) = ([60, 86_400, 604_800, 10_000_000, 0, 0], ["+08:00".into(), String::new()]);
        assert_eq!(given, Ok(Arguments { numbers, texts }));
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
