//! Where the servers are: one or several, the primary that sentinels watch, or a cluster; and a
//! connection to each.

mod args;
mod cluster;
mod redirect;
mod sentinel;
mod subscribe;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, RedisError, Value};

use crate::failure::{failed, is_unreachable, unconnected, Failure};
use crate::reply::{bytes, info_field};

pub use args::ConnectArgs;
pub use cluster::{Range, Slots};

const CONNECT: Duration = Duration::from_secs(3);
/// Commands that are sent at once; more would fill the buffers of both sides.
const BULK: usize = 1000;

/// What a server is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// It takes the writes.
    Primary,
    /// It follows a primary.
    Replica,
}

impl Role {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Replica => "replica",
        }
    }
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// host:port, or the path of a socket.
    pub address: String,
    /// What it is.
    pub role: Role,
    /// The address of its primary; of a primary its own. Empty: not known.
    pub primary: String,
}

/// How the servers belong together.
enum Topology {
    /// Each for itself.
    Alone(Vec<Node>),
    /// A primary that sentinels watch, and its replicas.
    Watched(Vec<Node>),
    /// A cluster.
    Cluster(Slots),
}

/// Connections to the servers.
pub struct Servers {
    args: ConnectArgs,
    /// How to connect to the first of them; the others are reached likewise.
    home: ConnectionInfo,
    /// Those that were named, by address.
    named: HashMap<String, ConnectionInfo>,
    topology: Topology,
    open: HashMap<String, MultiplexedConnection>,
}

impl Servers {
    /// Finds the servers.
    ///
    /// # Errors
    /// [`Failure::Refused`]: an address is none, or a server refuses the user or INFO. Else as
    /// [`Servers::discover`].
    pub async fn open(args: &ConnectArgs) -> Result<Servers> {
        let seeds = args.seeds()?;
        let first = seeds.first().context("no address")?.clone();
        let named = seeds.iter().map(|info| (info.addr().to_string(), info.clone())).collect();
        let mut servers = Servers {
            args: args.clone(),
            home: first,
            named,
            topology: Topology::Alone(Vec::new()),
            open: HashMap::new(),
        };
        servers.discover().await?;
        Ok(servers)
    }

    /// Finds the servers again: after a failover, or when slots have moved.
    ///
    /// # Errors
    /// [`Failure::Unreachable`]: none of the addresses answers. [`Failure::Refused`]: one that
    /// answers refuses the user, or a sentinel does not watch the name.
    pub async fn discover(&mut self) -> Result<()> {
        let seeds = self.args.seeds()?;
        if let Some(name) = self.args.sentinel.clone() {
            let found = sentinel::find(&seeds, &name, self.args.patience()).await?;
            self.home = self.args.behind_sentinel(&found.primary)?;
            self.named.clear();
            self.topology = Topology::Watched(found.nodes());
            return Ok(());
        }
        let mut missing = None;
        let mut alone = Vec::new();
        let mut answered = false;
        for seed in &seeds {
            let address = seed.addr().to_string();
            match self.describe(&address).await {
                Ok(info) if info_field(&info, "cluster_enabled") == Some("1") && !self.args.single => {
                    self.home = seed.clone();
                    match self.slots(&address).await {
                        Ok(slots) => {
                            self.topology = Topology::Cluster(slots);
                            return Ok(());
                        }
                        // It loads its data: another node knows as much.
                        Err(error) if is_unreachable(&error) => missing = Some(error),
                        Err(error) => return Err(error),
                    }
                }
                Ok(info) => {
                    let role = match info_field(&info, "role") {
                        Some("slave") => Role::Replica,
                        _ => Role::Primary,
                    };
                    alone.push(Node { primary: String::new(), address, role });
                    answered = true;
                }
                // The others may still have an answer; who asks this one sees that it has none.
                Err(error) if is_unreachable(&error) => {
                    alone.push(Node { primary: String::new(), address, role: Role::Primary });
                    missing = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match missing {
            Some(error) if !answered => Err(error),
            _ => {
                self.topology = Topology::Alone(alone);
                Ok(())
            }
        }
    }

    /// What a server says of its cluster and its role.
    async fn describe(&mut self, address: &str) -> Result<String> {
        let answers = self.ask_many(address, &[info("cluster"), info("replication")]).await?;
        let mut text = String::new();
        for answer in answers {
            text.push_str(&String::from_utf8_lossy(bytes(&whole(address, answer)?)));
            text.push('\n');
        }
        Ok(text)
    }

    async fn slots(&mut self, address: &str) -> Result<Slots> {
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("SLOTS");
        let answer = self.ask(address, &ask).await?;
        Slots::read(&answer, &host(address)).with_context(|| format!("CLUSTER SLOTS of {address}"))
    }

    /// Every server, primaries first.
    pub fn nodes(&self) -> Vec<Node> {
        match &self.topology {
            Topology::Alone(nodes) | Topology::Watched(nodes) => nodes.clone(),
            Topology::Cluster(slots) => slots.nodes(),
        }
    }

    /// Servers that have each pool once: the primaries, or with `--replicas` a replica of each that
    /// has one. Servers that were named one by one are all asked.
    pub fn of_all_pools(&self) -> Vec<Node> {
        self.with_each_pool(self.args.replicas)
    }

    /// The same, with replicas or without.
    pub fn with_each_pool(&self, replicas: bool) -> Vec<Node> {
        let nodes = self.nodes();
        if let Topology::Alone(_) = self.topology {
            return nodes;
        }
        let primaries = nodes.iter().filter(|node| node.role == Role::Primary);
        let stand_in = |primary: &Node| {
            let replica = nodes.iter().find(|n| n.role == Role::Replica && n.primary == primary.address);
            replica.filter(|_| replicas).unwrap_or(primary).clone()
        };
        primaries.map(stand_in).collect()
    }

    /// The logical database.
    pub fn db(&self) -> i64 {
        self.home.redis_settings().db()
    }

    /// Whether there are several servers, so that lines should name theirs.
    pub fn are_several(&self) -> bool {
        self.nodes().len() > 1
    }

    /// One command to a server.
    ///
    /// # Errors
    /// As [`Servers::ask_many`]; an error reply is [`failed`].
    pub async fn ask(&mut self, address: &str, command: &Cmd) -> Result<Value> {
        let answer = self.ask_many(address, std::slice::from_ref(command)).await?.pop();
        whole(address, answer.context("no answer")?)
    }

    /// Commands to a server, pipelined; error replies stand among the answers.
    ///
    /// # Errors
    /// [`Failure::Unreachable`]: the server does not answer. [`Failure::Refused`]: it refuses the
    /// user.
    pub async fn ask_many(&mut self, address: &str, commands: &[Cmd]) -> Result<Vec<Value>> {
        let answers = pipelined(self.connection(address).await?, address, commands).await;
        if answers.is_err() {
            self.open.remove(address);
        }
        answers
    }

    /// The same commands to several servers at once: the answers of each, or why it has none within
    /// `patience`.
    pub async fn ask_each(&mut self, nodes: &[Node], commands: &[Cmd], patience: Duration) -> Vec<Result<Vec<Value>>> {
        let shared = &*self;
        let asked = nodes.iter().map(|node| async move {
            let late = |_| Err(Failure::Unreachable(format!("{} does not answer in time", node.address)).into());
            let one = shared.ask_shared(&node.address, commands);
            tokio::time::timeout(patience, one).await.unwrap_or_else(late)
        });
        let answers = join_all(asked).await;
        self.keep_open(nodes.iter().map(|node| &node.address), answers)
    }

    /// To each of these servers its own commands, pipelined, and to all servers at once: the
    /// answers of each, or why it has none.
    pub async fn ask_batches(&mut self, batches: &[(String, Vec<Cmd>)]) -> Vec<Result<Vec<Value>>> {
        let shared = &*self;
        let asked = batches.iter().map(|(address, commands)| shared.ask_shared(address, commands));
        let answers = join_all(asked).await;
        self.keep_open(batches.iter().map(|(address, _)| address), answers)
    }

    /// As [`Servers::ask_many`], beside others: the connection is for [`Servers::keep_open`].
    async fn ask_shared(&self, address: &str, commands: &[Cmd]) -> Result<(Vec<Value>, MultiplexedConnection)> {
        let mut connection = match self.open.get(address) {
            Some(connection) => connection.clone(),
            None => self.connect(address).await?,
        };
        Ok((pipelined(&mut connection, address, commands).await?, connection))
    }

    /// Keeps the connections that answered, and lets go of those that did not.
    fn keep_open<'s>(
        &mut self,
        addresses: impl Iterator<Item = &'s String>,
        answers: Vec<Result<(Vec<Value>, MultiplexedConnection)>>,
    ) -> Vec<Result<Vec<Value>>> {
        let kept = addresses.zip(answers).map(|(address, answer)| match answer {
            Ok((answers, connection)) => {
                self.open.insert(address.clone(), connection);
                Ok(answers)
            }
            Err(error) => {
                self.open.remove(address);
                Err(error)
            }
        });
        kept.collect()
    }

    async fn connection(&mut self, address: &str) -> Result<&mut MultiplexedConnection> {
        if !self.open.contains_key(address) {
            let opened = self.connect(address).await?;
            self.open.insert(address.to_string(), opened);
        }
        self.open.get_mut(address).context("a connection that was just opened")
    }

    /// How to connect to a server.
    fn way_to(&self, address: &str) -> Result<ConnectionInfo> {
        self.named.get(address).map_or_else(|| another(&self.home, address), |info| Ok(info.clone()))
    }

    fn settings(&self) -> AsyncConnectionConfig {
        settings(self.args.patience())
    }

    async fn connect(&self, address: &str) -> Result<MultiplexedConnection> {
        let info = self.way_to(address)?;
        let mut connection = connect(info, self.settings()).await?;
        // Only so that CLIENT LIST tells who it is: a server that refuses it is as good.
        let mut name = redis::cmd("CLIENT");
        name.arg("SETNAME").arg("stockctl");
        let _ = name.query_async::<()>(&mut connection).await;
        let is_replica = |node: &Node| node.address == address && node.role == Role::Replica;
        if matches!(&self.topology, Topology::Cluster(slots) if slots.nodes().iter().any(is_replica)) {
            // Otherwise it sends every read to its primary.
            let read_only = redis::cmd("READONLY").query_async::<()>(&mut connection).await;
            read_only.map_err(|error| failed(address, &error))?;
        }
        Ok(connection)
    }
}

/// The answers to commands that are sent together; error replies stand among them.
async fn pipelined(connection: &mut MultiplexedConnection, address: &str, commands: &[Cmd]) -> Result<Vec<Value>> {
    let mut answers = Vec::with_capacity(commands.len());
    for some in commands.chunks(BULK) {
        let mut pipeline = Pipeline::with_capacity(some.len());
        for command in some {
            pipeline.add_command(command.clone());
        }
        let sent = connection.send_packed_commands(&pipeline, 0, some.len()).await;
        answers.extend(sent.map_err(|error| failed(address, &error))?);
    }
    Ok(answers)
}

/// `INFO section`.
pub fn info(section: &str) -> Cmd {
    let mut info = redis::cmd("INFO");
    info.arg(section);
    info
}

/// An answer that is no error reply.
///
/// # Errors
/// [`failed`]: [`Failure::Unreachable`] where the server cannot serve at the moment (LOADING,
/// CLUSTERDOWN, …), else [`Failure::Refused`]; both with the address.
pub fn whole(address: &str, answer: Value) -> Result<Value> {
    answer.extract_error().map_err(|error: RedisError| failed(address, &error))
}

/// For so long a connection, and an answer, is waited for.
fn settings(patience: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_response_timeout(Some(patience))
        .set_connection_timeout(Some(CONNECT.min(patience)))
}

/// Connects as the user, in RESP3, where maps are maps.
async fn connect(info: ConnectionInfo, settings: AsyncConnectionConfig) -> Result<MultiplexedConnection> {
    let address = info.addr().to_string();
    let by_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let client = Client::open(info).map_err(|error| failed(&address, &error))?;
    let opened = client.get_multiplexed_async_connection_with_config(&settings).await;
    opened.map_err(|error| unconnected(&address, by_tls, &error))
}

/// Another server of the same kind: with TLS, user and database where this one has them.
fn another(one: &ConnectionInfo, address: &str) -> Result<ConnectionInfo> {
    let (host, port) = address.rsplit_once(':').with_context(|| format!("{address} has no port"))?;
    let (host, port) = (host.to_string(), port.parse().with_context(|| format!("the port of {address}"))?);
    let addr = match one.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    Ok(one.clone().set_addr(addr))
}

/// The host of host:port.
fn host(address: &str) -> String {
    address.rsplit_once(':').map_or(address, |(host, _)| host).to_string()
}
