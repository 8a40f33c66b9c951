//! The commands that sell.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::{arity, conflict, error, int, ok, refusal, syntax};
use super::arguments::{Args, Options};
use super::base::{Answer, Attributes, Bytes};
use super::config::Config;
use super::limit::{Count, Limit};
use super::pool::Pool;
use super::pools::Reference;
use super::records::{closed, Order, ReturnToken, State};
use crate::reply::Reply;

impl Reference {
    pub(super) fn reserve(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let qty = args.quantity()?;
        let options = args.options(now, &["EX", "PARTIAL", "REPLACES", "FOR"])?;
        refuse_itself(&id, options.replaces.as_ref())?;
        self.write(now, &key, |pool, config| reserve_one(pool, config, now, &key, &id, qty, options))
    }

    pub(super) fn confirm(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let options = args.options(now, &["QTY", "LATE", "SINCE", "FOR"])?;
        if !options.late && (options.since_ms.is_some() || options.attributes.is_some()) {
            return Err(syntax());
        }
        self.write(now, &key, |pool, config| confirm_one(pool, config, now, &key, &id, options))
    }

    pub(super) fn release(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        args.end()?;
        self.write(now, &key, |pool, config| release_one(pool, config, now, &key, &id))
    }

    pub(super) fn amend(&mut self, now: i128, mut args: Args) -> Answer {
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
                pool.refuse_outside_the_sale(now, &key, None)?;
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

    pub(super) fn split(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let new = args.id()?;
        let qty = args.quantity()?;
        args.end()?;
        refuse_same(&id, &new)?;
        self.write(now, &key, |pool, config| split_one(pool, config, now, &key, &id, &new, qty))
    }

    pub(super) fn extend(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let Some(deadline_ms) = args.options(now, &["EX"])?.deadline_ms else {
            return Err(arity());
        };
        self.write(now, &key, |pool, _| extend_one(pool, now, &key, &id, deadline_ms))
    }

    pub(super) fn give_back(&mut self, now: i128, mut args: Args) -> Answer {
        let key = args.key()?;
        let id = args.id()?;
        let options = args.options(now, &["QTY", "TOKEN", "LATE", "KEEPUSAGE", "NORESTOCK", "FOR"])?;
        options.return_token()?;
        if options.attributes.is_some() && (!options.late || options.keep_usage) {
            return Err(syntax());
        }
        self.write(now, &key, |pool, config| return_one(pool, config, now, &key, &id, options))
    }
}

pub(super) fn reserve_one(
    pool: &mut Pool,
    config: &Config,
    now: i128,
    key: &[u8],
    id: &[u8],
    qty: i128,
    options: Options,
) -> Answer {
    let partial = options.partial;
    let attributes = options.attributes.unwrap_or_default();
    match pool.state_of(now, id) {
        None => {}
        Some(State::Expired) => return Err(closed(key, State::Expired)),
        Some(State::Released) => return Err(closed(key, State::Released)),
        Some(State::Returned) => return Err(closed(key, State::Returned)),
        Some(State::Reserved | State::Confirmed) => {
            pool.orders[id].refuse_other_content(qty, partial, &attributes)?;
            return Err(pool.exists(key, id));
        }
    }
    if let Some(old) = &options.replaces {
        refuse_paid(pool, now, key, old)?;
        give_up(pool, config, now, key, old, true)?;
    }
    pool.refuse_too_many_orders(config)?;
    let deadline_ms = match options.deadline_ms {
        Some(deadline_ms) if deadline_ms <= now => return Err(error("the deadline is over")),
        Some(deadline_ms) => deadline_ms,
        None => now + pool.hold_ms(config),
    };
    reserve_new(pool, now, key, id, qty, partial, &attributes, deadline_ms)
}

pub(super) fn confirm_one(
    pool: &mut Pool,
    config: &Config,
    now: i128,
    key: &[u8],
    id: &[u8],
    options: Options,
) -> Answer {
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
            if options.attributes.is_some_and(|attributes| attributes != *pool.orders[id].attributes) {
                return Err(conflict("the attributes differ"));
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

pub(super) fn release_one(pool: &mut Pool, config: &Config, now: i128, key: &[u8], id: &[u8]) -> Answer {
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

/// REPLACES: an order cannot replace itself.
pub(super) fn refuse_itself(id: &[u8], old: Option<&Bytes>) -> Result<(), Reply> {
    match old.is_some_and(|old| old == id) {
        true => Err(error("an order cannot replace itself")),
        false => Ok(()),
    }
}

/// SPLIT: the part is another order.
pub(super) fn refuse_same(id: &[u8], new: &[u8]) -> Result<(), Reply> {
    match id == new {
        true => Err(error("the part needs an id of its own")),
        false => Ok(()),
    }
}

/// SPLIT: some units of a hold become an order of their own.
pub(super) fn split_one(
    pool: &mut Pool,
    config: &Config,
    now: i128,
    key: &[u8],
    id: &[u8],
    new: &[u8],
    qty: i128,
) -> Answer {
    match pool.state_of(now, new) {
        None => {}
        Some(State::Reserved | State::Confirmed) => {
            let part = &pool.orders[new];
            if part.asked != qty || part.partial {
                return Err(conflict("the order has other content"));
            }
            let whole = pool.orders.get(id).filter(|whole| whole.asked > 0 && !whole.vouched);
            if whole.is_some_and(|whole| *whole.attributes != *part.attributes) {
                return Err(conflict("the attributes differ"));
            }
            return Err(pool.exists(key, new));
        }
        Some(state) => return Err(closed(key, state)),
    }
    open_order(pool, now, key, id)?;
    let whole = pool.orders[id].clone();
    if qty >= whole.qty {
        return Err(conflict("the order holds no more than that"));
    }
    pool.refuse_too_many_orders(config)?;
    // Units stay counted where they are. Where orders are counted there is one more of them, in the
    // same usage.
    let mut charges = Vec::new();
    for place in 0..pool.limits.len() {
        let limit: &mut Limit = &mut pool.limits[place];
        let Some(charge) = whole.charges.iter().find(|charge| charge.limit == limit.id) else {
            continue;
        };
        let mut charge = charge.clone();
        match limit.count {
            Count::Units => charge.amount = qty,
            Count::Orders => {
                charge.amount = 1;
                let counts = limit.usage.get(&charge.values).map(|usage| usage.instance);
                let is_over = charge.counted_in.is_some() && counts != charge.counted_in;
                let is_over = is_over && !limit.counts_in_a_sub_window(&charge.values, charge.counted_in);
                if !is_over && !limit.allows(&charge.values, 1) {
                    return Err(limit.refusal(now, key, &charge.values, 1, 0));
                }
                limit.count_again(&charge.values, charge.counted_in);
                for usages in [&mut limit.usage, &mut limit.over_usage] {
                    let usage = usages.get_mut(&charge.values);
                    if let Some(usage) = usage.filter(|usage| Some(usage.instance) == charge.counted_in) {
                        usage.used += 1;
                    }
                }
            }
        }
        charges.push(charge);
    }
    let units_at = |limit: u64| pool.limits.iter().any(|at| at.id == limit && at.count == Count::Units);
    let mut left = whole.charges.clone();
    left.iter_mut().filter(|charge| units_at(charge.limit)).for_each(|charge| charge.amount -= qty);
    let before = pool.could;
    let rest = whole.qty - qty;
    let order = pool.known(id);
    order.qty = rest;
    order.charges = left;
    pool.change();
    pool.tell("amended", Some(id), rest);
    pool.told.last_mut().expect("it was told").edge = None;
    pool.could = before;
    pool.change();
    let part = Order {
        counted: whole.counted.clone(),
        remember: whole.remember.clone(),
        charges,
        deadline_ms: whole.deadline_ms,
        arrival: pool.next_serial(),
        ..finished(now, State::Reserved, qty, Attributes::clone(&whole.attributes))
    };
    pool.orders.insert(new.into(), part.into());
    pool.tell("reserved", Some(new), qty);
    Ok(ok(&[int(qty), int(rest), int(whole.deadline_ms)]))
}

/// REPLACES: what is paid is not replaced.
pub(super) fn refuse_paid(pool: &Pool, now: i128, key: &[u8], old: &[u8]) -> Result<(), Reply> {
    match pool.state_of(now, old) {
        Some(State::Confirmed) => Err(refusal("CONFIRMED", key)),
        _ => Ok(()),
    }
}

/// REPLACES: what the old order has comes back. `taken_again`: a new order takes units in the same
/// step, and only what both do together is an edge.
pub(super) fn give_up(
    pool: &mut Pool,
    config: &Config,
    now: i128,
    key: &[u8],
    old: &[u8],
    taken_again: bool,
) -> Result<(), Reply> {
    match pool.state_of(now, old) {
        None | Some(State::Confirmed | State::Released | State::Returned) => return Ok(()),
        // Due, but behind too many others: it expires first, and that is a change of its own.
        Some(State::Expired) if pool.orders[old].state == State::Reserved => pool.expire(now, old),
        Some(State::Reserved | State::Expired) => {}
    }
    let before = pool.could;
    release_one(pool, config, now, key, old)?;
    if taken_again {
        pool.could = before;
        pool.told.last_mut().expect("the release was told").edge = None;
    }
    Ok(())
}

pub(super) fn extend_one(pool: &mut Pool, now: i128, key: &[u8], id: &[u8], deadline_ms: i128) -> Answer {
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

pub(super) fn return_one(
    pool: &mut Pool,
    config: &Config,
    now: i128,
    key: &[u8],
    id: &[u8],
    options: Options,
) -> Answer {
    let (late, no_restock) = (options.late, options.no_restock);
    let token = options.return_token()?;
    pool.fix_memory(config);
    match pool.state_of(now, id) {
        None => {
            let Some((_, content)) = token.as_ref().filter(|_| late) else {
                return Err(refusal("NOORDER", key));
            };
            pool.refuse_too_many_orders(config)?;
            if let Some(attributes) = &options.attributes {
                pool.credit(now, content.qty, attributes);
            }
            let mut order = finished(now, State::Returned, content.qty, Attributes::new());
            order.vouched = true;
            pool.orders.insert(id.into(), order.into());
        }
        Some(State::Reserved) => return Err(refusal("RESERVED", key)),
        Some(state @ (State::Expired | State::Released)) => return Err(closed(key, state)),
        Some(State::Confirmed | State::Returned) => {
            return_known(pool, now, key, id, token.as_ref(), &options)?;
        }
    }
    let order = pool.known(id);
    let back = match &token {
        Some((_, content)) => content.qty,
        None => order.left(),
    };
    let name = token.as_ref().map(|(name, _)| name.clone());
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
    pool.tell_token("returned", Some(id), back, name);
    Ok(ok(&[int(back), pool.shown_available(), int(pool.sold)]))
}

/// An order that ends as it begins: cancelled before it was known, vouched for, or paid late.
pub(super) fn finished(now: i128, state: State, qty: i128, attributes: Attributes) -> Order {
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
        remember: BTreeSet::new(),
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn reserve_new(
    pool: &mut Pool,
    now: i128,
    key: &[u8],
    id: &[u8],
    asked: i128,
    partial: bool,
    attributes: &Attributes,
    deadline_ms: i128,
) -> Answer {
    let (qty, places) = pool.judge(now, key, attributes, asked, partial, None, |_| true)?;
    pool.change();
    let order = Order {
        asked,
        partial,
        counted: limits_at(pool, &places),
        charges: pool.charge(now, attributes, qty, &places),
        deadline_ms,
        arrival: pool.next_serial(),
        remember: pool.policy.remember.clone(),
        ..finished(now, State::Reserved, qty, attributes.clone())
    };
    pool.orders.insert(id.into(), order.into());
    pool.tell("reserved", Some(id), qty);
    Ok(ok(&[int(qty), pool.shown_available(), int(deadline_ms)]))
}

pub(super) fn limits_at(pool: &Pool, places: &[usize]) -> BTreeSet<u64> {
    places.iter().map(|&place| pool.limits[place].id).collect()
}

/// A hold becomes a sale of this quantity.
pub(super) fn pay(pool: &mut Pool, now: i128, id: &[u8], qty: i128, kind: &'static str) -> Reply {
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
pub(super) fn confirm_expired(
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
    // As for AMEND: a limit that let it pass without the dimension does so still, whatever it says
    // of others now.
    let looked = |limit: &Limit| order.counted.contains(&limit.id);
    let (qty, places) = pool.judge(now, key, &order.attributes, qty, false, Some(order.placed_ms), looked)?;
    let charges = pool.charge(now, &order.attributes, qty, &places);
    pool.known(id).charges = charges;
    Ok(pay(pool, now, id, qty, "late"))
}

/// `CONFIRM … LATE` of an order that the pool does not know.
#[allow(clippy::too_many_arguments)]
pub(super) fn confirm_unknown(
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
    let (qty, places) = pool.judge(now, key, &attributes, qty, false, Some(since_ms), older)?;
    let order = Order {
        counted: limits_at(pool, &places),
        charges: pool.charge(now, &attributes, qty, &places),
        placed_ms: since_ms,
        remember: pool.policy.remember.clone(),
        ..finished(now, State::Confirmed, qty, attributes)
    };
    pool.orders.insert(id.into(), order.into());
    Ok(pay(pool, now, id, qty, "late"))
}

/// What AMEND and EXTEND answer unless the order is reserved.
pub(super) fn open_order(pool: &Pool, now: i128, key: &[u8], id: &[u8]) -> Result<(), Reply> {
    match pool.state_of(now, id) {
        None => Err(refusal("NOORDER", key)),
        Some(State::Reserved) => Ok(()),
        Some(State::Expired) => Err(refusal("EXPIRED", key)),
        Some(State::Confirmed) => Err(refusal("CONFIRMED", key)),
        Some(state @ (State::Released | State::Returned)) => Err(closed(key, state)),
    }
}

/// AMEND up: the new total is checked as if it were placed now, with the order's own share given
/// back; then it counts in the current windows.
pub(super) fn amend_usage(pool: &mut Pool, now: i128, key: &[u8], id: &[u8], qty: i128) -> Result<(), Reply> {
    // A refusal shows what the buyer has used, with the order's own share.
    let before = pool.limits.clone();
    pool.uncharge(id, |_, charge| charge.amount);
    let mut charges = pool.orders[id].charges.clone();
    // Limits that are removed no longer look; the others in the order in which they were set.
    charges.retain(|charge| pool.limits.iter().any(|limit| limit.id == charge.limit));
    charges.sort_by_key(|charge| pool.limits.iter().position(|limit| limit.id == charge.limit));
    for charge in &charges {
        let limit = pool.limits.iter().find(|limit| limit.id == charge.limit);
        let limit = limit.expect("it is still there");
        if !limit.allows(&charge.values, qty) {
            let used = limit.used(&charge.values);
            let limit = before.iter().find(|limit| limit.id == charge.limit);
            let limit = limit.expect("it is still there");
            let held = limit.used(&charge.values) - used;
            return Err(limit.refusal(now, key, &charge.values, qty, held));
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
pub(super) fn return_known(
    pool: &mut Pool,
    now: i128,
    key: &[u8],
    id: &[u8],
    token: Option<&(Bytes, ReturnToken)>,
    options: &Options,
) -> Result<(), Reply> {
    let order = &pool.orders[id];
    let (late, keep_usage) = (options.late, options.keep_usage);
    if !order.vouched && options.attributes.as_ref().is_some_and(|attributes| *attributes != *order.attributes) {
        return Err(conflict("the attributes differ"));
    }
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
        if let Some(attributes) = &options.attributes {
            pool.credit(now, back, attributes);
        }
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
