//! What shifts between the buckets of a sharded pool.

use std::collections::BTreeMap;

use super::answers::{error, int, map, ok, syntax, words};
use super::arguments::{identifier, number, within, Args};
use super::base::{Answer, MAX_QTY};
use super::limit::Count;
use super::pool::Pool;
use super::pools::Reference;
use super::records::Quota;
use super::window::Window;
use crate::reply::Reply;

impl Pool {
    /// Units that came from peers, less those that left.
    pub(super) fn shifted_units(&self) -> i128 {
        let units = self.shifts.iter().filter(|((_, quota), _)| quota.is_none());
        units.map(|(_, totals)| totals.received - totals.sent).sum()
    }

    /// The same of a quota of a limit.
    fn shifted_quota(&self, quota: &Quota) -> i128 {
        let same = self.shifts.iter().filter(|((_, other), _)| other.as_ref() == Some(quota));
        same.map(|(_, totals)| totals.received - totals.sent).sum()
    }

    /// Tells each limit what has shifted of it.
    pub(super) fn spread_shares(&mut self) {
        let quotas: Vec<Quota> = self.shifts.keys().filter_map(|(_, quota)| quota.clone()).collect();
        for at in 0..self.limits.len() {
            let text = self.limits[at].text();
            let of_it = quotas.iter().filter(|(limit, _)| *limit == text);
            let shifted: BTreeMap<_, _> = of_it.map(|quota| (quota.1.clone(), self.shifted_quota(quota))).collect();
            if self.limits[at].shifted != shifted {
                self.limits[at].shifted = shifted;
            }
        }
    }
}

impl Reference {
    pub(super) fn shift_to_or_from(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let way = args.next()?.to_ascii_uppercase();
        let sends = match way.as_slice() {
            b"TO" => true,
            b"FROM" => false,
            _ => return Err(syntax()),
        };
        let peer = args.next()?;
        if peer.is_empty() || peer.len() > 512 {
            return Err(error("1 to 512 bytes, please"));
        }
        let total = within(number(&args.next()?)?, 1, MAX_QTY)?;
        let options = args.options(now, &["RECEIVED", "SINCE", "LIMIT", "PER", "ROLLING", "COUNT=", "FOR="])?;
        let window = options.window();
        let count = options.count_what.unwrap_or(Count::Units);
        let quota = match options.limit_by {
            Some(ref by) => {
                let window = window?;
                let given = options.values.clone().unwrap_or_default();
                if given.len() != by.len() || (by.is_empty() && options.values.is_some()) {
                    return Err(error("as many values as dimensions, please"));
                }
                let mut pairs: Vec<_> = by.iter().cloned().zip(given).collect();
                pairs.sort();
                for (_, value) in &pairs {
                    identifier(value)?;
                }
                let (dims, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
                Some((dims, window, count, values))
            }
            None if options.per.is_some()
                || options.rolling
                || options.count_what.is_some()
                || options.values.is_some() =>
            {
                return Err(syntax())
            }
            None => None,
        };
        let since = options.since_ms.filter(|at| *at <= MAX_QTY);
        if options.since_ms.is_some() && since.is_none() {
            return Err(error("SINCE is out of range"));
        }
        let fits = match sends {
            true => since.is_none(),
            false => !options.received && since.is_some() == quota.is_some(),
        };
        if !fits {
            return Err(syntax());
        }
        if peer == key {
            return Err(error("a pool has no shifts with itself"));
        }
        self.write(now, &key, |pool, _| {
            let limit = match &quota {
                None => None,
                Some((dims, window, count, _)) => {
                    let place = pool.limits.iter().position(|limit| limit.is(dims, *window, *count));
                    match place {
                        Some(place) if *window != Window::Order => Some(place),
                        _ => return Err(error("no such limit, or it cannot be divided")),
                    }
                }
            };
            let named = quota.as_ref().zip(limit).map(|(quota, place)| (pool.limits[place].text(), quota.3.clone()));
            let lane = (peer.clone(), named.clone());
            let known = pool.shifts.get(&lane).cloned();
            let mut totals = known.clone().unwrap_or_default();
            let before = if sends { totals.sent } else { totals.received };
            if total <= before {
                return Err(words(&[
                    Reply::bulk("EXISTS"),
                    Reply::bulk(&key),
                    Reply::bulk("shifted"),
                    int(before),
                    int(0),
                    int(0),
                ]));
            }
            let units = total - before;
            if limit.is_none() && pool.on_hand.is_none() {
                return Err(error("the pool is unlimited"));
            }
            if let Some(since) = since.filter(|since| now < *since) {
                return Err(words(&[Reply::bulk("EARLY"), Reply::bulk(&key), int(since)]));
            }
            if sends && !options.received {
                match (limit, &named) {
                    (Some(place), Some((_, values))) => {
                        let limit = &pool.limits[place];
                        let Some(max) = limit.share_of(values) else {
                            return Err(error("no such limit, or it cannot be divided"));
                        };
                        if limit.used(values) + units > max {
                            return Err(limit.refusal_of(now, &key, values, units));
                        }
                    }
                    _ if !pool.has_room_for(units) => return Err(pool.sold_out(&key)),
                    _ => {}
                }
            }
            if known.is_none() && pool.shifts.len() >= 10_000 {
                return Err(error("too many shifts"));
            }
            if sends {
                totals.sent = total;
                let counted =
                    limit.zip(named.as_ref()).map(|(place, quota)| pool.limits[place].window_start(now, &quota.1));
                totals.since_ms = totals.since_ms.max(now).max(counted.unwrap_or(0));
            } else {
                totals.received = total;
            }
            pool.shifts.insert(lane, totals);
            let units = if sends { -units } else { units };
            let net = match &named {
                Some(quota) => pool.shifted_quota(quota),
                None => pool.shifted_units(),
            };
            if net.abs() > MAX_QTY {
                return Err(error("a sum would be out of range"));
            }
            if limit.is_none() {
                pool.on_hand = pool.on_hand.map(|on_hand| on_hand + units);
                if !pool.within_bounds() {
                    return Err(error("a sum would be out of range"));
                }
            }
            pool.spread_shares();
            pool.change();
            pool.tell_shifted(if limit.is_none() { units } else { 0 }, &peer);
            Ok(match (limit, &named) {
                (Some(place), Some((_, values))) => {
                    let limit = &pool.limits[place];
                    let max = limit.max_for(values);
                    let left = max.map_or(-1, |max| (max - limit.used(values)).max(0));
                    ok(&[int(max.unwrap_or(-1)), int(left)])
                }
                _ => ok(&[int(pool.on_hand.unwrap_or(-1)), pool.shown_available()]),
            })
        })
    }

    pub(super) fn shifts(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        args.end()?;
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        // Values that differ in length, but for the last, come in order of their lengths.
        let order = |quota: &Option<Quota>| {
            quota.as_ref().map(|(text, values)| {
                let last = values.len().saturating_sub(1);
                let lengths = values.iter().enumerate();
                let values: Vec<_> =
                    lengths.map(|(at, value)| (if at == last { 0 } else { value.len() }, value.clone())).collect();
                (text.clone(), values)
            })
        };
        let mut lanes: Vec<_> = pool.shifts.iter().collect();
        lanes.sort_by_key(|((peer, quota), _)| (peer.clone(), order(quota)));
        let shown = lanes.into_iter().map(|((peer, quota), totals)| {
            let values = quota.iter().flat_map(|(_, values)| values.iter().map(Reply::bulk));
            map(vec![
                ("peer", Reply::bulk(peer)),
                ("sent", int(totals.sent)),
                ("received", int(totals.received)),
                ("since_ms", int(totals.since_ms)),
                ("limit", quota.as_ref().map_or(Reply::Nil, |(text, _)| Reply::bulk(text))),
                ("values", Reply::Array(values.collect())),
            ])
        });
        Ok(Reply::Array(shown.collect()))
    }
}
