//! WATCH, look, MULTI, take, EXEC; from the beginning when somebody else was faster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::FutureExt;
use redis::{pipe, Value};

use super::records::{self, order_key, user_key, Look, Selling, STOCK};
use super::Desks;
use crate::buyers::{Order, Sale};
use crate::shop::{Answer, Trips, Verdict, PATIENCE};

pub struct Watch {
    desks: Desks,
    /// Who watches has connections of its own: what an order that was refused, or a process that
    /// died, still watches would make other transactions fail.
    watching: Desks,
    sale: Arc<Sale>,
}

impl Watch {
    pub async fn open(url: &str, workers: usize, sale: Arc<Sale>) -> Result<Self> {
        let watching = Desks::open(url, workers).await?;
        let desks = Desks::open(url, workers).await?;
        records::stock_up(&mut desks.back_office(), &sale).await?;
        Ok(Self { desks, watching, sale })
    }
}

impl Selling for Watch {
    fn desks(&self) -> &Desks {
        &self.desks
    }

    fn sell<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict> {
        async move {
            let mut connection = self.watching.desk(desk);
            let (user, key, start) = (user_key(order), order_key(order), Instant::now());
            let mut tries = 0;
            while start.elapsed() < PATIENCE {
                let mut look = pipe();
                // What an earlier try on this connection left behind is over.
                look.cmd("UNWATCH").ignore();
                look.cmd("WATCH").arg(STOCK).arg(&user).arg(&key).ignore();
                records::look(&mut look, order);
                let found: Look = look.query_async(&mut connection).await?;
                trips.trip().await?;
                if let Some(verdict) = records::looked(found, order, &self.sale) {
                    return Ok(verdict);
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
}
