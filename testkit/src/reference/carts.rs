//! Carts: one order in several pools, all or none.
//!
//! A cart works on copies of all its pools. First the due holds come back in each of them: these
//! copies are kept, whatever is answered. Then each pool goes through what the single command does,
//! on a second copy, and these are kept together or not at all.

use std::collections::BTreeMap;

use super::answers::{arity, conflict, error, int, ok, refusal, syntax};
use super::arguments::{number, within, Args, Options};
use super::base::{Answer, Attributes, Bytes, MAX_QTY};
use super::config::Config;
use super::pool::Pool;
use super::pools::Reference;
use super::records::{closed, State};
use super::selling::{
    confirm_one, extend_one, give_up, refuse_itself, refuse_paid, refuse_same, release_one, reserve_new, return_one,
    split_one,
};
use crate::reply::Reply;

/// The single command that a cart repeats in each pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Reserve,
    Confirm,
    Split,
    Release,
    Extend,
    Return,
}

/// A call as it was read: each pool once, at its first place.
struct Cart {
    order: Bytes,
    keys: Vec<Bytes>,
    /// By pool, the quantities of the call; empty where it says none.
    wanted: Vec<i128>,
    /// MSPLIT: the order that the units go to.
    part: Option<Bytes>,
    options: Options,
}

impl Reference {
    /// A cart at one time.
    pub(super) fn cart(&mut self, now: i128, kind: Kind, args: Args) -> Answer {
        let cart = read(now, kind, args)?;
        let mut pools = self.views(now, &cart.keys)?;
        let answer = match kind {
            Kind::Reserve => reserve(&mut pools, &self.config, now, &cart),
            kind => repeat(&mut pools, &self.config, now, kind, &cart),
        };
        if answer.is_ok() {
            self.keep(&cart.keys, pools);
        }
        answer
    }

    /// Copies of several pools as a write finds them. Due holds that this returns are kept.
    pub(super) fn views(&mut self, now: i128, keys: &[Bytes]) -> Result<Vec<Pool>, Reply> {
        let views: Vec<Option<Pool>> = keys.iter().map(|key| self.view(now, key)).collect();
        for (key, view) in keys.iter().zip(&views) {
            if let Some(pool) = view {
                self.keep(std::slice::from_ref(key), vec![pool.clone()]);
            }
        }
        keys.iter().zip(views).map(|(key, view)| view.ok_or_else(|| refusal("NOPOOL", key))).collect()
    }

    /// Keeps those that have changed.
    pub(super) fn keep(&mut self, keys: &[Bytes], pools: Vec<Pool>) {
        for (key, pool) in keys.iter().zip(pools) {
            if pool.seq != self.pools[key].seq {
                self.pools.insert(key.clone(), pool.into());
            }
        }
    }
}

/// `order numkeys key [key ...]`, for some of them `QTY qty [qty ...]`, and the options that the
/// single command has.
fn read(now: i128, kind: Kind, mut args: Args) -> Result<Cart, Reply> {
    let order = args.id()?;
    let part = if kind == Kind::Split { Some(args.id()?) } else { None };
    let count = within(number(&args.next()?)?, 1, 128)?;
    let mut named = Vec::new();
    for _ in 0..count {
        named.push(args.key()?);
    }
    let mut sums: BTreeMap<Bytes, i128> = BTreeMap::new();
    let mut nothing = false;
    let late_first = kind == Kind::Confirm && args.take_word(b"LATE");
    let has_qty = match kind {
        Kind::Reserve | Kind::Split => {
            if !args.next()?.eq_ignore_ascii_case(b"QTY") {
                return Err(syntax());
            }
            true
        }
        Kind::Confirm => args.take_word(b"QTY"),
        Kind::Release | Kind::Extend | Kind::Return => false,
    };
    if has_qty {
        let least = i128::from(kind != Kind::Reserve);
        for key in &named {
            let qty = within(number(&args.next()?)?, least, MAX_QTY)?;
            nothing |= qty == 0;
            *sums.entry(key.clone()).or_default() += qty;
        }
        for sum in sums.values() {
            within(*sum, 0, MAX_QTY)?;
        }
        within(sums.values().sum(), 1, i128::MAX)?;
    }
    let mut options = args.options(
        now,
        match kind {
            Kind::Reserve => &["EX", "REPLACES", "FOR"],
            Kind::Confirm if late_first => &[],
            Kind::Confirm => &["LATE"],
            Kind::Release | Kind::Split => &[],
            Kind::Extend => &["EX"],
            Kind::Return => &["KEEPUSAGE", "NORESTOCK"],
        },
    )?;
    options.late |= late_first;
    if let Some(part) = &part {
        refuse_same(&order, part)?;
    }
    if nothing && options.replaces.is_none() {
        return Err(error("a quantity is 0"));
    }
    refuse_itself(&order, options.replaces.as_ref())?;
    if kind == Kind::Extend && options.deadline_ms.is_none() {
        return Err(arity());
    }
    let mut keys: Vec<Bytes> = Vec::new();
    for key in named {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let wanted = keys.iter().filter_map(|key| sums.get(key).copied()).collect();
    Ok(Cart { order, keys, wanted, part, options })
}

/// Fixes what a pool remembers, and looks at its sums.
pub(super) fn settle(pool: &mut Pool, config: &Config) -> Result<(), Reply> {
    pool.fix_memory(config);
    match pool.within_bounds() {
        true => Ok(()),
        false => Err(error("a sum would be out of range")),
    }
}

fn reserve(pools: &mut [Pool], config: &Config, now: i128, cart: &Cart) -> Answer {
    let Cart { order, keys, wanted, options, .. } = cart;
    let attributes = options.attributes.clone().unwrap_or_default();
    known(pools, now, cart, &attributes)?;
    if let Some(old) = &options.replaces {
        for (pool, key) in pools.iter().zip(keys) {
            refuse_paid(pool, now, key, old)?;
        }
    }
    let takes = pools.iter().zip(wanted).filter(|(_, qty)| **qty > 0);
    let shortest_ms = takes.map(|(pool, _)| pool.hold_ms(config)).min().unwrap_or_default();
    let deadline_ms = options.deadline_ms.unwrap_or(now + shortest_ms);
    for ((pool, key), qty) in pools.iter_mut().zip(keys).zip(wanted) {
        if let Some(old) = &options.replaces {
            give_up(pool, config, now, key, old, *qty > 0)?;
        }
        if *qty == 0 {
            settle(pool, config)?;
            continue;
        }
        if deadline_ms <= now {
            return Err(error("the deadline is over"));
        }
        pool.refuse_too_many_orders(config)?;
        reserve_new(pool, now, key, order, *qty, false, &attributes, deadline_ms)?;
        settle(pool, config)?;
    }
    Ok(ok(&[int(deadline_ms)]))
}

/// What the order's state says, over all pools: nothing where none knows it.
fn known(pools: &[Pool], now: i128, cart: &Cart, attributes: &Attributes) -> Result<(), Reply> {
    let states: Vec<Option<State>> = pools.iter().map(|pool| pool.state_of(now, &cart.order)).collect();
    for (state, key) in states.iter().zip(&cart.keys) {
        if let Some(state @ (State::Released | State::Expired | State::Returned)) = state {
            return Err(closed(key, *state));
        }
    }
    if states.iter().all(Option::is_none) {
        return Ok(());
    }
    for (pool, qty) in pools.iter().zip(&cart.wanted) {
        if let Some(order) = pool.orders.get(&*cart.order) {
            order.refuse_other_content(*qty, false, attributes)?;
        }
    }
    // A pool in which it takes nothing need not know it.
    let takes = || (0..pools.len()).filter(|place| cart.wanted[*place] > 0);
    if takes().any(|place| states[place].is_none()) {
        return Err(conflict("a pool does not know the order"));
    }
    let first = takes().next().expect("it takes something");
    Err(pools[first].exists(&cart.keys[first], &cart.order))
}

/// The single command in each pool. A pool where it is done already is passed over; the first other
/// refusal is the answer.
fn repeat(pools: &mut [Pool], config: &Config, now: i128, kind: Kind, cart: &Cart) -> Answer {
    let id = &cart.order;
    if kind == Kind::Release {
        let states: Vec<Option<State>> = pools.iter().map(|pool| pool.state_of(now, id)).collect();
        let nobody_has_it = states.iter().all(|state| matches!(state, None | Some(State::Released)));
        if let Some(first) = states.iter().position(Option::is_none) {
            if nobody_has_it {
                for (place, pool) in pools.iter_mut().enumerate() {
                    if states[place].is_none() {
                        release_one(pool, config, now, &cart.keys[place], id)?;
                        settle(pool, config)?;
                    }
                }
                return Ok(refusal("NOORDER", &cart.keys[first]));
            }
        }
    }
    let mut exists = Vec::new();
    for (place, (pool, key)) in pools.iter_mut().zip(&cart.keys).enumerate() {
        let answer = match kind {
            Kind::Reserve => unreachable!("a reservation has phases of its own"),
            Kind::Confirm => {
                let qty = cart.wanted.get(place).copied();
                let options = Options { late: cart.options.late, qty, ..Options::default() };
                confirm_one(pool, config, now, key, id, options)
            }
            Kind::Split => {
                let part = cart.part.as_ref().expect("it was read");
                split_one(pool, config, now, key, id, part, cart.wanted[place])
            }
            Kind::Release if pool.state_of(now, id).is_none() => Err(refusal("NOORDER", key)),
            Kind::Release => release_one(pool, config, now, key, id),
            Kind::Extend => extend_one(pool, now, key, id, cart.options.deadline_ms.expect("it was read")),
            Kind::Return => {
                let Options { keep_usage, no_restock, .. } = cart.options;
                return_one(pool, config, now, key, id, Options { keep_usage, no_restock, ..Options::default() })
            }
        };
        match answer {
            Ok(_) => settle(pool, config)?,
            Err(reply) if reply.word().as_deref() == Some("EXISTS") => exists.push(reply),
            Err(reply) => return Err(reply),
        }
    }
    match exists.len() == pools.len() {
        true => Err(exists.swap_remove(0)),
        false => Ok(ok(&[])),
    }
}
