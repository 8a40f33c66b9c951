//! A fresh server for each design, and what it spent on the CPU.

use std::fs;

use anyhow::{ensure, Context, Result};
use clap::ValueEnum;
use rustix::time::{clock_gettime, ClockId};
use testkit::databases::{DatabaseServer, Engine};
use testkit::{info, Server};

/// When an answer is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Disk {
    /// Redis within a second, databases before they answer: as each of them is mostly set up.
    Usual,
    /// Within a second, all of them.
    Second,
    /// Before it is given, all of them.
    Always,
}

impl Disk {
    /// For the line above the table.
    pub fn words(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::Second => ", on the disk within a second",
            Self::Always => ", on the disk before the answer",
        }
    }
}

/// What a design runs on.
pub enum Backend {
    Redis(Box<Server>),
    Database(DatabaseServer),
}

impl Backend {
    /// Redis with an append-only file.
    pub fn redis(disk: Disk) -> Self {
        let fsync = if disk == Disk::Always { "always" } else { "everysec" };
        Self::Redis(Box::new(Server::on_port(&["--appendonly", "yes", "--appendfsync", fsync])))
    }

    /// A database that reads what is committed, each statement anew: MariaDB's own default locks
    /// the gaps between rows as well, for which shops have no use.
    pub fn database(engine: Engine, disk: Disk) -> Self {
        let mut args = Vec::new();
        match engine {
            Engine::Postgres if disk == Disk::Second => args.extend(["-c", "synchronous_commit=off"]),
            Engine::Postgres => {}
            Engine::MariaDb => {
                args.push("--transaction-isolation=READ-COMMITTED");
                if disk == Disk::Second {
                    args.push("--innodb-flush-log-at-trx-commit=2");
                }
            }
        }
        Self::Database(DatabaseServer::start(engine, &args))
    }

    /// Where clients connect to.
    pub fn url(&self) -> String {
        match self {
            Self::Redis(server) => format!("redis://127.0.0.1:{}/", server.port()),
            Self::Database(server) => server.create("shop"),
        }
    }

    /// CPU time of all threads and processes so far, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        match self {
            Self::Redis(server) => {
                let cpu = info(&mut server.client(), "cpu");
                let part = |name: &str| cpu.get(name).and_then(|text| text.parse::<f64>().ok());
                let parts = part("used_cpu_user").zip(part("used_cpu_sys"));
                parts.map(|(user, system)| user + system).context("the server does not tell its CPU time")
            }
            Self::Database(server) => cpu_seconds(server.pid()),
        }
    }
}

/// CPU time of all threads of this process, in seconds. By its clock: a short sale may take less
/// than the hundredth of a second in which /proc counts.
pub fn own_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Of a process and of all that it started, also those that have ended.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut ticks = 0.0;
    let mut found = false;
    for entry in fs::read_dir("/proc").context("/proc")?.flatten() {
        // A process may end while it is looked at.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((of, numbers)) = numbers(&stat) else { continue };
        if of == pid {
            found = true;
            ticks += numbers[UTIME] + numbers[STIME] + numbers[UTIME + 2] + numbers[STIME + 2];
        } else if numbers[PARENT] == f64::from(pid) {
            ticks += numbers[UTIME] + numbers[STIME];
        }
    }
    ensure!(found, "process {pid} is gone");
    Ok(ticks / TICKS)
}

/// USER_HZ: 100 on every Linux.
const TICKS: f64 = 100.0;
/// Where proc(5) has the parent and the times, counted behind the name; those of children that have
/// ended stand two further.
const PARENT: usize = 1;
const UTIME: usize = 11;
const STIME: usize = 12;

/// The number of the process, and what stands behind its name; what is no number is 0.
fn numbers(stat: &str) -> Option<(u32, Vec<f64>)> {
    let (head, tail) = stat.rsplit_once(')')?;
    let numbers: Vec<f64> = tail.split_whitespace().map(|text| text.parse().unwrap_or_default()).collect();
    let pid = head.split(' ').next()?.parse().ok()?;
    (numbers.len() > STIME + 2).then_some((pid, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_spends_time() {
        let start = std::time::Instant::now();
        let before = own_cpu_seconds();
        let mut number = 1_u64;
        while start.elapsed().as_millis() < 300 {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
        let spent = own_cpu_seconds() - before;
        assert!(spent > 0.03 && spent < 60.0, "{spent}");
        // It counts user and system time in whole hundredths, each rounded down.
        assert!(cpu_seconds(std::process::id()).expect("with its children") > before + spent - 2.0 / TICKS);
    }

    #[test]
    fn less_than_a_hundredth_of_a_second_is_seen() {
        let before = own_cpu_seconds();
        std::hint::black_box((0..10_000).fold(1_u64, |number, next| number.wrapping_mul(3) ^ next));
        let spent = own_cpu_seconds() - before;
        assert!(spent > 0.0, "{spent}");
    }
}
