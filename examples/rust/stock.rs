//! What every shop writes again around redis-rs: copy it.
//!
//! The cluster client takes the first argument of a command that it does not know for its key. That is right for commands on
//! one pool; a cart's first argument is the order, so its slot is named.

use std::thread::sleep;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterConnection};
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Client, Cmd, Connection, ConnectionLike, ErrorKind, RedisError, RedisResult, Value};

/// A connection that is made again when it breaks.
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
pub enum Shop {
    /// To one server.
    One(Client, Option<Connection>),
    /// To the primaries of a cluster.
    Cluster(ClusterClient, Option<ClusterConnection>),
}

impl Shop {
    /// One server, or a cluster of which `url` is a node.
    pub fn open(url: &str, cluster: bool) -> RedisResult<Shop> {
        Ok(if cluster {
            let client = ClusterClient::builder(vec![url]).response_timeout(Duration::from_millis(500)).build()?;
            Shop::Cluster(client, None)
        } else {
            Shop::One(Client::open(url)?, None)
        })
    }

    /// One command, repeated with the same order id until there is an answer. `key`: the pool, or one of the cart's.
    pub fn call(&mut self, key: &str, command: &Cmd) -> RedisResult<Value> {
        let mut pauses = [20, 100, 500, 1000, 2000].into_iter();
        loop {
            let error = match self.attempt(key, command) {
                Err(error) if is_unsure(&error) => error,
                answer => return answer,
            };
            sleep(Duration::from_millis(pauses.next().ok_or(error)?));
        }
    }

    fn attempt(&mut self, key: &str, command: &Cmd) -> RedisResult<Value> {
        let answer = match self {
            Shop::One(client, known) => {
                let connection = match known {
                    Some(connection) => connection,
                    None => known.insert(client.get_connection()?),
                };
                connection.set_read_timeout(Some(Duration::from_millis(500)))?;
                connection.req_command(command)
            }
            Shop::Cluster(client, known) => {
                let connection = match known {
                    Some(connection) => connection,
                    None => known.insert(client.get_connection()?),
                };
                let route = Route::new(slot_of(key.as_bytes()), SlotAddr::Master);
                let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
                connection.route_command(command, route)
            }
        };
        // The answer of a call that timed out must not be taken for that of the next one.
        if answer.as_ref().is_err_and(RedisError::is_io_error) {
            match self {
                Shop::One(_, connection) => *connection = None,
                Shop::Cluster(_, connection) => *connection = None,
            }
        }
        // An error reply is a value of the protocol here.
        answer.and_then(Value::extract_error)
    }
}

/// Nobody knows whether the call was done, or the node could not serve it just now. The same call again is safe: it carries an
/// order id (STOCK.ADD and STOCK.RETURN QTY: a TOKEN).
fn is_unsure(error: &RedisError) -> bool {
    use ErrorKind::{BusyLoadingError, ClusterConnectionNotFound, ClusterDown, MasterDown, ReadOnly, TryAgain};
    let passes = matches!(
        error.kind(),
        BusyLoadingError | ClusterConnectionNotFound | ClusterDown | MasterDown | ReadOnly | TryAgain
    );
    passes || error.is_io_error()
}

/// The answer of a command that decides something: a refusal is a value.
pub enum Answer {
    /// OK or EXISTS, with what follows the word.
    Done(Vec<Value>),
    /// SOLDOUT, LIMITED, ..., and what follows the word.
    Refused(String, Vec<Value>),
}

/// What the first element of an answer says.
pub fn decided(answer: Value) -> RedisResult<Answer> {
    let (word, rest): (String, Vec<Value>) = match answer {
        Value::Array(mut all) if !all.is_empty() => {
            let rest = all.split_off(1);
            (redis::from_redis_value(&all.remove(0))?, rest)
        }
        other => return Err((ErrorKind::TypeError, "not a decision", format!("{other:?}")).into()),
    };
    Ok(if ["OK", "EXISTS"].contains(&word.as_str()) { Answer::Done(rest) } else { Answer::Refused(word, rest) })
}

/// The slot of a key: CRC16 (XMODEM) of its hash tag.
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&b| b == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|&b| b == b'}').filter(|&len| len > 0).map(|len| &rest[..len])
    });
    let step = |crc: u16| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
    let crc = tag.unwrap_or(key).iter().fold(0, |crc, &b| (0..8).fold(crc ^ (u16::from(b) << 8), |crc, _| step(crc)));
    crc % 16384
}
