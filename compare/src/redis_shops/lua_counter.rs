//! The script that shops write first (bench/lua/A.lua): the stock in one step, the rest around it.
//! The order's record is claimed before anything is taken, in one step with the buyer's counter, so
//! that a second click takes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::FutureExt;
use redis::aio::MultiplexedConnection;
use redis::{cmd, pipe};

use super::records::{self, order_key, user_key, Selling, STOCK};
use super::Desks;
use crate::buyers::{Order, Sale};
use crate::shop::{Answer, Stop, Trips, Verdict};

pub struct LuaCounter {
    desks: Desks,
    sale: Arc<Sale>,
    script: String,
}

/// A second click asks what became of the first, later and later, for so long.
const PATIENCE: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

impl LuaCounter {
    pub async fn open(url: &str, workers: usize, sale: Arc<Sale>) -> Result<Self> {
        let desks = Desks::open(url, workers).await?;
        let mut connection = desks.back_office();
        records::stock_up(&mut connection, &sale).await?;
        let text = include_str!("../../../bench/lua/A.lua");
        let script = cmd("SCRIPT").arg("LOAD").arg(text).query_async(&mut connection).await?;
        Ok(Self { desks, sale, script })
    }

    /// What became of the order that another click has claimed.
    async fn wait(
        &self,
        connection: &mut MultiplexedConnection,
        order: &Order,
        trips: &mut Trips,
    ) -> Result<Verdict, Stop> {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        while start.elapsed() < PATIENCE {
            let state: Option<String> = cmd("HGET").arg(order_key(order)).arg("st").query_async(connection).await?;
            trips.trip().await?;
            if state.as_deref() != Some("taking") {
                return Ok(records::verdict_of(state.as_deref()).unwrap_or(Verdict::Refused));
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        Ok(Verdict::Unanswered)
    }
}

impl Selling for LuaCounter {
    fn desks(&self) -> &Desks {
        &self.desks
    }

    fn sell<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict> {
        async move {
            let mut connection = self.desks.desk(desk);
            let mut claim = pipe();
            claim.atomic().cmd("HSETNX").arg(order_key(order)).arg("st").arg("taking");
            claim.cmd("INCRBY").arg(user_key(order)).arg(order.qty);
            let (is_first, used): (bool, i64) = claim.query_async(&mut connection).await?;
            trips.trip().await?;
            let mut undo = pipe();
            undo.atomic().cmd("DECRBY").arg(user_key(order)).arg(order.qty).ignore();
            if !is_first {
                undo.exec_async(&mut connection).await?;
                trips.trip().await?;
                return self.wait(&mut connection, order, trips).await;
            }
            undo.cmd("HSET").arg(order_key(order)).arg("st").arg("over").ignore();
            let mut left = -1;
            if used <= self.sale.max {
                let mut take = cmd("EVALSHA");
                take.arg(&self.script).arg(1).arg(STOCK).arg(order.qty);
                left = take.query_async::<i64>(&mut connection).await?;
                trips.trip().await?;
            }
            if left < 0 {
                undo.exec_async(&mut connection).await?;
                trips.trip().await?;
                return Ok(Verdict::Refused);
            }
            let mut record = pipe();
            records::record(record.atomic(), order, &self.sale);
            record.exec_async(&mut connection).await?;
            trips.trip().await?;
            Ok(Verdict::Held)
        }
        .boxed()
    }
}
