//! Random commands for the comparison of the product with the reference model.
//!
//! A generator is a function of its seed. It knows nothing of what the pools answer; it only remembers which orders it
//! named last, so that its calls meet: few keys, few orders, few buyers, quantities near the stock, short holds, and a
//! clock that likes the edges of windows.

use std::collections::VecDeque;

use base64::Engine as _;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{json, Value};

use crate::reference::month_of;

/// Where the clock begins: ten seconds before the year 2026 in UTC.
pub const START_MS: i64 = 1_767_225_590_000;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MAX_QTY: i64 = 9_007_199_254_740_991;
const ORDERS: usize = 12;
/// The orders that carts are made of mostly, behind the ordinary ones.
const CARTS: std::ops::Range<usize> = ORDERS..ORDERS + 60;
const OFFSETS: [&str; 6] = ["+00:00", "+08:00", "-05:30", "+05:45", "+18:00", "-18:00"];
const WINDOWS: [&str; 10] = ["ORDER", "HOUR", "DAY", "WEEK", "MONTH", "1", "2", "10", "60", "3600"];
const BYS: [&[&str]; 8] = [
    &["user"],
    &["user"],
    &["region"],
    &["region", "user"],
    &["user", "region"],
    &["store"],
    &["store", "region", "user"],
    &[],
];

/// The pools of ordinary calls (the first two, all of them where there are carts), and the one in which backlogs of due
/// holds build up.
const POOLS: [&str; 5] = ["pool:a", "pool:b", "pool:c", "pool:d", "pool:e"];
const WITHOUT_CARTS: usize = 2;
const CROWDED: &str = "pool:crowded";

/// One call: first the clock moves, then the command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Negative where the clock steps back.
    pub advance_ms: i64,
    pub argv: Vec<Vec<u8>>,
}

/// What a generator may do; all but carts by default.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// The clock sometimes steps back.
    pub steps_back: bool,
    /// Now and then hundreds of holds fall due at once.
    pub backlogs: bool,
    /// A policy may change for how long finished orders are remembered.
    pub retain_changes: bool,
    /// Orders in several pools at once.
    pub carts: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Profile { steps_back: true, backlogs: true, retain_changes: true, carts: false }
    }
}

/// An order in several pools, as it was reserved last.
#[derive(Debug, Clone, Default)]
struct Cart {
    order: usize,
    /// The places of its pools, in order and with repetitions, and a quantity for each.
    parts: Vec<(usize, i64)>,
    attributes: Vec<Vec<u8>>,
}

pub struct Generator {
    rng: SmallRng,
    profile: Profile,
    now_ms: i64,
    /// The latest time so far.
    latest_ms: i64,
    /// What is to come before anything new is made up.
    queue: VecDeque<Step>,
    /// By pool: the orders, those named least recently first.
    orders: Vec<Vec<usize>>,
    /// By pool: the orders that were reserved and confirmed last.
    reserved: Vec<VecDeque<usize>>,
    confirmed: Vec<VecDeque<usize>>,
    /// The carts that were reserved last, and those that were confirmed last.
    carts: VecDeque<Cart>,
    paid_carts: VecDeque<Cart>,
    /// Limits that were set last, as the options that name them.
    limits: VecDeque<Vec<Vec<u8>>>,
    policies: VecDeque<Vec<u8>>,
    last: Option<Vec<Vec<u8>>>,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Generator::with(seed, Profile::default())
    }

    pub fn with(seed: u64, profile: Profile) -> Self {
        let mut generator = Generator {
            rng: SmallRng::seed_from_u64(seed),
            profile,
            now_ms: START_MS,
            latest_ms: START_MS,
            queue: VecDeque::new(),
            orders: vec![(0..ORDERS).collect(); POOLS.len()],
            reserved: vec![VecDeque::new(); POOLS.len()],
            confirmed: vec![VecDeque::new(); POOLS.len()],
            carts: VecDeque::new(),
            paid_carts: VecDeque::new(),
            limits: VecDeque::new(),
            policies: VecDeque::new(),
            last: None,
        };
        for pool in generator.pools() {
            generator.push(0, words(&["STOCK.SET", pool, "40"]));
            let retain = if profile.retain_changes { 3 } else { 5 };
            let policy = json!({ "hold": 2, "retain": retain, "retain_paid": 10 }).to_string();
            generator.push(0, words(&["STOCK.SETPOLICY", pool, &policy]));
        }
        generator
    }

    fn pools(&self) -> &'static [&'static str] {
        match self.profile.carts {
            true => &POOLS,
            false => &POOLS[..WITHOUT_CARTS],
        }
    }

    /// The time of the last step.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Step {
        if let Some(step) = self.queue.pop_front() {
            self.now_ms += step.advance_ms;
            self.latest_ms = self.latest_ms.max(self.now_ms);
            return step;
        }
        if self.profile.backlogs && self.rng.random_ratio(1, 2500) {
            self.plan_backlog();
            return self.next();
        }
        // Not further back than a pool promises to stand.
        let advance_ms = self.advance().max(self.latest_ms - 59_000 - self.now_ms);
        self.now_ms += advance_ms;
        self.latest_ms = self.latest_ms.max(self.now_ms);
        if advance_ms > 10_000 {
            // Most of the orders are forgotten now.
            for place in 0..self.pools().len() {
                self.confirmed[place].clear();
                if self.chance(70) {
                    self.reserved[place].clear();
                }
            }
            self.paid_carts.clear();
        }
        let argv = self.command();
        self.last = Some(argv.clone());
        Step { advance_ms, argv }
    }

    fn push(&mut self, advance_ms: i64, argv: Vec<Vec<u8>>) {
        self.queue.push_back(Step { advance_ms, argv });
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices.choose(&mut self.rng).expect("choices").clone()
    }

    // --- the clock ---

    fn advance(&mut self) -> i64 {
        match self.rng.random_range(0..1000) {
            0..450 => 0,
            450..750 => self.rng.random_range(1..60),
            750..900 => self.rng.random_range(60..1500),
            900..960 => self.rng.random_range(1500..8000),
            960..963 => self.rng.random_range(8_000..600_000),
            963..975 => self.reach_an_edge(),
            975..977 => self.rng.random_range(HOUR_MS..9 * DAY_MS),
            990..998 if self.profile.steps_back => -self.rng.random_range(1..4000),
            998 if self.profile.steps_back => -self.rng.random_range(4000..50_000),
            _ => 1,
        }
    }

    /// To a few milliseconds around the next hour, day, week or month, by one of the offsets.
    fn reach_an_edge(&mut self) -> i64 {
        let offset_ms = self.one_of(&[0, 8 * HOUR_MS, -5 * HOUR_MS - HOUR_MS / 2, 18 * HOUR_MS]);
        let local_ms = self.now_ms + offset_ms;
        let day = local_ms.div_euclid(DAY_MS);
        let edge_ms = match self.rng.random_range(0..8) {
            0..3 => (local_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS,
            3..6 => (day + 1) * DAY_MS,
            6 => ((day + 3).div_euclid(7) * 7 + 4) * DAY_MS,
            _ => month_of(day.into()).1 as i64 * DAY_MS,
        };
        let around_ms = self.one_of(&[-2, -1, 0, 0, 1, 500]);
        (edge_ms - local_ms + around_ms).max(0)
    }

    // --- what calls are made of ---

    /// A word in one case or the other.
    fn word(&mut self, word: &str) -> Vec<u8> {
        match self.rng.random_range(0..12) {
            0 => word.to_ascii_lowercase().into_bytes(),
            _ => word.as_bytes().to_vec(),
        }
    }

    fn start(&mut self, command: &str, key: &str) -> Vec<Vec<u8>> {
        vec![self.word(command), key.as_bytes().to_vec()]
    }

    fn pool(&mut self) -> (usize, &'static str) {
        let place = match self.profile.carts {
            true => self.rng.random_range(0..POOLS.len()),
            false => usize::from(self.rng.random_ratio(2, 5)),
        };
        (place, POOLS[place])
    }

    /// Any pool, also the crowded one, and rarely one that is not there.
    fn any_pool(&mut self) -> &'static str {
        match self.rng.random_range(0..60) {
            0 => "pool:none",
            1..4 => CROWDED,
            _ => self.pool().1,
        }
    }

    /// One of the orders named last, rarely any.
    fn order_of(&mut self, recent: &VecDeque<usize>) -> usize {
        if let Some(cart) = self.carts.back() {
            let order = cart.order;
            if self.chance(25) {
                return order;
            }
        }
        match recent.is_empty() || self.chance(12) {
            true => self.rng.random_range(0..ORDERS),
            false => recent[self.rng.random_range(0..recent.len())],
        }
    }

    /// A quantity that suits an order, so that a retry is often the same call.
    fn qty_of(&mut self, order: usize) -> Vec<u8> {
        let qty = match self.rng.random_range(0..200) {
            0..140 => 1 + order as i64 % 4,
            140..190 => self.rng.random_range(1..7),
            190..197 => self.rng.random_range(7..50),
            197 => MAX_QTY - 1,
            _ => MAX_QTY,
        };
        decimal(qty)
    }

    fn value(&mut self, dim: &str, like: usize) -> Vec<u8> {
        if self.chance(3) {
            let odd: [&[u8]; 5] = [b"*", b"FOR", b"EX", b"\xff\x00\r\n", b"u 1"];
            return self.one_of(&odd).to_vec();
        }
        let which = if self.chance(8) { self.rng.random_range(0..3) } else { like % 3 };
        let letter = &dim[..1];
        let count = if dim == "user" { 3 } else { 2 };
        format!("{letter}{}", which % count).into_bytes()
    }

    /// `FOR` with the attributes that suit an order; sometimes fewer, others, or none.
    fn push_attributes(&mut self, argv: &mut Vec<Vec<u8>>, order: usize) {
        let mut dims = vec!["user", "region", "store"];
        if self.chance(3) {
            return;
        }
        if self.chance(4) {
            let place = self.rng.random_range(0..3);
            dims.remove(place);
        }
        if self.chance(4) {
            dims.push("group");
        }
        if self.chance(20) {
            dims.shuffle(&mut self.rng);
        }
        argv.push(self.word("FOR"));
        for dim in dims {
            argv.push(dim.as_bytes().to_vec());
            argv.push(self.value(dim, order));
        }
    }

    /// The options of a call but `FOR`, in any order.
    fn push_shuffled(&mut self, argv: &mut Vec<Vec<u8>>, mut options: Vec<Vec<Vec<u8>>>) {
        options.shuffle(&mut self.rng);
        argv.extend(options.into_iter().flatten());
    }

    fn deadline(&mut self) -> Vec<Vec<u8>> {
        let (word, value) = match self.rng.random_range(0..100) {
            0..55 => ("PX", self.rng.random_range(1..4000)),
            55..70 => ("EX", self.rng.random_range(1..6)),
            70..80 => ("EX", self.rng.random_range(600..3_000_000)),
            80..97 => ("PXAT", self.now_ms + self.rng.random_range(-20..3000)),
            97 => ("EX", 315_360_000),
            98 => ("PX", 315_360_000_001),
            _ => ("PXAT", self.now_ms + 315_360_000_000),
        };
        vec![self.word(word), decimal(value)]
    }

    // --- the commands ---

    fn command(&mut self) -> Vec<Vec<u8>> {
        if self.last.is_some() && self.chance(3) {
            return self.last.clone().expect("there is one");
        }
        if self.profile.carts && self.chance(55) {
            return self.cart();
        }
        match self.rng.random_range(0..1000) {
            0..260 => self.reserve(),
            260..390 => self.confirm(),
            390..450 => self.release(),
            450..530 => self.amend(),
            530..570 => self.extend(),
            570..670 => self.return_units(),
            670..710 => self.set(),
            710..750 => self.add(),
            750..753 => self.start_on_any("STOCK.SUSPEND"),
            753..786 => self.start_on_any("STOCK.RESUME"),
            786..806 => self.set_policy(),
            806..836 => self.limit(),
            836..852 => self.unlimit(),
            852..866 => self.sweep(),
            866..892 => self.start_on_any("STOCK.GET"),
            892..912 => self.order(),
            912..920 => self.orders(),
            920..940 => self.usage(),
            940..955 => self.check(),
            955..963 => self.available(),
            963..967 => self.start_on_any("STOCK.LIMITS"),
            967..969 => self.start_on_any("STOCK.POLICY"),
            969..970 => self.start_on_any("STOCK.VERIFY"),
            970..982 => self.reconcile(),
            _ => self.malformed(),
        }
    }

    fn start_on_any(&mut self, command: &str) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        self.start(command, key)
    }

    fn reserve(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        let order = match self.chance(70) {
            true => self.orders[place][self.rng.random_range(0..3)],
            false if !self.carts.is_empty() && self.chance(20) => self.carts[0].order,
            false => self.rng.random_range(0..ORDERS),
        };
        self.orders[place].retain(|other| *other != order);
        self.orders[place].push(order);
        remember(&mut self.reserved[place], order);
        let key = if self.chance(1) { "pool:none" } else { key };
        let mut argv = self.start("STOCK.RESERVE", key);
        argv.push(order_id(order));
        argv.push(self.qty_of(order));
        let mut options = Vec::new();
        if self.chance(75) {
            options.push(self.deadline());
        }
        if self.chance(if order % 5 == 0 { 80 } else { 6 }) {
            options.push(vec![self.word("PARTIAL")]);
        }
        self.push_shuffled(&mut argv, options);
        self.push_attributes(&mut argv, order);
        argv
    }

    fn confirm(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        if self.reserved[place].is_empty() && self.chance(80) {
            return self.reserve();
        }
        let order = self.order_of(&self.reserved[place].clone());
        remember(&mut self.confirmed[place], order);
        let mut argv = self.start("STOCK.CONFIRM", key);
        argv.push(order_id(order));
        let mut options = Vec::new();
        let late = self.chance(45);
        let since = late && self.chance(45);
        if since && self.chance(92) || self.chance(20) {
            options.push(vec![self.word("QTY"), self.qty_of(order)]);
        }
        if late {
            options.push(vec![self.word("LATE")]);
        }
        if since {
            let ahead_ms = match self.rng.random_range(0..10) {
                0..6 => self.rng.random_range(-300..50),
                6..9 => self.rng.random_range(-10_000..0),
                _ => -self.now_ms + 1,
            };
            options.push(vec![self.word("SINCE"), decimal(self.now_ms + ahead_ms)]);
        }
        self.push_shuffled(&mut argv, options);
        if since && self.chance(90) || late && self.chance(20) {
            self.push_attributes(&mut argv, order);
        }
        argv
    }

    fn release(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        if self.reserved[place].is_empty() && self.chance(80) {
            return self.reserve();
        }
        let order = self.order_of(&self.reserved[place].clone());
        let mut argv = self.start("STOCK.RELEASE", key);
        argv.push(order_id(order));
        argv
    }

    fn amend(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        if self.reserved[place].is_empty() && self.chance(80) {
            return self.reserve();
        }
        let order = self.order_of(&self.reserved[place].clone());
        let mut argv = self.start("STOCK.AMEND", key);
        argv.push(order_id(order));
        argv.push(match self.chance(85) {
            true => decimal(self.rng.random_range(1..8)),
            false => self.qty_of(order),
        });
        argv
    }

    fn extend(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        if self.reserved[place].is_empty() && self.chance(80) {
            return self.reserve();
        }
        let order = self.order_of(&self.reserved[place].clone());
        let mut argv = self.start("STOCK.EXTEND", key);
        argv.push(order_id(order));
        argv.extend(self.deadline());
        argv
    }

    fn return_units(&mut self) -> Vec<Vec<u8>> {
        let (place, key) = self.pool();
        if self.confirmed[place].is_empty() && self.chance(80) {
            return self.confirm();
        }
        let order = self.order_of(&self.confirmed[place].clone());
        let mut argv = self.start("STOCK.RETURN", key);
        argv.push(order_id(order));
        let mut options = Vec::new();
        if self.chance(65) {
            let qty = if self.chance(70) { decimal(1) } else { self.qty_of(order) };
            options.push(vec![self.word("QTY"), qty]);
            let token = self.one_of(&["t1", "t2", "t3", "t4", "t5", "t6"]);
            options.push(vec![self.word("TOKEN"), token.into()]);
            if self.chance(35) {
                options.push(vec![self.word("LATE")]);
            }
        }
        if self.chance(15) {
            options.push(vec![self.word("KEEPUSAGE")]);
        }
        if self.chance(15) {
            options.push(vec![self.word("NORESTOCK")]);
        }
        self.push_shuffled(&mut argv, options);
        argv
    }

    fn set(&mut self) -> Vec<Vec<u8>> {
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
        argv
    }

    fn add(&mut self) -> Vec<Vec<u8>> {
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
        argv
    }

    /// What the database has followed is written as `E1 S0 O0` (the last epoch but one, as far as it went, with its `out`):
    /// who runs the call knows the numbers.
    fn reconcile(&mut self) -> Vec<Vec<u8>> {
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
        argv
    }

    fn sweep(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.SWEEP");
        if self.chance(50) {
            argv.push(self.word("COUNT"));
            argv.push(decimal(self.one_of(&[1, 2, 3, 100, 100_000])));
        }
        argv
    }

    fn max(&mut self) -> Option<i64> {
        match self.rng.random_range(0..100) {
            0..3 => Some(0),
            3..30 => Some(self.rng.random_range(1..8)),
            30..75 => Some(self.rng.random_range(8..60)),
            75..77 => Some(MAX_QTY),
            _ => None,
        }
    }

    /// The values of an override, in the order of `by`.
    fn override_values(&mut self, by: &[&str]) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        for dim in by {
            let like = self.rng.random_range(0..3);
            values.push(match self.chance(35) {
                true => b"*".to_vec(),
                false => self.value(dim, like),
            });
        }
        values
    }

    fn by(&mut self) -> &'static [&'static str] {
        match self.chance(3) {
            true => &["group"],
            false => self.one_of(&BYS),
        }
    }

    /// The options that are part of a limit's name.
    fn limit_name(&mut self) -> (&'static [&'static str], Vec<Vec<Vec<u8>>>) {
        let by = self.by();
        let mut options = Vec::new();
        if self.chance(80) {
            let window = self.one_of(&WINDOWS);
            options.push(vec![self.word("PER"), self.word(window)]);
        }
        if self.chance(40) {
            let count = self.one_of(&["UNITS", "ORDERS", "ORDERS"]);
            options.push(vec![self.word("COUNT"), self.word(count)]);
        }
        (by, options)
    }

    fn limit(&mut self) -> Vec<Vec<u8>> {
        let key = if self.chance(5) { CROWDED } else { self.pool().1 };
        let mut argv = self.start("STOCK.LIMIT", key);
        let known = self.limits.len();
        let (by, mut options) = match known > 0 && self.chance(40) {
            true => {
                let name = self.limits[self.rng.random_range(0..known)].clone();
                (by_of(&name[0]), pairs(&name[1..]))
            }
            false => self.limit_name(),
        };
        argv.push(by_text(by));
        let mut name = vec![by_text(by)];
        name.extend(options.iter().flatten().cloned());
        self.limits.push_back(name);
        if self.limits.len() > 6 {
            self.limits.pop_front();
        }
        argv.push(match self.max() {
            Some(max) => decimal(max),
            None => self.word("UNLIMITED"),
        });
        if self.chance(30) {
            let offset = self.one_of(&OFFSETS);
            options.push(vec![self.word("TZ"), offset.into()]);
        }
        if by == ["group"] && self.chance(90) || self.chance(20) {
            let missing = if by == ["group"] || self.chance(70) { "ALLOW" } else { "REFUSE" };
            options.push(vec![self.word("MISSING"), self.word(missing)]);
        }
        self.push_shuffled(&mut argv, options);
        if !by.is_empty() && self.chance(40) {
            argv.push(self.word("FOR"));
            argv.extend(self.override_values(by));
        }
        argv
    }

    fn unlimit(&mut self) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        let mut argv = self.start("STOCK.UNLIMIT", key);
        let known = self.limits.len();
        let (by, options) = match known > 0 && self.chance(85) {
            true => {
                let name = self.limits[self.rng.random_range(0..known)].clone();
                (by_of(&name[0]), pairs(&name[1..]))
            }
            false => self.limit_name(),
        };
        argv.push(by_text(by));
        self.push_shuffled(&mut argv, options);
        if !by.is_empty() && self.chance(20) {
            argv.push(self.word("FOR"));
            argv.extend(self.override_values(by));
        }
        argv
    }

    fn set_policy(&mut self) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        let mut argv = self.start("STOCK.SETPOLICY", key);
        let known = self.policies.len();
        if known > 0 && self.chance(20) {
            argv.push(self.policies[self.rng.random_range(0..known)].clone());
            return argv;
        }
        let mut policy = json!({});
        if self.chance(80) {
            policy["hold"] = self.rng.random_range(1..5).into();
        }
        if !self.profile.retain_changes {
            policy["retain"] = 5.into();
            policy["retain_paid"] = 10.into();
        } else {
            for (field, most) in [("retain", 9), ("retain_paid", 16)] {
                match self.rng.random_range(0..20) {
                    0 => {}
                    1..4 => policy[field] = self.rng.random_range(600..3_000_000).into(),
                    _ => policy[field] = self.rng.random_range(1..most).into(),
                }
            }
        }
        if self.chance(30) {
            policy["safety"] = self.rng.random_range(-4..6).into();
        }
        if self.chance(30) {
            policy["alert"] = self.rng.random_range(0..10).into();
        }
        if self.chance(30) {
            policy["events"] = self.one_of(&["", "own", "other"]).into();
        }
        if self.chance(75) {
            let count = self.rng.random_range(0..4);
            let limits: Vec<Value> = (0..count).map(|_| self.json_limit()).collect();
            policy["limits"] = limits.into();
        }
        let text = policy.to_string().into_bytes();
        self.policies.push_back(text.clone());
        if self.policies.len() > 4 {
            self.policies.pop_front();
        }
        argv.push(text);
        argv
    }

    fn json_limit(&mut self) -> Value {
        let by = self.by();
        let mut limit = json!({ "by": by });
        let json_max = |max: Option<i64>| max.map_or(Value::from("unlimited"), Value::from);
        if self.chance(85) {
            limit["max"] = json_max(self.max());
        }
        if self.chance(80) {
            let window = self.one_of(&WINDOWS);
            limit["per"] = match window.parse::<i64>() {
                Ok(seconds) => seconds.into(),
                Err(_) => window.to_ascii_lowercase().into(),
            };
        }
        if self.chance(30) {
            limit["tz"] = self.one_of(&OFFSETS).into();
        }
        if self.chance(30) {
            limit["count"] = self.one_of(&["units", "orders", "orders"]).into();
        }
        if by == ["group"] || self.chance(15) {
            limit["missing"] = self.one_of(&["refuse", "allow", "allow"]).into();
        }
        if !by.is_empty() && self.chance(40) {
            let mut overrides = Vec::new();
            for _ in 0..self.rng.random_range(0..3) {
                let values = self.override_values(by);
                let values: Vec<Value> = values.iter().map(|value| json_value(value)).collect();
                overrides.push(json!({ "for": values, "max": json_max(self.max()) }));
            }
            limit["overrides"] = overrides.into();
        }
        limit
    }

    fn order(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.ORDER");
        argv.push(order_id(self.rng.random_range(0..ORDERS)));
        argv
    }

    fn orders(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.ORDERS");
        argv.push(b"0".to_vec());
        let mut options = vec![vec![self.word("COUNT"), b"10000".to_vec()]];
        if self.chance(40) {
            let states = ["reserved", "confirmed", "returned", "released", "expired"];
            options.push(vec![self.word("STATE"), self.one_of(&states).into()]);
        }
        self.push_shuffled(&mut argv, options);
        argv
    }

    fn usage(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.USAGE");
        let like = self.rng.random_range(0..ORDERS);
        self.push_attributes(&mut argv, like);
        argv
    }

    fn check(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.CHECK");
        let like = self.rng.random_range(0..ORDERS);
        argv.push(self.qty_of(like));
        self.push_attributes(&mut argv, like);
        argv
    }

    fn available(&mut self) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any("STOCK.AVAILABLE");
        for _ in 0..self.rng.random_range(0..3) {
            argv.push(self.any_pool().into());
        }
        argv
    }

    // --- carts ---

    fn cart(&mut self) -> Vec<Vec<u8>> {
        match self.rng.random_range(0..100) {
            _ if self.carts.is_empty() => self.reserve_cart(),
            0..45 => self.reserve_cart(),
            45..65 => self.confirm_cart(),
            65..76 => self.cart_of("STOCK.MRELEASE", false).1,
            76..84 => {
                let mut argv = self.cart_of("STOCK.MEXTEND", false).1;
                argv.extend(self.deadline());
                argv
            }
            84..95 => {
                let mut argv = self.cart_of("STOCK.MRETURN", true).1;
                let mut options = Vec::new();
                for word in ["KEEPUSAGE", "NORESTOCK"] {
                    if self.chance(15) {
                        options.push(vec![self.word(word)]);
                    }
                }
                self.push_shuffled(&mut argv, options);
                argv
            }
            95..98 => {
                let key = self.pool().1;
                self.start("STOCK.RESUME", key)
            }
            _ => self.malformed_cart(),
        }
    }

    /// `order numkeys key [key ...]`
    fn start_cart(&mut self, command: &str, order: usize, places: &[usize]) -> Vec<Vec<u8>> {
        let mut argv = vec![self.word(command), order_id(order), decimal(places.len() as i64)];
        for place in places {
            let key = match self.rng.random_range(0..600) {
                0 => "pool:none",
                1 => CROWDED,
                _ => POOLS[*place],
            };
            argv.push(key.into());
        }
        argv
    }

    fn new_cart(&mut self) -> Cart {
        // Mostly the order that was not named for the longest time.
        let named = |order: &usize| self.carts.iter().any(|cart| cart.order == *order);
        let fresh: Vec<usize> = CARTS.filter(|order| !named(order)).collect();
        let order = match self.rng.random_range(0..100) {
            0..8 => self.rng.random_range(0..ORDERS),
            8..14 => self.rng.random_range(CARTS),
            _ => fresh[self.rng.random_range(0..fresh.len())],
        };
        let mut places: Vec<usize> = (0..POOLS.len()).collect();
        places.shuffle(&mut self.rng);
        places.truncate(self.rng.random_range(1..=POOLS.len()));
        if self.chance(15) {
            let again = places[self.rng.random_range(0..places.len())];
            let at = self.rng.random_range(0..=places.len());
            places.insert(at, again);
        }
        let mut parts = Vec::new();
        for place in places {
            let qty = match self.rng.random_range(0..400) {
                0..380 => 1 + (order + place) as i64 % 3,
                380..398 => self.rng.random_range(4..30),
                398 => MAX_QTY - 1,
                _ => MAX_QTY,
            };
            parts.push((place, qty));
        }
        let mut attributes = Vec::new();
        self.push_attributes(&mut attributes, order);
        Cart { order, parts, attributes }
    }

    /// A new cart, or one again: as it was, or with something changed.
    fn reserve_cart(&mut self) -> Vec<Vec<u8>> {
        let mut cart = match self.carts.is_empty() || self.chance(75) {
            true => self.new_cart(),
            false => {
                let mut cart = self.carts[self.rng.random_range(0..self.carts.len())].clone();
                match self.rng.random_range(0..10) {
                    0 => cart.parts[0].1 = 4,
                    1 => {
                        cart.attributes.clear();
                        let order = cart.order + 1;
                        self.push_attributes(&mut cart.attributes, order);
                    }
                    2 => self.change_places(&mut cart),
                    3 => cart.parts.shuffle(&mut self.rng),
                    _ => {}
                }
                cart
            }
        };
        if cart.parts.is_empty() {
            cart.parts.push((0, 1));
        }
        self.carts.retain(|other| other.order != cart.order);
        self.carts.push_back(cart.clone());
        if self.carts.len() > 5 {
            self.carts.pop_front();
        }
        let places: Vec<usize> = cart.parts.iter().map(|part| part.0).collect();
        let mut argv = self.start_cart("STOCK.MRESERVE", cart.order, &places);
        argv.push(self.word("QTY"));
        argv.extend(cart.parts.iter().map(|part| decimal(part.1)));
        if self.chance(75) {
            argv.extend(self.deadline());
        }
        argv.extend(cart.attributes);
        argv
    }

    /// One pool more, or one less.
    fn change_places(&mut self, cart: &mut Cart) {
        match cart.parts.len() > 1 && self.chance(50) {
            true => {
                let at = self.rng.random_range(0..cart.parts.len());
                cart.parts.remove(at);
            }
            false => cart.parts.push((self.rng.random_range(0..POOLS.len()), 1)),
        }
    }

    /// A cart of those named last, mostly in all its pools.
    fn cart_of(&mut self, command: &str, paid: bool) -> (Cart, Vec<Vec<u8>>) {
        let among = if paid && !self.paid_carts.is_empty() { &self.paid_carts } else { &self.carts };
        let count = among.len();
        // Rather one of the last.
        let at = self.rng.random_range(0..count).max(self.rng.random_range(0..count));
        let mut cart = among[at].clone();
        if self.chance(6) {
            cart = self.new_cart();
        }
        if self.chance(10) {
            self.change_places(&mut cart);
        }
        if self.chance(12) {
            cart.parts.shuffle(&mut self.rng);
        }
        let places: Vec<usize> = cart.parts.iter().map(|part| part.0).collect();
        let argv = self.start_cart(command, cart.order, &places);
        (cart, argv)
    }

    fn confirm_cart(&mut self) -> Vec<Vec<u8>> {
        let (cart, mut argv) = self.cart_of("STOCK.MCONFIRM", false);
        if self.chance(40) {
            argv.push(self.word("LATE"));
        }
        self.paid_carts.retain(|other| other.order != cart.order);
        self.paid_carts.push_back(cart);
        if self.paid_carts.len() > 4 {
            self.paid_carts.pop_front();
        }
        argv
    }

    fn malformed_cart(&mut self) -> Vec<Vec<u8>> {
        let (a, b) = (POOLS[0], POOLS[1]);
        let long = "x".repeat(129);
        let bad = self.one_of(&["0", "-1", "129", "01", "+1", "", "two", "3", "99999999999999999999", "2147483648"]);
        let most = "9007199254740991";
        let calls: [&[&str]; 24] = [
            &["STOCK.MRESERVE", "o13", bad, a, b, "QTY", "1", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "0"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "-1", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, a, "QTY", most, "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "EX", "1", "QTY", "1", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "EX", "1", "PX", "1"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "PARTIAL"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "FOR", "user"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "FOR"],
            &["STOCK.MRESERVE", "o13", "2", a, b, "QTY", "1", "1", "PXAT", "0"],
            &["STOCK.MRESERVE", "", "2", a, b, "QTY", "1", "1"],
            &["STOCK.MRESERVE", &long, "2", a, b, "QTY", "1", "1"],
            &["STOCK.MCONFIRM", "o13", bad, a, b],
            &["STOCK.MCONFIRM", "o13", "2", a, b, "LATE", "LATE"],
            &["STOCK.MCONFIRM", "o13", "2", a, b, "QTY", "1"],
            &["STOCK.MCONFIRM", "o13", "2", a, b, "LATE", "SINCE", "1"],
            &["STOCK.MRELEASE", "o13", "1", a, b],
            &["STOCK.MRELEASE", "o13", bad, a],
            &["STOCK.MEXTEND", "o13", "2", a, b],
            &["STOCK.MEXTEND", "o13", "2", a, b, "EX", "0"],
            &["STOCK.MRETURN", "o13", "2", a, b, "KEEPUSAGE", "KEEPUSAGE"],
            &["STOCK.MRETURN", "o13", "2", a, b, "QTY", "1", "TOKEN", "t"],
        ];
        words(self.one_of(&calls))
    }

    /// A cart over the crowded pool and another one.
    fn cart_in_backlog(&mut self, which: usize) -> Vec<Vec<u8>> {
        let (id, user) = (format!("x{which}"), format!("u{}", which % 3));
        let other = self.pool().1;
        let (first, second) = if self.chance(50) { (CROWDED, other) } else { (other, CROWDED) };
        match self.rng.random_range(0..12) {
            0..2 => words(&["STOCK.MRESERVE", &id, "2", first, second, "QTY", "1", "1", "FOR", "user", &user]),
            2 => words(&["STOCK.MRESERVE", "fresh", "2", first, second, "QTY", "1", "1", "FOR", "user", &user]),
            3 => words(&["STOCK.MRESERVE", &id, "2", CROWDED, CROWDED, "QTY", "1", "1", "FOR", "user", &user]),
            4 => words(&["STOCK.MCONFIRM", &id, "1", CROWDED, "LATE"]),
            5 => words(&["STOCK.MCONFIRM", &id, "2", first, second, "LATE"]),
            6 => words(&["STOCK.MRELEASE", &id, "2", CROWDED, CROWDED]),
            7 => words(&["STOCK.MRELEASE", &id, "2", first, second]),
            8 => words(&["STOCK.MEXTEND", &id, "1", CROWDED, "EX", "2"]),
            9 => words(&["STOCK.MRETURN", &id, "1", CROWDED]),
            10 => words(&["STOCK.MRELEASE", "fresh", "2", first, second]),
            _ => words(&["STOCK.MCONFIRM", &id, "2", CROWDED, "pool:none"]),
        }
    }

    // --- malformed calls ---

    fn malformed(&mut self) -> Vec<Vec<u8>> {
        let key = self.pool().1;
        let bad = self.one_of(&[
            "0",
            "-1",
            "01",
            "+1",
            " 1",
            "1 ",
            "",
            "abc",
            "1.0",
            "9007199254740992",
            "1e3",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999999999",
        ]);
        let long = "x".repeat(129);
        let mut argv = match self.rng.random_range(0..13) {
            0 => words(&["STOCK.RESERVE", key, "o1", bad, "FOR", "user", "u1"]),
            1 => words(&["STOCK.AMEND", key, "o1", bad]),
            2 => words(&["STOCK.RESERVE", key, "o1", "1", "PX", bad, "FOR", "user", "u1"]),
            3 => words(&["STOCK.CHECK", key, bad]),
            4 => words(&["STOCK.CONFIRM", key, "o1", "QTY", bad]),
            5 => words(&["STOCK.RETURN", key, "o1", "QTY", bad, "TOKEN", "t1"]),
            6 => words(&["STOCK.RELEASE", key, self.one_of(&["", long.as_str()])]),
            7 => words(&["STOCK.SWEEP", key, "COUNT", self.one_of(&["0", "100001", "-1"])]),
            8 => words(&["STOCK.LIMIT", key, "user", self.one_of(&["-1", "01", "none"])]),
            9 => {
                let texts = [
                    "",
                    "{",
                    "[]",
                    "{\"hold\":0}",
                    "{\"hold\":315360001}",
                    "{\"colour\":1}",
                    "{\"limits\":[{\"max\":1}]}",
                    "{\"limits\":[{\"by\":[\"user\"],\"per\":\"year\"}]}",
                    "{\"limits\":[{\"by\":[\"user\"]},{\"by\":[\"user\"],\"max\":1}]}",
                    "{\"limits\":[{\"by\":[\"a\",\"b\"],\"overrides\":[{\"for\":[\"x\"],\"max\":1}]}]}",
                    "{\"limits\":[{\"by\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}]}",
                    "{\"limits\":[{\"by\":[\"User\"]}]}",
                    "{\"alert\":-1}",
                    "{\"limits\":[{\"by\":[\"user\"],\"tz\":\"+18:01\"}]}",
                ];
                words(&["STOCK.SETPOLICY", key, self.one_of(&texts)])
            }
            10 => {
                let calls: [&[&str]; 18] = [
                    &["STOCK.RESERVE", key, "o1", "1", "EX", "1", "PX", "1"],
                    &["STOCK.RESERVE", key, "o1", "1", "PARTIAL", "PARTIAL"],
                    &["STOCK.RESERVE", key, "o1", "1", "FOR"],
                    &["STOCK.RESERVE", key, "o1", "1", "FOR", "user", "u1", "user", "u1"],
                    &["STOCK.RESERVE", key, "o1", "1", "FOR", "User", "u1"],
                    &["STOCK.RESERVE", key, "o1", "1", "LATE"],
                    &["STOCK.RESERVE", key, "o1", "1", "EX", "315360001"],
                    &["STOCK.CONFIRM", key, "o1", "SINCE", "1"],
                    &["STOCK.CONFIRM", key, "o1", "FOR", "user", "u1"],
                    &["STOCK.CONFIRM", key, "o1", "LATE", "LATE"],
                    &["STOCK.RETURN", key, "o1", "QTY", "1"],
                    &["STOCK.RETURN", key, "o1", "TOKEN", "t1"],
                    &["STOCK.RETURN", key, "o1", "LATE"],
                    &["STOCK.SET", key, "1", "NX", "XX"],
                    &["STOCK.LIMIT", key, "user+user", "1"],
                    &["STOCK.LIMIT", key, "user+region", "1", "FOR", "u1"],
                    &["STOCK.LIMIT", key, "user", "1", "PER", "YEAR"],
                    &["STOCK.LIMIT", key, "user", "1", "TZ", "8:00"],
                ];
                words(self.one_of(&calls))
            }
            11 => words(&["STOCK.EXTEND", key, "o1"]),
            _ => self.last.clone().unwrap_or_else(|| words(&["STOCK.GET"])),
        };
        if self.chance(15) {
            match self.chance(50) {
                true => argv.push(b"JUNK".to_vec()),
                false => argv.truncate(argv.len().saturating_sub(1).max(1)),
            }
        }
        argv
    }

    // --- backlogs ---

    /// Hundreds of holds with few deadlines in the crowded pool, then calls while most of them wait to be returned.
    fn plan_backlog(&mut self) {
        let on_hand = self.one_of(&["UNLIMITED", "100000", "300"]);
        self.push(0, words(&["STOCK.SET", CROWDED, on_hand]));
        self.push(0, words(&["STOCK.RESUME", CROWDED]));
        let mut policy = json!({ "hold": 2, "limits": [] });
        policy["retain"] = if self.profile.retain_changes { self.one_of(&[1, 5, 100]) } else { 5 }.into();
        policy["retain_paid"] = 10.into();
        if self.chance(60) {
            policy["limits"] = json!([{ "by": ["user"], "max": 200, "per": "hour" }, { "by": [], "max": 350, "per": "day", "count": "orders" }]);
        }
        self.push(0, words(&["STOCK.SETPOLICY", CROWDED, &policy.to_string()]));

        let count = self.rng.random_range(100..420);
        let start_ms = self.now_ms;
        let mut at_ms = start_ms;
        for which in 0..count {
            let advance_ms = i64::from(self.chance(20));
            at_ms += advance_ms;
            let deadline_ms = start_ms + 600 + self.one_of(&[0, 0, 0, 1, 2]);
            let mut argv = words(&["STOCK.RESERVE", CROWDED, &format!("x{which}"), "2", "PXAT"]);
            argv.push(decimal(deadline_ms));
            argv.extend(words(&["FOR", "user", &format!("u{}", which % 3)]));
            self.push(advance_ms, argv);
            if self.chance(4) {
                let mut argv = words(&["STOCK.EXTEND", CROWDED, &format!("x{which}"), "PXAT"]);
                argv.push(decimal(deadline_ms + self.rng.random_range(0..3)));
                self.push(0, argv);
            }
            if self.chance(4) {
                let command = self.one_of(&["STOCK.CONFIRM", "STOCK.RELEASE"]);
                self.push(0, words(&[command, CROWDED, &format!("x{which}")]));
            }
        }

        let mut wait_ms = start_ms + 600 + self.rng.random_range(0..4) - at_ms;
        for _ in 0..self.rng.random_range(8..40) {
            let argv = self.call_in_backlog(count);
            self.push(wait_ms.max(0), argv);
            wait_ms = i64::from(self.chance(10));
        }
        if self.chance(50) {
            let wait_ms = self.rng.random_range(0..6000);
            self.push(wait_ms, words(&["STOCK.SWEEP", CROWDED]));
            self.push(0, words(&["STOCK.GET", CROWDED]));
        }
    }

    fn call_in_backlog(&mut self, count: usize) -> Vec<Vec<u8>> {
        let which = self.rng.random_range(0..count);
        if self.profile.carts && self.chance(50) {
            return self.cart_in_backlog(which);
        }
        let id = format!("x{which}");
        let user = format!("u{}", which % 3);
        let words = |call: &[&str]| {
            let mut argv = words(call);
            argv.insert(1, CROWDED.into());
            argv
        };
        match self.rng.random_range(0..34) {
            0..4 => words(&["STOCK.GET"]),
            4..7 => words(&["STOCK.ORDER", &id]),
            7 => words(&["STOCK.ORDERS", "0", "COUNT", "10000"]),
            8 => words(&["STOCK.ORDERS", "0", "COUNT", "10000", "STATE", "reserved"]),
            9 => words(&["STOCK.AVAILABLE"]),
            10 => words(&["STOCK.USAGE", "FOR", "user", &user]),
            11 => words(&["STOCK.CHECK", "2", "FOR", "user", &user]),
            12 => words(&["STOCK.VERIFY"]),
            13..16 => words(&["STOCK.RELEASE", &id]),
            16..18 => words(&["STOCK.CONFIRM", &id]),
            18..22 => words(&["STOCK.CONFIRM", &id, "LATE"]),
            22 => words(&["STOCK.CONFIRM", &id, "LATE", "QTY", "1"]),
            23 => words(&["STOCK.CONFIRM", &id, "LATE", "QTY", "3"]),
            24 => words(&["STOCK.AMEND", &id, "3"]),
            25 => words(&["STOCK.EXTEND", &id, "EX", "2"]),
            26 => words(&["STOCK.RETURN", &id]),
            27..29 => words(&["STOCK.RESERVE", &id, "2", "FOR", "user", &user]),
            29 => words(&["STOCK.RESERVE", "fresh", "1", "PARTIAL", "FOR", "user", &user]),
            30 => words(&["STOCK.ADD", "-250"]),
            31 => words(&["STOCK.SET", "7", "NX"]),
            32 => words(&["STOCK.SWEEP", "COUNT", self.one_of(&["1", "5", "130"])]),
            _ => words(&["STOCK.SUSPEND"]),
        }
    }
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn decimal(value: i64) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Most are plain; one is any bytes, one is the longest.
fn order_id(order: usize) -> Vec<u8> {
    match order {
        10 => b"\x00\xfe\r\n o".to_vec(),
        11 => vec![b'o'; 128],
        _ => format!("o{order}").into_bytes(),
    }
}

fn remember(recent: &mut VecDeque<usize>, order: usize) {
    recent.retain(|other| *other != order);
    recent.push_back(order);
    if recent.len() > 4 {
        recent.pop_front();
    }
}

fn by_text(by: &[&str]) -> Vec<u8> {
    match by.is_empty() {
        true => b"*".to_vec(),
        false => by.join("+").into_bytes(),
    }
}

fn by_of(text: &[u8]) -> &'static [&'static str] {
    let known = BYS.iter().find(|by| by_text(by) == text);
    known.copied().unwrap_or(&["group"])
}

fn pairs(flat: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    flat.chunks(2).map(<[_]>::to_vec).collect()
}

fn json_value(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}
