//! A random history over a few pools: what persistence and replication must carry over without a
//! loss.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use testkit::{now_ms, stock_info, Client, Server};

pub const POOLS: [&str; 3] = ["p0", "p1", "p2"];

pub struct History {
    rng: SmallRng,
    /// Holds shorter than this do not occur: tests that compare digests want none to fall due
    /// meanwhile.
    shortest_ms: i64,
}

impl History {
    pub fn new(seed: u64, shortest_ms: i64) -> History {
        History { rng: SmallRng::seed_from_u64(seed), shortest_ms }
    }

    fn pick(&mut self, n: usize) -> usize {
        self.rng.random_range(0..n)
    }

    fn pool(&mut self) -> &'static str {
        POOLS[self.pick(POOLS.len())]
    }

    fn buyer(&mut self) -> String {
        let user = self.pick(20);
        match self.pick(4) {
            0 => format!("FOR user u{user} region r{}", self.pick(3)),
            1 => format!("FOR region r{} user u{user}", self.pick(3)),
            _ => format!("FOR user u{user}"),
        }
    }

    fn hold(&mut self) -> String {
        let ms = self.shortest_ms + self.rng.random_range(0..self.shortest_ms.max(50));
        match self.pick(3) {
            0 => format!("PX {ms}"),
            1 => format!("PXAT {}", now_ms() + ms),
            _ => String::new(),
        }
    }

    /// The next command; some are refused, some repeat an earlier one.
    pub fn next(&mut self) -> String {
        let k = self.pool();
        let o = format!("o{}", self.pick(60));
        let qty = 1 + self.pick(4);
        let token = self.pick(4);
        match self.pick(40) {
            0..=12 => {
                let partial = if self.pick(4) == 0 { "PARTIAL" } else { "" };
                format!("STOCK.RESERVE {k} {o} {qty} {} {partial} {}", self.hold(), self.buyer())
            }
            13..=17 => format!("STOCK.CONFIRM {k} {o}"),
            18 => format!("STOCK.CONFIRM {k} {o} QTY {qty}"),
            19 => format!("STOCK.CONFIRM {k} {o} LATE"),
            20 => format!("STOCK.CONFIRM {k} {o} QTY {qty} LATE SINCE {} {}", now_ms(), self.buyer()),
            21..=23 => format!("STOCK.RELEASE {k} {o}"),
            24..=25 => format!("STOCK.AMEND {k} {o} {qty}"),
            26 => format!("STOCK.EXTEND {k} {o} PX {}", 2 * self.shortest_ms.max(50)),
            27 => format!("STOCK.RETURN {k} {o}"),
            28 => format!("STOCK.RETURN {k} {o} QTY 1 TOKEN t{token}"),
            29 => format!("STOCK.RETURN {k} {o} QTY 1 TOKEN t{token} KEEPUSAGE NORESTOCK"),
            30 => format!("STOCK.RETURN {k} v{token} QTY {qty} TOKEN t{token} LATE"),
            31 => format!("STOCK.ADD {k} {qty} TOKEN a{token}"),
            32 if self.pick(2) == 0 => format!("STOCK.TRANSFER {k} {} {qty} TOKEN m{token}", self.pool()),
            32 => format!("STOCK.ADD {k} -{qty}"),
            33 => format!("STOCK.LIMIT {k} user {} PER DAY MISSING ALLOW", 5 + qty),
            34 => format!("STOCK.LIMIT {k} region+user 3 COUNT ORDERS FOR r{token} *"),
            35 => format!("STOCK.LIMIT {k} * {} PER 5", 20 + qty),
            36 => format!("STOCK.UNLIMIT {k} * PER 5"),
            37 => format!("STOCK.SET {k} {}", 50 + self.pick(50)),
            38 => {
                let word = if self.pick(3) == 0 { "SUSPEND" } else { "RESUME" };
                format!("STOCK.{word} {k}")
            }
            _ => format!("STOCK.SETPOLICY {k} {}", self.policy()),
        }
    }

    fn policy(&mut self) -> String {
        let safety = self.pick(4);
        format!(
            "{{\"safety\":{safety},\"alert\":9,\"hold\":1000,\"limits\":[{{\"by\":[\"user\"],\"max\":6,\
             \"per\":\"day\",\"missing\":\"allow\",\"overrides\":[{{\"for\":[\"u1\"],\"max\":30}}]}}]}}"
        )
    }

    /// Runs `count` commands, some of them in transactions and in scripts.
    pub fn run(&mut self, c: &mut Client, count: usize) {
        for pool in POOLS {
            c.expect(&format!("STOCK.SET {pool} 80 NX"), "*");
            c.expect(&format!("STOCK.RESUME {pool}"), "OK");
        }
        let mut done = 0;
        while done < count {
            match self.pick(12) {
                0 => {
                    let lines: Vec<String> = (0..3).map(|_| self.next()).collect();
                    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                    c.transaction(&lines);
                    done += 3;
                }
                1 => {
                    let line = self.next();
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let mut call = vec!["EVAL", "return redis.pcall(unpack(ARGV))", "1", words[1]];
                    call.extend(&words);
                    c.call(&call);
                    done += 1;
                }
                _ => {
                    let line = self.next();
                    c.say(&line);
                    done += 1;
                }
            }
        }
    }
}

/// The digests of all pools, after VERIFY of each.
#[track_caller]
pub fn digests(c: &mut Client) -> Vec<String> {
    POOLS
        .iter()
        .map(|pool| {
            c.verify(pool);
            c.digest(pool)
        })
        .collect()
}

/// These keys are the same on the replica, read back from both forms of the append-only file and
/// from an RDB file, and after a restart, which is the last.
#[track_caller]
pub fn kept(server: &mut Server, replica: &Server, keys: &[&str]) {
    let digests = |c: &mut Client| keys.iter().map(|key| c.digest(key)).collect::<Vec<_>>();
    let (mut c, mut r) = (server.client(), replica.client());
    for key in keys.iter().filter(|key| c.say(&format!("TYPE {key}")).text() == "stockpool").collect::<Vec<_>>() {
        c.verify(key);
    }
    let held = digests(&mut c);
    replica.catch_up(server);
    assert_eq!(digests(&mut r), held, "on the replica");
    assert_eq!(stock_info(&mut r, "divergences"), 0);
    for line in ["DEBUG LOADAOF", "a rewrite", "DEBUG LOADAOF", "DEBUG RELOAD"] {
        match line {
            "a rewrite" => c.rewrite_aof(),
            line => drop(c.expect(line, "OK")),
        }
        assert_eq!(digests(&mut c), held, "{line}");
    }
    server.restart("NOSAVE");
    let mut c = server.client();
    assert_eq!(digests(&mut c), held, "after a restart");
    assert_eq!(stock_info(&mut c, "divergences"), 0);
}
