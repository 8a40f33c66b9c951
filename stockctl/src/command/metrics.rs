//! `stockctl metrics`: the figures for Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::Router;
use redis::{Cmd, Value};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::connect::{ConnectArgs, Servers};
use crate::exposition::{self, Exposition};
use crate::failure::{error_chain, Ended, Failure};
use crate::figures;
use crate::reply::int;
use crate::snapshot::{Seen, Snapshot, TopBy};
use crate::text::escape;

/// A server that answers later than this is lost for this scrape. Prometheus waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(4);
/// Scrapes that come faster get the same answer: no number of scrapers is a load for the servers.
const FRESH: Duration = Duration::from_millis(900);
/// After so long the servers are looked for again, should the cluster have new ones.
const REDISCOVER: Duration = Duration::from_secs(60);
/// Different errors of named pools and streams that are said.
const MOST_SAID: usize = 100;

/// Serve the figures of all servers to Prometheus, at /metrics, in OpenMetrics
///
/// Every server of a cluster or behind Sentinel has a label `node`. A server that does not answer
/// has `stock_up` 0; the exporter goes on. It needs the user `exporter` of
/// docs/operating/deploy.md.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9127")]
    listen: SocketAddr,
    /// Series of their own for the hottest so many pools of each server
    #[arg(long, value_name = "POOLS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=384))]
    top: u16,
    /// and of this pool, also when nobody asks for it; several times for several
    #[arg(long = "pool", value_name = "KEY")]
    pools: Vec<OsString>,
    /// The backlog of this event stream; several times for several
    #[arg(long = "stream", value_name = "KEY")]
    streams: Vec<OsString>,
    /// Write the figures to standard output once, and end
    #[arg(long)]
    once: bool,
}

/// Serves until SIGTERM.
///
/// # Errors
/// [`Failure::Refused`]: `cannot listen on …`, or an address of `--url` is none. With `--once` as
/// [`Servers::open`].
pub async fn run(args: Args, connect: &ConnectArgs) -> Result<Ended> {
    let once = args.once;
    let listen = args.listen;
    let mut exporter = Exporter::new(args, connect.clone())?;
    if once {
        exporter.servers = Some(Servers::open(connect).await?);
        let text = exporter.scrape().await?;
        println!("{}", text.trim_end());
        return Ok(Ended::Well);
    }
    let refused = |error| Failure::Refused(format!("cannot listen on {listen}: {error}"));
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let at = listener.local_addr().map_err(refused)?;
    println!("Figures at http://{at}/metrics");
    let shared = Arc::new(Mutex::new(exporter));
    let routes = Router::new()
        .route("/", get(async || Html("<a href=\"/metrics\">stockctl: the figures of redis-stock</a>\n")))
        .route("/metrics", get(answer))
        .with_state(shared);
    axum::serve(listener, routes).with_graceful_shutdown(stopped()).await?;
    Ok(Ended::Well)
}

/// Waits for SIGTERM or SIGINT.
async fn stopped() {
    let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn answer(State(exporter): State<Arc<Mutex<Exporter>>>) -> impl IntoResponse {
    let mut exporter = exporter.lock().await;
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], exporter.fresh().await)
}

struct Exporter {
    args: Args,
    connect: ConnectArgs,
    /// None: they could not be found yet.
    servers: Option<Servers>,
    discovered: Instant,
    /// Something has moved or is lost: look for the servers before the next scrape.
    stale: bool,
    last: Option<(Instant, String)>,
    /// What was said of pools and streams that `--pool` and `--stream` name: once, and not with
    /// each scrape.
    said: BTreeSet<String>,
}

impl Exporter {
    fn new(args: Args, connect: ConnectArgs) -> Result<Exporter> {
        connect.addresses()?;
        Ok(Exporter {
            args,
            connect,
            servers: None,
            discovered: Instant::now(),
            stale: false,
            last: None,
            said: BTreeSet::new(),
        })
    }

    /// The text of now, or of a moment ago.
    async fn fresh(&mut self) -> String {
        if let Some((at, text)) = &self.last {
            if at.elapsed() < FRESH {
                return text.clone();
            }
        }
        let text = match self.scrape().await {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{}", error_chain(&error));
                self.nobody()
            }
        };
        self.last = Some((Instant::now(), text.clone()));
        text
    }

    /// Says what is wrong with a pool or a stream, the first time.
    fn say(&mut self, text: String) {
        if self.said.len() < MOST_SAID && self.said.insert(text.clone()) {
            eprintln!("{text}");
        }
    }

    /// What is said where no server could be asked.
    fn nobody(&self) -> String {
        let mut all = Exposition::default();
        for address in self.connect.addresses().unwrap_or_default() {
            figures::lost(&mut all, &address);
        }
        all.text()
    }

    async fn scrape(&mut self) -> Result<String> {
        let late = || Failure::Unreachable("the servers could not be found in time".to_string());
        let mut servers = match self.servers.take() {
            Some(servers) => servers,
            None => tokio::time::timeout(PATIENCE, Servers::open(&self.connect)).await.map_err(|_| late())??,
        };
        if self.stale || self.discovered.elapsed() > REDISCOVER {
            // What was known is still worth asking.
            let _ = tokio::time::timeout(PATIENCE, servers.discover()).await;
            (self.stale, self.discovered) = (false, Instant::now());
        }
        let text = self.figures(&mut servers).await;
        self.servers = Some(servers);
        Ok(text)
    }

    async fn figures(&mut self, servers: &mut Servers) -> String {
        let mut all = Exposition::default();
        let hot = (self.args.top > 0).then_some((TopBy::Calls, self.args.top.into()));
        let snapshot = Snapshot::take(servers, hot, PATIENCE).await;
        figures::of_servers(&mut all, &snapshot);
        for (_, seen) in &snapshot.nodes {
            if let Seen::Lost(why) = seen {
                eprintln!("{why}");
                self.stale = true;
            }
        }
        for (address, keys) in self.pools(servers, &snapshot) {
            let keys: Vec<Vec<u8>> = keys.into_iter().collect();
            let Ok(answers) = tokio::time::timeout(PATIENCE, ask_pools(servers, &address, &keys)).await else {
                continue;
            };
            for (key, answers) in keys.iter().zip(answers.unwrap_or_default().chunks_exact(2)) {
                let [pool, stats] = answers else { continue };
                let named = || self.args.pools.iter().any(|named| named.as_bytes() == key);
                match pool {
                    Value::ServerError(error) if error.code() == "MOVED" => self.stale = true,
                    Value::ServerError(error) if named() => {
                        let text = format!("{} {}", error.code(), error.details().unwrap_or_default());
                        self.say(format!("--pool {}: {address} answers {text}", escape(key)));
                    }
                    Value::Nil if named() => self.say(format!("--pool {}: there is no such pool", escape(key))),
                    Value::ServerError(_) | Value::Nil => {}
                    pool => figures::of_pool(&mut all, &address, key, pool, stats),
                }
            }
        }
        for stream in self.args.streams.clone() {
            let asked = tokio::time::timeout(PATIENCE, ask_stream(servers, stream.as_bytes())).await;
            match asked {
                Ok(Ok((address, entries, groups))) => {
                    figures::of_stream(&mut all, &address, stream.as_bytes(), entries, &groups);
                }
                Ok(Err(error)) => self.say(format!("--stream {}: {}", escape(stream.as_bytes()), error_chain(&error))),
                Err(_) => {}
            }
        }
        all.text()
    }

    /// The pools with series of their own, by the server that is asked for them.
    fn pools(&self, servers: &Servers, snapshot: &Snapshot) -> BTreeMap<String, BTreeSet<Vec<u8>>> {
        let mut asked: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for (node, figures) in snapshot.figures() {
            let hot = figures.hot.iter().filter(|hot| hot.exists && hot.db == servers.db());
            asked.entry(node.address.clone()).or_default().extend(hot.map(|hot| hot.key.clone()));
        }
        for key in self.args.pools.iter().map(|key| key.as_bytes().to_vec()) {
            match servers.home_of(&key) {
                Ok(address) => _ = asked.entry(address).or_default().insert(key),
                // Servers that do not belong together: whichever has it.
                Err(_) => {
                    for node in servers.of_all_pools() {
                        asked.entry(node.address).or_default().insert(key.clone());
                    }
                }
            }
        }
        asked
    }
}

/// STOCK.GET and STOCK.STATS of each.
async fn ask_pools(servers: &mut Servers, address: &str, keys: &[Vec<u8>]) -> Result<Vec<Value>> {
    let ask = |name: &str, key: &Vec<u8>| {
        let mut ask = redis::cmd(name);
        ask.arg(key);
        ask
    };
    let commands: Vec<Cmd> =
        keys.iter().flat_map(|key| ["STOCK.GET", "STOCK.STATS"].map(|name| ask(name, key))).collect();
    servers.ask_many(address, &commands).await
}

/// Who has the stream, its length, and its groups.
async fn ask_stream(servers: &mut Servers, stream: &[u8]) -> Result<(String, i64, Value)> {
    let mut length = redis::cmd("XLEN");
    length.arg(stream);
    let (address, length) = servers.ask_key(stream, &length).await?;
    let entries = int(&length).unwrap_or_default();
    let mut groups = redis::cmd("XINFO");
    groups.arg("GROUPS").arg(stream);
    // A stream that is not there has no groups; that is an error of XINFO.
    let groups = if entries == 0 {
        servers.ask_key(stream, &groups).await.map_or(Value::Nil, |(_, groups)| groups)
    } else {
        servers.ask_key(stream, &groups).await?.1
    };
    Ok((address, entries, groups))
}
