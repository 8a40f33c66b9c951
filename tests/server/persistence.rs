//! What is written is what is read again: RDB, AOF in both forms, DUMP and its kin; and damage is
//! refused.

use crate::history::{digests, History, POOLS};
use testkit::args;
use testkit::{wait_until, Client, Server};

const DAY_MS: i64 = 86_400_000;

#[test]
fn reload() {
    let (_server, mut c) = Server::start().with_client();
    for seed in 0..4 {
        History::new(seed, DAY_MS).run(&mut c, 800);
        let before = digests(&mut c);
        c.expect("DEBUG RELOAD", "OK");
        assert_eq!(digests(&mut c), before, "seed {seed}");
    }
}

/// Holds that are due are loaded as they were saved.
#[test]
fn reload_with_due_holds() {
    let (_server, mut c) = Server::with(&["--appendonly", "yes"]).with_client();
    for seed in 10..14 {
        History::new(seed, 5).run(&mut c, 800);
        c.pause_background();
        let before = digests(&mut c);
        c.expect("DEBUG RELOAD", "OK");
        assert_eq!(digests(&mut c), before, "RDB, seed {seed}");
        c.expect("DEBUG LOADAOF", "OK");
        assert_eq!(digests(&mut c), before, "AOF, seed {seed}");
        c.resume_background();
    }
}

#[test]
fn restart_from_rdb() {
    let (mut server, mut c) = Server::start().with_client();
    History::new(21, DAY_MS).run(&mut c, 1500);
    let before = digests(&mut c);
    server.restart("SAVE");
    assert_eq!(digests(&mut server.client()), before);
}

fn aof(preamble: &str, seed: u64) {
    let mut server = Server::with(&["--appendonly", "yes", "--aof-use-rdb-preamble", preamble]);
    let mut history = History::new(seed, DAY_MS);
    let mut c = server.client();
    history.run(&mut c, 700);
    let before = digests(&mut c);
    server.restart("NOSAVE");
    let mut c = server.client();
    assert_eq!(digests(&mut c), before, "the log of effects, replayed");
    c.rewrite_aof();
    assert_eq!(digests(&mut c), before, "a rewrite changes nothing");
    server.restart("NOSAVE");
    let mut c = server.client();
    assert_eq!(digests(&mut c), before, "the rewritten form");
    history.run(&mut c, 300);
    c.rewrite_aof();
    history.run(&mut c, 300);
    let before = digests(&mut c);
    server.restart("NOSAVE");
    assert_eq!(digests(&mut server.client()), before, "the rewritten form and what followed");
}

#[test]
fn restart_from_aof_with_preamble() {
    aof("yes", 31);
}

#[test]
fn restart_from_aof_of_commands_only() {
    aof("no", 32);
}

/// A pool that takes many commands to write down.
#[test]
fn rewrite_of_a_big_pool() {
    let (mut server, mut c) = Server::with(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]).with_client();
    c.expect("STOCK.SET big UNLIMITED", "OK");
    c.expect("STOCK.LIMIT big user 5", "OK");
    let calls: Vec<_> =
        (0..50_000).map(|i| args!["STOCK.RESERVE", "big", format!("order-{i}"), 1, "FOR", "user", i]).collect();
    c.pipeline(&calls);
    let before = c.digest("big");
    c.rewrite_aof();
    server.restart("NOSAVE");
    let mut c = server.client();
    assert_eq!(c.digest("big"), before);
    c.verify("big");
    c.expect("STOCK.RESERVE big order-7 1 FOR user 7", "[EXISTS, *]");
    c.expect("STOCK.RESERVE big more 5 FOR user 7", "[LIMITED, *]");
}

/// What was answered had been written: only the loss of the machine could lose it.
#[test]
fn a_kill_loses_nothing_that_was_answered() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    for seed in [42, 43] {
        let mut c = server.client();
        History::new(seed, DAY_MS).run(&mut c, 300);
        let before = digests(&mut c);
        server.kill();
        server.start_again();
        assert_eq!(digests(&mut server.client()), before);
    }
}

/// A kill in the midst of the stream leaves a log that is read up to its last whole effect.
#[test]
fn a_truncated_aof() {
    let (mut server, mut c) = Server::with(&["--appendonly", "yes"]).with_client();
    History::new(41, DAY_MS).run(&mut c, 400);
    c.expect("STOCK.ADD p0 1", "[OK, *]");
    server.kill();
    let log = server.growing_aof();
    let bytes = std::fs::read(&log).expect("its bytes");
    for cut in [1, 9, 40, bytes.len() / 2] {
        std::fs::write(&log, &bytes[..bytes.len() - cut]).expect("a shorter log");
        server.start_again();
        digests(&mut server.client());
        server.kill();
    }
}

fn dump(c: &mut Client, key: &str) -> Vec<u8> {
    c.call(&["DUMP", key]).bytes().to_vec()
}

#[test]
fn dump_and_restore() {
    let server = Server::start();
    let other = Server::start();
    let (mut c, mut d) = (server.client(), other.client());
    History::new(51, DAY_MS).run(&mut c, 1000);
    for pool in POOLS {
        let before = c.digest(pool);
        let payload = dump(&mut c, pool);
        assert_eq!(dump(&mut c, pool), payload, "DUMP is the same every time");
        assert_eq!(d.call(&args!["RESTORE", "copy", 0, &payload, "REPLACE"]).to_string(), "OK");
        assert_eq!(d.digest("copy"), before);
        assert_eq!(dump(&mut d, "copy"), payload, "the same bytes on another server");
        d.verify("copy");
        let map = |c: &mut Client, key: &str| c.call(&["STOCK.GET", key]).to_string();
        assert_eq!(map(&mut d, "copy"), map(&mut c, pool));
        // The first change after RESTORE opens a new epoch.
        let epoch = d.get("copy", "epoch");
        assert!(!d.say("STOCK.SET copy 500").is_error());
        assert_ne!(d.get("copy", "epoch"), epoch);
        d.verify("copy");
    }
}

#[test]
fn copy_rename_move_swap() {
    let (_server, mut c) = Server::start().with_client();
    History::new(61, DAY_MS).run(&mut c, 1000);
    let before = c.digest("p0");
    c.expect("COPY p0 twin", "1");
    assert_eq!(c.digest("twin"), before);
    c.verify("twin");
    // The twins go their own ways.
    c.script(
        "STOCK.RESUME twin
         STOCK.SET twin 7000
         STOCK.RELEASE twin only-here => [NOORDER, twin]",
    );
    assert_eq!(c.digest("p0"), before);
    c.verify("twin");
    c.expect("RENAME p0 q0", "OK");
    c.expect("STOCK.GET p0", "nil");
    assert_eq!(c.digest("q0"), before);
    c.expect("COPY q0 q0 DB 2", "1");
    c.expect("MOVE q0 1", "1");
    c.expect("STOCK.GET q0", "nil");
    for db in [1, 2] {
        c.expect(&format!("SELECT {db}"), "OK");
        assert_eq!(c.digest("q0"), before);
        c.verify("q0");
    }
    c.expect("SWAPDB 2 3", "OK");
    c.expect("SELECT 3", "OK");
    assert_eq!(c.digest("q0"), before);
    assert!(!c.say("STOCK.RELEASE q0 never-seen").is_error());
    c.verify("q0");
}

/// The copy of a pool does not write into the stream of the original.
#[test]
fn a_copy_has_its_events_off() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 10
         STOCK.SETPOLICY k {\"events\":\"log\",\"safety\":2}
         COPY k twin => 1",
    );
    assert_eq!(c.get("k", "events"), "log");
    assert_ne!(c.get("twin", "events"), "log");
    assert!(c.call(&["STOCK.POLICY", "twin"]).text().contains("\"events\":\"\""));
    c.expect_pool("twin", "safety=2 on_hand=10");
}

/// Puts a body back into the frame of a DUMP: the version of the RDB and a checksum nobody looks
/// at.
pub fn framed(body: &[u8], payload: &[u8]) -> Vec<u8> {
    [body, &payload[payload.len() - 10..]].concat()
}

fn a_pool_with_everything(c: &mut Client) {
    c.script(
        "STOCK.SET k 50
         STOCK.SETPOLICY k {\"hold\":5000,\"safety\":1,\"alert\":3,\"limits\":[{\"by\":[\"user\"],\"max\":9,\"per\":\"day\",\"missing\":\"allow\",\"overrides\":[{\"for\":[\"v\"],\"max\":20}]}]}
         STOCK.LIMIT k region 8 COUNT ORDERS MISSING ALLOW
         STOCK.RESERVE k held 2 FOR user u region r => [OK, *]
         STOCK.RESERVE k paid 3 FOR user u => [OK, *]
         STOCK.CONFIRM k paid => [OK, *]
         STOCK.RETURN k paid QTY 1 TOKEN t => [OK, *]
         STOCK.RESERVE k gone 1 FOR user v => [OK, *]
         STOCK.RELEASE k gone => [OK, *]
         STOCK.RELEASE k never => [NOORDER, k]
         STOCK.ADD k 5 TOKEN delivery => [OK, *]",
    );
}

/// Damages what `DUMP` says in every way: cut off anywhere, which must be refused; each byte
/// flipped; a length of 64 bits with nothing behind it. `look` sees the key `bad` where RESTORE
/// takes a pool, which it does so often.
pub fn damaged(c: &mut Client, payload: &[u8], look: impl Fn(&mut Client)) -> usize {
    let body = &payload[..payload.len() - 10];
    for len in 0..body.len() {
        let answer = c.call(&args!["RESTORE", "cut", 0, framed(&body[..len], payload)]);
        assert!(answer.is_error(), "{len} of {} bytes were accepted", body.len());
    }
    let flipped = [0x01, 0x02, 0x03, 0x10, 0x80, 0xff].map(|flip| move |byte: u8| vec![byte ^ flip]);
    // 0x81 begins a length of 64 bits in an RDB.
    let huge =
        [u64::MAX, u64::MAX / 2, 1 << 62, 1 << 40, 1 << 33].map(|length| [&[0x81], &length.to_be_bytes()[..]].concat());
    let mut accepted = 0;
    for (at, byte) in body.iter().enumerate() {
        let boasts = huge.iter().filter(|_| at >= 10).cloned();
        for instead in flipped.iter().map(|flip| flip(*byte)).chain(boasts) {
            let damaged = [&body[..at], &instead, &body[at + 1..]].concat();
            if c.call(&args!["RESTORE", "bad", 0, framed(&damaged, payload)]).is_error() {
                continue;
            }
            if c.call(&["TYPE", "bad"]).text() == "stockpool" {
                accepted += 1;
                look(c);
            }
            c.expect("DEL bad", "1");
        }
    }
    accepted
}

/// What is read is whole in itself, or it is refused.
#[test]
fn damaged_payloads_are_refused() {
    let (_server, mut c) = Server::start().with_client();
    c.pause_background();
    a_pool_with_everything(&mut c);
    let payload = dump(&mut c, "k");
    let body = &payload[..payload.len() - 10];
    c.expect("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "OK");
    let whole = c.call(&args!["RESTORE", "whole", 0, framed(body, &payload)]);
    assert_eq!(whole.to_string(), "OK");
    assert_eq!(c.digest("whole"), c.digest("k"));
    let accepted = damaged(&mut c, &payload, |c| {
        // A flipped mark of the end makes it a part of a pool.
        if c.say("STOCK.GET bad").to_string() == "-TRYAGAIN the pool is still loading" {
            return;
        }
        c.verify("bad");
        c.say("STOCK.SWEEP bad");
        c.say("STOCK.RELEASE bad held");
        c.verify("bad");
    });
    // A flipped letter of a name cannot be told from another name; a flipped sum can.
    assert!(accepted < body.len() * 4, "{accepted} of {} bytes", body.len());
    c.verify("k");
}

/// A payload of a version to come is refused, and the log says why.
#[test]
fn a_newer_version_is_refused() {
    let (server, mut c) = Server::start().with_client();
    a_pool_with_everything(&mut c);
    let payload = dump(&mut c, "k");
    let mut body = payload[..payload.len() - 10].to_vec();
    c.expect("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "OK");
    // The id of the type ends in ten bits of encoding version.
    assert_eq!((body[0], body[1]), (7, 0x81), "a module's value and a 64-bit id");
    body[8] |= 0x03;
    body[9] = 0xff;
    let answer = c.call(&args!["RESTORE", "new", 0, framed(&body, &payload)]);
    assert!(answer.is_error());
    let log = server.log();
    assert!(log.contains("version"), "the log says nothing about a version:\n{log}");
    c.verify("k");
}

/// A pool is a key like any other: it can have a time to live.
#[test]
fn a_pool_with_a_ttl() {
    let (_server, mut c) = Server::start().with_client();
    c.script(
        "STOCK.SET k 10
         PEXPIRE k 50 => 1
         STOCK.RESERVE k o 1 => *",
    );
    wait_until("the key is gone", || c.say("EXISTS k").int() == 0);
    c.expect("STOCK.GET k", "nil");
    c.expect("STOCK.RESERVE k o 1", "[NOPOOL, k]");
}
