//! The commands of redis-stock that a shop needs, in Rust: the file to copy.
//!
//! Each call is one command, repeated unchanged until an answer comes. That is safe: the order id
//! makes a repeated call known (`EXISTS`), so nothing is taken twice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    from_redis_value, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, Value,
};

/// For so long one call is repeated while Redis is away. Longer than a restart takes.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// A call that has no answer by then is sent again.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// A pool, and the connection over which it is asked. Clones share the connection.
#[derive(Clone)]
pub struct Stock {
    client: Client,
    connection: ConnectionManager,
    key: String,
}

/// What a command that decides something answers. A refusal is an answer, not an error.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done: the numbers behind `OK`.
    Done(Vec<i64>),
    /// The same call was made before; the order is in this state now.
    Exists(String),
    /// Nothing was done: SOLDOUT, LIMITED, SUSPENDED, EXPIRED, CLOSED, …, and what follows the key.
    Refused(String, Vec<String>),
}

/// What STOCK.ORDER says of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// reserved, confirmed, returned, released or expired.
    pub state: String,
    /// Units of the order.
    pub qty: i64,
    /// Units that came back after the payment.
    pub returned: i64,
    /// When the hold ends, Unix ms; 0 where there is none.
    pub deadline_ms: i64,
}

/// What STOCK.GET says of the pool, as far as the shop shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    /// Units on the shelf that are not paid, held ones too.
    pub on_hand: i64,
    /// Units that open holds have.
    pub reserved: i64,
    /// Units that can be reserved now.
    pub available: i64,
    /// Units sold and not returned.
    pub sold: i64,
    /// Whether STOCK.SUSPEND is in force.
    pub suspended: bool,
    /// When the sale starts and ends, Unix ms; 0 = open.
    pub from_ms: i64,
    /// See `from_ms`.
    pub until_ms: i64,
    /// The history that the pool's changes belong to.
    pub epoch: String,
    /// How many changes the pool has had.
    pub seq: i64,
}

/// One of the limits that apply to a buyer.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Usage {
    /// Its name, such as `user/life/units`.
    pub limit: String,
    /// Units used.
    pub used: i64,
    /// Units allowed; -1 without a limit.
    pub max: i64,
}

impl Stock {
    /// The pool `key` on the server at `url`. Waits at most [`PATIENCE`] for the server.
    pub async fn connect(url: &str, key: &str) -> RedisResult<Self> {
        let client = Client::open(url)?;
        // Retries stand below, where they can be seen. The manager only connects again.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let connection = client.get_connection_manager_lazy(config)?;
        let stock = Self { client, connection, key: key.to_owned() };
        let _: String = stock.ask(&redis::cmd("PING")).await?;
        Ok(stock)
    }

    /// The pool's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// For connections of one's own: subscriptions, blocking reads, and buyers whose connection breaks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// STOCK.RESERVE: holds units of the order for `user` until the pool's deadline.
    pub async fn reserve(&self, order: &str, qty: u32, user: &str) -> RedisResult<Answer> {
        self.decide(&self.reserve_command(order, qty, user)).await
    }

    /// The command of [`Stock::reserve`].
    pub fn reserve_command(&self, order: &str, qty: u32, user: &str) -> Cmd {
        let mut command = self.command("RESERVE");
        command.arg(order).arg(qty).arg("FOR").arg("user").arg(user);
        command
    }

    /// STOCK.CONFIRM: the payment came. `late` also honours one that came after the deadline, if
    /// there still are units.
    pub async fn confirm(&self, order: &str, late: bool) -> RedisResult<Answer> {
        let mut command = self.command("CONFIRM");
        command.arg(order);
        if late {
            command.arg("LATE");
        }
        self.decide(&command).await
    }

    /// STOCK.RELEASE: the buyer gives the order up.
    pub async fn release(&self, order: &str) -> RedisResult<Answer> {
        self.decide(self.command("RELEASE").arg(order)).await
    }

    /// STOCK.RETURN: the goods came back.
    pub async fn give_back(&self, order: &str) -> RedisResult<Answer> {
        self.decide(self.command("RETURN").arg(order)).await
    }

    /// STOCK.ADD: a delivery. Its token makes the call repeatable.
    pub async fn add(&self, units: u32, token: &str) -> RedisResult<Answer> {
        self.decide(self.command("ADD").arg(units).arg("TOKEN").arg(token)).await
    }

    /// STOCK.SUSPEND, or STOCK.RESUME.
    pub async fn suspend(&self, suspended: bool) -> RedisResult<()> {
        self.ask(&self.command(if suspended { "SUSPEND" } else { "RESUME" })).await
    }

    /// STOCK.SCHEDULE: when the sale starts and ends, Unix ms.
    pub async fn schedule(&self, from_ms: i64, until_ms: i64) -> RedisResult<()> {
        self.ask(self.command("SCHEDULE").arg("FROM").arg(from_ms).arg("UNTIL").arg(until_ms)).await
    }

    /// STOCK.ORDER. None: the pool does not know it.
    pub async fn order(&self, order: &str) -> RedisResult<Option<Order>> {
        let fields: Option<HashMap<String, Value>> = self.ask(self.command("ORDER").arg(order)).await?;
        fields.map(|fields| read_order(&fields)).transpose()
    }

    /// STOCK.ORDER of many orders, in one round trip. Not repeated.
    pub async fn orders(&self, orders: &[String]) -> RedisResult<Vec<Option<Order>>> {
        let mut pipe = redis::pipe();
        for order in orders {
            pipe.add_command(self.command("ORDER").arg(order).to_owned());
        }
        let answers: Vec<Option<HashMap<String, Value>>> = pipe.query_async(&mut self.connection.clone()).await?;
        answers.into_iter().map(|fields| fields.map(|fields| read_order(&fields)).transpose()).collect()
    }

    /// STOCK.GET. None: there is no such pool.
    pub async fn pool(&self) -> RedisResult<Option<Pool>> {
        let Some(fields): Option<HashMap<String, Value>> = self.ask(&self.command("GET")).await? else {
            return Ok(None);
        };
        Ok(Some(Pool {
            on_hand: field(&fields, "on_hand")?,
            reserved: field(&fields, "reserved")?,
            available: field(&fields, "available")?,
            sold: field(&fields, "sold")?,
            suspended: field::<i64>(&fields, "suspended")? != 0,
            from_ms: field(&fields, "from_ms")?,
            until_ms: field(&fields, "until_ms")?,
            epoch: field(&fields, "epoch")?,
            seq: field(&fields, "seq")?,
        }))
    }

    /// STOCK.AVAILABLE: what can be reserved now.
    pub async fn available(&self) -> RedisResult<Option<i64>> {
        let left: Vec<Option<i64>> = self.ask(&self.command("AVAILABLE")).await?;
        Ok(left.into_iter().next().flatten())
    }

    /// STOCK.USAGE: the limits that apply to the buyer.
    pub async fn usage(&self, user: &str) -> RedisResult<Vec<Usage>> {
        let command = self.command("USAGE").arg("FOR").arg("user").arg(user).to_owned();
        let limits: Option<Vec<HashMap<String, Value>>> = self.ask(&command).await?;
        let read = |fields: HashMap<String, Value>| -> RedisResult<Usage> {
            Ok(Usage { limit: field(&fields, "limit")?, used: field(&fields, "used")?, max: field(&fields, "max")? })
        };
        limits.unwrap_or_default().into_iter().map(read).collect()
    }

    /// STOCK.RECONCILE … DRYRUN: how far the pool is from what the database says, without what has
    /// moved since the database's last event. None: the pool cannot tell.
    pub async fn drift(&self, on_hand: i64, after: (&str, i64, i64)) -> RedisResult<Option<i64>> {
        let (epoch, seq, out) = after;
        let mut command = self.command("RECONCILE");
        command.arg(on_hand).arg("AFTER").arg(epoch).arg(seq).arg(out).arg("DRYRUN");
        Ok(match self.decide(&command).await? {
            Answer::Done(numbers) => numbers.first().copied(),
            Answer::Exists(_) | Answer::Refused(..) => None,
        })
    }

    /// STOCK.VERIFY: what is inconsistent in the pool. Slow.
    pub async fn verify(&self) -> RedisResult<Vec<String>> {
        match self.ask(&self.command("VERIFY")).await? {
            Value::Array(lines) => Ok(from_redis_value(Value::Array(lines))?),
            _ => Ok(Vec::new()),
        }
    }

    /// Any command about the pool.
    pub fn command(&self, verb: &str) -> Cmd {
        let mut command = redis::cmd(&format!("STOCK.{verb}"));
        command.arg(&self.key);
        command
    }

    async fn decide(&self, command: &Cmd) -> RedisResult<Answer> {
        read_answer(self.ask(command).await?)
    }

    /// One command, repeated until there is an answer, at most for [`PATIENCE`].
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let start = Instant::now();
        loop {
            match command.query_async(&mut self.connection.clone()).await {
                Err(error) if is_unsure(&error) && start.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                answer => return answer,
            }
        }
    }
}

/// Nobody knows whether the call was done, or the server could not serve it just now. The same call
/// again is safe.
pub fn is_unsure(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain};
    let passes =
        matches!(error.kind(), ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | ReadOnly | TryAgain));
    passes || error.is_io_error() || error.is_timeout() || error.is_connection_dropped()
}

/// The first word of an answer says what it is.
pub fn read_answer(value: Value) -> RedisResult<Answer> {
    let mut words = match value {
        Value::Array(words) => words.into_iter(),
        _ => return Err((ErrorKind::UnexpectedReturnType, "not a decision").into()),
    };
    let word: String = from_redis_value(words.next().unwrap_or_default())?;
    Ok(match word.as_str() {
        "OK" => Answer::Done(words.map(from_redis_value).collect::<Result<_, _>>()?),
        // Behind the word stands the key, then the state.
        "EXISTS" => Answer::Exists(from_redis_value(words.nth(1).unwrap_or_default())?),
        _ => Answer::Refused(word, words.skip(1).map(text).collect()),
    })
}

/// A detail of a refusal as text; an array as its parts.
fn text(value: Value) -> String {
    match value {
        Value::Array(parts) => parts.into_iter().map(text).collect::<Vec<_>>().join(" "),
        other => from_redis_value(other).unwrap_or_default(),
    }
}

fn read_order(fields: &HashMap<String, Value>) -> RedisResult<Order> {
    Ok(Order {
        state: field(fields, "state")?,
        qty: field(fields, "qty")?,
        returned: field(fields, "returned")?,
        deadline_ms: field(fields, "deadline_ms")?,
    })
}

fn field<T: FromRedisValue>(fields: &HashMap<String, Value>, name: &'static str) -> RedisResult<T> {
    let value = fields.get(name).ok_or((ErrorKind::UnexpectedReturnType, "a field is missing"))?;
    Ok(from_redis_value(value.clone())?)
}
