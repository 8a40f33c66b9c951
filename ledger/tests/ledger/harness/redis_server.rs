//! A Redis with the module, spoken to through the client library that stock-ledger has, too.

use redis::{Connection, Value};
use testkit::Server;

pub struct RedisServer {
    pub server: Server,
    pub port: u16,
}

impl RedisServer {
    pub fn start(args: &[&str]) -> RedisServer {
        // As a server has it by default: long runs need the pings.
        let usual = ["--repl-ping-replica-period", "10", "--appendfsync", "everysec"];
        let server = Server::on_port(&[&usual[..], args].concat());
        let port = server.port();
        RedisServer { server, port }
    }

    pub fn url(&self) -> String {
        url(self.port)
    }

    pub fn try_connect(&self) -> Option<Connection> {
        try_connect(self.port)
    }

    pub fn connect(&self) -> Connection {
        self.try_connect().expect("a connection")
    }

    /// Another primary, which has everything up to now and nothing from now on.
    pub fn fork(&self) -> Self {
        let fork = Self::start(&[]);
        fork.replicate(self);
        run(&mut fork.connect(), &["REPLICAOF", "NO", "ONE"]);
        fork
    }

    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// SHUTDOWN; nothing is started again.
    pub fn stop(&mut self) {
        let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").query::<Value>(&mut self.connect());
        self.server.ends_by_itself();
    }

    pub fn start_again(&mut self) {
        self.server.start_again();
    }

    /// Follows `primary`, until everything is here.
    pub fn replicate(&self, primary: &RedisServer) {
        self.server.follow(&primary.server);
    }

    pub fn catch_up(&self, primary: &RedisServer) {
        self.server.wait_for_link();
        self.server.catch_up(&primary.server);
    }
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}/0")
}

fn try_connect(port: u16) -> Option<Connection> {
    let connection = redis::Client::open(url(port)).expect("a URL").get_connection().ok()?;
    connection.set_read_timeout(Some(std::time::Duration::from_secs(20))).ok()?;
    Some(connection)
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
