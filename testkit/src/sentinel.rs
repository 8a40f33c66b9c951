//! A sentinel that watches a primary.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::client::Client;
use crate::program::Running;
use crate::server::free_port;
use crate::wait::wait_until;

/// It calls the primary `shop`.
pub struct Sentinel {
    pub port: u16,
    _process: Running,
    dir: TempDir,
}

impl Sentinel {
    /// With these further lines in its configuration.
    pub fn of(primary: u16, more: &str) -> Sentinel {
        let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
        let config = dir.path().join("sentinel.conf");
        let text = format!("port {port}\nbind 127.0.0.1\nsentinel monitor shop 127.0.0.1 {primary} 1\n{more}");
        fs::write(&config, text).expect("a configuration");
        let log = File::create(dir.path().join("log")).expect("a log");
        let mut command = Command::new(std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into()));
        command.arg(&config).arg("--sentinel").stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log")).stderr(log);
        let _process = Running(command.spawn().expect("a sentinel"));
        wait_until("the sentinel answers", || {
            Client::tcp(port).is_ok_and(|mut client| client.try_call(&["PING"]).is_ok())
        });
        Sentinel { port, _process, dir }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.dir.path().join("log")).unwrap_or_default());
        }
    }
}
