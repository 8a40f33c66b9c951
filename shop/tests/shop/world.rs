//! A shop of one's own: the program in a temporary directory.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Ended by SIGTERM when dropped: what runs behind the shop ends with it.
pub struct World {
    child: Child,
    dir: TempDir,
    /// http://127.0.0.1:PORT
    pub base: String,
    redis: redis::Client,
}

impl World {
    /// A sale that is open; `args` as the program takes them.
    pub fn open(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_stock-shop"))
            .args(["--port", "0", "--opens-in", "0", "--dir"])
            .arg(dir.path())
            .arg("--module")
            .arg(module())
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the shop says where it is, or why not").unwrap();
        let second = lines.next().unwrap().unwrap();
        let word =
            |line: &str, behind: &str| line.split(behind).nth(1).unwrap().split([' ', ';']).next().unwrap().to_owned();
        let base = word(&first, "open: ").trim_end_matches('/').to_owned();
        let redis = redis::Client::open(format!("redis://127.0.0.1:{}/", word(&second, "-p "))).unwrap();
        Self { child, dir, base, redis }
    }

    /// A command to the shop's Redis, as an operator types it.
    pub fn redis<T: redis::FromRedisValue>(&self, line: &str) -> T {
        let mut connection = self.redis.get_connection().unwrap();
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.query(&mut connection).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// How many calls of STOCK.RESERVE reached Redis.
    pub fn reserve_calls(&self) -> u64 {
        let text: String = self.redis("INFO commandstats");
        let line = text.lines().find(|line| line.to_lowercase().starts_with("cmdstat_stock.reserve:"));
        line.map_or(0, |line| line.split("calls=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap())
    }

    /// What the shop, its workers, Redis and the ledger said.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for run in std::fs::read_dir(self.dir.path()).unwrap().flatten() {
            for file in std::fs::read_dir(run.path()).into_iter().flatten().flatten() {
                if file.path().extension().is_some_and(|end| end == "log") {
                    let log = String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned();
                    let last: Vec<&str> = log.lines().rev().take(15).collect();
                    text += &format!("{}:\n{}\n", file.path().display(), last.join("\n"));
                }
            }
        }
        text
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// STOCK_MODULE, or the library that cargo built beside this test.
fn module() -> PathBuf {
    let beside = || std::env::current_exe().unwrap().with_file_name("libredis_stock.so");
    std::env::var_os("STOCK_MODULE").map_or_else(beside, PathBuf::from)
}

/// Looks until it is so, at most `seconds`.
pub async fn until<F: std::future::Future<Output = Option<T>>, T>(what: &str, seconds: u64, look: impl Fn() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(seconds), "waited {seconds} s for: {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// The next event of a stream of server-sent events, as JSON, and the rest of it.
pub async fn event(response: &mut reqwest::Response) -> Value {
    let mut text = String::new();
    loop {
        let piece = tokio::time::timeout(Duration::from_secs(10), response.chunk()).await;
        text +=
            std::str::from_utf8(&piece.expect("an event within 10 s").unwrap().expect("the stream goes on")).unwrap();
        if let Some(data) = text.strip_suffix("\n\n").and_then(|text| text.rsplit("data: ").next()) {
            if let Ok(value) = serde_json::from_str(data) {
                return value;
            }
        }
    }
}
