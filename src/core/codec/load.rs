//! Chunks back into a pool. The bytes may come from anybody (RESTORE): each bound is checked before
//! memory is allocated, every sum, index and list is rebuilt, and contradictions are refused.

use super::damage::Damage;
use super::fields::{add_override, events, limit, limit_zone, names, on_hand, sale, times, tuple};
use super::newest::Newest;
use super::wire::{Read, Reader};
use super::{record, shifts};
use crate::core::model::change::OnHand;
use crate::core::model::ids::Bytes;
use crate::core::model::limit::{Limit, MAX_LIMITS, MAX_LIMIT_ID, MAX_TUPLE};
use crate::core::model::number::{LimitId, LimitIndex, Number, OrderRow, UsageRow};
use crate::core::model::order::{Extra, NewOrder, Numbers, OrderState, ReturnContent, ReturnToken, MAX_TOKENS};
use crate::core::model::pool::{EndedEpoch, Pool, SumDeltas, MAX_EPOCHS};
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::remembered::{self, MAX_REMEMBERED};
use crate::core::model::usage::{EntryState, RestoredEntry, UsageCounts, UsageEntry};
use crate::core::model::window::Window;
use crate::core::store::bulk::Bulk;
use crate::core::store::tokens::AddToken;

/// Whether a chunk is the first one of a pool.
#[must_use]
pub fn begins(chunk: &[u8]) -> bool {
    chunk.first() == Some(&record::HEADER)
}

/// Builds a pool from its chunks.
#[derive(Clone)]
pub struct Loader {
    pub(super) pool: Pool,
    /// The kind of the last record: kinds stand in the order of their numbers.
    last: u8,
    /// Units held, by the header: the orders must add up to it.
    pub(super) reserved: i64,
    /// The number of each entry in the table, and how many units and orders of it its orders
    /// explain.
    entries: Vec<(UsageRow, i64)>,
    /// The newest usage of each (limit, value) that may have several.
    newest: Newest,
    /// What will be indexed at the end: orders, and usage.
    order_bulk: Bulk,
    usage_bulk: Bulk,
    /// The order whose tokens follow.
    tokens_of: Option<OrderRow>,
    last_time_ms: i64,
    last_usage: (LimitIndex, i64),
    last_token_ms: i64,
    last_credit: Option<u32>,
    last_finished: bool,
    /// The end record has come.
    pub(super) finished: bool,
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

fn damage<T>(text: &'static str) -> Read<T> {
    Err(Damage(text))
}

impl Loader {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pool: Pool::new(0),
            last: 0,
            reserved: 0,
            entries: Vec::new(),
            newest: Newest::default(),
            order_bulk: Bulk::default(),
            usage_bulk: Bulk::default(),
            tokens_of: None,
            last_time_ms: i64::MIN,
            last_usage: (LimitIndex::FIRST, i64::MIN),
            last_token_ms: i64::MIN,
            last_credit: None,
            last_finished: false,
            finished: false,
        }
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// [`Damage`]: it is damaged. The loader is of no use any more.
    pub fn feed(&mut self, chunk: &[u8]) -> Read<()> {
        let mut reader = Reader::new(chunk);
        while !reader.is_empty() {
            if self.finished {
                return damage("something follows the end");
            }
            let kind = reader.byte()?;
            let in_order = match (self.last, kind) {
                (0, record::HEADER) => true,
                (0, _) | (_, record::HEADER) => false,
                (
                    record::LIMIT | record::LIMIT_ZONE | record::OVERRIDE,
                    record::LIMIT | record::LIMIT_ZONE | record::OVERRIDE,
                ) => true,
                (
                    record::ORDER | record::RETURN | record::REMEMBERING_ORDER,
                    record::ORDER | record::RETURN | record::REMEMBERING_ORDER,
                ) => true,
                (last, kind) => record::rank(kind) >= record::rank(last),
            };
            if !in_order {
                return damage("records are out of order");
            }
            self.last = kind;
            self.record(kind, &mut reader)?;
        }
        Ok(())
    }

    /// Whether the first record has come, without which there is nothing.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.last != 0
    }

    /// A copy for another key, as [`Pool::copy`].
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { pool: self.pool.copy(), ..self.clone() }
    }

    /// How much memory it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let loader = size_of::<Self>().saturating_sub(size_of::<Pool>());
        loader
            .saturating_add(self.pool.memory_bytes())
            .saturating_add(self.entries.capacity().saturating_mul(size_of::<(UsageRow, i64)>()))
            .saturating_add(self.newest.bytes())
            .saturating_add(self.order_bulk.bytes())
            .saturating_add(self.usage_bulk.bytes())
    }

    /// How many allocations freeing it has to return.
    #[must_use]
    pub fn free_effort(&self) -> usize {
        self.pool.free_effort()
    }

    /// The pool.
    ///
    /// # Errors
    /// [`Damage`]: it is incomplete, or contradicts itself.
    pub fn finish(self) -> Read<Pool> {
        if !self.finished {
            return damage("the end is missing");
        }
        Ok(self.pool)
    }

    fn record(&mut self, kind: u8, reader: &mut Reader<'_>) -> Read<()> {
        match kind {
            record::HEADER => self.header(reader),
            record::SALE => self.sale(reader),
            record::EPOCH => self.epoch(reader),
            record::LIMIT => self.limit(reader),
            record::LIMIT_ZONE => self.limit_zone(reader),
            record::OVERRIDE => {
                let Some(limit) = self.pool.limits.last_mut() else { return damage("an override has no limit") };
                let dims = limit.identity.dims.len();
                add_override(reader, &mut limit.overrides, dims)
            }
            record::TOKEN | record::TRANSFER_TOKEN => self.token(reader, kind == record::TRANSFER_TOKEN),
            record::SHIFTS => shifts::read(reader, &mut self.pool),
            record::USAGE => self.usage(reader),
            record::ORPHANED => self.orphan(reader, EntryState::Indexed),
            record::DETACHED => self.orphan(reader, EntryState::Detached),
            record::CREDIT => self.credit(reader),
            record::ORDER => self.order(reader, &[]),
            record::REMEMBER => {
                if !self.pool.remember.is_empty() {
                    return damage("what orders remember comes twice");
                }
                self.pool.remember = names(reader)?;
                Ok(())
            }
            record::PACKED_EVENTS => {
                if std::mem::replace(&mut self.pool.packed_events, true) {
                    return damage("the format of events comes twice");
                }
                Ok(())
            }
            record::REMEMBERING_ORDER => {
                let remembered = reader.bytes(MAX_REMEMBERED)?;
                if remembered.is_empty() || !remembered::is_valid(remembered) {
                    return damage("remembered attributes are not proper ones");
                }
                self.order(reader, remembered)
            }
            record::RETURN => self.returned(reader),
            record::END => self.end(reader),
            _ => damage("a record is of no known kind"),
        }
    }

    fn header(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let pool = &mut self.pool;
        pool.salt.0 = reader.number()?;
        match on_hand(reader)? {
            OnHand::Units(units) => pool.on_hand = units,
            OnHand::Unlimited => pool.unlimited = true,
        }
        pool.suspended = reader.flag()?;
        pool.safety = reader.bounded()?;
        pool.alert = reader.within(0..=MAX_UNITS)?;
        self.reserved = reader.within(0..=MAX_UNITS)?;
        pool.sold = reader.bounded()?;
        pool.out = reader.bounded()?;
        pool.times = times(reader)?;
        pool.events = events(reader)?;
        pool.epoch = reader.number()?;
        pool.seq = reader.number()?;
        pool.purged_placed_ms = reader.within(0..=MAX_UNITS)?;
        pool.shortest_retain_ms = reader.within(0..=i64::MAX)?;
        pool.next_limit = LimitId::of(reader.small()?);
        if !(1..=MAX_LIMIT_ID).contains(&pool.next_limit.get()) || pool.seq > MAX_UNITS.unsigned_abs() {
            return damage("a counter is out of bounds");
        }
        // What the orders do not explain is what forgotten ones have sold: orders are subtracted as
        // they come.
        pool.sold_before = pool.sold;
        Ok(())
    }

    fn sale(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let sale = sale(reader)?;
        if self.pool.sale.replace(Box::new(sale)).is_some() {
            return damage("duplicate sale window");
        }
        Ok(())
    }

    fn epoch(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let ended = EndedEpoch { epoch: reader.number()?, seq: reader.number()?, out: reader.bounded()? };
        if self.pool.ended.len() >= MAX_EPOCHS {
            return damage("there are too many epochs");
        }
        self.pool.ended.push(ended);
        Ok(())
    }

    fn limit(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let limit = limit(reader)?;
        let limits = &mut self.pool.limits;
        if limit.id.get() == 0
            || limit.id >= self.pool.next_limit
            || limits.iter().any(|l| l.id == limit.id || l.identity == limit.identity)
        {
            return damage("duplicate limit, or one newer than the pool");
        }
        if limits.len() >= MAX_LIMITS {
            return damage("there are too many limits");
        }
        limits.push(limit);
        Ok(())
    }

    fn limit_zone(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        self.pool
            .limits
            .last_mut()
            .map_or_else(|| damage("a time zone has no limit"), |limit| limit_zone(reader, limit))
    }

    fn token(&mut self, reader: &mut Reader<'_>, of_transfer: bool) -> Read<()> {
        let (token, delta) = (reader.id()?, reader.bounded()?);
        let forget_ms = reader.within(0..=MAX_UNITS)?;
        if forget_ms < self.last_token_ms {
            return damage("tokens are not in order of time");
        }
        self.last_token_ms = forget_ms;
        if delta == 0 || self.pool.tokens.find(self.pool.salt, token).is_some() {
            return damage("duplicate token, or one without units");
        }
        let peer = of_transfer.then(|| reader.number()).transpose()?;
        self.pool.tokens.add(self.pool.salt, AddToken::new(token, delta, forget_ms, peer));
        Ok(())
    }

    fn usage(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let index = u8::try_from(reader.small()?).map_err(|_| Damage("usage has no limit"))?;
        let (index, salt) = (LimitIndex::of_byte(index), self.pool.salt);
        let Some(limit) = self.pool.limits.get_mut(index) else { return damage("usage has no limit") };
        let value = tuple(reader, limit.identity.dims.len(), false)?;
        let window_ms = reader.bounded()?;
        let used = reader.within(0..=MAX_UNITS)?;
        if (index, window_ms) < self.last_usage {
            return damage("usage is not in order of limit and window");
        }
        self.last_usage = (index, window_ms);
        let hash = salt.usage(limit.id, value.as_slice());
        let (id, window) = (limit.id, limit.identity.window);
        let entry = RestoredEntry { value: value.clone(), window_ms, used, limit: id, state: EntryState::Indexed };
        let at = self.pool.usage.restore(Some(limit), entry);
        if matches!(window, Window::Rolling(_)) {
            self.newest.add(&mut self.pool.usage, (id, value), at, Some(window))?;
        } else {
            self.usage_bulk.add(hash, at.get());
        }
        self.entries.push((at, 0));
        Ok(())
    }

    /// An entry of a limit that is gone, or of a window that is over.
    fn orphan(&mut self, reader: &mut Reader<'_>, state: EntryState) -> Read<()> {
        let limit = LimitId::of(reader.small()?);
        let living = self.pool.limits.iter().find(|l| l.id == limit).map(|l| l.identity.dims.len());
        let value = match living {
            Some(_) if state == EntryState::Indexed => return damage("usage of a living limit is called left"),
            Some(dims) => tuple(reader, dims, false)?,
            None => Bytes::new(reader.bytes(MAX_TUPLE)?),
        };
        let window_ms = reader.bounded()?;
        let used = reader.within(0..=MAX_UNITS)?;
        if limit.get() == 0 || limit >= self.pool.next_limit {
            return damage("usage is of a limit that never was");
        }
        let entry = RestoredEntry { value: value.clone(), window_ms, used, limit, state };
        let at = self.pool.usage.restore(None, entry);
        if state == EntryState::Indexed {
            self.newest.add(&mut self.pool.usage, (limit, value), at, None)?;
        }
        self.entries.push((at, 0));
        Ok(())
    }

    fn credit(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let ordinal = reader.small()?;
        let units = reader.within(1..=MAX_UNITS)?;
        if self.last_credit.is_some_and(|before| before >= ordinal) {
            return damage("credits are not in order");
        }
        self.last_credit = Some(ordinal);
        let Some(&(at, _)) = self.entries.get(ordinal as usize) else { return damage("a credit has no usage") };
        let entry = self.pool.usage.entries.get(at);
        if entry.is_none_or(|e| e.state == EntryState::Detached || units > e.used) {
            return damage("a credit is of no usage, or of less");
        }
        self.pool.usage.add_credit(at, units);
        Ok(())
    }

    fn order(&mut self, reader: &mut Reader<'_>, remembered: &[u8]) -> Read<()> {
        let flags = reader.byte()?;
        let Some(state) = OrderState::of_code(flags & 7) else { return damage("a state is unknown") };
        let [partial, shrunk, has_extra, unverified] = [3, 4, 5, 6].map(|bit| flags >> bit & 1 == 1);
        let id = reader.id()?;
        let qty = reader.within(0..=MAX_UNITS)?;
        let asked = if shrunk { reader.within(0..=MAX_UNITS)? } else { qty };
        let placed_ms = reader.within(0..=MAX_UNITS)?;
        let time_ms = placed_ms.saturating_add(reader.bounded()?);
        let mut fingerprint = [0; 8];
        for byte in &mut fingerprint {
            *byte = reader.byte()?;
        }
        let limits_below = LimitId::of(reader.small()?);
        let mut shares = arrayvec::ArrayVec::<UsageRow, MAX_LIMITS>::new();
        // Their ordinals in the file.
        let mut ordinals = arrayvec::ArrayVec::<u32, MAX_LIMITS>::new();
        for _ in 0..reader.number()? {
            if shares.is_full() {
                return damage("an order has too many shares");
            }
            let ordinal = reader.small()?;
            shares.push(self.share(ordinal, &shares)?);
            ordinals.push(ordinal);
        }
        let returned = if has_extra { reader.within(1..=MAX_UNITS)? } else { 0 };
        let fits = match state {
            OrderState::Reserved | OrderState::Expired => qty > 0 && !has_extra,
            OrderState::Released => !has_extra,
            OrderState::Confirmed => qty > 0 && returned < qty && !unverified,
            OrderState::Returned => qty > 0 && returned == qty,
        };
        if !fits
            || (unverified && !has_extra)
            || flags & 0x80 != 0
            || (shrunk && asked == qty)
            || limits_below > self.pool.next_limit
        {
            return damage("an order contradicts its state");
        }
        if !(0..=MAX_UNITS).contains(&time_ms) {
            return damage("a time is out of bounds");
        }
        let pool = &mut self.pool;
        let order = NewOrder {
            id,
            numbers: Numbers { qty, time_ms, placed_ms, limits_below },
            asked,
            fingerprint: u64::from_le_bytes(fingerprint),
            shares: &shares,
            state,
            partial,
            extra: has_extra.then(|| Extra { returned, tokens: Vec::new(), unverified }),
            remembered,
        };
        let finished = state != OrderState::Reserved;
        if (finished, time_ms) < (self.last_finished, self.last_time_ms) {
            return damage("orders are not in order of time");
        }
        (self.last_finished, self.last_time_ms) = (finished, time_ms);
        match state {
            OrderState::Reserved => {
                pool.reserved = pool.reserved.saturating_add(qty);
                if pool.reserved > MAX_UNITS {
                    return damage("a sum is out of bounds");
                }
            }
            OrderState::Confirmed | OrderState::Returned => {
                pool.sold_before = pool.sold_before.saturating_sub(qty.saturating_sub(returned));
            }
            OrderState::Released | OrderState::Expired => {}
        }
        let row = crate::core::ops::restore_order(pool, &order);
        self.order_bulk.add(pool.salt.order(id), row.get());
        self.tokens_of = has_extra.then_some(row);
        if state == OrderState::Reserved {
            self.explain(qty, &ordinals)?;
        }
        Ok(())
    }

    /// Reads a share: an entry that is there, and no second one of the same limit.
    fn share(&mut self, ordinal: u32, before: &[UsageRow]) -> Read<UsageRow> {
        let Some(&(at, _)) = self.entries.get(ordinal as usize) else { return damage("a share has no usage") };
        let entries = &mut self.pool.usage.entries;
        let Some(entry) = entries.get(at) else { return damage("a share has no usage") };
        if before.iter().any(|&other| entries.get(other).is_some_and(|e| e.limit == entry.limit)) {
            return damage("an order has two shares in one limit");
        }
        let refs = entry.refs.checked_add(1).ok_or(Damage("usage has too many orders"))?;
        let numbers = UsageCounts { used: entry.used, refs };
        entries.set_counts(at, numbers);
        Ok(at)
    }

    /// Adds what an order that still holds units must have in its usage: no less than that can be
    /// used.
    fn explain(&mut self, qty: i64, ordinals: &[u32]) -> Read<()> {
        for &ordinal in ordinals {
            let Some((at, counted)) = self.entries.get_mut(ordinal as usize) else { continue };
            let Some(entry) = self.pool.usage.entries.get(*at) else { continue };
            let counts = |l: &&Limit| l.id == entry.limit && l.keeps_usage() && entry.state != EntryState::Detached;
            let Some(limit) = self.pool.limits.iter().find(counts) else { continue };
            *counted = counted.saturating_add(limit.amount(qty));
            if *counted > entry.used {
                return damage("usage is less than its orders");
            }
        }
        Ok(())
    }

    fn returned(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let token = reader.id()?;
        let content = ReturnContent {
            qty: reader.within(1..=MAX_UNITS)?,
            keep_usage: reader.flag()?,
            no_restock: reader.flag()?,
        };
        let Some(row) = self.tokens_of else { return damage("a token has no order") };
        let mut whole = true;
        crate::core::ops::restore_extra(&mut self.pool, row, |extra| {
            let known = extra.tokens.iter().any(|t| t.token.as_slice() == token);
            let sum: i64 = extra.tokens.iter().fold(content.qty, |sum, t| sum.saturating_add(t.content.qty));
            whole = !known && extra.tokens.len() < MAX_TOKENS && sum <= extra.returned;
            if whole {
                extra.tokens.push(ReturnToken { token: Bytes::new(token), content });
            }
        });
        if whole {
            Ok(())
        } else {
            damage("return tokens contradict the order")
        }
    }

    fn end(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let (entries, orders) = (reader.number()?, reader.number()?);
        let pool = &mut self.pool;
        if entries != pool.usage_entries() as u64 || orders != pool.remembered() {
            return damage("records are missing");
        }
        if pool.reserved != self.reserved {
            return damage("the sum of the holds is not what is reserved");
        }
        if pool.check_sums(&SumDeltas::default()).is_err() {
            return damage("a sum is out of bounds");
        }
        let empty = |e: UsageEntry<'_>| e.refs == 0 && (e.used == 0 || e.state == EntryState::Detached);
        if pool.usage.get().is_some_and(|usage| usage.entries.iter().any(empty)) {
            return damage("usage that counts nothing");
        }
        pool.limits.fit();
        std::mem::take(&mut self.newest).index(pool.salt, &mut self.usage_bulk);
        let id_of = |row: u32| pool.placed.orders.get(OrderRow::of(row)).map(|o| o.id);
        let Some(index) = std::mem::take(&mut self.order_bulk).build(id_of) else {
            return damage("duplicate order");
        };
        if orders > 0 {
            pool.placed.index = index;
        }
        if entries > 0 && pool.usage.restore_index(std::mem::take(&mut self.usage_bulk)).is_none() {
            return damage("duplicate usage");
        }
        self.finished = true;
        shifts::add_up(&mut self.pool)
    }
}
