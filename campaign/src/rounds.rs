//! What campaigns share: how long they run and from which seed; and of those that go through rounds
//! at servers, what becomes of a round that went wrong.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::record::{Ledger, Row};
use testkit::{info, stock_info, wait_until, Client, Server, Value};

/// How long a campaign runs.
#[derive(clap::Args)]
pub struct Bounds {
    /// The first seed; by default the one behind the last row of the table.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds, each for one round or history; by default some minutes of them.
    #[arg(long)]
    seeds: Option<u64>,
    /// End earlier, after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
}

/// The seeds of a campaign, until its time is over.
pub struct Seeds {
    first: u64,
    next: u64,
    end: u64,
    until: Option<Instant>,
}

impl Bounds {
    /// The seeds of a campaign: `usual` of them, unless the options say.
    pub fn seeds(&self, name: &str, usual: u64, ledger: &Ledger) -> Seeds {
        let first = self.seed.unwrap_or_else(|| ledger.next_seed(name));
        let until = self.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        Seeds { first, next: first, end: first + self.seeds.unwrap_or(usual), until }
    }
}

impl Iterator for Seeds {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let is_late = self.next > self.first && self.until.is_some_and(|until| Instant::now() >= until);
        if is_late || self.next == self.end {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }
}

impl Seeds {
    /// The first one and the last one that ran.
    pub fn ran(&self) -> (u64, u64) {
        (self.first, self.next.saturating_sub(1).max(self.first))
    }
}

/// Something that goes through rounds, and is thrown away after one that went wrong.
pub trait Scene {
    /// After so many rounds the next one begins with fresh servers.
    const ROUNDS: u64;
    /// One round; it panics where something is wrong.
    fn round(&mut self, seed: u64);
    /// A client of one of its servers.
    fn client(&self) -> Client;
    /// Whether the round of this seed needs other servers.
    fn is_unfit(&self, _seed: u64) -> bool {
        false
    }
}

/// Runs the rounds, five where the options do not say, and writes the row; how much went wrong.
/// `counts` says what was counted; it is `None` where that proves nothing.
pub fn run<S: Scene>(
    name: &'static str,
    command: &str,
    bounds: &Bounds,
    ledger: &Ledger,
    mut open: impl FnMut(u64) -> S,
    counts: impl FnOnce(u64) -> Option<String>,
) -> u64 {
    let mut seeds = bounds.seeds(name, 5, ledger);
    let (mut rounds, mut found, mut server) = (0, 0, String::new());
    let (mut scene, mut age): (Option<S>, u64) = (None, 0);
    for seed in seeds.by_ref() {
        let done = catch_unwind(AssertUnwindSafe(|| {
            if scene.as_ref().is_some_and(|scene| age == S::ROUNDS || scene.is_unfit(seed)) {
                scene = None;
            }
            let here = scene.get_or_insert_with(|| {
                let fresh = open(seed);
                (server, age) = (version(&mut fresh.client()), 0);
                fresh
            });
            age += 1;
            here.round(seed);
        }));
        match done {
            Ok(()) => rounds += 1,
            Err(_) => {
                found += 1;
                eprintln!(
                    "{name}: round {seed} went wrong, see above\nto repeat: make campaign NAME='{command}' ARGS='--seed {seed} --seeds 1'"
                );
                let _ = catch_unwind(AssertUnwindSafe(|| scene = None));
                if found >= 5 {
                    break;
                }
            }
        }
    }
    // A server that has died says so when it is let go.
    found += u64::from(catch_unwind(AssertUnwindSafe(|| scene = None)).is_err());
    let text = counts(rounds).unwrap_or_else(|| {
        eprintln!("{name}: what was counted proves nothing");
        found += 1;
        "nothing that proves anything".into()
    });
    ledger.write(&Row { campaign: name, server, seeds: seeds.ran(), counts: text, found });
    found
}

/// The name and version of a server.
pub fn version(client: &mut Client) -> String {
    let fields = info(client, "server");
    match fields.get("valkey_version") {
        Some(version) => format!("Valkey {version}"),
        None => format!("Redis {}", fields.get("redis_version").map_or("unknown", String::as_str)),
    }
}

/// All errors in an answer, also those inside a transaction.
pub fn errors(answer: &Value) -> Vec<String> {
    match answer {
        Value::Error(_) => vec![answer.error()],
        Value::Array(items) => items.iter().flat_map(errors).collect(),
        _ => Vec::new(),
    }
}

/// Whether an answer says that something was changed.
pub fn has_changed(answer: &Value) -> bool {
    match answer {
        Value::Int(n) => *n > 0,
        Value::Status(word) => word == b"OK",
        Value::Array(items) => {
            items.first().is_some_and(|first| matches!(first, Value::Bulk(w) | Value::Status(w) if w == b"OK"))
        }
        _ => false,
    }
}

/// The pools of all databases: (database, key). The connection is left in database 0.
#[track_caller]
pub fn pools(client: &mut Client, databases: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for db in 0..databases {
        client.expect(&format!("SELECT {db}"), "OK");
        for key in client.say("KEYS *").items() {
            let key = key.text();
            if client.say(&format!("TYPE {key}")).text() == "stockpool" {
                found.push((db, key));
            }
        }
    }
    client.expect("SELECT 0", "OK");
    found
}

/// Every pool passes VERIFY; how many there are.
#[track_caller]
pub fn verify_all(client: &mut Client, databases: usize) -> u64 {
    let pools = pools(client, databases);
    for (db, key) in &pools {
        client.expect(&format!("SELECT {db}"), "OK");
        client.verify(key);
    }
    client.expect("SELECT 0", "OK");
    pools.len() as u64
}

/// Waits until the background has returned all holds that are due: as many are held in truth as
/// reads show. Then a sweep by hand finds nothing.
#[track_caller]
pub fn nothing_stays_due(client: &mut Client, databases: usize) {
    let mut shown = 0;
    wait_until("all due holds come back by themselves", || {
        shown = 0;
        for (db, key) in pools(client, databases) {
            client.expect(&format!("SELECT {db}"), "OK");
            let pool = client.say(&format!("STOCK.GET {key}"));
            if pool != Value::Nil {
                shown += pool.field("orders").field("reserved").int();
            }
        }
        client.expect("SELECT 0", "OK");
        stock_info(client, "open_holds") == shown
    });
    for (db, key) in pools(client, databases) {
        client.expect(&format!("SELECT {db}"), "OK");
        client.expect(&format!("STOCK.SWEEP {key} COUNT 100000"), "0");
    }
    client.expect("SELECT 0", "OK");
}

/// The digest of everything that a server holds.
#[track_caller]
pub fn digest(client: &mut Client) -> String {
    client.say("DEBUG DIGEST").text()
}

/// Both servers hold the same, and no effect was ever one that did not fit.
#[track_caller]
pub fn equal(primary: &Server, replica: &Server) {
    replica.wait_for_link();
    let (mut one, mut other) = (primary.client(), replica.client());
    wait_until("both servers hold the same", || {
        replica.catch_up(primary);
        digest(&mut one) == digest(&mut other)
    });
    for (client, side) in [(&mut one, "primary"), (&mut other, "replica")] {
        assert_eq!(stock_info(client, "divergences"), 0, "effects that did not fit, on the {side}");
    }
    for server in [primary, replica] {
        no_internal_error(server);
    }
}

/// No panic was caught.
#[track_caller]
pub fn no_internal_error(server: &Server) {
    let log = server.log();
    assert!(!log.contains("internal error"), "an internal error:\n{log}");
}

/// No key has a time to live.
#[track_caller]
pub fn wait_for_expiry(client: &mut Client) {
    wait_until("what has a time to live is gone", || {
        info(client, "keyspace").values().all(|line| line.contains("expires=0"))
    });
}

/// No rewrite of the append-only file is under way.
#[track_caller]
pub fn wait_for_rewrite(client: &mut Client) {
    wait_until("the rewrite ends", || {
        let fields = info(client, "persistence");
        fields["aof_rewrite_in_progress"] == "0" && fields["aof_rewrite_scheduled"] == "0"
    });
}

/// Rewrites the append-only file, which makes it short.
#[track_caller]
pub fn rewrite(client: &mut Client) {
    client.say("BGREWRITEAOF");
    wait_for_rewrite(client);
}
