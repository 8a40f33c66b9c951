//! What one call did to one pool, as bytes: for the append-only file and the replicas. Everything is resolved (time, deadline,
//! windows, quantity taken, epoch): whoever reads it needs no clock, no configuration and no chance.

use super::fields::{
    add_override, cap, events, identity, missing, offset, on_hand, put_cap, put_events, put_identity, put_missing,
    put_offset, put_on_hand, put_override, put_times, times, tuple,
};
use super::wire::{put, put_bytes, put_signed, Read, Reader};
use super::{Damage, VERSION};
use crate::core::attributes::Attributes;
use crate::core::change::{Change, Freed, LimitSet, OrderRef, Recount, Shares};
use crate::core::limit::{Overrides, TupleBuf, MAX_LIMITS};
use crate::core::order::{Order, ReturnContent, State};
use crate::core::policy::{Policy, PolicyLimit};
use crate::core::pool::{Pool, Stamp, Times};
use crate::core::quantity::MAX_UNITS;
use crate::core::usage::Share;

mod op {
    pub const CREATED: u8 = 1;
    pub const SET: u8 = 2;
    pub const ADDED: u8 = 3;
    pub const SUSPENDED: u8 = 4;
    pub const RESUMED: u8 = 5;
    pub const POLICY: u8 = 6;
    pub const LIMIT_SET: u8 = 7;
    pub const LIMIT_REMOVED: u8 = 8;
    pub const RESERVED: u8 = 9;
    pub const AMENDED: u8 = 10;
    pub const EXTENDED: u8 = 11;
    pub const CONFIRMED: u8 = 12;
    pub const LATE: u8 = 13;
    pub const LATE_PLACED: u8 = 14;
    pub const RELEASED: u8 = 15;
    pub const CANCELLED: u8 = 16;
    pub const EXPIRED: u8 = 17;
    pub const RETURNED: u8 = 18;
    pub const VOUCHED: u8 = 19;
    pub const FREED: u8 = 20;
}

/// Begins the effect of a call: its time, and the pool's last change before it.
pub fn begin(out: &mut Vec<u8>, now_ms: i64, seq: u64) {
    out.push(VERSION as u8);
    put_signed(out, now_ms);
    put(out, seq);
}

/// Adds a change, and the epoch that it brings in.
pub fn add(out: &mut Vec<u8>, pool: &Pool, now_ms: i64, new_epoch: Option<u64>, change: &Change<'_>) {
    // An operation's number, with the top bit set where an epoch follows.
    let mut code = |code: u8| {
        out.push(code | if new_epoch.is_some() { 0x80 } else { 0 });
        if let Some(epoch) = new_epoch {
            out.extend_from_slice(&epoch.to_le_bytes());
        }
    };
    match change {
        Change::Created { .. } => code(op::CREATED),
        Change::Set(_) => code(op::SET),
        Change::Added { .. } => code(op::ADDED),
        Change::Suspended => code(op::SUSPENDED),
        Change::Resumed => code(op::RESUMED),
        Change::Policy(_) => code(op::POLICY),
        Change::LimitSet(_) => code(op::LIMIT_SET),
        Change::LimitRemoved { .. } => code(op::LIMIT_REMOVED),
        Change::Reserved { .. } => code(op::RESERVED),
        Change::Amended { .. } => code(op::AMENDED),
        Change::Extended { .. } => code(op::EXTENDED),
        Change::Confirmed { .. } => code(op::CONFIRMED),
        Change::Late { .. } => code(op::LATE),
        Change::LatePlaced { .. } => code(op::LATE_PLACED),
        Change::Released { .. } => code(op::RELEASED),
        Change::Cancelled { .. } => code(op::CANCELLED),
        Change::Expired { .. } => code(op::EXPIRED),
        Change::Returned { .. } => code(op::RETURNED),
        Change::Vouched { .. } => code(op::VOUCHED),
        Change::Freed(_) => code(op::FREED),
    }
    let ahead = |at_ms: i64| at_ms.saturating_sub(now_ms);
    match change {
        Change::Created { salt, on_hand } => {
            put(out, *salt);
            put_on_hand(out, *on_hand);
        }
        Change::Set(on_hand) => put_on_hand(out, *on_hand),
        Change::Added { delta, token } => {
            put_signed(out, *delta);
            put_token(out, token.map(|(token, _)| token));
            if let Some((_, forget_ms)) = token {
                put_signed(out, ahead(*forget_ms));
            }
        }
        Change::Suspended | Change::Resumed => {}
        Change::Policy(policy) => put_policy(out, policy),
        Change::LimitSet(set) => put_limit_set(out, set),
        Change::LimitRemoved { id, pattern } => {
            put(out, u64::from(*id));
            out.push(u8::from(pattern.is_some()));
            if let Some(pattern) = pattern {
                put_bytes(out, pattern.as_slice());
            }
        }
        Change::Reserved { order, asked, qty, partial, deadline_ms, attributes, shares } => {
            put_bytes(out, order.id);
            put_signed(out, *qty);
            put_signed(out, asked.saturating_sub(*qty));
            out.push(u8::from(*partial));
            put_signed(out, ahead(*deadline_ms));
            put_attributes(out, attributes);
            put_shares(out, pool, shares, now_ms);
        }
        Change::LatePlaced { order, qty, placed_ms, attributes, shares, forget_ms } => {
            put_bytes(out, order.id);
            put_signed(out, *qty);
            put_signed(out, ahead(*placed_ms));
            put_signed(out, ahead(*forget_ms));
            put_attributes(out, attributes);
            put_shares(out, pool, shares, now_ms);
        }
        Change::Amended { order, qty, recount } => {
            put_bytes(out, order.id);
            put_signed(out, *qty);
            out.push(u8::from(recount.is_some()));
            if let Some(recount) = recount {
                put_recount(out, recount, now_ms);
            }
        }
        Change::Extended { order, deadline_ms } => {
            put_bytes(out, order.id);
            put_signed(out, ahead(*deadline_ms));
        }
        Change::Confirmed { order, qty, forget_ms } => {
            put_bytes(out, order.id);
            put_signed(out, *qty);
            put_signed(out, ahead(*forget_ms));
        }
        Change::Late { order, qty, recount, forget_ms } => {
            put_bytes(out, order.id);
            put_signed(out, *qty);
            put_signed(out, ahead(*forget_ms));
            put_recount(out, recount, now_ms);
        }
        Change::Released { order, forget_ms }
        | Change::Cancelled { order, forget_ms }
        | Change::Expired { order, forget_ms } => {
            put_bytes(out, order.id);
            put_signed(out, ahead(*forget_ms));
        }
        Change::Returned { order, token, content, forget_ms } => {
            put_bytes(out, order.id);
            put_signed(out, ahead(*forget_ms));
            put_token(out, *token);
            put_content(out, *content);
        }
        Change::Vouched { order, token, content, forget_ms } => {
            put_bytes(out, order.id);
            put_signed(out, ahead(*forget_ms));
            put_bytes(out, token);
            put_content(out, *content);
        }
        Change::Freed(freed) => put_freed(out, freed),
    }
}

fn put_token(out: &mut Vec<u8>, token: Option<&[u8]>) {
    out.push(u8::from(token.is_some()));
    if let Some(token) = token {
        put_bytes(out, token);
    }
}

fn put_content(out: &mut Vec<u8>, content: ReturnContent) {
    put_signed(out, content.qty);
    out.push(u8::from(content.keep_usage));
    out.push(u8::from(content.no_restock));
}

fn put_attributes(out: &mut Vec<u8>, attributes: &Attributes<'_>) {
    put(out, attributes.iter().len() as u64);
    for (name, value) in attributes.iter() {
        put_bytes(out, name);
        put_bytes(out, value);
    }
}

fn put_shares(out: &mut Vec<u8>, pool: &Pool, shares: &Shares, now_ms: i64) {
    put(out, shares.len() as u64);
    for share in shares {
        let id = pool.limits.get(usize::from(share.limit)).map_or(0, |l| l.id);
        put(out, u64::from(id));
        put_signed(out, now_ms.saturating_sub(share.window_ms));
    }
}

fn put_recount(out: &mut Vec<u8>, recount: &Recount, now_ms: i64) {
    put(out, recount.len() as u64);
    for &(id, window_ms) in recount {
        put(out, u64::from(id));
        put_signed(out, now_ms.saturating_sub(window_ms));
    }
}

fn put_policy(out: &mut Vec<u8>, policy: &Policy) {
    put_times(
        out,
        Times { hold_ms: policy.hold_ms, retain_ms: policy.retain_ms, retain_paid_ms: policy.retain_paid_ms },
    );
    put_signed(out, policy.safety);
    put_signed(out, policy.alert);
    put_events(out, policy.events.as_ref());
    put(out, policy.limits.len() as u64);
    for limit in &policy.limits {
        put_identity(out, &limit.identity);
        put_offset(out, limit.offset_min);
        put_missing(out, limit.missing);
        put_cap(out, limit.base);
        put(out, limit.overrides.len() as u64);
        for (pattern, cap) in limit.overrides.iter() {
            put_override(out, pattern, cap);
        }
    }
}

fn put_limit_set(out: &mut Vec<u8>, set: &LimitSet) {
    put_identity(out, &set.identity);
    out.push(u8::from(set.offset_min.is_some()));
    if let Some(offset_min) = set.offset_min {
        put_offset(out, offset_min);
    }
    out.push(u8::from(set.missing.is_some()));
    if let Some(missing) = set.missing {
        put_missing(out, missing);
    }
    out.push(u8::from(set.pattern.is_some()));
    if let Some(pattern) = &set.pattern {
        put_bytes(out, pattern.as_slice());
    }
    put_cap(out, set.cap);
}

fn put_freed(out: &mut Vec<u8>, freed: &Freed) {
    for n in [freed.orders, freed.tokens, freed.left, freed.pruned.len() as u32] {
        put(out, u64::from(n));
    }
    for &(place, n) in &freed.pruned {
        out.push(place);
        put(out, u64::from(n));
    }
}

/// An effect that is read back.
pub struct Effect<'a> {
    reader: Reader<'a>,
    /// The time of the call, Unix ms.
    pub now_ms: i64,
    /// The pool's last change before it.
    pub seq: u64,
}

/// One change of an effect.
pub struct Step<'a> {
    /// When, and the epoch that it brings in.
    pub stamp: Stamp,
    /// What.
    pub change: Change<'a>,
    /// Whether the pool is in a state in which this can have happened.
    pub fits: bool,
}

impl<'a> Effect<'a> {
    /// Reads the head of an effect.
    ///
    /// # Errors
    /// It is damaged or of a newer version.
    pub fn read(bytes: &'a [u8]) -> Read<Self> {
        let mut reader = Reader::new(bytes);
        if i32::from(reader.byte()?) != VERSION {
            return Err(Damage("the effect is of another version"));
        }
        let now_ms = reader.within(0..=MAX_UNITS)?;
        let seq = reader.number()?;
        Ok(Self { reader, now_ms, seq })
    }

    /// Whether the pool begins here.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.reader.clone().byte().is_ok_and(|code| code & 0x7f == op::CREATED)
    }

    /// The next change, looked up in the pool as it is now. `None` at the end.
    ///
    /// # Errors
    /// It is damaged: what follows cannot be read either.
    pub fn next(&mut self, pool: &Pool) -> Read<Option<Step<'a>>> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let code = self.reader.byte()?;
        let mut new_epoch = None;
        if code & 0x80 != 0 {
            let mut bytes = [0; 8];
            for byte in &mut bytes {
                *byte = self.reader.byte()?;
            }
            new_epoch = Some(u64::from_le_bytes(bytes));
        }
        let (change, known) = self.change(code & 0x7f, pool)?;
        let fits = known && fits(pool, &change);
        Ok(Some(Step { stamp: Stamp { now_ms: self.now_ms, reign: 0, new_epoch }, change, fits }))
    }

    /// The change, and whether the limits that it names are there.
    fn change(&mut self, code: u8, pool: &Pool) -> Read<(Change<'a>, bool)> {
        let now_ms = self.now_ms;
        let r = &mut self.reader;
        let mut known = true;
        let change = match code {
            op::CREATED => Change::Created { salt: r.number()?, on_hand: on_hand(r)? },
            op::SET => Change::Set(on_hand(r)?),
            op::ADDED => {
                let delta = r.bounded()?;
                let token = match token(r)? {
                    Some(token) => Some((token, time(r, now_ms)?)),
                    None => None,
                };
                Change::Added { delta, token }
            }
            op::SUSPENDED => Change::Suspended,
            op::RESUMED => Change::Resumed,
            op::POLICY => Change::Policy(Box::new(policy(r)?)),
            op::LIMIT_SET => Change::LimitSet(Box::new(limit_set(r)?)),
            op::LIMIT_REMOVED => {
                let id = r.small()?;
                let dims = pool.limits.iter().find(|l| l.id == id).map_or(0, |l| l.identity.dims.len());
                let pattern = if r.flag()? { Some(tuple(r, dims, true)?) } else { None };
                Change::LimitRemoved { id, pattern }
            }
            op::RESERVED => {
                let order = order(r, pool)?;
                let qty = r.within(1..=MAX_UNITS)?;
                let asked = qty.saturating_add(r.within(0..=MAX_UNITS)?);
                let partial = r.flag()?;
                let deadline_ms = time(r, now_ms)?;
                let attributes = attributes(r)?;
                let shares = shares(r, pool, &attributes, now_ms, &mut known)?;
                Change::Reserved { order, asked, qty, partial, deadline_ms, attributes, shares }
            }
            op::LATE_PLACED => {
                let order = order(r, pool)?;
                let qty = r.within(1..=MAX_UNITS)?;
                let placed_ms = time(r, now_ms)?;
                let forget_ms = time(r, now_ms)?;
                let attributes = attributes(r)?;
                let shares = shares(r, pool, &attributes, now_ms, &mut known)?;
                Change::LatePlaced { order, qty, placed_ms, attributes, shares, forget_ms }
            }
            op::AMENDED => {
                let order = order(r, pool)?;
                let qty = r.within(1..=MAX_UNITS)?;
                let recount = if r.flag()? { Some(recount(r, pool, now_ms, &mut known)?) } else { None };
                Change::Amended { order, qty, recount }
            }
            op::EXTENDED => Change::Extended { order: order(r, pool)?, deadline_ms: time(r, now_ms)? },
            op::CONFIRMED => {
                Change::Confirmed { order: order(r, pool)?, qty: r.within(1..=MAX_UNITS)?, forget_ms: time(r, now_ms)? }
            }
            op::LATE => {
                let order = order(r, pool)?;
                let qty = r.within(1..=MAX_UNITS)?;
                let forget_ms = time(r, now_ms)?;
                Change::Late { order, qty, recount: recount(r, pool, now_ms, &mut known)?, forget_ms }
            }
            op::RELEASED => Change::Released { order: order(r, pool)?, forget_ms: time(r, now_ms)? },
            op::CANCELLED => Change::Cancelled { order: order(r, pool)?, forget_ms: time(r, now_ms)? },
            op::EXPIRED => Change::Expired { order: order(r, pool)?, forget_ms: time(r, now_ms)? },
            op::RETURNED => {
                let order = order(r, pool)?;
                let forget_ms = time(r, now_ms)?;
                Change::Returned { order, token: token(r)?, content: content(r)?, forget_ms }
            }
            op::VOUCHED => {
                let order = order(r, pool)?;
                let forget_ms = time(r, now_ms)?;
                Change::Vouched { order, token: r.id()?, content: content(r)?, forget_ms }
            }
            op::FREED => Change::Freed(freed(r)?),
            _ => return Err(Damage("a change is of no known kind")),
        };
        Ok((change, known))
    }
}

fn order<'a>(r: &mut Reader<'a>, pool: &Pool) -> Read<OrderRef<'a>> {
    Ok(pool.order_ref(r.id()?))
}

fn token<'a>(r: &mut Reader<'a>) -> Read<Option<&'a [u8]>> {
    Ok(if r.flag()? { Some(r.id()?) } else { None })
}

fn time(r: &mut Reader<'_>, now_ms: i64) -> Read<i64> {
    let at_ms = now_ms.saturating_add(r.bounded()?);
    if (0..=MAX_UNITS).contains(&at_ms) {
        Ok(at_ms)
    } else {
        Err(Damage("a time is out of bounds"))
    }
}

fn content(r: &mut Reader<'_>) -> Read<ReturnContent> {
    Ok(ReturnContent { qty: r.within(1..=MAX_UNITS)?, keep_usage: r.flag()?, no_restock: r.flag()? })
}

fn attributes<'a>(r: &mut Reader<'a>) -> Read<Attributes<'a>> {
    let mut attributes = Attributes::default();
    for _ in 0..r.number()? {
        let name = r.bytes(crate::core::ids::MAX_NAME)?;
        let value = r.id()?;
        attributes.add(name, value).map_err(|_| Damage("attributes are too many or stand twice"))?;
    }
    Ok(attributes)
}

fn shares(r: &mut Reader<'_>, pool: &Pool, attributes: &Attributes<'_>, now_ms: i64, known: &mut bool) -> Read<Shares> {
    let mut shares = Shares::new();
    let mut buf = TupleBuf::new();
    for _ in 0..r.number()? {
        let id = r.small()?;
        let window_ms = now_ms.saturating_sub(r.bounded()?);
        let place = pool.limits.iter().position(|l| l.id == id);
        let limit = place.and_then(|at| pool.limits.get(at));
        let (Some(place), Some(limit)) = (place, limit) else {
            *known = false;
            continue;
        };
        let Some(tuple) = limit.tuple(attributes, &mut buf) else {
            *known = false;
            continue;
        };
        if shares.len() >= MAX_LIMITS || shares.iter().any(|s: &Share| usize::from(s.limit) == place) {
            return Err(Damage("an order has too many shares"));
        }
        let hash = pool.salt.usage(id, tuple);
        let entry = pool.usage.find(hash, id, tuple);
        shares.push(Share { limit: place as u8, window_ms, hash, entry });
    }
    Ok(shares)
}

fn recount(r: &mut Reader<'_>, pool: &Pool, now_ms: i64, known: &mut bool) -> Read<Recount> {
    let mut recount = Recount::new();
    for _ in 0..r.number()? {
        let id = r.small()?;
        let window_ms = now_ms.saturating_sub(r.bounded()?);
        if recount.len() >= MAX_LIMITS || recount.iter().any(|&(other, _)| other == id) {
            return Err(Damage("an order has too many shares"));
        }
        *known &= pool.limits.iter().any(|l| l.id == id);
        recount.push((id, window_ms));
    }
    Ok(recount)
}

fn policy(r: &mut Reader<'_>) -> Read<Policy> {
    let times = times(r)?;
    let mut policy = Policy {
        hold_ms: times.hold_ms,
        retain_ms: times.retain_ms,
        retain_paid_ms: times.retain_paid_ms,
        safety: r.bounded()?,
        alert: r.within(0..=MAX_UNITS)?,
        events: events(r)?,
        limits: Vec::new(),
    };
    for _ in 0..r.number()? {
        if policy.limits.len() >= MAX_LIMITS {
            return Err(Damage("there are too many limits"));
        }
        let identity = identity(r)?;
        if policy.limits.iter().any(|l| l.identity == identity) {
            return Err(Damage("a limit stands twice"));
        }
        let offset_min = offset(r)?;
        let missing = missing(r)?;
        let base = cap(r)?;
        let mut overrides = Overrides::default();
        for _ in 0..r.number()? {
            add_override(r, &mut overrides, identity.dims.len())?;
        }
        policy.limits.push(PolicyLimit { identity, offset_min, missing, base, overrides });
    }
    Ok(policy)
}

fn limit_set(r: &mut Reader<'_>) -> Read<LimitSet> {
    let identity = identity(r)?;
    let offset_min = if r.flag()? { Some(offset(r)?) } else { None };
    let missing = if r.flag()? { Some(missing(r)?) } else { None };
    let pattern = if r.flag()? { Some(tuple(r, identity.dims.len(), true)?) } else { None };
    Ok(LimitSet { identity, offset_min, missing, pattern, cap: cap(r)? })
}

fn freed(r: &mut Reader<'_>) -> Read<Freed> {
    let mut freed = Freed { orders: r.small()?, tokens: r.small()?, left: r.small()?, ..Freed::default() };
    for _ in 0..r.number()? {
        let pair = (r.byte()?, r.small()?);
        freed.pruned.try_push(pair).map_err(|_| Damage("there are too many limits"))?;
    }
    Ok(freed)
}

/// Whether a change can have happened in this state. The primary has decided it there; here it is a check against divergence.
fn fits(pool: &Pool, change: &Change<'_>) -> bool {
    let record = |order: &OrderRef<'_>| order.slot.and_then(|slot| pool.orders.get(slot));
    let unknown = |order: &OrderRef<'_>| record(order).is_none_or(|o| o.state != State::Reserved);
    let held = |order: &OrderRef<'_>| record(order).filter(|o| o.state == State::Reserved);
    let counted = |recount: &Recount, o: &Order| recount.iter().all(|&(id, _)| id < o.limits_below);
    match change {
        Change::Created { .. } => pool.seq == 0,
        Change::Set(_) | Change::Suspended | Change::Resumed | Change::Policy(_) => true,
        Change::Added { .. } => !pool.unlimited,
        Change::LimitSet(set) => {
            let there = pool.limits.iter().any(|l| l.identity == set.identity);
            there || (pool.limits.len() < MAX_LIMITS && set.offset_min.is_some() && set.missing.is_some())
        }
        Change::LimitRemoved { id, .. } => pool.limits.iter().any(|l| l.id == *id),
        Change::Reserved { order, .. }
        | Change::LatePlaced { order, .. }
        | Change::Cancelled { order, .. }
        | Change::Vouched { order, .. } => unknown(order),
        Change::Amended { order, qty, recount } => held(order).is_some_and(|o| match recount {
            Some(recount) => *qty > o.qty && counted(recount, o),
            None => *qty < o.qty,
        }),
        Change::Extended { order, deadline_ms } => held(order).is_some_and(|o| *deadline_ms > o.time_ms),
        Change::Confirmed { order, qty, .. } => held(order).is_some_and(|o| *qty <= o.qty),
        Change::Expired { order, .. } => held(order).is_some(),
        Change::Late { order, qty, recount, .. } => {
            record(order).is_some_and(|o| o.state == State::Expired && *qty <= o.qty && counted(recount, o))
        }
        Change::Released { order, .. } => {
            record(order).is_some_and(|o| matches!(o.state, State::Reserved | State::Expired))
        }
        Change::Returned { order, content, .. } => record(order).is_some_and(|o| {
            let left = o.qty.saturating_sub(o.returned());
            o.vouched() || (o.state == State::Confirmed && content.qty <= left)
        }),
        Change::Freed(freed) => {
            let finished = pool.orders.len().saturating_sub(pool.open_holds() as usize);
            freed.orders as usize <= finished
                && freed.tokens as usize <= pool.tokens.len()
                && freed.left as usize <= pool.usage.left.len()
                && freed.pruned.iter().all(|&(place, n)| {
                    pool.limits.get(usize::from(place)).is_some_and(|l| n as usize <= l.entries.len())
                })
        }
    }
}
