//! One round of a balancer: it looks at all buckets, and makes the calls that `stock-balance`
//! plans.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use redis::{Cmd, Value};
use stock_balance::{gather, in_flight, level, settle, Ask, Bucket, Kind, Lane, Share, Step};

use super::args::Args;
use super::asks::Waiting;
use crate::connect::Servers;
use crate::failure::{is_unreachable, Failure};
use crate::reply::{bytes, field, int, list, number};

/// How long a balancer's word about the sum is good for.
const GOOD_MS: u64 = 2_000;
/// How long replicas are waited for.
const WAIT_MS: u64 = 100;
/// A server that did not answer is left alone for so long; its buckets are missed meanwhile.
const ALONE: Duration = Duration::from_secs(1);

/// A key of the sharded pool itself, beside those of its buckets.
pub fn own(name: &str, what: &str) -> String {
    format!("{{{name}}}{what}")
}

pub struct Balancer<'a> {
    args: &'a Args,
    servers: &'a mut Servers,
    /// Who holds the lease.
    id: String,
    /// The buckets, as the config said when it was read last.
    keys: Vec<String>,
    /// What each bucket had sold when it was seen last, and how fast it sells.
    rates: HashMap<String, (i64, i64)>,
    /// Each bucket as it was seen last.
    last: HashMap<String, Bucket>,
    /// Servers that did not answer, and when.
    down: HashMap<String, Instant>,
    /// The first error of this round, which went on without the bucket.
    error: Option<anyhow::Error>,
    shifts: u64,
}

impl<'a> Balancer<'a> {
    pub fn new(args: &'a Args, servers: &'a mut Servers) -> Self {
        let id = format!("{}:{}", std::process::id(), crate::text::now_ms());
        let (keys, rates, last, down) = (Vec::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Balancer { args, servers, id, keys, rates, last, down, error: None, shifts: 0 }
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
    /// None of them answers.
    pub async fn discover(&mut self) -> Result<()> {
        self.servers.discover().await
    }

    fn own(&self, what: &str) -> String {
        own(&self.args.name, what)
    }

    /// Whether something was done; what went wrong is kept, and the round goes on.
    fn kept<T>(&mut self, done: Result<T>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }

    fn is_down(&self, address: &str) -> bool {
        self.down.get(address).is_some_and(|since| since.elapsed() < ALONE)
    }

    /// One call; a server that did not answer a moment ago is not asked.
    async fn ask(&mut self, key: &str, command: &Cmd) -> Result<(String, Value)> {
        let home = self.servers.home_of(key.as_bytes())?;
        if self.is_down(&home) {
            return Err(Failure::Unreachable(format!("{home} did not answer")).into());
        }
        let answer = self.servers.ask_key(key.as_bytes(), command).await;
        self.note(&home, answer)
    }

    fn note<T>(&mut self, address: &str, answer: Result<T>) -> Result<T> {
        if let Err(error) = &answer {
            if is_unreachable(error) {
                self.down.insert(address.to_string(), Instant::now());
            }
        }
        answer
    }

    /// The buckets' keys, in order.
    ///
    /// # Errors
    /// [`Failure`]: there is no config, or it is none; its server cannot be reached.
    pub async fn config(&mut self) -> Result<Vec<String>> {
        let key = self.own("shards");
        let mut get = redis::cmd("GET");
        get.arg(&key);
        let answer = self.ask(&key, &get).await?.1;
        if answer == Value::Nil {
            return Err(Failure::Missing(format!("there is no {key}: it says what the buckets are")).into());
        }
        let wrong = || Failure::Refused(format!("{key} is not {{\"version\":1,\"by\":…,\"buckets\":[…]}}"));
        let json: serde_json::Value = serde_json::from_slice(bytes(&answer)).map_err(|_| wrong())?;
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

    /// Whether this one fills buckets up.
    async fn holds_lease(&mut self) -> Result<bool> {
        let key = self.own("balancer");
        let mut take = redis::cmd("SET");
        take.arg(&key).arg(&self.id).arg("NX").arg("PX").arg(GOOD_MS);
        if self.ask(&key, &take).await?.1 != Value::Nil {
            return Ok(true);
        }
        let mut get = redis::cmd("GET");
        get.arg(&key);
        if bytes(&self.ask(&key, &get).await?.1) != self.id.as_bytes() {
            return Ok(false);
        }
        let mut renew = redis::cmd("PEXPIRE");
        renew.arg(&key).arg(GOOD_MS);
        self.ask(&key, &renew).await?;
        Ok(true)
    }

    /// One round: what was begun is ended, buyers are served, and buckets that run low filled up. A
    /// bucket that cannot be reached is missed; the others are served.
    ///
    /// # Errors
    /// [`Failure`]: the first thing that went wrong.
    pub async fn round(&mut self, asks: Vec<Vec<u8>>) -> Result<()> {
        self.error = None;
        let began = Instant::now();
        // One round on demand is made whoever else is at work, and so is one where nobody can say
        // who is.
        let leads = if self.args.once { true } else { self.holds_lease().await.unwrap_or(true) };
        if !leads && asks.is_empty() {
            return Ok(());
        }
        let keys = match self.config().await {
            Err(error) if !self.keys.is_empty() && is_unreachable(&error) => {
                self.error.get_or_insert(error);
                self.keys.clone()
            }
            known => known?,
        };
        let mut buckets = self.look(&keys).await?;
        let open = settle(&buckets);
        if !open.is_empty() {
            for step in open {
                let made = self.make(&step).await;
                self.kept(made);
            }
            buckets = self.look(&keys).await?;
        }
        let waiting = waiting(&asks, &keys, &buckets);
        let units: Vec<Ask> = waiting.iter().filter(|one| one.share.is_none()).map(|one| one.ask).collect();
        for step in level(&buckets, &units) {
            self.shift(&step).await;
        }
        for one in waiting {
            let Some(share) = one.share else { continue };
            // Several may want the same share: each sees what the one before has left.
            let seen = self.look(&keys).await?;
            let at = seen.iter().position(|bucket| buckets.get(one.ask.bucket).is_some_and(|b| b.key == bucket.key));
            let free = self.free(&seen, &share).await;
            let (Some(bucket), Some(free)) = (at, self.kept(free)) else { continue };
            for step in gather(&seen, &share, &free, Ask { bucket, ..one.ask }) {
                self.shift(&step).await;
            }
        }
        // A word that is late is left to whoever leads by now.
        let is_fresh = began.elapsed() < Duration::from_millis(GOOD_MS / 2);
        if leads && is_fresh {
            let published = self.publish(&keys).await;
            self.kept(published);
        }
        self.error.take().map_or(Ok(()), Err)
    }

    /// What all buckets have together, for the buyers' clients: sold out is final where it says so. A
    /// bucket that cannot be reached has what it had last.
    async fn publish(&mut self, keys: &[String]) -> Result<()> {
        let buckets: Vec<Bucket> = keys.iter().filter_map(|key| self.last.get(key).cloned()).collect();
        if buckets.len() < keys.len() {
            return Ok(());
        }
        let (on_their_way, _) = in_flight(&buckets);
        let left = buckets.iter().map(|bucket| bucket.available).sum::<i64>().saturating_add(on_their_way).max(0);
        let key = self.own("left");
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(left).arg("PX").arg(GOOD_MS);
        self.ask(&key, &set).await?;
        Ok(())
    }

    /// What each key answers to STOCK.GET and STOCK.SHIFTS, where there is an answer: one way to
    /// each server, and one more to those whose slots move.
    async fn ask_buckets(&mut self, keys: &[String]) -> Vec<(String, [Value; 2])> {
        let commands = |key: &String| {
            ["STOCK.GET", "STOCK.SHIFTS"].map(|name| {
                let mut command = redis::cmd(name);
                command.arg(key);
                command
            })
        };
        let mut homes: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for key in keys {
            let home = self.servers.home_of(key.as_bytes());
            let Some(home) = self.kept(home) else { continue };
            homes.entry(home).or_default().push(key);
        }
        let mut found: HashMap<&String, [Value; 2]> = HashMap::new();
        let mut again: Vec<&String> = Vec::new();
        for (address, some) in homes {
            if self.is_down(&address) {
                self.error.get_or_insert(Failure::Unreachable(format!("{address} did not answer")).into());
                continue;
            }
            let asked: Vec<Cmd> = some.iter().flat_map(|key| commands(key)).collect();
            let answers = self.servers.ask_many(&address, &asked).await;
            let answers = self.note(&address, answers);
            let Some(answers) = self.kept(answers) else { continue };
            let mut answers = answers.into_iter();
            for key in some {
                let (Some(pool), Some(shifts)) = (answers.next(), answers.next()) else { continue };
                if [&pool, &shifts].iter().any(|answer| matches!(answer, Value::ServerError(_))) {
                    again.push(key);
                } else {
                    found.insert(key, [pool, shifts]);
                }
            }
        }
        for key in again {
            let [get, shifts] = commands(key);
            let (pool, shifts) = (self.ask(key, &get).await, self.ask(key, &shifts).await);
            if let (Some((_, pool)), Some((_, shifts))) = (self.kept(pool), self.kept(shifts)) {
                found.insert(key, [pool, shifts]);
            }
        }
        keys.iter().filter_map(|key| Some((key.clone(), found.remove(key)?))).collect()
    }

    /// The buckets that can be reached.
    ///
    /// # Errors
    /// [`Failure::Missing`]: one of them is not there.
    async fn look(&mut self, keys: &[String]) -> Result<Vec<Bucket>> {
        let mut buckets = Vec::with_capacity(keys.len());
        for (key, [pool, shifts]) in self.ask_buckets(keys).await {
            if pool == Value::Nil {
                return Err(Failure::Missing(format!("the bucket {key} is not there")).into());
            }
            let sold = number(&pool, "sold").saturating_add(number(&pool, "reserved"));
            let (before, rate) = self.rates.get(&key).copied().unwrap_or((sold, 0));
            // Half of the new, half of the old: sales come in bursts.
            let rate = rate.saturating_add(sold.saturating_sub(before).max(0)) / 2;
            self.rates.insert(key.clone(), (sold, rate));
            let bucket = Bucket {
                key: key.clone(),
                available: number(&pool, "available").max(0).saturating_sub(number(&pool, "shortfall")),
                rate,
                lanes: list(&shifts).iter().map(lane).collect(),
            };
            self.last.insert(key, bucket.clone());
            buckets.push(bucket);
        }
        Ok(buckets)
    }

    /// What each bucket has left of a limit for these values.
    async fn free(&mut self, buckets: &[Bucket], share: &Share) -> Result<Vec<i64>> {
        let by = share.limit.split('/').next().unwrap_or_default();
        let mut free = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            let mut usage = redis::cmd("STOCK.USAGE");
            usage.arg(&bucket.key);
            if by != "*" {
                usage.arg("FOR");
                for (dim, value) in by.split('+').zip(&share.values) {
                    usage.arg(dim).arg(value);
                }
            }
            let (_, lines) = self.ask(&bucket.key, &usage).await?;
            let line = list(&lines).iter().find(|line| name(field(line, "limit")) == share.limit);
            free.push(line.map_or(0, |line| number(line, "remaining")));
        }
        Ok(free)
    }

    /// Both halves. A server that does not answer leaves it in flight: a later round ends it.
    async fn shift(&mut self, step: &Step) {
        let made = self.make(step).await;
        if self.kept(made) != Some(true) || step.kind != Kind::Send {
            return;
        }
        let since_ms = if step.share.is_some() { self.since_ms(step).await } else { Ok(0) };
        let Some(since_ms) = self.kept(since_ms) else { return };
        let made = self.make(&step.second_half(since_ms)).await;
        self.kept(made);
    }

    /// One call: whether it changed something. A refusal means that somebody else was quicker.
    async fn make(&mut self, step: &Step) -> Result<bool> {
        let words = step.words();
        let mut command = Cmd::new();
        for word in &words {
            command.arg(word);
        }
        let (address, answer) = self.ask(&step.key, &command).await?;
        let done = list(&answer).first().map(bytes) == Some(b"OK");
        if done && step.share.is_none() && matches!(step.kind, Kind::Receive { .. }) {
            self.shifts = self.shifts.saturating_add(1);
        }
        if done && step.kind == Kind::Send && self.args.wait > 0 {
            let mut wait = redis::cmd("WAIT");
            wait.arg(self.args.wait).arg(WAIT_MS);
            let seen = self.servers.ask(&address, &wait).await?;
            let seen = int(&seen).context("WAIT answers a number")?;
            if seen < i64::from(self.args.wait) {
                // In flight: it arrives with a later round.
                return Ok(false);
            }
        }
        Ok(done)
    }

    async fn since_ms(&mut self, step: &Step) -> Result<i64> {
        let mut shifts = redis::cmd("STOCK.SHIFTS");
        shifts.arg(&step.key);
        let (_, shifts) = self.ask(&step.key, &shifts).await?;
        let lanes = list(&shifts).iter().map(lane);
        let found = lanes.into_iter().find(|lane| lane.peer == step.peer && lane.share == step.share);
        Ok(found.map_or(1, |lane| lane.since_ms.max(1)))
    }
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
        share: (limit != &Value::Nil).then(|| Share { limit: name(limit), values: values() }),
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
        if !waiting.iter().any(|other| other.order == one.order && other.share == one.share) {
            waiting.push(one);
        }
    }
    waiting
}

#[cfg(test)]
mod tests {
    use super::*;

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
