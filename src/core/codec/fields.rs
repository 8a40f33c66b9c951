//! Fields that snapshots and effects both have.

use super::damage::Damage;
use super::wire::{put, put_bytes, put_optional, put_signed, Read, Reader};
use crate::core::model::change::OnHand;
use crate::core::model::ids::{is_name, Bytes, MAX_ID, MAX_NAME, MAX_STREAM};
use crate::core::model::limit::{
    values, Cap, Count, Identity, Limit, Missing, Overrides, Recent, MAX_DIMENSIONS, MAX_TUPLE,
};
use crate::core::model::number::{LimitId, Number};
use crate::core::model::pool::Times;
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::remembered::MAX_REMEMBER;
use crate::core::model::sale::{Sale, SalePhase, Schedule};
use crate::core::model::shifts::{LimitQuota, Shifted, Way, MAX_PEER};
use crate::core::model::time::{MAX_AHEAD_MS, MAX_OFFSET_MIN, MAX_SECONDS};
use crate::core::model::window::{Window, ROLLING_CODE, SECONDS_CODE};
use crate::core::model::zone::{Tz, Zone};
use crate::core::store::timeline::Timeline;

pub fn put_on_hand(out: &mut Vec<u8>, on_hand: OnHand) {
    put_optional(out, if let OnHand::Units(units) = on_hand { Some(units) } else { None });
}

pub fn on_hand(reader: &mut Reader<'_>) -> Read<OnHand> {
    Ok(reader.optional(-MAX_UNITS..=MAX_UNITS)?.map_or(OnHand::Unlimited, OnHand::Units))
}

pub fn put_cap(out: &mut Vec<u8>, cap: Cap) {
    put_optional(out, if let Cap::At(max) = cap { Some(max) } else { None });
}

pub fn cap(reader: &mut Reader<'_>) -> Read<Cap> {
    Ok(reader.optional(0..=MAX_UNITS)?.map_or(Cap::Unlimited, Cap::At))
}

pub fn put_times(out: &mut Vec<u8>, times: Times) {
    for ms in [times.hold_ms, times.retain_ms, times.retain_paid_ms] {
        put_optional(out, ms);
    }
}

pub fn times(reader: &mut Reader<'_>) -> Read<Times> {
    let mut span = || reader.optional(1..=MAX_AHEAD_MS);
    Ok(Times { hold_ms: span()?, retain_ms: span()?, retain_paid_ms: span()? })
}

pub fn put_events(out: &mut Vec<u8>, events: Option<&Bytes>) {
    out.push(u8::from(events.is_some()));
    if let Some(events) = events {
        put_bytes(out, events.as_slice());
    }
}

pub fn events(reader: &mut Reader<'_>) -> Read<Option<Bytes>> {
    reader.optional_bytes(MAX_STREAM)
}

/// A sale window.
pub fn put_schedule(out: &mut Vec<u8>, schedule: Schedule) {
    put_optional(out, schedule.from_ms);
    put_optional(out, schedule.until_ms);
}

pub fn schedule(reader: &mut Reader<'_>) -> Read<Schedule> {
    let from_ms = reader.optional(1..=MAX_UNITS)?;
    let schedule = Schedule { from_ms, until_ms: reader.optional(1..=MAX_UNITS)? };
    if !schedule.is_valid() {
        return Err(Damage("a sale ends before it opens"));
    }
    Ok(schedule)
}

/// A sale window, and the phase that was announced last.
pub fn sale(reader: &mut Reader<'_>) -> Read<Sale> {
    let schedule = schedule(reader)?;
    let Some(announced) = SalePhase::of_code(reader.byte()?) else { return Err(Damage("a phase is unknown")) };
    let sale = Sale { schedule, announced };
    if sale == Sale::default() {
        return Err(Damage("a sale window says nothing"));
    }
    if announced == SalePhase::Ended && schedule.until_ms.is_none() {
        return Err(Damage("a sale without an end has ended"));
    }
    Ok(sale)
}

/// The dimensions of a policy's `remember`.
pub fn put_names(out: &mut Vec<u8>, names: &[Bytes]) {
    put(out, names.len() as u64);
    for name in names {
        put_bytes(out, name.as_slice());
    }
}

pub fn names(reader: &mut Reader<'_>) -> Read<Vec<Bytes>> {
    let mut names: Vec<Bytes> = Vec::new();
    for _ in 0..reader.number()? {
        let name = reader.bytes(MAX_NAME)?;
        if !is_name(name) {
            return Err(Damage("a dimension has no proper name"));
        }
        if names.len() >= MAX_REMEMBER || names.last().is_some_and(|last| last.as_slice() >= name) {
            return Err(Damage("dimensions are too many, or not sorted"));
        }
        names.push(Bytes::new(name));
    }
    if names.is_empty() {
        return Err(Damage("no dimension is named"));
    }
    Ok(names)
}

pub fn put_identity(out: &mut Vec<u8>, identity: &Identity) {
    put(out, identity.dims.len() as u64);
    for dim in &identity.dims {
        put_bytes(out, dim.as_slice());
    }
    out.push(identity.window.code());
    if let Window::Seconds(n) | Window::Rolling(n) = identity.window {
        put(out, u64::from(n));
    }
    out.push(u8::from(identity.count == Count::Orders));
}

fn seconds(reader: &mut Reader<'_>) -> Read<u32> {
    let seconds = u32::try_from(reader.number()?).ok().filter(|n| (1..=MAX_SECONDS).contains(&i64::from(*n)));
    seconds.ok_or(Damage("a window is out of bounds"))
}

pub fn identity(reader: &mut Reader<'_>) -> Read<Identity> {
    let mut dims = arrayvec::ArrayVec::<Bytes, MAX_DIMENSIONS>::new();
    for _ in 0..reader.number()?.min(MAX_DIMENSIONS.saturating_add(1) as u64) {
        let name = reader.bytes(MAX_NAME)?;
        if !is_name(name) {
            return Err(Damage("a dimension has no proper name"));
        }
        let dim = Bytes::new(name);
        if dims.last().is_some_and(|last| *last >= dim) {
            return Err(Damage("dimensions are not sorted"));
        }
        dims.try_push(dim).map_err(|_| Damage("a limit has too many dimensions"))?;
    }
    let window = match reader.byte()? {
        SECONDS_CODE => Window::Seconds(seconds(reader)?),
        ROLLING_CODE => Window::Rolling(seconds(reader)?),
        code => Window::of_code(code).ok_or(Damage("a window is of no known kind"))?,
    };
    let count = if reader.flag()? { Count::Orders } else { Count::Units };
    Ok(Identity { dims, window, count })
}

/// The offset of a limit's clock. A named zone has 0 here, and its name in a record of its own.
pub fn put_offset(out: &mut Vec<u8>, tz: Tz) {
    put_signed(out, if let Tz::Offset(minutes) = tz { i64::from(minutes) } else { 0 });
}

pub fn offset(reader: &mut Reader<'_>) -> Read<Tz> {
    let most = i64::from(MAX_OFFSET_MIN);
    Ok(Tz::Offset(reader.within(most.saturating_neg()..=most)? as i32))
}

/// The longest name of a time zone, in bytes.
const MAX_ZONE: usize = 64;

pub fn put_zone(out: &mut Vec<u8>, zone: Zone) {
    put_bytes(out, zone.name().as_bytes());
}

pub fn zone(reader: &mut Reader<'_>) -> Read<Zone> {
    let name = reader.bytes(MAX_ZONE)?;
    // One way to write a name, so that equal states are equal bytes.
    let zone = Zone::find(name).filter(|zone| zone.name().as_bytes() == name);
    zone.ok_or(Damage("a time zone is not known to this version of the module"))
}

/// A limit without its overrides, and before anything is counted.
pub fn limit(reader: &mut Reader<'_>) -> Read<Limit> {
    let (id, set_ms) = (LimitId::of(reader.small()?), reader.within(0..=MAX_UNITS)?);
    let identity = identity(reader)?;
    Ok(Limit {
        id,
        set_ms,
        text: identity.text().into(),
        identity,
        tz: offset(reader)?,
        resolved: (0, 0),
        missing: missing(reader)?,
        base: cap(reader)?,
        overrides: Overrides::default(),
        shifted: None,
        entries: Timeline::default(),
        recent: Recent::default(),
    })
}

/// The named zone of a limit, and the window in which it counts.
pub fn limit_zone(reader: &mut Reader<'_>, limit: &mut Limit) -> Read<()> {
    let zone = zone(reader)?;
    let window = (reader.bounded()?, reader.bounded()?);
    if limit.tz != Tz::UTC || !limit.overrides.is_empty() {
        return Err(Damage("a limit has two time zones, or one behind its overrides"));
    }
    limit.tz = Tz::Named(zone);
    if window != (0, 0) && (window.0 >= window.1 || !limit.is_resolved()) {
        return Err(Damage("a window ends before it begins"));
    }
    limit.resolve(window);
    Ok(())
}

pub fn put_missing(out: &mut Vec<u8>, missing: Missing) {
    out.push(u8::from(missing == Missing::Allow));
}

pub fn missing(reader: &mut Reader<'_>) -> Read<Missing> {
    Ok(if reader.flag()? { Missing::Allow } else { Missing::Refuse })
}

/// A tuple of so many values; in a pattern a value may be empty and stands for any.
pub fn tuple(reader: &mut Reader<'_>, dims: usize, pattern: bool) -> Read<Bytes> {
    let bytes = reader.bytes(MAX_TUPLE)?;
    let mut rest = bytes;
    for at in 1..=dims {
        let value = if at == dims {
            rest
        } else {
            let (&len, tail) = rest.split_first().ok_or(Damage("a value is missing"))?;
            let (value, tail) = tail.split_at_checked(usize::from(len)).ok_or(Damage("a value ends too early"))?;
            rest = tail;
            value
        };
        if value.len() > MAX_ID || (value.is_empty() && !pattern) {
            return Err(Damage("a value is empty or too long"));
        }
    }
    if dims == 0 && !bytes.is_empty() {
        return Err(Damage("a value has no dimension"));
    }
    debug_assert_eq!(values(bytes, dims).count(), dims);
    Ok(Bytes::new(bytes))
}

/// Who the other pool is, and which quota shifts.
pub fn put_lane(out: &mut Vec<u8>, peer: &[u8], quota: Option<&LimitQuota>) {
    put_bytes(out, peer);
    out.push(u8::from(quota.is_some()));
    if let Some(quota) = quota {
        put_identity(out, &quota.identity);
        put_bytes(out, quota.value.as_slice());
    }
}

pub fn lane<'a>(reader: &mut Reader<'a>) -> Read<(&'a [u8], Option<LimitQuota>)> {
    let peer = reader.bytes(MAX_PEER)?;
    if peer.is_empty() {
        return Err(Damage("a peer has no name"));
    }
    if !reader.flag()? {
        return Ok((peer, None));
    }
    let identity = identity(reader)?;
    if identity.window == Window::Order {
        return Err(Damage("a quota is of a cap on one order"));
    }
    let value = tuple(reader, identity.dims.len(), false)?;
    Ok((peer, Some(LimitQuota::new(identity, value))))
}

pub fn put_shifted(out: &mut Vec<u8>, shifted: &Shifted<'_>) {
    put_lane(out, shifted.peer, shifted.quota.as_ref());
    out.push(u8::from(shifted.way == Way::From));
    put_signed(out, shifted.total);
    if shifted.way == Way::To {
        put_signed(out, shifted.since_ms);
    }
}

pub fn shifted<'a>(reader: &mut Reader<'a>) -> Read<Shifted<'a>> {
    let (peer, quota) = lane(reader)?;
    let way = if reader.flag()? { Way::From } else { Way::To };
    let total = reader.within(1..=MAX_UNITS)?;
    let since_ms = if way == Way::To { reader.within(1..=MAX_UNITS)? } else { 0 };
    Ok(Shifted { peer, quota, way, total, since_ms })
}

pub fn put_override(out: &mut Vec<u8>, pattern: &Bytes, cap: Cap) {
    put_bytes(out, pattern.as_slice());
    put_cap(out, cap);
}

pub fn add_override(reader: &mut Reader<'_>, overrides: &mut Overrides, dims: usize) -> Read<()> {
    let pattern = tuple(reader, dims, true)?;
    let cap = cap(reader)?;
    if overrides.len() >= crate::core::model::limit::MAX_OVERRIDES {
        return Err(Damage("a limit has too many overrides"));
    }
    if overrides.last().is_some_and(|last| *last >= pattern) {
        return Err(Damage("overrides are not in order"));
    }
    overrides.set(pattern, dims, cap);
    Ok(())
}
