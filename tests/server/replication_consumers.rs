//! While nobody listens nothing is written down for replication. Whoever begins to listen misses
//! nothing: an append-only file that is switched on, a replica that attaches, each in the middle of
//! sales.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::{info, stock_info, wait_until, Client, Server};

/// Sells in several pools until it is told to stop, or for so many calls.
fn sell(c: &mut Client, from: u32, most: u32, stop: &AtomicBool) -> u32 {
    let mut n = from;
    while n < from + most && !stop.load(Ordering::Relaxed) {
        let pool = format!("pool:{}", n % 3);
        c.expect(&format!("STOCK.RESERVE {pool} o{n} 2 FOR user u{}", n % 97), "[OK, 2, *]");
        if n.is_multiple_of(3) {
            c.expect(&format!("STOCK.CONFIRM {pool} o{n}"), "[OK, 2, *]");
        } else if n.is_multiple_of(7) {
            c.expect(&format!("STOCK.RELEASE {pool} o{n}"), "[OK, 2, *]");
        }
        n += 1;
    }
    n
}

fn set_up(c: &mut Client) {
    for n in 0..3 {
        c.expect(&format!("STOCK.SET pool:{n} UNLIMITED"), "OK");
        c.expect(&format!("STOCK.LIMIT pool:{n} user 1000000 PER DAY"), "OK");
    }
}

fn digests(c: &mut Client) -> Vec<String> {
    (0..3).map(|n| c.digest(format!("pool:{n}"))).collect()
}

/// Long enough for the server's cron to find that nobody listens.
fn quiet_down() {
    std::thread::sleep(Duration::from_millis(500));
}

/// Sells on another connection while `meanwhile` runs.
fn while_selling(server: &Server, from: u32, meanwhile: impl FnOnce()) -> u32 {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let seller = scope.spawn(|| sell(&mut server.client(), from, 1_000_000, &stop));
        meanwhile();
        stop.store(true, Ordering::Relaxed);
        seller.join().expect("sales go on")
    })
}

#[test]
fn a_replica_that_attaches_during_sales_misses_nothing() {
    let (primary, mut c) = Server::on_port(&[]).with_client();
    set_up(&mut c);
    let never = AtomicBool::new(false);
    let mut n = sell(&mut c, 0, 500, &never);
    quiet_down();
    // A snapshot of the server's own in between: after it nobody listens still.
    for snapshot in [false, true] {
        if snapshot {
            c.call(&["BGSAVE"]);
        }
        n = while_selling(&primary, n, || {
            std::thread::sleep(Duration::from_millis(300));
            let replica = Server::replica_of(&primary, &[]);
            std::thread::sleep(Duration::from_millis(300));
            replica.client().expect("REPLICAOF NO ONE", "OK");
        });
        let replica = Server::replica_of(&primary, &[]);
        n = sell(&mut c, n, 200, &never);
        c.pause_background();
        replica.catch_up(&primary);
        assert_eq!(digests(&mut replica.client()), digests(&mut c));
        assert_eq!(stock_info(&mut replica.client(), "divergences"), 0);
        c.resume_background();
    }
}

#[test]
fn an_append_only_file_that_is_switched_on_during_sales_misses_nothing() {
    let (server, mut c) = Server::with(&["--appendfsync", "always"]).with_client();
    set_up(&mut c);
    let mut n = sell(&mut c, 0, 500, &AtomicBool::new(false));
    quiet_down();
    for preamble in ["yes", "no"] {
        c.expect(&format!("CONFIG SET aof-use-rdb-preamble {preamble}"), "OK");
        n = while_selling(&server, n, || {
            std::thread::sleep(Duration::from_millis(300));
            server.client().expect("CONFIG SET appendonly yes", "OK");
            let mut watch = server.client();
            wait_until("the file is in use", || {
                let now = info(&mut watch, "persistence");
                now["aof_enabled"] == "1"
                    && now["aof_rewrite_in_progress"] == "0"
                    && now["aof_rewrite_scheduled"] == "0"
            });
            std::thread::sleep(Duration::from_millis(300));
        });
        c.pause_background();
        let before = digests(&mut c);
        c.expect("DEBUG LOADAOF", "OK");
        assert_eq!(digests(&mut c), before);
        assert_eq!(stock_info(&mut c, "divergences"), 0);
        c.resume_background();
        c.expect("CONFIG SET appendonly no", "OK");
        quiet_down();
    }
}

/// Changes that go nowhere count for the server's save points all the same.
#[test]
fn skipped_changes_are_counted() {
    let (_server, mut c) = Server::start().with_client();
    set_up(&mut c);
    quiet_down();
    let changes = |c: &mut Client| info(c, "persistence")["rdb_changes_since_last_save"].parse::<u64>().unwrap_or(0);
    let before = changes(&mut c);
    sell(&mut c, 0, 1, &AtomicBool::new(false));
    assert_eq!(changes(&mut c), before + 2, "a reservation and its confirmation");
    c.expect("STOCK.RESERVE pool:0 o0 2 FOR user u0", "[EXISTS, *]");
    assert_eq!(changes(&mut c), before + 2, "a retry is no change");
}
