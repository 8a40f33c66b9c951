//! Real servers, each in a fresh directory, and the program under test.

pub mod bare;
pub mod databases;
pub mod disk;
pub mod proxy;
pub mod redis_server;
pub mod shop;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use databases::Database;
use redis_server::RedisServer;

pub use testkit::server::free_port;
pub use testkit::wait_until;

/// Runs a server as a child of a shell that ends it when this process is gone, however it goes.
/// Some servers refuse root: they run as nobody. Where `dir` has a file `shared`, nobody is left to
/// remove the data of the server: the shell does.
pub fn guarded(program: &Path, arguments: &[&str], dir: &Path, unprivileged: bool) -> Child {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        // SIGTERM, too: what a shell starts behind `&` ignores SIGQUIT unless it has a handler, and
        // pgbouncer has none.
        "\"$@\" & pid=$!; echo $pid >server.pid; cat >/dev/null; \
         kill -QUIT $pid 2>/dev/null; kill $pid 2>/dev/null; wait; \
         [ ! -e shared ] || rm -rf data",
        "sh",
    ]);
    command.arg(program).args(arguments).current_dir(dir).stdin(Stdio::piped());
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("a log");
    command.stdout(log.try_clone().expect("the log")).stderr(log);
    if unprivileged {
        as_nobody(&mut command);
    }
    command.spawn().expect("a server")
}

pub fn is_root() -> bool {
    let out = Command::new("id").arg("-u").output().expect("id");
    out.stdout.starts_with(b"0\n")
}

const NOBODY: u32 = 65534;

pub fn as_nobody(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

pub fn give_to_nobody(dir: &Path) {
    if is_root() {
        std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY)).expect("chown");
    }
}

/// Sends a signal. SIGTERM waits until the process has a handler for it: one that has only just
/// begun would die of it.
pub fn signal(pid: u32, name: &str) {
    if name == "TERM" {
        wait_until("the process listens for SIGTERM", || listens_for_sigterm(pid));
    }
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

/// True, too, where the system does not tell, and for a process that has ended.
fn listens_for_sigterm(pid: u32) -> bool {
    const SIGTERM: u64 = 1 << 14;
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return true };
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    status.contains("\nState:\tZ")
        || caught.and_then(|c| u64::from_str_radix(c.trim(), 16).ok()).is_none_or(|c| c & SIGTERM != 0)
}

/// The pools of a shop and their stream, as most configurations name them.
pub const POOLS: &str = "[pools]\nkey = \"sku:%\"\nevents = \"events\"\n";

/// A shop: Redis, a database, and a configuration.
pub struct Shop {
    pub redis: RedisServer,
    pub database: Database,
    pub dir: tempfile::TempDir,
    pub config: String,
    pub more: String,
}

/// The program under test: STOCK_LEDGER, or the one that cargo built for this test.
pub fn program() -> PathBuf {
    std::env::var_os("STOCK_LEDGER").map_or_else(|| env!("CARGO_BIN_EXE_stock-ledger").into(), PathBuf::from)
}

pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    fn of(output: Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub fn ok(self) -> Ended {
        self.with(0)
    }

    #[track_caller]
    pub fn with(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "out:\n{}\nerr:\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn out_has(self, text: &str) -> Ended {
        assert!(self.out.contains(text), "no {text} in out:\n{}", self.out);
        self
    }

    #[track_caller]
    pub fn err_has(self, text: &str) -> Ended {
        assert!(self.err.contains(text), "no {text} in err:\n{}", self.err);
        self
    }
}

impl Shop {
    pub fn new(database: Database) -> Shop {
        Shop::on(RedisServer::start(&[]), database)
    }

    /// One whose configuration has `more` behind [`POOLS`].
    pub fn with(database: Database, more: &str) -> Shop {
        let mut shop = Shop::new(database);
        shop.configure(POOLS, more);
        shop
    }

    pub fn on(redis: RedisServer, database: Database) -> Shop {
        let dir = tempfile::tempdir().expect("a directory");
        let config = POOLS.to_string();
        let shop = Shop { redis, database, dir, config, more: "[run]\nreport_seconds = 1\n".to_string() };
        shop.write_config(&shop.redis.url());
        shop
    }

    /// Another Redis takes over, and the configuration names it. Returns the one before.
    pub fn fail_over(&mut self, to: RedisServer) -> RedisServer {
        let before = std::mem::replace(&mut self.redis, to);
        self.write_config(&self.redis.url());
        before
    }

    /// Writes the configuration for a Redis.
    pub fn write_config(&self, redis_url: &str) {
        let text = format!(
            "{}{}[redis]\nurl = \"{redis_url}\"\n[database]\nurl = \"{}\"\n",
            self.config,
            self.more,
            self.database.url()
        );
        std::fs::write(self.config_path(), text).expect("a configuration");
    }

    pub fn configure(&mut self, config: &str, more: &str) {
        self.config = config.to_string();
        self.more = more.to_string();
        self.write_config(&self.redis.url());
    }

    pub fn config_path(&self) -> PathBuf {
        self.dir.path().join("stock-ledger.toml")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&program(), arguments)
    }

    /// Another build of the program.
    pub fn by(&self, program: &Path, arguments: &[&str]) -> Ended {
        Ended::of(self.command_of(program, arguments).output().expect("the program"))
    }

    fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("--config").arg(self.config_path()).args(arguments).stdin(Stdio::null());
        command.env_remove("STOCK_LEDGER_REDIS_URL").env_remove("STOCK_LEDGER_DATABASE_URL");
        command
    }

    pub fn ledger(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().expect("stock-ledger"))
    }

    /// `run` in the background.
    pub fn follow(&self, arguments: &[&str]) -> Child {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("run.log"));
        let mut command = self.command(&["run"]);
        command.args(arguments).stdout(Stdio::null()).stderr(log.expect("a log"));
        command.spawn().expect("stock-ledger run")
    }

    /// Ends what follows, as an administrator does.
    #[track_caller]
    pub fn end(&self, mut follower: Child) {
        signal(follower.id(), "TERM");
        assert!(follower.wait().expect("an end").success(), "{}", self.run_log());
    }

    pub fn run_log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("run.log")).unwrap_or_default()
    }
}
