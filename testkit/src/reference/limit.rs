//! One limit: its windows, overrides and usage.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::answers::{int, words};
use super::base::{Attributes, Bytes, Shared, Values, MAX_QTY};
use super::window::{sub_window_ms, sub_window_of, Window};
use super::zone::Tz;
use crate::reply::Reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Units,
    Orders,
}

#[derive(Debug, Clone)]
pub(super) struct Usage {
    /// Which one of its limit: a value may be counted in the same window twice, when the clock went
    /// back in between.
    pub(super) instance: u64,
    pub(super) window_start: i128,
    pub(super) used: i128,
    /// What callers gave back for forgotten orders, at most what is used.
    pub(super) credit: i128,
}

/// The values of an override, none standing for any; and its max, none standing for exempt.
pub(super) type Overrides = BTreeMap<Vec<Option<Bytes>>, Option<i128>>;

#[derive(Debug, Clone)]
pub(super) struct Limit {
    pub(super) id: u64,
    /// Sorted.
    pub(super) dims: Rc<[Bytes]>,
    pub(super) window: Window,
    pub(super) count: Count,
    /// None: unlimited.
    pub(super) max: Option<i128>,
    pub(super) tz: Tz,
    pub(super) allow_missing: bool,
    pub(super) overrides: Shared<Overrides>,
    pub(super) usage: BTreeMap<Values, Usage>,
    /// Usage of windows that are over, unless the clock steps back within [`SLACK_MS`].
    pub(super) over_usage: BTreeMap<Values, Usage>,
    /// What of it has shifted between this pool and its peers, for some values.
    pub(super) shifted: BTreeMap<Vec<Bytes>, i128>,
    /// How many usages it has begun.
    pub(super) instances: u64,
    pub(super) set_ms: i128,
    /// Of a rolling window, what was counted in each sub-window, the oldest first; and the time by
    /// which that is looked at.
    pub(super) sub_windows: BTreeMap<Values, Vec<Usage>>,
    pub(super) looked_ms: i128,
}

impl Limit {
    pub(super) fn identity(&self) -> (Vec<Bytes>, Window, Count) {
        (self.dims.to_vec(), self.window, self.count)
    }

    pub(super) fn is(&self, dims: &[Bytes], window: Window, count: Count) -> bool {
        (&*self.dims, self.window, self.count) == (dims, window, count)
    }

    /// Everything that a policy says about it.
    pub(super) fn settings(&self) -> impl PartialEq + '_ {
        let Limit { max, tz, allow_missing, overrides, .. } = self;
        (self.id, max, tz, allow_missing, overrides)
    }

    pub(super) fn text(&self) -> String {
        let dims: Vec<_> = self.dims.iter().map(|dim| String::from_utf8_lossy(dim)).collect();
        let dims = if dims.is_empty() { "*".into() } else { dims.join("+") };
        let count = match self.count {
            Count::Units => "units",
            Count::Orders => "orders",
        };
        format!("{dims}/{}/{count}", self.window.text())
    }

    /// The values of its dimensions, where all are given.
    pub(super) fn values(&self, attributes: &Attributes) -> Option<Vec<Bytes>> {
        self.dims.iter().map(|dim| attributes.get(dim).cloned()).collect()
    }

    pub(super) fn repeats(&self) -> bool {
        !matches!(self.window, Window::Order | Window::Life)
    }

    /// The max for these values, by the policy and what has shifted.
    pub(super) fn max_for(&self, values: &[Bytes]) -> Option<i128> {
        self.share_of(values).map(|max| max.clamp(0, MAX_QTY))
    }

    /// The same, also where more has left than there was.
    pub(super) fn share_of(&self, values: &[Bytes]) -> Option<i128> {
        self.policy_max(values).map(|max| max + self.shifted.get(values).copied().unwrap_or(0))
    }

    /// That of the most exact override, else the base.
    fn policy_max(&self, values: &[Bytes]) -> Option<i128> {
        let matches = |pattern: &[Option<Bytes>]| {
            let same = |(one, value): (&Option<Bytes>, &Bytes)| one.as_ref().is_none_or(|one| one == value);
            pattern.iter().zip(values).all(same)
        };
        self.overrides
            .iter()
            .filter(|(pattern, _)| matches(pattern))
            .max_by_key(|(pattern, _)| {
                let exact: Vec<bool> = pattern.iter().map(Option::is_some).collect();
                (exact.iter().filter(|one| **one).count(), exact)
            })
            .map_or(self.max, |(_, max)| *max)
    }

    /// Whether what was counted in a sub-window counts still: not only sub-windows within the span
    /// do, but the one in which it begins.
    pub(super) fn counts_still(&self, sub_window: &Usage) -> bool {
        let Window::Rolling(seconds) = self.window else { return true };
        sub_window_of(seconds, sub_window.window_start) >= sub_window_of(seconds, self.looked_ms) - 64
    }

    fn counted_sub_windows(&self, values: &[Bytes]) -> Vec<&Usage> {
        let sub_windows = self.sub_windows.get(values).into_iter().flatten();
        sub_windows.filter(|sub_window| self.counts_still(sub_window) && sub_window.used > 0).collect()
    }

    /// What counts against it now. Usage of windows that are over is already gone.
    pub(super) fn used(&self, values: &[Bytes]) -> i128 {
        if matches!(self.window, Window::Rolling(_)) {
            return self.counted_sub_windows(values).iter().map(|sub_window| sub_window.used).sum();
        }
        self.usage.get(values).map_or(0, |usage| usage.used - usage.credit)
    }

    /// The end of the window in which it is counted, which may lie ahead; of the current one where
    /// nothing is.
    pub(super) fn resets_ms(&self, now: i128, values: &[Bytes], more: i128) -> i128 {
        if let Window::Rolling(seconds) = self.window {
            // The sub-windows come back one by one, until there is enough.
            let mut used = self.used(values);
            for sub_window in self.counted_sub_windows(values) {
                used -= sub_window.used;
                if self.max_for(values).is_none_or(|max| (max - used).max(0) >= more) {
                    return sub_window_ms(seconds, sub_window_of(seconds, sub_window.window_start) + 65);
                }
            }
            return 0;
        }
        let counted = self.usage.get(values);
        let at_ms = counted.map_or(now, |usage| usage.window_start);
        self.tz.bounds(self.window, at_ms).1
    }

    /// Where the window begins in which these values are counted: mostly the current one.
    pub(super) fn window_start(&self, now: i128, values: &[Bytes]) -> i128 {
        if matches!(self.window, Window::Rolling(_)) {
            return self
                .counted_sub_windows(values)
                .iter()
                .map(|sub_window| sub_window.window_start)
                .max()
                .unwrap_or(0);
        }
        self.usage.get(values).map_or_else(|| self.tz.bounds(self.window, now).0, |usage| usage.window_start)
    }

    /// What an order of this quantity counts.
    pub(super) fn amount(&self, qty: i128) -> i128 {
        match self.count {
            Count::Units => qty,
            Count::Orders => 1,
        }
    }

    pub(super) fn allows(&self, values: &[Bytes], qty: i128) -> bool {
        self.max_for(values).is_none_or(|max| self.used(values) + self.amount(qty) <= max)
    }

    /// The largest quantity up to `qty` that it allows; `allows` has said that there is one.
    pub(super) fn largest(&self, values: &[Bytes], qty: i128) -> i128 {
        match (self.count, self.max_for(values)) {
            (Count::Units, Some(max)) => qty.min(max - self.used(values)),
            _ => qty,
        }
    }

    /// Adds to the usage of the current window and says which usage that is; none where none is
    /// kept.
    pub(super) fn count_usage(&mut self, now: i128, values: &[Bytes], amount: i128) -> Option<u64> {
        if self.window == Window::Order {
            return None;
        }
        self.instances += 1;
        if matches!(self.window, Window::Rolling(_)) {
            return Some(self.count_sub_window(now, values, amount));
        }
        let fresh =
            Usage { instance: self.instances, window_start: self.tz.bounds(self.window, now).0, used: 0, credit: 0 };
        let usage = self.usage.entry(values.into()).or_insert(fresh);
        usage.used += amount;
        Some(usage.instance)
    }

    /// In the current sub-window, or in a later one that counts something, after the clock stepped
    /// back. A new sub-window ends those that lie 65 before it.
    fn count_sub_window(&mut self, now: i128, values: &[Bytes], amount: i128) -> u64 {
        let Window::Rolling(seconds) = self.window else { unreachable!("asked for rolling windows only") };
        let newest = self.counted_sub_windows(values).iter().map(|sub_window| sub_window.window_start).max();
        let window_start = newest.max(Some(self.window.bounds(0, now).0)).expect("one of them");
        let instance = self.instances;
        let sub_windows = self.sub_windows.entry(values.into()).or_default();
        if let Some(sub_window) =
            sub_windows.iter_mut().find(|sub_window| sub_window.window_start == window_start && sub_window.used > 0)
        {
            sub_window.used += amount;
            return sub_window.instance;
        }
        sub_windows.retain(|sub_window| {
            let behind = sub_window_of(seconds, window_start) - sub_window_of(seconds, sub_window.window_start);
            (1..=64).contains(&behind) && sub_window.used > 0
        });
        sub_windows.push(Usage { instance, window_start, used: amount, credit: 0 });
        instance
    }

    /// Whether this sub-window of a rolling window counts still.
    pub(super) fn counts_in_a_sub_window(&self, values: &[Bytes], instance: Option<u64>) -> bool {
        self.counted_sub_windows(values).iter().any(|sub_window| Some(sub_window.instance) == instance)
    }

    /// One more order in the sub-window that counts another one.
    pub(super) fn count_again(&mut self, values: &[Bytes], instance: Option<u64>) {
        for sub_window in self.sub_windows.get_mut(values).into_iter().flatten() {
            if Some(sub_window.instance) == instance {
                sub_window.used += 1;
            }
        }
    }

    /// Gives back in the sub-window where it was counted, where that counts still.
    pub(super) fn uncount_sub_window(&mut self, values: &[Bytes], instance: u64, amount: i128) {
        let (window, looked_ms) = (self.window, self.looked_ms);
        let Window::Rolling(seconds) = window else { return };
        let Some(sub_windows) = self.sub_windows.get_mut(values) else { return };
        for sub_window in sub_windows.iter_mut().filter(|sub_window| sub_window.instance == instance) {
            if sub_window_of(seconds, sub_window.window_start) >= sub_window_of(seconds, looked_ms) - 64 {
                sub_window.used -= amount;
            }
        }
        sub_windows.retain(|sub_window| sub_window.used > 0);
    }

    /// `held`: what of it is the order's own, which asks for `qty` in all.
    pub(super) fn refusal(&self, now: i128, key: &[u8], values: &[Bytes], qty: i128, held: i128) -> Reply {
        self.refusal_of(now, key, values, self.amount(qty) - held)
    }

    pub(super) fn refusal_of(&self, now: i128, key: &[u8], values: &[Bytes], more: i128) -> Reply {
        words(&[
            Reply::bulk("LIMITED"),
            Reply::bulk(key),
            Reply::bulk(self.text()),
            Reply::Array(values.iter().map(Reply::bulk).collect()),
            int(self.used(values)),
            int(self.max_for(values).unwrap_or(-1)),
            int(self.resets_ms(now, values, more)),
        ])
    }
}
