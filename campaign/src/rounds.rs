//! What campaigns of rounds at servers share: how long, from which seed, and what becomes of a
//! round that went wrong.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

use crate::record::{Ledger, Row};
use testkit::{info, stock_info, wait_until, Client, Server, Value};

/// How long a campaign runs.
#[derive(clap::Args)]
pub struct Bounds {
    /// The first seed; by default the one behind the last row of the table.
    #[arg(long)]
    seed: Option<u64>,
    /// How many rounds; each has a seed.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// End earlier, after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
}

/// Something that goes through rounds, and is thrown away after one that went wrong.
pub trait Scene {
    /// One round; it panics where something is wrong.
    fn round(&mut self, seed: u64);
    /// The server, for the row.
    fn version(&self) -> String;
    /// Whether the next round shall begin with fresh servers.
    fn is_worn(&self) -> bool;
}

/// Runs the rounds and writes the row; how much went wrong. `counts` says what was counted; it is
/// `None` where that proves nothing.
pub fn run<S: Scene>(
    name: &'static str,
    command: &str,
    bounds: &Bounds,
    ledger: &Ledger,
    mut open: impl FnMut(u64) -> S,
    counts: impl FnOnce(u64) -> Option<String>,
) -> u64 {
    let first = bounds.seed.unwrap_or_else(|| ledger.next_seed(name));
    let start = Instant::now();
    let (mut rounds, mut found, mut last, mut server) = (0, 0, first, String::new());
    let mut scene: Option<S> = None;
    for seed in first..first + bounds.seeds {
        if bounds.seconds.is_some_and(|seconds| seed > first && start.elapsed().as_secs() >= seconds) {
            break;
        }
        last = seed;
        let done = catch_unwind(AssertUnwindSafe(|| {
            if scene.as_ref().is_some_and(Scene::is_worn) {
                scene = None;
            }
            let here = scene.get_or_insert_with(|| open(seed));
            server = here.version();
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
    ledger.write(&Row { campaign: name, server, seeds: (first, last), counts: text, found });
    found
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
