//! The commands of the stock.

use super::*;

impl Reference {
    pub(super) fn set(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let word = args.next()?;
        let on_hand = match word.eq_ignore_ascii_case(b"UNLIMITED") {
            true => None,
            false => Some(within(number(&word)?, -MAX_QTY, MAX_QTY)?),
        };
        let options = args.options(now, &["NX", "XX"])?;
        if options.nx && options.xx {
            return Err(syntax());
        }
        let Some(_) = self.pools.get(&key) else {
            if options.xx {
                return Ok(Reply::Nil);
            }
            let mut pool = Pool { on_hand, seq: 1, could: Some(0), ..Pool::default() };
            pool.tell("set", None, on_hand.unwrap_or(0));
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
            Ok(status_ok())
        })
    }

    pub(super) fn add(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let delta = within(number(&args.next()?)?, -MAX_QTY, MAX_QTY)?;
        if delta == 0 {
            return Err(error("delta is 0"));
        }
        let token = args.options(now, &["TOKEN"])?.token;
        self.write(now, &key, |pool, config| {
            if let Some(known) = token.as_ref().and_then(|name| pool.add_tokens.get(name)) {
                if known.delta != delta {
                    return Err(conflict("the token has another delta"));
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
                pool.add_tokens.insert(name, AddToken { delta, at_ms: now, forget_ms: None });
            }
            pool.on_hand = Some(on_hand + delta);
            pool.out -= delta;
            pool.change();
            pool.tell_token("added", None, delta, name);
            Ok(ok(&[int(on_hand + delta), pool.shown_available()]))
        })
    }

    pub(super) fn suspend(&mut self, now: i128, mut args: Args, suspended: bool) -> Answer {
        let key = args.key()?;
        args.end()?;
        self.write(now, &key, |pool, _| {
            if pool.suspended != suspended {
                pool.suspended = suspended;
                pool.change();
                pool.tell(if suspended { "suspended" } else { "resumed" }, None, 0);
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
        args.end()?;
        if text.len() > 4 << 20 {
            return Err(error("the policy is too long"));
        }
        let invalid = || error("the policy is not valid");
        let json: Value = serde_json::from_slice(&text).map_err(|_| invalid())?;
        let (policy, wanted) = parse_policy(&json, &self.config).ok_or_else(invalid)?;
        self.write(now, &key, |pool, _| {
            let mut limits = Vec::new();
            for limit in wanted {
                let old = pool.limits.iter().find(|old| old.identity() == limit.identity());
                limits.push(match old.map(|old| Limit::clone(old)) {
                    Some(old) => Limit {
                        id: old.id,
                        usage: old.usage,
                        over_usage: old.over_usage,
                        shifted: old.shifted,
                        instances: old.instances,
                        parts: old.parts,
                        looked_ms: old.looked_ms,
                        set_ms: old.set_ms,
                        ..limit
                    },
                    None => Limit { id: pool.next_serial(), set_ms: now, ..limit },
                });
            }
            let same_limits = limits.len() == pool.limits.len()
                && limits.iter().zip(&pool.limits).all(|(a, b)| a.settings() == b.settings());
            if !same_limits || pool.policy != policy {
                let window = |policy: &Policy| (policy.from_ms, policy.until_ms);
                let other_window = window(&policy) != window(&pool.policy);
                pool.policy = policy;
                pool.limits = limits.into_iter().map(Shared::from).collect();
                pool.change();
                pool.tell("policy", None, 0);
                if other_window {
                    pool.sale_is_scheduled(now);
                }
            }
            Ok(status_ok())
        })
    }
}
