//! SETPOLICY … MERGE: a JSON merge patch, by the letter of RFC 7396. For the time of the merge the
//! limits are an object by their names.

use serde_json::{Map, Value};

use super::arguments::valid_by;
use super::base::Bytes;
use super::config::Config;
use super::limit::Limit;
use super::policy::parse_policy;
use super::pool::Pool;
use super::reading::policy_to_json;
use super::records::Policy;
use super::window::calendar_window;

/// The policy that a patch makes of that of a pool; none where it makes none.
pub(super) fn merged(pool: &Pool, patch: &Value, config: &Config) -> Option<(Policy, Vec<Limit>)> {
    let patch = patch.as_object()?;
    let mut whole = policy_to_json(pool);
    let by_name = match patch.get("limits") {
        None => true,
        Some(limits) => limits.is_object(),
    };
    if by_name {
        let texts = pool.limits.iter().map(|limit| limit.text());
        let known: Map<String, Value> = texts.zip(whole["limits"].as_array()?.iter().cloned()).collect();
        whole["limits"] = known.into();
        if let Some(named) = patch.get("limits").and_then(Value::as_object) {
            for (name, change) in named {
                name_of(name)?;
                let says_name = |change: &Map<String, Value>| {
                    ["by", "per", "rolling", "count"].iter().any(|field| change.contains_key(*field))
                };
                if change.as_object().map_or(!change.is_null(), says_name) {
                    return None;
                }
            }
        }
    }
    let mut whole = merge_patch(Some(whole), &patch.clone().into());
    if by_name {
        let limits = whole["limits"].as_object()?.clone();
        let mut list = Vec::new();
        for (name, limit) in limits {
            let mut fields = name_of(&name)?;
            fields.extend(limit.as_object()?.clone());
            list.push(Value::Object(fields));
        }
        whole["limits"] = list.into();
    }
    parse_policy(&whole, config)
}

/// What the name of a limit says.
fn name_of(name: &str) -> Option<Map<String, Value>> {
    let parts: Vec<&str> = name.split('/').collect();
    let [by, per, count] = parts[..] else { return None };
    let dims: Vec<&str> = if by == "*" { Vec::new() } else { by.split('+').collect() };
    if !dims.is_sorted() {
        return None;
    }
    let bytes: Vec<Bytes> = dims.iter().map(|dim| dim.as_bytes().to_vec()).collect();
    if !valid_by(&bytes) || !["units", "orders"].contains(&count) {
        return None;
    }
    let mut fields = Map::new();
    fields.insert("by".into(), dims.clone().into());
    fields.insert("count".into(), count.into());
    let (length, rolling) = per.strip_suffix("-rolling").map_or((per, false), |length| (length, true));
    fields.insert("rolling".into(), rolling.into());
    match calendar_window(length) {
        Some(_) => fields.insert("per".into(), length.into()),
        None if length.starts_with(['0', '+', '-']) => return None,
        None => fields.insert("per".into(), length.parse::<i64>().ok()?.into()),
    };
    Some(fields)
}

/// MergePatch(Target, Patch) of the RFC.
fn merge_patch(target: Option<Value>, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = match target {
        Some(Value::Object(target)) => target,
        _ => Map::new(),
    };
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.shift_remove(name)),
            value => {
                let merged = merge_patch(target.get(name).cloned(), value);
                target.insert(name.clone(), merged);
            }
        }
    }
    target.into()
}
