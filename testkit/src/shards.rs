//! A sharded pool in one process, under one seed, on virtual time: 2 to 64 buckets with clocks of
//! their own, buyers, and several movers that read what the buckets say and make the calls that
//! `stock-balance` plans.
//!
//! A call may not be made, or may be made without an answer. Movers die between any two calls; old
//! ones wake again with the plans of a long time ago. Buckets restart through their encoding, shift
//! to a server with another clock, and fail over to a replica that lacks up to a second. After
//! every call the units are conserved, to the unit, and so are the quotas of limits; at the end
//! everything has arrived, every unit can be sold, and the limits were exact.
//!
//! A seed is a whole history: seed modulo 4 says what may happen in it.

use std::collections::{BTreeMap, VecDeque};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redis_stock::command::host::Origin;
use redis_stock::core::model::order::OrderState;
use redis_stock::core::model::pool::Pool;
use redis_stock::core::model::shifts::Shifts;
use redis_stock::core::verify::verify;
use stock_balance::{bucket_of, gather, in_flight, level, settle, Ask, Bucket, Kind, Lane, Quota, Step};

use crate::generate::START_MS;
use crate::host::Host;
use crate::reply::Reply;

const REGIONS: [&str; 3] = ["eu", "us", "cn"];
const USERS: u32 = 400;
/// What one user may buy.
const EACH: i64 = 6;
/// How far the clocks of two servers are apart, at most.
const SKEW_MS: i64 = 300;
/// What a failover loses, at most.
const LOST_MS: i64 = 1_000;

/// What happened in a history, or in several.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Calls to buckets.
    pub calls: u64,
    /// Shifts of units or quotas, both halves.
    pub shifts: u64,
    /// Calls of movers that a bucket had seen before, or would not make.
    pub repeated: u64,
    /// Movers that died, and old ones that woke again.
    pub deaths: u64,
    /// Failovers that lost something.
    pub failovers: u64,
    /// Slots that shifted, and restarts.
    pub slots: u64,
    /// Units that a failover has made exist twice for a time.
    pub twice: u64,
    /// Units sold.
    pub sold: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.calls, other.calls),
            (&mut self.shifts, other.shifts),
            (&mut self.repeated, other.repeated),
            (&mut self.deaths, other.deaths),
            (&mut self.failovers, other.failovers),
            (&mut self.slots, other.slots),
            (&mut self.twice, other.twice),
            (&mut self.sold, other.sold),
        ] {
            *sum += more;
        }
    }
}

/// How the limit on the region counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Life,
    Seconds(i64),
    Rolling(i64),
}

/// A server with one bucket, and its replica.
struct Shard {
    key: String,
    host: Host,
    replica: Host,
    /// Effects that the replica has not seen: when, and what.
    log: VecDeque<(i64, Vec<Vec<u8>>)>,
    /// How many effects there were before those.
    replayed: usize,
    /// Its clock, less the true time.
    ahead_ms: i64,
    /// Its slot is on the way until then.
    away_until_ms: i64,
    /// What was put in at the beginning.
    put_in: i64,
    sales: i64,
}

/// One order, as the auditor knows it.
struct Sale {
    shard: usize,
    order: String,
    region: usize,
    amount: i64,
    /// By the clock of the bucket.
    at_ms: i64,
    /// Which effect of the bucket it was.
    effect: usize,
}

/// One who shifts units: what it has seen, and what it is about to do.
#[derive(Clone, Default)]
struct Mover {
    seen: Vec<Bucket>,
    /// What is left of the region's limit, bucket by bucket, for the region that was asked for.
    free: Vec<i64>,
    steps: VecDeque<Step>,
    asked: Vec<Ask>,
    share_asked: Option<(usize, Ask)>,
}

struct World {
    rng: SmallRng,
    now_ms: i64,
    shards: Vec<Shard>,
    window: Window,
    orders_count: bool,
    /// What the region's limit allows in all, for each region.
    whole: i64,
    lossy: bool,
    movers: Vec<Mover>,
    /// Old movers, who wake when nobody expects it.
    asleep: Vec<Mover>,
    asks: Vec<Ask>,
    share_asks: Vec<(usize, Ask)>,
    sales: Vec<Sale>,
    orders: u64,
    /// A failover has lost a quota that the peer had received.
    quota_twice: bool,
    counts: Counts,
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn number(reply: Option<&Reply>) -> i64 {
    match reply {
        Some(Reply::Int(number)) => *number,
        other => panic!("a number, not {other:?}"),
    }
}

fn text(reply: Option<&Reply>) -> String {
    String::from_utf8_lossy(reply.and_then(Reply::bytes).unwrap_or_default()).into_owned()
}

fn word(reply: &Reply) -> String {
    match reply {
        Reply::Array(items) => text(items.first()),
        Reply::Error(text) => text.clone(),
        other => panic!("an answer of a call, not {other:?}"),
    }
}

/// The lines of STOCK.SHIFTS.
fn lanes(reply: &Reply) -> Vec<Lane> {
    let Reply::Array(lines) = reply else { panic!("an array, not {reply:?}") };
    let lane = |line: &Reply| {
        let values = match line.field("values") {
            Some(Reply::Array(values)) => values.iter().map(|one| one.bytes().unwrap_or_default().to_vec()).collect(),
            other => panic!("values, not {other:?}"),
        };
        let quota = match line.field("limit") {
            Some(Reply::Nil) => None,
            limit => Some(Quota { limit: text(limit), values }),
        };
        Lane {
            peer: text(line.field("peer")),
            quota,
            sent: number(line.field("sent")),
            received: number(line.field("received")),
            since_ms: number(line.field("since_ms")),
        }
    };
    lines.iter().map(lane).collect()
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = SmallRng::seed_from_u64(seed);
        let lossy = seed % 4 >= 2;
        let window = match seed % 2 {
            0 => Window::Life,
            _ if rng.random_bool(0.5) => Window::Seconds(2),
            _ => Window::Rolling(2),
        };
        let most = if rng.random_bool(0.1) { 64 } else { 12 };
        let count = rng.random_range(2..=most);
        let units = rng.random_range(1..400);
        let whole = match rng.random_range(0..3) {
            0 => rng.random_range(1..60),
            1 => rng.random_range(20..200),
            _ => 1_000_000,
        };
        let mut world = World {
            now_ms: START_MS,
            shards: Vec::new(),
            window,
            orders_count: rng.random_bool(0.3),
            whole,
            lossy,
            movers: vec![Mover::default(); rng.random_range(1..4)],
            asleep: Vec::new(),
            asks: Vec::new(),
            share_asks: Vec::new(),
            sales: Vec::new(),
            orders: 0,
            quota_twice: false,
            counts: Counts::default(),
            rng,
        };
        for n in 0..count {
            world.open(n, count, units);
        }
        world
    }

    /// One bucket, with its part of the units and of the limits.
    fn open(&mut self, n: i64, count: i64, units: i64) {
        let part = |whole: i64| whole / count + i64::from(n < whole % count);
        let key = format!("{{b{n}}}sku");
        let ahead_ms = self.rng.random_range(-SKEW_MS..=SKEW_MS);
        let mut host = Host::new(self.rng.random());
        let region = self.limit_words();
        for line in [
            format!("STOCK.SET {key} {}", part(units)),
            format!("STOCK.LIMIT {key} user {EACH}"),
            format!("STOCK.LIMIT {key} region {} {region}", part(self.whole)),
        ] {
            let (answer, _) = host.call(self.now_ms + ahead_ms, Origin::Client, &words(&line));
            assert_eq!(answer, Reply::Status("OK".into()), "{line}");
        }
        let shard = Shard {
            replica: host.twin(),
            key,
            host,
            log: VecDeque::new(),
            replayed: 0,
            ahead_ms,
            away_until_ms: 0,
            put_in: part(units),
            sales: 0,
        };
        self.shards.push(shard);
    }

    fn limit_words(&self) -> String {
        let count = if self.orders_count { "ORDERS" } else { "UNITS" };
        match self.window {
            Window::Life => format!("COUNT {count}"),
            Window::Seconds(n) => format!("PER {n} COUNT {count}"),
            Window::Rolling(n) => format!("PER {n} ROLLING COUNT {count}"),
        }
    }

    /// The region's limit, as answers name it.
    fn limit_text(&self) -> String {
        let count = if self.orders_count { "orders" } else { "units" };
        match self.window {
            Window::Life => format!("region/life/{count}"),
            Window::Seconds(n) => format!("region/{n}/{count}"),
            Window::Rolling(n) => format!("region/{n}-rolling/{count}"),
        }
    }

    fn chance(&mut self, of_a_thousand: u32) -> bool {
        self.rng.random_ratio(of_a_thousand, 1_000)
    }

    fn place(&mut self) -> usize {
        self.rng.random_range(0..self.shards.len())
    }

    /// A call; `None` where it was not made, or where its answer was lost.
    fn call(&mut self, at: usize, argv: &[Vec<u8>]) -> Option<Reply> {
        let (lost_before, lost_after) = (self.chance(20), self.chance(20));
        let now_ms = self.now_ms;
        let shard = &mut self.shards[at];
        if lost_before || now_ms < shard.away_until_ms {
            return None;
        }
        self.counts.calls += 1;
        let (answer, effects) = shard.host.call(now_ms + shard.ahead_ms, Origin::Client, argv);
        shard.log.extend(effects.into_iter().map(|effect| (now_ms, effect)));
        self.check();
        (!lost_after).then_some(answer)
    }

    // --- buyers ---

    fn buy(&mut self) {
        // A tenth of the users are half of the buyers.
        let user =
            if self.chance(500) { self.rng.random_range(0..USERS / 10) } else { self.rng.random_range(0..USERS) };
        let user = format!("u{user}");
        let at = bucket_of(user.as_bytes(), self.shards.len() as u32) as usize;
        let (units, region) = (self.rng.random_range(1..=3), self.rng.random_range(0..REGIONS.len()));
        self.orders += 1;
        let order = format!("o{}", self.orders);
        let hold = if self.chance(300) { " PX 400" } else { "" };
        let key = self.shards[at].key.clone();
        let line = format!("STOCK.RESERVE {key} {order} {units}{hold} FOR user {user} region {}", REGIONS[region]);
        let at_ms = self.now_ms + self.shards[at].ahead_ms;
        let answer = self.call(at, &words(&line));
        // Also where the answer was lost.
        let pool = self.shards[at].host.pool(key.as_bytes());
        if pool.order_ref(order.as_bytes()).row.is_some() {
            let amount = if self.orders_count { 1 } else { units };
            let effect = self.shards[at].replayed + self.shards[at].log.len();
            self.sales.push(Sale { shard: at, order, region, amount, at_ms, effect });
            self.shards[at].sales += units;
        }
        match answer.as_ref().map(word).as_deref() {
            Some("SOLDOUT") => self.asks.push(Ask { bucket: at, units }),
            Some("LIMITED") if text(items(answer.as_ref()).get(2)) == self.limit_text() => {
                let units = if self.orders_count { 1 } else { units };
                self.share_asks.push((region, Ask { bucket: at, units }));
            }
            Some("OK" | "LIMITED") | None => {}
            other => panic!("{line}: {other:?}"),
        }
    }

    /// An order is paid, or given up.
    fn decide(&mut self) {
        if self.sales.is_empty() {
            return;
        }
        let nth = self.rng.random_range(self.sales.len().saturating_sub(20)..self.sales.len());
        let (at, order) = (self.sales[nth].shard, self.sales[nth].order.clone());
        let command = if self.chance(600) { "CONFIRM" } else { "RELEASE" };
        let line = format!("STOCK.{command} {} {order}", self.shards[at].key);
        self.call(at, &words(&line));
    }

    // --- movers ---

    /// One step of one mover: it looks at one more bucket, or makes one call.
    fn work(&mut self) {
        let nth = self.rng.random_range(0..self.movers.len());
        let mut mover = std::mem::take(&mut self.movers[nth]);
        if self.chance(15) {
            // It dies; or falls asleep, and wakes long after somebody else has done its work.
            self.counts.deaths += 1;
            if self.chance(500) && self.asleep.len() < 8 {
                self.asleep.push(mover);
            }
            return;
        }
        if self.chance(3) && !self.asleep.is_empty() {
            let other = self.rng.random_range(0..self.asleep.len());
            mover = self.asleep.swap_remove(other);
        }
        self.step(&mut mover);
        self.movers[nth] = mover;
    }

    fn step(&mut self, mover: &mut Mover) {
        if let Some(step) = mover.steps.pop_front() {
            self.make(&step, mover);
        } else if mover.seen.len() < self.shards.len() {
            self.look(mover);
        } else {
            self.plan(mover);
        }
    }

    /// One call of a plan, and the second half of it.
    fn make(&mut self, step: &Step, mover: &mut Mover) {
        let at = self.shards.iter().position(|shard| shard.key == step.key).expect("a bucket");
        let Some(answer) = self.call(at, &step.words()) else { return };
        match word(&answer).as_str() {
            "OK" => {
                self.counts.shifts += 1;
                if step.kind == Kind::Send {
                    // What the source says of the time, it says with SHIFTS.
                    let since_ms = self.since_ms(at, step);
                    mover.steps.push_front(step.second_half(since_ms));
                }
            }
            "EXISTS" | "SOLDOUT" | "LIMITED" | "EARLY" => self.counts.repeated += 1,
            other => panic!("{step:?}: {other}"),
        }
    }

    fn since_ms(&mut self, at: usize, step: &Step) -> i64 {
        let key = self.shards[at].key.clone();
        let Some(answer) = self.call(at, &words(&format!("STOCK.SHIFTS {key}"))) else {
            return i64::from(u32::MAX) << 20;
        };
        let found = lanes(&answer).into_iter().find(|lane| lane.peer == step.peer && lane.quota == step.quota);
        found.map_or(1, |lane| lane.since_ms.max(1))
    }

    fn look(&mut self, mover: &mut Mover) {
        let at = mover.seen.len();
        let (key, rate) = (self.shards[at].key.clone(), self.shards[at].sales);
        let pool = self.call(at, &words(&format!("STOCK.GET {key}")));
        let shifts = self.call(at, &words(&format!("STOCK.SHIFTS {key}")));
        let (Some(pool), Some(shifts)) = (pool, shifts) else { return };
        if mover.share_asked.is_none() && at == 0 {
            mover.share_asked = self.share_asks.pop();
        }
        if let Some((region, _)) = mover.share_asked {
            let line = format!("STOCK.USAGE {key} FOR region {}", REGIONS[region]);
            let Some(Reply::Array(lines)) = self.call(at, &words(&line)) else { return };
            mover.free.push(number(lines[0].field("remaining")));
        }
        let available = number(pool.field("available")).max(0) - number(pool.field("shortfall"));
        mover.seen.push(Bucket { key, available, rate, lanes: lanes(&shifts) });
    }

    /// First what was begun is ended; then the buyers who wait are served.
    fn plan(&mut self, mover: &mut Mover) {
        let seen = std::mem::take(&mut mover.seen);
        let free = std::mem::take(&mut mover.free);
        let open = settle(&seen);
        if !open.is_empty() && self.chance(900) {
            mover.steps = open.into();
            return;
        }
        mover.asked.append(&mut self.asks);
        mover.steps = level(&seen, &std::mem::take(&mut mover.asked)).into();
        if let Some((region, ask)) = mover.share_asked.take() {
            let quota = Quota { limit: self.limit_text(), values: vec![REGIONS[region].into()] };
            mover.steps.extend(gather(&seen, &quota, &free, ask));
        }
    }

    // --- what goes wrong ---

    fn trouble(&mut self) {
        let at = self.place();
        // Windows are exact by clocks that do not go back.
        let ahead_ms = self.rng.random_range(-SKEW_MS..=SKEW_MS);
        let (now_ms, steps_back) = (self.now_ms, self.window == Window::Life);
        let lossy = self.lossy && self.chance(600);
        let lost_ms = self.rng.random_range(0..=LOST_MS);
        let away_ms = self.rng.random_range(0..2_000);
        let seed: u64 = self.rng.random();
        let shard = &mut self.shards[at];
        let clock_ms = if steps_back { ahead_ms } else { ahead_ms.max(shard.ahead_ms) };
        shard.ahead_ms = clock_ms;
        if lossy {
            let mut seen = 0;
            while shard.log.front().is_some_and(|(at_ms, _)| *at_ms < now_ms - lost_ms) {
                let (at_ms, effect) = shard.log.pop_front().expect("one");
                shard.replica.call(at_ms, Origin::Replication, &effect);
                seen += 1;
            }
            shard.replayed += seen;
            self.counts.failovers += u64::from(!shard.log.is_empty());
            let (kept, promotion) = (shard.replayed, shard.host.promotion + 1);
            shard.log.clear();
            std::mem::swap(&mut shard.host, &mut shard.replica);
            shard.host.promotion = promotion;
            shard.host.reseed(seed);
            shard.replica = shard.host.twin();
            self.sales.retain(|sale| sale.shard != at || sale.effect <= kept);
        } else {
            // The slot goes to another server, or the same one starts again.
            shard.host.reload();
            shard.host.promotion += 1;
            shard.away_until_ms = now_ms + away_ms;
            self.counts.slots += 1;
        }
        self.check();
    }

    // --- what must hold ---

    fn pool(&self, at: usize) -> &Pool {
        self.shards[at].host.pool(self.shards[at].key.as_bytes())
    }

    /// What the buckets hold, all at the same time.
    fn truth(&self) -> Vec<Bucket> {
        let bucket = |at: usize| {
            let pool = self.pool(at);
            let lanes = pool.shifts().into_iter().flat_map(Shifts::iter).map(|(lane, totals)| Lane {
                peer: String::from_utf8_lossy(lane.peer.as_slice()).into_owned(),
                quota: lane.quota.as_ref().map(|quota| Quota {
                    limit: quota.text.to_string(),
                    values: vec![quota.value.as_slice().to_vec()],
                }),
                sent: totals.sent,
                received: totals.received,
                since_ms: totals.since_ms,
            });
            Bucket {
                key: self.shards[at].key.clone(),
                available: pool.available().unwrap_or(0),
                rate: 0,
                lanes: lanes.collect(),
            }
        };
        (0..self.shards.len()).map(bucket).collect()
    }

    /// After every call: nothing is lost, nothing is there twice but what a failover has made so.
    fn check(&mut self) {
        let (mut on_hand, mut out, mut put_in, mut held, mut short) = (0, 0, 0, 0, 0);
        for at in 0..self.shards.len() {
            let pool = self.pool(at);
            let here = match pool.on_hand() {
                redis_stock::core::model::change::OnHand::Units(units) => units,
                redis_stock::core::model::change::OnHand::Unlimited => unreachable!("it is counted"),
            };
            assert_eq!(here - pool.shifted_units() + pool.out(), self.shards[at].put_in, "the own units of {at}");
            on_hand += here;
            out += pool.out();
            put_in += self.shards[at].put_in;
            held += pool.reserved();
            short += pool.available().unwrap_or(0).min(0);
        }
        if !self.lossy && !self.counts.calls.is_multiple_of(8) {
            return;
        }
        let seen = self.truth();
        let (on_their_way, twice) = in_flight(&seen);
        assert_eq!(on_hand + out + on_their_way - twice, put_in, "units");
        if self.lossy {
            self.counts.twice = self.counts.twice.max(twice.unsigned_abs());
            let quotas = settle(&seen).into_iter().any(|step| step.kind == Kind::TakeOff && step.quota.is_some());
            self.quota_twice |= quotas;
        } else {
            assert_eq!((twice, short), (0, 0), "nothing is there twice, and nothing is missing");
            assert!(out + held <= put_in, "{out} sold and {held} held of {put_in}");
        }
        for region in REGIONS {
            let limit = self.limit_text();
            let allowed: i64 = (0..self.shards.len())
                .map(|at| {
                    let limit = self.pool(at).limits().iter().find(|one| *one.text == *limit).expect("it is there");
                    limit.quota(region.as_bytes()).expect("a number")
                })
                .sum();
            let of_it = |lane: &Lane| lane.quota.as_ref().is_some_and(|quota| quota.values == [region.as_bytes()]);
            let all = seen.iter().flat_map(|bucket| &bucket.lanes).filter(|lane| of_it(lane));
            let open: i64 = all.map(|lane| lane.sent - lane.received).sum();
            assert_eq!(allowed + open, self.whole, "the quota of {region}");
        }
    }

    /// In no window, by the clocks of the buckets, was more sold than the limit allows in all.
    fn check_limits(&self) {
        for (place, region) in REGIONS.iter().enumerate() {
            let mut sold: Vec<(i64, i64)> = Vec::new();
            for sale in self.sales.iter().filter(|sale| sale.region == place) {
                let pool = self.pool(sale.shard);
                let row = pool.order_ref(sale.order.as_bytes()).row;
                let state = row.and_then(|row| pool.order(row)).map(|order| order.state);
                if matches!(state, Some(OrderState::Reserved | OrderState::Confirmed)) {
                    sold.push((sale.at_ms, sale.amount));
                }
            }
            sold.sort_unstable();
            let mut windows: BTreeMap<i64, i64> = BTreeMap::new();
            match self.window {
                Window::Life => {
                    windows.insert(0, sold.iter().map(|sale| sale.1).sum());
                }
                Window::Seconds(n) => {
                    for (at_ms, amount) in sold {
                        *windows.entry(at_ms.div_euclid(n * 1_000)).or_default() += amount;
                    }
                }
                Window::Rolling(n) => {
                    for &(end_ms, _) in &sold {
                        let span = sold.iter().filter(|(at_ms, _)| (end_ms - n * 1_000 + 1..=end_ms).contains(at_ms));
                        windows.insert(end_ms, span.map(|sale| sale.1).sum());
                    }
                }
            }
            let most = windows.values().max().copied().unwrap_or(0);
            assert!(self.quota_twice || most <= self.whole, "{most} of {} in {region}, {:?}", self.whole, self.window);
        }
    }

    /// Nothing goes wrong any more: movers come to an end, and then all that is left can be bought
    /// in one bucket.
    fn end(&mut self) {
        self.now_ms += 10 * LOST_MS;
        for shard in &mut self.shards {
            shard.away_until_ms = 0;
            // What was not paid is there again.
            let sweep = words(&format!("STOCK.SWEEP {} COUNT 100000", shard.key));
            shard.host.call(self.now_ms + shard.ahead_ms, Origin::Client, &sweep);
        }
        for _ in 0..100 {
            let steps = settle(&self.truth());
            if steps.is_empty() {
                break;
            }
            for step in steps {
                let at = self.shards.iter().position(|shard| shard.key == step.key).expect("a bucket");
                self.call(at, &step.words());
            }
        }
        let seen = self.truth();
        assert_eq!(settle(&seen), [], "everything arrives");
        assert_eq!(in_flight(&seen), (0, 0));
        // What two have bought at the same time is made good; the rest is found, wherever it is.
        let left = seen.iter().map(|bucket| bucket.available).sum::<i64>().max(0);
        let at = self.place();
        for _ in 0..100 {
            if left == 0 || self.truth()[at].available >= left {
                break;
            }
            let mut steps = settle(&self.truth());
            if steps.is_empty() {
                steps = level(&self.truth(), &[Ask { bucket: at, units: left }]);
            }
            for step in steps {
                let at = self.shards.iter().position(|shard| shard.key == step.key).expect("a bucket");
                self.call(at, &step.words());
            }
        }
        let end: Vec<i64> = self.truth().iter().map(|bucket| bucket.available).collect();
        assert!(left == 0 || end[at] == left, "the last {left} units are found in {at}: {end:?}");
        assert!(left == 0 || end.iter().all(|&units| units >= 0), "nothing is owed while some are left: {end:?}");
        self.check_limits();
        for at in 0..self.shards.len() {
            assert_eq!(verify(self.pool(at)), Vec::<String>::new());
            self.counts.sold += self.pool(at).out().unsigned_abs();
        }
    }
}

fn items(reply: Option<&Reply>) -> &[Reply] {
    match reply {
        Some(Reply::Array(items)) => items,
        other => panic!("an array, not {other:?}"),
    }
}

/// One history of so many steps.
pub fn run(seed: u64, steps: u64) -> Counts {
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.now_ms += if world.chance(950) { world.rng.random_range(0..8) } else { world.rng.random_range(0..700) };
        match world.rng.random_range(0..1_000) {
            0..300 => world.buy(),
            300..400 => world.decide(),
            400..992 => world.work(),
            _ => world.trouble(),
        }
    }
    world.end();
    world.counts
}
