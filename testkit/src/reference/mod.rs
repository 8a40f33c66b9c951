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

mod answers;
mod arguments;
mod batch;
mod carts;
mod limit;
mod limits;
mod merge;
mod policy;
mod pool;
mod reading;
mod schedule;
mod selling;
mod shifts;
mod stock;
pub mod told;
mod transfer;
mod zone;

use answers::{arity, closed, conflict, error, int, map, ok, refusal, status_ok, syntax, words};
use arguments::{identifier, number, parse_offset, valid_by, valid_dim, within, Args, Options};
pub use limit::month_of;
use limit::{Count, Limit, Usage, Window};
use limits::{missing_text, new_limit, offset_text, override_pattern};
use policy::{bytes_to_json, calendar_window, parse_policy};
use pool::{AddToken, Order, Policy, Pool, ReturnToken, State};
use schedule::Sale;
use selling::{
    confirm_one, extend_one, give_up, refuse_itself, refuse_paid, refuse_same, release_one, reserve_new, reserve_one,
    return_one, split_one,
};
pub use zone::{tables as zone_tables, zone_window, Table as ZoneTable, Tz};

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
    pub tz: Tz,
}

impl Default for Config {
    fn default() -> Self {
        Config { hold_s: 900, retain_s: 86_400, retain_paid_s: 604_800, max_orders: 10_000_000, tz: Tz::Offset(0) }
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
            b"STOCK.RESERVEBATCH" => self.reserve_batch(now, args),
            b"STOCK.CONFIRMBATCH" => self.confirm_batch(now, args),
            b"STOCK.RELEASE" => self.release(now, args),
            b"STOCK.AMEND" => self.amend(now, args),
            b"STOCK.SPLIT" => self.split(now, args),
            b"STOCK.EXTEND" => self.extend(now, args),
            b"STOCK.RETURN" => self.give_back(now, args),
            b"STOCK.MRESERVE" => self.cart(now, carts::Kind::Reserve, args),
            b"STOCK.MCONFIRM" => self.cart(now, carts::Kind::Confirm, args),
            b"STOCK.MSPLIT" => self.cart(now, carts::Kind::Split, args),
            b"STOCK.MRELEASE" => self.cart(now, carts::Kind::Release, args),
            b"STOCK.MEXTEND" => self.cart(now, carts::Kind::Extend, args),
            b"STOCK.MRETURN" => self.cart(now, carts::Kind::Return, args),
            b"STOCK.SET" => self.set(now, args),
            b"STOCK.ADD" => self.add(now, args),
            b"STOCK.TRANSFER" => self.transfer(now, args),
            b"STOCK.RECONCILE" => self.reconcile(now, args),
            b"STOCK.SHIFT" => self.shift_to_or_from(now, args),
            b"STOCK.SHIFTS" => self.shifts(now, args),
            b"STOCK.SUSPEND" => self.suspend(now, args, true),
            b"STOCK.RESUME" => self.suspend(now, args, false),
            b"STOCK.SETPOLICY" => self.set_policy(now, args),
            b"STOCK.SCHEDULE" => self.schedule(now, args),
            b"STOCK.SWEEP" => self.sweep(now, args),
            b"STOCK.LIMIT" => self.limit(now, args),
            b"STOCK.UNLIMIT" => self.unlimit(now, args),
            b"STOCK.LIMITS" => self.limits(now, args),
            b"STOCK.USAGE" => self.usage(now, args),
            b"STOCK.GET" => self.get(now, args),
            b"STOCK.AVAILABLE" => self.available(now, args),
            b"STOCK.CHECK" => self.check(now, args),
            b"STOCK.EXPLAIN" => self.explain(now, args),
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
        pool.tell_of_the_sale(now);
        pool.return_due(now, DUE_PER_WRITE);
        pool.fix_memory(&self.config);
        Some(pool)
    }

    /// Runs an operation on an existing pool, and keeps what it changed.
    fn write(&mut self, now: i128, key: &[u8], operation: impl FnOnce(&mut Pool, &Config) -> Answer) -> Answer {
        let Some(mut pool) = self.view(now, key) else {
            return Err(words(&[Reply::bulk("NOPOOL"), Reply::bulk(key)]));
        };
        let answer = pool.attempt(&self.config, operation);
        self.keep_one(key, pool);
        answer
    }

    /// Keeps a copy of an existing pool, if something has changed on it.
    fn keep_one(&mut self, key: &[u8], pool: Pool) {
        if pool.seq != self.pools[key].seq {
            self.pools.insert(key.to_vec(), pool.into());
        }
    }
}

impl Pool {
    /// Runs an operation on a copy, which takes the place of the pool where the operation succeeds.
    fn attempt(&mut self, config: &Config, operation: impl FnOnce(&mut Pool, &Config) -> Answer) -> Answer {
        let mut next = self.clone();
        let mut answer = operation(&mut next, config);
        next.spread_shares();
        next.fix_memory(config);
        if answer.is_ok() {
            match next.within_bounds() {
                true => *self = next,
                false => answer = Err(error("a sum would be out of range")),
            }
        }
        answer
    }
}
