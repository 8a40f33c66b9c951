//! Windows in which a primary must not write: CLIENT PAUSE, FAILOVER, and a SIGTERM that waits for
//! a replica which is stopped. In each, holds fall due. The server must live, and once the window
//! is over both sides must hold the same bytes and have returned the same holds.

use std::cell::RefCell;
use std::thread;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::record::{grouped, Ledger};
use crate::rounds::{self, Bounds, Scene};
use testkit::{info, now_ms, wait_until, Client, Server};

#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    bounds: Bounds,
    /// Which window.
    #[arg(long, value_enum, default_value_t = Kind::Pause)]
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// CLIENT PAUSE … WRITE.
    Pause,
    /// FAILOVER, back and forth.
    Failover,
    /// SIGTERM while the replica is stopped.
    Sigterm,
    /// Full and partial resyncs that are broken off, in the diskless modes in turns.
    Resync,
}

#[derive(Default)]
struct Counts {
    /// Holds that fell due while the window was open.
    due: u64,
    /// Full resyncs that began and were not finished.
    aborted: u64,
    /// Partial ones.
    partial: u64,
}

/// How much went wrong.
pub fn run(options: &Options, ledger: &Ledger) -> u64 {
    let kind = options.kind;
    let (name, command) = match kind {
        Kind::Pause => ("CLIENT PAUSE", "windows --kind pause"),
        Kind::Failover => ("FAILOVER", "windows --kind failover"),
        Kind::Sigterm => ("SIGTERM, replica stopped", "windows --kind sigterm"),
        Kind::Resync => ("resyncs broken off", "windows --kind resync"),
    };
    let counts = RefCell::new(Counts::default());
    let open = |seed| Pair::open(mode_of(seed), kind, &counts);
    rounds::run(name, command, &options.bounds, ledger, open, |rounds| {
        let counts = counts.borrow();
        let mut text = format!("{} windows, {} holds fell due inside", grouped(rounds), grouped(counts.due));
        if kind == Kind::Resync {
            text = format!(
                "{} rounds, {} full resyncs broken off, {} partial ones, diskless sync and load in turns, {} holds fell due meanwhile",
                grouped(rounds),
                grouped(counts.aborted),
                grouped(counts.partial),
                grouped(counts.due)
            );
        }
        (rounds > 0).then(|| format!("{text}; digests equal after each"))
    })
}

/// Which of the diskless modes, in turns.
fn mode_of(seed: u64) -> usize {
    (seed / 20 % 3) as usize
}

struct Pair<'a> {
    primary: Server,
    replica: Server,
    kind: Kind,
    mode: usize,
    serial: u64,
    counts: &'a RefCell<Counts>,
}

const POOLS: [&str; 3] = ["{w}a", "{w}b", "{w}c"];

impl Scene for Pair<'_> {
    const ROUNDS: u64 = 60;

    fn round(&mut self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut counts = self.counts.borrow_mut();
        match self.kind {
            Kind::Pause => self.pause(&mut rng, &mut counts),
            Kind::Failover => self.failover(&mut rng, &mut counts),
            Kind::Sigterm => self.sigterm(&mut rng, &mut counts),
            Kind::Resync => self.resync(&mut rng, &mut counts),
        }
    }

    fn client(&self) -> Client {
        self.primary.client()
    }

    fn is_unfit(&self, seed: u64) -> bool {
        self.kind == Kind::Resync && self.mode != mode_of(seed)
    }
}

impl Pair<'_> {
    fn open(mode: usize, kind: Kind, counts: &RefCell<Counts>) -> Pair<'_> {
        // (diskless sync of the primary, diskless load of the replica)
        let (sync, load) = [("yes", "disabled"), ("no", "swapdb"), ("yes", "swapdb")][mode];
        let delay = if kind == Kind::Resync { "2000" } else { "0" };
        let args = [
            "--repl-diskless-sync",
            sync,
            "--repl-diskless-load",
            load,
            "--rdb-key-save-delay",
            delay,
            "--shutdown-timeout",
            "2",
            "--repl-timeout",
            "20",
            "--repl-backlog-size",
            "16384",
        ];
        let (primary, mut client) = Server::on_port(&args).with_client();
        let replica = Server::replica_of(&primary, &args);
        for pool in POOLS {
            client.expect(&format!("STOCK.SET {pool} 100000000"), "OK");
            client.expect(&format!("STOCK.LIMIT {pool} user 1000000 PER 10"), "OK");
            let policy = r#"{"retain":2,"retain_paid":2,"limits":[{"by":["user"],"max":1000000,"per":10}]}"#;
            client.call(&["STOCK.SETPOLICY", pool, policy]);
        }
        Pair { primary, replica, kind, mode, serial: 0, counts }
    }

    /// Holds that fall due from now until `within_ms`, spread over the pools; when the last one
    /// does.
    fn hold(&mut self, client: &mut Client, count: u64, within_ms: i64, rng: &mut SmallRng) -> i64 {
        let start_ms = now_ms();
        let calls: Vec<Vec<String>> = (0..count)
            .map(|_| {
                self.serial += 1;
                let at_ms = start_ms + 1 + rng.random_range(within_ms / 3..=within_ms);
                let pool = POOLS[rng.random_range(0..3)];
                let line = format!(
                    "STOCK.RESERVE {pool} h{} 1 PXAT {at_ms} FOR user u{}",
                    self.serial,
                    rng.random_range(0..20)
                );
                line.split(' ').map(str::to_string).collect()
            })
            .collect();
        client.pipeline(&calls);
        start_ms + within_ms + 1
    }

    /// All due holds are back on the primary, the replica has heard of it, and both hold the same
    /// bytes.
    fn settle(&mut self) {
        let mut client = self.primary.client();
        for pool in POOLS {
            wait_until("the holds come back", || client.call(&["STOCK.GET", pool]).field("reserved").int() == 0);
            client.expect(&format!("STOCK.SWEEP {pool} COUNT 100000"), "*");
            client.verify(pool);
        }
        self.replica.wait_for_link();
        let (primary, replica) = (&self.primary, &self.replica);
        let mut other = replica.client();
        wait_until("both hold the same bytes", || {
            replica.catch_up(primary);
            POOLS.iter().all(|pool| client.digest(pool) == other.digest(pool))
        });
        for pool in POOLS {
            other.verify(pool);
        }
        for server in [&mut client, &mut other] {
            let divergences = testkit::stock_info(server, "divergences");
            assert_eq!(divergences, 0, "effects that did not fit");
        }
    }

    fn pause(&mut self, rng: &mut SmallRng, counts: &mut Counts) {
        let mut client = self.primary.client();
        let count = rng.random_range(20..200);
        let window_ms = rng.random_range(40..200);
        let last_ms = self.hold(&mut client, count, window_ms, rng);
        let kind = if rng.random_bool(0.7) { "WRITE" } else { "ALL" };
        client.expect(&format!("CLIENT PAUSE {} {kind}", window_ms + 60), "OK");
        // Reads must not write either.
        let reader = thread::scope(|scope| {
            let socket = self.primary.socket();
            let reader = scope.spawn(move || {
                let mut reader = Client::unix(&socket).expect("a connection");
                while now_ms() < last_ms + 20 {
                    reader.call(&["STOCK.AVAILABLE", POOLS[0]]);
                    reader.call(&["STOCK.ORDERS", POOLS[1], "0", "COUNT", "10"]);
                    thread::sleep(Duration::from_millis(3));
                }
            });
            reader.join()
        });
        assert!(reader.is_ok(), "reads in the window");
        counts.due += count;
        drop(client);
        self.settle();
    }

    fn failover(&mut self, rng: &mut SmallRng, counts: &mut Counts) {
        let mut client = self.primary.client();
        let count = rng.random_range(20..200);
        self.hold(&mut client, count, 60, rng);
        wait_until("the replica is online", || {
            info(&mut client, "replication").get("slave0").is_some_and(|line| line.contains("state=online"))
        });
        // The replica is slow to follow, so that the window is open while holds fall due.
        self.replica.freeze();
        self.hold(&mut client, 20, 60, rng);
        let port = self.replica.port();
        client.expect(&format!("FAILOVER TO 127.0.0.1 {port} TIMEOUT 10000"), "OK");
        thread::sleep(Duration::from_millis(rng.random_range(30..120)));
        self.replica.thaw();
        wait_until("the replica takes over", || {
            info(&mut self.replica.client(), "replication").get("role").map(String::as_str) == Some("master")
        });
        wait_until("the old primary follows", || {
            info(&mut self.primary.client(), "replication").get("role").map(String::as_str) == Some("slave")
        });
        std::mem::swap(&mut self.primary, &mut self.replica);
        counts.due += count + 20;
        self.settle();
    }

    fn sigterm(&mut self, rng: &mut SmallRng, counts: &mut Counts) {
        let mut client = self.primary.client();
        let count = rng.random_range(20..200);
        self.replica.freeze();
        self.hold(&mut client, count, 60, rng);
        client.call(&["CONFIG", "SET", "save", "3600 1"]);
        drop(client);
        self.primary.terminate();
        thread::sleep(Duration::from_millis(rng.random_range(60..160)));
        self.replica.thaw();
        self.primary.wait_for_end();
        assert!(self.primary.log().contains("ready to exit"), "the server ended in another way");
        self.primary.start_again();
        counts.due += count;
        self.settle();
    }

    fn resync(&mut self, rng: &mut SmallRng, counts: &mut Counts) {
        let mut client = self.primary.client();
        let before = resyncs(&self.primary);
        let count = rng.random_range(20..100);
        match rng.random_range(0..4) {
            // A full resync that breaks off in the middle, once or twice.
            0..3 => {
                let mut other = self.replica.client();
                other.expect("REPLICAOF NO ONE", "OK");
                other.expect("STOCK.SET {w}stray 5", "OK");
                self.hold(&mut client, count, 40, rng);
                // Enough to push the old offset out of the backlog.
                self.hold(&mut client, 300, 40, rng);
                let port = self.primary.port();
                for _ in 0..rng.random_range(1..3) {
                    other.expect(&format!("REPLICAOF 127.0.0.1 {port}"), "OK*");
                    thread::sleep(Duration::from_millis(rng.random_range(1..25)));
                    match rng.random_range(0..3) {
                        0 => drop(client.call(&["CLIENT", "KILL", "TYPE", "replica"])),
                        1 => drop(other.call(&["CLIENT", "KILL", "TYPE", "master"])),
                        _ => drop(other.expect("REPLICAOF NO ONE", "OK")),
                    }
                }
                other.expect(&format!("REPLICAOF 127.0.0.1 {port}"), "OK*");
            }
            // The link breaks: a partial resync, or a full one where the backlog is too short.
            _ => {
                let many = rng.random_range(1..200);
                client.call(&["CLIENT", "KILL", "TYPE", "replica"]);
                self.hold(&mut client, many, 40, rng);
                client.call(&["CLIENT", "KILL", "TYPE", "replica"]);
                self.hold(&mut client, count, 40, rng);
            }
        }
        drop(client);
        counts.due += count;
        self.settle();
        let after = resyncs(&self.primary);
        let [begun, finished, partial] = [0, 1, 2].map(|at| after[at].saturating_sub(before[at]));
        counts.aborted += begun.saturating_sub(finished);
        counts.partial += partial;
    }
}

/// Full resyncs that have begun and those that were finished, and partial ones.
fn resyncs(primary: &Server) -> [u64; 3] {
    let stats = info(&mut primary.client(), "stats");
    let number = |name: &str| stats.get(name).and_then(|n| n.parse().ok()).unwrap_or(0);
    let log = primary.log();
    let finished =
        log.lines().filter(|line| line.contains("Synchronization with replica") && line.contains("succeeded"));
    [number("sync_full"), finished.count() as u64, number("sync_partial_ok")]
}
