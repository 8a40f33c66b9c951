//! What the designs without a script of their own share: the keys, an order's record, payment and
//! the way back. Whoever removes an order from the list of deadlines decides about it, so that
//! payment, cancellation and the end of the hold never meet.

use anyhow::Result;
use futures_util::FutureExt;
use redis::aio::MultiplexedConnection;
use redis::{cmd, pipe, Pipeline};
use testkit::now_ms;

use super::Desks;
use crate::buyers::{Order, Sale};
use crate::shop::{Answer, Shop, Stop, Trips, Verdict};

pub const STOCK: &str = "stock";
/// What the database says is on the shelf: a key plays the database's column.
pub const ON_HAND: &str = "on_hand";
/// Orders by their deadline.
pub const DUE: &str = "due";

/// A design that sells in its own way, and shares the rest.
pub trait Selling: Send + Sync {
    /// The connections for the rest.
    fn desks(&self) -> &Desks;

    /// Whether a payment is booked in [`ON_HAND`], too: for who sets the counter by it.
    fn keeps_books(&self) -> bool {
        false
    }

    /// [`Shop::reserve`].
    fn sell<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict>;

    /// [`Shop::correct`].
    fn correct(&self, missing: i64) -> Answer<'_, ()> {
        async move { correct(&mut self.desks().back_office(), missing).await }.boxed()
    }
}

impl<S: Selling> Shop for S {
    fn reserve<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, Verdict> {
        self.sell(desk, order, trips)
    }

    fn pay<'a>(&'a self, desk: usize, order: &'a Order, trips: &'a mut Trips) -> Answer<'a, bool> {
        async move { pay(&mut self.desks().desk(desk), order, self.keeps_books(), trips).await }.boxed()
    }

    fn cancel<'a>(&'a self, desk: usize, order: &'a Order) -> Answer<'a, ()> {
        async move { give_back(&mut self.desks().desk(desk), std::slice::from_ref(&order.id)).await }.boxed()
    }

    fn correct(&self, missing: i64) -> Answer<'_, ()> {
        Selling::correct(self, missing)
    }

    fn sweep(&self) -> Answer<'_, ()> {
        async move { sweep(&mut self.desks().back_office()).await }.boxed()
    }

    fn left(&self) -> Answer<'_, i64> {
        async move { left(&mut self.desks().back_office()).await }.boxed()
    }
}

/// What two calls, or a transaction, look at first: the stock, what the user has, and what became
/// of the order.
pub fn look(pipe: &mut Pipeline, order: &Order) {
    pipe.get(STOCK).get(user_key(order)).hget(order_key(order), "st");
}

/// What [`look`] answers. The verdict, where nothing is to be taken.
pub fn looked((left, used, state): Look, order: &Order, sale: &Sale) -> Option<Verdict> {
    let refused = left < order.qty || used.unwrap_or(0) + order.qty > sale.max;
    verdict_of(state.as_deref()).or(refused.then_some(Verdict::Refused))
}

/// The stock, the units of the user, and the state of the order.
pub type Look = (i64, Option<i64>, Option<String>);

pub fn user_key(order: &Order) -> String {
    format!("user:{}", order.user)
}

pub fn order_key(order: &Order) -> String {
    format!("order:{}", order.id)
}

pub async fn stock_up(connection: &mut MultiplexedConnection, sale: &Sale) -> Result<()> {
    pipe().set(STOCK, sale.units).ignore().set(ON_HAND, sale.units).ignore().exec_async(connection).await?;
    Ok(())
}

/// What a record's state means for the buyer who asks again. None: there is no record.
pub fn verdict_of(state: Option<&str>) -> Option<Verdict> {
    state.map(|state| if ["held", "paid"].contains(&state) { Verdict::Held } else { Verdict::Refused })
}

/// Adds the order's record and deadline.
pub fn record(pipe: &mut Pipeline, order: &Order, sale: &Sale) {
    let deadline_ms = now_ms() + sale.hold.as_millis() as i64;
    pipe.cmd("HSET").arg(order_key(order)).arg("st").arg("held").arg("qty").arg(order.qty).arg("user");
    pipe.arg(order.user).ignore();
    pipe.cmd("ZADD").arg(DUE).arg(deadline_ms).arg(&order.id).ignore();
}

async fn pay(
    connection: &mut MultiplexedConnection,
    order: &Order,
    books: bool,
    trips: &mut Trips,
) -> Result<bool, Stop> {
    let key = order_key(order);
    let state: Option<String> = cmd("HGET").arg(&key).arg("st").query_async(connection).await?;
    trips.trip().await?;
    if state.as_deref() != Some("held") {
        return Ok(state.as_deref() == Some("paid"));
    }
    let mut booking = pipe();
    booking.atomic().cmd("ZREM").arg(DUE).arg(&order.id);
    booking.cmd("HSET").arg(&key).arg("st").arg("paid").ignore();
    if books {
        booking.cmd("DECRBY").arg(ON_HAND).arg(order.qty).ignore();
    }
    let (removed,): (i64,) = booking.query_async(connection).await?;
    trips.trip().await?;
    if removed == 0 {
        // The hold ended between the two: the payment is undone.
        let mut undo = pipe();
        undo.atomic().cmd("HSET").arg(&key).arg("st").arg("over").ignore();
        if books {
            undo.cmd("INCRBY").arg(ON_HAND).arg(order.qty).ignore();
        }
        undo.exec_async(connection).await?;
    }
    Ok(removed == 1)
}

/// Gives the units of orders back, each once: three round trips for all of them.
async fn give_back(connection: &mut MultiplexedConnection, ids: &[String]) -> Result<(), Stop> {
    let mut remove = pipe();
    for id in ids {
        remove.cmd("ZREM").arg(DUE).arg(id);
    }
    let removed: Vec<bool> = remove.query_async(connection).await?;
    let keys: Vec<String> =
        ids.iter().zip(removed).filter(|(_, removed)| *removed).map(|(id, _)| format!("order:{id}")).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let mut look = pipe();
    for key in &keys {
        look.cmd("HMGET").arg(key).arg("qty").arg("user");
    }
    let found: Vec<(i64, i64)> = look.query_async(connection).await?;
    let mut back = pipe();
    back.atomic();
    for (key, (qty, user)) in keys.iter().zip(found) {
        back.cmd("INCRBY").arg(STOCK).arg(qty).ignore();
        back.cmd("DECRBY").arg(format!("user:{user}")).arg(qty).ignore();
        back.cmd("HSET").arg(key).arg("st").arg("over").ignore();
    }
    back.exec_async(connection).await?;
    Ok(())
}

/// Gives back what is due.
async fn sweep(connection: &mut MultiplexedConnection) -> Result<(), Stop> {
    loop {
        let mut command = cmd("ZRANGEBYSCORE");
        command.arg(DUE).arg("-inf").arg(now_ms()).arg("LIMIT").arg(0).arg(100);
        let due: Vec<String> = command.query_async(connection).await?;
        if due.is_empty() {
            return Ok(());
        }
        give_back(connection, &due).await?;
    }
}

pub async fn correct(connection: &mut MultiplexedConnection, missing: i64) -> Result<(), Stop> {
    cmd("DECRBY").arg(STOCK).arg(missing).exec_async(connection).await?;
    Ok(())
}

pub async fn left(connection: &mut MultiplexedConnection) -> Result<i64, Stop> {
    Ok(cmd("GET").arg(STOCK).query_async(connection).await?)
}
