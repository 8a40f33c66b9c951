//! GET, then DECR: two calls, and what they took too much is put back. Everything that the answers
//! tell is used: the counter, the buyer's own, and whether another click has written the record.

use std::sync::Arc;

use anyhow::Result;
use futures_util::FutureExt;
use redis::{cmd, pipe};

use super::records::{self, order_key, user_key, Look, Selling, DUE, ON_HAND, STOCK};
use super::Desks;
use crate::buyers::{Order, Sale};
use crate::shop::{Answer, Trips, Verdict};

pub struct GetDecr {
    desks: Desks,
    sale: Arc<Sale>,
    /// Every night the counter is set to what the database says; otherwise it is lowered by what is
    /// missing, as in the other designs.
    refill: bool,
}

impl GetDecr {
    pub async fn open(url: &str, workers: usize, sale: Arc<Sale>, refill: bool) -> Result<Self> {
        let desks = Desks::open(url, workers).await?;
        records::stock_up(&mut desks.back_office(), &sale).await?;
        Ok(Self { desks, sale, refill })
    }
}

impl Selling for GetDecr {
    fn desks(&self) -> &Desks {
        &self.desks
    }

    fn keeps_books(&self) -> bool {
        self.refill
    }

    fn sell<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict> {
        async move {
            let mut connection = self.desks.desk(desk);
            let user = user_key(order);
            let mut look = pipe();
            records::look(&mut look, order);
            let found: Look = look.query_async(&mut connection).await?;
            trips.trip().await?;
            if let Some(verdict) = records::looked(found, order, &self.sale) {
                return Ok(verdict);
            }
            let mut take = pipe();
            take.atomic().cmd("DECRBY").arg(STOCK).arg(order.qty);
            take.cmd("INCRBY").arg(&user).arg(order.qty);
            take.cmd("HSETNX").arg(order_key(order)).arg("st").arg("held");
            let (left, used, is_first): (i64, i64, bool) = take.query_async(&mut connection).await?;
            trips.trip().await?;
            let taken = left >= 0 && used <= self.sale.max;
            if !is_first || !taken {
                let mut refill = pipe();
                refill.atomic().cmd("INCRBY").arg(STOCK).arg(order.qty).ignore();
                refill.cmd("DECRBY").arg(&user).arg(order.qty).ignore();
                if is_first {
                    refill.cmd("HSET").arg(order_key(order)).arg("st").arg("over").ignore();
                }
                refill.cmd("HGET").arg(order_key(order)).arg("st");
                let (state,): (String,) = refill.query_async(&mut connection).await?;
                trips.trip().await?;
                return Ok(records::verdict_of(Some(&state)).unwrap_or(Verdict::Refused));
            }
            let mut record = pipe();
            records::record(record.atomic(), order, &self.sale);
            record.exec_async(&mut connection).await?;
            trips.trip().await?;
            Ok(Verdict::Held)
        }
        .boxed()
    }

    /// The nightly job: `SET stock = on_hand - unpaid`.
    fn correct(&self, missing: i64) -> Answer<'_, ()> {
        async move {
            let mut connection = self.desks.back_office();
            if !self.refill {
                return records::correct(&mut connection, missing).await;
            }
            let mut read = pipe();
            read.cmd("DECRBY").arg(ON_HAND).arg(missing);
            read.cmd("ZRANGE").arg(DUE).arg(0).arg(-1);
            let (on_hand, unpaid): (i64, Vec<String>) = read.query_async(&mut connection).await?;
            let mut quantities = pipe();
            for id in &unpaid {
                quantities.hget(format!("order:{id}"), "qty");
            }
            let quantities: Vec<i64> = quantities.query_async(&mut connection).await?;
            let stock = on_hand - quantities.iter().sum::<i64>();
            cmd("SET").arg(STOCK).arg(stock).exec_async(&mut connection).await?;
            Ok(())
        }
        .boxed()
    }
}
