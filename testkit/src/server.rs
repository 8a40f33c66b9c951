//! Starts, stops, pauses and kills servers, each in a fresh directory, and reads their logs.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::calls::info;
use crate::client::Client;
use crate::clock::Clock;
use crate::wait::{poll, wait_until};

/// What no log of a server that lives may hold, whatever the test was about.
const DISASTERS: [&str; 5] =
    ["ASSERTION FAILED", "crashed by signal", "panicked", "BUG REPORT START", "Guru Meditation"];

pub struct Server {
    dir: TempDir,
    args: Vec<String>,
    port: Option<u16>,
    clock: Option<Clock>,
    child: Child,
    /// The test ended the process itself, so its end is no failure.
    ended: bool,
}

impl Server {
    /// A server with the module, on a unix socket only.
    pub fn start() -> Server {
        Server::with(&[])
    }

    pub fn with(args: &[&str]) -> Server {
        Server::launch(args, None, None)
    }

    /// A server whose directory lies in this one.
    pub fn below(parent: &Path, args: &[&str]) -> Server {
        let dir = tempfile::Builder::new().prefix("stock-").tempdir_in(parent).expect("a directory");
        Server::launch_in(dir, args, None, None)
    }

    /// A server that others can replicate from or to. It sends no pings to its replicas, so that
    /// every byte of the replication stream comes from a command.
    pub fn on_port(args: &[&str]) -> Server {
        let quiet = ["--repl-ping-replica-period", "3600", "--repl-diskless-sync-delay", "0"];
        let all: Vec<&str> = quiet.iter().chain(args).copied().collect();
        Server::launch(&all, Some(free_port()), None)
    }

    /// A server that lives at the time `now_ms` until `set_clock` moves it. Its background work
    /// stands still. None where the server asks for the time so rarely (Valkey 9, in its cron only)
    /// that a test cannot move it.
    pub fn at_time(now_ms: i64, args: &[&str]) -> Option<Server> {
        let server = Server::launch(args, None, Some(Clock::at(now_ms - 60_000)));
        server.client().pause_background();
        server.follows_the_clock(now_ms)
    }

    /// The same, for one that others can replicate from or to, and with its background work going
    /// on.
    pub fn on_port_at(now_ms: i64, args: &[&str]) -> Option<Server> {
        let quiet = ["--repl-ping-replica-period", "3600", "--repl-diskless-sync-delay", "0"];
        let all: Vec<&str> = quiet.iter().chain(args).copied().collect();
        let server = Server::launch(&all, Some(free_port()), Some(Clock::at(now_ms - 60_000)));
        server.follows_the_clock(now_ms)
    }

    fn follows_the_clock(self, now_ms: i64) -> Option<Server> {
        let mut client = self.client();
        // Such a server follows now and then, by chance: once does not prove it.
        let follows = (0..50).rev().all(|seconds_before| {
            let at_s = now_ms / 1000 - seconds_before;
            self.set_clock(at_s * 1000 + now_ms % 1000);
            client.say("TIME").items()[0].text() == at_s.to_string()
        });
        if !follows {
            eprintln!("skipped: this server keeps the time by itself");
        }
        follows.then_some(self)
    }

    #[track_caller]
    pub fn set_clock(&self, now_ms: i64) {
        self.clock.as_ref().expect("a server with a clock of its own").set(now_ms);
    }

    /// A replica of `primary`, in sync with it.
    pub fn replica_of(primary: &Server, args: &[&str]) -> Server {
        let replica = Server::on_port(args);
        replica.follow(primary);
        replica
    }

    /// What a server says that refuses to start with `args`.
    #[track_caller]
    pub fn refuses(args: &[&str]) -> String {
        let dir = tempfile::Builder::new().prefix("stock-").tempdir().expect("a directory");
        let args: Vec<String> = args.iter().map(|a| a.to_string()).collect();
        let mut child = spawn(dir.path(), &args, None, None);
        let log = || {
            let bytes = fs::read(dir.path().join("log")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let ended = poll("the server refuses, or starts", || {
            if child.try_wait().expect("the state of the process").is_some() {
                return Some(true);
            }
            // The socket is there before the module is loaded; only an answer says that the server
            // started.
            let mut client = Client::unix(&dir.path().join("socket")).ok()?;
            client.try_call(&["PING"]).ok().map(|_| false)
        });
        let _ = child.kill();
        let _ = child.wait();
        let log = log();
        assert!(ended, "the server started with {args:?}:\n{log}");
        for disaster in DISASTERS {
            assert!(!log.contains(disaster), "{disaster} in the log:\n{log}");
        }
        log
    }

    fn launch(args: &[&str], port: Option<u16>, clock: Option<Clock>) -> Server {
        let dir = tempfile::Builder::new().prefix("stock-").tempdir().expect("a directory");
        Server::launch_in(dir, args, port, clock)
    }

    fn launch_in(dir: TempDir, args: &[&str], port: Option<u16>, clock: Option<Clock>) -> Server {
        let args: Vec<String> = args.iter().map(|a| a.to_string()).collect();
        let child = spawn(dir.path(), &args, port, clock.as_ref());
        let mut server = Server { dir, args, port, clock, child, ended: false };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        poll("the server answers PING", || {
            if let Some(status) = self.child.try_wait().expect("the state of the process") {
                self.ended = true;
                panic!("the server ended at its start ({status}):\n{}", self.log());
            }
            let mut client = Client::unix(&self.socket()).ok()?;
            let answer = client.try_call(&["PING"]).ok()?;
            (answer.to_string() == "PONG").then_some(())
        });
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    #[track_caller]
    pub fn port(&self) -> u16 {
        self.port.expect("a server that was started on a port")
    }

    #[track_caller]
    pub fn client(&self) -> Client {
        match Client::unix(&self.socket()) {
            Ok(client) => client,
            Err(error) => panic!("no connection: {error}\n{}", self.log()),
        }
    }

    /// The server, and a client of it.
    #[track_caller]
    pub fn with_client(self) -> (Server, Client) {
        let client = self.client();
        (self, client)
    }

    pub fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How many bytes the append-only files hold, once what is buffered has been written.
    pub fn aof_bytes(&self) -> u64 {
        let mut client = self.client();
        let info = info(&mut client, "persistence");
        assert_eq!(info.get("aof_buffer_length").map(String::as_str), Some("0"));
        let Ok(files) = fs::read_dir(self.dir.path().join("appendonlydir")) else {
            return 0;
        };
        files.map(|f| f.expect("a file").metadata().expect("its size").len()).sum()
    }

    /// The append-only file that is written to.
    pub fn growing_aof(&self) -> PathBuf {
        let files = fs::read_dir(self.dir.path().join("appendonlydir")).expect("the files of the log");
        let mut logs: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        logs.retain(|path| path.to_string_lossy().ends_with(".incr.aof"));
        assert_eq!(logs.len(), 1, "{logs:?}");
        logs.remove(0)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the state of the process").is_none()
    }

    /// How long the main thread has worked so far; the time of day where the system does not tell.
    pub fn worked(&self) -> Duration {
        let path = format!("/proc/{}/schedstat", self.child.id());
        let text = fs::read_to_string(path).unwrap_or_default();
        match text.split(' ').next().and_then(|ns| ns.parse().ok()) {
            Some(ns) => Duration::from_nanos(ns),
            None => SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock"),
        }
    }

    fn signal(&self, name: &str) {
        let done =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(done.success(), "kill -{name}");
    }

    /// Stops the process as a hung machine would, until `thaw`.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    pub fn terminate(&mut self) {
        self.ended = true;
        self.signal("TERM");
    }

    /// Waits for a server that ends itself.
    pub fn ends_by_itself(&mut self) {
        self.ended = true;
        self.wait_for_end();
    }

    /// Waits for the end of a process that was told to end.
    pub fn wait_for_end(&mut self) {
        wait_until("the server ends", || self.child.try_wait().expect("the state of the process").is_some());
    }

    pub fn kill(&mut self) {
        self.ended = true;
        self.child.kill().expect("kill");
        self.child.wait().expect("its end");
    }

    /// Starts the process again in the same directory, after `kill` or `terminate`.
    pub fn start_again(&mut self) {
        assert!(!self.is_running());
        let _ = fs::remove_file(self.socket());
        self.child = spawn(self.dir.path(), &self.args, self.port, self.clock.as_ref());
        self.ended = false;
        self.wait_until_ready();
    }

    /// SHUTDOWN in the form given (`SAVE`, `NOSAVE`), and a new start on the same files.
    pub fn restart(&mut self, how: &str) {
        self.ended = true;
        let _ = self.client().try_call(&["SHUTDOWN", how]);
        self.wait_for_end();
        self.start_again();
    }

    /// Makes this server a replica of `primary` and waits until it has everything.
    #[track_caller]
    pub fn follow(&self, primary: &Server) {
        let port = primary.port().to_string();
        self.client().expect(&format!("REPLICAOF 127.0.0.1 {port}"), "OK*");
        self.wait_for_link();
        self.catch_up(primary);
    }

    pub fn wait_for_link(&self) {
        let mut client = self.client();
        wait_until("the replica is connected", || {
            info(&mut client, "replication").get("master_link_status").map(String::as_str) == Some("up")
        });
    }

    /// Waits until this replica has applied what `primary` has sent so far.
    #[track_caller]
    pub fn catch_up(&self, primary: &Server) {
        let goal = primary.offset();
        let mut client = self.client();
        wait_until("the replica catches up", || {
            let info = info(&mut client, "replication");
            let at: i64 = info.get("slave_repl_offset").and_then(|n| n.parse().ok()).unwrap_or(-1);
            at >= goal
        });
    }

    /// The replication offset: how many bytes of effects this server has sent.
    pub fn offset(&self) -> i64 {
        let info = info(&mut self.client(), "replication");
        info["master_repl_offset"].parse().expect("an offset")
    }

    #[track_caller]
    fn assert_healthy(&mut self) {
        let log = self.log();
        let alive = self.is_running();
        for disaster in DISASTERS {
            assert!(!log.contains(disaster), "{disaster} in the log:\n{log}");
        }
        assert!(alive || self.ended, "the server ended by itself:\n{log}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(40)..];
            eprintln!("--- end of the log of a server ---\n{}\n---", tail.join("\n"));
            let _ = self.child.kill();
            let _ = self.child.wait();
            return;
        }
        let healthy = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.assert_healthy();
        }));
        // A killed process leaves nothing behind, also when it is frozen.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Err(panic) = healthy {
            std::panic::resume_unwind(panic);
        }
    }
}

fn spawn(dir: &Path, args: &[String], port: Option<u16>, clock: Option<&Clock>) -> Child {
    let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    let log: File = OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("a log file");
    let errors = log.try_clone().expect("the log file once more");
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .args(["--dir", "."])
        .args(["--unixsocket", "socket"])
        .args(["--port", &port.unwrap_or(0).to_string()])
        .args(["--bind", "127.0.0.1"])
        .args(["--save", ""])
        .args(["--enable-debug-command", "yes"])
        .args(["--appendfsync", "no"])
        .args(args)
        .arg("--loadmodule")
        .arg(module())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .envs(clock.into_iter().flat_map(Clock::environment));
    command.spawn().unwrap_or_else(|error| panic!("the server does not start: {error}"))
}

/// The module under test: STOCK_MODULE, or the library that cargo built beside this test.
pub fn module() -> OsString {
    if let Some(path) = std::env::var_os("STOCK_MODULE") {
        return path;
    }
    let exe = std::env::current_exe().expect("the path of this test");
    let path = exe.with_file_name("libredis_stock.so");
    assert!(path.exists(), "no module at {}: set STOCK_MODULE", path.display());
    path.into_os_string()
}

/// The other module of the tests (`tests/second_module`), which cargo builds as an example.
pub fn second_module() -> PathBuf {
    let exe = std::env::current_exe().expect("the path of this test");
    let built = exe.parent().and_then(|deps| deps.parent()).expect("the directory of the build");
    let path = built.join("examples").join("libsecond_module.so");
    assert!(
        path.exists(),
        "{} is missing: cargo build --example second_module (cargo test without --test does it)",
        path.display()
    );
    path
}

/// A port that nobody listens on, given out once per process. It lies below those that systems take
/// for outgoing connections, so none of these can have it before the server has. The default
/// cluster bus, port + 10000, is free too.
pub fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Another process of tests begins elsewhere.
        let index = std::process::id().wrapping_mul(997).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + index % COUNT).expect("a port");
        if [port, port + 10_000].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return port;
        }
    }
}
