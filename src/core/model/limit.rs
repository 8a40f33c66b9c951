//! A purchase limit: at most so many units (or orders) for each value of some dimensions, per
//! window.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;

use arrayvec::ArrayVec;

use crate::core::model::attributes::{Attributes, Shape};
use crate::core::model::ids::Bytes;
use crate::core::model::number::{LimitId, UsageRow};
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::shifted_quotas::ShiftedQuotas;
use crate::core::model::time::SLACK_MS;
use crate::core::model::usage::{Joined, TupleAt};
use crate::core::model::window::Window;
use crate::core::model::zone::Tz;
use crate::core::store::timeline::Timeline;

pub use crate::core::model::tuple::{push_value, values, TupleBuf, MAX_DIMENSIONS, MAX_TUPLE};

/// The most limits in a pool.
pub const MAX_LIMITS: usize = 32;
/// The largest id of a limit: a pool can set as many in its life.
pub const MAX_LIMIT_ID: u32 = 1 << 31;
/// The most overrides in one limit.
pub const MAX_OVERRIDES: usize = 10_000;

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Any quantity.
    Unlimited,
    /// At most this, 0 to [`crate::core::model::quantity::MAX_UNITS`].
    At(i64),
}

impl Cap {
    /// As answers show it: -1 for unlimited.
    #[must_use]
    pub const fn shown(self) -> i64 {
        match self {
            Self::Unlimited => -1,
            Self::At(max) => max,
        }
    }

    /// How much more is allowed on top of what is used, never below 0. `None` = any quantity.
    #[must_use]
    pub const fn left(self, used: i64) -> Option<i64> {
        match self {
            Self::Unlimited => None,
            Self::At(max) if max > used => Some(max.saturating_sub(used)),
            Self::At(_) => Some(0),
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    /// Units.
    Units,
    /// Orders, whatever their quantity.
    Orders,
}

/// What happens to a call that does not carry a dimension of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is an error, so that a limit cannot be dodged.
    Refuse,
    /// It passes uncounted.
    Allow,
}

/// What tells one limit of a pool from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The dimensions, sorted by name; none = everyone together.
    pub dims: ArrayVec<Bytes, MAX_DIMENSIONS>,
    /// The window.
    pub window: Window,
    /// What is counted.
    pub count: Count,
}

impl Identity {
    /// As answers name it: `region+user/day/units`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for dim in &self.dims {
            if !text.is_empty() {
                text.push('+');
            }
            text.extend(dim.as_slice().iter().map(|&b| char::from(b)));
        }
        if text.is_empty() {
            text.push('*');
        }
        text.push('/');
        text.push_str(self.window.word().unwrap_or_default());
        if let Window::Seconds(n) | Window::Rolling(n) = self.window {
            let _ = write!(text, "{n}");
        }
        if let Window::Rolling(_) = self.window {
            text.push_str("-rolling");
        }
        text.push_str(match self.count {
            Count::Units => "/units",
            Count::Orders => "/orders",
        });
        text
    }
}

/// Caps that differ for some values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    by_pattern: BTreeMap<Bytes, Cap>,
    /// How many overrides have exactly these dimensions exact (bit 3 = the first dimension).
    shapes: [u32; 16],
    /// What the patterns own beyond their own size, in bytes.
    heap_bytes: usize,
}

/// The shapes of overrides from the most exact to the least; among equals the one exact in the
/// earlier dimension first.
const PRECEDENCE: [u8; 16] = [
    0b1111, 0b1110, 0b1101, 0b1011, 0b0111, 0b1100, 0b1010, 0b1001, 0b0110, 0b0101, 0b0011, 0b1000, 0b0100, 0b0010,
    0b0001, 0,
];

fn shape_of(pattern: &[u8], dims: usize) -> u8 {
    values(pattern, dims).zip([8u8, 4, 2, 1]).filter(|(v, _)| !v.is_empty()).fold(0, |shape, (_, bit)| shape | bit)
}

impl Overrides {
    /// Sets one; whether it is new.
    pub fn set(&mut self, pattern: Bytes, dims: usize, cap: Cap) -> bool {
        let shape = shape_of(pattern.as_slice(), dims);
        let heap_bytes = pattern.heap_bytes();
        let new = self.by_pattern.insert(pattern, cap).is_none();
        if new {
            self.heap_bytes = self.heap_bytes.saturating_add(heap_bytes);
            if let Some(n) = self.shapes.get_mut(usize::from(shape)) {
                *n = n.saturating_add(1);
            }
        }
        new
    }

    /// Removes one; whether it was there.
    pub fn remove(&mut self, pattern: &Bytes, dims: usize) -> bool {
        let there = self.by_pattern.remove(pattern).is_some();
        if there {
            self.heap_bytes = self.heap_bytes.saturating_sub(pattern.heap_bytes());
            if let Some(n) = self.shapes.get_mut(usize::from(shape_of(pattern.as_slice(), dims))) {
                *n = n.saturating_sub(1);
            }
        }
        there
    }

    /// The one of this very pattern.
    #[must_use]
    pub fn get(&self, pattern: &Bytes) -> Option<Cap> {
        self.by_pattern.get(pattern).copied()
    }

    /// The bytes taken, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.by_pattern.len().saturating_mul(64).saturating_add(self.heap_bytes)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_pattern.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_pattern.is_empty()
    }

    /// The pattern whose bytes are the largest.
    #[must_use]
    pub fn last(&self) -> Option<&Bytes> {
        self.by_pattern.last_key_value().map(|(pattern, _)| pattern)
    }

    /// Patterns and caps in order of the pattern's bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, Cap)> {
        self.by_pattern.iter().map(|(pattern, &cap)| (pattern, cap))
    }

    fn find(&self, tuple: &[u8], dims: usize) -> Option<Cap> {
        for shape in PRECEDENCE {
            if self.shapes.get(usize::from(shape)).is_none_or(|&n| n == 0) {
                continue;
            }
            let mut pattern = TupleBuf::new();
            for (at, value) in values(tuple, dims).enumerate() {
                let exact = (shape << at) & 0b1000 != 0;
                push_value(&mut pattern, if exact { value } else { &[] }, at.saturating_add(1) == dims);
            }
            if let Some(&cap) = self.by_pattern.get(&Bytes::new(&pattern)) {
                return Some(cap);
            }
        }
        None
    }
}

/// A limit of a pool.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Names it for the pool's life; larger = set later.
    pub id: LimitId,
    /// When it was set, Unix ms.
    pub set_ms: i64,
    /// Identifies it within the pool.
    pub identity: Identity,
    /// By which clock its windows begin and end.
    pub tz: Tz,
    /// With a named zone: the window in which the primary counted last, (beginning, end) in Unix
    /// ms; (0, 0) before the first. See [`crate::core::ops::roll`].
    pub resolved: (i64, i64),
    /// What happens without its dimensions.
    pub missing: Missing,
    /// The cap where no override matches.
    pub base: Cap,
    /// Caps that differ for some values.
    pub overrides: Overrides,
    /// What of it has shifted between this pool and its peers; `None` = nothing. Follows from the
    /// pool's shifts.
    pub shifted: Option<Box<ShiftedQuotas>>,
    /// Its usage entries by window.
    pub entries: Timeline<UsageRow>,
    /// Its name in answers.
    pub text: Box<str>,
    /// The window that was asked for last: nearly every call asks for the same.
    pub recent: Recent,
}

fn holds((start_ms, end_ms): (i64, i64), at_ms: i64) -> bool {
    (start_ms..end_ms).contains(&at_ms)
}

/// What the last call found, since most calls are like the one before. Not part of the state: it is
/// checked at every use.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// A window by the limit's time zone: its beginning and its end.
    window: Cell<(i64, i64)>,
    /// Where its dimensions stood among the attributes.
    positions: Cell<Positions>,
}

/// Where the dimensions of a limit stand among attributes of one shape.
#[derive(Clone, Copy, Debug, Default)]
struct Positions {
    shape: Shape,
    /// Counted from 0 in order of the names of the attributes.
    at: [u8; MAX_DIMENSIONS],
}

impl Limit {
    /// The values of its dimensions that a call carries, as a tuple. `None` when one is missing.
    pub fn tuple<'b>(&self, attributes: &'b Attributes<'_>, buf: &'b mut TupleBuf) -> Option<&'b [u8]> {
        match self.identity.dims.as_slice() {
            [] => Some(&[]),
            [one] => attributes.get(one.as_slice()),
            many => {
                buf.clear();
                for (at, dim) in many.iter().enumerate() {
                    push_value(buf, attributes.get(dim.as_slice())?, at.saturating_add(1) == many.len());
                }
                Some(buf)
            }
        }
    }

    /// As [`Limit::tuple`]: where it stands. What is no single value is appended to `joined`.
    #[inline(always)]
    pub fn locate(&self, attributes: &Attributes<'_>, joined: &mut Joined) -> Option<TupleAt> {
        let known = self.recent.positions.get();
        if known.shape == attributes.shape() && known.shape != Shape::NONE && self.identity.dims.len() == 1 {
            return Some(TupleAt::Attribute(known.at[0]));
        }
        self.locate_any(attributes, joined)
    }

    fn locate_any(&self, attributes: &Attributes<'_>, joined: &mut Joined) -> Option<TupleAt> {
        let known = self.recent.positions.get();
        let at = if known.shape == attributes.shape() && known.shape != Shape::NONE {
            known.at
        } else {
            self.find_positions(attributes, known.at)?
        };
        let dims = self.identity.dims.len();
        if dims == 1 {
            return Some(TupleAt::Attribute(at[0]));
        }
        let start = joined.len();
        for (nth, &position) in at.iter().take(dims).enumerate() {
            let value = attributes.value(position);
            if nth.saturating_add(1) < dims {
                joined.push(value.len() as u8);
            }
            joined.extend_from_slice(value);
        }
        Some(TupleAt::Joined { start: start as u16, len: joined.len().saturating_sub(start) as u16 })
    }

    /// Where its dimensions stand, probably at `hint`. `None`: one is missing.
    fn find_positions(&self, attributes: &Attributes<'_>, hint: [u8; MAX_DIMENSIONS]) -> Option<[u8; MAX_DIMENSIONS]> {
        let mut at = hint;
        for (position, dim) in at.iter_mut().zip(&self.identity.dims) {
            *position = attributes.position(dim.as_slice(), *position)?;
        }
        self.recent.positions.set(Positions { shape: attributes.shape(), at });
        Some(at)
    }

    /// What holds for these values.
    #[must_use]
    #[inline(always)]
    pub fn cap(&self, tuple: &[u8]) -> Cap {
        if self.shifted.is_none() && self.overrides.is_empty() {
            return self.base;
        }
        self.cap_of(tuple)
    }

    fn cap_of(&self, tuple: &[u8]) -> Cap {
        if self.shifted.is_none() {
            return self.configured(tuple);
        }
        self.quota(tuple).map_or(Cap::Unlimited, |max| Cap::At(max.clamp(0, MAX_UNITS)))
    }

    /// What the policy says for these values.
    fn configured(&self, tuple: &[u8]) -> Cap {
        if self.overrides.is_empty() {
            return self.base;
        }
        self.overrides.find(tuple, self.identity.dims.len()).unwrap_or(self.base)
    }

    /// What the policy says for these values, with what has shifted: below 0 where more has left
    /// than there was. `None` = unlimited.
    #[must_use]
    pub fn quota(&self, tuple: &[u8]) -> Option<i64> {
        let shifted = self.shifted.as_ref().map_or(0, |shifted| shifted.get(tuple));
        match self.configured(tuple) {
            Cap::Unlimited => None,
            Cap::At(max) => Some(max.saturating_add(shifted)),
        }
    }

    /// Quota arrives, or with a negative number leaves.
    pub fn shift_quota(&mut self, value: &Bytes, units: i64) {
        let shifted = self.shifted.get_or_insert_default();
        shifted.add(value, units);
        if shifted.is_empty() {
            self.shifted = None;
        }
    }

    /// When its current window began, Unix ms.
    #[must_use]
    #[inline]
    pub fn window_ms(&self, now_ms: i64) -> i64 {
        if self.identity.window.repeats() {
            self.window_of(now_ms).0
        } else {
            0
        }
    }

    /// When its window that holds this moment ends, Unix ms; 0 = never.
    #[must_use]
    pub fn window_end_ms(&self, at_ms: i64) -> i64 {
        if self.identity.window.repeats() {
            self.window_of(at_ms).1
        } else {
            0
        }
    }

    /// Usage is kept for so many ms after its window began: until that is over whichever TZ the
    /// limit has or may get, so that no answer depends on what has been freed.
    #[must_use]
    pub fn kept_ms(&self) -> i64 {
        self.identity.window.longest_ms().saturating_add(SLACK_MS)
    }

    #[inline]
    fn window_of(&self, at_ms: i64) -> (i64, i64) {
        let (start_ms, end_ms) = self.recent.window.get();
        if start_ms <= at_ms && at_ms < end_ms {
            return (start_ms, end_ms);
        }
        self.find_window(at_ms)
    }

    #[cold]
    fn find_window(&self, at_ms: i64) -> (i64, i64) {
        let found =
            if holds(self.resolved, at_ms) { self.resolved } else { self.tz.window(self.identity.window, at_ms) };
        self.recent.window.set(found);
        found
    }

    /// From which window on usage counts when a change is applied at `now_ms`. With a named zone
    /// it is the window that the primary resolved: replicas ask no tables of their own.
    #[must_use]
    pub fn counted_since_ms(&self, now_ms: i64) -> i64 {
        if self.is_resolved() {
            return self.resolved.0;
        }
        self.identity.window.rolling_since_ms(now_ms).unwrap_or_else(|| self.window_ms(now_ms))
    }

    /// The window that has to be resolved before a change at `now_ms`: the one of a named zone,
    /// where another one was resolved last.
    #[must_use]
    pub fn unresolved(&self, now_ms: i64) -> Option<(i64, i64)> {
        (self.is_resolved() && !holds(self.resolved, now_ms)).then(|| self.window_of(now_ms))
    }

    /// Whether its windows are those that the primary has resolved: those of a named zone.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        matches!(self.tz, Tz::Named(_)) && self.identity.window.follows_clock()
    }

    /// Says in which window the primary counts.
    pub fn resolve(&mut self, window: (i64, i64)) {
        self.resolved = window;
        self.recent.window.set(window);
    }

    /// Another clock, or the same.
    pub fn set_tz(&mut self, tz: Tz) {
        if self.tz != tz {
            self.tz = tz;
            self.resolve((0, 0));
        }
    }

    /// How much an order of this quantity counts.
    #[must_use]
    pub const fn amount(&self, qty: i64) -> i64 {
        match self.identity.count {
            Count::Units => qty,
            Count::Orders => 1,
        }
    }

    /// Whether it keeps usage (a cap on one order does not).
    #[must_use]
    pub fn keeps_usage(&self) -> bool {
        self.identity.window != Window::Order
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn pattern(values: &[&[u8]]) -> Bytes {
        let mut buf = TupleBuf::new();
        for (at, value) in values.iter().enumerate() {
            push_value(&mut buf, value, at + 1 == values.len());
        }
        Bytes::new(&buf)
    }

    #[test]
    fn the_most_exact_override_wins() {
        let mut o = Overrides::default();
        o.set(pattern(&[b"", b""]), 2, Cap::At(1));
        o.set(pattern(&[b"", b"u"]), 2, Cap::At(2));
        assert_eq!(o.find(pattern(&[b"g", b"u"]).as_slice(), 2), Some(Cap::At(2)));
        o.set(pattern(&[b"g", b""]), 2, Cap::At(3));
        assert_eq!(o.find(pattern(&[b"g", b"u"]).as_slice(), 2), Some(Cap::At(3)));
        o.set(pattern(&[b"g", b"u"]), 2, Cap::Unlimited);
        assert_eq!(o.find(pattern(&[b"g", b"u"]).as_slice(), 2), Some(Cap::Unlimited));
        assert_eq!(o.find(pattern(&[b"x", b"y"]).as_slice(), 2), Some(Cap::At(1)));
        assert!(o.remove(&pattern(&[b"", b""]), 2));
        assert_eq!(o.find(pattern(&[b"x", b"y"]).as_slice(), 2), None);
    }

    #[test]
    fn precedence_is_by_exactness_then_by_position() {
        for pair in PRECEDENCE.windows(2) {
            let [a, b] = pair else { continue };
            assert!(a.count_ones() > b.count_ones() || (a.count_ones() == b.count_ones() && a > b));
        }
    }
}
