//! The commands of the stock.

use serde_json::Value;

use super::answers::{conflict, error, int, ok, refusal, status_ok, syntax, words};
use super::arguments::{number, within, Args, Options};
use super::base::{Answer, Bytes, Shared, MAX_QTY};
use super::limit::Limit;
use super::merge::merged;
use super::policy::parse_policy;
use super::pool::Pool;
use super::pools::Reference;
use super::records::{AddToken, Policy};
use crate::reply::Reply;

impl Reference {
    pub(super) fn set(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let word = args.next()?;
        let on_hand = match word.eq_ignore_ascii_case(b"UNLIMITED") {
            true => None,
            false => Some(within(number(&word)?, -MAX_QTY, MAX_QTY)?),
        };
        let options = args.options(now, &["NX", "XX", "POLICY", "NOTE"])?;
        if options.nx && options.xx {
            return Err(syntax());
        }
        if options.policy.is_some() && !options.nx {
            return Err(error("a policy is for a new pool only"));
        }
        let whole = match &options.policy {
            None => None,
            Some(text) if text.len() > 4 << 20 => return Err(error("the policy is too long")),
            Some(text) => {
                let json = serde_json::from_slice(text).map_err(|_| error("the policy is not valid"))?;
                Some(parse_policy(&json, &self.config).ok_or_else(|| error("the policy is not valid"))?)
            }
        };
        let Some(_) = self.pools.get(&key) else {
            if options.xx {
                return Ok(Reply::Nil);
            }
            let mut pool = Pool { on_hand, seq: 1, could: Some(0), ..Pool::default() };
            pool.tell("set", None, on_hand.unwrap_or(0));
            pool.note(options.note.as_ref());
            if let Some((policy, limits)) = whole {
                pool.attempt(&self.config, |pool, _| {
                    pool.take_policy(now, policy, limits, options.note.as_ref());
                    Ok(status_ok())
                })?;
            }
            self.pools.insert(key, pool.into());
            return Ok(status_ok());
        };
        self.write(now, &key, |pool, _| {
            if options.nx {
                return Err(Reply::Nil);
            }
            pool.on_hand = on_hand;
            pool.change();
            pool.tell("set", None, on_hand.unwrap_or(0));
            pool.note(options.note.as_ref());
            Ok(status_ok())
        })
    }

    pub(super) fn add(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let delta = within(number(&args.next()?)?, -MAX_QTY, MAX_QTY)?;
        if delta == 0 {
            return Err(error("delta is 0"));
        }
        let Options { token, note, .. } = args.options(now, &["TOKEN", "NOTE"])?;
        self.write(now, &key, |pool, config| {
            if let Some(known) = token.as_ref().and_then(|name| pool.add_tokens.get(name)) {
                if known.delta != delta || known.peer.is_some() {
                    return Err(conflict("the token has another delta, or is one of a transfer"));
                }
                return Err(words(&[
                    Reply::bulk("EXISTS"),
                    Reply::bulk(&key),
                    Reply::bulk("added"),
                    int(delta),
                    int(0),
                    int(0),
                ]));
            }
            let Some(on_hand) = pool.on_hand else {
                return Err(error("the pool is unlimited"));
            };
            if delta < 0 && on_hand + delta < pool.reserved() {
                return Err(pool.sold_out(&key));
            }
            let name = token.clone();
            if let Some(name) = token {
                if pool.add_tokens.len() >= config.max_orders {
                    return Err(error("the pool has too many tokens"));
                }
                pool.add_tokens.insert(name, AddToken { delta, at_ms: now, forget_ms: None, peer: None });
            }
            pool.on_hand = Some(on_hand + delta);
            pool.out -= delta;
            pool.change();
            pool.tell_token("added", None, delta, name);
            pool.note(note.as_ref());
            Ok(ok(&[int(on_hand + delta), pool.shown_available()]))
        })
    }

    pub(super) fn suspend(&mut self, now: i128, mut args: Args, suspended: bool) -> Answer {
        let key = args.key()?;
        let note = args.options(now, &["NOTE"])?.note;
        self.write(now, &key, |pool, _| {
            if pool.suspended != suspended {
                pool.suspended = suspended;
                pool.change();
                pool.tell(if suspended { "suspended" } else { "resumed" }, None, 0);
                pool.note(note.as_ref());
            }
            Ok(status_ok())
        })
    }

    pub(super) fn sweep(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let count = args.options(now, &["COUNT=100000"])?.count.unwrap_or(1000);
        let Some(mut pool) = self.pools.get(&key).map(|pool| Pool::clone(pool)) else {
            return Err(refusal("NOPOOL", &key));
        };
        pool.forget(now);
        pool.tell_of_the_sale(now);
        let returned = pool.return_due(now, count);
        pool.fix_memory(&self.config);
        if pool.seq != self.pools[&key].seq {
            self.pools.insert(key, pool.into());
        }
        Ok(Reply::Int(returned as i64))
    }

    pub(super) fn set_policy(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let text = args.next()?;
        let Options { note, merge, .. } = args.options(now, &["MERGE", "NOTE"])?;
        if text.len() > 4 << 20 {
            return Err(error("the policy is too long"));
        }
        let invalid = || error("the policy is not valid");
        let json: Value = serde_json::from_slice(&text).map_err(|_| invalid())?;
        let whole = match merge {
            true if json.is_object() => None,
            true => return Err(invalid()),
            false => Some(parse_policy(&json, &self.config).ok_or_else(invalid)?),
        };
        self.write(now, &key, |pool, config| {
            let (policy, wanted) = match whole {
                Some(whole) => whole,
                None => merged(pool, &json, config).ok_or_else(invalid)?,
            };
            pool.take_policy(now, policy, wanted, note.as_ref());
            Ok(status_ok())
        })
    }
}

impl Pool {
    /// Takes a policy and its limits for its own, where they differ from what it has.
    fn take_policy(&mut self, now: i128, policy: Policy, wanted: Vec<Limit>, note: Option<&Bytes>) {
        let mut limits = Vec::new();
        for limit in wanted {
            let old = self.limits.iter().find(|old| old.identity() == limit.identity());
            limits.push(match old.map(|old| Limit::clone(old)) {
                Some(old) => Limit {
                    id: old.id,
                    usage: old.usage,
                    over_usage: old.over_usage,
                    shifted: old.shifted,
                    instances: old.instances,
                    sub_windows: old.sub_windows,
                    looked_ms: old.looked_ms,
                    set_ms: old.set_ms,
                    ..limit
                },
                None => Limit { id: self.next_serial(), set_ms: now, ..limit },
            });
        }
        let same_limits = limits.len() == self.limits.len()
            && limits.iter().zip(&self.limits).all(|(a, b)| a.settings() == b.settings());
        if !same_limits || self.policy != policy {
            let window = |policy: &Policy| (policy.from_ms, policy.until_ms);
            let other_window = window(&policy) != window(&self.policy);
            let changed = what_changes(self, &policy, &limits);
            self.policy = policy;
            self.limits = limits.into_iter().map(Shared::from).collect();
            self.change();
            self.tell_policy(changed, note);
            if other_window {
                self.sale_is_scheduled(now);
            }
        }
    }
}

/// The names of what differs: the fields of the policy, then limits, the new ones first.
fn what_changes(pool: &Pool, policy: &Policy, limits: &[Limit]) -> String {
    let old = &pool.policy;
    let fields = [
        ("hold", old.hold_s != policy.hold_s),
        ("retain", old.retain_s != policy.retain_s),
        ("retain_paid", old.retain_paid_s != policy.retain_paid_s),
        ("safety", old.safety != policy.safety),
        ("alert", old.alert != policy.alert),
        ("events", old.events != policy.events),
        ("events_format", old.packed_events != policy.packed_events),
        ("from", old.from_ms != policy.from_ms),
        ("until", old.until_ms != policy.until_ms),
        ("remember", old.remember != policy.remember),
    ];
    let mut names: Vec<String> =
        fields.iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_string()).collect();
    let fields = names.len();
    for limit in limits {
        let before = pool.limits.iter().find(|old| old.identity() == limit.identity());
        if before.is_none_or(|old| old.settings() != limit.settings()) {
            names.push(limit.text());
        }
    }
    let gone = pool.limits.iter().filter(|old| limits.iter().all(|limit| limit.identity() != old.identity()));
    names.extend(gone.map(|old| old.text()));
    let before: Vec<String> = pool.limits.iter().map(|old| old.text()).collect();
    let moved = before != limits.iter().map(Limit::text).collect::<Vec<_>>();
    if names.len() == fields && moved {
        names.push("limits".into());
    }
    names.join(",")
}
