//! Real databases: a file, or a server that the tests start from Debian's packages and share.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::{AnyConnection, Connection, Executor, Row};

use super::{as_nobody, free_port, give_to_nobody, guarded, signal, wait_until};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
}

/// One database of a server.
pub struct Database {
    pub kind: Kind,
    url: String,
    server: Option<Server>,
    _dir: Option<tempfile::TempDir>,
}

/// A server process.
pub struct Server {
    dir: PathBuf,
    port: u16,
    kind: Kind,
    durable: bool,
    child: Child,
    _keep: tempfile::TempDir,
}

static NUMBER: AtomicUsize = AtomicUsize::new(0);

fn shared(kind: Kind) -> u16 {
    static POSTGRES: OnceLock<Mutex<Server>> = OnceLock::new();
    static MARIADB: OnceLock<Mutex<Server>> = OnceLock::new();
    let cell = if kind == Kind::Postgres { &POSTGRES } else { &MARIADB };
    cell.get_or_init(|| Mutex::new(Server::start(kind, false))).lock().expect("the server").port
}

fn find(name: &str, places: &[&str]) -> PathBuf {
    let mut found: Vec<PathBuf> = Vec::new();
    for place in places {
        if let Some((before, after)) = place.split_once('*') {
            let versions = std::fs::read_dir(before).into_iter().flatten().flatten();
            found.extend(versions.map(|v| PathBuf::from(format!("{}{after}/{name}", v.path().display()))));
        } else {
            found.push(Path::new(place).join(name));
        }
    }
    found.sort();
    let found = found.into_iter().rev().find(|p| p.exists());
    found.unwrap_or_else(|| panic!("no {name} in {places:?}: `make deps` installs it"))
}

fn check(mut command: Command) {
    let out = command.output().expect("a command");
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {}{text}", String::from_utf8_lossy(&out.stdout));
}

impl Server {
    pub fn start(kind: Kind, durable: bool) -> Server {
        let keep = tempfile::tempdir().expect("a directory");
        give_to_nobody(keep.path());
        let dir = keep.path().to_path_buf();
        let data = dir.join("data");
        match kind {
            Kind::Postgres => {
                let mut make =
                    Command::new(find("initdb", &["/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin"]));
                make.args(["-A", "trust", "-U", "shop", "-E", "UTF8", "--locale=C", "-N", "-D"])
                    .arg(&data)
                    .current_dir(&dir);
                as_nobody(&mut make);
                check(make);
            }
            Kind::MariaDb => {
                let mut make = Command::new(find("mariadb-install-db", &["/usr/bin", "/usr/local/bin"]));
                make.arg("--no-defaults").arg(format!("--datadir={}", data.display())).current_dir(&dir);
                make.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
                as_nobody(&mut make);
                check(make);
            }
            Kind::Sqlite => unreachable!("a file has no server"),
        }
        let port = free_port();
        let child = Server::spawn(kind, &dir, port, durable);
        let server = Server { dir, port, kind, durable, child, _keep: keep };
        server.wait();
        server
    }

    fn spawn(kind: Kind, dir: &Path, port: u16, durable: bool) -> Child {
        let port = port.to_string();
        match kind {
            Kind::Postgres => {
                let program = find("postgres", &["/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin"]);
                let fsync = if durable { "fsync=on" } else { "fsync=off" };
                let args =
                    ["-D", "data", "-k", ".", "-h", "127.0.0.1", "-p", &port, "-c", fsync, "-c", "max_connections=200"];
                guarded(&program, &args, dir, true)
            }
            _ => {
                let program = find("mariadbd", &["/usr/sbin", "/usr/bin", "/usr/local/bin"]);
                let flush =
                    if durable { "--innodb-flush-log-at-trx-commit=1" } else { "--innodb-flush-log-at-trx-commit=0" };
                let port = format!("--port={port}");
                let data = format!("--datadir={}", dir.join("data").display());
                let socket = format!("--socket={}", dir.join("s").display());
                let args = [
                    "--no-defaults",
                    &data,
                    &socket,
                    &port,
                    "--bind-address=127.0.0.1",
                    flush,
                    "--max-connections=200",
                ];
                guarded(&program, &args, dir, true)
            }
        }
    }

    fn url(&self, database: &str) -> String {
        url(self.kind, self.port, database)
    }

    fn wait(&self) {
        let url = self.url(if self.kind == Kind::Postgres { "postgres" } else { "mysql" });
        wait_until(&format!("{:?} answers; its log is in {}", self.kind, self.dir.display()), || {
            block_on(async { connect(&url).await.is_ok() })
        });
    }

    /// As a crash: no clean shutdown.
    pub fn kill(&mut self) {
        let pid = std::fs::read_to_string(self.dir.join("server.pid")).expect("a pid");
        let name = if self.kind == Kind::Postgres { "QUIT" } else { "KILL" };
        signal(pid.trim().parse().expect("a pid"), name);
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }

    pub fn start_again(&mut self) {
        self.child = Server::spawn(self.kind, &self.dir, self.port, self.durable);
        self.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn url(kind: Kind, port: u16, database: &str) -> String {
    match kind {
        Kind::Postgres => format!("postgres://shop@127.0.0.1:{port}/{database}"),
        _ => format!("mysql://root@127.0.0.1:{port}/{database}"),
    }
}

async fn connect(url: &str) -> sqlx::Result<AnyConnection> {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(url).await
}

pub fn block_on<T>(future: impl std::future::Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

impl Database {
    /// A fresh database, of a server that other tests use, too.
    pub fn fresh(kind: Kind) -> Database {
        if kind == Kind::Sqlite {
            let dir = tempfile::tempdir().expect("a directory");
            let url = format!("sqlite:{}", dir.path().join("shop.db").display());
            return Database { kind, url, server: None, _dir: Some(dir) };
        }
        let port = shared(kind);
        Database { kind, url: Database::make(kind, port), server: None, _dir: None }
    }

    /// A fresh database of a server of its own, which writes to the disk as in production.
    pub fn alone(kind: Kind) -> Database {
        if kind == Kind::Sqlite {
            return Database::fresh(kind);
        }
        let server = Server::start(kind, true);
        let url = Database::make(kind, server.port);
        Database { kind, url, server: Some(server), _dir: None }
    }

    fn make(kind: Kind, port: u16) -> String {
        let name = format!("shop{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let admin = url(kind, port, if kind == Kind::Postgres { "postgres" } else { "mysql" });
        block_on(async {
            let mut c = connect(&admin).await.expect("the server");
            c.execute(format!("CREATE DATABASE {name}").as_str()).await.expect("a database");
        });
        url(kind, port, &name)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port of its server.
    pub fn port(&self) -> u16 {
        let (_, behind) = self.url.rsplit_once(':').expect("a port");
        behind.split('/').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// The server, where it is this database's own; it lives as long as the caller keeps it.
    pub fn take_server(&mut self) -> Option<Server> {
        self.server.take()
    }

    /// Nobody else writes for so long.
    pub fn lock_for(&self, time: std::time::Duration) {
        block_on(async {
            let mut c = connect(&self.url).await.expect("the database");
            c.execute("PRAGMA busy_timeout = 20000").await.expect("patience");
            c.execute("BEGIN IMMEDIATE").await.expect("the lock");
            tokio::time::sleep(time).await;
            c.execute("ROLLBACK").await.expect("an end");
        });
    }

    /// The file of an empty database.
    pub fn touch(&self) {
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            std::fs::File::create(path).expect("a file");
        }
    }

    /// One statement.
    #[track_caller]
    pub fn execute(&self, sql: &str) -> u64 {
        let result = block_on(async { connect(&self.url).await?.execute(sql).await });
        result.unwrap_or_else(|e| panic!("{sql}: {e}")).rows_affected()
    }

    /// Statements on one connection.
    #[track_caller]
    pub fn execute_all(&self, statements: &[&str]) {
        block_on(async {
            let mut c = connect(&self.url).await.expect("the database");
            for sql in statements {
                c.execute(*sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
        });
    }

    /// One statement, again and again, each for itself.
    pub fn repeat(&self, sql: &str, times: usize) {
        block_on(async {
            let mut c = connect(&self.url).await.expect("the database");
            if self.kind == Kind::Sqlite {
                c.execute("PRAGMA busy_timeout = 20000").await.expect("patience");
            }
            for _ in 0..times {
                c.execute(sql).await.expect("written");
            }
        });
    }

    /// Rows of a text and numbers, as text.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let result = block_on(async {
            let mut connection = connect(&self.url).await?;
            if self.kind == Kind::Sqlite {
                connection.execute("PRAGMA busy_timeout = 20000").await?;
            }
            connection.fetch_all(sql).await
        });
        let rows = result.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let cell = |row: &sqlx::any::AnyRow, i: usize| {
            row.try_get::<String, _>(i).or_else(|_| row.try_get::<i64, _>(i).map(|n| n.to_string())).expect("a cell")
        };
        rows.iter().map(|row| (0..row.len()).map(|i| cell(row, i)).collect()).collect()
    }

    #[track_caller]
    pub fn number(&self, sql: &str) -> i64 {
        self.rows(sql)[0][0].parse().expect("a number")
    }
}
