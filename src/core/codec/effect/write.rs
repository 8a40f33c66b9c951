//! Writing an effect.

use super::op;
use crate::core::codec::fields::{
    put_cap, put_events, put_identity, put_missing, put_names, put_offset, put_on_hand, put_override, put_schedule,
    put_shifted, put_times, put_zone,
};
use crate::core::codec::wire::{put, put_bytes, put_signed, VERSION};
use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, LimitSet, OrderChange, PoolChange, Purged, Recount};
use crate::core::model::limit::MAX_LIMITS;
use crate::core::model::number::{LimitIndex, Number};
use crate::core::model::order::ReturnContent;
use crate::core::model::placement::{Placement, Shares};
use crate::core::model::policy::Policy;
use crate::core::model::pool::{Pool, Times};
use crate::core::model::sale::Schedule;
use crate::core::model::zone::{Tz, Zone};
use arrayvec::ArrayVec;
use smallvec::SmallVec;

/// Begins the effect of a call: its time, and the pool's last change before it.
pub fn begin(out: &mut Vec<u8>, now_ms: i64, seq: u64) {
    out.push(VERSION as u8);
    put_signed(out, now_ms);
    put(out, seq);
}

/// Adds a change, and the epoch that it brings in.
pub fn add(out: &mut Vec<u8>, pool: &Pool, now_ms: i64, new_epoch: Option<u64>, change: &Change<'_>) {
    match change {
        Change::Order(order, change) => {
            put_code(out, order_code(change), new_epoch);
            put_bytes(out, order.id);
            put_order_change(out, pool, now_ms, change);
        }
        Change::Pool(change) => {
            if let PoolChange::Policy(policy) = change {
                if policy.packed_events {
                    out.push(op::PACKED_EVENTS);
                }
                if !policy.remember.is_empty() {
                    out.push(op::REMEMBER);
                    put_names(out, &policy.remember);
                }
            }
            put_zones(out, change);
            put_code(out, pool_code(change), new_epoch);
            put_pool_change(out, now_ms, change);
        }
        Change::Purged(purged) => {
            put_code(out, op::PURGED, new_epoch);
            put_purged(out, purged);
        }
        Change::Credited(credit) => {
            put_code(out, op::CREDITED, new_epoch);
            put_signed(out, credit.qty);
            put_attributes(out, credit.attributes);
            put(out, credit.limits.len() as u64);
            for &id in &credit.limits {
                put(out, u64::from(id.get()));
            }
        }
        Change::Resolved(windows) => {
            put_code(out, op::RESOLVED, new_epoch);
            put(out, windows.len() as u64);
            for &(id, start_ms, end_ms) in windows {
                put(out, u64::from(id.get()));
                put_signed(out, now_ms.saturating_sub(start_ms));
                put_signed(out, end_ms.saturating_sub(now_ms));
            }
        }
    }
}

/// What reservations of one call have in common: it is written with the first of them only.
#[derive(Debug, Default)]
pub struct Common {
    /// `None`: none has been written.
    deadline_ms: Option<i64>,
    /// Limits with their windows.
    shares: SmallVec<[(LimitIndex, i64); 4]>,
}

impl Common {
    /// Forgets the call.
    pub fn clear(&mut self) {
        self.deadline_ms = None;
    }

    /// Whether a reservation has it all in common with the ones before; if not, those behind are
    /// compared with this one.
    fn covers(&mut self, placement: &Placement<'_>, deadline_ms: i64) -> bool {
        let shares = || placement.shares.iter().map(|share| (share.limit, share.window_ms));
        if self.deadline_ms == Some(deadline_ms) && self.shares.iter().copied().eq(shares()) {
            return placement.asked == placement.qty && !placement.partial;
        }
        self.deadline_ms = Some(deadline_ms);
        self.shares.clear();
        self.shares.extend(shares());
        false
    }
}

/// As [`add`], of a call whose orders all have the same dimensions.
pub fn add_alike(
    out: &mut Vec<u8>,
    pool: &Pool,
    now_ms: i64,
    new_epoch: Option<u64>,
    change: &Change<'_>,
    common: &mut Common,
) {
    if let Change::Order(order, OrderChange::Reserved { placement, deadline_ms, given_up: 0 }) = change {
        if common.covers(placement, *deadline_ms) {
            put_code(out, op::ALIKE, new_epoch);
            put_bytes(out, order.id);
            put_signed(out, placement.qty);
            placement.attributes.iter().for_each(|(_, value)| put_bytes(out, value));
            return;
        }
    }
    add(out, pool, now_ms, new_epoch, change);
}

/// An operation's number, with the top bit set where an epoch follows.
fn put_code(out: &mut Vec<u8>, code: u8, new_epoch: Option<u64>) {
    out.push(code | if new_epoch.is_some() { 0x80 } else { 0 });
    if let Some(epoch) = new_epoch {
        out.extend_from_slice(&epoch.to_le_bytes());
    }
}

const fn order_code(change: &OrderChange<'_>) -> u8 {
    match change {
        OrderChange::Reserved { given_up: 0, .. } => op::RESERVED,
        OrderChange::Reserved { .. } => op::REPLACING,
        OrderChange::Amended { .. } => op::AMENDED,
        OrderChange::Parted { .. } => op::PARTED,
        OrderChange::Split { .. } => op::SPLIT,
        OrderChange::Extended { .. } => op::EXTENDED,
        OrderChange::Confirmed { .. } => op::CONFIRMED,
        OrderChange::Late { .. } => op::LATE,
        OrderChange::LatePlaced { .. } => op::LATE_PLACED,
        OrderChange::Released { .. } => op::RELEASED,
        OrderChange::Replaced { .. } => op::REPLACED,
        OrderChange::Cancelled { .. } => op::CANCELLED,
        OrderChange::Expired { .. } => op::EXPIRED,
        OrderChange::Returned { .. } => op::RETURNED,
        OrderChange::UnverifiedReturn { .. } => op::UNVERIFIED_RETURN,
    }
}

const fn pool_code(change: &PoolChange<'_>) -> u8 {
    match change {
        PoolChange::Created { .. } => op::CREATED,
        PoolChange::Set(_) => op::SET,
        PoolChange::Added { .. } => op::ADDED,
        PoolChange::Transferred { .. } => op::TRANSFERRED,
        PoolChange::Reconciled { .. } => op::RECONCILED,
        PoolChange::Suspended => op::SUSPENDED,
        PoolChange::Resumed => op::RESUMED,
        PoolChange::Policy(_) => op::POLICY,
        PoolChange::LimitSet(_) => op::LIMIT_SET,
        PoolChange::LimitRemoved { .. } => op::LIMIT_REMOVED,
        PoolChange::Scheduled(_) => op::SCHEDULED,
        PoolChange::Opened => op::OPENED,
        PoolChange::Ended => op::ENDED,
        PoolChange::Shifted(_) => op::SHIFTED,
    }
}

fn put_order_change(out: &mut Vec<u8>, pool: &Pool, now_ms: i64, change: &OrderChange<'_>) {
    let ahead = |at_ms: i64| at_ms.saturating_sub(now_ms);
    match change {
        // When it was placed is the time of the effect.
        OrderChange::Reserved { placement, deadline_ms, given_up } => {
            put_signed(out, placement.qty);
            put_signed(out, placement.asked.saturating_sub(placement.qty));
            out.push(u8::from(placement.partial));
            put_signed(out, ahead(*deadline_ms));
            put_attributes(out, placement.attributes);
            put_shares(out, pool, &placement.shares, now_ms);
            if *given_up != 0 {
                put_signed(out, *given_up);
            }
        }
        // All that was asked for was granted.
        OrderChange::LatePlaced { placement, forget_ms } => {
            put_signed(out, placement.qty);
            put_signed(out, ahead(placement.placed_ms));
            put_signed(out, ahead(*forget_ms));
            put_attributes(out, placement.attributes);
            put_shares(out, pool, &placement.shares, now_ms);
        }
        OrderChange::Amended { qty, recount } => {
            put_signed(out, *qty);
            out.push(u8::from(recount.is_some()));
            if let Some(recount) = recount {
                put_recount(out, recount, now_ms);
            }
        }
        OrderChange::Parted { qty } => put_signed(out, *qty),
        OrderChange::Split { from, qty } => {
            put_bytes(out, from.id);
            put_signed(out, *qty);
        }
        OrderChange::Extended { deadline_ms } => put_signed(out, ahead(*deadline_ms)),
        OrderChange::Confirmed { qty, forget_ms } => {
            put_signed(out, *qty);
            put_signed(out, ahead(*forget_ms));
        }
        OrderChange::Late { qty, recount, forget_ms } => {
            put_signed(out, *qty);
            put_signed(out, ahead(*forget_ms));
            put_recount(out, recount, now_ms);
        }
        OrderChange::Released { forget_ms }
        | OrderChange::Replaced { forget_ms }
        | OrderChange::Cancelled { forget_ms }
        | OrderChange::Expired { forget_ms } => put_signed(out, ahead(*forget_ms)),
        OrderChange::Returned { token, content, forget_ms } => {
            put_signed(out, ahead(*forget_ms));
            put_token(out, *token);
            put_content(out, *content);
        }
        OrderChange::UnverifiedReturn { token, content, forget_ms } => {
            put_signed(out, ahead(*forget_ms));
            put_bytes(out, token);
            put_content(out, *content);
        }
    }
}

fn put_pool_change(out: &mut Vec<u8>, now_ms: i64, change: &PoolChange<'_>) {
    match change {
        PoolChange::Created { salt, on_hand } => {
            put(out, *salt);
            put_on_hand(out, *on_hand);
        }
        PoolChange::Set(on_hand) => put_on_hand(out, *on_hand),
        PoolChange::Added { delta, token } => {
            put_signed(out, *delta);
            put_token(out, token.map(|(token, _)| token));
            if let Some((_, forget_ms)) = token {
                put_signed(out, forget_ms.saturating_sub(now_ms));
            }
        }
        PoolChange::Transferred { delta, token: (token, forget_ms), peer } => {
            put_signed(out, *delta);
            put_bytes(out, token);
            put_signed(out, forget_ms.saturating_sub(now_ms));
            put_bytes(out, peer);
        }
        PoolChange::Reconciled { on_hand } => put_signed(out, *on_hand),
        PoolChange::Suspended | PoolChange::Resumed | PoolChange::Opened | PoolChange::Ended => {}
        PoolChange::Scheduled(schedule) => put_schedule(out, *schedule),
        PoolChange::Policy(policy) => put_policy(out, policy),
        PoolChange::Shifted(shifted) => put_shifted(out, shifted),
        PoolChange::LimitSet(set) => put_limit_set(out, set),
        PoolChange::LimitRemoved { id, pattern } => {
            put(out, u64::from(id.get()));
            out.push(u8::from(pattern.is_some()));
            if let Some(pattern) = pattern {
                put_bytes(out, pattern.as_slice());
            }
        }
    }
}

/// The named zones of the limits that a change sets, each by its index in it.
fn put_zones(out: &mut Vec<u8>, change: &PoolChange<'_>) {
    let named = |(at, tz): (usize, Tz)| if let Tz::Named(zone) = tz { Some((LimitIndex::new(at), zone)) } else { None };
    let zones: ArrayVec<(LimitIndex, Zone), MAX_LIMITS> = match change {
        PoolChange::LimitSet(set) => set.tz.and_then(|tz| named((0, tz))).into_iter().collect(),
        PoolChange::Policy(policy) => policy.limits.iter().map(|l| l.tz).enumerate().filter_map(named).collect(),
        _ => ArrayVec::new(),
    };
    if zones.is_empty() {
        return;
    }
    put_code(out, op::ZONES, None);
    put(out, zones.len() as u64);
    for (index, zone) in zones {
        out.push(index.byte());
        put_zone(out, zone);
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
        let id = pool.limits.get(share.limit).map_or(0, |l| l.id.get());
        put(out, u64::from(id));
        put_signed(out, now_ms.saturating_sub(share.window_ms));
    }
}

fn put_recount(out: &mut Vec<u8>, recount: &Recount, now_ms: i64) {
    put(out, recount.len() as u64);
    for &(id, window_ms) in recount {
        put(out, u64::from(id.get()));
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
        put_offset(out, limit.tz);
        put_missing(out, limit.missing);
        put_cap(out, limit.base);
        put(out, limit.overrides.len() as u64);
        for (pattern, cap) in limit.overrides.iter() {
            put_override(out, pattern, cap);
        }
    }
    if policy.schedule != Schedule::default() {
        out.push(op::POLICY_SCHEDULE);
        put_schedule(out, policy.schedule);
    }
}

fn put_limit_set(out: &mut Vec<u8>, set: &LimitSet) {
    put_identity(out, &set.identity);
    out.push(u8::from(set.tz.is_some()));
    if let Some(tz) = set.tz {
        put_offset(out, tz);
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

fn put_purged(out: &mut Vec<u8>, purged: &Purged) {
    for n in [purged.orders, purged.tokens, purged.orphaned, purged.pruned.len() as u32] {
        put(out, u64::from(n));
    }
    for &(index, n) in &purged.pruned {
        out.push(index.byte());
        put(out, u64::from(n));
    }
}
