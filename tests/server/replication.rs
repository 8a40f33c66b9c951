//! Replicas hold what the primary holds, to the last bit, and take over without a seam.

use crate::history::{digests, History, POOLS};
use testkit::args;
use testkit::{info, now_ms, pass, stock_info, wait_until, Client, Server};

#[test]
fn replicas_follow_a_random_history() {
    let (primary, mut c) = Server::on_port(&["--appendonly", "yes"]).with_client();
    let (replica, mut r) = Server::replica_of(&primary, &["--appendonly", "yes"]).with_client();
    let mut history = History::new(71, 30);
    for round in 0..10 {
        history.run(&mut c, 300);
        c.pause_background();
        replica.catch_up(&primary);
        assert_eq!(digests(&mut r), digests(&mut c), "round {round}");
        for pool in POOLS {
            let here = c.call(&["DUMP", pool]);
            assert_eq!(r.call(&["DUMP", pool]), here, "the same bytes on both sides");
        }
        c.resume_background();
    }
    assert_eq!(stock_info(&mut r, "divergences"), 0);
}

/// A replica that comes later gets everything by a full transfer, and one that was cut off by the
/// backlog.
#[test]
fn full_and_partial_transfers() {
    let (primary, mut c) = Server::on_port(&[]).with_client();
    let mut history = History::new(72, 60_000);
    history.run(&mut c, 1000);
    let replica = Server::replica_of(&primary, &[]);
    let second = Server::replica_of(&replica, &[]);
    assert_eq!(digests(&mut replica.client()), digests(&mut c));
    for _ in 0..3 {
        c.expect("CLIENT KILL TYPE replica", "1");
        history.run(&mut c, 300);
        replica.wait_for_link();
        replica.catch_up(&primary);
        assert_eq!(digests(&mut replica.client()), digests(&mut c));
    }
    let stats = testkit::info(&mut c, "stats");
    assert_ne!(stats["sync_partial_ok"], "0");
    second.catch_up(&replica);
    assert_eq!(digests(&mut second.client()), digests(&mut c), "a replica of a replica");
    assert_eq!(stock_info(&mut second.client(), "divergences"), 0);
}

#[test]
fn writes_are_refused_on_a_replica() {
    let primary = Server::on_port(&[]);
    primary.client().expect("STOCK.SET k 10", "OK");
    let replica = Server::replica_of(&primary, &[]);
    replica.client().script(
        "STOCK.RESERVE k o 1 => -READONLY *
         STOCK.SET k 1 => -READONLY *
         STOCK.SWEEP k => -READONLY *
         STOCK.SETPOLICY k {} => -READONLY *
         STOCK.RECONCILE k 5 DRYRUN => -READONLY *
         STOCK.AVAILABLE k => [10]
         STOCK.CHECK k 4 => [OK, 4, 6, *]
         STOCK.VERIFY k",
    );
}

fn epochs(c: &mut Client) -> Vec<String> {
    POOLS.iter().map(|pool| c.get(pool, "epoch")).collect()
}

/// Promotion changes nothing; the first change after it opens a new epoch in its pool, and only
/// there.
#[test]
fn promotion_opens_a_new_epoch() {
    let (mut primary, mut c) = Server::on_port(&[]).with_client();
    History::new(73, 60_000).run(&mut c, 600);
    let replica = Server::replica_of(&primary, &[]);
    let (old, held) = (epochs(&mut c), digests(&mut c));
    primary.kill();
    let mut r = replica.client();
    assert_eq!(stock_info(&mut r, "promotions"), 0);
    r.expect("REPLICAOF NO ONE", "OK");
    assert_eq!(stock_info(&mut r, "promotions"), 1);
    assert_eq!(digests(&mut r), held);
    assert_eq!(epochs(&mut r), old);
    r.expect("STOCK.RELEASE p0 after-promotion", "[NOORDER, p0]");
    let new = epochs(&mut r);
    assert_ne!(new[0], old[0]);
    assert_eq!(new[1..], old[1..]);
    r.expect("STOCK.RELEASE p0 and-another", "[NOORDER, p0]");
    assert_eq!(epochs(&mut r), new, "one epoch for a whole history");
    r.verify("p0");
    // The old primary comes back as a replica of the new one.
    primary.start_again();
    primary.follow(&replica);
    assert_eq!(digests(&mut primary.client()), digests(&mut r));
}

#[test]
fn a_restart_opens_a_new_epoch() {
    let (mut server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 10
         STOCK.ADD k 1 => [OK, 11, 11]",
    );
    let epoch = c.get("k", "epoch");
    server.restart("SAVE");
    let mut c = server.client();
    assert_eq!(c.get("k", "epoch"), epoch);
    c.expect("STOCK.ADD k 1", "[OK, 12, 12]");
    let next = c.get("k", "epoch");
    assert_ne!(next, epoch);
    c.expect("STOCK.ADD k 1", "[OK, 13, 13]");
    assert_eq!(c.get("k", "epoch"), next);
    c.verify("k");
}

/// Primary and replica change places again and again; nothing is lost and nothing is sold twice.
#[test]
fn alternating_failovers() {
    let a = Server::on_port(&[]);
    let b = Server::replica_of(&a, &[]);
    let mut history = History::new(74, 40);
    let (mut primary, mut replica) = (&a, &b);
    for round in 0..4 {
        let mut c = primary.client();
        history.run(&mut c, 200);
        c.expect("FAILOVER", "OK");
        wait_until("the roles have changed", || {
            let here = testkit::info(&mut primary.client(), "replication");
            let there = testkit::info(&mut replica.client(), "replication");
            here["role"] == "slave" && there["role"] == "master" && here["master_link_status"] == "up"
        });
        std::mem::swap(&mut primary, &mut replica);
        let mut c = primary.client();
        c.pause_background();
        replica.catch_up(primary);
        assert_eq!(digests(&mut replica.client()), digests(&mut c), "round {round}");
        c.resume_background();
    }
    for server in [&a, &b] {
        assert_eq!(stock_info(&mut server.client(), "divergences"), 0);
    }
}

/// Splits what was written to an AOF into its commands.
fn commands(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    fn number(bytes: &mut &[u8]) -> usize {
        let end = bytes.iter().position(|b| *b == b'\r').expect("a line");
        let text = std::str::from_utf8(&bytes[1..end]).expect("digits");
        *bytes = &bytes[end + 2..];
        text.parse().expect("a number")
    }
    let mut all = Vec::new();
    while !bytes.is_empty() {
        if bytes[0] == b'#' {
            let end = bytes.iter().position(|b| *b == b'\n').expect("a line");
            bytes = &bytes[end + 1..];
            continue;
        }
        let count = number(&mut bytes);
        let mut call = Vec::new();
        for _ in 0..count {
            let len = number(&mut bytes);
            call.push(bytes[..len].to_vec());
            bytes = &bytes[len + 2..];
        }
        all.push(call);
    }
    all
}

/// Every command that stands in the append-only files.
pub fn log_of(server: &Server) -> Vec<Vec<Vec<u8>>> {
    let dir = server.dir().join("appendonlydir");
    let mut all = Vec::new();
    for file in std::fs::read_dir(dir).expect("the files of the log") {
        let path = file.expect("a file").path();
        let name = path.to_string_lossy().into_owned();
        if name.ends_with(".incr.aof") || (name.ends_with(".aof") && name.contains(".base.")) {
            let bytes = std::fs::read(&path).expect("its bytes");
            if !bytes.starts_with(b"REDIS") && !bytes.starts_with(b"VALKEY") {
                all.extend(commands(&bytes));
            }
        }
    }
    all
}

/// What the primary sends is for replicas and logs only: from anybody else it is an error.
#[test]
fn effects_are_refused_from_clients() {
    let (server, mut c) = Server::with(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]).with_client();
    History::new(75, 60_000).run(&mut c, 400);
    c.expect("STOCK.MRELEASE never-in-two 2 p0 p1", "[NOORDER, p0]");
    let mut effects = log_of(&server);
    c.rewrite_aof();
    effects.extend(log_of(&server));
    let before = digests(&mut c);
    let mut names = std::collections::BTreeSet::new();
    for call in &effects {
        let name = String::from_utf8_lossy(&call[0]).to_uppercase();
        if !name.starts_with("STOCK.") {
            assert!(matches!(name.as_str(), "SELECT" | "MULTI" | "EXEC"), "{name} in the log");
            continue;
        }
        names.insert(name.clone());
        let answer = c.call(call);
        assert!(answer.is_error(), "{name} was accepted from a client: {answer}");
        c.expect("MULTI", "OK");
        c.call(call);
        let answer = c.say("EXEC");
        assert!(answer.is_error() || answer.items()[0].is_error(), "{name} in MULTI: {answer}");
        let mut script = args!["EVAL", "return redis.call(unpack(ARGV))", 0];
        script.extend(call.clone());
        assert!(c.call(&script).is_error(), "{name} in a script");
    }
    assert_eq!(digests(&mut c), before);
    // None of the commands that clients use is in the log: every effect is resolved.
    assert!(names.iter().all(|n| ["STOCK.EFFECT", "STOCK.MEFFECT", "STOCK.LOAD"].contains(&n.as_str())), "{names:?}");
    assert!(names.contains("STOCK.EFFECT") && names.contains("STOCK.MEFFECT"));
    for name in ["STOCK.EFFECT", "STOCK.MEFFECT", "STOCK.LOAD"] {
        for call in [vec![name], vec![name, "k"], vec![name, "p0", "x"], vec![name, "p0", "x", "p1", "z"]] {
            assert!(c.call(&call).is_error(), "{call:?}");
        }
    }
    assert_eq!(digests(&mut c), before);
    assert_eq!(stock_info(&mut c, "divergences"), 0);
}

/// Where an effect does not fit, the replica counts it and lives.
#[test]
fn divergences_are_counted() {
    let (primary, mut c) = Server::on_port(&[]).with_client();
    let (replica, mut r) = Server::replica_of(&primary, &["--replica-read-only", "no"]).with_client();
    for spoil in ["DEL k", "SET k text", "STOCK.SET k 3", "STOCK.RELEASE k o"] {
        c.script(
            "DEL k => *
             STOCK.SET k 10
             STOCK.RESERVE k o 2 => [OK, *]",
        );
        replica.catch_up(&primary);
        r.say(spoil);
        let before = stock_info(&mut r, "divergences");
        c.script(
            "STOCK.RESERVE k p 8 => [OK, *]
             STOCK.CONFIRM k o => [OK, *]
             STOCK.RETURN k o => [OK, *]",
        );
        replica.catch_up(&primary);
        r.expect("PING", "PONG");
        if spoil != "STOCK.SET k 3" {
            assert!(stock_info(&mut r, "divergences") > before, "{spoil} went unnoticed");
        }
    }
    assert_eq!(stock_info(&mut c, "divergences"), 0);
}

/// WAIT inside a MULTI proves nothing on newer servers: docs/guides/clients.md says so, and gives
/// the line that works.
#[test]
fn wait_in_a_transaction_proves_nothing() {
    let (primary, mut c) = Server::on_port(&[]).with_client();
    let replica = Server::replica_of(&primary, &[]);
    c.script(
        "STOCK.SET k 10
         STOCK.RESERVE k o1 1 => [OK, *]
         STOCK.RESERVE k o2 1 => [OK, *]
         WAIT 1 10000 => 1",
    );
    replica.freeze();
    c.expect("MULTI", "OK");
    c.expect("STOCK.CONFIRM k o1", "QUEUED");
    c.expect("WAIT 1 200", "QUEUED");
    let answer = c.say("EXEC");
    let server = info(&mut c, "server");
    let old = !server.contains_key("valkey_version") && server["redis_version"].starts_with("7.0.");
    assert_eq!(answer.items()[1].int(), i64::from(!old), "no replica has it");
    // The same two calls in a pipeline.
    let calls = [vec!["STOCK.CONFIRM", "k", "o2"], vec!["WAIT", "1", "200"]];
    assert_eq!(c.pipeline(&calls)[1].int(), 0);
    replica.thaw();
    c.expect("WAIT 1 10000", "1");
    assert_eq!(replica.client().order("k", "o2", "state"), "confirmed");
}

/// Deadlines are resolved on the primary: a replica that applies an effect later has the same one.
#[test]
fn deadlines_are_resolved() {
    let (primary, mut c) = Server::on_port(&[]).with_client();
    let replica = Server::replica_of(&primary, &[]);
    c.expect("STOCK.SET k 10", "OK");
    replica.catch_up(&primary);
    replica.freeze();
    let deadline = c.expect("STOCK.RESERVE k o 1 EX 100", "[OK, *]").items()[3].int();
    pass(now_ms() + 50);
    replica.thaw();
    replica.catch_up(&primary);
    assert_eq!(replica.client().order("k", "o", "deadline_ms"), deadline.to_string());
}
