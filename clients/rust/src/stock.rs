use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::aio::ConnectionManager;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{RedisError, RedisResult, Value};

use crate::calls::Call;
use crate::error::{Class, Error};

/// How long one call may take with its repeats, unless [`Stock::patience`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Makes calls. A clone is cheap and shares the connection.
#[derive(Clone)]
pub struct Stock {
    wire: Wire,
    patience: Duration,
}

#[derive(Clone)]
enum Wire {
    One(ConnectionManager),
    Cluster { connection: ClusterConnection, replicas: bool },
}

impl Stock {
    /// Over one server.
    pub fn new(connection: ConnectionManager) -> Stock {
        Stock { wire: Wire::One(connection), patience: PATIENCE }
    }

    /// Over a cluster.
    pub fn cluster(connection: ClusterConnection) -> Stock {
        Stock { wire: Wire::Cluster { connection, replicas: false }, patience: PATIENCE }
    }

    /// How long one call may take with its repeats.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Stock {
        Stock { patience, ..self }
    }

    /// Reads go to replicas: of a cluster whose `ClusterClientBuilder` has a
    /// `read_routing_strategy`.
    #[must_use]
    pub fn reads_from_replicas(mut self) -> Stock {
        if let Wire::Cluster { replicas, .. } = &mut self.wire {
            *replicas = true;
        }
        self
    }

    /// Makes one call.
    ///
    /// # Errors
    /// Error replies, and no answer within the time limit. A refusal is a value.
    pub async fn call<T: 'static>(&self, call: Call<T>) -> Result<T, Error> {
        let answer = match self.wire.send(&call).await {
            Ok(answer) => answer,
            Err(error) => self.again(&call, error).await?,
        };
        call.decode(&answer)
    }

    /// All calls at once, over all nodes: a result for each. What got no answer is sent again by
    /// itself, so calls that follow from each other do not belong into one pipeline. Calls of
    /// different types: [`Call::map`], or `tokio::join!` of [`Stock::call`].
    pub async fn pipeline<T: 'static>(&self, calls: impl IntoIterator<Item = Call<T>>) -> Vec<Result<T, Error>> {
        join_all(calls.into_iter().map(|call| self.call(call))).await
    }

    /// Repeats what nobody is sure of.
    async fn again<T>(&self, call: &Call<T>, mut error: Error) -> Result<Value, Error> {
        let end = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        while error.class == Class::Unsure && Instant::now() + pause < end {
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(2 * pause);
            error = match self.wire.send(call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
        }
        Err(error)
    }
}

impl Wire {
    /// One attempt. The connection is a handle, which is cloned for it.
    async fn send<T>(&self, call: &Call<T>) -> Result<Value, Error> {
        let answer: RedisResult<Value> = match self {
            Wire::One(connection) => connection.clone().send_packed_command(&call.command).await,
            Wire::Cluster { connection, replicas } => {
                let node = if call.reads && *replicas { SlotAddr::ReplicaOptional } else { SlotAddr::Master };
                let route = SingleNodeRoutingInfo::SpecificNode(Route::with_key(call.key(), node));
                connection.clone().route_command(call.command.clone(), RoutingInfo::SingleNode(route)).await
            }
        };
        // Errors within an array, those of a batch, stay where they are.
        Ok(match answer? {
            Value::ServerError(error) => Err(RedisError::from(error))?,
            answer => answer,
        })
    }
}
