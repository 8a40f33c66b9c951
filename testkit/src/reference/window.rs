//! The windows of limits.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    Order,
    Hour,
    Day,
    Week,
    Month,
    Seconds(i128),
    Rolling(i128),
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
            Window::Rolling(seconds) => format!("{seconds}-rolling"),
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
            Window::Rolling(seconds) => {
                let sub_window = sub_window_of(seconds, at_ms);
                (sub_window_ms(seconds, sub_window), sub_window_ms(seconds, sub_window + 1))
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

/// A rolling span has 64 sub-windows; which one, counted from 1970, holds a time.
pub(super) fn sub_window_of(seconds: i128, at_ms: i128) -> i128 {
    (at_ms * 64).div_euclid(seconds * 1000)
}

/// The first whole millisecond of a sub-window.
pub(super) fn sub_window_ms(seconds: i128, sub_window: i128) -> i128 {
    let mut at_ms = (sub_window * seconds * 1000).div_euclid(64);
    while sub_window_of(seconds, at_ms) < sub_window {
        at_ms += 1;
    }
    at_ms
}

/// The first day of the month in which a day since 1970-01-01 lies, and the first day of the next
/// month.
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

/// The window of a word.
pub(super) fn calendar_window(text: &str) -> Option<Window> {
    match text {
        "order" => Some(Window::Order),
        "hour" => Some(Window::Hour),
        "day" => Some(Window::Day),
        "week" => Some(Window::Week),
        "month" => Some(Window::Month),
        "life" => Some(Window::Life),
        _ => None,
    }
}
