//! A pool that arrives in pieces, between two of them: it is part of the data set, wherever that
//! goes.

use std::path::PathBuf;

use crate::persistence::{damaged, framed};
use crate::replication::log_of;
use testkit::args;
use testkit::client::encode;
use testkit::{info, stock_info, Client, Server};

/// A pool of many pieces as an append-only file without RDB preamble holds it, command by command,
/// and its digest.
fn pieces() -> (Vec<Vec<Vec<u8>>>, String) {
    let (server, mut c) = Server::with(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]).with_client();
    c.script(
        "STOCK.SET k 100000
         STOCK.LIMIT k user 5",
    );
    let calls: Vec<_> = (0..6_000)
        .map(|i| args!["STOCK.RESERVE", "k", format!("order-{i}"), 1, "EX", 86_400, "FOR", "user", i])
        .collect();
    c.pipeline(&calls);
    let digest = c.digest("k");
    c.rewrite_aof();
    let pieces: Vec<_> = log_of(&server).into_iter().filter(|call| call[0] == b"STOCK.LOAD").collect();
    assert!(pieces.len() > 8, "{} pieces", pieces.len());
    (pieces, digest)
}

/// A small pool with something of most in it, up to its end record.
pub(crate) fn small() -> Vec<Vec<u8>> {
    let (server, mut c) = Server::with(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]).with_client();
    c.script(
        "STOCK.SET k 50
         STOCK.LIMIT k user 9 PER DAY FOR v
         STOCK.LIMIT k region 8 COUNT ORDERS MISSING ALLOW
         STOCK.RESERVE k held 2 FOR user u region r => [OK, *]
         STOCK.RESERVE k paid 3 FOR user u => [OK, *]
         STOCK.CONFIRM k paid => [OK, *]
         STOCK.RETURN k paid QTY 1 TOKEN t => [OK, *]
         STOCK.ADD k 5 TOKEN delivery => [OK, *]",
    );
    c.rewrite_aof();
    let mut piece = log_of(&server).into_iter().find(|call| call[0] == b"STOCK.LOAD").expect("a piece");
    let chunk = &mut piece[3];
    let end = chunk.len() - 3;
    assert_eq!(chunk[end], 11, "the end record");
    chunk.truncate(end);
    piece
}

/// A server with an append-only file that the test writes.
struct Reader {
    server: Server,
    log: PathBuf,
}

impl Reader {
    /// One whose file holds these commands.
    fn of(calls: &[Vec<Vec<u8>>], on_port: bool) -> Reader {
        let options = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"];
        let mut server = if on_port { Server::on_port(&options) } else { Server::with(&options) };
        server.client().expect("SET first 1", "OK");
        server.kill();
        let mut reader = Reader { log: PathBuf::new(), server };
        reader.log = reader.server.growing_aof();
        let mut bytes = encode(&["SELECT", "0"]);
        calls.iter().for_each(|call| bytes.extend(encode(call)));
        std::fs::write(&reader.log, bytes).expect("a log");
        reader.server.start_again();
        reader
    }

    /// Starts it again with these commands behind what its file holds.
    fn go_on(&mut self, calls: &[Vec<Vec<u8>>]) {
        self.server.kill();
        let log = self.server.growing_aof();
        let mut bytes = std::fs::read(&log).expect("its bytes");
        bytes.extend(encode(&["SELECT", "0"]));
        calls.iter().for_each(|call| bytes.extend(encode(call)));
        std::fs::write(&log, bytes).expect("a longer log");
        self.server.start_again();
    }

    fn client(&self) -> Client {
        self.server.client()
    }
}

fn is_replica(c: &mut Client) -> bool {
    info(c, "replication")["role"] == "slave"
}

#[track_caller]
fn is_arriving(c: &mut Client, digest: &str) {
    assert_eq!(c.digest("k"), digest);
    assert_eq!((stock_info(c, "pools"), stock_info(c, "partial_pools")), (0, 1));
    assert_eq!(stock_info(c, "divergences"), 0);
    c.expect("TYPE k", "stockpool");
    let calls = ["STOCK.GET k", "STOCK.AVAILABLE k", "STOCK.RESERVE k o 1", "STOCK.SET k 5", "STOCK.SWEEP k"];
    let reads = if is_replica(c) { 2 } else { calls.len() };
    for call in &calls[..reads] {
        c.expect(call, "-TRYAGAIN the pool is still loading");
    }
    assert_eq!(c.digest("k"), digest);
}

#[track_caller]
fn is_whole(c: &mut Client, digest: &str) {
    assert_eq!(c.digest("k"), digest);
    assert_eq!((stock_info(c, "pools"), stock_info(c, "partial_pools")), (1, 0));
    assert_eq!(stock_info(c, "divergences"), 0);
    assert_eq!(stock_info(c, "open_holds"), 6_000);
    c.verify("k");
    if !is_replica(c) {
        c.expect("STOCK.RESERVE k order-7 1 EX 86400 FOR user 7", "[EXISTS, *]");
    }
}

/// Cut between two pieces, saved in every way, and gone on with.
#[test]
fn a_log_that_ends_between_two_pieces() {
    let (pieces, whole) = pieces();
    // Behind the first piece; in the middle; when all has come, and nobody has said so.
    for cut in [1, pieces.len() / 2, pieces.len() - 1] {
        let (come, to_come) = pieces.split_at(cut);
        let mut reader = Reader::of(come, true);
        let mut c = reader.client();
        let part = c.digest("k");
        assert_ne!(part, whole, "what has come is not the pool");
        is_arriving(&mut c, &part);
        let mut replica = Server::replica_of(&reader.server, &[]);
        is_arriving(&mut replica.client(), &part);
        replica.client().expect("REPLICAOF NO ONE", "OK");
        is_arriving(&mut replica.client(), &part);
        replica.restart("SAVE");
        is_arriving(&mut replica.client(), &part);
        c.expect("DEBUG RELOAD", "OK");
        is_arriving(&mut c, &part);
        c.expect("DEBUG LOADAOF", "OK");
        is_arriving(&mut c, &part);
        for preamble in ["yes", "no"] {
            c.expect(&format!("CONFIG SET aof-use-rdb-preamble {preamble}"), "OK");
            c.rewrite_aof();
            is_arriving(&mut c, &part);
            reader.server.restart("NOSAVE");
            c = reader.client();
            is_arriving(&mut c, &part);
        }
        reader.go_on(to_come);
        is_whole(&mut reader.client(), &whole);
    }
}

/// A rewrite with preamble, too, is gone on with.
#[test]
fn the_rest_comes_behind_an_rdb() {
    let (pieces, whole) = pieces();
    let (come, to_come) = pieces.split_at(pieces.len() / 2);
    let mut reader = Reader::of(come, false);
    reader.client().rewrite_aof();
    reader.go_on(to_come);
    is_whole(&mut reader.client(), &whole);
}

/// Another attempt begins with its first piece, whatever the one before has left.
#[test]
fn an_attempt_that_is_repeated() {
    let (pieces, whole) = pieces();
    let twice = [&pieces[..3], &pieces[..], &pieces[..1], &pieces[..2], &pieces[..pieces.len() - 1]].concat();
    let mut reader = Reader::of(&twice[..3 + pieces.len()], true);
    is_whole(&mut reader.client(), &whole);
    let replica = Server::replica_of(&reader.server, &[]);
    is_whole(&mut replica.client(), &whole);
    // It begins where the pool is that came before: it is gone, and that is counted.
    reader = Reader::of(&twice, false);
    let mut c = reader.client();
    assert_eq!((stock_info(&mut c, "divergences"), stock_info(&mut c, "partial_pools")), (1, 1));
    assert_eq!((stock_info(&mut c, "pools"), stock_info(&mut c, "open_holds")), (0, 0));
    reader.go_on(&pieces[pieces.len() - 1..]);
    let mut c = reader.client();
    assert_eq!(c.digest("k"), whole);
    c.verify("k");
}

/// Pieces that make no pool stop the start: a pool would be missing.
#[test]
fn pieces_that_do_not_fit() {
    let (pieces, _) = pieces();
    let (last, end) = (&pieces[pieces.len() - 2], &pieces[pieces.len() - 1]);
    let text = args!["SET", "k", "x"];
    for (calls, line) in [
        (vec![&text, &pieces[0]], "the key holds another type"),
        (vec![&pieces[0], last], "a share has no usage"),
        (vec![&pieces[0], end], "the end is missing"),
        (vec![&pieces[1]], "the pieces before it are missing"),
        (vec![end], "the pieces before it are missing"),
        (pieces.iter().chain([&pieces[1]]).collect(), "the pieces before it are missing"),
        (pieces.iter().chain([end]).collect(), "the pieces before it are missing"),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut bytes = encode(&["SELECT", "0"]);
        calls.iter().for_each(|call| bytes.extend(encode(call)));
        std::fs::write(dir.path().join("appendonly.aof"), bytes).expect("a log");
        let log = Server::refuses(&["--dir", dir.path().to_str().expect("a path"), "--appendonly", "yes"]);
        assert!(log.contains(&format!("a piece of the pool k cannot be read: {line}")), "{line}: {log}");
    }
}

/// A key like any other.
#[test]
fn it_is_copied_weighed_and_freed() {
    let (pieces, whole) = pieces();
    let mut reader = Reader::of(&pieces[..pieces.len() / 2], false);
    let mut c = reader.client();
    let part = c.digest("k");
    let bytes = stock_info(&mut c, "memory_bytes");
    assert!(bytes > 100_000, "{bytes}");
    let usage = c.say("MEMORY USAGE k").int();
    assert!((usage - bytes).abs() < 1_000, "{usage} and {bytes}");
    c.expect("COPY k twin", "1");
    assert_eq!(c.digest("twin"), part);
    let payload = c.call(&["DUMP", "twin"]).bytes().to_vec();
    assert_eq!(c.call(&["DUMP", "k"]).bytes(), payload);
    assert_eq!(c.call(&args!["RESTORE", "again", 0, &payload]).to_string(), "OK");
    c.script(
        "RENAME twin moved
         STOCK.GET moved => -TRYAGAIN *
         STOCK.GET again => -TRYAGAIN *
         STOCK.MRESERVE o 2 fresh again QTY 1 1 => -TRYAGAIN *
         MOVE moved 1 => 1
         PEXPIRE k 100000000 => 1",
    );
    assert_eq!(c.digest("again"), part);
    assert_eq!(stock_info(&mut c, "partial_pools"), 3);
    c.script(
        "DEL again => 1
         STOCK.SET again 5
         STOCK.RESERVE again o 1 => [OK, *]
         UNLINK again => 1
         SELECT 1
         FLUSHDB
         SELECT 0",
    );
    testkit::wait_until("what was unlinked is freed", || stock_info(&mut c, "partial_pools") == 1);
    assert!((stock_info(&mut c, "memory_bytes") - bytes).abs() < 1_000);
    // What is to live for a while lives no longer because it is whole.
    reader.go_on(&pieces[pieces.len() / 2..]);
    let mut c = reader.client();
    assert!(c.say("PTTL k").int() > 0);
    c.expect("PERSIST k", "1");
    assert_eq!(c.digest("k"), whole);
    assert_eq!(info(&mut c, "keyspace")["db0"].split(',').next(), Some("keys=1"));
}

#[test]
fn damaged_payloads_are_refused_or_harmless() {
    let reader = Reader::of(&[small()], false);
    let mut c = reader.client();
    c.pause_background();
    let part = c.digest("k");
    is_arriving(&mut c, &part);
    let payload = c.call(&["DUMP", "k"]).bytes().to_vec();
    let body = &payload[..payload.len() - 10];
    c.expect("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "OK");
    let accepted = damaged(&mut c, &payload, |c| {
        c.expect("STOCK.VERIFY bad", "-TRYAGAIN *");
        let again = c.call(&["DUMP", "bad"]).bytes().to_vec();
        let digest = c.digest("bad");
        assert_eq!(c.call(&args!["RESTORE", "bad", 0, again, "REPLACE"]).to_string(), "OK");
        assert_eq!(c.digest("bad"), digest);
        c.expect("COPY bad worse", "1");
        c.expect("DEL worse", "1");
    });
    assert!(accepted > 0, "ids and numbers can be others");
    // Nothing at all. The last value before the frame is the mark of the end.
    let empty = [&body[..10], &[2, 3, 0]].concat();
    assert_eq!(c.call(&args!["RESTORE", "empty", 0, framed(&empty, &payload)]).to_string(), "OK");
    c.expect("STOCK.GET empty", "-TRYAGAIN *");
    c.expect("DEBUG RELOAD", "OK");
    assert_eq!(c.call(&["DUMP", "empty"]).bytes()[..empty.len()], empty);
    c.expect("DEL empty", "1");
    is_arriving(&mut c, &part);
}
