//! The commands that read.

use std::collections::BTreeSet;

use serde_json::{json, Value};

use super::answers::{error, int, map, refusal, status_ok, words};
use super::arguments::{number, within, Args};
use super::base::{Answer, Attributes, Bytes};
use super::limit::{Count, Limit};
use super::limits::missing_text;
use super::policy::bytes_to_json;
use super::pool::Pool;
use super::pools::Reference;
use super::records::{Order, State};
use super::selling::reserve_new;
use super::window::Window;
use crate::reply::Reply;

impl Reference {
    pub(super) fn get(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let with_returning = args.options(now, &["RETURNING"])?.returning;
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        let reserved = || pool.orders.values().filter(|order| order.state == State::Reserved);
        let orders = State::ALL.map(|state| {
            let count = pool.orders.values().filter(|order| order.state == state).count();
            (state.name(), int(count as i128))
        });
        let policy = &pool.policy;
        let config = &self.config;
        let mut fields = vec![
            ("on_hand", pool.on_hand.map_or(Reply::Nil, int)),
            ("reserved", int(pool.reserved())),
            ("safety", int(policy.safety)),
            ("available", pool.shown_available()),
            ("shortfall", int(pool.available().map_or(0, |units| (-units).max(0)))),
            ("sold", int(pool.sold)),
            ("out", int(pool.out)),
            ("orders", map(orders.to_vec())),
            ("suspended", int(pool.suspended.into())),
            ("unlimited", int(pool.on_hand.is_none().into())),
            ("next_deadline_ms", int(reserved().map(|order| order.deadline_ms).min().unwrap_or(0))),
            ("epoch", Reply::bulk("0000000000000000")),
            // The number of the last change that has been made; what a write would return first is
            // not yet one.
            ("seq", Reply::Int(self.pools[&key].seq)),
            ("limits", int(pool.limits.len() as i128)),
            ("alert", int(policy.alert)),
            ("from_ms", int(policy.from_ms.unwrap_or(0))),
            ("until_ms", int(policy.until_ms.unwrap_or(0))),
            ("hold_seconds", int(policy.hold_s.unwrap_or(config.hold_s.into()))),
            ("retain_seconds", int(policy.retain_s.unwrap_or(config.retain_s.into()))),
            ("retain_paid_seconds", int(policy.retain_paid_s.unwrap_or(config.retain_paid_s.into()))),
            ("events", Reply::bulk(policy.events.as_deref().unwrap_or(b""))),
        ];
        if !pool.shifts.is_empty() {
            fields.push(("shifted", int(pool.shifted_units())));
        }
        if with_returning {
            fields.push(("returning", returning(now, &pool)));
        }
        Ok(map(fields))
    }

    pub(super) fn explain(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let has_qty = args.rest.first().is_some_and(|word| !word.eq_ignore_ascii_case(b"FOR"));
        let qty = if has_qty { args.quantity()? } else { 1 };
        let attributes = args.options(now, &["FOR"])?.attributes.unwrap_or_default();
        let Some(pool) = self.view(now, &key) else {
            return Ok(map(vec![("exists", int(0)), ("answer", refusal("NOPOOL", &key))]));
        };
        let lacking = |limit: &Limit| -> BTreeSet<Bytes> {
            limit.dims.iter().filter(|dim| !attributes.contains_key(*dim)).cloned().collect()
        };
        let list = |names: BTreeSet<Bytes>| Reply::Array(names.iter().map(Reply::bulk).collect());
        let limits = pool.limits.iter().map(|limit| {
            let values = limit.values(&attributes);
            let verdict = match &values {
                Some(values) if limit.allows(values, qty) => "allows",
                Some(_) => "refuses",
                None if limit.allow_missing => "skipped",
                None => "nodim",
            };
            let number = |number: &dyn Fn(&[Bytes]) -> i128| values.as_ref().map_or(Reply::Nil, |v| int(number(v)));
            let listed = |values: &Vec<Bytes>| Reply::Array(values.iter().map(Reply::bulk).collect());
            let remaining = |v: &[Bytes]| limit.max_for(v).map_or(-1, |max| (max - limit.used(v)).max(0));
            map(vec![
                ("limit", Reply::bulk(limit.text())),
                ("verdict", Reply::bulk(verdict)),
                ("missing", list(lacking(limit))),
                ("values", values.as_ref().map_or(Reply::Nil, listed)),
                ("used", number(&|v| limit.used(v))),
                ("max", number(&|v| limit.max_for(v).unwrap_or(-1))),
                ("remaining", number(&remaining)),
                ("resets_ms", number(&|v| limit.resets_ms(now, v, limit.amount(qty)))),
            ])
        });
        let words = [key.clone(), qty.to_string().into_bytes()];
        let attribute = |(dim, value): (&Bytes, &Bytes)| [dim.clone(), value.clone()];
        let mut check: Vec<Bytes> = words.to_vec();
        if !attributes.is_empty() {
            check.push(b"FOR".to_vec());
            check.extend(attributes.iter().flat_map(attribute));
        }
        let answer = match self.check(now, Args { rest: &check }) {
            Ok(reply) | Err(reply) => match reply.word() {
                Some(code) if matches!(reply, Reply::Error(_)) => words_of(&[&code]),
                _ => reply,
            },
        };
        let wanted = pool.limits.iter().filter(|limit| !limit.allow_missing).flat_map(|limit| lacking(limit));
        Ok(map(vec![
            ("exists", int(1)),
            ("suspended", int(pool.suspended.into())),
            ("from_ms", int(pool.policy.from_ms.unwrap_or(0))),
            ("until_ms", int(pool.policy.until_ms.unwrap_or(0))),
            ("orders", int(pool.orders.len() as i128)),
            ("max_orders", int(self.config.max_orders as i128)),
            ("missing", list(wanted.collect())),
            (
                "stock",
                map(vec![
                    ("on_hand", pool.on_hand.map_or(Reply::Nil, int)),
                    ("held", int(pool.reserved())),
                    ("safety", int(pool.policy.safety)),
                    ("available", pool.shown_available()),
                ]),
            ),
            ("limits", Reply::Array(limits.collect())),
            ("answer", answer),
            ("returning", returning(now, &pool)),
        ]))
    }

    pub(super) fn available(&self, now: i128, mut args: Args) -> Answer {
        let mut keys = vec![args.key()?];
        while !args.rest.is_empty() {
            keys.push(args.key()?);
        }
        if keys.len() > 10_000 {
            return Err(error("too many keys"));
        }
        let shown = keys.iter().map(|key| self.view(now, key).map_or(Reply::Nil, |pool| pool.shown_available()));
        Ok(Reply::Array(shown.collect()))
    }

    pub(super) fn check(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let qty = args.quantity()?;
        let attributes = args.options(now, &["FOR"])?.attributes.unwrap_or_default();
        let Some(mut pool) = self.view(now, &key) else {
            return Err(refusal("NOPOOL", &key));
        };
        pool.refuse_too_many_orders(&self.config)?;
        let deadline_ms = now + pool.hold_ms(&self.config);
        // No order has an empty id.
        let answer = reserve_new(&mut pool, now, &key, b"", qty, false, &attributes, deadline_ms)?;
        match pool.within_bounds() {
            true => Ok(answer),
            false => Err(error("a sum would be out of range")),
        }
    }

    pub(super) fn order(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        args.end()?;
        let pool = self.view(now, &key);
        let Some(pool) = pool else { return Ok(Reply::Nil) };
        let Some(order) = pool.orders.get(&*id) else {
            return Ok(Reply::Nil);
        };
        Ok(order_map(&pool, order, order.state_at(now)))
    }

    pub(super) fn orders(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let cursor = args.next()?;
        if within(number(&cursor)?, 0, i64::MAX.into())? != 0 {
            return Err(error("the model lists everything at cursor 0"));
        }
        let options = args.options(now, &["STATE", "DETAILS", "COUNT=10000", "FOR"])?;
        let wanted = options.attributes.unwrap_or_default();
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        let mut listed = Vec::new();
        for (id, order) in &pool.orders {
            let known = known_attributes(&pool, order);
            let fits = wanted.iter().all(|(dim, value)| known.get(dim) == Some(value));
            if fits && options.state.is_none_or(|state| state == order.state) {
                let shown = match options.details {
                    true => order_map(&pool, order, order.state),
                    false => Reply::bulk(order.state.name()),
                };
                listed.extend([Reply::bulk(id), shown]);
            }
        }
        Ok(words(&[Reply::bulk("0"), Reply::Array(listed)]))
    }

    pub(super) fn policy(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        args.end()?;
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        Ok(Reply::bulk(policy_to_json(&pool).to_string()))
    }

    pub(super) fn verify(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        args.end()?;
        Ok(self.view(now, &key).map_or(Reply::Nil, |_| status_ok()))
    }
}

/// A policy as POLICY answers it.
pub(super) fn policy_to_json(pool: &Pool) -> Value {
    let policy = &pool.policy;
    let mut json = json!({
        "safety": policy.safety as i64,
        "alert": policy.alert as i64,
        "limits": pool.limits.iter().map(|limit| limit_to_json(limit)).collect::<Vec<_>>(),
    });
    let seconds = [("hold", policy.hold_s), ("retain", policy.retain_s), ("retain_paid", policy.retain_paid_s)];
    for (name, value) in seconds {
        if let Some(value) = value {
            json[name] = (value as i64).into();
        }
    }
    for (name, at_ms) in [("from", policy.from_ms), ("until", policy.until_ms)] {
        if let Some(at_ms) = at_ms {
            json[name] = (at_ms as i64).into();
        }
    }
    if !policy.remember.is_empty() {
        json["remember"] = policy.remember.iter().map(|dim| bytes_to_json(dim)).collect();
    }
    if policy.packed_events {
        json["events_format"] = "packed".into();
    }
    if let Some(events) = &policy.events {
        json["events"] = bytes_to_json(events);
    }
    json
}

/// The attributes that the pool knows of an order: those that limits counted, and those that it was
/// told to keep.
fn known_attributes(pool: &Pool, order: &Order) -> Attributes {
    let counting = pool.limits.iter().filter(|limit| order.counted.contains(&limit.id));
    let counted: BTreeSet<&Bytes> = counting.flat_map(|limit| limit.dims.iter()).collect();
    let known = order.attributes.iter().filter(|(dim, _)| counted.contains(dim) || order.remember.contains(*dim));
    known.map(|(dim, value)| (dim.clone(), value.clone())).collect()
}

fn order_map(pool: &Pool, order: &Order, state: State) -> Reply {
    let deadline_ms = if state == State::Reserved { order.deadline_ms } else { 0 };
    let known = known_attributes(pool, order);
    let known = known.iter().map(|(dim, value)| (Reply::bulk(dim), Reply::bulk(value)));
    map(vec![
        ("state", Reply::bulk(state.name())),
        ("qty", int(order.qty)),
        ("returned", int(order.returned)),
        ("deadline_ms", int(deadline_ms)),
        ("for", Reply::Map(known.collect())),
    ])
}

/// Held units by deadline: within so many minutes, and later.
fn returning(now: i128, pool: &Pool) -> Reply {
    let held = || pool.orders.values().filter(|order| order.state == State::Reserved);
    let within = |minutes: i128| held().filter(move |order| order.deadline_ms <= now + minutes * 60_000);
    let sum = |minutes| int(within(minutes).map(|order| order.qty).sum());
    let later = held().filter(|order| order.deadline_ms > now + 3_600_000);
    map(vec![
        ("within_1m", sum(1)),
        ("within_5m", sum(5)),
        ("within_15m", sum(15)),
        ("within_60m", sum(60)),
        ("later", int(later.map(|order| order.qty).sum())),
    ])
}

fn words_of(words: &[&str]) -> Reply {
    Reply::Array(words.iter().map(Reply::bulk).collect())
}

pub(super) fn limit_to_json(limit: &Limit) -> Value {
    let max_to_json = |max: Option<i128>| max.map_or("unlimited".into(), |max| Value::from(max as i64));
    let by = limit.dims.iter().map(|dim| bytes_to_json(dim));
    let overrides = limit.overrides.iter().map(|(pattern, max)| {
        let values = pattern.iter().map(|one| bytes_to_json(one.as_deref().unwrap_or(b"*")));
        json!({ "for": values.collect::<Vec<_>>(), "max": max_to_json(*max) })
    });
    let mut json = json!({
        "by": by.collect::<Vec<_>>(),
        "max": max_to_json(limit.max),
        "tz": limit.tz.text(),
        "count": if limit.count == Count::Units { "units" } else { "orders" },
        "missing": missing_text(limit),
        "overrides": overrides.collect::<Vec<_>>(),
    });
    match limit.window {
        Window::Life => {}
        Window::Seconds(seconds) => json["per"] = (seconds as i64).into(),
        Window::Rolling(seconds) => {
            json["per"] = (seconds as i64).into();
            json["rolling"] = true.into();
        }
        window => json["per"] = window.text().into(),
    }
    json
}
