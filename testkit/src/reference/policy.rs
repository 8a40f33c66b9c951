//! A policy as JSON.

use base64::Engine as _;
use serde_json::{json, Value};

use super::arguments::{valid_by, valid_dim};
use super::base::{Bytes, MAX_QTY, MAX_SECONDS};
use super::config::Config;
use super::limit::{Count, Limit};
use super::limits::{new_limit, override_pattern};
use super::records::Policy;
use super::window::{calendar_window, Window};
use super::zone::Tz;

/// The fields of a policy, and its limits without id, age and usage.
pub(super) fn parse_policy(json: &Value, config: &Config) -> Option<(Policy, Vec<Limit>)> {
    let mut policy = Policy::default();
    let mut limits: Vec<Limit> = Vec::new();
    for (name, value) in json.as_object()? {
        match name.as_str() {
            "hold" => policy.hold_s = Some(json_number(value, 1, MAX_SECONDS)?),
            "retain" => policy.retain_s = Some(json_number(value, 1, MAX_SECONDS)?),
            "retain_paid" => policy.retain_paid_s = Some(json_number(value, 1, MAX_SECONDS)?),
            "safety" => policy.safety = json_number(value, -MAX_QTY, MAX_QTY)?,
            "alert" => policy.alert = json_number(value, 0, MAX_QTY)?,
            "events" => {
                policy.events = Some(json_bytes(value).filter(|bytes| bytes.len() <= 512)?);
            }
            "events_format" => {
                policy.packed_events = match value.as_str()? {
                    "packed" => true,
                    "fields" => false,
                    _ => return None,
                }
            }
            "from" => policy.from_ms = Some(json_number(value, 1, MAX_QTY)?),
            "until" => policy.until_ms = Some(json_number(value, 1, MAX_QTY)?),
            "remember" => {
                let names = json_list(value)?.iter().map(|name| Some(name.as_str()?.as_bytes().to_vec()));
                let names = names.collect::<Option<Vec<Bytes>>>()?;
                policy.remember = names.iter().cloned().collect();
                if names.len() > 16 || policy.remember.len() != names.len() || !names.iter().all(|one| valid_dim(one)) {
                    return None;
                }
            }
            "limits" => {
                for one in json_list(value)? {
                    let limit = parse_json_limit(one, config)?;
                    if limits.iter().any(|other| other.identity() == limit.identity()) {
                        return None;
                    }
                    limits.push(limit);
                }
                if limits.len() > 32 {
                    return None;
                }
            }
            _ => return None,
        }
    }
    if policy.from_ms.zip(policy.until_ms).is_some_and(|(from_ms, until_ms)| from_ms >= until_ms) {
        return None;
    }
    Some((policy, limits))
}

pub(super) fn parse_json_limit(json: &Value, config: &Config) -> Option<Limit> {
    let mut by: Option<Vec<Bytes>> = None;
    let mut limit = new_limit(&[], Window::Life, Count::Units, config);
    let mut overrides: &[Value] = &[];
    let mut rolling = false;
    for (name, value) in json.as_object()? {
        match name.as_str() {
            "by" => {
                let names = json_list(value)?.iter();
                let names: Vec<Bytes> =
                    names.map(|name| name.as_str().map(|name| name.as_bytes().to_vec())).collect::<Option<_>>()?;
                if !valid_by(&names) {
                    return None;
                }
                by = Some(names);
            }
            "max" => limit.max = json_max(value)?,
            "per" => {
                limit.window = match value.as_str() {
                    Some(text) => calendar_window(text)?,
                    None => Window::Seconds(json_number(value, 1, MAX_SECONDS)?),
                }
            }
            "rolling" => rolling = value.as_bool()?,
            "tz" => limit.tz = Tz::parse(value.as_str()?.as_bytes())?,
            "count" => {
                limit.count = match value.as_str()? {
                    "units" => Count::Units,
                    "orders" => Count::Orders,
                    _ => return None,
                }
            }
            "missing" => {
                limit.allow_missing = match value.as_str()? {
                    "refuse" => false,
                    "allow" => true,
                    _ => return None,
                }
            }
            "overrides" => overrides = json_list(value)?,
            _ => return None,
        }
    }
    limit.window = match limit.window {
        Window::Seconds(seconds) if rolling => Window::Rolling(seconds),
        _ if rolling => return None,
        window => window,
    };
    let by = by?;
    let mut dims = by.clone();
    dims.sort();
    limit.dims = dims.into();
    for one in overrides {
        let one = one.as_object()?;
        if one.keys().any(|name| name != "for" && name != "max") {
            return None;
        }
        let values: Vec<Bytes> = one.get("for")?.as_array()?.iter().map(json_bytes).collect::<Option<_>>()?;
        let pattern = override_pattern(&by, &values).ok()?;
        let max = one.get("max").map_or(Some(None), json_max)?;
        if limit.overrides.insert(pattern, max).is_some() {
            return None;
        }
    }
    (limit.overrides.len() <= 10_000).then_some(limit)
}

pub(super) fn json_number(value: &Value, least: i128, most: i128) -> Option<i128> {
    let float = || value.as_f64().filter(|n| n.trunc() == *n).map(|n| n as i128).filter(|n| n.abs() <= MAX_QTY);
    let number = value.as_i64().map(i128::from).or_else(float)?;
    (least..=most).contains(&number).then_some(number)
}

/// An array; an object without fields is an empty one.
fn json_list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(fields) if fields.is_empty() => Some(&[]),
        _ => None,
    }
}

pub(super) fn json_max(value: &Value) -> Option<Option<i128>> {
    match value.as_str() {
        Some("unlimited") => Some(None),
        Some(_) => None,
        None => json_number(value, 0, MAX_QTY).map(Some),
    }
}

/// A string, or `{"base64":"…"}`.
pub(super) fn json_bytes(value: &Value) -> Option<Bytes> {
    if let Some(text) = value.as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let object = value.as_object()?;
    let text = object.get("base64").filter(|_| object.len() == 1)?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

pub(super) fn bytes_to_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}
