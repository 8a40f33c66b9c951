//! The pool: its orders, what they count, and the refusals that every command shares.

use std::collections::BTreeMap;

use super::answers::{error, int, refusal, words};
use super::base::{Attributes, Bytes, Id, Shared, Values, MAX_QTY, SLACK_MS};
use super::config::Config;
use super::limit::{Count, Limit, Usage};
use super::records::{AddToken, Charge, EventRef, Order, Policy, Sale, Shifts, State};
use super::window::Window;
use crate::reply::Reply;

#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    /// None: unlimited.
    pub(super) on_hand: Option<i128>,
    pub(super) sold: i128,
    pub(super) out: i128,
    pub(super) suspended: bool,
    pub(super) policy: Policy,
    /// What the outside world was told of the sale window.
    pub(super) told_sale: Sale,
    pub(super) limits: Vec<Shared<Limit>>,
    pub(super) shifts: Shared<Shifts>,
    pub(super) orders: BTreeMap<Id, Shared<Order>>,
    pub(super) add_tokens: BTreeMap<Bytes, AddToken>,
    /// Orders and tokens that are forgotten, unless the clock steps back within [`SLACK_MS`].
    pub(super) over_orders: BTreeMap<Id, Shared<Order>>,
    pub(super) over_tokens: BTreeMap<Bytes, AddToken>,
    /// The latest placement among the orders that are forgotten.
    pub(super) forgotten_ms: Option<i128>,
    /// The shortest time for which an order was to be remembered once it was finished.
    pub(super) shortest_retain_ms: Option<i128>,
    pub(super) seq: i64,
    /// Counts arrivals at deadlines, and limits: both only need to be told apart.
    pub(super) serial: u64,
    /// What the outside world was told of, since the last look.
    pub(super) told: Vec<EventRef>,
    /// What could be reserved after the last change, where the pool counts.
    pub(super) could: Option<i128>,
    /// Where each epoch ends here, as far as it is known: (epoch, seq, out).
    pub(super) epochs: Vec<(Bytes, i64, i128)>,
    /// The next change is in another one.
    pub(super) epoch_ends: bool,
}

impl Pool {
    pub(super) fn change(&mut self) {
        self.seq += 1;
    }

    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn reserved(&self) -> i128 {
        self.orders.values().filter(|order| order.state == State::Reserved).map(|order| order.qty).sum()
    }

    /// What can be reserved now, negative where something is missing; none where there is no end.
    pub(super) fn available(&self) -> Option<i128> {
        Some(self.on_hand? - self.reserved() - self.policy.safety)
    }

    pub(super) fn shown_available(&self) -> Reply {
        int(self.available().map_or(-1, |units| units.max(0)))
    }

    pub(super) fn has_room_for(&self, units: i128) -> bool {
        self.available().is_none_or(|available| available >= units)
    }

    /// How long a hold lasts where the call does not say.
    pub(super) fn hold_ms(&self, config: &Config) -> i128 {
        self.policy.hold_s.unwrap_or(config.hold_s.into()) * 1000
    }

    pub(super) fn retain_ms(&self, state: State, config: &Config) -> Option<i128> {
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
    pub(super) fn fix_memory(&mut self, config: &Config) {
        let open = |order: &Order| order.state != State::Reserved && order.forget_ms.is_none();
        let finished: Vec<_> = self.orders.iter().filter(|(_, order)| open(order)).map(|(id, _)| id.clone()).collect();
        for id in finished {
            let order = &self.orders[&id];
            let retain_ms = self.retain_ms(order.state, config);
            let forget_ms = retain_ms.map(|ms| order.changed_ms + ms);
            self.shortest_retain_ms = self.shortest_retain_ms.into_iter().chain(retain_ms).min();
            self.known(&id).forget_ms = forget_ms;
        }
        let retain_paid_ms = self.retain_ms(State::Confirmed, config).unwrap_or(0);
        for token in self.add_tokens.values_mut() {
            token.forget_ms.get_or_insert(token.at_ms + retain_paid_ms);
        }
    }

    /// Sets aside what is over: finished orders past their time, old tokens, usage of past windows.
    /// What was set aside comes back where the clock has stepped back, unless something newer took
    /// its place.
    pub(super) fn forget(&mut self, now: i128) {
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
        for limit in self.limits.iter_mut().filter(|limit| matches!(limit.window, Window::Rolling(_))) {
            limit.looked_ms = now;
        }
        for limit in &mut self.limits {
            let start = limit.tz.bounds(limit.window, now).0;
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
    pub(super) fn orders_stay(&self, now: i128) -> bool {
        let over = |forget_ms: Option<i128>, slack: i128| forget_ms.is_some_and(|at_ms| now >= at_ms + slack);
        let stays_over = |(id, order): (&Id, &Shared<Order>)| {
            over(order.forget_ms, 0) && !over(order.forget_ms, SLACK_MS) && !self.orders.contains_key(id)
        };
        self.over_orders.iter().all(stays_over) && !self.orders.values().any(|order| over(order.forget_ms, 0))
    }

    /// Returns due holds, the earliest deadline first; how many.
    pub(super) fn return_due(&mut self, now: i128, at_most: usize) -> usize {
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

    pub(super) fn expire(&mut self, now: i128, id: &[u8]) {
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
    pub(super) fn within_bounds(&self) -> bool {
        let reserved = self.reserved();
        let mut sums = vec![reserved, self.sold, self.out];
        if let Some(on_hand) = self.on_hand {
            let sellable = on_hand - self.policy.safety;
            sums.extend([on_hand, sellable, sellable - reserved]);
        }
        sums.extend(self.orders.values().map(|order| order.qty));
        for limit in &self.limits {
            sums.extend(limit.usage.values().map(|usage| usage.used));
            sums.extend(limit.sub_windows.keys().map(|values| limit.used(values)));
        }
        sums.iter().all(|sum| sum.abs() <= MAX_QTY)
    }

    /// An order that is there.
    pub(super) fn known(&mut self, id: &[u8]) -> &mut Order {
        self.orders.get_mut(id).expect("the order is known")
    }

    pub(super) fn state_of(&self, now: i128, id: &[u8]) -> Option<State> {
        self.orders.get(id).map(|order| order.state_at(now))
    }

    pub(super) fn units_leave(&mut self, qty: i128) {
        self.on_hand = self.on_hand.map(|units| units - qty);
        self.sold += qty;
        self.out += qty;
    }

    pub(super) fn units_come_back(&mut self, qty: i128, no_restock: bool) {
        self.sold -= qty;
        if !no_restock {
            self.on_hand = self.on_hand.map(|units| units + qty);
            self.out -= qty;
        }
    }

    // --- usage ---

    /// Counts units of an order with the limits at these places, in their current windows.
    pub(super) fn charge(&mut self, now: i128, attributes: &Attributes, qty: i128, places: &[usize]) -> Vec<Charge> {
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
    pub(super) fn uncharge(&mut self, id: &[u8], how_much: impl Fn(&Limit, &Charge) -> i128) {
        let mut order = self.orders.remove(id).expect("the order is known");
        for charge in &mut order.charges {
            let Some(limit) = self.limits.iter_mut().find(|limit| limit.id == charge.limit) else {
                continue;
            };
            let amount = how_much(limit, charge);
            charge.amount -= amount;
            if let Some(instance) = charge.counted_in {
                limit.uncount_sub_window(&charge.values, instance, amount);
            }
            let counted = limit.usage.get_mut(&charge.values);
            if let Some(usage) = counted.filter(|usage| Some(usage.instance) == charge.counted_in) {
                usage.used -= amount;
                usage.credit = usage.credit.min(usage.used);
            }
            // Nothing used is no usage: it holds no window.
            limit.usage.retain(|_, usage| usage.used > 0);
        }
        self.orders.insert(id.into(), order);
    }

    pub(super) fn uncharge_all(&mut self, id: &[u8]) {
        self.uncharge(id, |_, charge| charge.amount);
        self.known(id).charges.clear();
    }

    /// Some of the units come back, and the order goes on.
    pub(super) fn uncharge_units(&mut self, id: &[u8], qty: i128) {
        self.uncharge(id, |limit, _| match limit.count {
            Count::Units => qty,
            Count::Orders => 0,
        });
    }

    /// Gives units of a forgotten order back to the limits that can have counted it: those that are
    /// as old as any forgotten order, whose window is, too.
    pub(super) fn credit(&mut self, now: i128, qty: i128, attributes: &Attributes) {
        let Some(retain_ms) = self.shortest_retain_ms else { return };
        for limit in &mut self.limits {
            let started = if limit.repeats() { limit.tz.bounds(limit.window, now).0 } else { 0 };
            if limit.count != Count::Units || limit.set_ms.max(started) > now - retain_ms {
                continue;
            }
            let Some(values) = limit.values(attributes) else { continue };
            if let Some(usage) = limit.usage.get_mut(&*values) {
                usage.credit = (usage.credit + qty).min(usage.used);
            }
        }
    }

    // --- answers ---

    pub(super) fn exists(&self, key: &[u8], id: &[u8]) -> Reply {
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

    pub(super) fn sold_out(&self, key: &[u8]) -> Reply {
        words(&[Reply::bulk("SOLDOUT"), Reply::bulk(key), self.shown_available()])
    }

    pub(super) fn refuse_suspended(&self, key: &[u8]) -> Result<(), Reply> {
        match self.suspended {
            true => Err(refusal("SUSPENDED", key)),
            false => Ok(()),
        }
    }

    pub(super) fn refuse_too_many_orders(&self, config: &Config) -> Result<(), Reply> {
        match self.orders.len() >= config.max_orders {
            true => Err(error("the pool has too many orders")),
            false => Ok(()),
        }
    }

    // --- taking units ---

    /// Which of these limits look at an order with these attributes; an error where one misses a
    /// dimension.
    pub(super) fn applicable(
        &self,
        attributes: &Attributes,
        which: impl Fn(&Limit) -> bool,
    ) -> Result<Vec<usize>, Reply> {
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

    /// SUSPENDED, EARLY, ENDED, NODIM, SOLDOUT, LIMITED, in this order; else the quantity that can
    /// be had and the limits that count it. `placed`: when an order that is paid late had been
    /// placed.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn judge(
        &self,
        now: i128,
        key: &[u8],
        attributes: &Attributes,
        qty: i128,
        partial: bool,
        placed: Option<i128>,
        which: impl Fn(&Limit) -> bool,
    ) -> Result<(i128, Vec<usize>), Reply> {
        self.refuse_suspended(key)?;
        self.refuse_outside_the_sale(now, key, placed)?;
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
                return Err(limit.refusal(now, key, &values, least, 0));
            }
            most = most.min(limit.largest(&values, most));
        }
        Ok((if partial { most } else { qty }, places))
    }
}
