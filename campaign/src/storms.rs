//! Key storms: a primary with its file and a replica, random sales, and between them everything
//! that moves, replaces, copies or ends keys without asking the module. After each round nothing is
//! left due, every sum is true, the replica holds the same bytes, and so does what is read back
//! from the file.

use std::cell::RefCell;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::record::{grouped, share, Ledger};
use crate::rounds::{self, Bounds, Scene};
use testkit::{now_ms, pass, stock_info, Client, Server, Value};

const NAME: &str = "key storms";
const DBS: usize = 3;
/// The pools, and the stream in which some of them tell what happens: keys like any other.
const KEYS: [&str; 6] = ["{k}a", "{k}b", "{k}c", "{k}d", "{k}e", "{k}ev"];
/// No short hold and no time to live is longer.
const SHORT_MS: i64 = 60;
const BATCHES: usize = 14;

#[derive(Default)]
struct Counts {
    calls: u64,
    changed: u64,
    /// Commands that move, replace or end keys, and did.
    storm: u64,
    audited: u64,
    expired: u64,
    loads: u64,
    restarts: u64,
    lag_ms: i64,
}

/// How much went wrong.
pub fn run(bounds: &Bounds, ledger: &Ledger) -> u64 {
    let counts = RefCell::new(Counts::default());
    let open = |seed| Storm::open(seed, &counts);
    rounds::run(NAME, "storms", bounds, ledger, open, |rounds| {
        let counts = counts.borrow();
        let text = format!(
            "{} rounds, {} calls, {} of them changed something; {} of the changes moved, replaced or ended keys; {} holds returned when due (the last of a round at most {} ms late), {} pools verified, {} reads of the file or RELOADs with equal digests, {} kill -9; digests of both servers equal after each round",
            grouped(rounds),
            grouped(counts.calls),
            share(counts.changed, counts.calls),
            grouped(counts.storm),
            grouped(counts.expired),
            counts.lag_ms,
            grouped(counts.audited),
            grouped(counts.loads),
            grouped(counts.restarts),
        );
        (counts.storm > 0 && counts.expired > 0 && counts.loads > 0).then_some(text)
    })
}

struct Storm<'a> {
    primary: Server,
    replica: Server,
    /// Payloads of DUMP, which may come back at any time.
    dumps: Vec<Vec<u8>>,
    next_order: u64,
    expired_before: i64,
    counts: &'a RefCell<Counts>,
}

type Words = Vec<Vec<u8>>;

fn words(line: &str) -> Words {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Whether a command is one of the storm, not of the sale.
fn is_storm(command: &Words) -> bool {
    !command[0].starts_with(b"STOCK.")
        && !matches!(&command[0][..], b"SELECT" | b"MULTI" | b"EXEC" | b"DUMP" | b"CONFIG" | b"CLIENT")
}

impl Scene for Storm<'_> {
    const ROUNDS: u64 = 40;

    fn round(&mut self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut client = self.primary.client();
        self.stock_up(&mut client, &mut rng);
        for _ in 0..BATCHES {
            let batch = self.batch(&mut rng);
            self.play(&mut client, &batch);
            if rng.random_ratio(1, 3) {
                std::thread::sleep(std::time::Duration::from_millis(rng.random_range(1..15)));
            }
        }
        self.audit(&mut client, &mut rng);
    }

    fn client(&self) -> Client {
        self.primary.client()
    }
}

impl Storm<'_> {
    fn open(seed: u64, counts: &RefCell<Counts>) -> Storm<'_> {
        let preamble = if seed.is_multiple_of(2) { "yes" } else { "no" };
        let databases = DBS.to_string();
        let args = [
            "--appendonly",
            "yes",
            "--databases",
            &databases,
            "--aof-use-rdb-preamble",
            preamble,
            "--auto-aof-rewrite-percentage",
            "0",
            "--repl-timeout",
            "20",
        ];
        let primary = Server::on_port(&args);
        let replica = Server::replica_of(&primary, &args);
        Storm { primary, replica, dumps: Vec::new(), next_order: 0, expired_before: 0, counts }
    }

    /// What the last round has left is made into pools again.
    fn stock_up(&mut self, client: &mut Client, rng: &mut SmallRng) {
        for db in 0..DBS {
            client.expect(&format!("SELECT {db}"), "OK");
            for key in &KEYS[..5] {
                if client.say(&format!("TYPE {key}")).text() != "stockpool" {
                    client.say(&format!("DEL {key}"));
                }
                client.expect(&format!("STOCK.SET {key} {}", rng.random_range(20..2000)), "OK");
                client.expect(&format!("STOCK.RESUME {key}"), "OK");
                if rng.random_ratio(1, 2) {
                    let answer = client.say(&format!("STOCK.SETPOLICY {key} {}", policy(rng))).to_string();
                    // The stream may be a key of another type by now.
                    assert!(answer == "OK" || answer.starts_with("-WRONGTYPE"), "SETPOLICY: {answer}");
                }
            }
        }
        client.expect("SELECT 0", "OK");
    }

    /// Commands for one database, sometimes as a transaction.
    fn batch(&mut self, rng: &mut SmallRng) -> Vec<Words> {
        let mut batch = vec![words(&format!("SELECT {}", rng.random_range(0..DBS)))];
        let whole = rng.random_ratio(1, 6);
        if whole {
            batch.push(words("MULTI"));
        }
        for _ in 0..rng.random_range(5..40) {
            let command = if rng.random_ratio(2, 3) { words(&self.sale(rng)) } else { self.storm(rng) };
            batch.push(command);
        }
        if whole {
            batch.push(words("EXEC"));
        } else if rng.random_ratio(1, 40) {
            batch.extend(self.reload());
        } else {
            match rng.random_range(0..60) {
                0 => batch.push(words("BGREWRITEAOF")),
                1 => batch.push(words("CLIENT KILL TYPE replica")),
                2 => batch.push(words("FLUSHALL SYNC")),
                3 => batch.push(words("FLUSHALL ASYNC")),
                _ => {}
            }
        }
        batch
    }

    /// DEBUG RELOAD forgets keys whose time has come without a word to replicas, so nothing may
    /// have a time to live.
    fn reload(&self) -> Vec<Words> {
        let mut batch = Vec::new();
        for db in 0..DBS {
            batch.push(words(&format!("SELECT {db}")));
            batch.extend(KEYS.map(|key| words(&format!("PERSIST {key}"))));
        }
        batch.push(words("DEBUG RELOAD"));
        batch
    }

    fn play(&mut self, client: &mut Client, batch: &[Words]) {
        let answers = client.pipeline(batch);
        let mut counts = self.counts.borrow_mut();
        let answers = batch.iter().zip(answers).flat_map(|(command, answer)| match answer {
            Value::Array(items) if command[0] == b"EXEC" => {
                let inside = batch.iter().skip(2).zip(items);
                inside.collect::<Vec<_>>()
            }
            other => vec![(command, other)],
        });
        for (command, answer) in answers {
            for error in rounds::errors(&answer) {
                let code = error.split(' ').next().unwrap_or("");
                let fine = ["ERR", "WRONGTYPE", "CONFLICT", "NODIM", "BUSYKEY"].contains(&code);
                let text: Vec<_> = command.iter().map(|word| String::from_utf8_lossy(word)).collect();
                assert!(fine && !error.contains("internal"), "{}: {error}", text.join(" "));
            }
            if command[0] == b"DUMP" {
                if let Value::Bulk(payload) = &answer {
                    if self.dumps.len() >= 12 {
                        self.dumps.remove(0);
                    }
                    self.dumps.push(payload.clone());
                }
            }
            if matches!(&command[0][..], b"SELECT" | b"MULTI") || answer == Value::Status(b"QUEUED".to_vec()) {
                continue;
            }
            counts.calls += 1;
            if rounds::has_changed(&answer) {
                counts.changed += 1;
                counts.storm += u64::from(is_storm(command));
            }
        }
    }

    /// One call of the module.
    fn sale(&mut self, rng: &mut SmallRng) -> String {
        let key = KEYS[rng.random_range(0..5)];
        let other = KEYS[rng.random_range(0..5)];
        let order = format!("o{}", (self.next_order + 2).saturating_sub(rng.random_range(0..25)));
        let qty = rng.random_range(1..6);
        let until = match rng.random_range(0..3) {
            0 => "EX 3600".to_string(),
            _ => format!("PX {}", rng.random_range(1..=SHORT_MS)),
        };
        let user = format!("FOR user u{}", rng.random_range(0..8));
        match rng.random_range(0..38) {
            0..10 => {
                self.next_order += 1;
                let partial = if rng.random_ratio(1, 6) { " PARTIAL" } else { "" };
                format!("STOCK.RESERVE {key} o{} {qty} {until}{partial} {user}", self.next_order)
            }
            10..13 => {
                self.next_order += 1;
                format!("STOCK.MRESERVE o{} 2 {key} {other} QTY {qty} 1 {until} {user}", self.next_order)
            }
            13..16 => format!("STOCK.CONFIRM {key} {order}"),
            16 => format!("STOCK.CONFIRM {key} {order} LATE"),
            17 => format!("STOCK.CONFIRM {key} {order} QTY {qty} LATE SINCE {} {user}", now_ms() - 1000),
            18 => format!("STOCK.MCONFIRM {order} 2 {key} {other}"),
            19..21 => format!("STOCK.RELEASE {key} {order}"),
            21 => format!("STOCK.MRELEASE {order} 2 {key} {other}"),
            22 => format!("STOCK.AMEND {key} {order} {qty}"),
            23 => format!("STOCK.EXTEND {key} {order} {until}"),
            24 => format!("STOCK.MEXTEND {order} 2 {key} {other} {until}"),
            25 => format!("STOCK.RETURN {key} {order}"),
            26 => format!("STOCK.RETURN {key} {order} QTY 1 TOKEN t{}", rng.random_range(0..3)),
            27 => format!("STOCK.MRETURN {order} 2 {key} {other}"),
            28 => format!("STOCK.SETPOLICY {key} {}", policy(rng)),
            29 => format!("STOCK.LIMIT {key} user {} PER {}", rng.random_range(5..50), rng.random_range(1..3)),
            30 => format!("STOCK.UNLIMIT {key} user PER {}", rng.random_range(1..3)),
            31 => format!("STOCK.ADD {key} {} TOKEN t{}", rng.random_range(1..9), rng.random_range(0..20)),
            32 => format!("STOCK.SET {key} {}", rng.random_range(0..500)),
            33 => format!("STOCK.RECONCILE {key} {}", rng.random_range(10..500)),
            34 => format!("STOCK.SWEEP {key} COUNT 3"),
            35 if rng.random_ratio(1, 3) => format!("STOCK.SUSPEND {key}"),
            36 if rng.random_ratio(1, 3) => format!("STOCK.SET {key} UNLIMITED"),
            _ => format!("STOCK.RESUME {key}"),
        }
    }

    /// One command that the module is not asked about.
    fn storm(&mut self, rng: &mut SmallRng) -> Words {
        let key = KEYS[rng.random_range(0..KEYS.len())];
        let other = KEYS[rng.random_range(0..KEYS.len())];
        let db = rng.random_range(0..DBS);
        let line = match rng.random_range(0..34) {
            0..3 => format!("RENAME {key} {other}"),
            3 => format!("RENAMENX {key} {other}"),
            4..6 => format!("COPY {key} {other}"),
            6..8 => format!("COPY {key} {other} REPLACE"),
            8..11 => format!("COPY {key} {other} DB {db} REPLACE"),
            11..14 => format!("MOVE {key} {db}"),
            14..16 => format!("SWAPDB {} {db}", rng.random_range(0..DBS)),
            16 => format!("UNLINK {key}"),
            17 => format!("DEL {key}"),
            18..21 => format!("DUMP {key}"),
            21..25 => {
                let ttl = if rng.random_ratio(1, 4) { rng.random_range(1..=SHORT_MS) } else { 0 };
                let Some(payload) = self.dumps.get(rng.random_range(0..12)) else { return words("DUMP {k}a") };
                let mut command = words(&format!("RESTORE {key} {ttl}"));
                command.push(payload.clone());
                command.push(b"REPLACE".to_vec());
                return command;
            }
            25..27 => format!("PEXPIRE {key} {}", rng.random_range(1..=50)),
            27 => format!("PERSIST {key}"),
            28 => format!("PEXPIRE {key} 1"),
            29 => match rng.random_range(0..6) {
                0 => format!("SET {key} text"),
                1 => "SET {k}ev text".into(),
                // From here on this stream takes no more entries.
                2 => "XADD {k}ev 18446744073709551615-18446744073709551615 a b".into(),
                3 => format!("SADD {key} member"),
                _ => "DEL {k}ev".into(),
            },
            30 => "XTRIM {k}ev MAXLEN 5".into(),
            31 => match rng.random_range(0..8) {
                0 => "FLUSHDB ASYNC".into(),
                1 => "FLUSHDB SYNC".into(),
                _ => format!("RENAME {key} {other}"),
            },
            32 => {
                let [word, name] = [rng.random_range(0..2), rng.random_range(0..4)];
                let name = ["user-del", "server-del", "user-flush", "expire"][name];
                format!("CONFIG SET lazyfree-lazy-{name} {}", ["yes", "no"][word])
            }
            _ => format!("COPY {key} {other} DB {db}"),
        };
        words(&line)
    }

    fn audit(&mut self, client: &mut Client, rng: &mut SmallRng) {
        client.expect("SELECT 0", "OK");
        let over_ms = now_ms() + SHORT_MS;
        pass(over_ms);
        rounds::wait_for_expiry(client);
        let before_ms = now_ms().max(over_ms);
        rounds::nothing_stays_due(client, DBS);
        let lag_ms = now_ms() - before_ms;
        let mut audited = rounds::verify_all(client, DBS);
        rounds::equal(&self.primary, &self.replica);
        audited += rounds::verify_all(&mut self.replica.client(), DBS);
        rounds::wait_for_rewrite(client);
        let expired = stock_info(client, "holds_expired");
        {
            let mut counts = self.counts.borrow_mut();
            counts.lag_ms = counts.lag_ms.max(lag_ms);
            counts.audited += audited;
            counts.expired += (expired - self.expired_before) as u64;
        }
        match rng.random_range(0..16) {
            0 => {
                self.counts.borrow_mut().restarts += 1;
                let before = sums(client);
                self.primary.kill();
                self.primary.start_again();
                *client = self.primary.client();
                assert_eq!(sums(client), before, "what the file holds");
            }
            way => {
                let way = if way < 5 { "DEBUG RELOAD" } else { "DEBUG LOADAOF" };
                // At one go and without background work, so that nothing else changes anything.
                let lines = ["DEBUG PAUSE-CRON 1", "DEBUG DIGEST", way, "DEBUG DIGEST", "DEBUG PAUSE-CRON 0"];
                let answers = client.pipeline(&lines.map(words));
                assert_eq!(answers[2].to_string(), "OK", "{way}");
                assert_eq!(answers[3], answers[1], "the digest before and after {way}");
                self.counts.borrow_mut().loads += 1;
            }
        }
        self.expired_before = stock_info(client, "holds_expired");
        rounds::equal(&self.primary, &self.replica);
    }
}

/// What each pool holds, in all databases.
fn sums(client: &mut Client) -> Vec<String> {
    let fields = ["on_hand", "reserved", "sold", "out", "safety", "suspended", "limits", "epoch", "seq"];
    let sums = rounds::pools(client, DBS).into_iter().map(|(db, key)| {
        client.expect(&format!("SELECT {db}"), "OK");
        let pool = client.say(&format!("STOCK.GET {key}"));
        format!("{db} {key} {}", fields.map(|field| pool.field(field).to_string()).join(" "))
    });
    let mut sums: Vec<_> = sums.collect();
    client.expect("SELECT 0", "OK");
    sums.sort();
    sums
}

fn policy(rng: &mut SmallRng) -> String {
    let events = if rng.random_ratio(1, 2) { r#""events":"{k}ev","# } else { "" };
    let retain = if rng.random_ratio(1, 2) { r#""retain":1,"retain_paid":1,"# } else { "" };
    let limits = match rng.random_range(0..3) {
        0 => r#"[{"by":["user"],"max":40,"per":1}]"#,
        1 => r#"[{"by":["user"],"max":30,"per":2,"count":"orders"},{"by":[],"max":900}]"#,
        _ => "[]",
    };
    format!(r#"{{{events}{retain}"alert":5,"limits":{limits}}}"#)
}
