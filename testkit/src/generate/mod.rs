//! Random commands for the comparison of the product with the reference model.
//!
//! A generator is a function of its seed. It knows nothing of what the pools answer; it only
//! remembers which orders it named last, so that its calls meet: few keys, few orders, few buyers,
//! quantities near the stock, short holds, and a clock that likes the edges of windows.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{json, Value};

use crate::reference::{month_of, zone_tables};

mod backlog;
mod batch;
mod carts;
mod limits;
mod malformed;
mod reading;
mod selling;
mod stock;

/// Where the clock begins: ten seconds before the year 2026 in UTC.
pub const START_MS: i64 = 1_767_225_590_000;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MAX_QTY: i64 = 9_007_199_254_740_991;
const ORDERS: usize = 12;
/// The orders that carts are made of mostly, behind the ordinary ones.
const CARTS: std::ops::Range<usize> = ORDERS..ORDERS + 60;
const OFFSETS: [&str; 6] = ["+00:00", "+08:00", "-05:30", "+05:45", "+18:00", "-18:00"];
/// Those of which the reference knows as far as the clock goes; the first is written as a careless
/// caller does.
const ZONES: [&str; 5] =
    ["europe/berlin", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca", "America/Havana"];
const WINDOWS: [&str; 11] = ["ORDER", "HOUR", "DAY", "WEEK", "MONTH", "LIFE", "1", "2", "10", "60", "3600"];
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

/// The pools of ordinary calls (the first two, all of them where there are carts), and the one in
/// which backlogs of due holds build up.
const POOLS: [&str; 5] = ["pool:a", "pool:b", "pool:c", "pool:d", "pool:e"];
const WITHOUT_CARTS: usize = 2;
const CROWDED: &str = "pool:crowded";
/// Pools that are not there at the beginning, and are made with their policy.
const LATER_POOLS: [&str; 6] = ["later:a", "later:b", "later:c", "later:d", "later:e", "later:f"];

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
    /// The order whose place it takes.
    replaces: Option<usize>,
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
    /// The last total of each shift.
    totals: BTreeMap<Vec<u8>, i64>,
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
            totals: BTreeMap::new(),
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
        if self.chance(8) {
            return self.reach_a_change_of_clocks();
        }
        let offsets = [0, 8 * HOUR_MS, -5 * HOUR_MS - HOUR_MS / 2, 18 * HOUR_MS, HOUR_MS, -3 * HOUR_MS];
        let offset_ms = self.one_of(&offsets);
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

    /// To the hours around the next change of the offset of one of the zones.
    fn reach_a_change_of_clocks(&mut self) -> i64 {
        let zone = self.one_of(&ZONES);
        let table = zone_tables().iter().find(|table| table.name.eq_ignore_ascii_case(zone)).expect("it is there");
        let changes = table.offsets.iter().map(|(at_s, _)| *at_s as i64 * 1_000);
        let Some(next_ms) = changes.into_iter().find(|at_ms| *at_ms > self.now_ms) else { return 1 };
        let around_ms = self.one_of(&[-25, -1, 0, 0, 1, 23]) * HOUR_MS + self.one_of(&[-1, 0, 0, HOUR_MS / 2]);
        (next_ms - self.now_ms + around_ms).max(0)
    }

    /// The time zone of a limit.
    fn tz(&mut self) -> &'static str {
        match self.chance(50) {
            true => self.one_of(&OFFSETS),
            false => self.one_of(&ZONES),
        }
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
            0..245 => self.reserve(),
            245..260 => self.reserve_batch(),
            260..382 => self.confirm(),
            382..390 => self.confirm_batch(),
            390..450 => self.release(),
            450..495 => self.amend(),
            495..530 => self.split(),
            530..570 => self.extend(),
            570..670 => self.return_units(),
            670..710 => self.set(),
            710..738 => self.add(),
            738..750 => self.transfer(),
            750..753 => self.suspend("STOCK.SUSPEND"),
            753..776 => self.suspend("STOCK.RESUME"),
            776..784 => self.schedule(),
            784..806 => self.set_policy(),
            806..836 => self.limit(),
            836..852 => self.unlimit(),
            852..866 => self.sweep(),
            866..886 => self.get(),
            886..892 => self.amend(),
            892..904 => self.order(),
            904..912 => self.reserve(),
            912..920 => self.orders(),
            920..940 => self.usage(),
            940..948 => self.check(),
            948..955 => self.explain(),
            955..963 => self.available(),
            963..967 => self.start_on_any("STOCK.LIMITS"),
            967..969 => self.start_on_any("STOCK.POLICY"),
            969..970 => self.start_on_any("STOCK.VERIFY"),
            970..978 => self.reconcile(),
            978..988 => self.shift_units(),
            988..989 => self.start_on_any("STOCK.SHIFTS"),
            _ => self.malformed(),
        }
    }

    fn start_on_any(&mut self, command: &str) -> Vec<Vec<u8>> {
        let key = self.any_pool();
        self.start(command, key)
    }

    fn suspend(&mut self, command: &str) -> Vec<Vec<u8>> {
        let mut argv = self.start_on_any(command);
        self.push_note(&mut argv);
        argv
    }

    /// Now and then NOTE and a text; rarely one that is too long.
    fn push_note(&mut self, argv: &mut Vec<Vec<u8>>) {
        if self.chance(10) {
            argv.push(self.word("NOTE"));
            let long = "n".repeat(129);
            let texts: [&[u8]; 6] =
                [b"restock", b"kim: ticket 77", b"FOR", b"\xff\x00\r\n", &long.as_bytes()[..128], long.as_bytes()];
            let which = if self.chance(10) { self.rng.random_range(4..6) } else { self.rng.random_range(0..4) };
            argv.push(texts[which].to_vec());
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
    let mut rest = flat;
    let mut pairs = Vec::new();
    while let Some(word) = rest.first() {
        let taken = if word.eq_ignore_ascii_case(b"ROLLING") { 1 } else { 2.min(rest.len()) };
        let (pair, tail) = rest.split_at(taken);
        pairs.push(pair.to_vec());
        rest = tail;
    }
    pairs
}

fn json_value(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}
