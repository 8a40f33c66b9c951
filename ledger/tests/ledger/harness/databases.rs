//! Real databases: a file, or a server that the tests start from Debian's packages and share.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use stock_ledger::db::{is_conflict, query, Connection, Pool, Row};

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
    /// Beside the usual ones.
    arguments: Vec<String>,
    child: Child,
    _keep: tempfile::TempDir,
}

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// What stands between the ledger and its database, or how the database is set up: a column of the
/// matrix in docs/internals/ledger.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Setup {
    #[default]
    Plain,
    /// Debian's pgbouncer, `pool_mode = session`.
    SessionPooling,
    /// The same, and what one client leaves in a session is there for the next.
    SessionPoolingWithoutReset,
    /// Debian's pgbouncer, `pool_mode = transaction`.
    TransactionPooling,
    /// A server on which every transaction is serializable unless it says otherwise.
    Serializable,
    /// What MariaDB 11.8 has by default and 10.11 has not.
    MariaDb118,
}

impl Setup {
    /// The arguments of the server.
    fn arguments(self, kind: Kind) -> &'static [&'static str] {
        match (self, kind) {
            (Setup::Serializable, Kind::Postgres) => &["-c", "default_transaction_isolation=serializable"],
            (Setup::Serializable, Kind::MariaDb) => &["--transaction-isolation=SERIALIZABLE"],
            (Setup::MariaDb118, Kind::MariaDb) => &[
                "--innodb-snapshot-isolation=ON",
                "--character-set-server=utf8mb4",
                "--collation-server=utf8mb4_uca1400_ai_ci",
            ],
            _ => &[],
        }
    }
}

thread_local! {
    static SETUP: Cell<Setup> = const { Cell::new(Setup::Plain) };
}

/// Runs a test with its databases in this setup.
pub fn in_setup(setup: Setup, test: impl FnOnce()) {
    SETUP.set(setup);
    test();
    SETUP.set(Setup::Plain);
}

/// The port of the server that all tests of a kind and setup share.
fn shared(kind: Kind) -> u16 {
    static SERVERS: Mutex<Vec<(Kind, Setup, Server)>> = Mutex::new(Vec::new());
    let setup = SETUP.get();
    let mut servers = SERVERS.lock().expect("the servers");
    if let Some((_, _, server)) = servers.iter().find(|(k, s, _)| (*k, *s) == (kind, setup)) {
        return server.port;
    }
    let server = Server::start(kind, false);
    std::fs::write(server.dir.join("shared"), "").expect("a mark");
    let port = server.port;
    servers.push((kind, setup, server));
    port
}

/// The port of a pgbouncer in front of a PostgreSQL, which is the only one of its mode.
fn pooler(server: u16, mode: &str) -> u16 {
    static POOLERS: Mutex<Vec<(String, u16, Server)>> = Mutex::new(Vec::new());
    let mut poolers = POOLERS.lock().expect("the poolers");
    if let Some((_, port, _)) = poolers.iter().find(|(of, ..)| of == mode) {
        return *port;
    }
    let pooler = Server::pooler(server, mode);
    let port = pooler.port;
    poolers.push((mode.to_string(), port, pooler));
    port
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

/// A folder of scripts/databases.sh whose server takes the place of Debian's: LEDGER_POSTGRES and
/// LEDGER_MYSQL name one.
fn other_server(kind: Kind) -> Option<PathBuf> {
    let variable = if kind == Kind::Postgres { "LEDGER_POSTGRES" } else { "LEDGER_MYSQL" };
    std::env::var_os(variable).filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// Whether the tests of MariaDB run on a MySQL, which has neither its UUIDs nor its sequences.
pub fn is_mysql(kind: Kind) -> bool {
    let name = other_server(kind).and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
    kind == Kind::MariaDb && name.is_some_and(|name| name.starts_with("mysql"))
}

fn check(mut command: Command) {
    let out = command.output().expect("a command");
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {}{text}", String::from_utf8_lossy(&out.stdout));
}

impl Server {
    pub fn start(kind: Kind, durable: bool) -> Server {
        let mut server = Server::prepare(kind);
        server.durable = durable;
        server.start_again();
        server
    }

    /// An empty data directory, and no server yet.
    fn prepare(kind: Kind) -> Server {
        let keep = tempfile::tempdir().expect("a directory");
        give_to_nobody(keep.path());
        let dir = keep.path().to_path_buf();
        let data = dir.join("data");
        let other = other_server(kind).map(|dir| dir.join("install"));
        match (kind, other) {
            (_, Some(install)) => {
                let mut make = Command::new(install);
                make.arg(&data).current_dir(&dir).env("TMPDIR", &dir);
                as_nobody(&mut make);
                check(make);
            }
            (Kind::Postgres, None) => {
                let mut make =
                    Command::new(find("initdb", &["/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin"]));
                make.args(["-A", "trust", "-U", "shop", "-E", "UTF8", "--locale=C", "-N", "-D"])
                    .arg(&data)
                    .current_dir(&dir);
                as_nobody(&mut make);
                check(make);
            }
            (Kind::MariaDb, None) => {
                let mut make = Command::new(find("mariadb-install-db", &["/usr/bin", "/usr/local/bin"]));
                // A MariaDB that starts removes the temporary tables of every other one in the same
                // directory.
                make.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
                make.current_dir(&dir).env("TMPDIR", &dir);
                make.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
                as_nobody(&mut make);
                check(make);
            }
            (Kind::Sqlite, None) => unreachable!("a file has no server"),
        }
        let port = free_port();
        // Something to wait for until there is a server.
        let child = Command::new("true").stdin(std::process::Stdio::piped()).spawn().expect("true");
        Server { dir, port, kind, durable: false, arguments: Vec::new(), child, _keep: keep }
    }

    /// Two nodes of a Galera cluster, of Debian's MariaDB and galera-4. The second one begins with
    /// a copy of the first one's data: nothing has to be transferred.
    pub fn galera() -> [Server; 2] {
        let provider = find("libgalera_smm.so", &["/usr/lib/galera", "/usr/lib64/galera-4"]);
        let ports: [[u16; 3]; 2] = std::array::from_fn(|_| std::array::from_fn(|_| free_port()));
        let cluster = format!("gcomm://{}", ports.map(|[_, group, _]| format!("127.0.0.1:{group}")).join(","));
        let arguments = |node: usize| -> Vec<String> {
            let [_, group, transfer] = ports[node];
            vec![
                "--wsrep-on=ON".to_string(),
                format!("--wsrep-provider={}", provider.display()),
                format!("--wsrep-cluster-address={cluster}"),
                format!("--wsrep-node-address=127.0.0.1:{group}"),
                format!(
                    "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{group};\
                     ist.recv_addr=127.0.0.1:{transfer};gcache.size=32M"
                ),
                "--binlog-format=ROW".to_string(),
                "--innodb-autoinc-lock-mode=2".to_string(),
            ]
        };
        let mut first = Server::prepare(Kind::MariaDb);
        first.port = ports[0][0];
        first.arguments = [arguments(0), vec!["--wsrep-new-cluster".to_string()]].concat();
        first.start_again();
        // Its clean end writes down where it stands.
        signal(first.pid(), "TERM");
        let _ = first.child.wait();
        let mut second = Server::prepare(Kind::MariaDb);
        second.port = ports[1][0];
        second.arguments = arguments(1);
        let mut copy = Command::new("cp");
        copy.args(["-a", "--remove-destination"]).arg(first.dir.join("data/.")).arg(second.dir.join("data"));
        check(copy);
        first.start_again();
        second.start_again();
        wait_until("the cluster has two nodes", || {
            block_on(async {
                let sql = "SHOW STATUS LIKE 'wsrep_cluster_size'";
                let mut c = connect(&second.url("mysql")).await?;
                query(sql).fetch_all(&mut c).await
            })
            .is_ok_and(|rows| rows.first().is_some_and(|row| row.text(1).is_ok_and(|size| size == "2")))
        });
        // So that it can be started again as a member.
        first.arguments = arguments(0);
        [first, second]
    }

    /// The address of a database here that is on another server, too.
    pub fn url_like(&self, database: &Database) -> String {
        let (_, name) = database.url.rsplit_once('/').expect("a name");
        self.url(name)
    }

    fn pid(&self) -> u32 {
        let pid = std::fs::read_to_string(self.dir.join("server.pid")).expect("a pid");
        pid.trim().parse().expect("a pid")
    }

    /// A standby of a PostgreSQL, which streams from it: asynchronously, as it comes.
    pub fn standby(primary: &Server) -> Server {
        let keep = tempfile::tempdir().expect("a directory");
        give_to_nobody(keep.path());
        let dir = keep.path().to_path_buf();
        let mut copy =
            Command::new(find("pg_basebackup", &["/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin"]));
        copy.args(["-h", "127.0.0.1", "-U", "shop", "-R", "-X", "stream", "-c", "fast", "-p"]);
        copy.arg(primary.port.to_string()).arg("-D").arg(dir.join("data")).current_dir(&dir);
        as_nobody(&mut copy);
        check(copy);
        let port = free_port();
        let child = Command::new("true").stdin(std::process::Stdio::piped()).spawn().expect("true");
        let arguments = Vec::new();
        let mut server = Server { dir, port, kind: Kind::Postgres, durable: true, arguments, child, _keep: keep };
        server.start_again();
        server
    }

    /// Serves instead of a server that is dead, at its address, as the primary from now on.
    pub fn take_over(&mut self, from: &Server) {
        self.port = from.port;
        self.start_again();
        let url = self.url("postgres");
        block_on(async {
            let mut c = connect(&url).await.expect("the standby");
            query("SELECT pg_promote()").execute(&mut c).await.expect("promoted");
        });
    }

    /// Debian's pgbouncer in front of a PostgreSQL, with a configuration that says no more than it
    /// must. Fewer connections than clients: they are lent all the time.
    fn pooler(server: u16, mode: &str) -> Server {
        let keep = tempfile::tempdir().expect("a directory");
        let dir = keep.path().to_path_buf();
        let port = free_port();
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = users\npool_mode = {mode}\n\
             default_pool_size = {}\nmax_client_conn = 500\nserver_idle_timeout = 1\n",
            if mode == "transaction" { 3 } else { 60 }
        );
        std::fs::write(dir.join("pgbouncer.ini"), config).expect("a configuration");
        std::fs::write(dir.join("users"), "\"shop\" \"\"\n").expect("users");
        give_to_nobody(&dir);
        let program = find("pgbouncer", &["/usr/sbin", "/usr/bin", "/usr/local/bin"]);
        let child = guarded(&program, &["pgbouncer.ini"], &dir, true);
        let arguments = Vec::new();
        let server = Server { dir, port, kind: Kind::Postgres, durable: false, arguments, child, _keep: keep };
        server.wait();
        server
    }

    fn spawn(&self) -> Child {
        let Server { kind, dir, durable, .. } = self;
        let (kind, durable, port) = (*kind, *durable, self.port.to_string());
        let more: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let more = &[SETUP.get().arguments(kind), &more].concat();
        let other = other_server(kind).map(|dir| dir.join("server"));
        let is_other = other.is_some();
        match kind {
            Kind::Postgres => {
                let program = other
                    .unwrap_or_else(|| find("postgres", &["/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin"]));
                let fsync = if durable { "fsync=on" } else { "fsync=off" };
                let args =
                    ["-D", "data", "-k", ".", "-h", "127.0.0.1", "-p", &port, "-c", fsync, "-c", "max_connections=400"];
                guarded(&program, &[&args[..], more].concat(), dir, true)
            }
            _ => {
                let program = other.unwrap_or_else(|| find("mariadbd", &["/usr/sbin", "/usr/bin", "/usr/local/bin"]));
                let flush =
                    if durable { "--innodb-flush-log-at-trx-commit=1" } else { "--innodb-flush-log-at-trx-commit=0" };
                let port = format!("--port={port}");
                let data = format!("--datadir={}", dir.join("data").display());
                let socket = format!("--socket={}", dir.join("s").display());
                let temporary = format!("--tmpdir={}", dir.display());
                let args =
                    [&data, &socket, &port, &temporary, "--bind-address=127.0.0.1", flush, "--max-connections=200"];
                let first: &[&str] = match (is_other, is_mysql(kind)) {
                    (false, _) => &["--no-defaults"],
                    (true, false) => &[],
                    (true, true) => &["--mysqlx=OFF"],
                };
                guarded(&program, &[first, &args[..], more].concat(), dir, true)
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
        let name = if self.kind == Kind::Postgres { "QUIT" } else { "KILL" };
        signal(self.pid(), name);
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }

    /// A clean end.
    pub fn stop(&mut self) {
        // PostgreSQL would wait for its clients at TERM.
        signal(self.pid(), if self.kind == Kind::Postgres { "INT" } else { "TERM" });
        wait_until("the server has ended", || std::fs::metadata(format!("/proc/{}", self.pid())).is_err());
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }

    pub fn start_again(&mut self) {
        self.child = self.spawn();
        self.wait();
    }

    /// The same with arguments beside the usual ones.
    pub fn start_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
        self.start_again();
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

async fn connect(url: &str) -> sqlx::Result<Connection> {
    Pool::open(url, 1, &[]).await?.acquire().await
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
        let mut url = Database::make(kind, port);
        let mode = match SETUP.get() {
            Setup::SessionPooling => Some("session"),
            Setup::SessionPoolingWithoutReset => Some("session\nserver_reset_query ="),
            Setup::TransactionPooling => Some("transaction"),
            _ => None,
        };
        if let Some(mode) = mode.filter(|_| kind == Kind::Postgres) {
            url = url.replace(&format!(":{port}/"), &format!(":{}/", pooler(port, mode)));
        }
        Database { kind, url, server: None, _dir: None }
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

    /// A fresh database of a server that somebody else keeps.
    pub fn of(server: &Server) -> Database {
        Database { kind: server.kind, url: Database::make(server.kind, server.port), server: None, _dir: None }
    }

    fn make(kind: Kind, port: u16) -> String {
        let name = format!("shop{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let admin = url(kind, port, if kind == Kind::Postgres { "postgres" } else { "mysql" });
        block_on(async {
            let mut c = connect(&admin).await.expect("the server");
            query(&format!("CREATE DATABASE {name}")).execute(&mut c).await.expect("a database");
        });
        url(kind, port, &name)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory that has its files, of its own server; or of the one file.
    pub fn directory(&self) -> PathBuf {
        if let Some(file) = self.url.strip_prefix("sqlite:") {
            return Path::new(file).parent().expect("a directory").to_path_buf();
        }
        let (_, name) = self.url.rsplit_once('/').expect("a name");
        self.server.as_ref().expect("a server of its own").dir.join("data").join(name)
    }

    /// The port of its server.
    pub fn port(&self) -> u16 {
        let (_, behind) = self.url.rsplit_once(':').expect("a port");
        behind.split('/').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// CPU seconds of its own server and of the processes of that which have ended; 0 for a file.
    pub fn server_cpu_seconds(&self) -> f64 {
        let Some(server) = &self.server else { return 0.0 };
        // A process of PostgreSQL ends a moment after its client.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("statistics");
        let numbers = stat.rsplit_once(')').expect("a name").1;
        numbers.split_whitespace().skip(11).take(4).map(|n| n.parse::<f64>().expect("ticks")).sum::<f64>() / 100.0
    }

    /// The server, where it is this database's own; it lives as long as the caller keeps it.
    pub fn take_server(&mut self) -> Option<Server> {
        self.server.take()
    }

    /// Nobody else writes into the file for so long.
    pub fn lock_for(&self, time: std::time::Duration) {
        let lock = self.lock();
        std::thread::sleep(time);
        drop(lock);
    }

    /// Nobody else writes into the file while this value lives.
    pub fn lock(&self) -> impl Drop {
        self.hold(&["PRAGMA busy_timeout = 20000", "BEGIN IMMEDIATE"])
    }

    /// A transaction that is rolled back when this value is dropped.
    pub fn hold(&self, statements: &[&str]) -> impl Drop {
        struct Lock(Option<(Connection, tokio::runtime::Runtime)>);
        impl Drop for Lock {
            fn drop(&mut self) {
                let Some((mut c, runtime)) = self.0.take() else { return };
                runtime.block_on(async {
                    query("ROLLBACK").execute(&mut c).await.expect("an end");
                    drop(c);
                });
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let c = runtime.block_on(async {
            let mut c = connect(&self.url).await.expect("the database");
            for sql in statements {
                query(sql).execute(&mut c).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
            c
        });
        Lock(Some((c, runtime)))
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
        let result = block_on(async { query(sql).execute(&mut connect(&self.url).await?).await });
        result.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Whether the database takes a statement.
    pub fn takes(&self, sql: &str) -> bool {
        block_on(async { query(sql).execute(&mut connect(&self.url).await.expect("the database")).await.is_ok() })
    }

    /// Statements on one connection.
    #[track_caller]
    pub fn execute_all(&self, statements: &[&str]) {
        block_on(async {
            let mut c = connect(&self.url).await.expect("the database");
            for sql in statements {
                query(sql).execute(&mut c).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
        });
    }

    /// One statement, again and again, each for itself.
    pub fn repeat(&self, sql: &str, times: usize) {
        block_on(async {
            let mut c = connect(&self.url).await.expect("the database");
            if self.kind == Kind::Sqlite {
                query("PRAGMA busy_timeout = 20000").execute(&mut c).await.expect("patience");
            }
            for _ in 0..times {
                // On a serializable server somebody else may have been faster.
                while let Err(error) = query(sql).execute(&mut c).await {
                    let error = anyhow::Error::from(error);
                    assert!(is_conflict(&error), "{error:#}");
                }
            }
        });
    }

    /// Rows of a text and numbers, as text.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let result = block_on(async {
            let mut connection = connect(&self.url).await?;
            if self.kind == Kind::Sqlite {
                query("PRAGMA busy_timeout = 20000").execute(&mut connection).await?;
            }
            query(sql).fetch_all(&mut connection).await
        });
        let rows = result.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let cell = |row: &Row, i: usize| row.text(i).expect("a cell");
        rows.iter().map(|row| (0..row.columns()).map(|i| cell(row, i)).collect()).collect()
    }

    #[track_caller]
    pub fn number(&self, sql: &str) -> i64 {
        self.rows(sql)[0][0].parse().expect("a number")
    }
}
