//! One round of a balancer: it looks at all buckets, and makes the calls that `stock-balance`
//! plans.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Result};
use redis::{Cmd, Value};
use stock_balance::{gather, in_flight, level, settle, Ask, Bucket, Kind, Lane, Quota, Step};

use super::args::Args;
use super::asks::Waiting;
use super::calls::{Answer, Calls, KeyCall};
use crate::connect::Servers;
use crate::failure::Failure;
use crate::reply::{bytes, field, list, number};

/// How long a balancer's word about the sum is good for.
const GOOD_MS: u64 = 2_000;
/// How long replicas are waited for.
const WAIT_MS: u64 = 100;

/// A key of the sharded pool itself, beside those of its buckets.
pub fn own(name: &str, what: &str) -> String {
    format!("{{{name}}}{what}")
}

pub struct Balancer<'a> {
    args: &'a Args,
    calls: Calls<'a>,
    /// Its name in the lease.
    id: String,
    /// Whether it had the lease when it asked last.
    leads: bool,
    /// The buckets, as the config said when it was read last.
    keys: Vec<String>,
    /// What each bucket had sold when it was seen last, and how fast it sells.
    rates: HashMap<String, (i64, i64)>,
    /// Each bucket as it was seen last.
    last: HashMap<String, Bucket>,
    shifts: u64,
}

impl<'a> Balancer<'a> {
    pub fn new(args: &'a Args, servers: &'a mut Servers) -> Self {
        let id = format!("{}:{}", std::process::id(), crate::text::now_ms());
        let (keys, rates, last) = (Vec::new(), HashMap::new(), HashMap::new());
        Balancer { args, calls: Calls::new(servers), id, leads: false, keys, rates, last, shifts: 0 }
    }

    pub fn name(&self) -> &str {
        &self.args.name
    }

    /// How many shifts it has brought in since it was asked last.
    pub fn take_shifts(&mut self) -> u64 {
        std::mem::take(&mut self.shifts)
    }

    /// Finds the servers again.
    ///
    /// # Errors
    /// As [`Servers::discover`].
    pub async fn discover(&mut self) -> Result<()> {
        self.calls.discover().await
    }

    fn own(&self, what: &str) -> String {
        own(&self.args.name, what)
    }

    /// The buckets' keys, in order.
    ///
    /// # Errors
    /// [`Failure::Missing`]: there is no config. [`Failure::Refused`]: it is none. Else as
    /// [`Calls::ask`].
    pub async fn config(&mut self) -> Result<Vec<String>> {
        let (key, get) = self.get("shards");
        let (_, answer) = self.calls.ask(&key, &get).await?;
        self.read_config(&answer)
    }

    fn get(&self, what: &str) -> KeyCall {
        let key = self.own(what);
        let mut get = redis::cmd("GET");
        get.arg(&key);
        (key, get)
    }

    fn read_config(&mut self, answer: &Value) -> Result<Vec<String>> {
        let key = self.own("shards");
        if *answer == Value::Nil {
            return Err(Failure::Missing(format!("there is no {key}: it says what the buckets are")).into());
        }
        let wrong = || Failure::Refused(format!("{key} is not {{\"version\":1,\"by\":…,\"buckets\":[…]}}"));
        let json: serde_json::Value = serde_json::from_slice(bytes(answer)).map_err(|_| wrong())?;
        let keys = json.get("buckets").and_then(|keys| keys.as_array()).ok_or_else(wrong)?;
        let keys: Option<Vec<String>> = keys.iter().map(|key| Some(key.as_str()?.to_string())).collect();
        let keys = keys.filter(|keys| !keys.is_empty() && json.get("version") == Some(&1.into())).ok_or_else(wrong)?;
        if let Some(twice) =
            keys.iter().enumerate().find(|(at, name)| keys.iter().take(*at).any(|other| other == *name))
        {
            return Err(Failure::Refused(format!("{key} names the bucket {} twice", twice.1)).into());
        }
        self.keys.clone_from(&keys);
        Ok(keys)
    }

    /// Whether this one fills buckets up, what these are, and what they say; a round for nobody, by
    /// one who does not lead, sees none. All of it is one way to each server. Where the server of
    /// the config does not answer nobody can say who leads, so this one does, with the buckets that
    /// it knows.
    async fn begin(&mut self, is_asked: bool) -> Result<(bool, Vec<String>, Vec<Bucket>)> {
        if self.args.once {
            // One round on demand is made whoever else is at work.
            let keys = self.config().await?;
            let buckets = self.look(&keys).await?;
            return Ok((true, keys, buckets));
        }
        let (lease, holder) = self.get("balancer");
        let mut take = redis::cmd("SET");
        take.arg(&lease).arg(&self.id).arg("NX").arg("PX").arg(GOOD_MS);
        let mut calls = vec![(lease.clone(), take), (lease, holder), self.get("shards")];
        let expected = if self.leads || is_asked { self.keys.clone() } else { Vec::new() };
        calls.extend(look_calls(&expected));
        let answers = self.calls.ask_all(&calls).await;
        let [_, holder, config, look @ ..] = answers.as_slice() else { return Err(anyhow!("no answers")) };
        self.leads = holder.as_ref().is_none_or(|(_, holder)| bytes(holder) == self.id.as_bytes());
        let keys = match config {
            Some((_, config)) => self.read_config(config)?,
            None if self.keys.is_empty() => {
                return Err(self.calls.take_error().unwrap_or_else(|| anyhow!("no answer")))
            }
            None => self.keys.clone(),
        };
        let buckets = if !self.leads && !is_asked {
            Vec::new()
        } else if keys == expected {
            self.seen(&keys, look)?
        } else {
            self.look(&keys).await?
        };
        Ok((self.leads, keys, buckets))
    }

    /// One round: what was begun is ended, buyers are served, and buckets that run low filled up. A
    /// bucket that cannot be reached is missed; the others are served.
    ///
    /// # Errors
    /// The first thing that went wrong: as [`Balancer::config`], [`Failure::Missing`] for a bucket
    /// that is not there, or as [`Calls::ask`].
    pub async fn round(&mut self, asks: Vec<Vec<u8>>) -> Result<()> {
        self.calls.take_error();
        let began = Instant::now();
        let (leads, keys, mut buckets) = self.begin(!asks.is_empty()).await?;
        if !leads && asks.is_empty() {
            return Ok(());
        }
        let open = settle(&buckets);
        if !open.is_empty() {
            self.make(open, Vec::new()).await;
            buckets = self.look(&keys).await?;
        }
        let waiting = waiting(&asks, &keys, &buckets);
        let units: Vec<Ask> = waiting.iter().filter(|one| one.quota.is_none()).map(|one| one.ask).collect();
        let arriving = self.send(level(&buckets, &units)).await;
        // A word that is late is left to whoever leads by now.
        let is_fresh = began.elapsed() < Duration::from_millis(GOOD_MS / 2);
        let published = if leads && is_fresh { self.sum(&keys) } else { Vec::new() };
        self.make(arriving, published).await;
        for one in waiting {
            let Some(quota) = one.quota else { continue };
            // Several may want the same quota: each sees what the one before has left.
            let seen = self.look(&keys).await?;
            let at = seen.iter().position(|bucket| buckets.get(one.ask.bucket).is_some_and(|b| b.key == bucket.key));
            let (Some(bucket), Some(free)) = (at, self.free(&seen, &quota).await) else { continue };
            let arriving = self.send(gather(&seen, &quota, &free, Ask { bucket, ..one.ask })).await;
            self.make(arriving, Vec::new()).await;
        }
        self.calls.take_error().map_or(Ok(()), Err)
    }

    /// The calls that write what all buckets have together, for the buyers' clients: sold out is
    /// final where it says so. A bucket that cannot be reached has what it had last. The lease
    /// lasts on with it.
    fn sum(&self, keys: &[String]) -> Vec<KeyCall> {
        let (lease, left_key) = (self.own("balancer"), self.own("left"));
        let mut calls = Vec::new();
        if !self.args.once {
            let mut renew = redis::cmd("PEXPIRE");
            renew.arg(&lease).arg(GOOD_MS);
            calls.push((lease, renew));
        }
        let buckets: Vec<Bucket> = keys.iter().filter_map(|key| self.last.get(key).cloned()).collect();
        if buckets.len() == keys.len() {
            let (on_their_way, _) = in_flight(&buckets);
            let left = buckets.iter().map(|bucket| bucket.available).sum::<i64>().saturating_add(on_their_way).max(0);
            let mut set = redis::cmd("SET");
            set.arg(&left_key).arg(left).arg("PX").arg(GOOD_MS);
            calls.push((left_key, set));
        }
        calls
    }

    /// The buckets that can be reached.
    ///
    /// # Errors
    /// [`Failure::Missing`]: the server of one of them answers, and it is not there.
    async fn look(&mut self, keys: &[String]) -> Result<Vec<Bucket>> {
        let answers = self.calls.ask_all(&look_calls(keys)).await;
        self.seen(keys, &answers)
    }

    /// The buckets, by the answers to [`look_calls`].
    fn seen(&mut self, keys: &[String], answers: &[Option<Answer>]) -> Result<Vec<Bucket>> {
        let mut buckets = Vec::with_capacity(keys.len());
        for (key, answers) in keys.iter().zip(answers.chunks_exact(2)) {
            let [Some((_, pool)), Some((_, shifts))] = answers else { continue };
            if *pool == Value::Nil {
                return Err(Failure::Missing(format!("the bucket {key} is not there")).into());
            }
            let sold = number(pool, "sold").saturating_add(number(pool, "reserved"));
            let (before, rate) = self.rates.get(key).copied().unwrap_or((sold, 0));
            // Half of the new, half of the old: sales come in bursts.
            let rate = rate.saturating_add(sold.saturating_sub(before).max(0)) / 2;
            self.rates.insert(key.clone(), (sold, rate));
            let bucket = bucket(key, pool, shifts, rate);
            self.last.insert(key.clone(), bucket.clone());
            buckets.push(bucket);
        }
        Ok(buckets)
    }

    /// What each bucket has left of a limit for these values, where all of them say so.
    async fn free(&mut self, buckets: &[Bucket], quota: &Quota) -> Option<Vec<i64>> {
        let by = quota.limit.split('/').next().unwrap_or_default();
        let usage = |bucket: &Bucket| {
            let (key, mut usage) = call("STOCK.USAGE", &bucket.key);
            if by != "*" {
                usage.arg("FOR");
                for (dim, value) in by.split('+').zip(&quota.values) {
                    usage.arg(dim).arg(value);
                }
            }
            (key, usage)
        };
        let calls: Vec<KeyCall> = buckets.iter().map(usage).collect();
        let free = |answer: Option<Answer>| {
            let (_, lines) = answer?;
            let line = list(&lines).iter().find(|line| name(field(line, "limit")) == quota.limit);
            Some(line.map_or(0, |line| number(line, "remaining")))
        };
        self.calls.ask_all(&calls).await.into_iter().map(free).collect()
    }

    /// The first halves of these shifts, all at once; the second ones of those that were made.
    /// Where a server does not answer units stay in flight: a later round ends it.
    async fn send(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let mut made = self.make(steps, Vec::new()).await;
        made.retain(|(_, step)| step.kind == Kind::Send);
        if self.args.wait > 0 && !made.is_empty() {
            let mut servers: Vec<String> = made.iter().map(|(server, _)| server.clone()).collect();
            servers.sort_unstable();
            servers.dedup();
            let seen = self.calls.replicated(servers, self.args.wait, WAIT_MS).await;
            made.retain(|(server, _)| seen.contains(server));
        }
        let sent: Vec<Step> = made.into_iter().map(|(_, step)| step).collect();
        let since_ms = self.since_ms(&sent).await;
        let arrive = |(step, since_ms): (&Step, Option<i64>)| Some(step.second_half(since_ms?));
        sent.iter().zip(since_ms).filter_map(arrive).collect()
    }

    /// Makes calls of which none needs another, and `others` with them: the steps that changed
    /// something, each with the server at which it did. A refusal means that somebody else was
    /// quicker.
    async fn make(&mut self, steps: Vec<Step>, others: Vec<KeyCall>) -> Vec<(String, Step)> {
        let calls: Vec<KeyCall> = steps.iter().map(shift_call).chain(others).collect();
        let answers = self.calls.ask_all(&calls).await;
        let mut made = Vec::new();
        for (step, answer) in steps.into_iter().zip(answers) {
            let Some((server, answer)) = answer else { continue };
            if list(&answer).first().map(bytes) != Some(b"OK") {
                continue;
            }
            if step.quota.is_none() && matches!(step.kind, Kind::Receive { .. }) {
                self.shifts = self.shifts.saturating_add(1);
            }
            made.push((server, step));
        }
        made
    }

    /// From when what was sent counts at its peer, as the source says it; units need no such time.
    async fn since_ms(&mut self, sent: &[Step]) -> Vec<Option<i64>> {
        let is_quota = |step: &&Step| step.quota.is_some();
        let calls: Vec<KeyCall> = sent.iter().filter(is_quota).map(|step| call("STOCK.SHIFTS", &step.key)).collect();
        let mut answers = self.calls.ask_all(&calls).await.into_iter();
        let since = |step: &Step| {
            if step.quota.is_none() {
                return Some(0);
            }
            let (_, shifts) = answers.next()??;
            let mut lanes = list(&shifts).iter().map(lane);
            let found = lanes.find(|lane| lane.peer == step.peer && lane.quota == step.quota);
            Some(found.map_or(1, |lane| lane.since_ms.max(1)))
        };
        sent.iter().map(since).collect()
    }
}

/// A command that has nothing but a key.
fn call(name: &str, key: &str) -> KeyCall {
    let mut command = redis::cmd(name);
    command.arg(key);
    (key.to_string(), command)
}

/// What is asked of buckets to see how they are.
fn look_calls(keys: &[String]) -> Vec<KeyCall> {
    keys.iter().flat_map(|key| ["STOCK.GET", "STOCK.SHIFTS"].map(|name| call(name, key))).collect()
}

fn shift_call(step: &Step) -> KeyCall {
    let mut command = Cmd::new();
    for word in step.words() {
        command.arg(word);
    }
    (step.key.clone(), command)
}

/// A bucket, by its answers to STOCK.GET and then STOCK.SHIFTS: what shifted between the two is in
/// the second alone, and is counted as if the first had been given with it. Otherwise units that
/// arrived just then would be neither here nor in flight, and the sum too small.
fn bucket(key: &str, pool: &Value, shifts: &Value, rate: i64) -> Bucket {
    let lanes: Vec<Lane> = list(shifts).iter().map(lane).collect();
    let units = lanes.iter().filter(|lane| lane.quota.is_none());
    let net = units.fold(0i64, |net, lane| net.saturating_add(lane.received).saturating_sub(lane.sent));
    let free = number(pool, "available").max(0).saturating_sub(number(pool, "shortfall"));
    let available = free.saturating_add(net.saturating_sub(number(pool, "shifted")));
    Bucket { key: key.to_string(), available, rate, lanes }
}

/// A key, or the name of a limit, as it is.
fn name(value: &Value) -> String {
    String::from_utf8_lossy(bytes(value)).into_owned()
}

/// One line of STOCK.SHIFTS.
fn lane(line: &Value) -> Lane {
    let limit = field(line, "limit");
    let values = || list(field(line, "values")).iter().map(|value| bytes(value).to_vec()).collect();
    Lane {
        peer: name(field(line, "peer")),
        quota: (limit != &Value::Nil).then(|| Quota { limit: name(limit), values: values() }),
        sent: number(line, "sent"),
        received: number(line, "received"),
        since_ms: number(line, "since_ms"),
    }
}

/// The buyers who can be served, with the places of their buckets among those that were seen.
fn waiting(asks: &[Vec<u8>], keys: &[String], buckets: &[Bucket]) -> Vec<Waiting> {
    let mut waiting: Vec<Waiting> = Vec::new();
    for mut one in asks.iter().filter_map(|ask| Waiting::of(ask, keys.len())) {
        let Some(key) = keys.get(one.ask.bucket) else { continue };
        let Some(place) = buckets.iter().position(|bucket| bucket.key == *key) else { continue };
        one.ask.bucket = place;
        // A buyer who has waited for a while has asked several times.
        if !waiting.iter().any(|other| other.order == one.order && other.quota == one.quota) {
            waiting.push(one);
        }
    }
    waiting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, i64)]) -> Value {
        Value::Map(fields.iter().map(|(name, n)| (Value::BulkString((*name).into()), Value::Int(*n))).collect())
    }

    #[test]
    fn units_that_shift_between_two_answers_are_counted_once() {
        let pool = map(&[("available", 7), ("shortfall", 0), ("shifted", 3)]);
        let lanes = |sent, received| {
            let mut lane = map(&[("sent", sent), ("received", received), ("since_ms", 1)]);
            if let Value::Map(fields) = &mut lane {
                fields.push((Value::BulkString(b"peer".to_vec()), Value::BulkString(b"b1".to_vec())));
            }
            Value::Array(vec![lane])
        };
        let seen = |sent, received| bucket("b0", &pool, &lanes(sent, received), 0).available;
        assert_eq!(seen(1, 4), 7);
        assert_eq!(seen(1, 9), 12, "five arrived meanwhile");
        assert_eq!(seen(3, 4), 5, "two left meanwhile");
        let owing = map(&[("available", 0), ("shortfall", 2), ("shifted", 3)]);
        assert_eq!(bucket("b0", &owing, &lanes(1, 4), 0).available, -2);
        assert_eq!(bucket("b0", &map(&[("available", 7)]), &Value::Array(Vec::new()), 0).available, 7);
    }

    #[test]
    fn buyers_of_buckets_that_were_not_seen_wait() {
        let keys: Vec<String> = (0..3).map(|n| format!("b{n}")).collect();
        let seen = [0, 2].map(|n| Bucket { key: format!("b{n}"), ..Bucket::default() });
        let asks =
            [r#"["a", 2, 1]"#, r#"["b", 1, 1]"#, r#"["a", 2, 1]"#, r#"["c", 0, 4]"#].map(|ask| ask.as_bytes().to_vec());
        let found = waiting(&asks, &keys, &seen);
        let found: Vec<(&str, usize)> = found.iter().map(|one| (one.order.as_str(), one.ask.bucket)).collect();
        assert_eq!(found, [("a", 1), ("c", 0)]);
    }
}
