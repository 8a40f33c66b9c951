//! One limit: its windows, overrides and usage.

use super::{int, words, Attributes, BTreeMap, Bytes, Rc, Reply, Shared, Tz, Values};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    Order,
    Hour,
    Day,
    Week,
    Month,
    Seconds(i128),
    Life,
}

pub(super) const HOUR_MS: i128 = 3_600_000;
pub(super) const DAY_MS: i128 = 24 * HOUR_MS;

impl Window {
    pub(super) fn text(self) -> String {
        match self {
            Window::Order => "order".into(),
            Window::Hour => "hour".into(),
            Window::Day => "day".into(),
            Window::Week => "week".into(),
            Window::Month => "month".into(),
            Window::Seconds(seconds) => seconds.to_string(),
            Window::Life => "life".into(),
        }
    }

    /// First and last-plus-one millisecond of the window that a time lies in.
    pub(super) fn bounds(self, tz_min: i128, at_ms: i128) -> (i128, i128) {
        let tz_ms = tz_min * 60_000;
        let local_ms = at_ms + tz_ms;
        let local_day = local_ms.div_euclid(DAY_MS);
        let whole_days = |from: i128, to: i128| (from * DAY_MS - tz_ms, to * DAY_MS - tz_ms);
        match self {
            Window::Order | Window::Life => (0, 0),
            Window::Seconds(seconds) => {
                let start = at_ms.div_euclid(seconds * 1000) * seconds * 1000;
                (start, start + seconds * 1000)
            }
            Window::Hour => {
                let start = local_ms.div_euclid(HOUR_MS) * HOUR_MS - tz_ms;
                (start, start + HOUR_MS)
            }
            Window::Day => whole_days(local_day, local_day + 1),
            Window::Week => {
                // Day 0 was a Thursday, so day -3 was a Monday.
                let monday = (local_day + 3).div_euclid(7) * 7 - 3;
                whole_days(monday, monday + 7)
            }
            Window::Month => {
                let (first, next) = month_of(local_day);
                whole_days(first, next)
            }
        }
    }
}

/// The first day of the month in which a day since 1970-01-01 lies, and the first day of the next month.
pub fn month_of(day: i128) -> (i128, i128) {
    let leap = |year: i128| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days_of_year = |year| if leap(year) { 366 } else { 365 };
    let mut year = 1970;
    let mut first = 0;
    while day < first {
        year -= 1;
        first -= days_of_year(year);
    }
    while day >= first + days_of_year(year) {
        first += days_of_year(year);
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for length in lengths {
        if day < first + length {
            return (first, first + length);
        }
        first += length;
    }
    unreachable!("a day lies in one of the twelve months of its year")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Units,
    Orders,
}

#[derive(Debug, Clone)]
pub(super) struct Usage {
    /// Which one of its limit: a value may be counted in the same window twice, when the clock went back in between.
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
    /// How many usages it has begun.
    pub(super) instances: u64,
    pub(super) set_ms: i128,
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

    /// The max for these values: that of the most exact override, else the base.
    pub(super) fn max_for(&self, values: &[Bytes]) -> Option<i128> {
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

    /// What counts against it now. Usage of windows that are over is already gone.
    pub(super) fn used(&self, values: &[Bytes]) -> i128 {
        self.usage.get(values).map_or(0, |usage| usage.used - usage.credit)
    }

    /// The end of the window in which it is counted, which may lie ahead; of the current one where nothing is.
    pub(super) fn resets_ms(&self, now: i128, values: &[Bytes]) -> i128 {
        let counted = self.usage.get(values);
        let at_ms = counted.map_or(now, |usage| usage.window_start);
        self.tz.bounds(self.window, at_ms).1
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

    /// Adds to the usage of the current window and says which usage that is; none where none is kept.
    pub(super) fn count_usage(&mut self, now: i128, values: &[Bytes], amount: i128) -> Option<u64> {
        if self.window == Window::Order {
            return None;
        }
        self.instances += 1;
        let fresh =
            Usage { instance: self.instances, window_start: self.tz.bounds(self.window, now).0, used: 0, credit: 0 };
        let usage = self.usage.entry(values.into()).or_insert(fresh);
        usage.used += amount;
        Some(usage.instance)
    }

    pub(super) fn refusal(&self, now: i128, key: &[u8], values: &[Bytes]) -> Reply {
        words(&[
            Reply::bulk("LIMITED"),
            Reply::bulk(key),
            Reply::bulk(self.text()),
            Reply::Array(values.iter().map(Reply::bulk).collect()),
            int(self.used(values)),
            int(self.max_for(values).unwrap_or(-1)),
            int(self.resets_ms(now, values)),
        ])
    }
}
