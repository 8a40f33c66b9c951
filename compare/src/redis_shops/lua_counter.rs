//! The script that shops write first (bench/lua/A.lua): the stock in one step, the rest around it.
//! The order's record is claimed before anything is taken, so that a second click takes nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures_util::future::BoxFuture;
use futures_util::FutureExt;
use redis::{cmd, pipe};

use super::records::{self, order_key, user_key, Selling, STOCK};
use super::Desks;
use crate::buyers::{Order, Sale};
use crate::shop::{Stop, Trips, Verdict};

pub struct LuaCounter {
    desks: Desks,
    sale: Arc<Sale>,
    script: String,
}

/// So often, and so far apart, a second click asks what became of the first.
const LOOKS: usize = 20;
const PAUSE: Duration = Duration::from_millis(25);

impl LuaCounter {
    pub async fn open(url: &str, workers: usize, sale: Arc<Sale>) -> Result<Self> {
        let desks = Desks::open(url, workers).await?;
        let mut connection = desks.back_office();
        records::stock_up(&mut connection, &sale).await?;
        let text = include_str!("../../../bench/lua/A.lua");
        let script = cmd("SCRIPT").arg("LOAD").arg(text).query_async(&mut connection).await?;
        Ok(Self { desks, sale, script })
    }

    async fn set_state(&self, desk: usize, order: &Order, state: &str) -> Result<(), Stop> {
        cmd("HSET").arg(order_key(order)).arg("st").arg(state).exec_async(&mut self.desks.desk(desk)).await?;
        Ok(())
    }
}

impl Selling for LuaCounter {
    fn desks(&self) -> &Desks {
        &self.desks
    }

    fn sell<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> BoxFuture<'a, Result<Verdict, Stop>> {
        async move {
            let mut connection = self.desks.desk(desk);
            let mut claim = cmd("HSETNX");
            claim.arg(order_key(order)).arg("st").arg("taking");
            let claimed: i64 = claim.query_async(&mut connection).await?;
            trips.trip().await?;
            if claimed == 0 {
                for _ in 0..LOOKS {
                    let state: Option<String> =
                        cmd("HGET").arg(order_key(order)).arg("st").query_async(&mut connection).await?;
                    trips.trip().await?;
                    if state.as_deref() != Some("taking") {
                        return Ok(records::verdict_of(state.as_deref()).unwrap_or(Verdict::Refused));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                return Ok(Verdict::Unanswered);
            }
            let mut take = cmd("EVALSHA");
            take.arg(&self.script).arg(1).arg(STOCK).arg(order.qty);
            let left: i64 = take.query_async(&mut connection).await?;
            trips.trip().await?;
            if left < 0 {
                self.set_state(desk, order, "over").await?;
                trips.trip().await?;
                return Ok(Verdict::Refused);
            }
            let used: i64 = cmd("INCRBY").arg(user_key(order)).arg(order.qty).query_async(&mut connection).await?;
            trips.trip().await?;
            let mut rest = pipe();
            rest.atomic();
            if used > self.sale.max {
                rest.cmd("DECRBY").arg(user_key(order)).arg(order.qty).ignore();
                rest.cmd("INCRBY").arg(STOCK).arg(order.qty).ignore();
                rest.cmd("HSET").arg(order_key(order)).arg("st").arg("over").ignore();
            } else {
                records::record(&mut rest, order, &self.sale);
            }
            rest.exec_async(&mut connection).await?;
            trips.trip().await?;
            Ok(if used > self.sale.max { Verdict::Refused } else { Verdict::Held })
        }
        .boxed()
    }
}
