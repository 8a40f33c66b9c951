//! The reference model: what every command answers, written as naively as possible. Here are those that concern one pool;
//! the carts are in `carts.rs`.
//!
//! It shares no code with the product. Everything is a plain map or a list, sums are made anew on every call, and a
//! call works on a copy of the pool that is kept only where the call changes something. Its two questions to the
//! contract are "what does the order's state say" and "in which order are the refusals".
//!
//! Three rules hold it together:
//!
//! - every call first forgets what is over at its `now_ms` (`Pool::forget`) and returns due holds
//!   (`Pool::return_due`), on the copy; a read throws the copy away;
//! - a change counts in `seq`; a copy is kept when its `seq` moved. So forgetting happens in changes only: what was
//!   over at the time of a change stays over, also when the clock steps back afterwards;
//! - an operation that answers `Err` leaves nothing behind but the due holds returned before it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use base64::Engine as _;
use serde_json::{json, Value};

use crate::reply::Reply;

#[path = "carts.rs"]
mod carts;
#[path = "told.rs"]
pub mod told;

/// 2^53 - 1: the largest quantity, and the bound of every sum.
pub const MAX_QTY: i128 = 9_007_199_254_740_991;
/// 3,650 days.
const MAX_AHEAD_MS: i128 = 3650 * 86_400_000;
/// How far the clock may step back before what was over may be gone for good.
const SLACK_MS: i128 = 60_000;
const MAX_SECONDS: i128 = 315_360_000;
/// How many due holds a write returns before it does its own work.
const DUE_PER_WRITE: usize = 128;

type Bytes = Vec<u8>;
/// Order ids, and the values of a limit's dimensions, as keys of maps that are copied all the time.
type Id = Rc<[u8]>;
type Values = Rc<[Bytes]>;
type Attributes = BTreeMap<Bytes, Bytes>;
/// `Err` is a reply as well: a refusal or an error, after which nothing is changed.
type Answer = Result<Reply, Reply>;

/// The server's parameters that concern one pool.
#[derive(Debug, Clone)]
pub struct Config {
    pub hold_s: i64,
    pub retain_s: i64,
    pub retain_paid_s: i64,
    pub max_orders: usize,
    pub utc_offset_minutes: i64,
}

impl Default for Config {
    fn default() -> Self {
        Config { hold_s: 900, retain_s: 86_400, retain_paid_s: 604_800, max_orders: 10_000_000, utc_offset_minutes: 0 }
    }
}

/// A value that copies share until one of them changes it: copies of pools are what this model is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Shared<T>(Rc<T>);

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Shared(Rc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Rc::make_mut(&mut self.0)
    }
}

/// All pools of a server. A copy costs little.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    config: Config,
    pools: BTreeMap<Bytes, Shared<Pool>>,
}

impl Reference {
    pub fn new(config: Config) -> Self {
        Reference { config, pools: BTreeMap::new() }
    }

    /// How many changes all pools have seen: the sum of their `seq`.
    pub fn changes(&self) -> i64 {
        self.pools.values().map(|pool| pool.seq).sum()
    }

    /// The number of a pool's last change, and its `out`.
    pub fn position(&self, key: &[u8]) -> Option<(i64, i64)> {
        self.pools.get(key).map(|pool| (pool.seq, pool.out as i64))
    }

    /// The names of the pools.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.pools.keys().map(Vec::as_slice)
    }

    /// Answers one command at one time.
    pub fn call(&mut self, now_ms: i64, argv: &[Vec<u8>]) -> Reply {
        let answer = match argv.split_first() {
            Some((name, rest)) => self.dispatch(i128::from(now_ms), name, Args { rest }),
            None => Err(error("empty command")),
        };
        match answer {
            Ok(reply) | Err(reply) => reply,
        }
    }

    fn dispatch(&mut self, now: i128, name: &[u8], args: Args) -> Answer {
        match name.to_ascii_uppercase().as_slice() {
            b"STOCK.RESERVE" => self.reserve(now, args),
            b"STOCK.CONFIRM" => self.confirm(now, args),
            b"STOCK.RELEASE" => self.release(now, args),
            b"STOCK.AMEND" => self.amend(now, args),
            b"STOCK.EXTEND" => self.extend(now, args),
            b"STOCK.RETURN" => self.give_back(now, args),
            b"STOCK.MRESERVE" => self.cart(now, carts::Kind::Reserve, args),
            b"STOCK.MCONFIRM" => self.cart(now, carts::Kind::Confirm, args),
            b"STOCK.MRELEASE" => self.cart(now, carts::Kind::Release, args),
            b"STOCK.MEXTEND" => self.cart(now, carts::Kind::Extend, args),
            b"STOCK.MRETURN" => self.cart(now, carts::Kind::Return, args),
            b"STOCK.SET" => self.set(now, args),
            b"STOCK.ADD" => self.add(now, args),
            b"STOCK.RECONCILE" => self.reconcile(now, args),
            b"STOCK.SUSPEND" => self.suspend(now, args, true),
            b"STOCK.RESUME" => self.suspend(now, args, false),
            b"STOCK.SETPOLICY" => self.set_policy(now, args),
            b"STOCK.SWEEP" => self.sweep(now, args),
            b"STOCK.LIMIT" => self.limit(now, args),
            b"STOCK.UNLIMIT" => self.unlimit(now, args),
            b"STOCK.LIMITS" => self.limits(now, args),
            b"STOCK.USAGE" => self.usage(now, args),
            b"STOCK.GET" => self.get(now, args),
            b"STOCK.AVAILABLE" => self.available(now, args),
            b"STOCK.CHECK" => self.check(now, args),
            b"STOCK.ORDER" => self.order(now, args),
            b"STOCK.ORDERS" => self.orders(now, args),
            b"STOCK.POLICY" => self.policy(now, args),
            b"STOCK.VERIFY" => self.verify(now, args),
            _ => Err(error("unknown command")),
        }
    }

    /// The pool as a write or a read at `now` finds it: without what is over, due holds returned.
    fn view(&self, now: i128, key: &[u8]) -> Option<Pool> {
        let mut pool = Pool::clone(self.pools.get(key)?);
        pool.forget(now);
        pool.return_due(now, DUE_PER_WRITE);
        pool.fix_memory(&self.config);
        Some(pool)
    }

    /// Runs an operation on an existing pool, and keeps what it changed.
    fn write(&mut self, now: i128, key: &[u8], operation: impl FnOnce(&mut Pool, &Config) -> Answer) -> Answer {
        let Some(mut pool) = self.view(now, key) else {
            return Err(words(&[Reply::bulk("NOPOOL"), Reply::bulk(key)]));
        };
        let mut next = pool.clone();
        let mut answer = operation(&mut next, &self.config);
        next.fix_memory(&self.config);
        if answer.is_ok() {
            match next.within_bounds() {
                true => pool = next,
                false => answer = Err(error("a sum would be out of range")),
            }
        }
        if pool.seq != self.pools[key].seq {
            self.pools.insert(key.to_vec(), pool.into());
        }
        answer
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The pool

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reserved,
    Confirmed,
    Returned,
    Released,
    Expired,
}

impl State {
    const ALL: [State; 5] = [State::Reserved, State::Confirmed, State::Returned, State::Released, State::Expired];

    fn name(self) -> &'static str {
        match self {
            State::Reserved => "reserved",
            State::Confirmed => "confirmed",
            State::Returned => "returned",
            State::Released => "released",
            State::Expired => "expired",
        }
    }
}

#[derive(Debug, Clone)]
struct Order {
    state: State,
    /// What it holds or has bought; what it had last, once it is expired or released.
    qty: i128,
    returned: i128,
    /// The content as first sent.
    asked: i128,
    partial: bool,
    attributes: Shared<Attributes>,
    /// The dimensions that limits looked at when it was placed.
    counted: BTreeSet<u64>,
    charges: Vec<Charge>,
    deadline_ms: i128,
    /// When it arrived at that deadline, among the others of the pool.
    arrival: u64,
    placed_ms: i128,
    changed_ms: i128,
    /// From when it is forgotten: fixed by the policy of its last change.
    forget_ms: Option<i128>,
    tokens: BTreeMap<Bytes, ReturnToken>,
    /// Made by a return that vouched for an order which the pool did not know.
    vouched: bool,
}

impl Order {
    /// The state by the order's own deadline.
    fn state_at(&self, now: i128) -> State {
        match self.state {
            State::Reserved if self.deadline_ms <= now => State::Expired,
            state => state,
        }
    }

    fn left(&self) -> i128 {
        self.qty - self.returned
    }

    /// A conflict unless it was reserved with this content.
    fn refuse_other_content(&self, qty: i128, partial: bool, attributes: &Attributes) -> Result<(), Reply> {
        if self.asked != qty {
            return Err(conflict("the order has another quantity"));
        }
        if self.partial != partial {
            return Err(conflict("PARTIAL differs"));
        }
        if *self.attributes != *attributes {
            return Err(conflict("the attributes differ"));
        }
        Ok(())
    }
}

/// That a limit looked at an order when its units were taken.
#[derive(Debug, Clone)]
struct Charge {
    limit: u64,
    values: Values,
    /// The usage in which it counts; none where no usage is kept.
    counted_in: Option<u64>,
    amount: i128,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ReturnToken {
    qty: i128,
    keep_usage: bool,
    no_restock: bool,
}

#[derive(Debug, Clone)]
struct AddToken {
    delta: i128,
    at_ms: i128,
    /// From when it is forgotten.
    forget_ms: Option<i128>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Policy {
    hold_s: Option<i128>,
    retain_s: Option<i128>,
    retain_paid_s: Option<i128>,
    safety: i128,
    alert: i128,
    events: Option<Bytes>,
}

#[derive(Debug, Clone, Default)]
struct Pool {
    /// None: unlimited.
    on_hand: Option<i128>,
    sold: i128,
    out: i128,
    suspended: bool,
    policy: Policy,
    limits: Vec<Shared<Limit>>,
    orders: BTreeMap<Id, Shared<Order>>,
    add_tokens: BTreeMap<Bytes, AddToken>,
    /// Orders and tokens that are forgotten, unless the clock steps back within [`SLACK_MS`].
    over_orders: BTreeMap<Id, Shared<Order>>,
    over_tokens: BTreeMap<Bytes, AddToken>,
    /// The latest placement among the orders that are forgotten.
    forgotten_ms: Option<i128>,
    seq: i64,
    /// Counts arrivals at deadlines, and limits: both only need to be told apart.
    serial: u64,
    /// What the outside world was told of, since the last look.
    told: Vec<told::Told>,
    /// What could be reserved after the last change, where the pool counts.
    could: Option<i128>,
    /// Where each epoch ends here, as far as it is known: (epoch, seq, out).
    epochs: Vec<(Bytes, i64, i128)>,
    /// The next change is in another one.
    epoch_ends: bool,
}

impl Pool {
    fn change(&mut self) {
        self.seq += 1;
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn reserved(&self) -> i128 {
        self.orders.values().filter(|order| order.state == State::Reserved).map(|order| order.qty).sum()
    }

    /// What can be reserved now, negative where something is missing; none where there is no end.
    fn available(&self) -> Option<i128> {
        Some(self.on_hand? - self.reserved() - self.policy.safety)
    }

    fn shown_available(&self) -> Reply {
        int(self.available().map_or(-1, |units| units.max(0)))
    }

    fn has_room_for(&self, units: i128) -> bool {
        self.available().is_none_or(|available| available >= units)
    }

    /// How long a hold lasts where the call does not say.
    fn hold_ms(&self, config: &Config) -> i128 {
        self.policy.hold_s.unwrap_or(config.hold_s.into()) * 1000
    }

    fn retain_ms(&self, state: State, config: &Config) -> Option<i128> {
        let policy = &self.policy;
        match state {
            State::Reserved => None,
            State::Released | State::Expired => Some(policy.retain_s.unwrap_or(config.retain_s.into()) * 1000),
            State::Confirmed | State::Returned => {
                Some(policy.retain_paid_s.unwrap_or(config.retain_paid_s.into()) * 1000)
            }
        }
    }

    /// Fixes how long what has just been finished is remembered.
    fn fix_memory(&mut self, config: &Config) {
        let open = |order: &Order| order.state != State::Reserved && order.forget_ms.is_none();
        let finished: Vec<_> = self.orders.iter().filter(|(_, order)| open(order)).map(|(id, _)| id.clone()).collect();
        for id in finished {
            let order = &self.orders[&id];
            let forget_ms = self.retain_ms(order.state, config).map(|ms| order.changed_ms + ms);
            self.known(&id).forget_ms = forget_ms;
        }
        let retain_paid_ms = self.retain_ms(State::Confirmed, config).unwrap_or(0);
        for token in self.add_tokens.values_mut() {
            token.forget_ms.get_or_insert(token.at_ms + retain_paid_ms);
        }
    }

    /// Sets aside what is over: finished orders past their time, old tokens, usage of past windows. What was set aside
    /// comes back where the clock has stepped back, unless something newer took its place.
    fn forget(&mut self, now: i128) {
        if !self.orders_stay(now) {
            for (id, order) in std::mem::take(&mut self.over_orders) {
                let gone = order.forget_ms.is_none_or(|at_ms| now >= at_ms + SLACK_MS);
                if gone || self.orders.contains_key(&id) {
                    self.forgotten_ms = self.forgotten_ms.max(Some(order.placed_ms));
                } else {
                    self.orders.insert(id, order);
                }
            }
            for (id, order) in std::mem::take(&mut self.orders) {
                match order.forget_ms.is_some_and(|at_ms| now >= at_ms) {
                    true => self.over_orders.insert(id, order),
                    false => self.orders.insert(id, order),
                };
            }
        }
        for (name, token) in std::mem::take(&mut self.over_tokens) {
            self.add_tokens.entry(name).or_insert(token);
        }
        for (name, token) in std::mem::take(&mut self.add_tokens) {
            match token.forget_ms.is_some_and(|at_ms| now >= at_ms) {
                true => self.over_tokens.insert(name, token),
                false => self.add_tokens.insert(name, token),
            };
        }
        for limit in &mut self.limits {
            let start = limit.window.start(limit.tz_min, now);
            let over = |usage: &Usage| usage.window_start < start;
            let stays = |(values, usage): (&Values, &Usage)| over(usage) && !limit.usage.contains_key(values);
            if !limit.usage.values().any(over) && limit.over_usage.iter().all(stays) {
                continue;
            }
            for (values, usage) in std::mem::take(&mut limit.over_usage) {
                limit.usage.entry(values).or_insert(usage);
            }
            for (values, usage) in std::mem::take(&mut limit.usage) {
                match usage.window_start >= start {
                    true => limit.usage.insert(values, usage),
                    false => limit.over_usage.insert(values, usage),
                };
            }
        }
    }

    /// Whether `forget` would leave the orders as they are.
    fn orders_stay(&self, now: i128) -> bool {
        let over = |forget_ms: Option<i128>, slack: i128| forget_ms.is_some_and(|at_ms| now >= at_ms + slack);
        let stays_over = |(id, order): (&Id, &Shared<Order>)| {
            over(order.forget_ms, 0) && !over(order.forget_ms, SLACK_MS) && !self.orders.contains_key(id)
        };
        self.over_orders.iter().all(stays_over) && !self.orders.values().any(|order| over(order.forget_ms, 0))
    }

    /// Returns due holds, the earliest deadline first; how many.
    fn return_due(&mut self, now: i128, at_most: usize) -> usize {
        let mut due: Vec<_> = self
            .orders
            .iter()
            .filter(|(_, order)| order.state == State::Reserved && order.deadline_ms <= now)
            .map(|(id, order)| (order.deadline_ms, order.arrival, id.clone()))
            .collect();
        due.sort();
        due.truncate(at_most);
        for (_, _, id) in &due {
            self.expire(now, id);
        }
        due.len()
    }

    fn expire(&mut self, now: i128, id: &[u8]) {
        self.uncharge_all(id);
        let order = self.known(id);
        order.state = State::Expired;
        order.changed_ms = now;
        order.forget_ms = None;
        let qty = order.qty;
        self.change();
        self.tell("expired", Some(id), qty);
    }

    /// Every sum lies between -(2^53 - 1) and 2^53 - 1.
    fn within_bounds(&self) -> bool {
        let reserved = self.reserved();
        let mut sums = vec![reserved, self.sold, self.out];
        if let Some(on_hand) = self.on_hand {
            let sellable = on_hand - self.policy.safety;
            sums.extend([on_hand, sellable, sellable - reserved]);
        }
        sums.extend(self.orders.values().map(|order| order.qty));
        for limit in &self.limits {
            sums.extend(limit.usage.values().map(|usage| usage.used));
        }
        sums.iter().all(|sum| sum.abs() <= MAX_QTY)
    }

    /// An order that is there.
    fn known(&mut self, id: &[u8]) -> &mut Order {
        self.orders.get_mut(id).expect("the order is known")
    }

    fn state_of(&self, now: i128, id: &[u8]) -> Option<State> {
        self.orders.get(id).map(|order| order.state_at(now))
    }

    fn units_leave(&mut self, qty: i128) {
        self.on_hand = self.on_hand.map(|units| units - qty);
        self.sold += qty;
        self.out += qty;
    }

    fn units_come_back(&mut self, qty: i128, no_restock: bool) {
        self.sold -= qty;
        if !no_restock {
            self.on_hand = self.on_hand.map(|units| units + qty);
            self.out -= qty;
        }
    }

    // --- usage ---

    /// Counts units of an order with the limits at these places, in their current windows.
    fn charge(&mut self, now: i128, attributes: &Attributes, qty: i128, places: &[usize]) -> Vec<Charge> {
        places
            .iter()
            .map(|&place| {
                let limit = &mut self.limits[place];
                let values = limit.values(attributes).expect("the limit applies");
                let amount = limit.amount(qty);
                Charge {
                    limit: limit.id,
                    counted_in: limit.count_usage(now, &values, amount),
                    values: values.into(),
                    amount,
                }
            })
            .collect()
    }

    /// Gives usage of an order back, where it still counts.
    fn uncharge(&mut self, id: &[u8], how_much: impl Fn(&Limit, &Charge) -> i128) {
        let mut order = self.orders.remove(id).expect("the order is known");
        for charge in &mut order.charges {
            let Some(limit) = self.limits.iter_mut().find(|limit| limit.id == charge.limit) else {
                continue;
            };
            let amount = how_much(limit, charge);
            charge.amount -= amount;
            let counted = limit.usage.get_mut(&charge.values);
            if let Some(usage) = counted.filter(|usage| Some(usage.instance) == charge.counted_in) {
                usage.used -= amount;
            }
            // Nothing used is no usage: it holds no window.
            limit.usage.retain(|_, usage| usage.used > 0);
        }
        self.orders.insert(id.into(), order);
    }

    fn uncharge_all(&mut self, id: &[u8]) {
        self.uncharge(id, |_, charge| charge.amount);
        self.known(id).charges.clear();
    }

    /// Some of the units come back, and the order goes on.
    fn uncharge_units(&mut self, id: &[u8], qty: i128) {
        self.uncharge(id, |limit, _| match limit.count {
            Count::Units => qty,
            Count::Orders => 0,
        });
    }

    // --- answers ---

    fn exists(&self, key: &[u8], id: &[u8]) -> Reply {
        let order = &self.orders[id];
        let deadline_ms = match order.state {
            State::Reserved => order.deadline_ms,
            _ => 0,
        };
        words(&[
            Reply::bulk("EXISTS"),
            Reply::bulk(key),
            Reply::bulk(order.state.name()),
            int(order.qty),
            int(order.returned),
            int(deadline_ms),
        ])
    }

    fn sold_out(&self, key: &[u8]) -> Reply {
        words(&[Reply::bulk("SOLDOUT"), Reply::bulk(key), self.shown_available()])
    }

    fn refuse_suspended(&self, key: &[u8]) -> Result<(), Reply> {
        match self.suspended {
            true => Err(refusal("SUSPENDED", key)),
            false => Ok(()),
        }
    }

    fn refuse_too_many_orders(&self, config: &Config) -> Result<(), Reply> {
        match self.orders.len() >= config.max_orders {
            true => Err(error("the pool has too many orders")),
            false => Ok(()),
        }
    }

    // --- taking units ---

    /// Which of these limits look at an order with these attributes; an error where one misses a dimension.
    fn applicable(&self, attributes: &Attributes, which: impl Fn(&Limit) -> bool) -> Result<Vec<usize>, Reply> {
        let mut places = Vec::new();
        for (place, limit) in self.limits.iter().enumerate() {
            if !which(limit) {
                continue;
            }
            if limit.values(attributes).is_some() {
                places.push(place);
            } else if !limit.allow_missing {
                return Err(Reply::Error("NODIM a limit's dimension is missing".into()));
            }
        }
        Ok(places)
    }

    /// SUSPENDED, NODIM, SOLDOUT, LIMITED, in this order; else the quantity that can be had and the limits that count it.
    fn judge(
        &self,
        now: i128,
        key: &[u8],
        attributes: &Attributes,
        qty: i128,
        partial: bool,
        which: impl Fn(&Limit) -> bool,
    ) -> Result<(i128, Vec<usize>), Reply> {
        self.refuse_suspended(key)?;
        let places = self.applicable(attributes, which)?;
        let least = if partial { 1 } else { qty };
        if !self.has_room_for(least) {
            return Err(self.sold_out(key));
        }
        let mut most = self.available().map_or(qty, |available| available.min(qty));
        for &place in &places {
            let limit = &self.limits[place];
            let values = limit.values(attributes).expect("the limit applies");
            if !limit.allows(&values, least) {
                return Err(limit.refusal(now, key, &values));
            }
            most = most.min(limit.largest(&values, most));
        }
        Ok((if partial { most } else { qty }, places))
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Limits

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Order,
    Hour,
    Day,
    Week,
    Month,
    Seconds(i128),
    Life,
}

const HOUR_MS: i128 = 3_600_000;
const DAY_MS: i128 = 24 * HOUR_MS;

impl Window {
    fn text(self) -> String {
        match self {
            Window::Order => "order".into(),
            Window::Hour => "hour".into(),
            Window::Day => "day".into(),
            Window::Week => "week".into(),
            Window::Month => "month".into(),
            Window::Seconds(seconds) => seconds.to_string(),
            Window::Life => "life".into(),
        }
    }

    /// First and last-plus-one millisecond of the window that a time lies in.
    fn bounds(self, tz_min: i128, at_ms: i128) -> (i128, i128) {
        let tz_ms = tz_min * 60_000;
        let local_ms = at_ms + tz_ms;
        let local_day = local_ms.div_euclid(DAY_MS);
        let whole_days = |from: i128, to: i128| (from * DAY_MS - tz_ms, to * DAY_MS - tz_ms);
        match self {
            Window::Order | Window::Life => (0, 0),
            Window::Seconds(seconds) => {
                let start = at_ms.div_euclid(seconds * 1000) * seconds * 1000;
                (start, start + seconds * 1000)
            }
            Window::Hour => {
                let start = local_ms.div_euclid(HOUR_MS) * HOUR_MS - tz_ms;
                (start, start + HOUR_MS)
            }
            Window::Day => whole_days(local_day, local_day + 1),
            Window::Week => {
                // Day 0 was a Thursday, so day -3 was a Monday.
                let monday = (local_day + 3).div_euclid(7) * 7 - 3;
                whole_days(monday, monday + 7)
            }
            Window::Month => {
                let (first, next) = month_of(local_day);
                whole_days(first, next)
            }
        }
    }

    fn start(self, tz_min: i128, at_ms: i128) -> i128 {
        self.bounds(tz_min, at_ms).0
    }
}

/// The first day of the month in which a day since 1970-01-01 lies, and the first day of the next month.
pub fn month_of(day: i128) -> (i128, i128) {
    let leap = |year: i128| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days_of_year = |year| if leap(year) { 366 } else { 365 };
    let mut year = 1970;
    let mut first = 0;
    while day < first {
        year -= 1;
        first -= days_of_year(year);
    }
    while day >= first + days_of_year(year) {
        first += days_of_year(year);
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for length in lengths {
        if day < first + length {
            return (first, first + length);
        }
        first += length;
    }
    unreachable!("a day lies in one of the twelve months of its year")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Units,
    Orders,
}

#[derive(Debug, Clone)]
struct Usage {
    /// Which one of its limit: a value may be counted in the same window twice, when the clock went back in between.
    instance: u64,
    window_start: i128,
    used: i128,
}

/// The values of an override, none standing for any; and its max, none standing for exempt.
type Overrides = BTreeMap<Vec<Option<Bytes>>, Option<i128>>;

#[derive(Debug, Clone)]
struct Limit {
    id: u64,
    /// Sorted.
    dims: Rc<[Bytes]>,
    window: Window,
    count: Count,
    /// None: unlimited.
    max: Option<i128>,
    tz_min: i128,
    allow_missing: bool,
    overrides: Shared<Overrides>,
    usage: BTreeMap<Values, Usage>,
    /// Usage of windows that are over, unless the clock steps back within [`SLACK_MS`].
    over_usage: BTreeMap<Values, Usage>,
    /// How many usages it has begun.
    instances: u64,
    set_ms: i128,
}

impl Limit {
    fn identity(&self) -> (Vec<Bytes>, Window, Count) {
        (self.dims.to_vec(), self.window, self.count)
    }

    fn is(&self, dims: &[Bytes], window: Window, count: Count) -> bool {
        (&*self.dims, self.window, self.count) == (dims, window, count)
    }

    /// Everything that a policy says about it.
    fn settings(&self) -> impl PartialEq + '_ {
        let Limit { max, tz_min, allow_missing, overrides, .. } = self;
        (self.id, max, tz_min, allow_missing, overrides)
    }

    fn text(&self) -> String {
        let dims: Vec<_> = self.dims.iter().map(|dim| String::from_utf8_lossy(dim)).collect();
        let dims = if dims.is_empty() { "*".into() } else { dims.join("+") };
        let count = match self.count {
            Count::Units => "units",
            Count::Orders => "orders",
        };
        format!("{dims}/{}/{count}", self.window.text())
    }

    /// The values of its dimensions, where all are given.
    fn values(&self, attributes: &Attributes) -> Option<Vec<Bytes>> {
        self.dims.iter().map(|dim| attributes.get(dim).cloned()).collect()
    }

    /// The max for these values: that of the most exact override, else the base.
    fn max_for(&self, values: &[Bytes]) -> Option<i128> {
        let matches = |pattern: &[Option<Bytes>]| {
            let same = |(one, value): (&Option<Bytes>, &Bytes)| one.as_ref().is_none_or(|one| one == value);
            pattern.iter().zip(values).all(same)
        };
        self.overrides
            .iter()
            .filter(|(pattern, _)| matches(pattern))
            .max_by_key(|(pattern, _)| {
                let exact: Vec<bool> = pattern.iter().map(Option::is_some).collect();
                (exact.iter().filter(|one| **one).count(), exact)
            })
            .map_or(self.max, |(_, max)| *max)
    }

    /// What counts against it now. Usage of windows that are over is already gone.
    fn used(&self, values: &[Bytes]) -> i128 {
        self.usage.get(values).map_or(0, |usage| usage.used)
    }

    /// The end of the window in which it is counted, which may lie ahead; of the current one where nothing is.
    fn resets_ms(&self, now: i128, values: &[Bytes]) -> i128 {
        let counted = self.usage.get(values);
        let at_ms = counted.map_or(now, |usage| usage.window_start);
        self.window.bounds(self.tz_min, at_ms).1
    }

    /// What an order of this quantity counts.
    fn amount(&self, qty: i128) -> i128 {
        match self.count {
            Count::Units => qty,
            Count::Orders => 1,
        }
    }

    fn allows(&self, values: &[Bytes], qty: i128) -> bool {
        self.max_for(values).is_none_or(|max| self.used(values) + self.amount(qty) <= max)
    }

    /// The largest quantity up to `qty` that it allows; `allows` has said that there is one.
    fn largest(&self, values: &[Bytes], qty: i128) -> i128 {
        match (self.count, self.max_for(values)) {
            (Count::Units, Some(max)) => qty.min(max - self.used(values)),
            _ => qty,
        }
    }

    /// Adds to the usage of the current window and says which usage that is; none where none is kept.
    fn count_usage(&mut self, now: i128, values: &[Bytes], amount: i128) -> Option<u64> {
        if self.window == Window::Order {
            return None;
        }
        self.instances += 1;
        let fresh = Usage { instance: self.instances, window_start: self.window.start(self.tz_min, now), used: 0 };
        let usage = self.usage.entry(values.into()).or_insert(fresh);
        usage.used += amount;
        Some(usage.instance)
    }

    fn refusal(&self, now: i128, key: &[u8], values: &[Bytes]) -> Reply {
        words(&[
            Reply::bulk("LIMITED"),
            Reply::bulk(key),
            Reply::bulk(self.text()),
            Reply::Array(values.iter().map(Reply::bulk).collect()),
            int(self.used(values)),
            int(self.max_for(values).unwrap_or(-1)),
            int(self.resets_ms(now, values)),
        ])
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Selling

impl Reference {
    fn reserve(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let qty = args.quantity()?;
        let options = args.options(now, &["EX", "PARTIAL", "FOR"])?;
        let partial = options.partial;
        let attributes = options.attributes.unwrap_or_default();
        self.write(now, &key, |pool, config| {
            match pool.state_of(now, &id) {
                None => {}
                Some(State::Expired) => return Err(closed(&key, State::Expired)),
                Some(State::Released) => return Err(closed(&key, State::Released)),
                Some(State::Reserved | State::Confirmed | State::Returned) => {
                    pool.orders[&*id].refuse_other_content(qty, partial, &attributes)?;
                    return Err(pool.exists(&key, &id));
                }
            }
            pool.refuse_too_many_orders(config)?;
            let deadline_ms = match options.deadline_ms {
                Some(deadline_ms) if deadline_ms <= now => return Err(error("the deadline is over")),
                Some(deadline_ms) => deadline_ms,
                None => now + pool.hold_ms(config),
            };
            reserve_new(pool, now, &key, &id, qty, partial, &attributes, deadline_ms)
        })
    }

    fn confirm(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let options = args.options(now, &["QTY", "LATE", "SINCE", "FOR"])?;
        if !options.late && (options.since_ms.is_some() || options.attributes.is_some()) {
            return Err(syntax());
        }
        self.write(now, &key, |pool, config| confirm_one(pool, config, now, &key, &id, options))
    }

    fn release(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        args.end()?;
        self.write(now, &key, |pool, config| release_one(pool, config, now, &key, &id))
    }

    fn amend(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let qty = args.quantity()?;
        args.end()?;
        self.write(now, &key, |pool, _| {
            open_order(pool, now, &key, &id)?;
            let held = pool.orders[&*id].qty;
            if qty == held {
                return Err(pool.exists(&key, &id));
            }
            if qty < held {
                pool.uncharge_units(&id, held - qty);
            } else {
                pool.refuse_suspended(&key)?;
                if !pool.has_room_for(qty - held) {
                    return Err(pool.sold_out(&key));
                }
                amend_usage(pool, now, &key, &id, qty)?;
            }
            pool.known(&id).qty = qty;
            pool.change();
            pool.tell("amended", Some(&id), qty);
            Ok(ok(&[int(qty), pool.shown_available()]))
        })
    }

    fn extend(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let Some(deadline_ms) = args.options(now, &["EX"])?.deadline_ms else {
            return Err(arity());
        };
        self.write(now, &key, |pool, _| extend_one(pool, now, &key, &id, deadline_ms))
    }

    fn give_back(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let options = args.options(now, &["QTY", "TOKEN", "LATE", "KEEPUSAGE", "NORESTOCK"])?;
        options.return_token()?;
        self.write(now, &key, |pool, config| return_one(pool, config, now, &key, &id, options))
    }
}

fn confirm_one(pool: &mut Pool, config: &Config, now: i128, key: &[u8], id: &[u8], options: Options) -> Answer {
    match pool.state_of(now, id) {
        None => match (options.late, options.qty, options.since_ms) {
            (true, Some(qty), Some(since_ms)) => {
                let attributes = options.attributes.unwrap_or_default();
                confirm_unknown(pool, config, now, key, id, qty, since_ms.min(now), attributes)
            }
            _ => Err(refusal("NOORDER", key)),
        },
        Some(State::Reserved) => {
            let held = pool.orders[id].qty;
            let qty = options.qty.unwrap_or(held);
            if qty > held {
                return Err(conflict("the order holds less"));
            }
            pool.uncharge_units(id, held - qty);
            Ok(pay(pool, now, id, qty, "confirmed"))
        }
        Some(State::Expired) if options.late => confirm_expired(pool, now, key, id, options.qty, options.attributes),
        Some(State::Expired) => Err(refusal("EXPIRED", key)),
        Some(State::Released) => Err(closed(key, State::Released)),
        Some(State::Confirmed | State::Returned) => {
            if options.qty.is_some_and(|qty| qty != pool.orders[id].qty) {
                return Err(conflict("another quantity was confirmed"));
            }
            Err(pool.exists(key, id))
        }
    }
}

fn release_one(pool: &mut Pool, config: &Config, now: i128, key: &[u8], id: &[u8]) -> Answer {
    let back = match pool.state_of(now, id) {
        None => {
            if pool.orders.len() < config.max_orders {
                let order = finished(now, State::Released, 0, Attributes::new());
                pool.orders.insert(id.into(), order.into());
                pool.change();
                pool.tell("cancelled", Some(id), 0);
            }
            return Ok(refusal("NOORDER", key));
        }
        Some(State::Reserved) => {
            pool.uncharge_all(id);
            pool.orders[id].qty
        }
        Some(State::Expired) => {
            if pool.orders[id].state == State::Reserved {
                pool.expire(now, id);
            }
            0
        }
        Some(State::Released) => return Err(pool.exists(key, id)),
        Some(State::Confirmed) => return Err(refusal("CONFIRMED", key)),
        Some(State::Returned) => return Err(closed(key, State::Returned)),
    };
    let order = pool.known(id);
    order.state = State::Released;
    order.changed_ms = now;
    order.forget_ms = None;
    pool.change();
    pool.tell("released", Some(id), back);
    Ok(ok(&[int(back), pool.shown_available()]))
}

fn extend_one(pool: &mut Pool, now: i128, key: &[u8], id: &[u8], deadline_ms: i128) -> Answer {
    open_order(pool, now, key, id)?;
    if deadline_ms > pool.orders[id].deadline_ms {
        let arrival = pool.next_serial();
        let order = pool.known(id);
        order.deadline_ms = deadline_ms;
        order.arrival = arrival;
        let held = order.qty;
        pool.change();
        pool.tell("extended", Some(id), held);
    }
    Ok(ok(&[int(pool.orders[id].deadline_ms)]))
}

fn return_one(pool: &mut Pool, config: &Config, now: i128, key: &[u8], id: &[u8], options: Options) -> Answer {
    let (late, keep_usage, no_restock) = (options.late, options.keep_usage, options.no_restock);
    let token = options.return_token()?;
    match pool.state_of(now, id) {
        None => {
            let Some((_, content)) = token.as_ref().filter(|_| late) else {
                return Err(refusal("NOORDER", key));
            };
            pool.refuse_too_many_orders(config)?;
            let mut order = finished(now, State::Returned, content.qty, Attributes::new());
            order.vouched = true;
            pool.orders.insert(id.into(), order.into());
        }
        Some(State::Reserved) => return Err(refusal("RESERVED", key)),
        Some(state @ (State::Expired | State::Released)) => return Err(closed(key, state)),
        Some(State::Confirmed | State::Returned) => {
            return_known(pool, key, id, token.as_ref(), late, keep_usage)?;
        }
    }
    let order = pool.known(id);
    let back = match &token {
        Some((_, content)) => content.qty,
        None => order.left(),
    };
    if let Some((name, content)) = token {
        order.tokens.insert(name, content);
    }
    order.returned += back;
    if order.left() == 0 {
        order.state = State::Returned;
    }
    order.changed_ms = now;
    order.forget_ms = None;
    pool.units_come_back(back, no_restock);
    pool.change();
    pool.tell("returned", Some(id), back);
    Ok(ok(&[int(back), pool.shown_available(), int(pool.sold)]))
}

/// An order that ends as it begins: cancelled before it was known, vouched for, or paid late.
fn finished(now: i128, state: State, qty: i128, attributes: Attributes) -> Order {
    Order {
        state,
        qty,
        returned: 0,
        asked: qty,
        partial: false,
        attributes: attributes.into(),
        counted: BTreeSet::new(),
        charges: Vec::new(),
        deadline_ms: 0,
        arrival: 0,
        placed_ms: now,
        changed_ms: now,
        forget_ms: None,
        tokens: BTreeMap::new(),
        vouched: false,
    }
}

#[allow(clippy::too_many_arguments)]
fn reserve_new(
    pool: &mut Pool,
    now: i128,
    key: &[u8],
    id: &[u8],
    asked: i128,
    partial: bool,
    attributes: &Attributes,
    deadline_ms: i128,
) -> Answer {
    let (qty, places) = pool.judge(now, key, attributes, asked, partial, |_| true)?;
    pool.change();
    let order = Order {
        asked,
        partial,
        counted: limits_at(pool, &places),
        charges: pool.charge(now, attributes, qty, &places),
        deadline_ms,
        arrival: pool.next_serial(),
        ..finished(now, State::Reserved, qty, attributes.clone())
    };
    pool.orders.insert(id.into(), order.into());
    pool.tell("reserved", Some(id), qty);
    Ok(ok(&[int(qty), pool.shown_available(), int(deadline_ms)]))
}

fn limits_at(pool: &Pool, places: &[usize]) -> BTreeSet<u64> {
    places.iter().map(|&place| pool.limits[place].id).collect()
}

/// A hold becomes a sale of this quantity.
fn pay(pool: &mut Pool, now: i128, id: &[u8], qty: i128, kind: &'static str) -> Reply {
    let order = pool.known(id);
    order.qty = qty;
    order.state = State::Confirmed;
    order.changed_ms = now;
    order.forget_ms = None;
    pool.units_leave(qty);
    pool.change();
    pool.tell(kind, Some(id), qty);
    ok(&[int(qty), int(pool.sold)])
}

/// `CONFIRM … LATE` of an order whose hold has expired.
fn confirm_expired(
    pool: &mut Pool,
    now: i128,
    key: &[u8],
    id: &[u8],
    qty: Option<i128>,
    attributes: Option<Attributes>,
) -> Answer {
    if pool.orders[id].state == State::Reserved {
        // Due, but behind too many others: its own units come back first.
        pool.expire(now, id);
    }
    let order = pool.orders[id].clone();
    let qty = qty.unwrap_or(order.qty);
    if qty > order.qty {
        return Err(conflict("the order had less"));
    }
    if attributes.is_some_and(|attributes| attributes != *order.attributes) {
        return Err(conflict("the attributes differ"));
    }
    // As for AMEND: a limit that let it pass without the dimension does so still, whatever it says of others now.
    let looked = |limit: &Limit| order.counted.contains(&limit.id);
    let (qty, places) = pool.judge(now, key, &order.attributes, qty, false, looked)?;
    let charges = pool.charge(now, &order.attributes, qty, &places);
    pool.known(id).charges = charges;
    Ok(pay(pool, now, id, qty, "late"))
}

/// `CONFIRM … LATE` of an order that the pool does not know.
#[allow(clippy::too_many_arguments)]
fn confirm_unknown(
    pool: &mut Pool,
    config: &Config,
    now: i128,
    key: &[u8],
    id: &[u8],
    qty: i128,
    since_ms: i128,
    attributes: Attributes,
) -> Answer {
    let over = pool.over_orders.values().map(|order| order.placed_ms).max();
    if pool.forgotten_ms.max(over).is_some_and(|placed_ms| placed_ms >= since_ms) {
        return Err(refusal("NOORDER", key));
    }
    pool.refuse_too_many_orders(config)?;
    let older = |limit: &Limit| limit.set_ms <= since_ms;
    let (qty, places) = pool.judge(now, key, &attributes, qty, false, older)?;
    let order = Order {
        counted: limits_at(pool, &places),
        charges: pool.charge(now, &attributes, qty, &places),
        placed_ms: since_ms,
        ..finished(now, State::Confirmed, qty, attributes)
    };
    pool.orders.insert(id.into(), order.into());
    Ok(pay(pool, now, id, qty, "late"))
}

/// What AMEND and EXTEND answer unless the order is reserved.
fn open_order(pool: &Pool, now: i128, key: &[u8], id: &[u8]) -> Result<(), Reply> {
    match pool.state_of(now, id) {
        None => Err(refusal("NOORDER", key)),
        Some(State::Reserved) => Ok(()),
        Some(State::Expired) => Err(refusal("EXPIRED", key)),
        Some(State::Confirmed) => Err(refusal("CONFIRMED", key)),
        Some(state @ (State::Released | State::Returned)) => Err(closed(key, state)),
    }
}

/// AMEND up: the new total is checked as if it were placed now, with the order's own share given back; then it counts
/// in the current windows.
fn amend_usage(pool: &mut Pool, now: i128, key: &[u8], id: &[u8], qty: i128) -> Result<(), Reply> {
    pool.uncharge(id, |_, charge| charge.amount);
    let mut charges = pool.orders[id].charges.clone();
    // Limits that are removed no longer look; the others in the order in which they were set.
    charges.retain(|charge| pool.limits.iter().any(|limit| limit.id == charge.limit));
    charges.sort_by_key(|charge| pool.limits.iter().position(|limit| limit.id == charge.limit));
    for charge in &charges {
        let limit = pool.limits.iter().find(|limit| limit.id == charge.limit);
        let limit = limit.expect("it is still there");
        if !limit.allows(&charge.values, qty) {
            return Err(limit.refusal(now, key, &charge.values));
        }
    }
    for charge in &mut charges {
        let place = pool.limits.iter().position(|limit| limit.id == charge.limit);
        let limit = &mut pool.limits[place.expect("it is still there")];
        charge.amount = limit.amount(qty);
        charge.counted_in = limit.count_usage(now, &charge.values, charge.amount);
    }
    pool.known(id).charges = charges;
    Ok(())
}

/// Whether units of an order that was paid may come back, and its usage with them.
fn return_known(
    pool: &mut Pool,
    key: &[u8],
    id: &[u8],
    token: Option<&(Bytes, ReturnToken)>,
    late: bool,
    keep_usage: bool,
) -> Result<(), Reply> {
    let order = &pool.orders[id];
    let mut back = order.left();
    if let Some((name, content)) = token {
        match order.tokens.get(name) {
            Some(known) if known == content => return Err(pool.exists(key, id)),
            Some(_) => return Err(conflict("the token has another content")),
            None => {}
        }
        if order.vouched && !late {
            return Err(conflict("the order is returned"));
        }
        if !order.vouched && content.qty > back {
            return Err(conflict("less is left to return"));
        }
        if order.tokens.len() >= 1000 {
            return Err(error("the order has too many return tokens"));
        }
        back = content.qty;
    } else if order.state == State::Returned {
        return Err(pool.exists(key, id));
    }
    if order.vouched {
        let order = pool.known(id);
        order.qty += back;
        order.asked += back;
        return Ok(());
    }
    let last = order.left() == back;
    if !keep_usage {
        pool.uncharge(id, |limit, _| match limit.count {
            Count::Units => back,
            Count::Orders => i128::from(last),
        });
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------------------
// Stock

impl Reference {
    fn set(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let word = args.next()?;
        let on_hand = match word.eq_ignore_ascii_case(b"UNLIMITED") {
            true => None,
            false => Some(within(number(&word)?, -MAX_QTY, MAX_QTY)?),
        };
        let options = args.options(now, &["NX", "XX"])?;
        if options.nx && options.xx {
            return Err(syntax());
        }
        let Some(_) = self.pools.get(&key) else {
            if options.xx {
                return Ok(Reply::Nil);
            }
            let mut pool = Pool { on_hand, seq: 1, could: Some(0), ..Pool::default() };
            pool.tell("set", None, on_hand.unwrap_or(0));
            self.pools.insert(key, pool.into());
            return Ok(status_ok());
        };
        self.write(now, &key, |pool, _| {
            if options.nx {
                return Err(Reply::Nil);
            }
            pool.on_hand = on_hand;
            pool.change();
            pool.tell("set", None, on_hand.unwrap_or(0));
            Ok(status_ok())
        })
    }

    fn add(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let delta = within(number(&args.next()?)?, -MAX_QTY, MAX_QTY)?;
        if delta == 0 {
            return Err(error("delta is 0"));
        }
        let token = args.options(now, &["TOKEN"])?.token;
        self.write(now, &key, |pool, config| {
            if let Some(known) = token.as_ref().and_then(|name| pool.add_tokens.get(name)) {
                if known.delta != delta {
                    return Err(conflict("the token has another delta"));
                }
                return Err(words(&[
                    Reply::bulk("EXISTS"),
                    Reply::bulk(&key),
                    Reply::bulk("added"),
                    int(delta),
                    int(0),
                    int(0),
                ]));
            }
            let Some(on_hand) = pool.on_hand else {
                return Err(error("the pool is unlimited"));
            };
            if delta < 0 && on_hand + delta < pool.reserved() {
                return Err(pool.sold_out(&key));
            }
            if let Some(name) = token {
                if pool.add_tokens.len() >= config.max_orders {
                    return Err(error("the pool has too many tokens"));
                }
                pool.add_tokens.insert(name, AddToken { delta, at_ms: now, forget_ms: None });
            }
            pool.on_hand = Some(on_hand + delta);
            pool.out -= delta;
            pool.change();
            pool.tell("added", None, delta);
            Ok(ok(&[int(on_hand + delta), pool.shown_available()]))
        })
    }

    fn suspend(&mut self, now: i128, mut args: Args, suspended: bool) -> Answer {
        let key = args.key()?;
        args.end()?;
        self.write(now, &key, |pool, _| {
            if pool.suspended != suspended {
                pool.suspended = suspended;
                pool.change();
                pool.tell(if suspended { "suspended" } else { "resumed" }, None, 0);
            }
            Ok(status_ok())
        })
    }

    fn sweep(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let count = args.options(now, &["COUNT=100000"])?.count.unwrap_or(1000);
        let Some(mut pool) = self.pools.get(&key).map(|pool| Pool::clone(pool)) else {
            return Err(refusal("NOPOOL", &key));
        };
        pool.forget(now);
        let returned = pool.return_due(now, count);
        pool.fix_memory(&self.config);
        if returned > 0 {
            self.pools.insert(key, pool.into());
        }
        Ok(Reply::Int(returned as i64))
    }

    fn set_policy(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let text = args.next()?;
        args.end()?;
        if text.len() > 4 << 20 {
            return Err(error("the policy is too long"));
        }
        let invalid = || error("the policy is not valid");
        let json: Value = serde_json::from_slice(&text).map_err(|_| invalid())?;
        let (policy, wanted) = parse_policy(&json, &self.config).ok_or_else(invalid)?;
        self.write(now, &key, |pool, _| {
            let mut limits = Vec::new();
            for limit in wanted {
                let old = pool.limits.iter().find(|old| old.identity() == limit.identity());
                limits.push(match old.map(|old| Limit::clone(old)) {
                    Some(old) => Limit {
                        id: old.id,
                        usage: old.usage,
                        over_usage: old.over_usage,
                        instances: old.instances,
                        set_ms: old.set_ms,
                        ..limit
                    },
                    None => Limit { id: pool.next_serial(), set_ms: now, ..limit },
                });
            }
            let same_limits = limits.len() == pool.limits.len()
                && limits.iter().zip(&pool.limits).all(|(a, b)| a.settings() == b.settings());
            if !same_limits || pool.policy != policy {
                pool.policy = policy;
                pool.limits = limits.into_iter().map(Shared::from).collect();
                pool.change();
                pool.tell("policy", None, 0);
            }
            Ok(status_ok())
        })
    }
}

/// The fields of a policy, and its limits without id, age and usage.
fn parse_policy(json: &Value, config: &Config) -> Option<(Policy, Vec<Limit>)> {
    let mut policy = Policy::default();
    let mut limits: Vec<Limit> = Vec::new();
    for (name, value) in json.as_object()? {
        match name.as_str() {
            "hold" => policy.hold_s = Some(json_number(value, 1, MAX_SECONDS)?),
            "retain" => policy.retain_s = Some(json_number(value, 1, MAX_SECONDS)?),
            "retain_paid" => policy.retain_paid_s = Some(json_number(value, 1, MAX_SECONDS)?),
            "safety" => policy.safety = json_number(value, -MAX_QTY, MAX_QTY)?,
            "alert" => policy.alert = json_number(value, 0, MAX_QTY)?,
            "events" => {
                policy.events = Some(json_bytes(value).filter(|bytes| bytes.len() <= 512)?);
            }
            "limits" => {
                for one in value.as_array()? {
                    let limit = parse_json_limit(one, config)?;
                    if limits.iter().any(|other| other.identity() == limit.identity()) {
                        return None;
                    }
                    limits.push(limit);
                }
                if limits.len() > 32 {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some((policy, limits))
}

fn parse_json_limit(json: &Value, config: &Config) -> Option<Limit> {
    let mut by: Option<Vec<Bytes>> = None;
    let mut limit = new_limit(&[], Window::Life, Count::Units, config);
    let mut overrides = &Vec::new();
    for (name, value) in json.as_object()? {
        match name.as_str() {
            "by" => {
                let names = value.as_array()?.iter();
                let names: Vec<Bytes> =
                    names.map(|name| name.as_str().map(|name| name.as_bytes().to_vec())).collect::<Option<_>>()?;
                if !valid_by(&names) {
                    return None;
                }
                by = Some(names);
            }
            "max" => limit.max = json_max(value)?,
            "per" => {
                limit.window = match value.as_str() {
                    Some(text) => calendar_window(text)?,
                    None => Window::Seconds(json_number(value, 1, MAX_SECONDS)?),
                }
            }
            "tz" => limit.tz_min = parse_offset(value.as_str()?.as_bytes())?,
            "count" => {
                limit.count = match value.as_str()? {
                    "units" => Count::Units,
                    "orders" => Count::Orders,
                    _ => return None,
                }
            }
            "missing" => {
                limit.allow_missing = match value.as_str()? {
                    "refuse" => false,
                    "allow" => true,
                    _ => return None,
                }
            }
            "overrides" => overrides = value.as_array()?,
            _ => return None,
        }
    }
    let by = by?;
    let mut dims = by.clone();
    dims.sort();
    limit.dims = dims.into();
    for one in overrides {
        let one = one.as_object()?;
        if one.keys().any(|name| name != "for" && name != "max") {
            return None;
        }
        let values: Vec<Bytes> = one.get("for")?.as_array()?.iter().map(json_bytes).collect::<Option<_>>()?;
        let pattern = override_pattern(&by, &values).ok()?;
        let max = one.get("max").map_or(Some(None), json_max)?;
        if limit.overrides.insert(pattern, max).is_some() {
            return None;
        }
    }
    (limit.overrides.len() <= 10_000).then_some(limit)
}

fn json_number(value: &Value, least: i128, most: i128) -> Option<i128> {
    let number = value.as_i64().map(i128::from)?;
    (least..=most).contains(&number).then_some(number)
}

fn json_max(value: &Value) -> Option<Option<i128>> {
    match value.as_str() {
        Some("unlimited") => Some(None),
        Some(_) => None,
        None => json_number(value, 0, MAX_QTY).map(Some),
    }
}

/// A string, or `{"base64":"…"}`.
fn json_bytes(value: &Value) -> Option<Bytes> {
    if let Some(text) = value.as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let object = value.as_object()?;
    let text = object.get("base64").filter(|_| object.len() == 1)?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

fn bytes_to_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}

fn calendar_window(text: &str) -> Option<Window> {
    match text {
        "order" => Some(Window::Order),
        "hour" => Some(Window::Hour),
        "day" => Some(Window::Day),
        "week" => Some(Window::Week),
        "month" => Some(Window::Month),
        _ => None,
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Limits: the commands

fn new_limit(dims: &[Bytes], window: Window, count: Count, config: &Config) -> Limit {
    Limit {
        id: 0,
        dims: dims.into(),
        window,
        count,
        max: None,
        tz_min: config.utc_offset_minutes.into(),
        allow_missing: false,
        overrides: Shared::default(),
        usage: BTreeMap::new(),
        over_usage: BTreeMap::new(),
        instances: 0,
        set_ms: 0,
    }
}

impl Reference {
    fn limit(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let by = args.by()?;
        let word = args.next()?;
        let max = match word.eq_ignore_ascii_case(b"UNLIMITED") {
            true => None,
            false => Some(within(number(&word)?, 0, MAX_QTY)?),
        };
        let options = args.options(now, &["PER", "TZ", "COUNT=", "MISSING", "FOR="])?;
        let (window, count) = (options.per.unwrap_or(Window::Life), options.count_what.unwrap_or(Count::Units));
        let pattern = match &options.values {
            Some(values) => Some(override_pattern(&by, values)?),
            None => None,
        };
        let mut dims = by;
        dims.sort();
        self.write(now, &key, |pool, config| {
            let place = pool.limits.iter().position(|limit| limit.is(&dims, window, count));
            let is_new = place.is_none();
            let place = match place {
                Some(place) => place,
                None if pool.limits.len() >= 32 => return Err(error("the pool has too many limits")),
                None => {
                    let id = pool.next_serial();
                    let fresh = new_limit(&dims, window, count, config);
                    pool.limits.push(Limit { id, set_ms: now, ..fresh }.into());
                    pool.limits.len() - 1
                }
            };
            let before = pool.limits[place].clone();
            let limit = &mut pool.limits[place];
            limit.tz_min = options.tz_min.unwrap_or(limit.tz_min);
            limit.allow_missing = options.allow_missing.unwrap_or(limit.allow_missing);
            match pattern {
                Some(pattern) => {
                    limit.overrides.insert(pattern, max);
                    if limit.overrides.len() > 10_000 {
                        return Err(error("the limit has too many overrides"));
                    }
                }
                None => limit.max = max,
            }
            if is_new || limit.settings() != before.settings() {
                pool.change();
                pool.tell("policy", None, 0);
            }
            Ok(status_ok())
        })
    }

    fn unlimit(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let by = args.by()?;
        let options = args.options(now, &["PER", "COUNT=", "FOR="])?;
        let (window, count) = (options.per.unwrap_or(Window::Life), options.count_what.unwrap_or(Count::Units));
        let pattern = match &options.values {
            Some(values) => Some(override_pattern(&by, values)?),
            None => None,
        };
        let mut dims = by;
        dims.sort();
        self.write(now, &key, |pool, _| {
            let Some(place) = pool.limits.iter().position(|limit| limit.is(&dims, window, count)) else {
                return Ok(Reply::Int(0));
            };
            match pattern {
                Some(pattern) => {
                    if pool.limits[place].overrides.remove(&pattern).is_none() {
                        return Ok(Reply::Int(0));
                    }
                }
                None => {
                    pool.limits.remove(place);
                }
            }
            pool.change();
            pool.tell("policy", None, 0);
            Ok(Reply::Int(1))
        })
    }

    fn limits(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        args.end()?;
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        let limits = pool.limits.iter().map(|limit| {
            let overrides = limit.overrides.iter().map(|(pattern, max)| {
                let values = pattern.iter().map(|one| Reply::bulk(one.as_deref().unwrap_or(b"*")));
                Reply::Array(vec![Reply::Array(values.collect()), int(max.unwrap_or(-1))])
            });
            map(vec![
                ("limit", Reply::bulk(limit.text())),
                ("max", int(limit.max.unwrap_or(-1))),
                ("tz", Reply::bulk(offset_text(limit.tz_min))),
                ("missing", Reply::bulk(missing_text(limit))),
                ("overrides", Reply::Array(overrides.collect())),
            ])
        });
        Ok(Reply::Array(limits.collect()))
    }

    fn usage(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let attributes = args.options(now, &["FOR"])?.attributes.unwrap_or_default();
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        let mut listed = Vec::new();
        for limit in &pool.limits {
            let Some(values) = limit.values(&attributes) else {
                continue;
            };
            let (used, max) = (limit.used(&values), limit.max_for(&values));
            listed.push(map(vec![
                ("limit", Reply::bulk(limit.text())),
                ("used", int(used)),
                ("max", int(max.unwrap_or(-1))),
                ("remaining", int(max.map_or(-1, |max| (max - used).max(0)))),
                ("resets_ms", int(limit.resets_ms(now, &values))),
            ]));
        }
        Ok(Reply::Array(listed))
    }
}

/// The values of an override in the order of the sorted dimensions, none standing for any.
fn override_pattern(by: &[Bytes], values: &[Bytes]) -> Result<Vec<Option<Bytes>>, Reply> {
    if by.is_empty() || values.len() != by.len() {
        return Err(error("as many values as dimensions, please"));
    }
    let mut pairs: Vec<_> = by.iter().zip(values).collect();
    pairs.sort();
    let mut pattern = Vec::new();
    for (_, value) in pairs {
        identifier(value)?;
        pattern.push((value != b"*").then(|| value.clone()));
    }
    Ok(pattern)
}

fn missing_text(limit: &Limit) -> &'static str {
    match limit.allow_missing {
        true => "allow",
        false => "refuse",
    }
}

fn offset_text(tz_min: i128) -> String {
    let sign = if tz_min < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", tz_min.abs() / 60, tz_min.abs() % 60)
}

// ---------------------------------------------------------------------------------------------------------------
// Reading

impl Reference {
    fn get(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        args.end()?;
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        let reserved = || pool.orders.values().filter(|order| order.state == State::Reserved);
        let orders = State::ALL.map(|state| {
            let count = pool.orders.values().filter(|order| order.state == state).count();
            (state.name(), int(count as i128))
        });
        let policy = &pool.policy;
        let config = &self.config;
        Ok(map(vec![
            ("on_hand", pool.on_hand.map_or(Reply::Nil, int)),
            ("reserved", int(pool.reserved())),
            ("safety", int(policy.safety)),
            ("available", pool.shown_available()),
            ("shortfall", int(pool.available().map_or(0, |units| (-units).max(0)))),
            ("sold", int(pool.sold)),
            ("out", int(pool.out)),
            ("orders", map(orders.to_vec())),
            ("suspended", int(pool.suspended.into())),
            ("unlimited", int(pool.on_hand.is_none().into())),
            ("next_deadline_ms", int(reserved().map(|order| order.deadline_ms).min().unwrap_or(0))),
            ("epoch", Reply::bulk("0000000000000000")),
            // The number of the last change that has been made; what a write would return first is not yet one.
            ("seq", Reply::Int(self.pools[&key].seq)),
            ("limits", int(pool.limits.len() as i128)),
            ("alert", int(policy.alert)),
            ("hold_seconds", int(policy.hold_s.unwrap_or(config.hold_s.into()))),
            ("retain_seconds", int(policy.retain_s.unwrap_or(config.retain_s.into()))),
            ("retain_paid_seconds", int(policy.retain_paid_s.unwrap_or(config.retain_paid_s.into()))),
            ("events", Reply::bulk(policy.events.as_deref().unwrap_or(b""))),
        ]))
    }

    fn available(&self, now: i128, mut args: Args) -> Answer {
        let mut keys = vec![args.key()?];
        while !args.rest.is_empty() {
            keys.push(args.key()?);
        }
        if keys.len() > 10_000 {
            return Err(error("too many keys"));
        }
        let shown = keys.iter().map(|key| self.view(now, key).map_or(Reply::Nil, |pool| pool.shown_available()));
        Ok(Reply::Array(shown.collect()))
    }

    fn check(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let qty = args.quantity()?;
        let attributes = args.options(now, &["FOR"])?.attributes.unwrap_or_default();
        let Some(mut pool) = self.view(now, &key) else {
            return Err(refusal("NOPOOL", &key));
        };
        pool.refuse_too_many_orders(&self.config)?;
        let deadline_ms = now + pool.hold_ms(&self.config);
        // No order has an empty id.
        let answer = reserve_new(&mut pool, now, &key, b"", qty, false, &attributes, deadline_ms)?;
        match pool.within_bounds() {
            true => Ok(answer),
            false => Err(error("a sum would be out of range")),
        }
    }

    fn order(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        args.end()?;
        let pool = self.view(now, &key);
        let Some(pool) = pool else { return Ok(Reply::Nil) };
        let Some(order) = pool.orders.get(&*id) else {
            return Ok(Reply::Nil);
        };
        let looked = |dim: &Bytes| {
            let limits = pool.limits.iter().filter(|limit| order.counted.contains(&limit.id));
            limits.flat_map(|limit| limit.dims.iter()).any(|other| other == dim)
        };
        let state = order.state_at(now);
        let deadline_ms = if state == State::Reserved { order.deadline_ms } else { 0 };
        let counted = order.attributes.iter().filter(|(dim, _)| looked(dim));
        let counted = counted.map(|(dim, value)| (Reply::bulk(dim), Reply::bulk(value)));
        Ok(map(vec![
            ("state", Reply::bulk(state.name())),
            ("qty", int(order.qty)),
            ("returned", int(order.returned)),
            ("deadline_ms", int(deadline_ms)),
            ("for", Reply::Map(counted.collect())),
        ]))
    }

    fn orders(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let cursor = args.next()?;
        if within(number(&cursor)?, 0, i64::MAX.into())? != 0 {
            return Err(error("the model lists everything at cursor 0"));
        }
        let options = args.options(now, &["STATE", "COUNT=10000"])?;
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        let mut listed = Vec::new();
        for (id, order) in &pool.orders {
            if options.state.is_none_or(|state| state == order.state) {
                listed.extend([Reply::bulk(id), Reply::bulk(order.state.name())]);
            }
        }
        Ok(words(&[Reply::bulk("0"), Reply::Array(listed)]))
    }

    fn policy(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        args.end()?;
        let Some(pool) = self.view(now, &key) else {
            return Ok(Reply::Nil);
        };
        let policy = &pool.policy;
        let mut json = json!({
            "safety": policy.safety as i64,
            "alert": policy.alert as i64,
            "limits": pool.limits.iter().map(|limit| limit_to_json(limit)).collect::<Vec<_>>(),
        });
        let seconds = [("hold", policy.hold_s), ("retain", policy.retain_s), ("retain_paid", policy.retain_paid_s)];
        for (name, value) in seconds {
            if let Some(value) = value {
                json[name] = (value as i64).into();
            }
        }
        if let Some(events) = &policy.events {
            json["events"] = bytes_to_json(events);
        }
        Ok(Reply::bulk(json.to_string()))
    }

    fn verify(&self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        args.end()?;
        Ok(self.view(now, &key).map_or(Reply::Nil, |_| status_ok()))
    }
}

fn limit_to_json(limit: &Limit) -> Value {
    let max_to_json = |max: Option<i128>| max.map_or("unlimited".into(), |max| Value::from(max as i64));
    let by = limit.dims.iter().map(|dim| bytes_to_json(dim));
    let overrides = limit.overrides.iter().map(|(pattern, max)| {
        let values = pattern.iter().map(|one| bytes_to_json(one.as_deref().unwrap_or(b"*")));
        json!({ "for": values.collect::<Vec<_>>(), "max": max_to_json(*max) })
    });
    let mut json = json!({
        "by": by.collect::<Vec<_>>(),
        "max": max_to_json(limit.max),
        "tz": offset_text(limit.tz_min),
        "count": if limit.count == Count::Units { "units" } else { "orders" },
        "missing": missing_text(limit),
        "overrides": overrides.collect::<Vec<_>>(),
    });
    match limit.window {
        Window::Life => {}
        Window::Seconds(seconds) => json["per"] = (seconds as i64).into(),
        window => json["per"] = window.text().into(),
    }
    json
}

// ---------------------------------------------------------------------------------------------------------------
// Answers

fn int(value: i128) -> Reply {
    Reply::Int(i64::try_from(value).expect("every sum is bounded"))
}

fn words(items: &[Reply]) -> Reply {
    Reply::Array(items.to_vec())
}

fn ok(rest: &[Reply]) -> Reply {
    let mut items = vec![Reply::bulk("OK")];
    items.extend_from_slice(rest);
    Reply::Array(items)
}

fn status_ok() -> Reply {
    Reply::Status("OK".into())
}

fn map(fields: Vec<(&str, Reply)>) -> Reply {
    let fields = fields.into_iter().map(|(name, value)| (Reply::bulk(name), value));
    Reply::Map(fields.collect())
}

fn refusal(word: &str, key: &[u8]) -> Reply {
    words(&[Reply::bulk(word), Reply::bulk(key)])
}

fn closed(key: &[u8], state: State) -> Reply {
    words(&[Reply::bulk("CLOSED"), Reply::bulk(key), Reply::bulk(state.name())])
}

fn error(text: &str) -> Reply {
    Reply::Error(format!("ERR {text}"))
}

fn conflict(text: &str) -> Reply {
    Reply::Error(format!("CONFLICT {text}"))
}

fn syntax() -> Reply {
    error("syntax error")
}

fn arity() -> Reply {
    error("wrong number of arguments")
}

// ---------------------------------------------------------------------------------------------------------------
// Arguments

/// The arguments that are not read yet.
struct Args<'a> {
    rest: &'a [Bytes],
}

/// What the options of a call said; each command allows only its own.
#[derive(Default)]
struct Options {
    deadline_ms: Option<i128>,
    partial: bool,
    attributes: Option<Attributes>,
    values: Option<Vec<Bytes>>,
    qty: Option<i128>,
    token: Option<Bytes>,
    late: bool,
    since_ms: Option<i128>,
    keep_usage: bool,
    no_restock: bool,
    nx: bool,
    xx: bool,
    count: Option<usize>,
    count_what: Option<Count>,
    state: Option<State>,
    per: Option<Window>,
    tz_min: Option<i128>,
    allow_missing: Option<bool>,
}

impl Options {
    /// QTY and TOKEN stand together, LATE with them.
    fn return_token(&self) -> Result<Option<(Bytes, ReturnToken)>, Reply> {
        match (self.qty, &self.token) {
            (None, None) if !self.late => Ok(None),
            (Some(qty), Some(name)) => {
                let content = ReturnToken { qty, keep_usage: self.keep_usage, no_restock: self.no_restock };
                Ok(Some((name.clone(), content)))
            }
            _ => Err(syntax()),
        }
    }
}

impl Args<'_> {
    fn next(&mut self) -> Result<Bytes, Reply> {
        let (first, rest) = self.rest.split_first().ok_or_else(arity)?;
        self.rest = rest;
        Ok(first.clone())
    }

    fn end(&self) -> Result<(), Reply> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(arity()),
        }
    }

    fn key(&mut self) -> Result<Bytes, Reply> {
        self.next()
    }

    fn id(&mut self) -> Result<Bytes, Reply> {
        let id = self.next()?;
        identifier(&id)?;
        Ok(id)
    }

    fn quantity(&mut self) -> Result<i128, Reply> {
        within(number(&self.next()?)?, 1, MAX_QTY)
    }

    /// `user`, `region+user`, or `*` for none; in the order given.
    fn by(&mut self) -> Result<Vec<Bytes>, Reply> {
        let text = self.next()?;
        if text == b"*" {
            return Ok(Vec::new());
        }
        let names: Vec<Bytes> = text.split(|byte| *byte == b'+').map(<[u8]>::to_vec).collect();
        match valid_by(&names) {
            true => Ok(names),
            false => Err(error("these are no dimensions")),
        }
    }

    /// Reads all that is left as options. `EX` stands for `EX`, `PX` and `PXAT`; `COUNT=n` for a count up to n, and
    /// `COUNT=` for what a limit counts; `FOR` for attributes, and `FOR=` for the values of an override.
    fn options(&mut self, now: i128, allowed: &[&str]) -> Result<Options, Reply> {
        let mut options = Options::default();
        let mut seen = BTreeSet::new();
        while !self.rest.is_empty() {
            let word = self.next()?.to_ascii_uppercase();
            let word = String::from_utf8(word).map_err(|_| syntax())?;
            let group = match word.as_str() {
                "PX" | "PXAT" => "EX",
                word => word,
            };
            let as_allowed = allowed.iter().find(|name| name.split('=').next() == Some(group));
            let as_allowed = as_allowed.ok_or_else(syntax)?;
            if !seen.insert(group.to_owned()) {
                return Err(syntax());
            }
            match word.as_str() {
                "EX" => options.deadline_ms = Some(now + self.positive()? * 1000),
                "PX" => options.deadline_ms = Some(now + self.positive()?),
                "PXAT" => options.deadline_ms = Some(self.positive()?),
                "PARTIAL" => options.partial = true,
                "QTY" => options.qty = Some(self.quantity()?),
                "TOKEN" => options.token = Some(self.id()?),
                "LATE" => options.late = true,
                "SINCE" => options.since_ms = Some(self.positive()?),
                "KEEPUSAGE" => options.keep_usage = true,
                "NORESTOCK" => options.no_restock = true,
                "NX" => options.nx = true,
                "XX" => options.xx = true,
                "STATE" => {
                    let name = self.next()?.to_ascii_lowercase();
                    let state = State::ALL.into_iter().find(|state| state.name().as_bytes() == name);
                    options.state = Some(state.ok_or_else(syntax)?);
                }
                "COUNT" => match as_allowed.trim_start_matches("COUNT=") {
                    "" => options.count_what = Some(self.count_what()?),
                    most => {
                        let most = most.parse().expect("a number in the table of options");
                        options.count = Some(within(number(&self.next()?)?, 1, most)? as usize);
                    }
                },
                "PER" => options.per = Some(self.window()?),
                "TZ" => {
                    let offset = parse_offset(&self.next()?);
                    options.tz_min = Some(offset.ok_or_else(|| error("this is no offset"))?);
                }
                "MISSING" => {
                    options.allow_missing = Some(match self.next()?.to_ascii_uppercase().as_slice() {
                        b"REFUSE" => false,
                        b"ALLOW" => true,
                        _ => return Err(syntax()),
                    });
                }
                "FOR" if *as_allowed == "FOR=" => {
                    options.values = Some(std::mem::take(&mut self.rest).to_vec());
                }
                "FOR" => options.attributes = Some(self.attributes()?),
                _ => return Err(syntax()),
            }
        }
        if options.deadline_ms.is_some_and(|deadline_ms| deadline_ms > now + MAX_AHEAD_MS) {
            return Err(error("the deadline lies too far ahead"));
        }
        Ok(options)
    }

    fn positive(&mut self) -> Result<i128, Reply> {
        within(number(&self.next()?)?, 1, i64::MAX.into())
    }

    fn count_what(&mut self) -> Result<Count, Reply> {
        match self.next()?.to_ascii_uppercase().as_slice() {
            b"UNITS" => Ok(Count::Units),
            b"ORDERS" => Ok(Count::Orders),
            _ => Err(syntax()),
        }
    }

    fn window(&mut self) -> Result<Window, Reply> {
        let word = self.next()?;
        let text = String::from_utf8_lossy(&word).to_ascii_lowercase();
        match calendar_window(&text) {
            Some(window) => Ok(window),
            None => Ok(Window::Seconds(within(number(&word)?, 1, MAX_SECONDS)?)),
        }
    }

    /// `dim value [dim value ...]`, to the end.
    fn attributes(&mut self) -> Result<Attributes, Reply> {
        let pairs = std::mem::take(&mut self.rest);
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) || pairs.len() > 32 {
            return Err(syntax());
        }
        let mut attributes = Attributes::new();
        for pair in pairs.chunks_exact(2) {
            if !valid_dim(&pair[0]) {
                return Err(error("this is no dimension"));
            }
            identifier(&pair[1])?;
            if attributes.insert(pair[0].clone(), pair[1].clone()).is_some() {
                return Err(syntax());
            }
        }
        Ok(attributes)
    }
}

/// A strict decimal: no sign `+`, no leading zero, no space.
fn number(text: &[u8]) -> Result<i128, Reply> {
    let invalid = || error("value is not an integer or out of range");
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        b"0" => digits.len() == text.len(),
        _ => digits.first().is_some_and(|digit| *digit != b'0') && digits.iter().all(u8::is_ascii_digit),
    };
    if !canonical || digits.len() > 19 {
        return Err(invalid());
    }
    let text = std::str::from_utf8(text).map_err(|_| invalid())?;
    text.parse().map_err(|_| invalid())
}

fn within(value: i128, least: i128, most: i128) -> Result<i128, Reply> {
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => Err(error("value is out of range")),
    }
}

/// Order ids, values and tokens.
fn identifier(bytes: &[u8]) -> Result<(), Reply> {
    match (1..=128).contains(&bytes.len()) {
        true => Ok(()),
        false => Err(error("1 to 128 bytes, please")),
    }
}

fn valid_dim(name: &[u8]) -> bool {
    let valid = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(byte);
    (1..=32).contains(&name.len()) && name.iter().all(valid)
}

fn valid_by(names: &[Bytes]) -> bool {
    let distinct: BTreeSet<_> = names.iter().collect();
    names.len() <= 4 && distinct.len() == names.len() && names.iter().all(|name| valid_dim(name))
}

/// `+hh:mm` or `-hh:mm`, up to 18:00 either way, in minutes.
fn parse_offset(text: &[u8]) -> Option<i128> {
    let [sign, h1, h2, b':', m1, m2] = text else {
        return None;
    };
    let two = |tens: &u8, ones: &u8| {
        let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        digits.then(|| i128::from(tens - b'0') * 10 + i128::from(ones - b'0'))
    };
    let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
    let total = hours * 60 + minutes;
    if minutes > 59 || total > 18 * 60 {
        return None;
    }
    match sign {
        b'+' => Some(total),
        b'-' => Some(-total),
        _ => None,
    }
}
