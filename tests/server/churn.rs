//! Everything at once: keys that move while their holds fall due, rewrites and transfers under
//! load, failovers under load, and servers that refuse writes for a while.

use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::history::{digests, History};
use testkit::{info, now_ms, pass, stock_info, wait_until, Client, Server};

/// Runs `work` over and over in threads of its own while `meanwhile` runs.
fn under_load(server: &Server, seeds: &[u64], meanwhile: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in seeds {
            let (mut c, stop) = (server.client(), &stop);
            scope.spawn(move || {
                let mut history = History::new(*seed, 20);
                while !stop.load(Ordering::Relaxed) {
                    // Refusals are part of the load: a server may be paused, or a replica by now.
                    c.say(&history.next());
                }
            });
        }
        meanwhile();
        stop.store(true, Ordering::Relaxed);
    });
}

fn begin(c: &mut Client) {
    for pool in crate::history::POOLS {
        c.expect(&format!("STOCK.SET {pool} 300"), "OK");
    }
}

/// Waits until no hold is due any more, and sees that all pools are whole.
fn settle(c: &mut Client, databases: usize) {
    for db in 0..databases {
        c.expect(&format!("SELECT {db}"), "OK");
        let keys = c.say("KEYS *");
        for key in keys.items().iter().map(|k| k.text()) {
            if c.call(&["TYPE", &key]).text() == "stockpool" {
                wait_until("nothing is due", || {
                    let next: i64 = c.get(&key, "next_deadline_ms").parse().expect("a time");
                    next == 0 || next > now_ms()
                });
                c.verify(&key);
            }
        }
    }
}

#[test]
fn keys_that_move_while_holds_fall_due() {
    let (_server, mut c) = Server::start().with_client();
    let mut rng = SmallRng::seed_from_u64(5);
    let end = now_ms() + 4_000;
    let mut n = 0;
    while now_ms() < end {
        n += 1;
        let (a, b) = (rng.random_range(0..6), rng.random_range(0..6));
        let db = rng.random_range(0..3);
        let line = match rng.random_range(0..40) {
            0 => format!("RENAME k{a} k{b}"),
            1 => format!("COPY k{a} k{b} REPLACE"),
            2 => format!("MOVE k{a} {db}"),
            3 => format!("DEL k{a}"),
            4 => format!("UNLINK k{a}"),
            5 => format!("SWAPDB 0 {db}"),
            6 => format!("SELECT {db}"),
            7 => format!("SET k{a} text"),
            8 => format!("PEXPIRE k{a} 30"),
            9 => format!("PERSIST k{a}"),
            10 if n % 7 == 0 => "FLUSHDB ASYNC".to_string(),
            11 if n % 7 == 0 => "DEBUG RELOAD".to_string(),
            12 => format!("STOCK.SET k{a} UNLIMITED"),
            13 => format!("STOCK.SWEEP k{a}"),
            _ => format!("STOCK.RESERVE k{a} o{n} 1 PX {}", rng.random_range(1..60)),
        };
        let answer = c.say(&line);
        // Time for the background now and then.
        if answer.is_error() || n % 50 == 0 {
            c.expect("PING", "PONG");
        }
    }
    // The last of the keys that expire do so now, and not between TYPE and VERIFY.
    std::thread::sleep(std::time::Duration::from_millis(60));
    settle(&mut c, 3);
    wait_until("no hold is open", || stock_info(&mut c, "open_holds") == 0);
}

/// Random commands and their holds, with dumps that are put back as they were some time ago.
#[test]
fn restores_of_an_older_self() {
    let (_server, mut c) = Server::start().with_client();
    begin(&mut c);
    let mut history = History::new(8, 15);
    let mut old = c.say("DUMP p0").bytes().to_vec();
    for round in 0..40 {
        history.run(&mut c, 30);
        if round % 3 == 0 {
            old = c.say("DUMP p0").bytes().to_vec();
        } else {
            let answer = c.call(&testkit::args!["RESTORE", "p0", 0, &old, "REPLACE"]);
            assert_eq!(answer.to_string(), "OK");
        }
        c.verify("p0");
    }
    settle(&mut c, 1);
}

#[test]
fn rewrites_under_load() {
    for preamble in ["no", "yes"] {
        let mut server = Server::with(&["--appendonly", "yes", "--aof-use-rdb-preamble", preamble]);
        let mut c = server.client();
        begin(&mut c);
        under_load(&server, &[1, 2], || {
            for _ in 0..4 {
                c.rewrite_aof();
            }
        });
        c.pause_background();
        let before = digests(&mut c);
        c.expect("DEBUG LOADAOF", "OK");
        assert_eq!(digests(&mut c), before, "preamble {preamble}");
        server.restart("NOSAVE");
        settle(&mut server.client(), 1);
    }
}

/// Replicas that attach, lose their link and load beside the data in use, while sales go on.
#[test]
fn transfers_under_load() {
    let (primary, mut c) = Server::on_port(&["--repl-backlog-size", "16kb"]).with_client();
    begin(&mut c);
    let panics = ["--propagation-error-behavior", "panic"];
    let one = Server::on_port(&[&panics[..], &["--repl-diskless-load", "swapdb"]].concat());
    let two = Server::on_port(&panics);
    under_load(&primary, &[3, 4], || {
        for replica in [&one, &two] {
            replica.client().expect(&format!("REPLICAOF 127.0.0.1 {}", primary.port()), "OK*");
            replica.wait_for_link();
        }
        for _ in 0..3 {
            // The one that sleeps comes back too late for the backlog, the other in time.
            one.freeze();
            primary.client().expect("CLIENT KILL TYPE replica", "2");
            let sent = primary.offset();
            wait_until("more is sent than the backlog holds", || primary.offset() > sent + 200_000);
            one.thaw();
            one.wait_for_link();
            two.wait_for_link();
            for pool in crate::history::POOLS {
                one.client().verify(pool);
            }
        }
    });
    c.pause_background();
    for replica in [&one, &two] {
        replica.catch_up(&primary);
        assert_eq!(digests(&mut replica.client()), digests(&mut c));
        assert_eq!(stock_info(&mut replica.client(), "divergences"), 0);
    }
    assert_ne!(info(&mut c, "stats")["sync_full"], "2", "no full transfer under load");
}

#[test]
fn failovers_under_load() {
    let a = Server::on_port(&[]);
    begin(&mut a.client());
    let b = Server::replica_of(&a, &[]);
    let (mut primary, mut replica) = (&a, &b);
    under_load(&a, &[5], || {
        under_load(&b, &[6], || {
            for _ in 0..6 {
                primary.client().expect("FAILOVER", "OK");
                wait_until("the roles have changed", || {
                    let here = info(&mut primary.client(), "replication");
                    let there = info(&mut replica.client(), "replication");
                    here["role"] == "slave" && there["role"] == "master" && here["master_link_status"] == "up"
                });
                std::mem::swap(&mut primary, &mut replica);
            }
        });
    });
    let mut c = primary.client();
    c.pause_background();
    replica.catch_up(primary);
    assert_eq!(digests(&mut replica.client()), digests(&mut c));
    for server in [&a, &b] {
        assert_eq!(stock_info(&mut server.client(), "divergences"), 0);
    }
}

/// Where the server refuses writes, the background does not insist, and goes on as soon as it may.
#[test]
fn too_few_replicas() {
    let (_server, mut c) = Server::start().with_client();
    c.pause_background();
    c.expect("STOCK.SET k 10", "OK");
    let due = c.expect("STOCK.RESERVE k o 1 PX 50", "[OK, *]").items()[3].int();
    let digest = c.digest("k");
    c.expect("CONFIG SET min-replicas-to-write 1", "OK");
    c.resume_background();
    pass(due + 400);
    c.expect("STOCK.RESERVE k p 1", "-NOREPLICAS *");
    assert_eq!(c.digest("k"), digest);
    c.expect_pool("k", "reserved=0");
    c.expect("CONFIG SET min-replicas-to-write 0", "OK");
    wait_until("the hold comes back", || c.digest("k") != digest);
    c.verify("k");
}

/// A full memory does not keep holds from coming back.
#[test]
fn expiry_with_the_memory_full() {
    let (_server, mut c) = Server::start().with_client();
    c.expect("STOCK.SET k 10", "OK");
    c.expect("STOCK.RESERVE k o 1 PX 300", "[OK, *]");
    let digest = c.digest("k");
    c.expect("CONFIG SET maxmemory 1", "OK");
    wait_until("the hold comes back", || c.digest("k") != digest);
    c.expect("STOCK.AVAILABLE k", "[10]");
    c.verify("k");
}
