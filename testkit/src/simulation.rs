//! A primary, two replicas and an append-only file in one process, under one seed.
//!
//! Random calls go to the primary, with a clock that jumps. The replicas lag and replay at other
//! times and with other parameters. Now and then the primary is replaced by a replica that lacks
//! the last effects, is restarted through the encoding, or comes back from its append-only file
//! without the file's last lines; what then is the primary goes on, so histories fork. The auditor
//! is the naive reference, wound back to what the new primary has seen: it predicts every answer.
//! After every call the sums, indexes and epochs of the pools it changed are checked as well.
//!
//! A seed is a whole history. What fails is told with the command that repeats it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redis_stock::command::host::Origin;
use redis_stock::core::codec::VERSION;
use redis_stock::core::model::change::OnHand;
use redis_stock::core::model::context::Defaults;
use redis_stock::core::model::pool::{EndedEpoch, MAX_EPOCHS};
use redis_stock::core::model::zone::Tz;
use redis_stock::core::verify::verify;

use crate::generate::{Generator, Profile, START_MS};
use crate::host::Host;
use crate::reference::{Config, Reference};
use crate::reply::{same_for, Reply};

/// The profiles that seeds go through in turns: seed modulo 5.
pub const PROFILES: [(&str, Profile); 5] = [
    ("plain", Profile { steps_back: false, backlogs: false, retain_changes: false, carts: false }),
    ("retain", Profile { steps_back: false, backlogs: false, retain_changes: true, carts: false }),
    ("backlogs", Profile { steps_back: false, backlogs: true, retain_changes: true, carts: false }),
    ("steps", Profile { steps_back: true, backlogs: true, retain_changes: true, carts: false }),
    ("carts", Profile { steps_back: true, backlogs: true, retain_changes: true, carts: true }),
];

/// A replica is never further behind than this, in effects.
const MOST_LAG: u64 = 64;
/// Pools up to this size are verified after every call that changes them, larger ones after every
/// sixteenth.
const SMALL_POOL: u64 = 64;

/// What a history held.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Calls to a primary, each with its answer predicted.
    pub calls: u64,
    /// Those that changed the state.
    pub changes: u64,
    /// Effects that replicas and append-only files replayed.
    pub replayed: u64,
    /// Replicas that took over.
    pub failovers: u64,
    /// Primaries that came back from their append-only file.
    pub crashes: u64,
    /// Effects that were lost by the two.
    pub lost: u64,
    /// States that went through the encoding (restarts, snapshots, full resyncs).
    pub loads: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.changes += other.changes;
        self.replayed += other.replayed;
        self.failovers += other.failovers;
        self.crashes += other.crashes;
        self.lost += other.lost;
        self.loads += other.loads;
    }
}

/// What the auditor knows of a pool's epochs.
#[derive(Debug, Clone)]
struct Epochs {
    current: u64,
    /// In which promotion the last change was made.
    promotion: u64,
    ended: Vec<EndedEpoch>,
}

/// What is known at one place of the log.
#[derive(Clone)]
struct Mark {
    reference: Reference,
    epochs: Rc<BTreeMap<Vec<u8>, Epochs>>,
}

/// One effect, and what is known once it has happened.
struct UsageEntry {
    effect: Vec<Vec<u8>>,
    after: Mark,
}

struct Replica {
    host: Host,
    /// How many effects it has applied.
    applied: u64,
}

/// A snapshot, as the base of an append-only file.
struct Base {
    pools: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    at: u64,
}

struct World {
    seed: u64,
    rng: SmallRng,
    now_ms: i64,
    primary: Host,
    replicas: [Replica; 2],
    base: Base,
    log: VecDeque<UsageEntry>,
    /// The number of the first effect in `log`, and what was known before it.
    first: u64,
    before: Mark,
    known: Mark,
    promotion: u64,
    /// Every epoch that any history has had.
    seen: BTreeSet<u64>,
    counts: Counts,
    /// Whether `recent` is kept.
    told: bool,
    recent: VecDeque<String>,
}

fn show(argv: &[Vec<u8>]) -> String {
    argv.iter().map(|a| a.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

/// The keys that an effect changes.
fn keys_of(effect: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    effect[1..].iter().step_by(2)
}

/// A replica's parameters differ from the primary's: what it replays must not depend on them.
fn odd_parameters() -> Defaults {
    Defaults { retain_ms: 1, hold_ms: 7, retain_paid_ms: 3, tz: Tz::Offset(-300), ..Defaults::default() }
}

/// One history of so many calls. Panics where anything is wrong, and then tells the last calls.
pub fn run(seed: u64, steps: u64) -> Counts {
    // Telling costs time: only a history that fails is told, in a second run.
    match std::panic::catch_unwind(|| history(seed, steps, false)) {
        Ok(counts) => counts,
        Err(_) => history(seed, steps, true),
    }
}

fn history(seed: u64, steps: u64, told: bool) -> Counts {
    let (_, profile) = PROFILES[(seed % 5) as usize];
    let mut generator = Generator::with(seed, profile);
    let mut world = World::new(seed, told);
    for step in 0..steps {
        if world.rng.random_ratio(1, 60) {
            world.incident();
        }
        let mut next = generator.next();
        world.known.reference.resolve(&mut next.argv);
        world.now_ms += next.advance_ms;
        world.call(step, &next.argv);
        world.replicate();
        if step % 128 == 127 {
            world.compare();
        }
    }
    world.incident_aof(0);
    world.compare();
    world.counts
}

impl World {
    fn new(seed: u64, told: bool) -> Self {
        let known = Mark { reference: Reference::new(Config::default()), epochs: Rc::default() };
        let replica = |which: u64| {
            let mut host = Host::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ which);
            host.defaults = odd_parameters();
            Replica { host, applied: 0 }
        };
        World {
            seed,
            rng: SmallRng::seed_from_u64(!seed),
            now_ms: START_MS,
            primary: Host::new(seed),
            replicas: [replica(0xabcd), replica(0x1234_5678)],
            base: Base { pools: BTreeMap::new(), at: 0 },
            log: VecDeque::new(),
            first: 0,
            before: known.clone(),
            known,
            promotion: 1,
            seen: BTreeSet::new(),
            counts: Counts::default(),
            told,
            recent: VecDeque::new(),
        }
    }

    /// How many effects there are.
    fn end(&self) -> u64 {
        self.first + self.log.len() as u64
    }

    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if !self.told {
            return;
        }
        let line = line(self);
        let most = std::env::var("STOCK_TOLD").ok().and_then(|n| n.parse().ok()).unwrap_or(16);
        if self.recent.len() >= most {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    #[track_caller]
    fn check(&self, good: bool, what: impl FnOnce() -> String) {
        if !good {
            let recent: Vec<_> = self.recent.iter().cloned().collect();
            panic!("seed {}: {}\n  {}", self.seed, what(), recent.join("\n  "));
        }
    }

    // --- calls ---

    fn call(&mut self, step: u64, argv: &[Vec<u8>]) {
        self.note(|world| format!("{step} {} {}", world.now_ms, show(argv)));
        let before = self.known.reference.clone();
        let sums = self.sums_of(argv);
        let expected = self.known.reference.call(self.now_ms, argv);
        let changed = self.known.reference.changes() != before.changes();
        let (answer, mut effects) = self.primary.call(self.now_ms, Origin::Client, argv);
        self.check(same_for(&argv[0], &expected, &answer), || {
            format!("the answers differ\nreference {expected:?}\n     answer {answer:?}")
        });
        // A sweep may free memory alone, which nobody can see.
        let frees = argv[0].eq_ignore_ascii_case(b"STOCK.SWEEP");
        self.check(changed || frees || effects.is_empty(), || "what changes nothing is replicated".into());
        self.check(!changed || effects.len() == 1, || "one call that changes is one effect".into());
        self.counts.calls += 1;
        self.counts.changes += u64::from(changed);
        self.conserve(argv, &sums);
        if let Some(effect) = effects.pop() {
            for key in keys_of(&effect) {
                self.audit(key, &before);
            }
            // What is told of is looked at elsewhere.
            drop(self.known.reference.take_told());
            self.log.push_back(UsageEntry { effect, after: self.known.clone() });
        }
    }

    /// What the named pools have on hand, what left them and what can be sold, before a call.
    fn sums_of(&self, argv: &[Vec<u8>]) -> Vec<(Vec<u8>, OnHand, i64, Option<i64>)> {
        let cart = argv[0].to_ascii_uppercase().starts_with(b"STOCK.M");
        let keys = if cart { argv.get(3..) } else { argv.get(1..3) }.unwrap_or(&[]);
        let pools = keys.iter().filter_map(|key| Some((key, self.primary.find(key)?)));
        pools.map(|(key, pool)| (key.clone(), pool.on_hand(), pool.out(), pool.available())).collect()
    }

    /// Units are neither made nor lost: what leaves the shelf is what went out, and nothing takes
    /// what is not there.
    fn conserve(&self, argv: &[Vec<u8>], sums: &[(Vec<u8>, OnHand, i64, Option<i64>)]) {
        let name = argv[0].to_ascii_uppercase();
        let corrects =
            [&b"STOCK.SET"[..], b"STOCK.SETPOLICY", b"STOCK.RECONCILE", b"STOCK.SHIFT"].contains(&name.as_slice());
        if corrects {
            return;
        }
        if name == b"STOCK.TRANSFER" {
            let before: i64 = sums.iter().map(|(_, _, out, _)| out).sum();
            let after: i64 = sums.iter().filter_map(|(key, ..)| Some(self.primary.find(key)?.out())).sum();
            self.check(before == after, || format!("a transfer has moved {before} to {after}"));
        }
        for (key, on_hand, out, available) in sums {
            let Some(pool) = self.primary.find(key) else { continue };
            if let (OnHand::Units(before), OnHand::Units(after)) = (*on_hand, pool.on_hand()) {
                self.check(before + out == after + pool.out(), || {
                    format!("units are made or lost: on hand {before}, out {out}; then {after}, {}", pool.out())
                });
            }
            // A write-off may eat into the safety; nothing else takes what is not there.
            if name != b"STOCK.ADD" {
                let oversold = pool.available().zip(*available).is_some_and(|(after, before)| after < before.min(0));
                self.check(!oversold, || format!("oversold: {available:?} before, {:?} after", pool.available()));
            }
        }
    }

    /// A pool that has changed: its position, its epochs, and all that VERIFY knows.
    fn audit(&mut self, key: &[u8], before: &Reference) {
        let pool = self.primary.pool(key);
        let position = (pool.seq() as i64, pool.out());
        self.check(self.known.reference.position(key) == Some(position), || format!("seq and out are {position:?}"));
        let old = before.position(key);
        let epochs = self.known.epochs.get(key);
        let fresh = epochs.is_none_or(|epochs| epochs.promotion != self.promotion);
        let moved = old.is_none_or(|(seq, _)| seq != position.0);
        if moved && fresh {
            let mut ended = epochs.map(|epochs| epochs.ended.clone()).unwrap_or_default();
            if let (Some(epochs), Some((seq, out))) = (epochs, old) {
                if ended.len() >= MAX_EPOCHS {
                    ended.remove(0);
                }
                ended.push(EndedEpoch { epoch: epochs.current, seq: seq as u64, out });
            }
            let current = pool.epoch();
            self.check(!self.seen.contains(&current), || "an epoch was there before".into());
            self.seen.insert(current);
            let epochs = Epochs { current, promotion: self.promotion, ended };
            Rc::make_mut(&mut self.known.epochs).insert(key.to_vec(), epochs);
        }
        let epoch = format!("{:016x}", self.primary.pool(key).epoch());
        self.known.reference.learn_epoch(key, epoch.as_bytes());
        let pool = self.primary.pool(key);
        if let Some(epochs) = self.known.epochs.get(key) {
            self.check(pool.epoch() == epochs.current, || "the epoch changed without a reason".into());
            self.check(pool.ended_epochs() == epochs.ended, || {
                format!("ended epochs are {:?}, should be {:?}", pool.ended_epochs(), epochs.ended)
            });
        }
        if pool.remembered() <= SMALL_POOL || self.counts.calls.is_multiple_of(16) {
            let lines = verify(pool);
            self.check(lines.is_empty(), || lines.join("\n"));
        }
    }

    // --- replicas and the log ---

    /// Each replica takes some of what it lacks.
    fn replicate(&mut self) {
        for which in 0..2 {
            let missing = self.end() - self.replicas[which].applied;
            let some = match self.rng.random_range(0..8) {
                0..3 => missing,
                3..5 => missing / 2,
                5 => missing.min(1),
                _ => missing.saturating_sub(MOST_LAG),
            };
            self.apply(which, some.max(missing.saturating_sub(MOST_LAG)));
        }
    }

    fn apply(&mut self, which: usize, count: u64) {
        let replica = &mut self.replicas[which];
        for _ in 0..count {
            let entry = &self.log[(replica.applied - self.first) as usize];
            // Its clock is elsewhere.
            let now_ms = self.now_ms + [86_400_000 * 40, -86_400_000][which];
            replica.host.call(now_ms, Origin::Replication, &entry.effect);
            replica.applied += 1;
            self.counts.replayed += 1;
        }
    }

    fn catch_up(&mut self, which: usize) {
        self.apply(which, self.end() - self.replicas[which].applied);
    }

    /// The primary and a replica that has seen all of it hold the same bytes, and answer the same
    /// questions.
    fn compare(&mut self) {
        let which = self.rng.random_range(0..2);
        self.catch_up(which);
        self.check(self.primary.state() == self.replicas[which].host.state(), || "a replica differs".into());
        let lines = self.primary.verify();
        self.check(lines.is_empty(), || lines.join("\n"));
        let keys: Vec<Vec<u8>> = self.known.reference.keys().map(<[u8]>::to_vec).collect();
        for key in keys {
            for read in ["STOCK.AVAILABLE", "STOCK.ORDERS", "STOCK.LIMITS"] {
                let mut argv = vec![read.as_bytes().to_vec(), key.clone()];
                if read == "STOCK.ORDERS" {
                    argv.extend([b"0".to_vec(), b"COUNT".to_vec(), b"10000".to_vec()]);
                }
                let expected = self.known.reference.call(self.now_ms, &argv);
                let (answer, effects) = self.replicas[which].host.call(self.now_ms, Origin::Client, &argv);
                self.check(effects.is_empty() && same_for(&argv[0], &expected, &answer), || {
                    format!("{} on a replica\nreference {expected:?}\n     answer {answer:?}", show(&argv))
                });
            }
        }
    }

    /// What is known after so many effects.
    fn mark_at(&self, at: u64) -> Mark {
        match at.checked_sub(self.first + 1) {
            Some(place) => self.log[place as usize].after.clone(),
            None => self.before.clone(),
        }
    }

    /// Drops what nobody needs any more.
    fn trim(&mut self) {
        let needed = self.replicas.iter().map(|replica| replica.applied).chain([self.base.at]).min().unwrap_or(0);
        while self.first < needed {
            if let Some(entry) = self.log.pop_front() {
                self.before = entry.after;
                self.first += 1;
            }
        }
    }

    // --- what goes wrong ---

    fn incident(&mut self) {
        match self.rng.random_range(0..100) {
            0..20 => self.incident_failover(),
            20..35 => {
                let lost = if self.rng.random_ratio(1, 3) { 0 } else { self.rng.random_range(0..40) };
                self.incident_aof(lost);
            }
            35..50 => {
                self.note(|_| "the primary restarts".into());
                self.begin_reign(self.end());
                self.primary.reload();
                self.counts.loads += 1;
            }
            50..65 => {
                let which = self.rng.random_range(0..2);
                self.note(|_| format!("replica {which} restarts"));
                self.replicas[which].host.reload();
                self.counts.loads += 1;
            }
            65..85 => {
                self.note(|_| "the append-only file is rewritten".into());
                self.base = Base { pools: self.primary.state(), at: self.end() };
                self.counts.loads += 1;
                self.trim();
            }
            _ => {
                let which = self.rng.random_range(0..2);
                self.note(|_| format!("replica {which} is copied anew"));
                self.resync(which);
            }
        }
    }

    /// What follows is decided by another primary, or by the same one after a start: each pool's
    /// next change is in a new epoch. What came behind `at` has not happened.
    fn begin_reign(&mut self, at: u64) {
        self.counts.lost += self.end() - at;
        self.known = self.mark_at(at);
        self.known.reference.begin_reign();
        self.log.truncate((at - self.first) as usize);
        self.promotion += 1;
        self.primary.promotion = self.promotion;
    }

    /// A replica gets the whole state, through the encoding.
    fn resync(&mut self, which: usize) {
        let mut host = self.primary.twin();
        host.reload();
        host.reseed(self.rng.random());
        host.defaults = odd_parameters();
        self.replicas[which] = Replica { host, applied: self.end() };
        self.counts.loads += 1;
    }

    /// A replica takes over, without what it has not seen.
    fn incident_failover(&mut self) {
        let which = self.rng.random_range(0..2);
        if self.rng.random_ratio(1, 4) {
            self.catch_up(which);
        }
        let at = self.replicas[which].applied;
        self.note(|world| format!("replica {which} takes over, {} effects are lost", world.end() - at));
        let lost = self.end() > at;
        std::mem::swap(&mut self.primary, &mut self.replicas[which].host);
        self.primary.defaults = Defaults::default();
        self.replicas[which].host.defaults = odd_parameters();
        // The old primary has seen everything; where that is more than the new one has, only a copy
        // helps.
        self.replicas[which].applied = self.end();
        self.begin_reign(at);
        if lost {
            self.resync(which);
        }
        if self.replicas[1 - which].applied > at {
            self.resync(1 - which);
        }
        // The new primary has a file of its own, which begins here.
        self.base = Base { pools: self.primary.state(), at };
        self.counts.failovers += 1;
        self.trim();
    }

    /// The primary dies and comes back from its append-only file, which may lack the last effects.
    fn incident_aof(&mut self, lost: u64) {
        let at = self.end().saturating_sub(lost).max(self.base.at);
        self.note(|world| format!("the primary comes back from its file, {} effects are lost", world.end() - at));
        let mut host = Host::new(self.seed ^ self.promotion.wrapping_mul(0x51_7cc1_b727_2209));
        host.defaults = odd_parameters();
        let now_ms = self.now_ms + 3_600_000;
        let version = VERSION.to_string();
        for (key, chunks) in &self.base.pools {
            let mut load = |piece: &[&[u8]]| {
                let mut argv = vec![b"STOCK.LOAD".to_vec(), key.clone()];
                argv.extend(piece.iter().map(|part| part.to_vec()));
                host.call(now_ms, Origin::Replication, &argv).0
            };
            let mut good = true;
            for chunk in chunks {
                good &= load(&[b"MORE", chunk, b"VERSION", version.as_bytes()]) == Reply::Status("OK".into());
            }
            good &= load(&[b"END"]) == Reply::Status("OK".into());
            self.check(good, || "a snapshot in a file cannot be loaded".into());
        }
        for place in self.base.at - self.first..at - self.first {
            host.call(now_ms, Origin::Replication, &self.log[place as usize].effect);
            self.counts.replayed += 1;
        }
        if at == self.end() {
            self.check(host.state() == self.primary.state(), || "the append-only file tells of another state".into());
        }
        host.defaults = Defaults::default();
        self.primary = host;
        self.begin_reign(at);
        for which in 0..2 {
            if self.replicas[which].applied > at {
                self.resync(which);
            }
        }
        self.counts.crashes += 1;
        self.counts.loads += 1;
    }
}
