//! A Redis with the module.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use redis::{Connection, Value};

use super::{free_port, wait_until};

pub struct RedisServer {
    pub dir: tempfile::TempDir,
    pub port: u16,
    args: Vec<String>,
    child: Child,
}

/// The module under test: STOCK_MODULE, or the library that cargo built beside this test.
fn module() -> PathBuf {
    if let Some(path) = std::env::var_os("STOCK_MODULE") {
        return path.into();
    }
    let path = std::env::current_exe().expect("the path of this test").with_file_name("libredis_stock.so");
    assert!(path.exists(), "no module at {}: set STOCK_MODULE", path.display());
    path
}

fn spawn(dir: &std::path::Path, port: u16, args: &[String]) -> Child {
    let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    let log: File = OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("a log");
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir", "."])
        .args(["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"])
        .args(args)
        .arg("--loadmodule")
        .arg(module())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log"))
        .stderr(log);
    command.spawn().expect("redis-server")
}

impl RedisServer {
    pub fn start(args: &[&str]) -> RedisServer {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let args: Vec<String> = args.iter().map(|a| a.to_string()).collect();
        let child = spawn(dir.path(), port, &args);
        let mut server = RedisServer { dir, port, args, child };
        server.wait();
        server
    }

    /// A sentinel that watches a primary called `shop`.
    pub fn sentinel(primary: u16) -> RedisServer {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let config = dir.path().join("sentinel.conf");
        let text = format!("port {port}\nbind 127.0.0.1\nsentinel monitor shop 127.0.0.1 {primary} 1\n");
        std::fs::write(&config, text).expect("a configuration");
        let log = File::create(dir.path().join("log")).expect("a log");
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let mut command = Command::new(program);
        command
            .arg(&config)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log);
        let child = command.spawn().expect("a sentinel");
        RedisServer { dir, port, args: Vec::new(), child }
    }

    pub fn wait(&mut self) {
        wait_until("Redis answers", || {
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "Redis ended:\n{}", self.log());
            self.try_connect().is_some_and(|mut c| redis::cmd("PING").query::<String>(&mut c).is_ok())
        });
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub fn try_connect(&self) -> Option<Connection> {
        let connection = redis::Client::open(self.url()).expect("a URL").get_connection().ok()?;
        connection.set_read_timeout(Some(std::time::Duration::from_secs(20))).ok()?;
        Some(connection)
    }

    pub fn connect(&self) -> Connection {
        self.try_connect().expect("a connection")
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGKILL or SHUTDOWN; nothing is started again.
    pub fn stop(&mut self) {
        let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").query::<Value>(&mut self.connect());
        let _ = self.child.wait();
    }

    pub fn start_again(&mut self) {
        self.child = spawn(self.dir.path(), self.port, &self.args);
        self.wait();
    }

    /// Follows `primary`, until everything is here.
    pub fn replicate(&self, primary: &RedisServer) {
        let mut c = self.connect();
        run(&mut c, &["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
        self.catch_up(primary);
    }

    pub fn catch_up(&self, primary: &RedisServer) {
        let offset = |c: &mut Connection, name: &str| -> i64 {
            let info: String = redis::cmd("INFO").arg("replication").query(c).expect("INFO");
            let up = name == "master_repl_offset" || info.contains("master_link_status:up");
            let found = info.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok());
            found.filter(|_| up).unwrap_or(-1)
        };
        let goal = offset(&mut primary.connect(), "master_repl_offset");
        wait_until("the replica catches up", || offset(&mut self.connect(), "slave_repl_offset") >= goal);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let log = self.log();
        let crashed = ["REDIS BUG REPORT", "ASSERTION FAILED", "panicked"].iter().any(|word| log.contains(word));
        if crashed && !std::thread::panicking() {
            panic!("Redis crashed:\n{log}");
        }
    }
}

/// A command of words.
#[track_caller]
pub fn run(connection: &mut Connection, words: &[&str]) -> Value {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(connection).unwrap_or_else(|e| panic!("{words:?}: {e}"))
}

/// The status word of an answer.
pub fn word(value: &Value) -> String {
    let first = match value {
        Value::Array(items) => items.first().cloned().unwrap_or(Value::Nil),
        other => other.clone(),
    };
    redis::from_redis_value(&first).unwrap_or_default()
}

/// A field of STOCK.GET.
#[track_caller]
pub fn field(connection: &mut Connection, pool: &str, name: &str) -> i64 {
    let answer = run(connection, &["STOCK.GET", pool]);
    let fields = stock_ledger::redis_client::Fields::of(&answer).unwrap_or_else(|| panic!("no pool {pool}"));
    fields.number(name).unwrap_or_else(|| panic!("{pool} has no number {name}"))
}
