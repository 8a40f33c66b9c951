//! Memory and disk run out in the middle of a sale. What needs room is refused and changes nothing;
//! what gives back works on while memory is short; nothing acknowledged is lost; and once there is
//! room again the sale goes on.

use std::cell::RefCell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::Command;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::expected_state::{CallMix, ExpectedState, State};
use crate::record::{grouped, Ledger};
use crate::rounds::{self, Bounds, Scene};
use testkit::{info, now_ms, pass, poll, status_word, stock_info, wait_until, Client, Server, Value};

#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    bounds: Bounds,
    /// What runs out.
    #[arg(long, value_enum, default_value_t = Kind::Memory)]
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// maxmemory, noeviction.
    Memory,
    /// maxmemory, and pools are evicted.
    Evict,
    /// The disk: append-only file, or snapshots.
    Disk,
}

const POOLS: [&str; 3] = ["{f}a", "{f}b", "{f}c"];
const ON_HAND: i64 = 1_000_000_000;
const POLICY: &str = r#"{"events":"{f}ev","limits":[{"by":["user"],"max":1000000000,"per":"day"}]}"#;
/// The longest short hold of an expected order.
const SHORT_MS: i64 = 160;

#[derive(Default)]
struct Counts {
    /// Calls that were acknowledged.
    acknowledged: u64,
    /// Of these, while memory was short.
    squeezed: u64,
    refused: u64,
    due: u64,
    evicted: u64,
    survived: u64,
    ended: u64,
    sweeps_refused: u64,
}

/// How much went wrong.
pub fn run(options: &Options, ledger: &Ledger) -> u64 {
    let counts = RefCell::new(Counts::default());
    let bounds = &options.bounds;
    match options.kind {
        Kind::Memory => {
            let open = |seed| Squeeze::open(seed, false, &counts);
            rounds::run("maxmemory reached", "full", bounds, ledger, open, |rounds| {
                let counts = counts.borrow();
                let text = format!(
                    "{} times out of memory in the middle, {} calls acknowledged, {} of them by a server out of memory, {} calls refused with the digest unchanged, {} holds fell due while memory was short and came back; digests of both servers equal, and equal once more from the file",
                    grouped(rounds),
                    grouped(counts.acknowledged),
                    grouped(counts.squeezed),
                    grouped(counts.refused),
                    grouped(counts.due)
                );
                (counts.squeezed > 0 && counts.refused > 0 && counts.due > 0).then_some(text)
            })
        }
        Kind::Evict => {
            let open = |seed| Squeeze::open(seed, true, &counts);
            rounds::run("pools evicted", "full --kind evict", bounds, ledger, open, |rounds| {
                let counts = counts.borrow();
                let text = format!(
                    "{} rounds, {} keys evicted while they sold, {} pools survived and were verified, {} calls acknowledged; digests of both servers equal, and equal once more from the file",
                    grouped(rounds),
                    grouped(counts.evicted),
                    grouped(counts.survived),
                    grouped(counts.acknowledged)
                );
                (counts.evicted > 0 && counts.survived > 0).then_some(text)
            })
        }
        Kind::Disk => {
            if let Err(why) = Disk::mount() {
                println!("skipped: a small disk cannot be mounted here ({why}); no row is written");
                return 0;
            }
            rounds::run(
                "disk full",
                "full --kind disk",
                bounds,
                ledger,
                |seed| FullDisk::open(seed, &counts),
                |rounds| {
                    let counts = counts.borrow();
                    let text = format!(
                    "{} times no space left, {} calls acknowledged, {} refused with the digest unchanged, {} times the server ended by itself (appendfsync always), {} holds fell due meanwhile and came back; all acknowledged calls there after kill -9",
                    grouped(rounds),
                    grouped(counts.acknowledged),
                    grouped(counts.refused),
                    grouped(counts.ended),
                    grouped(counts.due)
                );
                    (counts.acknowledged > 0 && counts.refused + counts.ended > 0).then_some(text)
                },
            )
        }
    }
}

/// One call between two digests, in one go, so that nothing comes in between: its answer, and
/// whether anything has changed.
fn between_digests(client: &mut Client, lines: &[&str]) -> (Value, bool) {
    let all = std::iter::once("DEBUG DIGEST").chain(lines.iter().copied()).chain(std::iter::once("DEBUG DIGEST"));
    let calls: Vec<Vec<&str>> = all.map(|line| line.split(' ').collect()).collect();
    let mut answers = client.pipeline(&calls);
    let after = answers.pop().expect("the second digest");
    (answers.pop().expect("the answer"), answers[0] != after)
}

/// What the file holds is what the memory holds.
fn same_from_file(client: &mut Client) {
    let lines = ["DEBUG PAUSE-CRON 1", "DEBUG DIGEST", "DEBUG LOADAOF", "DEBUG DIGEST", "DEBUG PAUSE-CRON 0"];
    let calls: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    let answers = client.pipeline(&calls);
    assert_eq!(answers[2].to_string(), "OK", "DEBUG LOADAOF");
    assert_eq!(answers[3], answers[1], "the digest before and after DEBUG LOADAOF");
}

fn used_memory(client: &mut Client) -> u64 {
    info(client, "memory")["used_memory"].parse().expect("a number")
}

/// A pair of servers that runs out of memory.
struct Squeeze<'a> {
    primary: Server,
    replica: Server,
    expected: ExpectedState,
    evicts: bool,
    counts: &'a RefCell<Counts>,
}

impl Scene for Squeeze<'_> {
    const ROUNDS: u64 = 20;

    fn round(&mut self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        if self.evicts {
            self.evict(&mut rng);
        } else {
            self.squeeze(&mut rng);
        }
    }

    fn client(&self) -> Client {
        self.primary.client()
    }
}

impl Squeeze<'_> {
    fn open(seed: u64, evicts: bool, counts: &RefCell<Counts>) -> Squeeze<'_> {
        let preamble = if seed.is_multiple_of(2) { "yes" } else { "no" };
        let args = [
            "--appendonly",
            "yes",
            "--aof-use-rdb-preamble",
            preamble,
            "--auto-aof-rewrite-percentage",
            "0",
            // It counts as used memory, and shall not push everything else out.
            "--repl-backlog-size",
            "16384",
        ];
        let (primary, mut client) = Server::on_port(&args).with_client();
        let replica = Server::replica_of(&primary, &args);
        let expected = ExpectedState::open(&mut client, &POOLS, ON_HAND, POLICY);
        Squeeze { primary, replica, expected, evicts, counts }
    }

    fn squeeze(&mut self, rng: &mut SmallRng) {
        let mut client = self.primary.client();
        let expected = &mut self.expected;
        let first = rng.random_range(20..60);
        for _ in 0..first {
            expected.step(&mut client, rng, CallMix::All);
        }
        // The end of memory is reached by selling.
        let limit = used_memory(&mut client) + rng.random_range(1..60_000);
        client.expect(&format!("CONFIG SET maxmemory {limit}"), "OK");
        let mut sold = 0;
        let refused = loop {
            let step = expected.plan(rng, CallMix::Take, now_ms());
            let answer = client.say(&step.line);
            match &answer {
                Value::Error(_) if answer.error().starts_with("OOM") => {
                    // Once more, between digests.
                    let (answer, changed) = between_digests(&mut client, &[&step.line]);
                    if answer.is_error() && answer.error().starts_with("OOM") {
                        assert!(!changed, "{} was refused, and changed something", step.line);
                        break 1;
                    }
                    assert_eq!(status_word(&answer), "OK", "{}: {answer}", step.line);
                    expected.note(&step);
                }
                Value::Error(_) => assert!(answer.error().contains("in the past"), "{}: {answer}", step.line),
                answer => {
                    assert_eq!(status_word(answer), "OK", "{}: {answer}", step.line);
                    expected.note(&step);
                }
            }
            sold += 1;
            assert!(sold < 4_000, "memory does not run out");
        };
        // From here on there is none, whatever is given back.
        client.expect("CONFIG SET maxmemory 1", "OK");
        let refused = refused + takers_are_refused(&mut client, expected, rng);
        let given = rng.random_range(20..50);
        for _ in 0..given {
            if expected.orders.values().any(|order| matches!(order.state, State::Held | State::Sold)) {
                expected.step(&mut client, rng, CallMix::ReturnUnits);
            }
        }
        // What else gives back or finishes.
        let pool = POOLS[rng.random_range(0..3)];
        client.script(&format!(
            "STOCK.SUSPEND {pool} => OK
             STOCK.RESUME {pool} => OK
             STOCK.SWEEP {pool} => *
             STOCK.UNLIMIT {pool} nobody => 0
             STOCK.RELEASE {pool} never-{} => [NOORDER, *",
            now_ms()
        ));
        let short = expected.orders.values().filter(|order| matches!(order.state, State::Short(_))).count();
        pass(now_ms() + SHORT_MS);
        rounds::nothing_stays_due(&mut client, 1);
        expected.check(&mut client);
        rounds::equal(&self.primary, &self.replica);
        assert_eq!(stock_info(&mut client, "events_dropped"), 0, "events while memory is short");
        client.expect("CONFIG SET maxmemory 0", "OK");
        for _ in 0..10 {
            expected.step(&mut client, rng, CallMix::All);
        }
        pass(now_ms() + SHORT_MS);
        rounds::nothing_stays_due(&mut client, 1);
        same_from_file(&mut client);
        expected.check(&mut client);
        rounds::equal(&self.primary, &self.replica);
        expected.check(&mut self.replica.client());
        let mut counts = self.counts.borrow_mut();
        counts.acknowledged += first + sold + given + 10;
        counts.squeezed += given;
        counts.refused += refused;
        counts.due += short as u64;
        // What is over is let go, so that a round costs what the first one does.
        drop(counts);
        self.forget(&mut client);
    }

    /// Begins with new pools.
    fn forget(&mut self, client: &mut Client) {
        client.expect("FLUSHALL", "OK");
        self.expected = ExpectedState::open(client, &POOLS, ON_HAND, POLICY);
    }

    fn evict(&mut self, rng: &mut SmallRng) {
        let mut client = self.primary.client();
        client.expect("FLUSHALL", "OK");
        let floor = used_memory(&mut client);
        let pools = rng.random_range(20..80);
        let mut calls: Vec<Vec<String>> = Vec::new();
        let until_ms = now_ms() + 400;
        for pool in 0..pools {
            calls.push(words(&format!("STOCK.SET p{pool} 100000")));
            if rng.random_ratio(1, 3) {
                calls.push(words(&format!(r#"STOCK.SETPOLICY p{pool} {{"events":"ev"}}"#)));
            }
            for order in 0..rng.random_range(1..40) {
                let at_ms = until_ms - rng.random_range(0..300);
                calls.push(words(&format!("STOCK.RESERVE p{pool} o{order} 1 PXAT {at_ms}")));
            }
            calls.push(words(&format!("SET s{pool} {}", "x".repeat(rng.random_range(1..2000)))));
        }
        client.pipeline(&calls);
        let full = used_memory(&mut client);
        let policy = ["allkeys-lru", "allkeys-lfu", "allkeys-random"][rng.random_range(0..3)];
        client.expect(&format!("CONFIG SET maxmemory-policy {policy}"), "OK");
        client.expect(&format!("CONFIG SET lazyfree-lazy-eviction {}", ["yes", "no"][rng.random_range(0..2)]), "OK");
        let evicted = |client: &mut Client| info(client, "stats")["evicted_keys"].parse::<u64>().expect("a number");
        let before = evicted(&mut client);
        // A part of what was added must go.
        let limit = full - full.saturating_sub(floor) * rng.random_range(10..60) / 100;
        client.expect(&format!("CONFIG SET maxmemory {limit}"), "OK");
        let mut acknowledged = 0;
        for serial in 0..200 {
            let pool = rng.random_range(0..pools);
            let order = rng.random_range(0..40);
            let line = match rng.random_range(0..4) {
                0 => format!("STOCK.CONFIRM p{pool} o{order}"),
                1 => format!("STOCK.RELEASE p{pool} o{order}"),
                2 => format!("STOCK.MRESERVE n{serial} 2 p{pool} p{} QTY 1 1 PX 50", (pool + 1) % pools),
                _ => format!("STOCK.RESERVE p{pool} n{serial} 1 PX 60"),
            };
            let answer = client.say(&line);
            match &answer {
                Value::Error(_) => {
                    let error = answer.error();
                    assert!(error.starts_with("OOM") || error.starts_with("CONFLICT"), "{line}: {answer}");
                }
                answer => acknowledged += u64::from(status_word(answer) == "OK"),
            }
        }
        let gone = evicted(&mut client) - before;
        pass(until_ms.max(now_ms() + 60));
        client.expect("CONFIG SET maxmemory 0", "OK");
        rounds::nothing_stays_due(&mut client, 1);
        rounds::equal(&self.primary, &self.replica);
        same_from_file(&mut client);
        rounds::equal(&self.primary, &self.replica);
        let mut other = self.replica.client();
        for client in [&mut client, &mut other] {
            for (_, pool) in rounds::pools(client, 1) {
                client.verify(&pool);
                let map = client.say(&format!("STOCK.GET {pool}"));
                let [on_hand, reserved, sold] = ["on_hand", "reserved", "sold"].map(|field| map.field(field).int());
                assert_eq!((on_hand + sold, reserved), (100_000, 0), "{pool} has what it had: {map}");
            }
        }
        let survived = rounds::pools(&mut client, 1).len();
        let mut counts = self.counts.borrow_mut();
        counts.evicted += gone;
        counts.survived += survived as u64;
        counts.acknowledged += acknowledged;
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_string).collect()
}

/// Everything that takes memory is refused, alone, in a transaction, in a script; how many calls
/// that were.
fn takers_are_refused(client: &mut Client, expected: &ExpectedState, rng: &mut SmallRng) -> u64 {
    let pool = POOLS[rng.random_range(0..3)];
    let held = expected.orders.iter().find(|(_, order)| order.state == State::Held);
    let held = held.map(|(name, order)| (name.clone(), expected.pools[order.pool].clone()));
    let lines = [
        format!("STOCK.RESERVE {pool} x 1"),
        format!("STOCK.MRESERVE x 2 {} {} QTY 1 1", POOLS[0], POOLS[1]),
        format!("STOCK.SET {pool} 5"),
        "STOCK.SET {f}new 5".to_string(),
        format!("STOCK.ADD {pool} 5"),
        format!("STOCK.LIMIT {pool} user 1"),
        format!("STOCK.SETPOLICY {pool} {{}}"),
        format!("EVAL return(redis.call('STOCK.RESERVE',KEYS[1],'x',1)) 1 {pool}"),
    ];
    for line in &lines {
        // Holds that fall due come back in between, but not within one go.
        let (answer, changed) = between_digests(client, &[line]);
        assert!(answer.is_error() && answer.error().contains("OOM"), "{line}: {answer}");
        assert!(!changed, "{line} was refused, and changed something");
    }
    if let Some((order, pool)) = &held {
        let confirm = format!("STOCK.CONFIRM {pool} {order}");
        let (answer, changed) = between_digests(client, &["MULTI", &confirm, &lines[0], "EXEC"]);
        assert!(answer.is_error() && answer.error().starts_with("EXECABORT"), "a transaction: {answer}");
        assert!(!changed, "a transaction was refused, and changed something");
    }
    lines.len() as u64
}

/// A small disk of its own.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn mount() -> Result<Disk, String> {
        let dir = tempfile::Builder::new().prefix("stock-disk-").tempdir().map_err(|error| error.to_string())?;
        let path = dir.keep();
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&path).output();
        let why = match done {
            Ok(output) if output.status.success() => return Ok(Disk { path }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_string(),
            Err(error) => error.to_string(),
        };
        let _ = std::fs::remove_dir(&path);
        Err(why)
    }

    /// Leaves so many bytes, about.
    fn fill(&self, left: u64) {
        let path = self.path.join("filler");
        let chunk = vec![1; 4096];
        let mut file = std::fs::File::create(&path).expect("a file");
        while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
        let size = file.metadata().expect("its size").len();
        file.set_len(size.saturating_sub(left)).expect("a smaller file");
    }

    fn free(&self) {
        std::fs::remove_file(self.path.join("filler")).expect("the filler goes");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        let _ = std::fs::remove_dir(&self.path);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    FileEverySecond,
    FileAlways,
    Snapshots,
}

/// A server on a small disk.
struct FullDisk<'a> {
    server: Server,
    expected: ExpectedState,
    keeps: Keeps,
    log: PathBuf,
    // Let go after the server.
    disk: Disk,
    counts: &'a RefCell<Counts>,
}

impl Scene for FullDisk<'_> {
    // Then another way to keep the data.
    const ROUNDS: u64 = 3;

    fn round(&mut self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let done = catch_unwind(AssertUnwindSafe(|| match self.keeps {
            Keeps::FileEverySecond => self.every_second(&mut rng),
            Keeps::FileAlways => self.always(&mut rng),
            Keeps::Snapshots => self.snapshots(&mut rng),
        }));
        let log = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned();
        if let Err(wrong) = done {
            eprintln!("--- the end of the log ---");
            log.lines().rev().take(30).collect::<Vec<_>>().iter().rev().for_each(|line| eprintln!("{line}"));
            resume_unwind(wrong);
        }
        for disaster in ["internal error", "ASSERTION FAILED", "crashed by signal", "BUG REPORT"] {
            assert!(!log.contains(disaster), "{disaster} in the log:\n{log}");
        }
    }

    fn client(&self) -> Client {
        self.server.client()
    }
}

impl FullDisk<'_> {
    fn open(seed: u64, counts: &RefCell<Counts>) -> FullDisk<'_> {
        let keeps = [Keeps::FileEverySecond, Keeps::FileAlways, Keeps::Snapshots][(seed / 3 % 3) as usize];
        let disk = Disk::mount().expect("a small disk");
        let log = disk.path.with_extension("log");
        let log_file = log.to_string_lossy().into_owned();
        let mut args = vec!["--logfile", log_file.as_str(), "--auto-aof-rewrite-percentage", "0"];
        match keeps {
            Keeps::FileEverySecond => args.extend(["--appendonly", "yes", "--appendfsync", "everysec"]),
            Keeps::FileAlways => args.extend(["--appendonly", "yes", "--appendfsync", "always"]),
            Keeps::Snapshots => args.extend(["--save", "3600 1"]),
        }
        let (server, mut client) = Server::below(&disk.path, &args).with_client();
        let expected = ExpectedState::open(&mut client, &POOLS, ON_HAND, POLICY);
        FullDisk { server, expected, keeps, log, disk, counts }
    }

    /// Sells until the first refusal; how many calls were acknowledged.
    fn sell_until_refused(&mut self, client: &mut Client, rng: &mut SmallRng) -> u64 {
        let mut acknowledged = 0;
        loop {
            let step = self.expected.plan(rng, CallMix::All, now_ms());
            let answer = client.say(&step.line);
            match &answer {
                Value::Error(_) if answer.error().starts_with("MISCONF") => return acknowledged,
                Value::Error(_) => assert!(answer.error().contains("in the past"), "{}: {answer}", step.line),
                answer => {
                    assert_eq!(status_word(answer), "OK", "{}: {answer}", step.line);
                    self.expected.note(&step);
                    acknowledged += 1;
                }
            }
            assert!(acknowledged < 100_000, "the disk does not run out");
        }
    }

    /// Every write is refused, also those that give back, and changes nothing. Reads go on.
    fn refuses(&mut self, client: &mut Client, rng: &mut SmallRng) {
        for mix in [CallMix::Take, CallMix::ReturnUnits, CallMix::ReturnUnits, CallMix::Take] {
            let step = self.expected.plan(rng, mix, now_ms());
            let (answer, changed) = between_digests(client, &[&step.line]);
            assert!(answer.is_error() && answer.error().starts_with("MISCONF"), "{}: {answer}", step.line);
            assert!(!changed, "{} was refused, and changed something", step.line);
            self.counts.borrow_mut().refused += 1;
        }
        client.expect(&format!("STOCK.CHECK {} 1 FOR user u1", POOLS[0]), "[OK, *");
        // Holds fall due meanwhile: what the background does is refused, too.
        let short = self.expected.orders.values().filter(|order| matches!(order.state, State::Short(_))).count();
        pass(now_ms() + SHORT_MS);
        client.expect(&format!("STOCK.SWEEP {}", POOLS[0]), "-MISCONF*");
        self.expected.check(client);
        let mut counts = self.counts.borrow_mut();
        counts.sweeps_refused += 1;
        counts.due += short as u64;
    }

    fn all_is_there(&mut self) {
        let mut client = self.server.client();
        pass(now_ms() + SHORT_MS);
        rounds::nothing_stays_due(&mut client, 1);
        self.expected.check(&mut client);
    }

    fn every_second(&mut self, rng: &mut SmallRng) {
        let mut client = self.server.client();
        self.disk.fill(rng.random_range(1..60_000));
        let acknowledged = self.sell_until_refused(&mut client, rng);
        self.refuses(&mut client, rng);
        self.disk.free();
        wait_until("the file is written again", || {
            info(&mut client, "persistence")["aof_last_write_status"] == "ok" && !client.say("SET probe x").is_error()
        });
        for _ in 0..20 {
            self.expected.step(&mut client, rng, CallMix::All);
        }
        self.all_is_there();
        self.server.kill();
        self.server.start_again();
        self.all_is_there();
        self.counts.borrow_mut().acknowledged += acknowledged + 20;
        self.begin_anew();
    }

    /// Makes the file short, and has it opened at a start: one that a rewrite has opened is not
    /// opened for appending, and after a short write servers leave a hole in it, which they cannot
    /// read (all versions tried, without any module).
    fn begin_anew(&mut self) {
        rounds::rewrite(&mut self.server.client());
        self.server.kill();
        self.server.start_again();
    }

    /// With `appendfsync always` the server ends itself rather than acknowledge what it could not
    /// write.
    fn always(&mut self, rng: &mut SmallRng) {
        let mut client = self.server.client();
        self.disk.fill(rng.random_range(1..60_000));
        let mut acknowledged = 0;
        let open = loop {
            let step = self.expected.plan(rng, CallMix::All, now_ms());
            let words: Vec<&str> = step.line.split(' ').collect();
            match client.try_call(&words) {
                Err(_) => break step,
                Ok(answer) if answer.is_error() => assert!(answer.error().contains("in the past"), "{answer}"),
                Ok(answer) => {
                    assert_eq!(status_word(&answer), "OK", "{}: {answer}", step.line);
                    self.expected.note(&step);
                    acknowledged += 1;
                }
            }
            assert!(acknowledged < 100_000, "the disk does not run out");
        };
        self.server.ends_by_itself();
        self.disk.free();
        self.server.start_again();
        // The call that was not answered has happened, or not.
        let mut client = self.server.client();
        let pool = &self.expected.pools[open.after.pool];
        let now = client.say(&format!("STOCK.ORDER {pool} {}", open.order));
        let expected = match open.after.state {
            State::Held | State::Short(_) => vec!["reserved", "expired"],
            State::Sold => vec!["confirmed"],
            State::Returned => vec!["returned"],
            State::Released => vec!["released"],
        };
        if now != Value::Nil && expected.contains(&now.field("state").text().as_str()) {
            self.expected.note(&open);
        }
        self.all_is_there();
        let mut counts = self.counts.borrow_mut();
        counts.acknowledged += acknowledged;
        counts.ended += 1;
        drop(counts);
        self.begin_anew();
    }

    fn snapshots(&mut self, rng: &mut SmallRng) {
        let mut client = self.server.client();
        let first = rng.random_range(20..200);
        for _ in 0..first {
            self.expected.step(&mut client, rng, CallMix::All);
        }
        self.disk.fill(rng.random_range(0..2_000));
        let snapshot = |client: &mut Client, status: &str| {
            poll("a snapshot ends", || {
                client.say("BGSAVE");
                let fields = info(client, "persistence");
                (fields["rdb_bgsave_in_progress"] == "0" && fields["rdb_last_bgsave_status"] == status).then_some(())
            });
        };
        snapshot(&mut client, "err");
        self.refuses(&mut client, rng);
        self.disk.free();
        snapshot(&mut client, "ok");
        for _ in 0..20 {
            self.expected.step(&mut client, rng, CallMix::All);
        }
        self.all_is_there();
        wait_until("no snapshot is under way", || info(&mut client, "persistence")["rdb_bgsave_in_progress"] == "0");
        client.expect("SAVE", "OK");
        self.server.kill();
        self.server.start_again();
        self.all_is_there();
        self.counts.borrow_mut().acknowledged += first + 20;
    }
}

impl Drop for FullDisk<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}
