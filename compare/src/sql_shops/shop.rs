//! A shop on a row of the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::FutureExt;
use sqlx::pool::PoolConnection;
use sqlx::{query, query_as, query_scalar, raw_sql, Connection, Transaction};
use testkit::now_ms;

use super::super::{Style, HELD, OVER, PAID, SKU};
use super::{Driver, Options, Pool, TEXTS};
use crate::buyers::{Order, Sale};
use crate::shop::{Answer, Shop, Stop, Trips, Verdict, LOCK_LIVES, PATIENCE};

pub struct SqlShop {
    pool: Pool,
    style: Style,
    sale: Arc<Sale>,
}

type Tx<'a> = Transaction<'a, Driver>;
type Connected = PoolConnection<Driver>;

/// What a transaction came to.
enum Done {
    /// To be committed.
    Taken,
    /// Nothing was changed, or it is rolled back.
    Not,
    /// The order is there already, or it is sold out.
    Known,
}

impl SqlShop {
    pub async fn open(url: &str, style: Style, connections: u32, sale: Arc<Sale>) -> Result<Self> {
        let options = Options::new().min_connections(connections).max_connections(connections);
        // Buyers wait for a connection; that time is theirs, and is measured.
        let pool = options.acquire_timeout(Duration::from_secs(60)).test_before_acquire(false).connect(url).await?;
        for table in TEXTS.tables {
            raw_sql(*table).execute(&pool).await?;
        }
        query(TEXTS.put_stock).bind(SKU).bind(sale.units).execute(&pool).await?;
        Ok(Self { pool, style, sale })
    }

    async fn insert_order(&self, tx: &mut Tx<'_>, order: &Order) -> Result<bool, Stop> {
        let deadline_ms = now_ms() + self.sale.hold.as_millis() as i64;
        let insert = query(TEXTS.insert_order).bind(&order.id).bind(i64::from(order.user)).bind(order.qty);
        let insert = insert.bind(deadline_ms).bind(SKU).bind(order.qty);
        Ok(insert.execute(&mut **tx).await?.rows_affected() == 1)
    }

    /// Counts the units for the buyer, up to the limit.
    async fn use_limit(&self, tx: &mut Tx<'_>, order: &Order, trips: &mut Trips) -> Result<bool, Stop> {
        let user = i64::from(order.user);
        let first = query(TEXTS.use_first).bind(user).bind(order.qty).bind(self.sale.max);
        let mut rows = first.execute(&mut **tx).await?.rows_affected();
        trips.trip().await?;
        if let Some(more) = TEXTS.use_more.filter(|_| rows == 0) {
            let more = query(more).bind(order.qty).bind(user).bind(order.qty).bind(self.sale.max);
            rows = more.execute(&mut **tx).await?.rows_affected();
            trips.trip().await?;
        }
        Ok(rows > 0)
    }

    /// The hot row comes last, so that others wait for it as short as can be.
    async fn conditional(&self, tx: &mut Tx<'_>, order: &Order, trips: &mut Trips) -> Result<Done, Stop> {
        let new = self.insert_order(tx, order).await?;
        trips.trip().await?;
        if !new {
            return Ok(Done::Known);
        }
        if !self.use_limit(tx, order, trips).await? {
            return Ok(Done::Not);
        }
        let take = query(TEXTS.take).bind(order.qty).bind(SKU).bind(order.qty);
        let taken = take.execute(&mut **tx).await?.rows_affected();
        trips.trip().await?;
        Ok(if taken == 1 { Done::Taken } else { Done::Not })
    }

    /// The row is read with `text`, by somebody who has it for himself from then on.
    async fn look_then_take(
        &self,
        tx: &mut Tx<'_>,
        text: &'static str,
        order: &Order,
        trips: &mut Trips,
    ) -> Result<Done, Stop> {
        let left: i64 = query_scalar(text).bind(SKU).fetch_one(&mut **tx).await?;
        trips.trip().await?;
        if left < order.qty {
            // A retry of an order that was accepted finds that, and not the empty shelf.
            return Ok(Done::Known);
        }
        let new = self.insert_order(tx, order).await?;
        trips.trip().await?;
        if !new {
            return Ok(Done::Known);
        }
        if !self.use_limit(tx, order, trips).await? {
            return Ok(Done::Not);
        }
        query(TEXTS.change_stock).bind(-order.qty).bind(SKU).execute(&mut **tx).await?;
        trips.trip().await?;
        Ok(Done::Taken)
    }

    /// All of it in one round trip.
    async fn function(&self, order: &Order, trips: &mut Trips) -> Result<Verdict, Stop> {
        let deadline_ms = now_ms() + self.sale.hold.as_millis() as i64;
        let call = query_scalar(TEXTS.reserve).bind(&order.id).bind(i64::from(order.user)).bind(order.qty);
        let call = call.bind(deadline_ms).bind(self.sale.max).bind(SKU);
        let state: Option<Option<i16>> = call.fetch_optional(&self.pool).await?;
        trips.trip().await?;
        Ok(verdict_of(state.flatten()))
    }

    async fn transaction(&self, connection: &mut Connected, order: &Order, trips: &mut Trips) -> Result<Verdict, Stop> {
        let mut tx = connection.begin().await?;
        trips.trip().await?;
        let done = match self.style {
            Style::Conditional | Style::Function => self.conditional(&mut tx, order, trips).await?,
            Style::ForUpdate => self.look_then_take(&mut tx, TEXTS.lock_stock, order, trips).await?,
            Style::LockTable => self.look_then_take(&mut tx, TEXTS.stock, order, trips).await?,
        };
        if let Done::Taken = done {
            tx.commit().await?;
            trips.trip().await?;
            return Ok(Verdict::Held);
        }
        tx.rollback().await?;
        trips.trip().await?;
        if let Done::Not = done {
            return Ok(Verdict::Refused);
        }
        let state = query_scalar(TEXTS.order_state).bind(&order.id).fetch_optional(&mut **connection).await?;
        trips.trip().await?;
        Ok(verdict_of(state))
    }

    /// The owner of the lock with a connection, so that it waits for none behind those who want the
    /// lock; or None where it was not to be had.
    async fn lock(&self, trips: &mut Trips) -> Result<Option<(Connected, i64)>, Stop> {
        let (owner, start): (i64, _) = (rand::random(), Instant::now());
        while start.elapsed() < PATIENCE {
            let mut connection = self.pool.acquire().await?;
            let lock = query(TEXTS.lock).bind(SKU).bind(owner).bind(now_ms());
            let rows = lock.execute(&mut *connection).await?.rows_affected();
            trips.trip().await?;
            if rows == 1 {
                return Ok(Some((connection, owner)));
            }
            drop(connection);
            tokio::time::sleep(Duration::from_micros(rand::random_range(2_000..10_000))).await;
        }
        Ok(None)
    }

    /// Gives the units of orders back, each once, in one transaction: id, user, units.
    async fn give_back(&self, orders: &[(String, i64, i64)]) -> Result<(), Stop> {
        let mut tx = self.pool.begin().await?;
        // As orders do it, so that the two never wait for each other.
        if self.style == Style::ForUpdate {
            query_scalar::<_, i64>(TEXTS.lock_stock).bind(SKU).fetch_one(&mut *tx).await?;
        }
        let mut back = 0;
        for (id, user, qty) in orders {
            if query(TEXTS.end_order).bind(OVER).bind(id).execute(&mut *tx).await?.rows_affected() == 1 {
                query(TEXTS.change_used).bind(-*qty).bind(*user).execute(&mut *tx).await?;
                back += qty;
            }
        }
        if back == 0 {
            return Ok(tx.rollback().await?);
        }
        query(TEXTS.change_stock).bind(back).bind(SKU).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }
}

/// What a record's state means for the buyer. None: there is no record.
fn verdict_of(state: Option<i16>) -> Verdict {
    if state.is_some_and(|state| [HELD, PAID].contains(&state)) {
        Verdict::Held
    } else {
        Verdict::Refused
    }
}

impl Shop for SqlShop {
    fn reserve<'a>(&'a self, _desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict> {
        async move {
            match self.style {
                Style::Function => return self.function(order, trips).await,
                Style::Conditional | Style::ForUpdate => {
                    let mut connection = self.pool.acquire().await?;
                    return self.transaction(&mut connection, order, trips).await;
                }
                Style::LockTable => {}
            }
            let Some((mut connection, owner)) = self.lock(trips).await? else { return Ok(Verdict::Unanswered) };
            let verdict = match self.transaction(&mut connection, order, trips).await {
                // It lives, and tries again: with the lock given back.
                Err(Stop::Conflict) => Err(Stop::Conflict),
                verdict => Ok(verdict?),
            };
            query(TEXTS.unlock).bind(SKU).bind(owner).execute(&mut *connection).await?;
            trips.trip().await?;
            verdict
        }
        .boxed()
    }

    fn pay<'a>(&'a self, _desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, bool> {
        async move {
            let paid = query(TEXTS.end_order).bind(PAID).bind(&order.id).execute(&self.pool).await?.rows_affected();
            trips.trip().await?;
            if paid == 1 {
                return Ok(true);
            }
            let state: Option<i16> = query_scalar(TEXTS.order_state).bind(&order.id).fetch_optional(&self.pool).await?;
            trips.trip().await?;
            Ok(state == Some(PAID))
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, _desk: usize, order: &'a Order) -> Answer<'a, ()> {
        async move { self.give_back(&[(order.id.clone(), i64::from(order.user), order.qty)]).await }.boxed()
    }

    fn correct(&self, missing: i64) -> Answer<'_, ()> {
        async move {
            query(TEXTS.change_stock).bind(-missing).bind(SKU).execute(&self.pool).await?;
            Ok(())
        }
        .boxed()
    }

    fn sweep(&self) -> Answer<'_, ()> {
        async move {
            if self.style == Style::LockTable {
                let old = now_ms() - LOCK_LIVES.as_millis() as i64;
                query(TEXTS.remove_old_locks).bind(old).execute(&self.pool).await?;
            }
            let due: Vec<(String, i64, i64)> = query_as(TEXTS.due).bind(now_ms()).fetch_all(&self.pool).await?;
            if due.is_empty() {
                return Ok(());
            }
            self.give_back(&due).await
        }
        .boxed()
    }

    fn left(&self) -> Answer<'_, i64> {
        async move { Ok(query_scalar(TEXTS.stock).bind(SKU).fetch_one(&self.pool).await?) }.boxed()
    }
}
