//! Reads and writes a policy as JSON. Unknown fields are refused; a value that is not UTF-8 is
//! `{"base64": "…"}`.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::args::{Parsed, BAD_NAME, DUPLICATE};
use super::error::CommandError;
use super::limit_text::{add_dimension, any, identity, pattern, time_zone, time_zone_text, window, Named};
use super::policy_value::{list, Whole};
use super::refusal::bound_text;
use crate::core::model::ids::{is_name, Bytes, MAX_STREAM};
use crate::core::model::limit::{values, Cap, Count, Missing, Overrides, MAX_LIMITS, MAX_OVERRIDES};
use crate::core::model::policy::{Policy, PolicyLimit};
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::refusal::Bound;
use crate::core::model::remembered::MAX_REMEMBER;
use crate::core::model::sale::Schedule;
use crate::core::model::time::MAX_SECONDS;
use crate::core::model::window::Window;
use crate::core::model::zone::Tz;

/// The greatest length of a policy, in bytes.
const MAX_TEXT: usize = 4 * 1024 * 1024;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PolicyText {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    hold: Option<Whole>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    retain: Option<Whole>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    retain_paid: Option<Whole>,
    #[serde(default)]
    safety: Whole,
    #[serde(default)]
    alert: Whole,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    events: Option<ValueText>,
    #[serde(default, deserialize_with = "word", skip_serializing_if = "EventsFormat::is_default")]
    events_format: EventsFormat,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    from: Option<Whole>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    until: Option<Whole>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    remember: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    limits: Vec<LimitText>,
}

/// How entries of the event stream are written.
#[derive(Clone, Copy, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum EventsFormat {
    #[default]
    Fields,
    Packed,
}

impl EventsFormat {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LimitText {
    #[serde(deserialize_with = "list")]
    by: Vec<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    max: Option<MaxText>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    per: Option<PerText>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rolling: bool,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    tz: Option<String>,
    #[serde(default, deserialize_with = "word")]
    count: CountText,
    #[serde(default, deserialize_with = "word")]
    missing: MissingText,
    #[serde(default, deserialize_with = "list")]
    overrides: Vec<OverrideText>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct OverrideText {
    #[serde(rename = "for")]
    values: Vec<ValueText>,
    max: MaxText,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum MaxText {
    Units(Whole),
    Word(UnlimitedText),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum UnlimitedText {
    Unlimited,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum PerText {
    Seconds(Whole),
    Word(String),
}

#[derive(Deserialize, Serialize, Default)]
#[serde(rename_all = "lowercase")]
enum CountText {
    #[default]
    Units,
    Orders,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(rename_all = "lowercase")]
enum MissingText {
    #[default]
    Refuse,
    Allow,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum ValueText {
    Text(String),
    Bytes(Base64Text),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Base64Text {
    base64: String,
}

/// A word of an enum: serde alone would also take a map from the word to null.
fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// Refuses `null`: a field is left out or has a value.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ValueText {
    fn bytes(&self) -> Parsed<Vec<u8>> {
        match self {
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
            Self::Bytes(Base64Text { base64 }) => {
                STANDARD.decode(base64).map_err(|_| CommandError::line("ERR invalid policy: invalid base64"))
            }
        }
    }

    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.into()),
            Err(_) => Self::Bytes(Base64Text { base64: STANDARD.encode(bytes) }),
        }
    }
}

fn within(n: i64, least: i64, most: i64) -> Parsed<i64> {
    if (least..=most).contains(&n) {
        Ok(n)
    } else {
        Err(CommandError::line("ERR invalid policy: number out of range"))
    }
}

fn span_ms(seconds: Option<Whole>) -> Parsed<Option<i64>> {
    seconds.map(|Whole(n)| within(n, 1, MAX_SECONDS).map(|n| n.saturating_mul(1_000))).transpose()
}

fn schedule(text: &PolicyText) -> Parsed<Schedule> {
    let bound = |time: Option<Whole>| time.map(|Whole(at_ms)| within(at_ms, 1, MAX_UNITS)).transpose();
    let schedule = Schedule { from_ms: bound(text.from)?, until_ms: bound(text.until)? };
    if !schedule.is_valid() {
        return Err(CommandError::line("ERR invalid policy: from must be before until"));
    }
    Ok(schedule)
}

fn cap(max: &MaxText) -> Parsed<Cap> {
    match max {
        MaxText::Units(Whole(n)) => within(*n, 0, MAX_UNITS).map(Cap::At),
        MaxText::Word(UnlimitedText::Unlimited) => Ok(Cap::Unlimited),
    }
}

/// Reads a policy. `default_tz` is the time zone of limits that name none.
///
/// # Errors
/// `ERR invalid policy`: invalid JSON, an unknown or duplicate field, or a value out of bounds. The
/// error names line and column, never bytes of the caller.
pub fn read(text: &[u8], default_tz: Tz) -> Parsed<Policy> {
    let policy = checked_text(text)?;
    // Without an array nothing can be one.
    if text.contains(&b'[') && !serde_json::from_slice(text).is_ok_and(|value| is_named(&value)) {
        return Err(ARRAY);
    }
    policy_of(&policy, default_tz)
}

/// Reads JSON of a bounded length.
///
/// # Errors
/// `ERR invalid policy`: longer than 4 MiB, invalid, or of another form. The error names line and
/// column, never bytes of the caller.
pub fn checked_text<T: DeserializeOwned>(text: &[u8]) -> Parsed<T> {
    if text.len() > MAX_TEXT {
        return Err(CommandError::line("ERR invalid policy: longer than 4 MiB"));
    }
    serde_json::from_slice(text).map_err(|error| {
        let what = if error.is_data() { "unknown or duplicate field, or wrong type or value" } else { "invalid JSON" };
        let (line, column) = (error.line(), error.column());
        CommandError::Line(format!("ERR invalid policy: {what} at line {line} column {column}").into())
    })
}

/// Reads a policy that was made of parts, as [`read`] does.
///
/// # Errors
/// As [`read`], without line and column.
pub fn policy_from_value(value: Value, default_tz: Tz) -> Parsed<Policy> {
    if !is_named(&value) {
        return Err(ARRAY);
    }
    policy_of(&serde_json::from_value(value).map_err(|_| WRONG)?, default_tz)
}

/// Reads one limit that was made of parts.
///
/// # Errors
/// As [`policy_from_value`].
pub fn limit_from_value(value: Value, default_tz: Tz) -> Parsed<PolicyLimit> {
    if !is_named_limit(&value) {
        return Err(ARRAY);
    }
    limit(&serde_json::from_value(value).map_err(|_| WRONG)?, default_tz)
}

/// Whether a policy, or (`of_limit`) a limit of one, has fields of these names.
///
/// # Errors
/// `ERR invalid policy`, where one is unknown.
pub fn check_fields<'n>(mut names: impl Iterator<Item = &'n String>, of_limit: bool) -> Parsed<()> {
    let is_unknown = |name: &String| {
        // `null` is nothing that any field may be, so there is an error: it says whether by name.
        let probe = Value::Object([(name.clone(), Value::Null)].into_iter().collect());
        let found = if of_limit {
            serde_json::from_value::<LimitText>(probe).err()
        } else {
            serde_json::from_value::<PolicyText>(probe).err()
        };
        found.is_some_and(|error| error.to_string().starts_with("unknown field"))
    };
    if names.any(is_unknown) {
        Err(WRONG)
    } else {
        Ok(())
    }
}

const ARRAY: CommandError = CommandError::line("ERR invalid policy: array instead of object");
const WRONG: CommandError = CommandError::line("ERR invalid policy: unknown field, or wrong type or value");

fn policy_of(text: &PolicyText, default_tz: Tz) -> Parsed<Policy> {
    let events = text.events.as_ref().map(ValueText::bytes).transpose()?;
    if events.as_ref().is_some_and(|name| name.len() > MAX_STREAM) {
        return Err(CommandError::line("ERR invalid policy: events is longer than 512 bytes"));
    }
    if text.limits.len() > MAX_LIMITS {
        return Err(CommandError::line(bound_text(Bound::Limits)));
    }
    let mut limits: Vec<PolicyLimit> = Vec::with_capacity(text.limits.len());
    for given in &text.limits {
        let limit = limit(given, default_tz)?;
        if limits.iter().any(|l| l.identity == limit.identity) {
            return Err(CommandError::line("ERR invalid policy: duplicate limit"));
        }
        limits.push(limit);
    }
    let schedule = schedule(text)?;
    Ok(Policy {
        hold_ms: span_ms(text.hold)?,
        retain_ms: span_ms(text.retain)?,
        retain_paid_ms: span_ms(text.retain_paid)?,
        safety: within(text.safety.0, -MAX_UNITS, MAX_UNITS)?,
        alert: within(text.alert.0, 0, MAX_UNITS)?,
        events: events.as_deref().map(Bytes::new),
        packed_events: text.events_format == EventsFormat::Packed,
        schedule,
        remember: remember(&text.remember)?,
        limits,
    })
}

/// The dimensions that orders keep, sorted.
fn remember(names: &[String]) -> Parsed<Vec<Bytes>> {
    if names.len() > MAX_REMEMBER {
        return Err(CommandError::line("ERR invalid policy: more than 16 dimensions in remember"));
    }
    if !names.iter().all(|name| is_name(name.as_bytes())) {
        return Err(BAD_NAME);
    }
    let mut sorted: Vec<Bytes> = names.iter().map(|name| Bytes::new(name.as_bytes())).collect();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() < names.len() {
        return Err(DUPLICATE);
    }
    Ok(sorted)
}

/// Whether every object is written as one: serde also reads an array as an object, field by field.
fn is_named(policy: &Value) -> bool {
    policy.is_object()
        && policy.get("events").is_none_or(is_value)
        && items(policy, "limits").iter().all(is_named_limit)
}

fn is_named_limit(limit: &Value) -> bool {
    let special = |o: &Value| o.is_object() && items(o, "for").iter().all(is_value);
    limit.is_object() && items(limit, "overrides").iter().all(special)
}

fn is_value(value: &Value) -> bool {
    value.is_string() || value.is_object()
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn limit(text: &LimitText, default_tz: Tz) -> Parsed<PolicyLimit> {
    let mut named = Named::new();
    for name in &text.by {
        add_dimension(&mut named, name.as_bytes())?;
    }
    let window = match &text.per {
        None => Window::Life,
        Some(PerText::Seconds(Whole(n))) => Window::Seconds(within(*n, 1, MAX_SECONDS)?.unsigned_abs() as u32),
        // Seconds are a number in JSON, never a word: one spelling for each policy.
        Some(PerText::Word(word)) if word.bytes().all(|b| b.is_ascii_lowercase()) => window(word.as_bytes())?,
        Some(PerText::Word(_)) => return Err(CommandError::line("ERR invalid policy: unknown window in per")),
    };
    let window = if text.rolling {
        let Window::Seconds(n) = window else {
            return Err(CommandError::line("ERR invalid policy: rolling needs per in seconds"));
        };
        Window::Rolling(n)
    } else {
        window
    };
    let count = match text.count {
        CountText::Units => Count::Units,
        CountText::Orders => Count::Orders,
    };
    let missing = match text.missing {
        MissingText::Refuse => Missing::Refuse,
        MissingText::Allow => Missing::Allow,
    };
    if text.overrides.len() > MAX_OVERRIDES {
        return Err(CommandError::line(bound_text(Bound::Overrides)));
    }
    let mut overrides = Overrides::default();
    for given in &text.overrides {
        let values: Vec<Vec<u8>> = given.values.iter().map(ValueText::bytes).collect::<Parsed<_>>()?;
        let values: Vec<Option<&[u8]>> = values.iter().map(|v| any(v)).collect();
        if !overrides.set(pattern(&named, &values)?, named.len(), cap(&given.max)?) {
            return Err(CommandError::line("ERR invalid policy: duplicate override"));
        }
    }
    Ok(PolicyLimit {
        identity: identity(&named, window, count),
        tz: text.tz.as_ref().map_or(Ok(default_tz), |tz| time_zone(tz.as_bytes()))?,
        missing,
        base: text.max.as_ref().map_or(Ok(Cap::Unlimited), cap)?,
        overrides,
    })
}

fn max_text(cap: Cap) -> MaxText {
    match cap {
        Cap::At(max) => MaxText::Units(Whole(max)),
        Cap::Unlimited => MaxText::Word(UnlimitedText::Unlimited),
    }
}

/// A window in a policy; absent for `life`, which is the default.
fn per_text(window: Window) -> Option<PerText> {
    if let Window::Seconds(n) | Window::Rolling(n) = window {
        return Some(PerText::Seconds(Whole(n.into())));
    }
    window.word().filter(|_| window != Window::Life).map(|word| PerText::Word(word.into()))
}

fn limit_text(limit: &PolicyLimit) -> LimitText {
    let dims = limit.identity.dims.len();
    let overrides = limit.overrides.iter().map(|(pattern, cap)| OverrideText {
        values: values(pattern.as_slice(), dims)
            .map(|value| ValueText::of(if value.is_empty() { b"*" } else { value }))
            .collect(),
        max: max_text(cap),
    });
    LimitText {
        by: limit.identity.dims.iter().map(|d| String::from_utf8_lossy(d.as_slice()).into_owned()).collect(),
        max: Some(max_text(limit.base)),
        per: per_text(limit.identity.window),
        rolling: matches!(limit.identity.window, Window::Rolling(_)),
        tz: Some(time_zone_text(limit.tz).into_owned()),
        count: match limit.identity.count {
            Count::Units => CountText::Units,
            Count::Orders => CountText::Orders,
        },
        missing: match limit.missing {
            Missing::Refuse => MissingText::Refuse,
            Missing::Allow => MissingText::Allow,
        },
        overrides: overrides.collect(),
    }
}

fn policy_text(policy: &Policy) -> PolicyText {
    let seconds = |ms: Option<i64>| ms.map(|ms| Whole(ms.checked_div(1_000).unwrap_or(0)));
    PolicyText {
        hold: seconds(policy.hold_ms),
        retain: seconds(policy.retain_ms),
        retain_paid: seconds(policy.retain_paid_ms),
        safety: Whole(policy.safety),
        alert: Whole(policy.alert),
        events: policy.events.as_ref().map(|e| ValueText::of(e.as_slice())),
        events_format: if policy.packed_events { EventsFormat::Packed } else { EventsFormat::Fields },
        from: policy.schedule.from_ms.map(Whole),
        until: policy.schedule.until_ms.map(Whole),
        remember: policy.remember.iter().map(|d| String::from_utf8_lossy(d.as_slice()).into_owned()).collect(),
        limits: policy.limits.iter().map(limit_text).collect(),
    }
}

/// Writes a policy as [`read`] takes it.
#[must_use]
pub fn write(policy: &Policy) -> String {
    // Strings and numbers only: writing cannot fail.
    serde_json::to_string(&policy_text(policy)).unwrap_or_default()
}

/// A policy in parts, for [`policy_from_value`].
#[must_use]
pub fn policy_to_value(policy: &Policy) -> Value {
    serde_json::to_value(policy_text(policy)).unwrap_or_default()
}

/// One limit in parts, for [`limit_from_value`].
#[must_use]
pub fn limit_to_value(limit: &PolicyLimit) -> Value {
    serde_json::to_value(limit_text(limit)).unwrap_or_default()
}
