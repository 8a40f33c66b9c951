//! The module's commands.

use std::collections::BTreeMap;

use anyhow::{bail, Context, Result};
use redis::{Cmd, Value};

use super::reply::{bytes, decision};
use super::{slot, Fields, RedisClient};
use crate::failure::Failure;
use crate::projection::{Position, State};
use crate::text::{escape, unescape};

/// Keys in one command at most.
const MOST_KEYS: usize = 1000;

/// What STOCK.GET says of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// None: unlimited.
    pub on_hand: Option<i64>,
    /// Units that are never sold; negative: so many may be sold beyond the stock row.
    pub safety: i64,
    /// Net units that left.
    pub out: i64,
    /// In a bucket of a sharded pool: units received from other buckets less units sent to them. No
    /// row of the stock table knows of them.
    pub shifted: i64,
    /// The history.
    pub epoch: String,
    /// The last change.
    pub seq: i64,
    /// For so long finished orders are remembered.
    pub retain_seconds: i64,
    /// For so long paid orders are remembered.
    pub retain_paid_seconds: i64,
    /// The event stream, or empty.
    pub events: String,
}

/// A key that holds something else: one pool's trouble, and no other's.
#[derive(Debug, thiserror::Error)]
#[error("the key is no pool: it holds another type of value")]
pub struct Foreign;

impl Pool {
    pub(super) fn of(value: &Value) -> Result<Option<Pool>> {
        if let Value::ServerError(error) = value {
            if error.code() == "WRONGTYPE" {
                return Err(Foreign.into());
            }
            bail!("STOCK.GET answers {} {}", error.code(), error.details().unwrap_or_default());
        }
        let Some(map) = Fields::of(value) else { return Ok(None) };
        let number = |name: &str| map.number(name).with_context(|| format!("STOCK.GET without {name}"));
        Ok(Some(Pool {
            on_hand: map.number("on_hand").filter(|_| map.number("unlimited") != Some(1)),
            safety: number("safety")?,
            out: number("out")?,
            shifted: map.number("shifted").unwrap_or(0),
            epoch: map.text("epoch").context("STOCK.GET without epoch")?,
            seq: number("seq")?,
            retain_seconds: number("retain_seconds")?,
            retain_paid_seconds: number("retain_paid_seconds")?,
            events: map.get("events").map(bytes).map(|b| escape(&b)).unwrap_or_default(),
        }))
    }
}

/// What STOCK.ORDER says of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where it stands.
    pub state: State,
    /// Units held or bought.
    pub qty: i64,
    /// Paid units that came back.
    pub returned: i64,
    /// Attributes, as JSON.
    pub attributes: String,
}

impl Order {
    fn of(value: &Value) -> Option<Order> {
        let map = Fields::of(value)?;
        let attributes = map.get("for").and_then(Fields::of).map(|attributes| {
            let pairs = attributes.pairs().iter().map(|(name, value)| {
                let text = String::from_utf8_lossy(&bytes(value)).into_owned();
                (name.clone(), serde_json::Value::String(text))
            });
            serde_json::Value::Object(pairs.collect()).to_string()
        });
        Some(Order {
            state: State::of(&map.text("state")?)?,
            qty: map.number("qty")?,
            returned: map.number("returned")?,
            attributes: attributes.filter(|a| a != "{}").unwrap_or_default(),
        })
    }
}

/// A page of a pool's orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Where the next page begins; `0`: there is none.
    pub next: String,
    /// The orders' ids.
    pub ids: Vec<String>,
}

impl Ids {
    fn of(answer: &Value) -> Ids {
        let Value::Array(pair) = answer else { return Ids { next: "0".to_string(), ids: Vec::new() } };
        let next = pair.first().map(bytes).and_then(|b| String::from_utf8(b).ok()).unwrap_or_default();
        let ids = match pair.get(1) {
            Some(Value::Array(flat)) => {
                flat.chunks_exact(2).filter_map(|p| p.first()).map(|id| escape(&bytes(id))).collect()
            }
            _ => Vec::new(),
        };
        Ids { next, ids }
    }
}

/// What STOCK.RECONCILE answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reconciled {
    /// Done: how far the pool was off, and what is on hand now.
    Done {
        /// Units that on_hand was too high.
        drift: i64,
        /// on_hand.
        on_hand: i64,
    },
    /// The pool does not know the epoch.
    Unknown,
    /// There is no pool.
    NoPool,
    /// An answer that names something else.
    Other(String),
}

impl Reconciled {
    pub(super) fn of(value: &Value) -> Reconciled {
        let (word, rest) = decision(value);
        let number = |place: usize| rest.get(place).and_then(|v| redis::from_redis_value::<i64>(v).ok());
        match (word.as_str(), number(0), number(1)) {
            ("OK", Some(drift), Some(on_hand)) => Reconciled::Done { drift, on_hand },
            ("UNKNOWN", ..) => Reconciled::Unknown,
            ("NOPOOL", ..) => Reconciled::NoPool,
            _ => Reconciled::Other(word),
        }
    }
}

pub(super) fn command(name: &str, pool: &str) -> (Vec<u8>, Cmd) {
    let key = unescape(pool);
    let mut command = redis::cmd(name);
    command.arg(&key);
    (key, command)
}

pub(super) fn reconcile(pool: &str, on_hand: i64, position: &Position, dry_run: bool) -> (Vec<u8>, Cmd) {
    let (key, mut call) = command("STOCK.RECONCILE", pool);
    call.arg(on_hand).arg("AFTER").arg(&position.epoch).arg(position.seq).arg(position.out);
    if dry_run {
        call.arg("DRYRUN");
    }
    (key, call)
}

impl RedisClient {
    /// Pools as they are, none for one that is not there. A key that is no pool ends it.
    pub async fn pools(&mut self, pools: &[&str]) -> Result<Vec<Option<Pool>>> {
        let found = self.keys(pools).await?;
        found.into_iter().zip(pools).map(|(found, pool)| found.with_context(|| pool.to_string())).collect()
    }

    /// Pools as they are, where one that is no pool is no trouble of the others.
    pub async fn keys(&mut self, pools: &[&str]) -> Result<Vec<Result<Option<Pool>, Foreign>>> {
        let answers = self.calls(pools.iter().map(|pool| command("STOCK.GET", pool)).collect()).await?;
        let each = answers.iter().zip(pools).map(|(answer, pool)| match Pool::of(answer) {
            Ok(found) => Ok(Ok(found)),
            Err(error) => error.downcast::<Foreign>().map(Err).with_context(|| pool.to_string()),
        });
        each.collect()
    }

    /// STOCK.RECONCILE of many pools.
    pub async fn reconcile(&mut self, calls: &[(&str, i64, &Position)], dry_run: bool) -> Result<Vec<Reconciled>> {
        let commands = calls.iter().map(|(pool, on_hand, position)| reconcile(pool, *on_hand, position, dry_run));
        let answers = self.calls(commands.collect()).await?;
        Ok(answers.iter().map(Reconciled::of).collect())
    }

    /// Orders of one pool, none for one that it does not know, with the pool itself, all at one
    /// moment.
    pub async fn orders(&mut self, pool: &str, orders: &[&str]) -> Result<(Option<Pool>, Vec<Option<Order>>)> {
        let (key, get) = command("STOCK.GET", pool);
        let mut commands = vec![get];
        for order in orders {
            let (_, mut ask) = command("STOCK.ORDER", pool);
            ask.arg(unescape(order));
            commands.push(ask);
        }
        let answers = self.atomically(&key, commands).await?;
        let (first, rest) = answers.split_first().context("no answer")?;
        let pool = Pool::of(first).with_context(|| pool.to_string())?;
        Ok((pool, rest.iter().map(Order::of).collect()))
    }

    /// A page of a pool's orders.
    pub async fn order_ids(&mut self, pool: &str, cursor: &str) -> Result<Ids> {
        let mut pages = self.first_ids(&[pool], cursor).await?;
        pages.pop().context("no answer")
    }

    /// The pages of orders at one cursor, of many pools. Of a key that is no pool: an empty one.
    pub async fn first_ids(&mut self, pools: &[&str], cursor: &str) -> Result<Vec<Ids>> {
        let commands = pools.iter().map(|pool| {
            let (key, mut call) = command("STOCK.ORDERS", pool);
            call.arg(cursor).arg("COUNT").arg(500);
            (key, call)
        });
        let answers = self.calls(commands.collect()).await?;
        let pages = answers.iter().zip(pools).map(|(answer, pool)| match answer {
            Value::ServerError(error) if error.code() != "WRONGTYPE" => {
                bail!("STOCK.ORDERS {pool} answers {} {}", error.code(), error.details().unwrap_or_default())
            }
            answer => Ok(Ids::of(answer)),
        });
        pages.collect()
    }

    /// A command on a pool that answers a status word: the word, and the rest as text.
    pub async fn decide(&mut self, name: &str, pool: &str, arguments: &[Vec<u8>]) -> Result<(String, String)> {
        let (key, mut call) = command(name, pool);
        for argument in arguments {
            call.arg(argument);
        }
        let mut answers = self.calls(vec![(key, call)]).await?;
        let answer = answers.pop().context("no answer")?;
        let (word, rest) = decision(&answer);
        let rest: Vec<String> = rest.iter().map(|v| escape(&bytes(v))).collect();
        Ok((word, rest.join(" ")))
    }

    /// Whether any of these keys is there, in one look for all of a slot. True where this user may
    /// not ask.
    pub async fn has_any(&mut self, pools: &[&str]) -> Result<bool> {
        let mut by_slot: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
        for key in pools.iter().map(|pool| unescape(pool)) {
            let slot = if self.settings.cluster { slot(&key) } else { 0 };
            by_slot.entry(slot).or_default().push(key);
        }
        let calls = by_slot.values().flat_map(|keys| keys.chunks(MOST_KEYS)).map(|keys| {
            let mut call = redis::cmd("EXISTS");
            call.arg(keys);
            (keys.first().cloned().unwrap_or_default(), call)
        });
        let answers = self.calls(calls.collect()).await?;
        Ok(answers.iter().any(|answer| !matches!(answer, Value::Int(0))))
    }

    /// STOCK.SET NX POLICY of many pools: whether each was made. An error of the server ends it.
    pub async fn make_pools(&mut self, pools: &[(&str, i64, &str)]) -> Result<Vec<bool>> {
        let commands = pools.iter().map(|(pool, on_hand, policy)| {
            let (key, mut call) = command("STOCK.SET", pool);
            call.arg(*on_hand).arg("NX").arg("POLICY").arg(*policy);
            (key, call)
        });
        let answers = self.calls(commands.collect()).await?;
        let made = answers.iter().zip(pools).map(|(answer, (pool, ..))| match answer {
            Value::Okay => Ok(true),
            Value::Nil => Ok(false),
            Value::ServerError(error) if error.details() == Some("syntax error") => {
                let text = "the module of the server is older than this program, and does not know POLICY in STOCK.SET";
                Err(Failure::Order(format!("{text}: upgrade it")).into())
            }
            other => bail!("STOCK.SET {pool} answers {}", decision(other).0),
        });
        made.collect()
    }

    /// STOCK.SETPOLICY of many pools.
    pub async fn set_policies(&mut self, policies: &[(&str, &str)]) -> Result<()> {
        let commands = policies.iter().map(|(pool, policy)| {
            let (key, mut call) = command("STOCK.SETPOLICY", pool);
            call.arg(*policy);
            (key, call)
        });
        let answers = self.calls(commands.collect()).await?;
        for (answer, (pool, _)) in answers.iter().zip(policies) {
            if !matches!(answer, Value::Okay) {
                bail!("STOCK.SETPOLICY {pool} answers {}", decision(answer).0);
            }
        }
        Ok(())
    }

    /// Whether the server has the module with everything that this program needs.
    pub async fn has_module(&mut self) -> Result<bool> {
        let mut ask = redis::cmd("COMMAND");
        ask.arg("INFO").arg("STOCK.RESERVE").arg("STOCK.RECONCILE");
        let answer = self.call(b"", ask).await?;
        Ok(matches!(&answer, Value::Array(items) if items.iter().all(|i| !matches!(i, Value::Nil))))
    }
}
