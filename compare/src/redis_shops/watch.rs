//! WATCH, look, MULTI, take, EXEC; from the beginning when somebody else was faster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::BoxFuture;
use futures_util::FutureExt;
use redis::{pipe, Value};

use super::records::{self, order_key, user_key, STOCK};
use super::Desks;
use crate::buyers::{Order, Sale};
use crate::shop::{Shop, Stop, Trips, Verdict, PATIENCE};

pub struct Watch {
    desks: Desks,
    /// Other transactions have connections of their own: what an order that was refused, or a process
    /// that died, still watches would make them fail.
    tills: Desks,
    sale: Arc<Sale>,
}

impl Watch {
    pub async fn open(url: &str, workers: usize, sale: Arc<Sale>) -> Result<Self> {
        let desks = Desks::open(url, workers).await?;
        let tills = Desks::open(url, workers).await?;
        records::stock_up(&mut tills.back_office(), &sale).await?;
        Ok(Self { desks, tills, sale })
    }
}

impl Shop for Watch {
    fn reserve<'a>(
        &'a self,
        desk: usize,
        order: &'a Order,
        trips: &'a mut Trips,
    ) -> BoxFuture<'a, Result<Verdict, Stop>> {
        async move {
            let mut connection = self.desks.desk(desk);
            let (user, key, start) = (user_key(order), order_key(order), Instant::now());
            let mut tries = 0;
            while start.elapsed() < PATIENCE {
                let mut look = pipe();
                // What an earlier try on this connection left behind is over.
                look.cmd("UNWATCH").ignore();
                look.cmd("WATCH").arg(STOCK).arg(&user).arg(&key).ignore();
                look.get(STOCK).get(&user).hget(&key, "st");
                let (left, used, state): (i64, Option<i64>, Option<String>) = look.query_async(&mut connection).await?;
                trips.trip().await?;
                if let Some(verdict) = records::verdict_of(state.as_deref()) {
                    return Ok(verdict);
                }
                if left < order.qty || used.unwrap_or(0) + order.qty > self.sale.max {
                    return Ok(Verdict::Refused);
                }
                let mut take = pipe();
                take.cmd("MULTI").ignore();
                take.cmd("DECRBY").arg(STOCK).arg(order.qty).ignore();
                take.cmd("INCRBY").arg(&user).arg(order.qty).ignore();
                records::record(&mut take, order, &self.sale);
                take.cmd("EXEC");
                let answers: Vec<Value> = take.query_async(&mut connection).await?;
                trips.trip().await?;
                // EXEC answers nil when a watched key has changed.
                if answers.last() != Some(&Value::Nil) {
                    return Ok(Verdict::Held);
                }
                // Longer and longer, and not all at once.
                tries = (tries + 1).min(5);
                tokio::time::sleep(Duration::from_micros(rand::random_range(0..200 << tries))).await;
            }
            Ok(Verdict::Unanswered)
        }
        .boxed()
    }

    fn pay<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> BoxFuture<'a, Result<bool, Stop>> {
        async move { records::pay(&mut self.tills.desk(desk), order, trips).await }.boxed()
    }

    fn cancel<'a>(&'a self, desk: usize, order: &'a Order) -> BoxFuture<'a, Result<(), Stop>> {
        async move { records::give_back(&mut self.tills.desk(desk), &order.id).await }.boxed()
    }

    fn correct(&self, missing: i64) -> BoxFuture<'_, Result<(), Stop>> {
        async move { records::correct(&mut self.tills.back_office(), missing).await }.boxed()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<(), Stop>> {
        async move { records::sweep(&mut self.tills.back_office()).await }.boxed()
    }

    fn left(&self) -> BoxFuture<'_, Result<i64, Stop>> {
        async move { records::left(&mut self.tills.back_office()).await }.boxed()
    }
}
