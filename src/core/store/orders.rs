//! The table of a pool's orders. A flash sale has millions, all alike: each is one row of bytes without gaps, and what few
//! orders have stands beside.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | state, flags |
//! | 1, 1 | length of the id, number of shares |
//! | 2 | limits with this id or a larger one are newer |
//! | 3 | units |
//! | 6, 5 | when it was placed, how long after that its time is, ms |
//! | 8 | fingerprint of the attributes |
//! | 4, 4 | neighbours in the timeline |
//! | 0 to 8, 1 to 4 each | widths of the shares (two bits each), shares |
//! | 1 to 128 | the id |
//!
//! A number that does not fit stands beside, together with the other three.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::core::model::order::{Extra, NewOrder, Numbers, Order, OrderState, ReturnToken};
use crate::core::store::list::{Linked, Links};
use crate::core::store::rows::Rows;

const HEAD: usize = 35;
const PARTIAL: u8 = 1 << 3;
/// There is something beside.
const BESIDE: u8 = 1 << 4;
/// The numbers stand beside.
const WIDE: u8 = 1 << 5;

/// What stands beside the row.
#[derive(Clone, Debug, Default, PartialEq)]
struct Beside {
    extra: Option<Extra>,
    /// Units first asked for, where that is not what it has.
    asked: Option<i64>,
    numbers: Option<Numbers>,
    /// All shares, where one has become too long for its place.
    shares: Option<Box<[u32]>>,
}

impl Beside {
    /// About, by length, so that a copy counts the same: the tree keeps its nodes at least half full.
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

/// The shares of an order.
#[derive(Clone, Copy, Debug)]
pub struct OrderShares<'p> {
    widths: &'p [u8],
    bytes: &'p [u8],
    beside: Option<&'p [u32]>,
    len: usize,
}

/// How many bytes a share takes.
fn width(share: u32) -> usize {
    (u32::BITS.saturating_sub((share | 1).leading_zeros())).div_ceil(8) as usize
}

/// Where in its byte the width of a share stands.
fn shift(nth: usize) -> u32 {
    (nth % 4).wrapping_mul(2) as u32
}

impl<'p> OrderShares<'p> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn width(&self, nth: usize) -> usize {
        let byte = self.widths.get(nth / 4).copied().unwrap_or(0);
        usize::from(byte.wrapping_shr(shift(nth)) & 3).saturating_add(1)
    }

    /// Each, in order.
    pub fn iter(self) -> impl Iterator<Item = u32> + 'p {
        let mut rest = self.bytes;
        (0..self.len).map(move |nth| {
            if let Some(shares) = self.beside {
                return shares.get(nth).copied().unwrap_or(crate::core::store::slab::NONE);
            }
            let (bytes, more) = rest.split_at_checked(self.width(nth)).unwrap_or((rest, &[]));
            rest = more;
            bytes.iter().rev().fold(0, |share, &byte| share << 8 | u32::from(byte))
        })
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(self, share: u32) -> bool {
        self.iter().any(|other| other == share)
    }
}

fn low(number: u64, bytes: u32) -> Option<u64> {
    (number >> bytes.saturating_mul(8) == 0).then_some(number)
}

/// The orders of a pool.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    rows: Rows,
    beside: BTreeMap<u32, Beside>,
    beside_bytes: usize,
}

fn number<const AT: usize, const LEN: usize>(head: &[u8; HEAD]) -> u64 {
    let mut bytes = [0; 8];
    if let (Some(to), Some(from)) = (bytes.get_mut(..LEN), head.get(AT..AT.wrapping_add(LEN))) {
        to.copy_from_slice(from);
    }
    u64::from_le_bytes(bytes)
}

fn head(row: &[u8]) -> Option<&[u8; HEAD]> {
    row.first_chunk::<HEAD>()
}

fn state(flags: u8) -> OrderState {
    match flags & 7 {
        0 => OrderState::Reserved,
        1 => OrderState::Confirmed,
        2 => OrderState::Returned,
        3 => OrderState::Released,
        _ => OrderState::Expired,
    }
}

/// Writes numbers that fit; whether they do.
fn pack(head: &mut [u8; HEAD], numbers: &Numbers) -> bool {
    let narrow = |n: i64, bytes| u64::try_from(n).ok().and_then(|n| low(n, bytes));
    let below = u16::try_from(numbers.limits_below).ok();
    let qty = narrow(numbers.qty, 3);
    let placed = narrow(numbers.placed_ms, 6);
    let span = numbers.time_ms.checked_sub(numbers.placed_ms).and_then(|span| narrow(span, 5));
    let (Some(below), Some(qty), Some(placed), Some(span)) = (below, qty, placed, span) else { return false };
    head[3..5].copy_from_slice(&below.to_le_bytes());
    head[5..8].copy_from_slice(&qty.to_le_bytes()[..3]);
    head[8..14].copy_from_slice(&placed.to_le_bytes()[..6]);
    head[14..19].copy_from_slice(&span.to_le_bytes()[..5]);
    true
}

fn unpack(head: &[u8; HEAD]) -> Numbers {
    let placed_ms = number::<8, 6>(head) as i64;
    Numbers {
        limits_below: number::<3, 2>(head) as u32,
        qty: number::<5, 3>(head) as i64,
        placed_ms,
        time_ms: placed_ms.saturating_add(number::<14, 5>(head) as i64),
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

    /// One more than the largest number that an order can have now.
    #[must_use]
    pub fn span(&self) -> u32 {
        self.rows.span()
    }

    /// The first number from `at` on at which there may be an order.
    #[must_use]
    pub fn skip_empty(&self, at: u32) -> u32 {
        self.rows.skip_empty(at)
    }

    /// The bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.bytes().saturating_add(self.beside_bytes)
    }

    /// What stands beside the rows, counted anew: for VERIFY.
    #[must_use]
    pub fn check_side_table(&self) -> bool {
        let flagged = |at: &u32| self.rows.get(*at).and_then(head).is_some_and(|h| h[0] & BESIDE != 0);
        self.beside.keys().all(flagged) && self.beside_bytes == self.beside.values().map(Beside::bytes).sum::<usize>()
    }

    /// Whether this is the order with this id.
    #[must_use]
    pub fn is(&self, at: u32, id: &[u8]) -> bool {
        // The id is the end of the row, but for the grain.
        self.get(at).is_some_and(|order| order.id == id)
    }

    /// The order of this number.
    #[must_use]
    pub fn get(&self, at: u32) -> Option<Order<'_>> {
        let row = self.rows.get(at)?;
        let (head, rest) = row.split_first_chunk::<HEAD>()?;
        let [flags, id_len, shares_len, ..] = *head;
        let beside = if flags & BESIDE != 0 { self.beside.get(&at) } else { None };
        let wide = if flags & WIDE != 0 { beside.and_then(|b| b.numbers) } else { None };
        let numbers = wide.unwrap_or_else(|| unpack(head));
        let len = usize::from(shares_len);
        let (widths, rest) = rest.split_at_checked(len.div_ceil(4))?;
        let mut shares = OrderShares { widths, bytes: rest, beside: None, len };
        let taken: usize = (0..len).map(|nth| shares.width(nth)).sum();
        let (bytes, rest) = rest.split_at_checked(taken)?;
        shares.bytes = bytes;
        shares.beside = beside.and_then(|b| b.shares.as_deref());
        Some(Order {
            id: rest.get(..usize::from(id_len))?,
            qty: numbers.qty,
            asked: beside.and_then(|b| b.asked).unwrap_or(numbers.qty),
            time_ms: numbers.time_ms,
            placed_ms: numbers.placed_ms,
            limits_below: numbers.limits_below,
            fingerprint: number::<19, 8>(head),
            shares,
            extra: beside.and_then(|b| b.extra.as_ref()),
            state: state(flags),
            partial: flags & PARTIAL != 0,
        })
    }

    /// The order of this number, which is there. A number that names nothing is a bug of this crate: better no answer than one
    /// from a wrong order.
    #[must_use]
    #[allow(clippy::panic, reason = "see above; the shell turns it into an error reply")]
    pub fn at(&self, at: u32) -> Order<'_> {
        match self.get(at) {
            Some(order) => order,
            None => panic!("no order {at}"),
        }
    }

    /// Remembers an order that is in no list, and numbers it.
    pub fn insert(&mut self, order: &NewOrder<'_>) -> u32 {
        let mut widths: SmallVec<[u8; 8]> = SmallVec::new();
        let mut taken = 0usize;
        for (nth, &share) in order.shares.iter().enumerate() {
            if nth % 4 == 0 {
                widths.push(0);
            }
            if let Some(byte) = widths.last_mut() {
                *byte |= (width(share).saturating_sub(1) as u8).wrapping_shl(shift(nth));
            }
            taken = taken.saturating_add(width(share));
        }
        let len = HEAD.saturating_add(widths.len()).saturating_add(taken).saturating_add(order.id.len());
        let (at, row) = self.rows.add(len);
        let Some((head, mut rest)) = row.split_first_chunk_mut::<HEAD>() else { return at };
        *head = [0; HEAD];
        head[0] = order.state as u8 | if order.partial { PARTIAL } else { 0 };
        head[1] = order.id.len() as u8;
        head[2] = order.shares.len() as u8;
        head[19..27].copy_from_slice(&order.fingerprint.to_le_bytes());
        head[27..35].copy_from_slice(&Links::default().bytes());
        let fits = pack(head, &order.numbers);
        let mut write = |bytes: &[u8]| {
            if let Some((place, more)) = std::mem::take(&mut rest).split_at_mut_checked(bytes.len()) {
                place.copy_from_slice(bytes);
                rest = more;
            }
        };
        write(&widths);
        for &share in order.shares {
            write(share.to_le_bytes().get(..width(share)).unwrap_or(&[]));
        }
        write(order.id);
        if !fits || order.asked != order.numbers.qty || order.extra.is_some() {
            self.with_beside(at, |beside| {
                beside.extra.clone_from(&order.extra);
                beside.asked = (order.asked != order.numbers.qty).then_some(order.asked);
                beside.numbers = (!fits).then_some(order.numbers);
            });
        }
        at
    }

    /// Forgets an order that is in no list.
    pub fn remove(&mut self, at: u32) {
        if let Some(beside) = self.beside.remove(&at) {
            self.beside_bytes = self.beside_bytes.saturating_sub(beside.bytes());
        }
        self.rows.remove(at);
    }

    /// Changes what stands beside an order, and its flags with it.
    fn with_beside(&mut self, at: u32, change: impl FnOnce(&mut Beside)) {
        let mut beside = self.beside.remove(&at);
        let before = beside.as_ref().map_or(0, Beside::bytes);
        change(beside.get_or_insert_default());
        let beside = beside.filter(|b| *b != Beside::default());
        let wide = beside.as_ref().is_some_and(|b| b.numbers.is_some());
        if let Some(flags) = self.rows.get_mut(at).and_then(|row| row.first_mut()) {
            *flags &= !(BESIDE | WIDE);
            *flags |= if beside.is_some() { BESIDE } else { 0 } | if wide { WIDE } else { 0 };
        }
        let after = beside.as_ref().map_or(0, Beside::bytes);
        self.beside_bytes = self.beside_bytes.saturating_sub(before).saturating_add(after);
        if let Some(beside) = beside {
            self.beside.insert(at, beside);
        }
    }

    fn set_numbers(&mut self, at: u32, change: impl FnOnce(&mut Numbers)) {
        let order = self.at(at);
        let Order { qty, time_ms, placed_ms, limits_below, .. } = order;
        let mut numbers = Numbers { qty, time_ms, placed_ms, limits_below };
        change(&mut numbers);
        let Some(head) = self.rows.get_mut(at).and_then(|row| row.first_chunk_mut::<HEAD>()) else { return };
        let fits = pack(head, &numbers);
        if !fits || head[0] & WIDE != 0 {
            self.with_beside(at, |beside| beside.numbers = (!fits).then_some(numbers));
        }
    }

    /// Another state, and the deadline or the time of being forgotten that goes with it. It is in no list.
    pub fn set_state(&mut self, at: u32, state: OrderState, time_ms: i64) {
        if let Some(flags) = self.rows.get_mut(at).and_then(|row| row.first_mut()) {
            *flags = *flags & !7 | state as u8;
        }
        self.set_numbers(at, |numbers| numbers.time_ms = time_ms);
    }

    /// Another quantity; what was first asked for stays.
    pub fn set_qty(&mut self, at: u32, qty: i64) {
        let asked = self.at(at).asked;
        self.set_asked(at, qty, asked);
    }

    /// Another quantity, and another one asked for.
    pub fn set_asked(&mut self, at: u32, qty: i64, asked: i64) {
        self.set_numbers(at, |numbers| numbers.qty = qty);
        let differs = (asked != qty).then_some(asked);
        if self.beside.get(&at).and_then(|b| b.asked) != differs {
            self.with_beside(at, |beside| beside.asked = differs);
        }
    }

    /// Another usage entry in place of the nth.
    pub fn set_share(&mut self, at: u32, nth: usize, share: u32) {
        let shares = self.at(at).shares;
        let fits = shares.beside.is_none() && width(share) <= shares.width(nth);
        if !fits {
            let mut all: Box<[u32]> = shares.iter().collect();
            if let Some(place) = all.get_mut(nth) {
                *place = share;
            }
            self.with_beside(at, |beside| beside.shares = Some(all));
            return;
        }
        let ahead: usize = (0..nth).map(|nth| shares.width(nth)).sum();
        let start = HEAD.saturating_add(shares.widths.len()).saturating_add(ahead);
        let taken = shares.width(nth);
        if let Some(place) = self.rows.get_mut(at).and_then(|row| row.get_mut(start..start.saturating_add(taken))) {
            place.copy_from_slice(share.to_le_bytes().get(..taken).unwrap_or(&[]));
        }
    }

    /// Changes what few orders have.
    pub fn with_extra(&mut self, at: u32, change: impl FnOnce(&mut Extra)) {
        self.with_beside(at, |beside| change(beside.extra.get_or_insert_default()));
    }
}

impl Linked for Orders {
    fn links(&self, at: u32) -> Links {
        let head = self.rows.get(at).and_then(head);
        head.map_or_else(Links::default, |head| Links::of(number::<27, 8>(head)))
    }

    fn set_links(&mut self, at: u32, links: Links) {
        if let Some(head) = self.rows.get_mut(at).and_then(|row| row.first_chunk_mut::<HEAD>()) {
            head[27..35].copy_from_slice(&links.bytes());
        }
    }

    fn time_ms(&self, at: u32) -> i64 {
        let head = self.rows.get(at).and_then(head);
        match head {
            Some(head) if head[0] & WIDE == 0 => unpack(head).time_ms,
            _ => self.at(at).time_ms,
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(orders: &Orders, at: u32, id: &[u8], numbers: &Numbers, asked: i64, shares: &[u32]) {
        let order = orders.at(at);
        assert_eq!(order.id, id);
        let Order { qty, time_ms, placed_ms, limits_below, .. } = order;
        assert_eq!(Numbers { qty, time_ms, placed_ms, limits_below }, *numbers);
        assert_eq!(order.asked, asked);
        assert_eq!(order.shares.iter().collect::<Vec<_>>(), shares);
        assert_eq!(orders.time_ms(at), time_ms);
        assert!(orders.check_side_table());
    }

    #[test]
    fn what_fits_and_what_does_not_come_back() {
        let now = 1_700_000_000_000;
        let sizes = [1, (1 << 24) - 1, 1 << 24, 9_007_199_254_740_991];
        let times =
            [(now, now + 900_000), (now, now - 1), (now, now + (1 << 40)), (1 << 48, 1 << 48), (0, (1 << 40) - 1)];
        let all_shares: [&[u32]; 4] = [&[], &[0, 255, 256], &[1, 65_535, 65_536, 1 << 24, u32::MAX - 1], &[7; 32]];
        for len in [1, 20, 128] {
            let id = vec![b'x'; len];
            for (qty, (placed_ms, time_ms)) in sizes.into_iter().zip(times.into_iter().cycle()) {
                for (shares, limits_below) in all_shares.into_iter().zip([1, 65_535, 65_536, 1 << 31]) {
                    let mut orders = Orders::default();
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
                    };
                    let at = orders.insert(&new);
                    check(&orders, at, &id, &numbers, qty, shares);
                    assert!(orders.at(at).partial && orders.at(at).fingerprint == u64::MAX - 1);
                    assert_eq!(orders.links(at), Links::default());
                    orders.set_qty(at, 5);
                    numbers.qty = 5;
                    check(&orders, at, &id, &numbers, qty, shares);
                    orders.set_state(at, OrderState::Expired, now + 7);
                    numbers.time_ms = now + 7;
                    check(&orders, at, &id, &numbers, qty, shares);
                    assert_eq!(orders.at(at).state, OrderState::Expired);
                    let mut changed = shares.to_vec();
                    for nth in 0..shares.len() {
                        changed[nth] = 77_777;
                        orders.set_share(at, nth, 77_777);
                        check(&orders, at, &id, &numbers, qty, &changed);
                    }
                    orders.with_extra(at, |extra| extra.returned = 3);
                    assert_eq!(orders.at(at).returned(), 3);
                    orders.set_asked(at, qty, qty);
                    numbers.qty = qty;
                    check(&orders, at, &id, &numbers, qty, &changed);
                    orders.remove(at);
                    assert!(orders.get(at).is_none() && orders.beside.is_empty() && orders.beside_bytes == 0);
                }
            }
        }
    }
}
