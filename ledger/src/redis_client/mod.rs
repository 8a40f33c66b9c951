//! Redis, through the protocol only: one server, one behind Sentinel, or a cluster.

mod connect;
mod lineage;
pub mod pools;
mod reader;
mod reply;
mod slots;
pub mod streams;
mod tls;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{anyhow, bail, Context, Result};
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline, RedisError, RedisResult, Value};
use tokio::task::unconstrained;

use crate::config;
use crate::failure::Failure;
use crate::text::unescape;

use connect::{address, beside, connect, unreachable};

pub use crate::wire::Field;
pub use reader::Reader;
pub use reply::Fields;
pub use slots::slot;

const BULK: usize = 1000;
/// So many of these are with one server: it works on the next one while the answers of the one
/// before are read. They are sent in order.
const SENT_AHEAD: usize = 2;
const REDIRECTS: usize = 8;

/// Connections to wherever the pools are.
pub struct RedisClient {
    settings: config::Redis,
    info: ConnectionInfo,
    open: HashMap<String, MultiplexedConnection>,
    /// In a cluster: who has which slots.
    slots: Vec<slots::Range>,
}

impl RedisClient {
    /// Connects, and finds the primary or the nodes.
    pub async fn open(settings: &config::Redis) -> Result<RedisClient> {
        let mut last = anyhow!("no address");
        for url in std::iter::once(&settings.url).chain(&settings.more) {
            let info = url.as_str().into_connection_info().with_context(|| "redis.url is not a Redis URL")?;
            let mut redis = RedisClient { settings: settings.clone(), info, open: HashMap::new(), slots: Vec::new() };
            match redis.begin().await {
                Ok(()) => return Ok(redis),
                Err(error) => last = error,
            }
        }
        Err(if last.downcast_ref::<Failure>().is_some() { last } else { unreachable(format!("{last:#}")) })
    }

    async fn begin(&mut self) -> Result<()> {
        if !self.settings.sentinel.is_empty() {
            self.info = self.ask_sentinel().await?;
        }
        let home = address(&self.info.addr);
        self.connection(&home).await?;
        if self.settings.cluster {
            self.learn_slots(&home).await?;
        }
        Ok(())
    }

    /// Asks the sentinel for the primary.
    async fn ask_sentinel(&self) -> Result<ConnectionInfo> {
        // The logical database is one of the primary: a sentinel has none.
        let mut at = self.info.clone();
        at.redis.db = 0;
        let mut sentinel = connect(&at).await?;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("get-master-addr-by-name").arg(&self.settings.sentinel);
        let answer: Option<(String, u16)> = ask.query_async(&mut sentinel).await.map_err(unreachable)?;
        let Some((host, port)) = answer else { bail!("the sentinel does not watch {}", self.settings.sentinel) };
        let mut info = self.info.clone();
        info.addr = beside(&self.info.addr, host, port);
        if let Some((user, password)) = self.settings.login.split_once(':') {
            info.redis.username = (!user.is_empty()).then(|| user.to_string());
            info.redis.password = Some(password.to_string());
        } else {
            info.redis.username = None;
            info.redis.password = None;
        }
        Ok(info)
    }

    /// The logical database that the connections are in.
    pub fn db(&self) -> i64 {
        self.info.redis.db
    }

    /// How to connect to a node.
    fn node(&self, at: &str) -> Result<ConnectionInfo> {
        let mut info = self.info.clone();
        if address(&info.addr) != at {
            let (host, port) = at.rsplit_once(':').context("a node without a port")?;
            info.addr = beside(&info.addr, host.to_string(), port.parse()?);
        }
        Ok(info)
    }

    /// A connection of its own that reads one stream.
    pub async fn reader(&self, stream: &str) -> Result<Reader> {
        Reader::open(&self.node(&self.home_of(&unescape(stream)))?, stream).await
    }

    async fn connection(&mut self, at: &str) -> Result<&mut MultiplexedConnection> {
        if !self.open.contains_key(at) {
            let connection = connect(&self.node(at)?).await?;
            self.open.insert(at.to_string(), connection);
        }
        self.open.get_mut(at).context("a connection that was just opened")
    }

    async fn learn_slots(&mut self, from: &str) -> Result<()> {
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("SLOTS");
        let host = from.rsplit_once(':').map(|(host, _)| host.to_string()).unwrap_or_default();
        let connection = self.connection(from).await?;
        let answer: Value = ask.query_async(connection).await.map_err(unreachable)?;
        self.slots = slots::ranges(&answer, &host)?;
        Ok(())
    }

    fn home_of(&self, key: &[u8]) -> String {
        if self.settings.cluster {
            let slot = slots::slot(key);
            let found = self.slots.iter().find(|r| r.first <= slot && slot <= r.last);
            if let Some(range) = found {
                return range.node.clone();
            }
        }
        address(&self.info.addr)
    }

    /// One command on a key. An error of the server is an error.
    pub async fn call(&mut self, key: &[u8], command: Cmd) -> Result<Value> {
        let mut answers = self.calls(vec![(key.to_vec(), command)]).await?;
        let answer = answers.pop().context("no answer")?;
        if let Value::ServerError(error) = &answer {
            bail!("Redis answers {} {}", error.code(), error.details().unwrap_or_default());
        }
        Ok(answer)
    }

    /// Many commands, each on a key, pipelined; answers in the same order. Errors of the server
    /// stand among the answers.
    pub async fn calls(&mut self, mut commands: Vec<(Vec<u8>, Cmd)>) -> Result<Vec<Value>> {
        let mut answers: Vec<Value> = vec![Value::Nil; commands.len()];
        let mut open: Vec<usize> = (0..commands.len()).collect();
        for round in 0..REDIRECTS {
            let mut by_node: HashMap<String, Vec<usize>> = HashMap::new();
            if !self.settings.cluster {
                by_node.insert(address(&self.info.addr), std::mem::take(&mut open));
            }
            for index in open.drain(..) {
                let key = commands.get(index).map(|(key, _)| key.as_slice()).unwrap_or_default();
                by_node.entry(self.home_of(key)).or_default().push(index);
            }
            for (node, indexes) in by_node {
                let mut sent = FuturesOrdered::new();
                let mut rest = indexes.chunks(BULK);
                for some in indexes.chunks(BULK) {
                    for next in rest.by_ref().take(SENT_AHEAD - sent.len()) {
                        // Only a cluster may want them once more.
                        let pipeline = pipeline_of(&mut commands, next, self.settings.cluster);
                        // What has used its turn up would be woken in reverse order: no turns here.
                        sent.push_back(unconstrained(send(self.connection(&node).await?.clone(), pipeline)));
                    }
                    let given = sent.next().await.context("an answer for each pipeline")?;
                    let given = given.map_err(|error| self.lost(&node, error))?;
                    for (index, answer) in some.iter().zip(given) {
                        if self.settings.cluster && is_elsewhere(&answer) {
                            open.push(*index);
                        }
                        if let Some(unanswered) = answers.get_mut(*index) {
                            *unanswered = answer;
                        }
                    }
                }
            }
            if open.is_empty() {
                return Ok(answers);
            }
            // Slots are on the move: look again, and be patient.
            tokio::time::sleep(Duration::from_millis(50 << round)).await;
            let nodes: Vec<String> = self.open.keys().cloned().collect();
            for node in nodes {
                if self.learn_slots(&node).await.is_ok() {
                    break;
                }
                self.open.remove(&node);
            }
        }
        Ok(answers)
    }

    async fn send(&mut self, node: &str, pipeline: Pipeline) -> Result<Vec<Value>> {
        let connection = self.connection(node).await?.clone();
        send(connection, pipeline).await.map_err(|error| self.lost(node, error))
    }

    /// A connection that has failed is not used again.
    fn lost(&mut self, node: &str, error: RedisError) -> anyhow::Error {
        self.open.remove(node);
        unreachable(error)
    }

    /// MULTI, the commands, EXEC on one key's server: their answers.
    pub async fn atomically(&mut self, key: &[u8], commands: Vec<Cmd>) -> Result<Vec<Value>> {
        let node = self.home_of(key);
        let count = commands.len();
        let mut pipeline = Pipeline::with_capacity(count + 2);
        pipeline.cmd("MULTI");
        for command in commands {
            pipeline.add_command(command);
        }
        pipeline.cmd("EXEC");
        match self.send(&node, pipeline).await?.pop() {
            Some(Value::Array(answers)) if answers.len() == count => Ok(answers),
            other => bail!("EXEC answers {other:?}"),
        }
    }

    /// The time of the server that has a key, in milliseconds since 1970.
    pub async fn time_ms(&mut self, key: &[u8]) -> Result<i64> {
        let mut ask = redis::cmd("INFO");
        ask.arg("server");
        let node = self.home_of(key);
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(ask);
        let answer = self.send(&node, pipeline).await?;
        let text: String = answer.first().and_then(|v| redis::from_redis_value(v).ok()).unwrap_or_default();
        let time_us = text.lines().find_map(|line| line.strip_prefix("server_time_usec:")?.trim().parse::<i64>().ok());
        Ok(time_us.context("INFO without server_time_usec")? / 1000)
    }

    /// What names the history of the server that has a key, and how many entries of streams it
    /// could not write since its start.
    ///
    /// A process and how often it has become primary: while neither changes, nobody else's data
    /// came in. The replication id would change also where a copy is drawn of a primary that has no
    /// replica (`redis-cli --rdb`), so it serves only where the module does not count promotions.
    ///
    /// # Errors
    /// `Failure::Unreachable`: the server does not answer, or is a replica. An answer without role
    /// or run id is an error of exit code 1.
    pub async fn history(&mut self, key: &[u8]) -> Result<History> {
        let mut info = redis::cmd("INFO");
        info.arg("server").arg("replication").arg("stock");
        let node = self.home_of(key);
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(info);
        let answers = self.send(&node, pipeline).await?;
        let text: String = answers.first().and_then(|v| redis::from_redis_value(v).ok()).unwrap_or_default();
        let find = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let field = |name: &str| find(name).with_context(|| format!("INFO without {name}"));
        if field("role")? != "master" {
            return Err(unreachable("the server is a replica"));
        }
        let term = match find("stock_promotions") {
            Some(promotions) => format!("promotion {promotions}"),
            None => field("master_replid")?.to_string(),
        };
        let dropped = find("stock_events_dropped").and_then(|n| n.parse().ok()).unwrap_or(0);
        Ok(History { name: format!("{}:{term}", field("run_id")?), dropped })
    }
}

/// The commands of these indexes, which stay where they are if `keep` says so.
fn pipeline_of(commands: &mut [(Vec<u8>, Cmd)], indexes: &[usize], keep: bool) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(indexes.len());
    for index in indexes {
        if let Some((_, command)) = commands.get_mut(*index) {
            let kept = if keep { command.clone() } else { Cmd::default() };
            pipeline.add_command(std::mem::replace(command, kept));
        }
    }
    pipeline
}

async fn send(mut connection: MultiplexedConnection, pipeline: Pipeline) -> RedisResult<Vec<Value>> {
    let count = pipeline.cmd_iter().count();
    connection.send_packed_commands(&pipeline, 0, count).await
}

/// See [`RedisClient::history`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Names it.
    pub name: String,
    /// Entries that could not be written.
    pub dropped: i64,
}

fn is_elsewhere(answer: &Value) -> bool {
    let Value::ServerError(error) = answer else { return false };
    ["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"].contains(&error.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tokio makes a task that has done much wait, and wakes what waits in reverse order.
    #[tokio::test]
    async fn pipelines_are_sent_in_order_whatever_the_task_has_done_before() {
        let server = testkit::Server::on_port(&[]);
        let url = format!("redis://127.0.0.1:{}", server.port());
        let mut redis =
            RedisClient::open(&config::Redis { url, ..config::Redis::default() }).await.expect("it is there");
        for done in 0..=128 {
            tokio::task::yield_now().await;
            for _ in 0..done {
                tokio::task::consume_budget().await;
            }
            let push = |number: usize| (b"k".to_vec(), redis::cmd("RPUSH").arg("k").arg(number).to_owned());
            let lengths = redis.calls((1..=2 * BULK).map(push).collect()).await.expect("answers");
            let in_order: Vec<Value> = (1..=2 * BULK as i64).map(Value::Int).collect();
            assert!(lengths == in_order, "after {done} the first one found {:?}", lengths.first());
            redis.call(b"k", redis::cmd("DEL").arg("k").to_owned()).await.expect("an answer");
        }
    }
}
