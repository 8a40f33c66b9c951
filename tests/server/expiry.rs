//! Holds come back by themselves: without traffic, wherever the pool has gone, whoever is the
//! primary.

use std::time::{Duration, Instant};

use testkit::args;
use testkit::{info, now_ms, pass, stock_info, wait_until, Client, Events, Server};

/// Makes a new pool `k` with one hold of 4 units that falls due in `ms`; answers the deadline and
/// the digest.
fn held(c: &mut Client, ms: i64) -> (i64, String) {
    c.expect("DEL k", "*");
    c.expect("STOCK.SET k 10", "OK");
    let deadline = c.expect(&format!("STOCK.RESERVE k o 4 PX {ms}"), "[OK, 4, 6, *]").items()[3].int();
    (deadline, c.digest("k"))
}

/// Waits until the units of a hold have come back without a write of ours: only then the value has
/// changed.
#[track_caller]
fn comes_back(c: &mut Client, key: &str, held: &str) {
    wait_until("the hold comes back by itself", || c.digest(key) != held);
    c.expect_pool(key, "on_hand=10 reserved=0 available=10");
    assert_eq!(c.order(key, "o", "state"), "expired");
    c.expect(&format!("STOCK.SWEEP {key}"), "0");
    c.verify(key);
}

#[test]
fn without_traffic() {
    let server = Server::start();
    let mut events = Events::listen(&server, "Ed");
    let mut c = server.client();
    for (key, ms) in [("a", 400), ("b", 100), ("c", 250)] {
        c.expect(&format!("STOCK.SET {key} 10"), "OK");
        c.expect(&format!("STOCK.RESERVE {key} o 1 PX {ms}"), "[OK, *]");
    }
    let begun = now_ms();
    events.take(&server);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = events.next_event().expect("an event");
        if event.starts_with("stock.expire ") {
            let least = if event.ends_with('a') {
                380
            } else if event.ends_with('c') {
                230
            } else {
                80
            };
            assert!(now_ms() - begun >= least, "{event} came early");
            seen.push(event);
        }
    }
    assert_eq!(seen, ["stock.expire b", "stock.expire c", "stock.expire a"]);
    for key in ["a", "b", "c"] {
        c.expect(&format!("STOCK.SWEEP {key}"), "0");
        c.expect(&format!("STOCK.AVAILABLE {key}"), "[10]");
    }
}

/// A hold that is extended, confirmed or released does not come back a second time.
#[test]
fn what_is_settled_stays() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 10
         STOCK.RESERVE k paid 1 PX 200 => [OK, *]
         STOCK.RESERVE k gone 1 PX 200 => [OK, *]
         STOCK.RESERVE k long 1 PX 200 => [OK, *]
         STOCK.RESERVE k o 1 PX 200 => [OK, *]
         STOCK.CONFIRM k paid => [OK, *]
         STOCK.RELEASE k gone => [OK, *]
         STOCK.EXTEND k long EX 500 => [OK, *]",
    );
    let before = c.digest("k");
    wait_until("the one hold comes back", || c.digest("k") != before);
    c.expect_pool("k", "on_hand=9 reserved=1 sold=1");
    let after = c.digest("k");
    pass(now_ms() + 300);
    assert_eq!(c.digest("k"), after);
    c.verify("k");
}

#[test]
fn after_a_restart() {
    for (mode, how) in [("no", "SAVE"), ("yes", "NOSAVE")] {
        let mut server = Server::with(&["--appendonly", mode]);
        let (deadline, digest) = held(&mut server.client(), 300);
        server.restart(how);
        let mut c = server.client();
        comes_back(&mut c, "k", &digest);
        assert!(now_ms() >= deadline);
    }
}

#[test]
fn what_fell_due_while_the_server_was_down() {
    let mut server = Server::with(&["--appendonly", "yes"]);
    let (deadline, digest) = held(&mut server.client(), 200);
    server.terminate();
    server.wait_for_end();
    pass(deadline);
    server.start_again();
    comes_back(&mut server.client(), "k", &digest);
}

#[test]
fn after_reload_and_flush() {
    let (_server, mut c) = Server::start().with_client();
    let (_, digest) = held(&mut c, 300);
    c.expect("DEBUG RELOAD", "OK");
    comes_back(&mut c, "k", &digest);
    held(&mut c, 100);
    c.expect("FLUSHALL", "OK");
    c.expect("STOCK.SET k 10", "OK");
    let digest = c.digest("k");
    pass(now_ms() + 300);
    assert_eq!(c.digest("k"), digest, "a new pool of that name has no old holds");
    c.expect("FLUSHALL ASYNC", "OK");
    let (_, digest) = held(&mut c, 100);
    comes_back(&mut c, "k", &digest);
}

#[test]
fn after_rename_copy_move_and_swap() {
    let (_server, mut c) = Server::start().with_client();
    let (_, digest) = held(&mut c, 400);
    for db in 0..5 {
        if db > 0 {
            c.expect(&format!("COPY k k DB {db}"), "1");
        }
    }
    c.script(
        "RENAME k renamed
         COPY renamed copied => 1
         COPY renamed moved => 1
         MOVE moved 5 => 1
         SWAPDB 2 6",
    );
    let payload = c.call(&["DUMP", "renamed"]).bytes().to_vec();
    assert_eq!(c.call(&args!["RESTORE", "restored", 0, payload]).to_string(), "OK");
    for key in ["renamed", "copied", "restored"] {
        comes_back(&mut c, key, &digest);
    }
    for (db, key) in [(1, "k"), (3, "k"), (4, "k"), (5, "moved"), (6, "k")] {
        c.expect(&format!("SELECT {db}"), "OK");
        comes_back(&mut c, key, &digest);
    }
}

/// In a transaction, where Valkey 9.1 tells of an arrival in another database as if it were in the
/// client's.
#[test]
fn after_copy_and_move_in_a_transaction() {
    let (_server, mut c) = Server::start().with_client();
    let (_, digest) = held(&mut c, 400);
    c.expect("COPY k moved", "1");
    for line in ["MULTI", "COPY k copied DB 1", "MOVE moved 2", "SWAPDB 3 2", "COPY k k DB 4", "EXEC"] {
        let answer = c.say(line).to_string();
        assert!(!answer.starts_with('-'), "{line}: {answer}");
    }
    for (db, key) in [(0, "k"), (1, "copied"), (3, "moved"), (4, "k")] {
        c.expect(&format!("SELECT {db}"), "OK");
        comes_back(&mut c, key, &digest);
    }
}

/// A key that was overwritten by a pool of another life, or by something else altogether.
#[test]
fn after_the_key_changed_its_life() {
    let (_server, mut c) = Server::start().with_client();
    held(&mut c, 150);
    c.expect("SET k text", "OK");
    pass(now_ms() + 350);
    c.expect("GET k", "text");
    held(&mut c, 150);
    c.script(
        "STOCK.SET other 3
         RENAME other k",
    );
    let digest = c.digest("k");
    pass(now_ms() + 350);
    assert_eq!(c.digest("k"), digest);
    c.expect("STOCK.AVAILABLE k", "[3]");
    c.verify("k");
}

/// While writes are paused nothing is written, and nothing breaks.
#[test]
fn while_clients_are_paused() {
    let (_server, mut c) = Server::start().with_client();
    c.pause_background();
    let (deadline, digest) = held(&mut c, 100);
    c.expect("CLIENT PAUSE 60000 WRITE", "OK");
    c.resume_background();
    pass(deadline + 400);
    assert_eq!(c.digest("k"), digest, "a paused server does not write");
    c.expect_pool("k", "reserved=0 available=10");
    c.expect("STOCK.CHECK k 10", "[OK, 10, 0, *]");
    c.expect("CLIENT UNPAUSE", "OK");
    comes_back(&mut c, "k", &digest);
    let (_, digest) = held(&mut c, 100);
    c.expect("CLIENT PAUSE 500 ALL", "OK");
    comes_back(&mut c, "k", &digest);
}

#[test]
fn a_replica_does_not_expire_by_itself() {
    let (primary, mut c) = Server::on_port(&[]).with_client();
    let replica = Server::replica_of(&primary, &[]);
    c.pause_background();
    let (deadline, digest) = held(&mut c, 300);
    replica.catch_up(&primary);
    let mut r = replica.client();
    assert_eq!(r.digest("k"), digest);
    primary.freeze();
    pass(deadline + 400);
    // The data stand still, and reads show what the primary would find.
    assert_eq!(r.digest("k"), digest);
    r.expect_pool("k", "reserved=0 available=10");
    assert_eq!(r.order("k", "o", "state"), "expired");
    assert_eq!(r.digest("k"), digest);
    primary.thaw();
    c.resume_background();
    comes_back(&mut c, "k", &digest);
    replica.catch_up(&primary);
    assert_eq!(r.digest("k"), c.digest("k"));
    r.verify("k");
}

/// A replica that is promoted, since its primary died with a hold that falls due in `ms`: the
/// hold's deadline, and the digest of its pool `k`.
fn promoted(arguments: &[&str], ms: i64) -> (Server, i64, String) {
    let mut primary = Server::on_port(&[]);
    let replica = Server::replica_of(&primary, arguments);
    primary.client().pause_background();
    let (deadline, digest) = held(&mut primary.client(), ms);
    replica.catch_up(&primary);
    primary.kill();
    let mut r = replica.client();
    assert_eq!(r.digest("k"), digest);
    r.expect("REPLICAOF NO ONE", "OK");
    (replica, deadline, digest)
}

#[test]
fn after_a_promotion() {
    let (replica, deadline, digest) = promoted(&[], 400);
    comes_back(&mut replica.client(), "k", &digest);
    assert!(now_ms() >= deadline);
}

/// A failover that has to wait for its replica pauses writes; holds that fall due meanwhile do no
/// harm.
#[test]
fn during_a_failover() {
    let (a, mut c) = Server::on_port(&[]).with_client();
    let b = Server::replica_of(&a, &[]);
    c.pause_background();
    let (deadline, digest) = held(&mut c, 300);
    b.catch_up(&a);
    b.freeze();
    c.expect("SET something new", "OK");
    c.expect("FAILOVER TIMEOUT 1500", "OK");
    c.resume_background();
    pass(deadline + 300);
    assert_eq!(c.digest("k"), digest, "a paused server does not write");
    // It gives up, and the primary goes on as before.
    comes_back(&mut c, "k", &digest);
    b.thaw();
    b.wait_for_link();
    b.catch_up(&a);
    assert_eq!(b.client().digest("k"), c.digest("k"));
    // Once more, and this time the replica takes over while holds are due.
    c.pause_background();
    let (deadline, digest) = held(&mut c, 300);
    b.catch_up(&a);
    b.freeze();
    c.expect("SET something else", "OK");
    c.expect("FAILOVER", "OK");
    c.resume_background();
    pass(deadline + 100);
    b.thaw();
    wait_until("the replica is promoted", || info(&mut b.client(), "replication")["role"] == "master");
    comes_back(&mut b.client(), "k", &digest);
    a.wait_for_link();
    a.catch_up(&b);
    assert_eq!(a.client().digest("k"), b.client().digest("k"));
}

/// SIGTERM waits for a lagging replica, and is paused meanwhile.
#[test]
fn during_a_shutdown() {
    let (mut a, mut c) = Server::on_port(&["--appendonly", "yes", "--shutdown-timeout", "20"]).with_client();
    let b = Server::replica_of(&a, &[]);
    let (deadline, digest) = held(&mut c, 1_500);
    b.catch_up(&a);
    b.freeze();
    c.expect("SET something new", "OK");
    a.terminate();
    pass(deadline + 500);
    assert!(a.is_running(), "it waits for its replica:\n{}", a.log());
    b.thaw();
    a.wait_for_end();
    assert!(a.log().contains("bye bye") || a.log().contains("exit"), "{}", a.log());
    a.start_again();
    comes_back(&mut a.client(), "k", &digest);
}

/// After a promotion or a restart no hold becomes due for a while: lost confirmations can be
/// repeated.
#[test]
fn the_grace_after_a_restart() {
    let (mut server, mut c) = Server::with(&["--stock.failover-grace-ms", "2500", "--appendonly", "yes"]).with_client();
    c.expect("STOCK.SET k 10", "OK");
    for order in ["o", "paid", "gone", "more"] {
        c.expect(&format!("STOCK.RESERVE k {order} 1 PX 200"), "[OK, *]");
    }
    let begun = now_ms();
    server.terminate();
    server.wait_for_end();
    pass(begun + 250);
    server.start_again();
    let started = now_ms();
    let mut c = server.client();
    c.script(
        "STOCK.AVAILABLE k => [6]
         STOCK.CONFIRM k paid => [OK, 1, 1]
         STOCK.RESERVE k o 1 => [EXISTS, k, reserved, 1, 0, *]
         STOCK.RELEASE k gone => [OK, *]
         STOCK.EXTEND k more EX 100 => [OK, *]",
    );
    let digest = c.digest("k");
    assert!(now_ms() - started < 2_000, "this machine is too slow for the test");
    wait_until("the hold comes back after the grace", || c.digest("k") != digest);
    assert!(now_ms() - started > 2_000, "it came within the grace");
    c.expect_pool("k", "on_hand=9 reserved=1 sold=1");
    c.verify("k");
}

/// A payment provider is down: nobody loses units until the time that the operator has set.
#[test]
fn a_pause_of_expiry() {
    let (_server, mut c) = Server::start().with_client();
    let until = now_ms() + 1_500;
    c.expect(&format!("CONFIG SET stock.pause-expiry-until-ms {until}"), "OK");
    let (deadline, digest) = held(&mut c, 100);
    pass(deadline + 300);
    c.script(
        "STOCK.AVAILABLE k => [6]
         STOCK.RESERVE k o 4 => [EXISTS, k, reserved, 4, 0, *]
         STOCK.RESERVE k other 7 => [SOLDOUT, k, 6]",
    );
    assert_eq!(c.digest("k"), digest, "neither a write nor the sweep returns it");
    assert!(now_ms() < until, "this machine is too slow for the test");
    comes_back(&mut c, "k", &digest);
    assert!(now_ms() >= until, "it came within the pause");
    // Ended early: what is due comes back at once.
    c.expect("CONFIG SET stock.pause-expiry-until-ms 9007199254740991", "OK");
    let (deadline, digest) = held(&mut c, 100);
    pass(deadline + 300);
    assert_eq!(c.digest("k"), digest);
    c.expect("CONFIG SET stock.pause-expiry-until-ms 0", "OK");
    comes_back(&mut c, "k", &digest);
}

#[test]
fn the_grace_after_a_promotion() {
    let (replica, deadline, digest) = promoted(&["--stock.failover-grace-ms", "60000"], 300);
    let mut r = replica.client();
    pass(deadline + 300);
    assert_eq!(r.digest("k"), digest);
    r.expect_pool("k", "reserved=4 available=6");
    r.expect("STOCK.RESERVE k p 7", "[SOLDOUT, k, 6]");
    // SWEEP is asked for, so it returns what is due.
    r.expect("STOCK.SWEEP k", "1");
    r.expect_pool("k", "reserved=0 available=10");
    assert_eq!(r.order("k", "o", "state"), "expired");
    r.verify("k");
}

/// Within the grace RELEASE of a due hold returns it as the expiry that it is.
#[test]
fn release_within_the_grace() {
    let (replica, deadline, _) = promoted(&["--stock.failover-grace-ms", "60000"], 200);
    let mut r = replica.client();
    pass(deadline);
    r.expect("STOCK.RELEASE k o", "[OK, 0, 10]");
    r.expect("STOCK.RELEASE k o", "[EXISTS, k, released, 4, 0, 0]");
    r.verify("k");
}

/// How long the server worked until it had answered a PING, for several PINGs. The time that other
/// processes took from it does not count: it says something about the machine only.
fn pings(server: &Server, c: &mut Client, count: usize) -> Vec<Duration> {
    let one = |_| {
        let before = server.worked();
        c.expect("PING", "PONG");
        server.worked() - before
    };
    (0..count).map(one).collect()
}

/// Holds of a whole flash sale fall due in the same moment, and the server answers as if nothing
/// were.
#[test]
fn two_hundred_thousand_at_once() {
    const HOLDS: usize = 200_000;
    let (server, mut c) = Server::start().with_client();
    // All holds must be made before the first falls due, however slow the machine is.
    let at = [8_000, 16_000, 32_000, 64_000].into_iter().find_map(|ahead_ms| {
        c.expect("DEL k", "*");
        c.expect("STOCK.SET k UNLIMITED", "OK");
        let at = now_ms() + ahead_ms;
        let calls: Vec<_> = (0..HOLDS).map(|i| args!["STOCK.RESERVE", "k", format!("o{i}"), 1, "PXAT", at]).collect();
        c.pipeline(&calls);
        (now_ms() < at).then_some(at)
    });
    let at = at.expect("200,000 reservations within a minute");
    assert_eq!(c.get("k", "reserved"), HOLDS.to_string());
    pass(at);
    let (mut waits, begun) = (Vec::new(), Instant::now());
    while c.get("k", "reserved") != "0" {
        waits.extend(pings(&server, &mut c, 20));
        assert!(begun.elapsed().as_secs() < 60, "{} left", c.get("k", "reserved"));
    }
    waits.sort();
    let (typical, worst) = (waits[waits.len() * 95 / 100], waits[waits.len() - 1]);
    assert!(typical.as_millis() < 10, "95% of PINGs took up to {typical:?}");
    assert!(worst.as_millis() < 100, "a PING took {worst:?}");
    c.expect("STOCK.SWEEP k", "0");
    c.verify("k");
}

/// Many pools with a few holds each come back as surely as one with many.
#[test]
fn many_pools() {
    let server = Server::start();
    let mut events = Events::listen(&server, "Ed");
    let mut c = server.client();
    let at = now_ms() + 1_500;
    let mut calls = Vec::new();
    for i in 0..2_000 {
        calls.push(args!["STOCK.SET", format!("pool{i}"), 10]);
        calls.push(args!["STOCK.RESERVE", format!("pool{i}"), "o", 1, "PXAT", at]);
    }
    c.pipeline(&calls);
    let mut back = std::collections::HashSet::new();
    while back.len() < 2_000 {
        let event = events.next_event().expect("an event");
        if let Some(key) = event.strip_prefix("stock.expire ") {
            assert!(now_ms() >= at);
            assert!(back.insert(key.to_string()), "{key} twice");
        }
    }
    c.expect("STOCK.SWEEP pool7", "0");
}

/// While nothing may be written the lag is the age of the oldest due hold, and of nothing else.
#[test]
fn the_lag_grows_while_the_sweep_is_refused() {
    let (_server, mut c) = Server::start().with_client();
    let lag = |c: &mut Client| stock_info(c, "sweep_lag_ms");
    c.expect("STOCK.SET idle 10", "OK");
    c.expect("CONFIG SET min-replicas-to-write 0", "OK");
    // Its entry in the wake-up queue falls due, but its hold is gone.
    c.expect("STOCK.RESERVE idle o 4 PX 50", "[OK, *]");
    c.expect("STOCK.RELEASE idle o", "[OK, *]");
    c.expect("CONFIG SET min-replicas-to-write 1", "OK");
    pass(now_ms() + 500);
    assert_eq!(lag(&mut c), 0);
    for (refuse, allow) in [
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
        ("CLIENT PAUSE 60000 WRITE", "CLIENT UNPAUSE"),
    ] {
        c.expect(allow, "OK");
        let (deadline, held) = held(&mut c, 100);
        c.expect(refuse, "OK");
        pass(deadline + 800);
        let (before, first) = (now_ms(), lag(&mut c));
        assert!((800..=now_ms() - deadline).contains(&first), "{refuse}: {first}");
        pass(before + 300);
        let second = lag(&mut c);
        // Asked some time after `before`, so `first` may have grown by then.
        assert!(second >= before - deadline + 300, "{refuse}: {first}, then {second}");
        assert_eq!(stock_info(&mut c, "open_holds"), 1);
        c.expect(allow, "OK");
        comes_back(&mut c, "k", &held);
        assert!(lag(&mut c) >= second, "{refuse}: it was that late");
    }
}
