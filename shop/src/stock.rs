//! The pool that the shop sells from: the calls of `redis_stock_client` that it needs.
//!
//! Each call is one command, repeated unchanged until an answer comes. That is safe: the order id
//! makes a repeated call known, so nothing is taken twice.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue};
use redis_stock_client as calls;
use redis_stock_client::{by, After, Call, Confirm, Hold, Outcome, Return};
pub use redis_stock_client::{Error, Order, OrderState, Pool, Refused, Usage, Why};

/// For so long one call is repeated while Redis is away. Longer than a restart takes.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// A call that has no answer by then is sent again.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a command that decides something answers. A refusal is an answer, not an error.
pub type Answer = Outcome<()>;

/// A pool, and the connection over which it is asked. Clones share the connection.
#[derive(Clone)]
pub struct Stock {
    client: Client,
    calls: calls::Stock,
    key: String,
}

impl Stock {
    /// The pool `key` on the server at `url`. Waits at most [`PATIENCE`] for the server.
    pub async fn connect(url: &str, key: &str) -> Result<Self, Error> {
        let client = Client::open(url)?;
        // The calls are repeated by their library. The manager only connects again.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        let stock = Self { client, calls: calls::Stock::new(connection).patience(PATIENCE), key: key.to_owned() };
        let _: String = stock.ask(redis::cmd("PING")).await?;
        Ok(stock)
    }

    /// The pool's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// For connections of one's own: subscriptions, blocking reads, and buyers whose connection
    /// breaks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Holds units of the order for `user` until the pool's deadline.
    pub async fn reserve(&self, order: &str, qty: u32, user: &str) -> Result<Answer, Error> {
        let call = calls::reserve(&self.key, order, i64::from(qty), Hold::OfPool, by("user", user));
        self.decide(call).await
    }

    /// The payment came. `late` also honours one that came after the deadline, if there still are
    /// units.
    pub async fn confirm(&self, order: &str, late: bool) -> Result<Answer, Error> {
        self.decide(calls::confirm(&self.key, order, Confirm { late, ..Confirm::default() })).await
    }

    /// The buyer gives the order up.
    pub async fn release(&self, order: &str) -> Result<Answer, Error> {
        self.decide(calls::release(&self.key, order)).await
    }

    /// The goods came back.
    pub async fn give_back(&self, order: &str) -> Result<Answer, Error> {
        self.decide(calls::return_order(&self.key, order, &Return::default())).await
    }

    /// A delivery. Its token makes the call repeatable.
    pub async fn add(&self, units: u32, token: &str) -> Result<Answer, Error> {
        self.decide(calls::add(&self.key, i64::from(units), token)).await
    }

    /// No orders are taken from now on, or are again.
    pub async fn suspend(&self, suspended: bool) -> Result<Answer, Error> {
        let call = if suspended { calls::suspend(&self.key) } else { calls::resume(&self.key) };
        self.calls.call(call).await
    }

    /// When the sale starts and ends, Unix ms.
    pub async fn schedule(&self, from_ms: i64, until_ms: i64) -> Result<Answer, Error> {
        self.calls.call(calls::schedule(&self.key, from_ms, until_ms)).await
    }

    /// Where an order stands. None: the pool does not know it.
    pub async fn order(&self, order: &str) -> Result<Option<Order>, Error> {
        self.calls.call(calls::order(&self.key, order)).await
    }

    /// Where many orders stand, in one round trip.
    pub async fn orders(&self, orders: &[String]) -> Result<Vec<Option<Order>>, Error> {
        let calls = orders.iter().map(|order| calls::order(&self.key, order));
        self.calls.pipeline(calls).await.into_iter().collect()
    }

    /// Everything about the pool. None: there is no such pool.
    pub async fn pool(&self) -> Result<Option<Pool>, Error> {
        self.calls.call(calls::get(&self.key)).await
    }

    /// What can be reserved now.
    pub async fn available(&self) -> Result<Option<i64>, Error> {
        let left = self.calls.call(calls::available(&[&self.key])).await?;
        Ok(left.into_iter().next().flatten())
    }

    /// The limits that apply to the buyer.
    pub async fn usage(&self, user: &str) -> Result<Vec<Usage>, Error> {
        Ok(self.calls.call(calls::usage(&self.key, by("user", user))).await?.unwrap_or_default())
    }

    /// How far the pool is from what the database says, without what has moved since the database's
    /// last event. None: the pool cannot tell.
    pub async fn drift(&self, on_hand: i64, after: &After) -> Result<Option<i64>, Error> {
        Ok(match self.calls.call(calls::reconcile(&self.key, on_hand, Some(after), true)).await? {
            Outcome::Done(found) => Some(found.drift),
            Outcome::Exists(_) | Outcome::Refused(_) => None,
        })
    }

    /// What is inconsistent in the pool. Slow.
    pub async fn verify(&self) -> Result<Vec<String>, Error> {
        let faults = self.calls.call(calls::verify(&self.key)).await?.unwrap_or_default();
        Ok(faults.iter().map(ToString::to_string).collect())
    }

    /// Any other command, repeated until there is an answer.
    pub async fn ask<T: FromRedisValue + 'static>(&self, command: Cmd) -> Result<T, Error> {
        let read =
            |answer: &redis::Value| Ok(redis::from_redis_value(answer.clone()).map_err(redis::RedisError::from)?);
        self.calls.call(Call::new(command, 0, read)).await
    }

    async fn decide<T: 'static>(&self, call: Call<Outcome<T>>) -> Result<Answer, Error> {
        Ok(match self.calls.call(call).await? {
            Outcome::Done(_) => Answer::Done(()),
            Outcome::Exists(order) => Answer::Exists(order),
            Outcome::Refused(no) => Answer::Refused(no),
        })
    }
}
