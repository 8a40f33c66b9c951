//! Calls about the stock.

use super::{by_text, decimal, words, Generator, Rng, CROWDED, LATER_POOLS, MAX_QTY};

impl Generator {
    pub(super) fn set(&mut self) -> Vec<Vec<u8>> {
        if self.chance(10) {
            return self.set_with_policy();
        }
        let key = if self.chance(4) { CROWDED } else { self.pool().1 };
        let mut argv = self.start("STOCK.SET", key);
        argv.push(match self.rng.random_range(0..100) {
            0..80 => decimal(self.rng.random_range(0..70)),
            80..86 => decimal(self.rng.random_range(-5..3)),
            86..96 => self.word("UNLIMITED"),
            96 => decimal(MAX_QTY),
            97 => decimal(-MAX_QTY),
            _ => decimal(self.rng.random_range(1000..100_000)),
        });
        if self.chance(8) {
            let word = self.one_of(&["NX", "XX", "XX"]);
            argv.push(self.word(word));
        }
        self.push_note(&mut argv);
        argv
    }

    /// A pool that is made with its policy, mostly one that is not there yet.
    fn set_with_policy(&mut self) -> Vec<Vec<u8>> {
        let key = if self.chance(90) { self.one_of(&LATER_POOLS) } else { self.pool().1 };
        let mut argv = self.start("STOCK.SET", key);
        argv.push(match self.rng.random_range(0..20) {
            0 => self.word("UNLIMITED"),
            1 => decimal(-MAX_QTY),
            2 => decimal(MAX_QTY),
            _ => decimal(self.rng.random_range(0..70)),
        });
        if !self.chance(5) {
            let word = if self.chance(97) { "NX" } else { "XX" };
            argv.push(self.word(word));
        }
        argv.push(self.word("POLICY"));
        let policy = self.policy();
        argv.push(policy);
        self.push_note(&mut argv);
        argv
    }

    pub(super) fn add(&mut self) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        let mut argv = self.start("STOCK.ADD", key);
        let token = self.rng.random_range(0..6);
        argv.push(match self.rng.random_range(0..100) {
            0..45 => decimal(1 + token),
            45..70 => decimal(self.rng.random_range(1..20)),
            70..97 => decimal(-self.rng.random_range(1..12)),
            97 => decimal(MAX_QTY),
            98 => decimal(-MAX_QTY),
            _ => decimal(0),
        });
        if self.chance(40) {
            argv.push(self.word("TOKEN"));
            argv.push(format!("t{token}").into_bytes());
        }
        self.push_note(&mut argv);
        argv
    }

    /// Units of one pool for another; sometimes the same again, or with something else in it.
    pub(super) fn transfer(&mut self) -> Vec<Vec<u8>> {
        let from = self.any_pool();
        let mut to = self.any_pool();
        while to == from && self.chance(95) {
            to = self.any_pool();
        }
        let mut argv = self.start("STOCK.TRANSFER", from);
        argv.push(to.into());
        let token = self.rng.random_range(0..9);
        argv.push(match self.rng.random_range(0..100) {
            0..70 => decimal(1 + token % 4),
            70..97 => decimal(self.rng.random_range(1..30)),
            97 => decimal(MAX_QTY),
            98 => decimal(MAX_QTY - 40),
            _ => decimal(0),
        });
        argv.push(self.word("TOKEN"));
        // The first of them are those of ADD, too.
        argv.push(format!("t{}", token + 3).into_bytes());
        self.push_note(&mut argv);
        if self.chance(60) {
            // So that there is something to move.
            let units = self.rng.random_range(20..90);
            self.push(0, argv);
            return words(&["STOCK.ADD", from, &units.to_string()]);
        }
        argv
    }

    /// What the database has followed is written as `E1 S0 O0` (the last epoch but one, as far as
    /// it went, with its `out`): who runs the call knows the numbers.
    pub(super) fn reconcile(&mut self) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        let mut argv = self.start("STOCK.RECONCILE", key);
        argv.push(match self.rng.random_range(0..100) {
            0..80 => decimal(self.rng.random_range(-5..70)),
            80..90 => decimal(self.rng.random_range(1000..100_000)),
            90..95 => decimal(MAX_QTY),
            _ => decimal(-MAX_QTY),
        });
        if self.chance(75) {
            argv.push(self.word("AFTER"));
            let epoch = if self.chance(70) { 0 } else { self.rng.random_range(0..19) };
            argv.push(format!("E{epoch}").into_bytes());
            argv.push(format!("S{}", self.one_of(&["0", "0", "-1", "-9", "1000", "7000"])).into_bytes());
            argv.push(format!("O{}", self.one_of(&["0", "0", "-1", "1", "5"])).into_bytes());
        }
        if self.chance(20) {
            argv.push(self.word("DRYRUN"));
        }
        self.push_note(&mut argv);
        argv
    }

    /// A window whose bounds are near: calls meet both sides of them.
    pub(super) fn schedule(&mut self) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        let mut argv = self.start("STOCK.SCHEDULE", key);
        // Calls that meet the window follow at once, and mostly one that opens the sale again.
        let opens = self.chance(50);
        let which: &[&str] = match self.rng.random_range(0..10) {
            0..3 if !opens => &["FROM"],
            3..6 if !opens => &["UNTIL"],
            _ => &["UNTIL", "FROM"],
        };
        for word in which {
            argv.push(self.word(word));
            let bound = if opens { None } else { self.sale_bound(*word == "FROM") };
            argv.push(bound.map_or_else(|| self.word("NONE"), decimal));
        }
        self.push_note(&mut argv);
        if !opens {
            for _ in 0..self.rng.random_range(1..5) {
                let call = if self.profile.carts { self.cart() } else { self.reserve() };
                let advance_ms = self.rng.random_range(0..40);
                self.push(advance_ms, call);
            }
            if self.chance(85) {
                self.push(0, words(&["STOCK.SCHEDULE", key, "FROM", "NONE", "UNTIL", "NONE"]));
            }
        }
        argv
    }

    /// One bound: now, soon, or over; sometimes none.
    pub(super) fn sale_bound(&mut self, from: bool) -> Option<i64> {
        let ahead = match self.rng.random_range(0..10) {
            0..2 => return None,
            2..6 => self.rng.random_range(-3..4),
            6 => -self.rng.random_range(1..5_000),
            _ if from => self.rng.random_range(1..4_000),
            _ => self.rng.random_range(200..20_000),
        };
        Some(self.now_ms + ahead)
    }

    /// Units, or a quota of a limit, between two of few peers: totals that grow a little, and
    /// repeated ones.
    pub(super) fn shift_units(&mut self) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        let mut argv = self.start("STOCK.SHIFT", key);
        let sends = self.chance(50);
        argv.push(self.word(if sends { "TO" } else { "FROM" }));
        let itself = self.chance(1);
        let peers = ["peer:1", "peer:2", "a peer with a longer name than others"];
        argv.push(if itself { argv[1].clone() } else { self.one_of(&peers).into() });
        let quota = self.chance(60);
        let mut options = Vec::new();
        if sends && self.chance(20) {
            options.push(vec![self.word("RECEIVED")]);
        }
        if quota != self.chance(3) && !sends {
            let ahead = self.one_of(&[-5_000, -1, 0, 0, 0, 1, 3_000]);
            options.push(vec![self.word("SINCE"), decimal(self.now_ms + ahead)]);
        }
        if !quota {
            let total = self.total(&argv);
            argv.push(total);
            self.push_shuffled(&mut argv, options);
            return argv;
        }
        let (by, name) = self.some_limit(95);
        options.push(vec![self.word("LIMIT"), by_text(by)]);
        let mut lane = argv.clone();
        lane.push(by_text(by));
        lane.extend(name.iter().flatten().cloned());
        options.extend(name);
        let total = self.total(&lane);
        argv.push(total);
        self.push_shuffled(&mut argv, options);
        self.push_override(&mut argv, by, 97);
        argv
    }

    /// The total of a shift: mostly a little more than the last one between these two.
    fn total(&mut self, lane: &[Vec<u8>]) -> Vec<u8> {
        let lane: Vec<u8> = lane[1..].join(&b' ').to_ascii_lowercase();
        let last = self.totals.get(&lane).copied().unwrap_or(0);
        let total = match self.rng.random_range(0..200) {
            0..120 => last + self.rng.random_range(1..8),
            120..160 => last.max(1),
            160..198 => self.rng.random_range(1..=last + 6),
            198 => MAX_QTY,
            _ => return decimal(MAX_QTY - self.rng.random_range(0..9)),
        };
        if total < MAX_QTY {
            self.totals.insert(lane, total);
        }
        decimal(total)
    }

    pub(super) fn sweep(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.SWEEP");
        if self.chance(50) {
            argv.push(self.word("COUNT"));
            argv.push(decimal(self.one_of(&[1, 2, 3, 100, 100_000])));
        }
        argv
    }
}
