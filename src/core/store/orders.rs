//! The table of a pool's orders. A flash sale has millions, all alike: each is one row of bytes
//! without gaps. What only few orders have stands in a side table.
//!
//! | field | bytes | what |
//! |---|---|---|
//! | `Flags` | 1 | state (three bits), PARTIAL, whether the side table has something |
//! | `IdLen`, `ShareCount` | 1, 1 | length of the id, number of shares |
//! | `LimitsBelow` | 2 | limits with this id or a larger one are newer than the order |
//! | `Qty` | 3 | units |
//! | `Placed` | 6 | when it was placed, Unix ms |
//! | `Span` | 5 | how long after that its deadline or its end of retention is, ms |
//! | `Fingerprint` | 8 | of the attributes |
//! | `Neighbours` | 4 + 4 | rows before and after it in its timeline |
//! | | 0 to 8, 1 to 4 each | widths of the shares, shares (`order_shares`) |
//! | | 1 to 128 | the id |
//! | | 2, so many | only where flagged: length of the remembered attributes, and they |
//!
//! Where one of `LimitsBelow`, `Qty`, `Placed` and `Span` does not fit, all four overflow into the
//! side table.

use std::collections::BTreeMap;

use crate::core::model::ids::same_bytes;
use crate::core::model::limit::MAX_LIMITS;
use crate::core::model::number::{LimitId, Number, OrderRow, UsageRow};
use crate::core::model::order::{Extra, NewOrder, Numbers, Order, OrderState, ReturnToken};
use crate::core::store::layout::Field;
use crate::core::store::list::{Linked, Links};
use crate::core::store::order_shares::{compose_shares, most_bytes, OrderShares, FEW};
use crate::core::store::rows::{NewRow, Rows};

type Flags = Field<0, 1>;
type IdLen = Field<{ Flags::END }, 1>;
type ShareCount = Field<{ IdLen::END }, 1>;
type LimitsBelow = Field<{ ShareCount::END }, 2>;
type Qty = Field<{ LimitsBelow::END }, 3>;
type Placed = Field<{ Qty::END }, 6>;
type Span = Field<{ Placed::END }, 5>;
type Fingerprint = Field<{ Span::END }, 8>;
type Neighbours = Field<{ Fingerprint::END }, 8>;

const HEAD: usize = Neighbours::END;
type Head = [u8; HEAD];

/// The bits of the flags that hold the state.
const STATE: u8 = 0b111;
const PARTIAL: u8 = 1 << 3;
/// The side table has a record of the order.
const SIDE: u8 = 1 << 4;
/// The numbers are in the side table.
const OVERFLOW: u8 = 1 << 5;
/// Remembered attributes stand behind the id.
const REMEMBERS: u8 = 1 << 6;
/// The bytes of the length of remembered attributes.
const REMEMBERED_LEN: usize = 2;

/// What the side table has of an order.
#[derive(Clone, Debug, Default, PartialEq)]
struct SideRecord {
    extra: Option<Extra>,
    /// Units first asked for, where they differ from its quantity.
    asked: Option<i64>,
    /// The four numbers, where one does not fit into the row.
    numbers: Option<Numbers>,
    /// All shares, where one has become too long for the row.
    shares: Option<Box<[UsageRow]>>,
}

impl SideRecord {
    /// The bytes taken, by length and not by capacity, so that a copy counts the same. The tree
    /// keeps its nodes at least half full.
    fn bytes(&self) -> usize {
        let tokens = self.extra.as_ref().map_or(0, |e| e.tokens.len().saturating_mul(size_of::<ReturnToken>()));
        let shares = self.shares.as_ref().map_or(0, |s| s.len().saturating_mul(size_of::<u32>()));
        size_of::<Self>()
            .saturating_add(8)
            .saturating_mul(3)
            .div_euclid(2)
            .saturating_add(tokens)
            .saturating_add(shares)
    }
}

/// The orders of a pool.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    rows: Rows,
    side_table: BTreeMap<OrderRow, SideRecord>,
    side_table_bytes: usize,
}

fn head(row: &[u8]) -> Option<&Head> {
    row.first_chunk::<HEAD>()
}

/// Writes the numbers; false where one does not fit, and nothing is written.
fn pack(head: &mut Head, numbers: &Numbers) -> bool {
    let span_ms = numbers.time_ms.checked_sub(numbers.placed_ms);
    let (Some(below), Some(qty), Some(placed), Some(span)) = (
        LimitsBelow::fit(i64::from(numbers.limits_below.get())),
        Qty::fit(numbers.qty),
        Placed::fit(numbers.placed_ms),
        span_ms.and_then(Span::fit),
    ) else {
        return false;
    };
    LimitsBelow::set(head, below);
    Qty::set(head, qty);
    Placed::set(head, placed);
    Span::set(head, span);
    true
}

fn unpack(head: &Head) -> Numbers {
    let placed_ms = Placed::get(head) as i64;
    Numbers {
        limits_below: LimitId::of(LimitsBelow::get(head) as u32),
        qty: Qty::get(head) as i64,
        placed_ms,
        time_ms: placed_ms.saturating_add(Span::get(head) as i64),
    }
}

impl Orders {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One more than the last row that can hold an order now.
    #[must_use]
    pub fn span(&self) -> u32 {
        self.rows.span()
    }

    /// The first row, from this one on, that may hold an order.
    #[must_use]
    pub fn skip_empty(&self, row: u32) -> u32 {
        self.rows.skip_empty(row)
    }

    /// The bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.bytes().saturating_add(self.side_table_bytes)
    }

    /// Consistency check of the side table: every record is flagged in its row, and the total is
    /// right.
    #[must_use]
    pub fn check_side_table(&self) -> bool {
        let flagged = |row: &OrderRow| self.rows.get(row.get()).and_then(head).is_some_and(|h| h[0] & SIDE != 0);
        self.side_table.keys().all(flagged)
            && self.side_table_bytes == self.side_table.values().map(SideRecord::bytes).sum::<usize>()
    }

    /// Whether the row holds the order with this id. Reads the id alone: each search asks.
    #[must_use]
    pub fn is(&self, row: OrderRow, id: &[u8]) -> bool {
        let Some((head, rest)) = self.rows.get(row.get()).and_then(|row| row.split_first_chunk::<HEAD>()) else {
            return false;
        };
        let [flags, id_len, share_count, ..] = *head;
        if usize::from(id_len) != id.len() || OrderState::of_code(flags & STATE).is_none() {
            return false;
        }
        // Where shares have left the row, their bytes are still there.
        let behind = OrderShares::split(rest, usize::from(share_count), None).map(|(_, rest)| rest);
        behind.and_then(|rest| rest.get(..id.len())).is_some_and(|known| same_bytes(known, id))
    }

    /// State and time of the order in a row that is in use: they say which list it is in, and
    /// where.
    ///
    /// # Panics
    /// As [`Orders::at`].
    #[must_use]
    pub fn listed_at(&self, row: OrderRow) -> (OrderState, i64) {
        let head = self.rows.get(row.get()).and_then(head).filter(|head| head[0] & OVERFLOW == 0);
        let known = head.and_then(|head| Some((OrderState::of_code(head[0] & STATE)?, unpack(head).time_ms)));
        known.unwrap_or_else(|| {
            let order = self.at(row);
            (order.state, order.time_ms)
        })
    }

    /// Deadline (Unix ms) and quantity of a hold. `None`: no hold, or they do not fit into the row.
    #[must_use]
    #[inline]
    pub fn hold_at(&self, row: OrderRow) -> Option<(i64, i64)> {
        let head = self.rows.get(row.get()).and_then(head)?;
        let plain = head[0] & (STATE | OVERFLOW) == OrderState::Reserved as u8;
        plain.then(|| (unpack(head).time_ms, Qty::get(head) as i64))
    }

    /// The order in this row. `None`: the row is free, or its bytes are no order. Inlined: callers
    /// want few of the fields, and the others are not read then.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, row: OrderRow) -> Option<Order<'_>> {
        let (head, rest) = self.rows.get(row.get())?.split_first_chunk::<HEAD>()?;
        let [flags, id_len, share_count, ..] = *head;
        let state = OrderState::of_code(flags & STATE)?;
        let side = if flags & SIDE != 0 { self.side_table.get(&row) } else { None };
        let overflow = if flags & OVERFLOW != 0 { side.and_then(|s| s.numbers) } else { None };
        let numbers = overflow.unwrap_or_else(|| unpack(head));
        let moved = side.and_then(|s| s.shares.as_deref());
        let (shares, rest) = OrderShares::split(rest, usize::from(share_count), moved)?;
        Some(Order {
            id: rest.get(..usize::from(id_len))?,
            qty: numbers.qty,
            asked: side.and_then(|s| s.asked).unwrap_or(numbers.qty),
            time_ms: numbers.time_ms,
            placed_ms: numbers.placed_ms,
            limits_below: numbers.limits_below,
            fingerprint: Fingerprint::get(head),
            shares,
            extra: side.and_then(|s| s.extra.as_ref()),
            state,
            partial: flags & PARTIAL != 0,
        })
    }

    /// The attributes that an order keeps although no limit counts them (`model::remembered`).
    #[must_use]
    pub fn remembered(&self, row: OrderRow) -> &[u8] {
        let bytes = || {
            let (head, rest) = self.rows.get(row.get())?.split_first_chunk::<HEAD>()?;
            if head[0] & REMEMBERS == 0 {
                return None;
            }
            let (_, rest) = OrderShares::split(rest, ShareCount::get(head) as usize, None)?;
            let (len, rest) = rest.get(IdLen::get(head) as usize..)?.split_first_chunk::<REMEMBERED_LEN>()?;
            rest.get(..usize::from(u16::from_le_bytes(*len)))
        };
        bytes().unwrap_or_default()
    }

    /// The order in a row that is in use.
    ///
    /// # Panics
    /// The row is free, which is a bug of this crate. No answer is better than one from a wrong
    /// order.
    #[must_use]
    #[inline]
    #[allow(clippy::panic, reason = "see above; the shell turns it into an error reply")]
    pub fn at(&self, row: OrderRow) -> Order<'_> {
        match self.get(row) {
            Some(order) => order,
            None => panic!("no order in row {row}"),
        }
    }

    /// Shares and quantity of the order in a row that is in use, and nothing else of it.
    ///
    /// # Panics
    /// As [`Orders::at`].
    #[must_use]
    #[inline(always)]
    #[allow(clippy::panic, reason = "as `at`")]
    pub fn counted_at(&self, row: OrderRow) -> (OrderShares<'_>, i64) {
        match self.get(row) {
            Some(Order { shares, qty, .. }) => (shares, qty),
            None => panic!("no order in row {row}"),
        }
    }

    /// Stores an order in a row. `links`: of the list that it is about to be added to.
    pub fn insert(&mut self, order: &NewOrder<'_>, links: Links) -> OrderRow {
        let remembers = !order.remembered.is_empty();
        let mut head = [0; HEAD];
        let partial = if order.partial { PARTIAL } else { 0 };
        let remembered = if remembers { REMEMBERS } else { 0 };
        Flags::set(&mut head, u64::from(order.state as u8 | partial | remembered));
        IdLen::set(&mut head, order.id.len() as u64);
        ShareCount::set(&mut head, order.shares.len() as u64);
        Fingerprint::set(&mut head, order.fingerprint);
        Neighbours::set(&mut head, links.number());
        let fits = pack(&mut head, &order.numbers);
        let row = if remembers || order.shares.len() > FEW {
            self.add_long(head, order)
        } else {
            let mut shares = [0; most_bytes(FEW)];
            let len = compose_shares(order.shares, &mut shares);
            OrderRow::of(self.rows.add(&NewRow { head, body: shares.get(..len).unwrap_or(&[]), tail: order.id }))
        };
        if !fits || order.asked != order.numbers.qty || order.extra.is_some() {
            self.update_side(row, |side| {
                side.extra.clone_from(&order.extra);
                side.asked = (order.asked != order.numbers.qty).then_some(order.asked);
                side.numbers = (!fits).then_some(order.numbers);
            });
        }
        row
    }

    /// Adds a row with many shares, or with remembered attributes.
    #[cold]
    fn add_long(&mut self, head: Head, order: &NewOrder<'_>) -> OrderRow {
        let mut shares = [0; most_bytes(MAX_LIMITS)];
        let len = compose_shares(order.shares, &mut shares);
        let body = shares.get(..len).unwrap_or(&[]);
        if order.remembered.is_empty() {
            return OrderRow::of(self.rows.add(&NewRow { head, body, tail: order.id }));
        }
        // At most 16 names of 32 bytes and values of 128.
        let behind = (order.remembered.len() as u16).to_le_bytes();
        let tail = [order.id, &behind, order.remembered].concat();
        OrderRow::of(self.rows.add(&NewRow { head, body, tail: &tail }))
    }

    /// Frees the row of an order. It must be out of its list.
    pub fn remove(&mut self, row: OrderRow) {
        if let Some(side) = self.side_table.remove(&row) {
            self.side_table_bytes = self.side_table_bytes.saturating_sub(side.bytes());
        }
        self.rows.remove(row.get());
    }

    /// Changes the side record of an order, and the flags that go with it. An empty record is
    /// removed.
    fn update_side(&mut self, row: OrderRow, change: impl FnOnce(&mut SideRecord)) {
        let mut side = self.side_table.remove(&row);
        let before = side.as_ref().map_or(0, SideRecord::bytes);
        change(side.get_or_insert_default());
        let side = side.filter(|s| *s != SideRecord::default());
        let overflow = side.as_ref().is_some_and(|s| s.numbers.is_some());
        if let Some(flags) = self.rows.get_mut(row.get()).and_then(|row| row.first_mut()) {
            *flags &= !(SIDE | OVERFLOW);
            *flags |= if side.is_some() { SIDE } else { 0 } | if overflow { OVERFLOW } else { 0 };
        }
        let after = side.as_ref().map_or(0, SideRecord::bytes);
        self.side_table_bytes = self.side_table_bytes.saturating_sub(before).saturating_add(after);
        if let Some(side) = side {
            self.side_table.insert(row, side);
        }
    }

    fn set_numbers(&mut self, row: OrderRow, change: impl FnOnce(&mut Numbers)) {
        let order = self.at(row);
        let Order { qty, time_ms, placed_ms, limits_below, .. } = order;
        let mut numbers = Numbers { qty, time_ms, placed_ms, limits_below };
        change(&mut numbers);
        let Some(head) = self.rows.get_mut(row.get()).and_then(|row| row.first_chunk_mut::<HEAD>()) else { return };
        let fits = pack(head, &numbers);
        if !fits || head[0] & OVERFLOW != 0 {
            self.update_side(row, |side| side.numbers = (!fits).then_some(numbers));
        }
    }

    /// Another state, and the deadline or end of retention that goes with it, Unix ms. The order
    /// must be out of its list, which is sorted by that time; `links`: of the list that it is about
    /// to be added to.
    pub fn set_state(&mut self, row: OrderRow, state: OrderState, time_ms: i64, links: Links) {
        if let Some(head) = self.rows.get_mut(row.get()).and_then(|row| row.first_chunk_mut::<HEAD>()) {
            head[0] = head[0] & !STATE | state as u8;
            Neighbours::set(head, links.number());
            // All but few orders: the other numbers stay as they are.
            let span_ms = time_ms.checked_sub(Placed::get(head) as i64);
            if let (0, Some(span)) = (head[0] & OVERFLOW, span_ms.and_then(Span::fit)) {
                return Span::set(head, span);
            }
        }
        self.set_numbers(row, |numbers| numbers.time_ms = time_ms);
    }

    /// Another quantity; what was first asked for stays.
    pub fn set_qty(&mut self, row: OrderRow, qty: i64) {
        let asked = self.at(row).asked;
        self.set_asked(row, qty, asked);
    }

    /// Another quantity, and another one asked for.
    pub fn set_asked(&mut self, row: OrderRow, qty: i64, asked: i64) {
        self.set_numbers(row, |numbers| numbers.qty = qty);
        let differs = (asked != qty).then_some(asked);
        if self.side_table.get(&row).and_then(|s| s.asked) != differs {
            self.update_side(row, |side| side.asked = differs);
        }
    }

    /// Another usage entry in place of the nth share.
    pub fn set_share(&mut self, row: OrderRow, nth: usize, share: UsageRow) {
        let shares = self.at(row).shares;
        let Some(room) = shares.room_for(nth, share) else {
            let mut all: Box<[UsageRow]> = shares.iter().collect();
            if let Some(old) = all.get_mut(nth) {
                *old = share;
            }
            self.update_side(row, |side| side.shares = Some(all));
            return;
        };
        let rest = self.rows.get_mut(row.get()).and_then(|row| row.get_mut(HEAD..));
        if let Some(room) = rest.and_then(|rest| rest.get_mut(room)) {
            room.copy_from_slice(share.get().to_le_bytes().get(..room.len()).unwrap_or(&[]));
        }
    }

    /// Changes what is recorded of the returns of an order.
    pub fn with_extra(&mut self, row: OrderRow, change: impl FnOnce(&mut Extra)) {
        self.update_side(row, |side| change(side.extra.get_or_insert_default()));
    }
}

impl Linked for Orders {
    type Row = OrderRow;
    fn links(&self, row: OrderRow) -> Links {
        let head = self.rows.get(row.get()).and_then(head);
        head.map_or_else(Links::default, |head| Links::of(Neighbours::get(head)))
    }

    fn change_links(&mut self, row: OrderRow, change: impl FnOnce(Links) -> Links) {
        if let Some(head) = self.rows.get_mut(row.get()).and_then(|row| row.first_chunk_mut::<HEAD>()) {
            let links = change(Links::of(Neighbours::get(head)));
            Neighbours::set(head, links.number());
        }
    }

    fn time_ms(&self, row: OrderRow) -> i64 {
        let head = self.rows.get(row.get()).and_then(head);
        match head {
            Some(head) if head[0] & OVERFLOW == 0 => unpack(head).time_ms,
            _ => self.at(row).time_ms,
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(orders: &Orders, at: OrderRow, id: &[u8], numbers: &Numbers, asked: i64, shares: &[UsageRow]) {
        let order = orders.at(at);
        assert_eq!(order.id, id);
        let Order { qty, time_ms, placed_ms, limits_below, .. } = order;
        assert_eq!(Numbers { qty, time_ms, placed_ms, limits_below }, *numbers);
        assert_eq!(order.asked, asked);
        assert_eq!(order.shares.iter().collect::<Vec<_>>(), shares);
        let (counted, held) = orders.counted_at(at);
        assert_eq!((counted.iter().collect::<Vec<_>>(), held), (shares.to_vec(), qty));
        assert_eq!(orders.time_ms(at), time_ms);
        assert!(orders.check_side_table());
    }

    #[test]
    fn what_fits_and_what_does_not_come_back() {
        let now = 1_700_000_000_000;
        let sizes = [1, (1 << 24) - 1, 1 << 24, 9_007_199_254_740_991];
        let times =
            [(now, now + 900_000), (now, now - 1), (now, now + (1 << 40)), (1 << 48, 1 << 48), (0, (1 << 40) - 1)];
        let numbered: [&[u32]; 4] = [&[], &[0, 255, 256], &[1, 65_535, 65_536, 1 << 24, u32::MAX - 1], &[7; 32]];
        let all_shares = numbered.map(|shares| shares.iter().copied().map(UsageRow::of).collect::<Vec<_>>());
        for len in [1, 20, 128] {
            let id = vec![b'x'; len];
            for (qty, (placed_ms, time_ms)) in sizes.into_iter().zip(times.into_iter().cycle()) {
                for (shares, below) in all_shares.iter().zip([1, 65_535, 65_536, 1 << 31]) {
                    let mut orders = Orders::default();
                    let limits_below = LimitId::of(below);
                    let mut numbers = Numbers { qty, time_ms, placed_ms, limits_below };
                    let new = NewOrder {
                        id: &id,
                        numbers,
                        asked: qty,
                        fingerprint: u64::MAX - 1,
                        shares,
                        state: OrderState::Reserved,
                        partial: true,
                        extra: None,
                        remembered: if len == 20 { b"\x04user\x0242" } else { b"" },
                    };
                    let at = orders.insert(&new, Links::default());
                    check(&orders, at, &id, &numbers, qty, shares);
                    assert!(orders.at(at).partial && orders.at(at).fingerprint == u64::MAX - 1);
                    assert_eq!(orders.links(at), Links::default());
                    orders.set_qty(at, 5);
                    numbers.qty = 5;
                    check(&orders, at, &id, &numbers, qty, shares);
                    let fits = pack(&mut [0; HEAD], &numbers);
                    assert_eq!(orders.hold_at(at), fits.then_some((time_ms, 5)));
                    orders.set_state(at, OrderState::Expired, now + 7, Links::default());
                    let listed = (OrderState::Expired, now + 7);
                    assert_eq!((orders.listed_at(at), orders.hold_at(at)), (listed, None));
                    numbers.time_ms = now + 7;
                    check(&orders, at, &id, &numbers, qty, shares);
                    assert_eq!(orders.at(at).state, OrderState::Expired);
                    let mut changed = shares.to_vec();
                    for nth in 0..shares.len() {
                        changed[nth] = UsageRow::of(77_777);
                        orders.set_share(at, nth, changed[nth]);
                        check(&orders, at, &id, &numbers, qty, &changed);
                    }
                    orders.with_extra(at, |extra| extra.returned = 3);
                    assert_eq!(orders.at(at).returned(), 3);
                    orders.set_asked(at, qty, qty);
                    numbers.qty = qty;
                    check(&orders, at, &id, &numbers, qty, &changed);
                    assert_eq!(orders.remembered(at), new.remembered);
                    orders.remove(at);
                    assert!(orders.remembered(at).is_empty());
                    assert!(orders.get(at).is_none() && orders.side_table.is_empty() && orders.side_table_bytes == 0);
                }
            }
        }
    }
}
