//! redis-stock: one command a step.

use anyhow::Result;
use futures_util::FutureExt;
use redis::{cmd, from_redis_value, Value};

use super::Desks;
use crate::buyers::{Order, Sale};
use crate::shop::{Answer, Shop, Stop, Trips, Verdict};

const KEY: &str = "sku:618";

pub struct Stock {
    desks: Desks,
}

impl Stock {
    /// With `events` every change is an entry of a stream, from which a database can be kept in
    /// step.
    pub async fn open(url: &str, workers: usize, sale: &Sale, events: bool) -> Result<Self> {
        let desks = Desks::open(url, workers).await?;
        let stream = if events { r#","events":"events","events_format":"packed""# } else { "" };
        let (hold, max) = (sale.hold.as_secs(), sale.max);
        let policy = format!(r#"{{"hold":{hold},"limits":[{{"by":["user"],"max":{max}}}]{stream}}}"#);
        let mut connection = desks.back_office();
        cmd("STOCK.SET").arg(KEY).arg(sale.units).exec_async(&mut connection).await?;
        cmd("STOCK.SETPOLICY").arg(KEY).arg(policy).exec_async(&mut connection).await?;
        Ok(Self { desks })
    }

    /// The first word of an answer, and the state behind EXISTS.
    async fn ask(&self, desk: usize, command: &redis::Cmd) -> Result<(String, String), Stop> {
        let mut words = command.query_async::<Vec<Value>>(&mut self.desks.desk(desk)).await?.into_iter();
        let word: String = from_redis_value(words.next().unwrap_or_default()).map_err(redis::RedisError::from)?;
        let state = words.nth(1).and_then(|state| from_redis_value(state).ok()).unwrap_or_default();
        Ok((word, state))
    }
}

impl Shop for Stock {
    fn reserve<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict> {
        async move {
            let mut command = cmd("STOCK.RESERVE");
            command.arg(KEY).arg(&order.id).arg(order.qty).arg("FOR").arg("user").arg(order.user);
            let (word, state) = self.ask(desk, &command).await?;
            trips.trip().await?;
            let held = word == "OK" || word == "EXISTS" && ["reserved", "confirmed"].contains(&state.as_str());
            Ok(if held { Verdict::Held } else { Verdict::Refused })
        }
        .boxed()
    }

    fn pay<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, bool> {
        async move {
            let (word, _) = self.ask(desk, cmd("STOCK.CONFIRM").arg(KEY).arg(&order.id)).await?;
            trips.trip().await?;
            Ok(["OK", "EXISTS"].contains(&word.as_str()))
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, desk: usize, order: &'a Order) -> Answer<'a, ()> {
        async move {
            self.ask(desk, cmd("STOCK.RELEASE").arg(KEY).arg(&order.id)).await?;
            Ok(())
        }
        .boxed()
    }

    fn correct(&self, missing: i64) -> Answer<'_, ()> {
        async move {
            let mut command = cmd("STOCK.ADD");
            command.arg(KEY).arg(-missing).arg("TOKEN").arg("count-of-tonight");
            command.exec_async(&mut self.desks.back_office()).await?;
            Ok(())
        }
        .boxed()
    }

    fn sweep(&self) -> Answer<'_, ()> {
        async { Ok(()) }.boxed()
    }

    fn left(&self) -> Answer<'_, i64> {
        async move {
            let left: Vec<i64> = cmd("STOCK.AVAILABLE").arg(KEY).query_async(&mut self.desks.back_office()).await?;
            Ok(left.into_iter().next().unwrap_or_default())
        }
        .boxed()
    }
}
