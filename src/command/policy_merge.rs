//! A change of a policy as a JSON merge patch (RFC 7396): what it names takes the place of what was
//! there, `null` takes it away, and the rest stays.
//!
//! An array is replaced as a whole, so the patch has a form of its own for limits: an object, whose
//! names are those of limits as STOCK.LIMITS shows them, and whose values are patches of one limit.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::args::Parsed;
use super::error::CommandError;
use super::limit::count;
use super::limit_text::{dimensions, identity, window};
use super::policy_json::{
    check_fields, checked_text, limit_from_value, limit_to_value, policy_from_value, policy_to_value,
};
use super::refusal::bound_text;
use crate::core::model::limit::{Cap, Identity, Missing, Overrides, MAX_LIMITS};
use crate::core::model::policy::{Policy, PolicyLimit};
use crate::core::model::refusal::Bound;
use crate::core::model::window::Window;
use crate::core::model::zone::Tz;

/// A patch that was read, and not yet applied.
pub struct Patch(Map<String, Value>);

/// Reads a patch.
///
/// # Errors
/// `ERR invalid policy`: longer than 4 MiB, invalid JSON, a duplicate field, or no object.
pub fn read(text: &[u8]) -> Parsed<Patch> {
    let Value::Object(fields) = checked_text::<Strict>(text)?.0 else {
        return Err(CommandError::line("ERR invalid policy: a patch is an object"));
    };
    Ok(Patch(fields))
}

/// The policy that a patch makes of another one. `default_tz` is the time zone of new limits that
/// name none.
///
/// # Errors
/// `ERR invalid policy`: the result is none, or the patch names a limit wrongly.
pub fn merged(current: &Policy, patch: Patch, default_tz: Tz) -> Parsed<Policy> {
    let Patch(mut fields) = patch;
    let named = match fields.swap_remove("limits") {
        Some(Value::Object(named)) => Some(named),
        Some(whole) => {
            fields.insert("limits".into(), whole);
            None
        }
        None => Some(Map::new()),
    };
    // A name that no policy has would take nothing away, and say OK.
    check_fields(fields.keys(), false)?;
    let mut value = policy_to_value(&Policy { limits: Vec::new(), ..current.clone() });
    merge(&mut value, Value::Object(fields));
    let mut policy = policy_from_value(value, default_tz)?;
    if let Some(named) = named {
        policy.limits.clone_from(&current.limits);
        for (name, change) in named {
            change_limit(&mut policy.limits, &name, change, default_tz)?;
        }
    }
    if policy.limits.len() > MAX_LIMITS {
        return Err(CommandError::line(bound_text(Bound::Limits)));
    }
    Ok(policy)
}

fn change_limit(limits: &mut Vec<PolicyLimit>, name: &str, change: Value, default_tz: Tz) -> Parsed<()> {
    let identity = identity_of(name.as_bytes())?;
    let index = limits.iter().position(|limit| limit.identity == identity);
    if change.is_null() {
        if let Some(index) = index {
            limits.remove(index);
        }
        return Ok(());
    }
    let Value::Object(fields) = &change else {
        return Err(CommandError::line("ERR invalid policy: a limit of a patch is an object or null"));
    };
    if ["by", "per", "rolling", "count"].iter().any(|field| fields.contains_key(*field)) {
        return Err(CommandError::line("ERR invalid policy: the name of a limit says by, per, rolling and count"));
    }
    check_fields(fields.keys(), true)?;
    let known = index.and_then(|index| limits.get_mut(index));
    let mut value = match &known {
        Some(limit) => limit_to_value(limit),
        None => limit_to_value(&PolicyLimit {
            identity,
            tz: default_tz,
            missing: Missing::Refuse,
            base: Cap::Unlimited,
            overrides: Overrides::default(),
        }),
    };
    merge(&mut value, change);
    let limit = limit_from_value(value, default_tz)?;
    match known {
        Some(known) => *known = limit,
        None => limits.push(limit),
    }
    Ok(())
}

/// Reads the name of a limit, `region+user/day/units`: as it is shown, so that the values of its
/// overrides stand in the order of the name.
fn identity_of(name: &[u8]) -> Parsed<Identity> {
    let unknown = CommandError::line("ERR invalid policy: a limit of a patch has a name such as user/day/units");
    let mut parts = name.split(|&byte| byte == b'/');
    let (Some(by), Some(per), Some(what), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(unknown);
    };
    let window = match per.strip_suffix(b"-rolling") {
        Some(seconds) => {
            let Window::Seconds(n) = window(seconds)? else { return Err(unknown) };
            Window::Rolling(n)
        }
        None => window(per)?,
    };
    let Ok(what) = count(what) else { return Err(unknown) };
    let named = identity(&dimensions(by)?, window, what);
    if named.text().as_bytes() == name {
        Ok(named)
    } else {
        Err(unknown)
    }
}

/// RFC 7396. As deep as a patch may be, which its parser bounds.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            fields.shift_remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Any JSON value in which no object has a field twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Strict(value))) = map.next_entry::<String, Strict>()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate field"));
            }
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn patches_are_merged_as_the_rfc_says() {
        for (original, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, r#"null"#, r#"null"#),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let read = |text: &str| serde_json::from_str::<Strict>(text).map(|Strict(value)| value).ok();
            let mut value = read(original).unwrap_or_default();
            merge(&mut value, read(patch).unwrap_or_default());
            assert_eq!(Some(value), read(result), "{original} {patch}");
        }
    }

    #[test]
    fn names_of_limits_are_read() {
        for name in ["user/day/units", "*/life/orders", "region+user/60-rolling/units", "a+b+c+d/3600/units"] {
            assert_eq!(identity_of(name.as_bytes()).map(|identity| identity.text()).ok().as_deref(), Some(name));
        }
        for name in [
            "",
            "user",
            "user/day",
            "user/day/units/",
            "User/day/units",
            "user/DAY/units",
            "user/day/euros",
            "user/day-rolling/units",
            "user/0/units",
            "user+user/day/units",
            "/day/units",
            "user/60-rolling-rolling/units",
            "user+region/life/units",
        ] {
            assert!(identity_of(name.as_bytes()).is_err(), "{name}");
        }
    }
}
