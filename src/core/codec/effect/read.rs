//! Reading an effect, change by change, each looked up in the pool as the one before has left it.

use super::applicable::applicable;
use super::event_ref::{event_ref, EventRef};
use super::op;
use crate::core::codec::damage::Damage;
use crate::core::codec::fields::{
    add_override, cap, events, identity, missing, names, offset, on_hand, schedule, shifted, times, tuple, zone,
};
use crate::core::codec::wire::{Read, Reader, OLDEST_VERSION, VERSION};
use crate::core::model::attributes::Attributes;
use crate::core::model::change::{
    Change, Credit, LimitSet, OrderChange, OrderRef, PoolChange, Purged, Recount, ResolvedWindows,
};
use crate::core::model::ids::{MAX_KEY, MAX_NAME};
use crate::core::model::limit::{Overrides, MAX_LIMITS};
use crate::core::model::number::{LimitId, LimitIndex, Number, OrderRow};
use crate::core::model::order::ReturnContent;
use crate::core::model::placement::Placement;
use crate::core::model::policy::{Policy, PolicyLimit};
use crate::core::model::pool::{Pool, Stamp};
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::sale::Schedule;
use crate::core::model::usage::{tuple_at, Share};
use crate::core::model::zone::{Tz, Zone};
use arrayvec::ArrayVec;

/// The version of an effect that a newer module has written. `None`: it is of a version that this
/// one knows.
#[must_use]
pub fn newer_version(bytes: &[u8]) -> Option<i32> {
    bytes.first().map(|&version| i32::from(version)).filter(|&version| version > VERSION)
}

/// An effect that is read back.
pub struct Effect<'a> {
    reader: Reader<'a>,
    /// The last reservation that was written whole: see `op::ALIKE`.
    whole: Option<Reader<'a>>,
    /// The hold from which the last change took units, and how many: for an order that is split
    /// off.
    parted: Option<(OrderRow, i64)>,
    /// The time of the call, Unix ms.
    pub now_ms: i64,
    /// The pool's last change before it.
    pub seq: u64,
}

/// One change of an effect.
pub struct EffectChange<'a> {
    /// When, and the epoch that it brings in.
    pub stamp: Stamp,
    /// What.
    pub change: Change<'a>,
    /// Whether the pool is in a state in which this can have happened.
    pub applicable: bool,
    /// Where the primary published it.
    pub event_ref: Option<EventRef<'a>>,
}

impl<'a> Effect<'a> {
    /// Reads the head of an effect.
    ///
    /// # Errors
    /// [`Damage`]: it is damaged or of a newer version.
    pub fn read(bytes: &'a [u8]) -> Read<Self> {
        let mut reader = Reader::new(bytes);
        if !(OLDEST_VERSION..=VERSION).contains(&i32::from(reader.byte()?)) {
            return Err(Damage("the effect is of another version"));
        }
        let now_ms = reader.within(0..=MAX_UNITS)?;
        let seq = reader.number()?;
        Ok(Self { reader, whole: None, parted: None, now_ms, seq })
    }

    /// Whether the pool begins here.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.reader.clone().byte().is_ok_and(|code| code & 0x7f == op::CREATED)
    }

    /// The next change, looked up in the pool as it is now. `None` at the end. The attributes of a
    /// reservation are put into `attributes`.
    ///
    /// # Errors
    /// [`Damage`]: it is damaged: what follows cannot be read either.
    pub fn next<'s>(&mut self, pool: &Pool, attributes: &'s mut Attributes<'a>) -> Read<Option<EffectChange<'s>>>
    where
        'a: 's,
    {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let mut code = self.reader.byte()?;
        let packed_events = code == op::PACKED_EVENTS;
        if packed_events {
            code = self.reader.byte()?;
        }
        let mut remember = Vec::new();
        if code == op::REMEMBER {
            remember = names(&mut self.reader)?;
            code = self.reader.byte()?;
        }
        let mut zones = Zones::new();
        if code == op::ZONES {
            zones = read_zones(&mut self.reader)?;
            code = self.reader.byte()?;
        }
        let mut new_epoch = None;
        if code & 0x80 != 0 {
            let mut bytes = [0; 8];
            for byte in &mut bytes {
                *byte = self.reader.byte()?;
            }
            new_epoch = Some(u64::from_le_bytes(bytes));
        }
        let (mut change, known) = self.change(code & 0x7f, pool, attributes)?;
        if packed_events {
            let Change::Pool(PoolChange::Policy(policy)) = &mut change else {
                return Err(Damage("the format of events has no policy"));
            };
            policy.packed_events = true;
        }
        if !remember.is_empty() {
            let Change::Pool(PoolChange::Policy(policy)) = &mut change else {
                return Err(Damage("what orders remember has no policy"));
            };
            policy.remember = remember;
        }
        set_zones(&mut change, &zones)?;
        // Asked last, of a change that will be applied: only then has the hold given up its units.
        let applicable = known && applicable(pool, &change) && self.is_whole_split(pool, &change);
        let event_ref = event_ref(&mut self.reader, self.now_ms)?;
        Ok(Some(EffectChange {
            stamp: Stamp { now_ms: self.now_ms, promotion: 0, new_epoch },
            change,
            applicable,
            event_ref,
        }))
    }

    /// Whether a split-off order gets exactly the units that the change before it took from the
    /// hold: otherwise usage would be counted that no order explains.
    fn is_whole_split(&mut self, pool: &Pool, change: &Change<'_>) -> bool {
        let taken = self.parted.take();
        match change {
            Change::Order(order, OrderChange::Parted { qty }) => {
                let held = order.row.and_then(|row| Some((row, pool.placed.orders.get(row)?.qty)));
                self.parted = held.map(|(row, held)| (row, held.saturating_sub(*qty)));
                true
            }
            Change::Order(_, OrderChange::Split { from, qty }) => {
                from.row.is_some_and(|row| taken == Some((row, *qty)))
            }
            Change::Order(..) | Change::Pool(_) | Change::Purged(_) | Change::Resolved(_) | Change::Credited(_) => true,
        }
    }

    /// The change, and whether the limits that it names are there.
    fn change<'s>(&mut self, code: u8, pool: &Pool, attributes: &'s mut Attributes<'a>) -> Read<(Change<'s>, bool)>
    where
        'a: 's,
    {
        let now_ms = self.now_ms;
        let r = &mut self.reader;
        if code == op::RESERVED {
            self.whole = Some(*r);
        }
        if code == op::ALIKE {
            let mut known = true;
            let whole = self.whole.ok_or(Damage("no reservation is there to be like"))?;
            return Ok((alike(r, whole, pool, now_ms, attributes, &mut known)?, known));
        }
        if code == op::PURGED {
            return Ok((Change::Purged(purged(r)?), true));
        }
        if code == op::RESOLVED {
            return Ok((Change::Resolved(resolved(r, now_ms)?), true));
        }
        if code == op::CREDITED {
            return Ok((Change::Credited(credit(r, attributes)?), true));
        }
        if let Some(change) = pool_change(r, code, pool, now_ms)? {
            return Ok((Change::Pool(change), true));
        }
        let order = order(r, pool)?;
        let mut known = true;
        let change = order_change(r, code, pool, now_ms, attributes, &mut known)?;
        Ok((Change::Order(order, change), known))
    }
}

/// A change of the pool as a whole. `None`: this is not its code.
fn pool_change<'a>(r: &mut Reader<'a>, code: u8, pool: &Pool, now_ms: i64) -> Read<Option<PoolChange<'a>>> {
    Ok(Some(match code {
        op::CREATED => PoolChange::Created { salt: r.number()?, on_hand: on_hand(r)? },
        op::SET => PoolChange::Set(on_hand(r)?),
        op::ADDED => {
            let delta = r.bounded()?;
            let token = match token(r)? {
                Some(token) => Some((token, time(r, now_ms)?)),
                None => None,
            };
            PoolChange::Added { delta, token }
        }
        op::TRANSFERRED => {
            let (delta, token) = (r.bounded()?, r.id()?);
            let forget_ms = time(r, now_ms)?;
            PoolChange::Transferred { delta, token: (token, forget_ms), peer: r.bytes(MAX_KEY)? }
        }
        op::RECONCILED => PoolChange::Reconciled { on_hand: r.bounded()? },
        op::SUSPENDED => PoolChange::Suspended,
        op::RESUMED => PoolChange::Resumed,
        op::POLICY => {
            let mut policy = policy(r)?;
            policy.schedule = policy_schedule(r)?;
            PoolChange::Policy(Box::new(policy))
        }
        op::SCHEDULED => PoolChange::Scheduled(schedule(r)?),
        op::OPENED => PoolChange::Opened,
        op::ENDED => PoolChange::Ended,
        op::SHIFTED => PoolChange::Shifted(Box::new(shifted(r)?)),
        op::LIMIT_SET => PoolChange::LimitSet(Box::new(limit_set(r)?)),
        op::LIMIT_REMOVED => {
            let id = LimitId::of(r.small()?);
            let dims = pool.limits.iter().find(|l| l.id == id).map_or(0, |l| l.identity.dims.len());
            let pattern = if r.flag()? { Some(tuple(r, dims, true)?) } else { None };
            PoolChange::LimitRemoved { id, pattern }
        }
        _ => return Ok(None),
    }))
}

/// A change of an order. `known` becomes false where it names a limit that is not there.
fn order_change<'s, 'a: 's>(
    r: &mut Reader<'a>,
    code: u8,
    pool: &Pool,
    now_ms: i64,
    attributes: &'s mut Attributes<'a>,
    known: &mut bool,
) -> Read<OrderChange<'s>> {
    Ok(match code {
        op::RESERVED | op::REPLACING => {
            let qty = r.within(1..=MAX_UNITS)?;
            let asked = qty.saturating_add(r.within(0..=MAX_UNITS)?);
            let partial = r.flag()?;
            let deadline_ms = time(r, now_ms)?;
            read_attributes(r, attributes)?;
            let placement = Placement { qty, ..Placement::asked(attributes, asked, partial, now_ms) };
            let placement = counted(r, pool, placement, now_ms, known)?;
            let given_up = if code == op::REPLACING { r.within(1..=MAX_UNITS)? } else { 0 };
            OrderChange::Reserved { placement, deadline_ms, given_up }
        }
        op::LATE_PLACED => {
            let qty = r.within(1..=MAX_UNITS)?;
            let placed_ms = time(r, now_ms)?;
            let forget_ms = time(r, now_ms)?;
            read_attributes(r, attributes)?;
            let placement = Placement { qty, ..Placement::asked(attributes, qty, false, placed_ms) };
            OrderChange::LatePlaced { placement: counted(r, pool, placement, now_ms, known)?, forget_ms }
        }
        op::AMENDED => {
            let qty = r.within(1..=MAX_UNITS)?;
            let recount = if r.flag()? { Some(recount(r, pool, now_ms, known)?) } else { None };
            OrderChange::Amended { qty, recount }
        }
        op::PARTED => OrderChange::Parted { qty: r.within(1..=MAX_UNITS)? },
        op::SPLIT => OrderChange::Split { from: order(r, pool)?, qty: r.within(1..=MAX_UNITS)? },
        op::EXTENDED => OrderChange::Extended { deadline_ms: time(r, now_ms)? },
        op::CONFIRMED => OrderChange::Confirmed { qty: r.within(1..=MAX_UNITS)?, forget_ms: time(r, now_ms)? },
        op::LATE => {
            let qty = r.within(1..=MAX_UNITS)?;
            let forget_ms = time(r, now_ms)?;
            OrderChange::Late { qty, recount: recount(r, pool, now_ms, known)?, forget_ms }
        }
        op::RELEASED => OrderChange::Released { forget_ms: time(r, now_ms)? },
        op::REPLACED => OrderChange::Replaced { forget_ms: time(r, now_ms)? },
        op::CANCELLED => OrderChange::Cancelled { forget_ms: time(r, now_ms)? },
        op::EXPIRED => OrderChange::Expired { forget_ms: time(r, now_ms)? },
        op::RETURNED => {
            let forget_ms = time(r, now_ms)?;
            OrderChange::Returned { token: token(r)?, content: content(r)?, forget_ms }
        }
        op::UNVERIFIED_RETURN => {
            let forget_ms = time(r, now_ms)?;
            OrderChange::UnverifiedReturn { token: r.id()?, content: content(r)?, forget_ms }
        }
        _ => return Err(Damage("a change is of no known kind")),
    })
}

/// A reservation like the one that `whole` reads, of another order by other values.
fn alike<'s, 'a: 's>(
    r: &mut Reader<'a>,
    mut whole: Reader<'a>,
    pool: &Pool,
    now_ms: i64,
    attributes: &'s mut Attributes<'a>,
    known: &mut bool,
) -> Read<Change<'s>> {
    let order = order(r, pool)?;
    let qty = r.within(1..=MAX_UNITS)?;
    let (_, _, _, _) = (whole.id()?, whole.within(1..=MAX_UNITS)?, whole.within(0..=MAX_UNITS)?, whole.flag()?);
    let deadline_ms = time(&mut whole, now_ms)?;
    attributes.clear();
    for _ in 0..whole.number()? {
        let name = whole.bytes(MAX_NAME)?;
        whole.id()?;
        attributes.add(name, r.id()?).map_err(|_| Damage("too many or duplicate attributes"))?;
    }
    let placement = Placement { qty, ..Placement::asked(attributes, qty, false, now_ms) };
    let placement = counted(&mut whole, pool, placement, now_ms, known)?;
    Ok(Change::Order(order, OrderChange::Reserved { placement, deadline_ms, given_up: 0 }))
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

fn read_attributes<'a>(r: &mut Reader<'a>, attributes: &mut Attributes<'a>) -> Read<()> {
    attributes.clear();
    for _ in 0..r.number()? {
        let name = r.bytes(MAX_NAME)?;
        let value = r.id()?;
        attributes.add(name, value).map_err(|_| Damage("too many or duplicate attributes"))?;
    }
    Ok(())
}

/// A placement with the shares that follow, each looked up, and its fingerprint.
fn counted<'a>(
    r: &mut Reader<'_>,
    pool: &Pool,
    mut placement: Placement<'a>,
    now_ms: i64,
    known: &mut bool,
) -> Read<Placement<'a>> {
    let Placement { attributes, fingerprint, shares, joined, .. } = &mut placement;
    *fingerprint = pool.salt.attributes(attributes);
    for _ in 0..r.number()? {
        let id = LimitId::of(r.small()?);
        let window_ms = now_ms.saturating_sub(r.bounded()?);
        let Some((index, limit)) = pool.limits.find(id) else {
            *known = false;
            continue;
        };
        let Some(at) = limit.locate(attributes, joined) else {
            *known = false;
            continue;
        };
        if shares.len() >= MAX_LIMITS || shares.iter().any(|s: &Share| s.limit == index) {
            return Err(Damage("an order has too many shares"));
        }
        let tuple = tuple_at(attributes, joined, at);
        let hash = pool.salt.usage(id, tuple);
        let (found, position) = pool.usage.find_from(hash, pool.usage.begin(hash).0, id, tuple);
        let entry = found.map(|found| found.row);
        let current = found.is_some_and(|found| found.window_ms == window_ms);
        shares.push(Share { limit: index, tuple: at, window_ms, hash, entry, current, position });
    }
    Ok(placement)
}

fn recount(r: &mut Reader<'_>, pool: &Pool, now_ms: i64, known: &mut bool) -> Read<Recount> {
    let mut recount = Recount::new();
    for _ in 0..r.number()? {
        let id = LimitId::of(r.small()?);
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
        packed_events: false,
        schedule: Schedule::default(),
        remember: Vec::new(),
        limits: Vec::new(),
    };
    for _ in 0..r.number()? {
        if policy.limits.len() >= MAX_LIMITS {
            return Err(Damage("there are too many limits"));
        }
        let identity = identity(r)?;
        if policy.limits.iter().any(|l| l.identity == identity) {
            return Err(Damage("duplicate limit"));
        }
        let tz = offset(r)?;
        let missing = missing(r)?;
        let base = cap(r)?;
        let mut overrides = Overrides::default();
        for _ in 0..r.number()? {
            add_override(r, &mut overrides, identity.dims.len())?;
        }
        policy.limits.push(PolicyLimit { identity, tz, missing, base, overrides });
    }
    Ok(policy)
}

/// The sale window, which stands behind a policy that has one.
fn policy_schedule(r: &mut Reader<'_>) -> Read<Schedule> {
    let mut ahead = *r;
    if !ahead.byte().is_ok_and(|code| code == op::POLICY_SCHEDULE) {
        return Ok(Schedule::default());
    }
    let schedule = schedule(&mut ahead)?;
    *r = ahead;
    Ok(schedule)
}

fn limit_set(r: &mut Reader<'_>) -> Read<LimitSet> {
    let identity = identity(r)?;
    let tz = if r.flag()? { Some(offset(r)?) } else { None };
    let missing = if r.flag()? { Some(missing(r)?) } else { None };
    let pattern = if r.flag()? { Some(tuple(r, identity.dims.len(), true)?) } else { None };
    Ok(LimitSet { identity, tz, missing, pattern, cap: cap(r)? })
}

/// The named zones of the limits in a change, by index.
type Zones = ArrayVec<(LimitIndex, Zone), MAX_LIMITS>;

fn read_zones(r: &mut Reader<'_>) -> Read<Zones> {
    let mut zones = Zones::new();
    for _ in 0..r.number()? {
        let named = (LimitIndex::of_byte(r.byte()?), zone(r)?);
        if zones.last().is_some_and(|&(before, _)| before >= named.0) {
            return Err(Damage("zones are not in order"));
        }
        zones.try_push(named).map_err(|_| Damage("there are too many zones"))?;
    }
    Ok(zones)
}

fn set_zones(change: &mut Change<'_>, zones: &Zones) -> Read<()> {
    for &(index, zone) in zones {
        let tz = match change {
            Change::Pool(PoolChange::LimitSet(set)) if index == LimitIndex::FIRST => set.tz.as_mut(),
            Change::Pool(PoolChange::Policy(policy)) => {
                policy.limits.get_mut(usize::from(index)).map(|limit| &mut limit.tz)
            }
            _ => None,
        };
        *tz.filter(|tz| **tz == Tz::UTC).ok_or(Damage("a zone has no limit"))? = Tz::Named(zone);
    }
    Ok(())
}

fn credit<'a: 's, 's>(r: &mut Reader<'a>, attributes: &'s mut Attributes<'a>) -> Read<Credit<'s>> {
    let qty = r.within(1..=MAX_UNITS)?;
    read_attributes(r, attributes)?;
    let mut limits = smallvec::SmallVec::new();
    for _ in 0..r.number()? {
        if limits.len() >= MAX_LIMITS {
            return Err(Damage("there are too many limits"));
        }
        limits.push(LimitId::of(r.small()?));
    }
    Ok(Credit { qty, attributes, limits })
}

fn resolved(r: &mut Reader<'_>, now_ms: i64) -> Read<ResolvedWindows> {
    let mut windows = ResolvedWindows::new();
    for _ in 0..r.number()? {
        let id = LimitId::of(r.small()?);
        let (start_ms, end_ms) = (now_ms.saturating_sub(r.bounded()?), now_ms.saturating_add(r.bounded()?));
        let in_bounds = |at_ms: i64| (MAX_UNITS.saturating_neg()..=MAX_UNITS).contains(&at_ms);
        if windows.len() >= MAX_LIMITS || start_ms >= end_ms || !in_bounds(start_ms) || !in_bounds(end_ms) {
            return Err(Damage("a window ends before it begins, or there are too many"));
        }
        windows.push((id, start_ms, end_ms));
    }
    Ok(windows)
}

fn purged(r: &mut Reader<'_>) -> Read<Purged> {
    let mut purged = Purged { orders: r.small()?, tokens: r.small()?, orphaned: r.small()?, ..Purged::default() };
    for _ in 0..r.number()? {
        let pair = (LimitIndex::of_byte(r.byte()?), r.small()?);
        if purged.pruned.len() >= MAX_LIMITS {
            return Err(Damage("there are too many limits"));
        }
        purged.pruned.push(pair);
    }
    Ok(purged)
}
