//! `stockctl balance`: keeps the buckets of a sharded pool filled.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context, Result};
use redis::{Cmd, Value};
use stock_balance::{gather, in_flight, level, settle, Ask, Bucket, Kind, Lane, Share, Step};

use crate::connect::Servers;
use crate::failure::{error_chain, Ended, Failure};
use crate::reply::{bytes, field, int, list, number};

/// Shifts units between the buckets of a sharded pool, so that none runs dry while others have some
///
/// Any number of them may run, on any machines, and any of them may die at any time: each shift is
/// two calls that can be repeated by anybody. One at a time fills buckets up; all of them serve the
/// buyers who ask. It needs the rights to call STOCK.SHIFT, and to write the keys `{NAME}…`.
/// docs/guides/hot-sku.md
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The sharded pool's name: the value of {NAME}shards says what its buckets are
    name: String,
    /// Look at the buckets so often, in milliseconds, when nobody asks
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    every: u64,
    /// Before units arrive, so many replicas must know that they have left (WAIT)
    #[arg(long, value_name = "REPLICAS", default_value_t = 0)]
    wait: u32,
    /// End what was begun, fill up what runs low, and exit
    #[arg(long)]
    once: bool,
}

/// How long a balancer's word about the sum is good for.
const GOOD_MS: u64 = 2_000;
/// How long replicas are waited for.
const WAIT_MS: u64 = 100;
/// How many buyers are served at once.
const ASKS: usize = 1_000;

/// A buyer who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    order: String,
    ask: Ask,
    share: Option<Share>,
}

impl Waiting {
    /// `["order", bucket, units]`, or with `"region/day/units", ["hk"]` behind it. Anything else was
    /// written by somebody else.
    fn of(text: &[u8], buckets: usize) -> Option<Waiting> {
        let json: serde_json::Value = serde_json::from_slice(text).ok()?;
        let place = |at: usize| json.get(at);
        let bucket = usize::try_from(place(1)?.as_u64()?).ok().filter(|bucket| *bucket < buckets)?;
        let units = place(2)?.as_i64().filter(|units| *units > 0)?;
        let share = match (place(3), place(4)) {
            (Some(limit), Some(values)) => {
                let values = values.as_array()?.iter().map(|value| Some(value.as_str()?.as_bytes().to_vec()));
                Some(Share { limit: limit.as_str()?.to_string(), values: values.collect::<Option<_>>()? })
            }
            _ => None,
        };
        Some(Waiting { order: place(0)?.as_str()?.to_string(), ask: Ask { bucket, units }, share })
    }
}

struct Balancer<'a> {
    args: &'a Args,
    servers: &'a mut Servers,
    /// Who holds the lease.
    id: String,
    /// What each bucket had sold when it was seen last, and how fast it sells.
    rates: HashMap<String, (i64, i64)>,
    shifts: u64,
}

/// Balances until it is ended, or once.
///
/// # Errors
/// [`Failure`]: there is no such sharded pool, or with `--once` a server cannot be reached.
pub async fn run(args: &Args, servers: &mut Servers, waiting: &mut Servers, as_json: bool) -> Result<Ended> {
    let id = format!("{}:{}", std::process::id(), crate::text::now_ms());
    let mut balancer = Balancer { args, servers, id, rates: HashMap::new(), shifts: 0 };
    balancer.config().await?;
    loop {
        let asks = if args.once { Vec::new() } else { balancer.wait_for_asks(waiting).await };
        let done = balancer.round(asks).await;
        if balancer.shifts > 0 {
            say(args, balancer.shifts, as_json);
        }
        match done {
            Ok(()) if args.once => return Ok(Ended::Well),
            Err(error) if args.once => return Err(error),
            Ok(()) => {}
            Err(error) => {
                eprintln!("{}: {}", args.name, error_chain(&error));
                tokio::time::sleep(Duration::from_millis(args.every)).await;
                // Slots have moved, or a replica has taken over.
                let _ = balancer.servers.discover().await;
            }
        }
        balancer.shifts = 0;
    }
}

fn say(args: &Args, shifts: u64, as_json: bool) {
    if as_json {
        println!("{}", serde_json::json!({"name": args.name, "shifts": shifts, "at": crate::text::now_ms()}));
    } else {
        println!("{}  {}: {shifts} shifts", crate::text::time(crate::text::now_ms()), args.name);
    }
}

impl Balancer<'_> {
    fn own(&self, what: &str) -> String {
        format!("{{{}}}{what}", self.args.name)
    }

    async fn ask(&mut self, key: &str, command: &Cmd) -> Result<Value> {
        Ok(self.servers.ask_key(key.as_bytes(), command).await?.1)
    }

    /// The buckets' keys, in order.
    async fn config(&mut self) -> Result<Vec<String>> {
        let key = self.own("shards");
        let mut get = redis::cmd("GET");
        get.arg(&key);
        let answer = self.ask(&key, &get).await?;
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
        Ok(keys)
    }

    /// Sleeps until a buyer asks, or until it is time to look.
    async fn wait_for_asks(&mut self, waiting: &mut Servers) -> Vec<Vec<u8>> {
        let key = self.own("asks");
        let mut pop = redis::cmd("BLPOP");
        pop.arg(&key).arg(self.args.every as f64 / 1_000.0);
        let Ok((_, first)) = waiting.ask_key(key.as_bytes(), &pop).await else {
            tokio::time::sleep(Duration::from_millis(self.args.every)).await;
            let _ = waiting.discover().await;
            return Vec::new();
        };
        let Some(first) = list(&first).get(1) else { return Vec::new() };
        let mut asks = vec![bytes(first).to_vec()];
        let mut pop = redis::cmd("LPOP");
        pop.arg(&key).arg(ASKS);
        if let Ok((_, rest)) = waiting.ask_key(key.as_bytes(), &pop).await {
            asks.extend(list(&rest).iter().map(|ask| bytes(ask).to_vec()));
        }
        asks
    }

    /// Whether this one fills buckets up.
    async fn holds_lease(&mut self) -> Result<bool> {
        let key = self.own("balancer");
        let mut take = redis::cmd("SET");
        take.arg(&key).arg(&self.id).arg("NX").arg("PX").arg(GOOD_MS);
        if self.ask(&key, &take).await? != Value::Nil {
            return Ok(true);
        }
        let mut get = redis::cmd("GET");
        get.arg(&key);
        if bytes(&self.ask(&key, &get).await?) != self.id.as_bytes() {
            return Ok(false);
        }
        let mut renew = redis::cmd("PEXPIRE");
        renew.arg(&key).arg(GOOD_MS);
        self.ask(&key, &renew).await?;
        Ok(true)
    }

    /// One round: what was begun is ended, buyers are served, and buckets that run low filled up.
    async fn round(&mut self, asks: Vec<Vec<u8>>) -> Result<()> {
        // One round on demand is made whoever else is at work.
        let leads = self.args.once || self.holds_lease().await?;
        if !leads && asks.is_empty() {
            return Ok(());
        }
        let keys = self.config().await?;
        let mut waiting: Vec<Waiting> = Vec::new();
        for ask in asks.iter().filter_map(|ask| Waiting::of(ask, keys.len())) {
            // A buyer who has waited for a while has asked several times.
            if !waiting.iter().any(|other| other.order == ask.order && other.share == ask.share) {
                waiting.push(ask);
            }
        }
        let mut buckets = self.look(&keys).await?;
        let open = settle(&buckets);
        if !open.is_empty() {
            for step in open {
                self.make(&step).await?;
            }
            buckets = self.look(&keys).await?;
        }
        let units: Vec<Ask> = waiting.iter().filter(|one| one.share.is_none()).map(|one| one.ask).collect();
        for step in level(&buckets, &units) {
            self.shift(&step).await?;
        }
        for one in waiting {
            let Some(share) = one.share else { continue };
            let free = self.free(&keys, &share).await?;
            // Several may want the same share: each sees what the one before has left.
            let buckets = self.look(&keys).await?;
            for step in gather(&buckets, &share, &free, one.ask) {
                self.shift(&step).await?;
            }
        }
        if leads {
            self.publish(&buckets).await?;
        }
        Ok(())
    }

    /// What all buckets have together, for the buyers' clients: sold out is final where it says so.
    async fn publish(&mut self, buckets: &[Bucket]) -> Result<()> {
        let (on_their_way, _) = in_flight(buckets);
        let left = buckets.iter().map(|bucket| bucket.available).sum::<i64>().saturating_add(on_their_way);
        let key = self.own("left");
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(left).arg("PX").arg(GOOD_MS);
        self.ask(&key, &set).await?;
        Ok(())
    }

    /// What each key answers to STOCK.GET and STOCK.SHIFTS: one way to each server, and one more to
    /// those whose slots move.
    async fn ask_buckets(&mut self, keys: &[String]) -> Result<Vec<[Value; 2]>> {
        let commands = |key: &String| {
            ["STOCK.GET", "STOCK.SHIFTS"].map(|name| {
                let mut command = redis::cmd(name);
                command.arg(key);
                command
            })
        };
        let mut homes: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for key in keys {
            homes.entry(self.servers.home_of(key.as_bytes())?).or_default().push(key);
        }
        let mut found: HashMap<&String, [Value; 2]> = HashMap::new();
        for (address, some) in homes {
            let asked: Vec<Cmd> = some.iter().flat_map(|key| commands(key)).collect();
            let mut answers = self.servers.ask_many(&address, &asked).await?.into_iter();
            for key in some {
                let (Some(pool), Some(shifts)) = (answers.next(), answers.next()) else { continue };
                if ![&pool, &shifts].iter().any(|answer| matches!(answer, Value::ServerError(_))) {
                    found.insert(key, [pool, shifts]);
                }
            }
        }
        let mut all = Vec::with_capacity(keys.len());
        for key in keys {
            let answers = match found.remove(key) {
                Some(answers) => answers,
                None => {
                    let [get, shifts] = commands(key);
                    [self.ask(key, &get).await?, self.ask(key, &shifts).await?]
                }
            };
            all.push(answers);
        }
        Ok(all)
    }

    async fn look(&mut self, keys: &[String]) -> Result<Vec<Bucket>> {
        let mut buckets = Vec::with_capacity(keys.len());
        for (key, [pool, shifts]) in keys.iter().zip(self.ask_buckets(keys).await?) {
            if pool == Value::Nil {
                return Err(Failure::Missing(format!("the bucket {key} is not there")).into());
            }
            let sold = number(&pool, "out").saturating_add(number(&pool, "reserved"));
            let (before, rate) = self.rates.get(key).copied().unwrap_or((sold, 0));
            // Half of the new, half of the old: sales come in bursts.
            let rate = rate.saturating_add(sold.saturating_sub(before).max(0)) / 2;
            self.rates.insert(key.clone(), (sold, rate));
            buckets.push(Bucket {
                key: key.clone(),
                available: number(&pool, "available").max(0),
                rate,
                lanes: list(&shifts).iter().map(lane).collect(),
            });
        }
        Ok(buckets)
    }

    /// What each bucket has left of a limit for these values.
    async fn free(&mut self, keys: &[String], share: &Share) -> Result<Vec<i64>> {
        let by = share.limit.split('/').next().unwrap_or_default();
        let mut free = Vec::with_capacity(keys.len());
        for key in keys {
            let mut usage = redis::cmd("STOCK.USAGE");
            usage.arg(key);
            if by != "*" {
                usage.arg("FOR");
                for (dim, value) in by.split('+').zip(&share.values) {
                    usage.arg(dim).arg(value);
                }
            }
            let lines = self.ask(key, &usage).await?;
            let line = list(&lines).iter().find(|line| name(field(line, "limit")) == share.limit);
            free.push(line.map_or(0, |line| number(line, "remaining")));
        }
        Ok(free)
    }

    /// Both halves.
    async fn shift(&mut self, step: &Step) -> Result<()> {
        if !self.make(step).await? || step.kind != Kind::Send {
            return Ok(());
        }
        let since_ms = if step.share.is_some() { self.since_ms(step).await? } else { 0 };
        self.make(&step.second_half(since_ms)).await?;
        Ok(())
    }

    /// One call: whether it changed something. A refusal means that somebody else was quicker.
    async fn make(&mut self, step: &Step) -> Result<bool> {
        let words = step.words();
        let mut command = Cmd::new();
        for word in &words {
            command.arg(word);
        }
        let (address, answer) = self.servers.ask_key(step.key.as_bytes(), &command).await?;
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
        let shifts = self.ask(&step.key, &shifts).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buyers_ask_in_json() {
        let ask = |text: &str| Waiting::of(text.as_bytes(), 4);
        let units = Waiting { order: "o".into(), ask: Ask { bucket: 3, units: 2 }, share: None };
        assert_eq!(ask(r#"["o", 3, 2]"#), Some(units.clone()));
        let share = Share { limit: "region/day/units".into(), values: vec![b"hk".to_vec()] };
        assert_eq!(ask(r#"["o", 3, 2, "region/day/units", ["hk"]]"#), Some(Waiting { share: Some(share), ..units }));
        for bad in ["", "{}", "[]", r#"["o", 4, 1]"#, r#"["o", -1, 1]"#, r#"["o", 0, 0]"#, r#"[1, 0, 1]"#, "\u{0}"] {
            assert_eq!(ask(bad), None, "{bad}");
        }
    }
}
