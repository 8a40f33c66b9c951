//! A private server with the module, for the time of the demo.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use tempfile::TempDir;

/// Ended, and its directory removed, when dropped.
pub struct Server {
    child: Child,
    dir: TempDir,
    program: String,
    module: PathBuf,
}

impl Server {
    pub fn start(program: &str, module: &Path) -> Result<Self> {
        let module = module.canonicalize().with_context(|| {
            format!(
                "no module at {}: build it with `cargo build --release`, or name it with --module",
                module.display()
            )
        })?;
        let dir = tempfile::Builder::new().prefix("stock-demo-").tempdir()?;
        let child = spawn(program, &module, dir.path())?;
        let mut server = Self { child, dir, program: program.to_owned(), module };
        server.wait()?;
        Ok(server)
    }

    /// kill -9, and the same server again with the same files. Answers how long it was away.
    pub fn kill_and_start(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawn(&self.program, &self.module, self.dir.path())?;
        self.wait()?;
        Ok(start.elapsed())
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.dir.path().join("redis.sock").display())
    }

    /// Answers once the server takes calls. Looks at the process too: one that refuses the module
    /// ends at once.
    fn wait(&mut self) -> Result<()> {
        let client = redis::Client::open(self.url())?;
        let until = Instant::now() + Duration::from_secs(15);
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended ({status}); its log:\n{}", self.log());
            }
            let pong = client.get_connection().and_then(|mut con| redis::cmd("PING").query::<String>(&mut con));
            if pong.is_ok() {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the server does not answer; its log:\n{}", self.log());
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// The end of the server's log: what to read when something went wrong.
    fn log(&self) -> String {
        let text = std::fs::read(self.dir.path().join("redis.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// The log, where the process is gone: a crash shows to the clients only as broken connections.
    pub fn crash(&mut self) -> Option<String> {
        matches!(self.child.try_wait(), Ok(Some(_))).then(|| self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has already ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &str, module: &Path, dir: &Path) -> Result<Child> {
    Command::new(program)
        .current_dir(dir)
        // A socket in a directory of its own: no port to collide with, nobody else gets in. Every
        // answer is on the disk before it is given: kill -9 loses none.
        .args(["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "always", "--daemonize", "no", "--logfile", "redis.log", "--maxclients", "4000"])
        .arg("--loadmodule")
        .arg(module)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {program}"))
}
