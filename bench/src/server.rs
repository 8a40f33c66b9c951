//! A server for the time of one measurement: in a fresh directory, on a unix socket only, ended
//! with its owner.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use tempfile::TempDir;

use crate::client::{Connection, Load};
use testkit::clock::Clock;

/// A server that needs longer to start, with millions of orders to load, has failed.
const START: Duration = Duration::from_secs(300);

/// What is to be started.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// Redis or Valkey.
    pub program: &'a str,
    /// libredis_stock.so
    pub module: &'a Path,
    /// libstock_floor.so
    pub floor: &'a Path,
    /// Threads that read calls and write answers, 1 to 16; with 1 the main thread does.
    pub io_threads: u8,
}

/// How it is started.
#[derive(Default)]
pub struct Options {
    /// With an append-only file, everysec.
    pub aof: bool,
    /// With the stopwatch of the floor module.
    pub probe: bool,
    /// Under callgrind.
    pub callgrind: bool,
    /// Callgrind simulates the caches as well.
    pub caches: bool,
    /// With a clock of its own.
    pub clock: Option<Clock>,
    /// The most memory that its data may take. None for short runs: looking at it costs time.
    pub max_memory: Option<&'static str>,
}

pub struct Server {
    child: Child,
    dir: TempDir,
    command: Box<dyn Fn(&Path) -> Command>,
    clock: Option<Clock>,
}

impl Server {
    pub fn start(plan: &Plan<'_>, options: Options) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("stock-bench-").tempdir()?;
        let command = Box::new(command(plan, &options)?);
        let child = command(dir.path()).spawn().with_context(|| format!("starting {}", plan.program))?;
        let mut server = Self { child, dir, command, clock: options.clock };
        server.wait()?;
        Ok(server)
    }

    /// Kills the process and starts it again on its own files.
    pub fn restart(&mut self) -> Result<()> {
        self.end();
        self.child = (self.command)(self.dir.path()).spawn()?;
        self.wait()
    }

    pub fn connection(&self) -> Result<Connection> {
        Connection::open(&self.socket())
    }

    pub fn load(&self, connections: usize) -> Result<Load> {
        Load::open(&self.socket(), connections)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn set_clock(&self, now_ms: i64) -> Result<()> {
        self.clock.as_ref().context("a server without a clock of its own")?.set(now_ms);
        Ok(())
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Answers once the server takes calls and has loaded its data.
    fn wait(&mut self) -> Result<()> {
        let until = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended ({status}); its log:\n{}", self.log());
            }
            let answer = self.connection().and_then(|mut connection| connection.say("PING"));
            if answer.is_ok_and(|answer| answer == "+PONG\r\n") {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the server does not answer; its log:\n{}", self.log());
            }
            sleep(Duration::from_millis(10));
        }
    }

    fn end(&mut self) {
        // Both fail only where it has already ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The command line, for a directory.
fn command(plan: &Plan<'_>, options: &Options) -> Result<impl Fn(&Path) -> Command + 'static> {
    let mut line: Vec<String> = Vec::new();
    let mut say = |words: &[&str]| line.extend(words.iter().map(ToString::to_string));
    if is_there("setpriv") {
        // The kernel ends the server when the bench ends, however it ends.
        say(&["setpriv", "--pdeathsig", "KILL", "--"]);
    }
    if options.callgrind {
        say(&["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=callgrind"]);
        // With the address of each instruction, as plain text.
        say(&["--dump-instr=yes", "--compress-pos=no", "--compress-strings=no"]);
    }
    if options.callgrind && options.caches {
        say(&["--cache-sim=yes", "--LL=8388608,16,64"]);
    }
    say(&[plan.program, "--port", "0", "--unixsocket", "socket", "--logfile", "log", "--daemonize", "no"]);
    say(&["--save", "", "--appendonly", if options.aof { "yes" } else { "no" }, "--appendfsync", "everysec"]);
    say(&["--auto-aof-rewrite-percentage", "0", "--enable-debug-command", "local"]);
    say(&["--loadmodule", text(plan.module)?]);
    say(&["--loadmodule", text(plan.floor)?]);
    if options.probe {
        say(&["probe"]);
    }
    if let Some(bytes) = options.max_memory {
        say(&["--maxmemory", bytes]);
    }
    if options.callgrind {
        // The server's own housekeeping would be counted as well.
        say(&["--hz", "1"]);
    } else if plan.io_threads > 1 {
        // Before Redis 8 these only write, unless they are told to read as well.
        say(&["--io-threads", &plan.io_threads.to_string(), "--io-threads-do-reads", "yes"]);
    }
    let environment = options.clock.as_ref().map(Clock::environment);
    Ok(move |dir: &Path| {
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).current_dir(dir);
        command.envs(environment.iter().flatten().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    })
}

/// Whether there is such a program.
pub fn is_there(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}
