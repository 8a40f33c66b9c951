//! What the demo asks of the server outside the sale itself: making the pools, and reading them
//! afterwards.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use indicatif::ProgressBar;
use redis::{Client, Cmd, Connection, Value};

use crate::calls;
use crate::scenario::{Scenario, LIMITS};

/// Calls in one pipeline.
const BATCH: usize = 256;

/// The server's day, cut where it is noon now: a sale that runs over midnight would see the limits
/// per day begin anew.
#[derive(Clone, Copy)]
pub struct Day {
    offset_hours: i64,
    number: i64,
}

impl Day {
    pub fn of_server(con: &mut Connection) -> Result<Self> {
        let seconds = server_seconds(con)?;
        let offset_hours = 12 - seconds / 3600 % 24;
        Ok(Self { offset_hours, number: number_of(seconds, offset_hours) })
    }

    pub fn tz(&self) -> String {
        let sign = if self.offset_hours < 0 { '-' } else { '+' };
        format!("{sign}{:02}:00", self.offset_hours.abs())
    }

    pub fn is_still(&self, con: &mut Connection) -> Result<bool> {
        Ok(number_of(server_seconds(con)?, self.offset_hours) == self.number)
    }
}

fn number_of(seconds: i64, offset_hours: i64) -> i64 {
    (seconds + offset_hours * 3600).div_euclid(86_400)
}

fn server_seconds(con: &mut Connection) -> Result<i64> {
    let (seconds, _): (i64, i64) = redis::cmd("TIME").query(con)?;
    Ok(seconds)
}

/// A connection for pipelines of slow calls: more patience than a buyer has.
pub fn connect(client: &Client) -> Result<Connection> {
    let con = calls::connect(client).context("connecting to the server")?;
    con.set_read_timeout(Some(Duration::from_secs(120)))?;
    Ok(con)
}

pub fn has_module(con: &mut Connection) -> Result<bool> {
    let info: Vec<Value> = redis::cmd("COMMAND").arg("INFO").arg("STOCK.RESERVE").query(con)?;
    Ok(!matches!(info.first(), None | Some(Value::Nil)))
}

pub fn open(con: &mut Connection, sale: &Scenario, day: Day, bar: &ProgressBar) -> Result<()> {
    let sets = sale.pools.iter().map(|pool| stock_cmd("SET", &pool.key).arg(pool.stock).arg("NX").to_owned());
    for (at, made) in batched::<Option<String>>(con, sets, bar)?.into_iter().enumerate() {
        ensure!(made.is_some(), "{} exists already", sale.pools[at].key);
    }
    let policies = sale.pools.iter().map(|pool| {
        let limits: Vec<_> = LIMITS
            .iter()
            .zip(pool.max)
            .map(|(rule, max)| {
                let count = if rule.orders { "orders" } else { "units" };
                let mut limit = serde_json::json!({ "by": [sale.dims[rule.dim]], "max": max, "count": count });
                if rule.daily {
                    limit["per"] = "day".into();
                    limit["tz"] = day.tz().into();
                }
                limit
            })
            .collect();
        let policy = serde_json::json!({ "hold": 900, "limits": limits });
        stock_cmd("SETPOLICY", &pool.key).arg(policy.to_string()).to_owned()
    });
    batched::<()>(con, policies, bar)?;
    Ok(())
}

pub fn remove(con: &mut Connection, sale: &Scenario) -> Result<()> {
    let cmds = sale.pools.iter().map(|pool| redis::cmd("UNLINK").arg(&pool.key).to_owned());
    batched::<()>(con, cmds, &ProgressBar::hidden())?;
    Ok(())
}

/// What STOCK.GET says, as far as the proof looks at it.
#[derive(Debug, PartialEq)]
pub struct PoolFacts {
    pub on_hand: i64,
    pub reserved: i64,
    pub available: i64,
    pub sold: i64,
    pub out: i64,
    /// Orders by state: reserved, confirmed, returned, released, expired.
    pub orders: [u64; 5],
}

pub const STATES: [&str; 5] = ["reserved", "confirmed", "returned", "released", "expired"];

pub fn facts(con: &mut Connection, keys: &[&str], bar: &ProgressBar) -> Result<Vec<PoolFacts>> {
    let cmds = keys.iter().map(|key| stock_cmd("GET", key));
    let maps: Vec<HashMap<String, Value>> = batched(con, cmds, bar)?;
    maps.into_iter().map(read_facts).collect()
}

fn read_facts(map: HashMap<String, Value>) -> Result<PoolFacts> {
    let int = |name: &str| -> Result<i64> {
        let value = map.get(name).with_context(|| format!("STOCK.GET has no {name}"))?;
        Ok(redis::from_redis_value(value)?)
    };
    let orders = map.get("orders").context("STOCK.GET has no orders")?;
    let orders: HashMap<String, u64> = redis::from_redis_value(orders)?;
    Ok(PoolFacts {
        on_hand: int("on_hand")?,
        reserved: int("reserved")?,
        available: int("available")?,
        sold: int("sold")?,
        out: int("out")?,
        orders: STATES.map(|state| orders.get(state).copied().unwrap_or(0)),
    })
}

/// Waits until the pools have no open hold, at most so long. Only reads, so that nothing but the
/// clock ends the holds. Answers how many pools still have some.
pub fn wait_for_holds(con: &mut Connection, keys: Vec<&str>, at_most: Duration) -> Result<usize> {
    let until = Instant::now() + at_most;
    let mut open = keys;
    loop {
        let facts = facts(con, &open, &ProgressBar::hidden())?;
        open = open.into_iter().zip(facts).filter(|(_, facts)| facts.reserved != 0).map(|(key, _)| key).collect();
        if open.is_empty() || Instant::now() > until {
            return Ok(open.len());
        }
        sleep(Duration::from_millis(100));
    }
}

/// How many due holds had to be swept by hand: none where the server does so by itself.
pub fn sweep(con: &mut Connection, keys: &[&str]) -> Result<i64> {
    let cmds = keys.iter().map(|key| stock_cmd("SWEEP", key));
    Ok(batched::<i64>(con, cmds, &ProgressBar::hidden())?.into_iter().sum())
}

/// For each pool what STOCK.VERIFY found: nothing where it is OK.
pub fn verify(con: &mut Connection, keys: &[&str], bar: &ProgressBar) -> Result<Vec<Option<String>>> {
    let cmds = keys.iter().map(|key| stock_cmd("VERIFY", key));
    let found = batched::<Value>(con, cmds, bar)?.into_iter();
    Ok(found
        .map(|value| match value {
            Value::Okay => None,
            Value::BulkString(text) if text == b"OK" => None,
            other => Some(format!("{other:?}")),
        })
        .collect())
}

/// The usage of each limit for one buyer: limit and units.
pub fn usage(
    con: &mut Connection,
    sale: &Scenario,
    buyers: &[(u32, [u32; 2])],
    bar: &ProgressBar,
) -> Result<Vec<HashMap<String, i64>>> {
    let cmds = buyers.iter().map(|(pool, who)| {
        let mut cmd = stock_cmd("USAGE", &sale.pools[*pool as usize].key);
        cmd.arg("FOR").arg(sale.dims[0]).arg(who[0]).arg(sale.dims[1]).arg(who[1]);
        cmd
    });
    let lists: Vec<Vec<HashMap<String, Value>>> = batched(con, cmds, bar)?;
    let read = |list: Vec<HashMap<String, Value>>| {
        list.into_iter()
            .map(|map| {
                let field = |name: &str| map.get(name).with_context(|| format!("STOCK.USAGE has no {name}"));
                Ok((redis::from_redis_value(field("limit")?)?, redis::from_redis_value(field("used")?)?))
            })
            .collect()
    };
    lists.into_iter().map(read).collect()
}

fn stock_cmd(name: &str, key: &str) -> Cmd {
    let mut cmd = redis::cmd(&format!("STOCK.{name}"));
    cmd.arg(key);
    cmd
}

fn batched<T: redis::FromRedisValue>(
    con: &mut Connection,
    cmds: impl Iterator<Item = Cmd>,
    bar: &ProgressBar,
) -> Result<Vec<T>> {
    let mut answers = Vec::new();
    let mut cmds = cmds.peekable();
    while cmds.peek().is_some() {
        let mut pipe = redis::pipe();
        cmds.by_ref().take(BATCH).for_each(|cmd| {
            pipe.add_command(cmd);
        });
        let batch: Vec<T> = pipe.query(con)?;
        bar.inc(batch.len() as u64);
        answers.extend(batch);
    }
    Ok(answers)
}
