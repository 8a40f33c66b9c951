//! The commands of limits.

use std::collections::BTreeMap;

use super::answers::{error, int, map, status_ok};
use super::arguments::{identifier, number, within, Args};
use super::base::{Answer, Attributes, Bytes, Shared, MAX_QTY};
use super::config::Config;
use super::limit::{Count, Limit};
use super::pools::Reference;
use super::window::Window;
use crate::reply::Reply;

pub(super) fn new_limit(dims: &[Bytes], window: Window, count: Count, config: &Config) -> Limit {
    Limit {
        id: 0,
        dims: dims.into(),
        window,
        count,
        max: None,
        tz: config.tz,
        allow_missing: false,
        overrides: Shared::default(),
        usage: BTreeMap::new(),
        over_usage: BTreeMap::new(),
        shifted: BTreeMap::new(),
        instances: 0,
        set_ms: 0,
        sub_windows: BTreeMap::new(),
        looked_ms: 0,
    }
}

impl Reference {
    pub(super) fn limit(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let by = args.by()?;
        let word = args.next()?;
        let max = match word.eq_ignore_ascii_case(b"UNLIMITED") {
            true => None,
            false => Some(within(number(&word)?, 0, MAX_QTY)?),
        };
        let options = args.options(now, &["PER", "ROLLING", "TZ", "COUNT=", "MISSING", "NOTE", "FOR="])?;
        let (window, count) = (options.window()?, options.count_what.unwrap_or(Count::Units));
        let pattern = options.values.as_ref().map(|values| override_pattern(&by, values)).transpose()?;
        let mut dims = by;
        dims.sort();
        self.write(now, &key, |pool, config| {
            let place = pool.limits.iter().position(|limit| limit.is(&dims, window, count));
            let is_new = place.is_none();
            let place = match place {
                Some(place) => place,
                None if pool.limits.len() >= 32 => return Err(error("the pool has too many limits")),
                None => {
                    let id = pool.next_serial();
                    let fresh = new_limit(&dims, window, count, config);
                    pool.limits.push(Limit { id, set_ms: now, ..fresh }.into());
                    pool.limits.len() - 1
                }
            };
            let before = pool.limits[place].clone();
            let limit = &mut pool.limits[place];
            limit.tz = options.tz.unwrap_or(limit.tz);
            limit.allow_missing = options.allow_missing.unwrap_or(limit.allow_missing);
            match pattern {
                Some(pattern) => {
                    limit.overrides.insert(pattern, max);
                    if limit.overrides.len() > 10_000 {
                        return Err(error("the limit has too many overrides"));
                    }
                }
                None => limit.max = max,
            }
            if is_new || limit.settings() != before.settings() {
                let name = limit.text();
                pool.change();
                pool.tell_policy(name, options.note.as_ref());
            }
            Ok(status_ok())
        })
    }

    pub(super) fn unlimit(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let by = args.by()?;
        let options = args.options(now, &["PER", "ROLLING", "COUNT=", "NOTE", "FOR="])?;
        let (window, count) = (options.window()?, options.count_what.unwrap_or(Count::Units));
        let pattern = options.values.as_ref().map(|values| override_pattern(&by, values)).transpose()?;
        let mut dims = by;
        dims.sort();
        self.write(now, &key, |pool, _| {
            let Some(place) = pool.limits.iter().position(|limit| limit.is(&dims, window, count)) else {
                return Ok(Reply::Int(0));
            };
            let name = pool.limits[place].text();
            match pattern {
                Some(pattern) => {
                    if pool.limits[place].overrides.remove(&pattern).is_none() {
                        return Ok(Reply::Int(0));
                    }
                }
                None => {
                    pool.limits.remove(place);
                }
            }
            pool.change();
            pool.tell_policy(name, options.note.as_ref());
            Ok(Reply::Int(1))
        })
    }

    pub(super) fn limits(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        args.end()?;
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        let limits = pool.limits.iter().map(|limit| {
            let overrides = limit.overrides.iter().map(|(pattern, max)| {
                let values = pattern.iter().map(|one| Reply::bulk(one.as_deref().unwrap_or(b"*")));
                Reply::Array(vec![Reply::Array(values.collect()), int(max.unwrap_or(-1))])
            });
            map(vec![
                ("limit", Reply::bulk(limit.text())),
                ("max", int(limit.max.unwrap_or(-1))),
                ("tz", Reply::bulk(limit.tz.text())),
                ("missing", Reply::bulk(missing_text(limit))),
                ("overrides", Reply::Array(overrides.collect())),
            ])
        });
        Ok(Reply::Array(limits.collect()))
    }

    pub(super) fn usage(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let options = args.options(now, &["TOP", "FOR"])?;
        let attributes = options.attributes.unwrap_or_default();
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        let mut listed = Vec::new();
        if let Some(count) = options.top {
            for limit in &pool.limits {
                listed.extend(top_usage(now, limit, &attributes, count));
            }
            return Ok(Reply::Array(listed));
        }
        for limit in &pool.limits {
            let Some(values) = limit.values(&attributes) else {
                continue;
            };
            let (used, max) = (limit.used(&values), limit.max_for(&values));
            listed.push(map(vec![
                ("limit", Reply::bulk(limit.text())),
                ("used", int(used)),
                ("max", int(max.unwrap_or(-1))),
                ("remaining", int(max.map_or(-1, |max| (max - used).max(0)))),
                ("resets_ms", int(limit.resets_ms(now, &values, 0))),
            ]));
        }
        Ok(Reply::Array(listed))
    }
}

/// The values of a limit that have used most, among those that have all of these attributes.
fn top_usage(now: i128, limit: &Limit, attributes: &Attributes, count: usize) -> Vec<Reply> {
    if !attributes.keys().all(|dim| limit.dims.contains(dim)) {
        return Vec::new();
    }
    let fits = |values: &[Bytes]| {
        limit.dims.iter().zip(values).all(|(dim, value)| attributes.get(dim).is_none_or(|wanted| wanted == value))
    };
    let counted = limit.usage.keys().chain(limit.sub_windows.keys()).map(|values| (values, limit.used(values)));
    let mut found: Vec<_> = counted.filter(|(values, used)| *used > 0 && fits(values)).collect();
    // Equal ones by their values: shorter first, but for the last of them.
    let lengths = |values: &[Bytes]| {
        let last = values.len().saturating_sub(1);
        let pairs = values.iter().enumerate();
        pairs.map(|(at, value)| (if at == last { 0 } else { value.len() }, value.clone())).collect::<Vec<_>>()
    };
    found.sort_by_key(|(values, used)| (-used, lengths(values)));
    let shown = found.iter().take(count).map(|(values, used)| {
        let max = limit.max_for(values);
        map(vec![
            ("limit", Reply::bulk(limit.text())),
            ("values", Reply::Array(values.iter().map(Reply::bulk).collect())),
            ("used", int(*used)),
            ("max", int(max.unwrap_or(-1))),
            ("remaining", int(max.map_or(-1, |max| (max - used).max(0)))),
            ("resets_ms", int(limit.resets_ms(now, values, 0))),
        ])
    });
    shown.collect()
}

/// The values of an override in the order of the sorted dimensions, none standing for any.
pub(super) fn override_pattern(by: &[Bytes], values: &[Bytes]) -> Result<Vec<Option<Bytes>>, Reply> {
    if by.is_empty() || values.len() != by.len() {
        return Err(error("as many values as dimensions, please"));
    }
    let mut pairs: Vec<_> = by.iter().zip(values).collect();
    pairs.sort();
    let mut pattern = Vec::new();
    for (_, value) in pairs {
        identifier(value)?;
        pattern.push((value != b"*").then(|| value.clone()));
    }
    Ok(pattern)
}

pub(super) fn missing_text(limit: &Limit) -> &'static str {
    match limit.allow_missing {
        true => "allow",
        false => "refuse",
    }
}
