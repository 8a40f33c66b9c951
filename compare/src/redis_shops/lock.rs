//! A distributed lock around the sale: SET NX PX with a token, and the usual script that only its
//! owner's release counts. Inside of it everything is looked at, and then taken; the release goes
//! with what is taken, in one round trip.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::FutureExt;
use redis::aio::MultiplexedConnection;
use redis::{cmd, pipe, Pipeline};

use super::records::{self, user_key, Look, Selling, STOCK};
use super::Desks;
use crate::buyers::{Order, Sale};
use crate::shop::{Answer, Stop, Trips, Verdict, LOCK_LIVES, PATIENCE};

const LOCK: &str = "lock";
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

pub struct Lock {
    desks: Desks,
    sale: Arc<Sale>,
    release: String,
}

impl Lock {
    pub async fn open(url: &str, workers: usize, sale: Arc<Sale>) -> Result<Self> {
        let desks = Desks::open(url, workers).await?;
        let mut connection = desks.back_office();
        records::stock_up(&mut connection, &sale).await?;
        let release = cmd("SCRIPT").arg("LOAD").arg(RELEASE).query_async(&mut connection).await?;
        Ok(Self { desks, sale, release })
    }

    /// The token, or None where the lock was not to be had.
    async fn take(&self, connection: &mut MultiplexedConnection, trips: &mut Trips) -> Result<Option<u64>, Stop> {
        let (token, start): (u64, _) = (rand::random(), Instant::now());
        while start.elapsed() < PATIENCE {
            let mut command = cmd("SET");
            command.arg(LOCK).arg(token).arg("NX").arg("PX").arg(LOCK_LIVES.as_millis() as u64);
            let taken: Option<String> = command.query_async(connection).await?;
            trips.trip().await?;
            if taken.is_some() {
                return Ok(Some(token));
            }
            tokio::time::sleep(Duration::from_micros(rand::random_range(1_000..5_000))).await;
        }
        Ok(None)
    }

    fn release(&self, pipe: &mut Pipeline, token: u64) {
        pipe.cmd("EVALSHA").arg(&self.release).arg(1).arg(LOCK).arg(token).ignore();
    }

    /// What the owner of the lock does, who gives it back with it.
    async fn sell(
        &self,
        connection: &mut MultiplexedConnection,
        token: u64,
        order: &Order,
        trips: &mut Trips,
    ) -> Result<Verdict, Stop> {
        let user = user_key(order);
        let mut look = pipe();
        records::look(&mut look, order);
        let found: Look = look.query_async(connection).await?;
        trips.trip().await?;
        let mut take = pipe();
        if let Some(verdict) = records::looked(found, order, &self.sale) {
            self.release(&mut take, token);
            take.exec_async(connection).await?;
            trips.trip().await?;
            return Ok(verdict);
        }
        take.atomic().cmd("DECRBY").arg(STOCK).arg(order.qty).ignore();
        take.cmd("INCRBY").arg(&user).arg(order.qty).ignore();
        records::record(&mut take, order, &self.sale);
        self.release(&mut take, token);
        take.exec_async(connection).await?;
        trips.trip().await?;
        Ok(Verdict::Held)
    }
}

impl Selling for Lock {
    fn desks(&self) -> &Desks {
        &self.desks
    }

    fn sell<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict> {
        async move {
            let mut connection = self.desks.desk(desk);
            let Some(token) = self.take(&mut connection, trips).await? else { return Ok(Verdict::Unanswered) };
            self.sell(&mut connection, token, order, trips).await
        }
        .boxed()
    }
}
