//! The script that grows out of the first (bench/lua/C2.lua): stock, limit, order and deadline in
//! one step. Payment and the way back are scripts, too.

use std::sync::Arc;

use anyhow::Result;
use futures_util::FutureExt;
use redis::{cmd, from_redis_value, pipe, Pipeline, Value};
use testkit::now_ms;

use super::records::{self, order_key, user_key, DUE, STOCK};
use super::Desks;
use crate::buyers::{Order, Sale};
use crate::shop::{Answer, Shop, Trips, Verdict};

/// KEYS: order, deadlines; ARGV: order id. 1: paid.
const PAY: &str = "
local st = redis.call('HGET', KEYS[1], 'st')
if st == 'paid' then return 1 end
if st ~= 'held' then return 0 end
redis.call('HSET', KEYS[1], 'st', 'paid')
redis.call('ZREM', KEYS[2], ARGV[1])
return 1";

/// KEYS: order, deadlines, stock, the user's counter; ARGV: order id.
const BACK: &str = "
if redis.call('HGET', KEYS[1], 'st') ~= 'held' then return 0 end
local q = redis.call('HGET', KEYS[1], 'q')
redis.call('HSET', KEYS[1], 'st', 'over')
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('INCRBY', KEYS[3], q)
redis.call('DECRBY', KEYS[4], q)
return 1";

/// The counters of a buyer live so long.
const WINDOW_SECONDS: i64 = 86_400;

pub struct LuaC {
    desks: Desks,
    sale: Arc<Sale>,
    reserve: String,
    pay: String,
    back: String,
}

impl LuaC {
    pub async fn open(url: &str, workers: usize, sale: Arc<Sale>) -> Result<Self> {
        let desks = Desks::open(url, workers).await?;
        let mut connection = desks.back_office();
        records::stock_up(&mut connection, &sale).await?;
        let mut loaded = Vec::new();
        for text in [include_str!("../../../bench/lua/C2.lua"), PAY, BACK] {
            let script: String = cmd("SCRIPT").arg("LOAD").arg(text).query_async(&mut connection).await?;
            loaded.push(script);
        }
        let [reserve, pay, back] = <[String; 3]>::try_from(loaded).unwrap_or_default();
        Ok(Self { desks, sale, reserve, pay, back })
    }

    fn give_back(&self, pipe: &mut Pipeline, id: &str) {
        // The id says whose counter it is.
        let user = id.rsplit_once("-u").map_or("", |(_, user)| user);
        let back = pipe.cmd("EVALSHA").arg(&self.back).arg(4);
        back.arg(format!("order:{id}")).arg(DUE).arg(STOCK).arg(format!("user:{user}")).arg(id).ignore();
    }
}

impl Shop for LuaC {
    fn reserve<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict> {
        async move {
            let mut command = cmd("EVALSHA");
            command.arg(&self.reserve).arg(4);
            command.arg(STOCK).arg(order_key(order)).arg(DUE).arg(user_key(order));
            command.arg(&order.id).arg("618").arg(order.qty);
            command.arg(now_ms()).arg(self.sale.hold.as_millis() as i64).arg(WINDOW_SECONDS).arg(self.sale.max);
            let answer: Vec<Value> = command.query_async(&mut self.desks.desk(desk)).await?;
            trips.trip().await?;
            let mut parts = answer.into_iter();
            let code: i64 = from_redis_value(parts.next().unwrap_or_default()).map_err(redis::RedisError::from)?;
            Ok(match code {
                1 => Verdict::Held,
                0 => {
                    let state: Option<String> = parts.next().and_then(|state| from_redis_value(state).ok());
                    records::verdict_of(state.as_deref()).unwrap_or(Verdict::Refused)
                }
                _ => Verdict::Refused,
            })
        }
        .boxed()
    }

    fn pay<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, bool> {
        async move {
            let mut command = cmd("EVALSHA");
            command.arg(&self.pay).arg(2).arg(order_key(order)).arg(DUE).arg(&order.id);
            let paid: i64 = command.query_async(&mut self.desks.desk(desk)).await?;
            trips.trip().await?;
            Ok(paid == 1)
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, desk: usize, order: &'a Order) -> Answer<'a, ()> {
        async move {
            let mut back = pipe();
            self.give_back(&mut back, &order.id);
            Ok(back.exec_async(&mut self.desks.desk(desk)).await?)
        }
        .boxed()
    }

    fn correct(&self, missing: i64) -> Answer<'_, ()> {
        async move { records::correct(&mut self.desks.back_office(), missing).await }.boxed()
    }

    fn sweep(&self) -> Answer<'_, ()> {
        async move {
            let mut connection = self.desks.back_office();
            let mut command = cmd("ZRANGEBYSCORE");
            command.arg(DUE).arg("-inf").arg(now_ms()).arg("LIMIT").arg(0).arg(1_000);
            let due: Vec<String> = command.query_async(&mut connection).await?;
            if !due.is_empty() {
                let mut back = pipe();
                due.iter().for_each(|id| self.give_back(&mut back, id));
                back.exec_async(&mut connection).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn left(&self) -> Answer<'_, i64> {
        async move { records::left(&mut self.desks.back_office()).await }.boxed()
    }
}
