//! A pool as chunks of records, in an order that depends on its state alone.

use super::fields::{
    put_events, put_identity, put_missing, put_names, put_offset, put_on_hand, put_override, put_schedule, put_times,
    put_zone,
};
use super::load::Loader;
use super::record;
use super::shifts;
use super::wire::{put, put_bytes, put_signed};
use crate::core::model::limit::Limit;
use crate::core::model::number::{Number, UsageRow};
use crate::core::model::order::Order;
use crate::core::model::pool::Pool;
use crate::core::model::usage::UsageEntry;
use crate::core::model::zone::Tz;
use crate::core::store::slab::NONE;
use crate::core::store::tokens::Tokens;
use crate::core::store::usage::Usage;

/// A chunk is handed over when it has reached this size; no record is larger than the rest up to 64
/// KiB.
const CHUNK: usize = 32 * 1024;

struct Chunks<'s> {
    buffer: Vec<u8>,
    sink: &'s mut dyn FnMut(&[u8]),
}

impl Chunks<'_> {
    fn record(&mut self, kind: u8) -> &mut Vec<u8> {
        if self.buffer.len() >= CHUNK {
            self.flush();
        }
        self.buffer.push(kind);
        &mut self.buffer
    }

    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            (self.sink)(&self.buffer);
            self.buffer.clear();
        }
    }
}

/// Hands over a partial pool in chunks. A loader that is fed with them continues where this one
/// stands.
pub fn save_partial(loader: &Loader, sink: &mut dyn FnMut(&[u8])) {
    let mut chunks = Chunks { buffer: Vec::with_capacity(CHUNK + 4_096), sink };
    if loader.has_begun() {
        records(&loader.pool, loader.reserved, &mut chunks);
    }
    if loader.finished {
        end(&loader.pool, &mut chunks);
    }
    chunks.flush();
}

/// Hands the pool over in chunks of at most 64 KiB: header, sale window, ended epochs, limits with
/// their overrides, tokens, shifts, usage, orders (open holds by deadline, then the finished ones
/// by when they are forgotten), end.
pub fn save(pool: &Pool, sink: &mut dyn FnMut(&[u8])) {
    let mut chunks = Chunks { buffer: Vec::with_capacity(CHUNK + 4_096), sink };
    records(pool, pool.reserved, &mut chunks);
    end(pool, &mut chunks);
    chunks.flush();
}

/// Everything before the end record. `reserved`: units held, which the orders of a partial pool may
/// not add up to yet.
fn records(pool: &Pool, reserved: i64, chunks: &mut Chunks<'_>) {
    header(pool, reserved, chunks.record(record::HEADER));
    if let Some(sale) = &pool.sale {
        let out = chunks.record(record::SALE);
        put_schedule(out, sale.schedule);
        out.push(sale.announced as u8);
    }
    for ended in &pool.ended {
        let out = chunks.record(record::EPOCH);
        put(out, ended.epoch);
        put(out, ended.seq);
        put_signed(out, ended.out);
    }
    if !pool.remember.is_empty() {
        put_names(chunks.record(record::REMEMBER), &pool.remember);
    }
    if pool.packed_events {
        chunks.record(record::PACKED_EVENTS);
    }
    for limit in &pool.limits {
        put_limit(limit, chunks.record(record::LIMIT));
        if let Tz::Named(zone) = limit.tz {
            let out = chunks.record(record::LIMIT_ZONE);
            put_zone(out, zone);
            put_signed(out, limit.resolved.0);
            put_signed(out, limit.resolved.1);
        }
        for (pattern, cap) in limit.overrides.iter() {
            put_override(chunks.record(record::OVERRIDE), pattern, cap);
        }
    }
    for token in pool.tokens.get().into_iter().flat_map(Tokens::iter) {
        let out = chunks.record(if token.peer.is_some() { record::TRANSFER_TOKEN } else { record::TOKEN });
        put_bytes(out, token.token.as_slice());
        put_signed(out, token.delta);
        put_signed(out, token.forget_ms);
        if let Some(peer) = token.peer {
            put(out, peer);
        }
    }
    for (lane, totals) in pool.shifts.iter().flat_map(|shifts| shifts.iter()) {
        shifts::put(chunks.record(record::SHIFTS), lane, totals);
    }
    let ordinals = usage(pool, chunks);
    let credits = pool.usage.get().into_iter().flat_map(Usage::credits);
    let mut credits: Vec<(u32, i64)> = credits.map(|(at, units)| (ordinal(&ordinals, at), units)).collect();
    credits.sort_unstable();
    for (usage, units) in credits {
        let out = chunks.record(record::CREDIT);
        put(out, u64::from(usage));
        put_signed(out, units);
    }
    let Some(placed) = pool.placed.get() else { return };
    for row in placed.holds().chain(placed.finished()) {
        order(&placed.orders.at(row), placed.orders.remembered(row), &ordinals, chunks);
    }
}

fn end(pool: &Pool, chunks: &mut Chunks<'_>) {
    let out = chunks.record(record::END);
    put(out, pool.usage_entries() as u64);
    put(out, pool.remembered());
}

fn header(pool: &Pool, reserved: i64, out: &mut Vec<u8>) {
    put(out, pool.salt.0);
    put_on_hand(out, pool.on_hand());
    out.push(u8::from(pool.suspended));
    put_signed(out, pool.safety);
    put_signed(out, pool.alert);
    put_signed(out, reserved);
    put_signed(out, pool.sold);
    put_signed(out, pool.out);
    put_times(out, pool.times);
    put_events(out, pool.events.as_ref());
    put(out, pool.epoch);
    put(out, pool.seq);
    put_signed(out, pool.purged_placed_ms);
    put_signed(out, pool.shortest_retain_ms);
    put(out, u64::from(pool.next_limit.get()));
}

fn put_limit(limit: &Limit, out: &mut Vec<u8>) {
    put(out, u64::from(limit.id.get()));
    put_signed(out, limit.set_ms);
    put_identity(out, &limit.identity);
    put_offset(out, limit.tz);
    put_missing(out, limit.missing);
    super::fields::put_cap(out, limit.base);
}

/// Writes the usage entries; tells for each record number which one in the file it is.
fn usage(pool: &Pool, chunks: &mut Chunks<'_>) -> Vec<u32> {
    let Some(usage) = pool.usage.get() else { return Vec::new() };
    let entries = &usage.entries;
    let mut ordinals = vec![NONE; entries.span().get() as usize];
    let mut next = 0u32;
    let mut write = |at: UsageRow, kind: u8, limit: u32, chunks: &mut Chunks<'_>| {
        let entry: UsageEntry<'_> = entries.at(at);
        let out = chunks.record(kind);
        put(out, u64::from(limit));
        put_bytes(out, entry.value);
        put_signed(out, entry.window_ms);
        put_signed(out, entry.used);
        if let Some(ordinal) = ordinals.get_mut(at.get() as usize) {
            *ordinal = next;
        }
        next = next.saturating_add(1);
    };
    for (index, limit) in pool.limits.indexed() {
        for at in limit.entries.iter(entries) {
            write(at, record::USAGE, u32::from(index.byte()), chunks);
        }
    }
    for at in usage.orphaned.iter(entries) {
        write(at, record::ORPHANED, entries.at(at).limit.get(), chunks);
    }
    for at in usage.detached.iter(entries) {
        write(at, record::DETACHED, entries.at(at).limit.get(), chunks);
    }
    ordinals
}

fn order(order: &Order<'_>, remembered: &[u8], ordinals: &[u32], chunks: &mut Chunks<'_>) {
    let out = chunks.record(if remembered.is_empty() { record::ORDER } else { record::REMEMBERING_ORDER });
    if !remembered.is_empty() {
        put_bytes(out, remembered);
    }
    let extra = order.extra;
    let shrunk = order.asked != order.qty;
    let flags = order.state as u8
        | u8::from(order.partial) << 3
        | u8::from(shrunk) << 4
        | u8::from(extra.is_some()) << 5
        | u8::from(extra.is_some_and(|e| e.unverified)) << 6;
    out.push(flags);
    put_bytes(out, order.id);
    put_signed(out, order.qty);
    if shrunk {
        put_signed(out, order.asked);
    }
    put_signed(out, order.placed_ms);
    // Mostly a short span after the placing.
    put_signed(out, order.time_ms.saturating_sub(order.placed_ms));
    out.extend_from_slice(&order.fingerprint.to_le_bytes());
    put(out, u64::from(order.limits_below.get()));
    put(out, order.shares.len() as u64);
    for at in order.shares.iter() {
        put(out, u64::from(ordinal(ordinals, at)));
    }
    let Some(extra) = extra else { return };
    put_signed(out, extra.returned);
    for token in &extra.tokens {
        let out = chunks.record(record::RETURN);
        put_bytes(out, token.token.as_slice());
        put_signed(out, token.content.qty);
        out.push(u8::from(token.content.keep_usage));
        out.push(u8::from(token.content.no_restock));
    }
}

/// Which entry in the file a share refers to.
#[allow(clippy::panic, reason = "a file that cannot be loaded must not take the place of one that can")]
fn ordinal(ordinals: &[u32], at: UsageRow) -> u32 {
    match ordinals.get(at.get() as usize) {
        Some(&ordinal) if ordinal != NONE => ordinal,
        _ => panic!("a share has no usage: {at}"),
    }
}
