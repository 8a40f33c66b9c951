//! The values of the parameters, their bounds and defaults. `server_config` connects them to the
//! server.

use std::ffi::CStr;
use std::rc::Rc;
use std::time::Duration;

use super::handles::OwnedString;
use crate::command::limit_text::time_zone;
use crate::core::model::context::Defaults;
use crate::core::model::ids::MAX_STREAM;
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::time::MAX_SECONDS;
use crate::core::model::zone::Tz;

/// A parameter that is a number.
pub struct Number {
    /// Its name behind `stock.`.
    pub name: &'static CStr,
    /// Its value where nobody sets one.
    pub default: i64,
    /// The least value.
    pub min: i64,
    /// The greatest value.
    pub max: i64,
}

/// Indexes of [`NUMBERS`].
pub const RETAIN_SECONDS: usize = 1;
pub const RETAIN_PAID_SECONDS: usize = 2;
const FAILOVER_GRACE_MS: usize = 4;
const EVENTS_MAXLEN: usize = 5;
const PAUSE_EXPIRY_UNTIL_MS: usize = 6;

const DEFAULT: Defaults = Defaults::STANDARD;

/// The parameters that are numbers.
pub static NUMBERS: [Number; 7] = [
    Number { name: c"hold-seconds", default: DEFAULT.hold_ms / 1_000, min: 1, max: MAX_SECONDS },
    Number { name: c"retain-seconds", default: DEFAULT.retain_ms / 1_000, min: 1, max: MAX_SECONDS },
    Number { name: c"retain-paid-seconds", default: DEFAULT.retain_paid_ms / 1_000, min: 1, max: MAX_SECONDS },
    Number { name: c"pool-max-orders", default: DEFAULT.max_orders as i64, min: 1, max: 4_000_000_000 },
    Number { name: c"failover-grace-ms", default: 0, min: 0, max: 86_400_000 },
    Number { name: c"events-maxlen", default: 0, min: 0, max: MAX_UNITS },
    Number { name: c"pause-expiry-until-ms", default: 0, min: 0, max: MAX_UNITS },
];

/// A Unix time below this was meant in seconds: in milliseconds it would lie before March 1973.
const LEAST_UNIX_MS: i64 = 100_000_000_000;

/// Why this number is not accepted for the parameter at this index, though it is within its bounds.
pub fn objection(index: usize, value: i64) -> Option<&'static str> {
    (index == PAUSE_EXPIRY_UNTIL_MS && value > 0 && value < LEAST_UNIX_MS)
        .then_some("pause-expiry-until-ms is a Unix time in milliseconds (13 digits), not in seconds; 0 is off")
}

/// A parameter that is a text.
pub struct Text {
    /// Its name behind `stock.`.
    pub name: &'static CStr,
    /// Its value where nobody sets one.
    pub default: &'static str,
    /// The error for a value that is not accepted.
    pub error: &'static str,
}

/// Indexes of [`TEXTS`].
const TIMEZONE: usize = 0;
const EVENTS: usize = 1;

/// The parameters that are texts.
pub static TEXTS: [Text; 2] = [
    Text {
        name: c"timezone",
        default: "+00:00",
        error: "timezone must be +hh:mm or -hh:mm, up to 18:00, or a name such as Europe/Berlin",
    },
    Text {
        name: c"events",
        default: "",
        error: "events must be at most 512 bytes, and empty in a cluster (set it in the policy of each pool, \
                to a stream in the hash slot of the pool)",
    },
];

/// What a text means.
enum TextValue {
    TimeZone(Tz),
    Events(Option<Rc<[u8]>>),
}

/// Reads the text of the parameter at this index. `None`: it is not accepted.
fn parse_text(index: usize, text: &[u8], cluster: bool) -> Option<TextValue> {
    match index {
        TIMEZONE => time_zone(text).ok().map(TextValue::TimeZone),
        EVENTS if text.is_empty() => Some(TextValue::Events(None)),
        EVENTS if !cluster && text.len() <= MAX_STREAM => Some(TextValue::Events(Some(text.into()))),
        _ => None,
    }
}

/// The values of all parameters.
pub struct Parameters {
    numbers: [i64; NUMBERS.len()],
    tz: Tz,
    events: Option<Rc<[u8]>>,
    /// The texts as they were set: the server reads them back as strings of this module.
    texts: [Option<OwnedString>; TEXTS.len()],
}

impl Parameters {
    /// The defaults.
    pub const fn new() -> Self {
        Self { numbers: default_numbers(), tz: DEFAULT.tz, events: None, texts: [const { None }; TEXTS.len()] }
    }

    /// What the core needs of them.
    pub fn defaults(&self) -> Defaults {
        let [hold, retain, retain_paid, max_orders, ..] = self.numbers;
        Defaults {
            hold_ms: hold.saturating_mul(1000),
            retain_ms: retain.saturating_mul(1000),
            retain_paid_ms: retain_paid.saturating_mul(1000),
            max_orders: u32::try_from(max_orders).unwrap_or(u32::MAX),
            tz: self.tz,
        }
    }

    /// The stream for events of pools whose policy names none, and the greatest length of all
    /// streams.
    pub fn events(&self) -> (Option<Rc<[u8]>>, u64) {
        (self.events.clone(), self.numbers[EVENTS_MAXLEN].unsigned_abs())
    }

    /// How long after a promotion or restart no hold expires.
    pub fn grace(&self) -> Duration {
        Duration::from_millis(self.numbers[FAILOVER_GRACE_MS].unsigned_abs())
    }

    /// Until when no hold expires, Unix ms.
    pub fn pause_expiry_until_ms(&self) -> i64 {
        self.numbers[PAUSE_EXPIRY_UNTIL_MS]
    }

    /// The number at this index of [`NUMBERS`].
    pub fn number(&self, index: usize) -> Option<i64> {
        self.numbers.get(index).copied()
    }

    /// Sets the number at this index, and returns the one before.
    pub fn set_number(&mut self, index: usize, value: i64) -> Option<i64> {
        self.numbers.get_mut(index).map(|number| std::mem::replace(number, value))
    }

    /// The text at this index of [`TEXTS`], as it was set.
    pub fn text(&self, index: usize) -> Option<&OwnedString> {
        self.texts.get(index)?.as_ref()
    }

    /// Sets the text at this index; false if it is not accepted.
    pub fn set_text(&mut self, index: usize, text: &[u8], cluster: bool) -> bool {
        match parse_text(index, text, cluster) {
            Some(TextValue::TimeZone(tz)) => self.tz = tz,
            Some(TextValue::Events(stream)) => self.events = stream,
            None => return false,
        }
        if let Some(kept) = self.texts.get_mut(index) {
            *kept = Some(OwnedString::new(text));
        }
        true
    }
}

const fn default_numbers() -> [i64; NUMBERS.len()] {
    let mut numbers = [0; NUMBERS.len()];
    let mut index = 0;
    while index < numbers.len() {
        numbers[index] = NUMBERS[index].default;
        index += 1;
    }
    numbers
}

/// The defaults after the arguments of `loadmodule`: pairs of a parameter's name, with or without
/// `stock.`, and its value.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// By index of [`NUMBERS`].
    pub numbers: [i64; NUMBERS.len()],
    /// By index of [`TEXTS`].
    pub texts: [String; TEXTS.len()],
}

impl Arguments {
    /// Reads the arguments.
    ///
    /// # Errors
    /// The text for the server's log: `unknown argument …`, `missing value of the argument …`, `the
    /// argument … must be a number from … to …`, or `invalid argument …` and why.
    pub fn parse(args: &[&[u8]], cluster: bool) -> Result<Self, String> {
        let mut parsed = Self { numbers: default_numbers(), texts: TEXTS.each_ref().map(|text| text.default.into()) };
        for pair in args.chunks(2) {
            let name = String::from_utf8_lossy(pair.first().copied().unwrap_or_default()).to_ascii_lowercase();
            let name = name.strip_prefix("stock.").unwrap_or(&name);
            let value = pair.get(1).ok_or_else(|| format!("missing value of the argument {name}"))?;
            parsed.set(name, value, cluster)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &str, value: &[u8], cluster: bool) -> Result<(), String> {
        let text = std::str::from_utf8(value).ok();
        if let Some(index) = TEXTS.iter().position(|text| text.name.to_bytes() == name.as_bytes()) {
            let text = text.filter(|_| parse_text(index, value, cluster).is_some());
            self.texts[index] = text.ok_or_else(|| format!("invalid argument {name}: {}", TEXTS[index].error))?.into();
            return Ok(());
        }
        let index = NUMBERS.iter().position(|number| number.name.to_bytes() == name.as_bytes());
        let index = index.ok_or_else(|| format!("unknown argument {name}"))?;
        let Number { min, max, .. } = NUMBERS[index];
        let number = text.and_then(|text| text.parse().ok()).filter(|number| (min..=max).contains(number));
        let number = number.ok_or_else(|| format!("the argument {name} must be a number from {min} to {max}"))?;
        if let Some(objection) = objection(index, number) {
            return Err(format!("invalid argument {objection}"));
        }
        self.numbers[index] = number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_replace_defaults() {
        let parsed = Arguments::parse(&[b"Hold-Seconds", b"60", b"stock.timezone", b"+08:00"], false);
        let (numbers, texts) = ([60, 86_400, 604_800, 10_000_000, 0, 0, 0], ["+08:00".into(), String::new()]);
        assert_eq!(parsed, Ok(Arguments { numbers, texts }));
        let defaults = Arguments::parse(&[], false).map(|parsed| parsed.numbers);
        assert_eq!(defaults, Ok([900, 86_400, 604_800, 10_000_000, 0, 0, 0]));
        assert_eq!(Parameters::new().defaults(), Defaults::default());
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
            let error = Arguments::parse(args, false).err().unwrap_or_default();
            assert!(error.contains("hold-second"), "{error}");
        }
        assert!(Arguments::parse(&[b"timezone", b"8"], false).is_err());
        let seconds = Arguments::parse(&[b"pause-expiry-until-ms", b"1794355200"], false);
        assert!(seconds.is_err_and(|error| error.contains("in milliseconds")));
        assert!(Arguments::parse(&[b"pause-expiry-until-ms", b"1794355200000"], false).is_ok());
    }

    #[test]
    fn a_server_wide_stream_is_refused_in_a_cluster() {
        assert!(Arguments::parse(&[b"events", b"ev"], false).is_ok());
        assert!(Arguments::parse(&[b"events", b"ev"], true).is_err());
        assert!(Arguments::parse(&[b"events", b""], true).is_ok());
    }
}
