//! The processes behind the shop: a private redis-server, stock-ledger and the workers. Each can be
//! killed, and is started again.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use tokio::process::{Child, Command};
use tokio::sync::{watch, Notify};

/// The programs by what they are.
pub struct Backstage {
    /// redis-server with the module.
    pub redis: Arc<Program>,
    /// `stock-ledger run`.
    pub ledger: Arc<Program>,
    /// The workers of the order queue.
    pub workers: Vec<Arc<Program>>,
}

/// A program that is started again when it ends, as long as it is wanted.
pub struct Program {
    name: String,
    path: PathBuf,
    args: Vec<String>,
    dir: PathBuf,
    /// Between its end and the next start.
    pause: Duration,
    wanted: watch::Sender<bool>,
    kill: Notify,
    running: AtomicBool,
}

impl Backstage {
    /// Which of them run, by name.
    pub fn running(&self) -> BTreeMap<&str, bool> {
        let all = [&self.redis, &self.ledger].into_iter().chain(&self.workers);
        all.map(|program| (program.name.as_str(), program.running.load(Ordering::Relaxed))).collect()
    }
}

impl Program {
    /// Starts it, and keeps it running. What it says goes to `NAME.log` in `dir`.
    pub fn start(name: &str, path: &Path, args: Vec<String>, dir: &Path, pause: Duration) -> Arc<Self> {
        let program = Arc::new(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            args,
            dir: dir.to_owned(),
            pause,
            wanted: watch::Sender::new(true),
            kill: Notify::new(),
            running: AtomicBool::new(false),
        });
        tokio::spawn(program.clone().supervise());
        program
    }

    /// kill -9. It is started again after its pause.
    pub fn kill(&self) {
        self.kill.notify_waiters();
    }

    /// Whether it shall run: if not, it is killed and stays away.
    pub fn want(&self, wanted: bool) {
        self.wanted.send_replace(wanted);
    }

    async fn supervise(self: Arc<Self>) {
        let mut wanted = self.wanted.subscribe();
        while wanted.wait_for(|wanted| *wanted).await.is_ok() {
            match self.spawn() {
                Ok(mut child) => {
                    // Waiting would close it, and a worker takes that for the shop's end.
                    let input = child.stdin.take();
                    self.running.store(true, Ordering::Relaxed);
                    tokio::select! {
                        _ = child.wait() => {}
                        () = self.kill.notified() => {}
                        _ = wanted.wait_for(|wanted| !*wanted) => {}
                    }
                    // Fails only where it has ended by itself.
                    let _ = child.kill().await;
                    drop(input);
                    self.running.store(false, Ordering::Relaxed);
                }
                Err(error) => eprintln!("{error:#}"),
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    fn spawn(&self) -> Result<Child> {
        let log = self.dir.join(format!("{}.log", self.name));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        Command::new(&self.path)
            .args(&self.args)
            .current_dir(&self.dir)
            // A worker ends when the shop does, however that ends: its input is gone then.
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.path.display()))
    }
}

/// A port of 127.0.0.1 that is free now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// How redis-server is started: on loopback, with every write on the disk before it is answered, so
/// that kill -9 loses nothing.
pub fn redis_args(port: u16, module: &Path) -> Result<Vec<String>> {
    let module = module.canonicalize().with_context(|| format!("no module at {}: make build", module.display()))?;
    let port = port.to_string();
    let args = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    let more = ["--notify-keyspace-events", "Ed", "--maxclients", "10000", "--loadmodule"];
    let all = args.into_iter().chain(more).map(str::to_owned);
    Ok(all.chain([module.to_string_lossy().into_owned()]).collect())
}

/// Runs a command of stock-ledger to its end.
pub async fn ledger(program: &Path, dir: &Path, args: Vec<String>) -> Result<()> {
    let output = Command::new(program).args(&args).current_dir(dir).stdin(Stdio::null()).output().await?;
    ensure!(output.status.success(), "{}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A connection, when the server takes calls.
pub async fn wait_for_redis(url: &str, dir: &Path) -> Result<redis::aio::MultiplexedConnection> {
    let client = redis::Client::open(url)?;
    for _ in 0..300 {
        if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
            if redis::cmd("PING").exec_async(&mut connection).await.is_ok() {
                return Ok(connection);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = std::fs::read_to_string(dir.join("redis.log")).unwrap_or_default();
    bail!("redis-server does not answer. Its log:\n{log}")
}
