//! The windows of limits: where the current one began and when it ends.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "times are below 2^53 ms, offsets below a day, divisors positive: no sum overflows"
)]

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// By how much clocks that are set back make a window longer, at most: an hour that is shown twice
/// is one hour, and no zone of today sets its clocks back by more than two.
const SET_BACK_MS: i64 = 2 * HOUR_MS;

/// Over which span a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// A cap on one order: no usage is kept.
    Order,
    /// The pool's whole life.
    Life,
    /// The clock hour.
    Hour,
    /// The day.
    Day,
    /// The week, from Monday.
    Week,
    /// The calendar month.
    Month,
    /// Spans of so many seconds in a row since the Unix epoch; 1 to
    /// [`crate::core::model::time::MAX_SECONDS`].
    Seconds(u32),
    /// The last so many seconds, whenever they are looked at; bounds as above.
    Rolling(u32),
}

/// Into how many sub-windows a rolling span is divided: units come back with their sub-window, so
/// at most that much of the span late, and each value has one usage more than this at most.
pub const SUB_WINDOWS: i64 = 64;

/// The windows that have a name: the word in `PER`, in policies and in the texts of limits, and the
/// code in saved bytes. The next code is 8: two windows without a name follow.
pub const NAMED: [(Window, &str, u8); 6] = [
    (Window::Order, "order", 0),
    (Window::Hour, "hour", 2),
    (Window::Day, "day", 3),
    (Window::Week, "week", 4),
    (Window::Month, "month", 5),
    (Window::Life, "life", 1),
];

/// The code of [`Window::Seconds`] in saved bytes; the number stands behind it.
pub const SECONDS_CODE: u8 = 6;

/// The code of [`Window::Rolling`] in saved bytes; the number stands behind it.
pub const ROLLING_CODE: u8 = 7;

/// The sub-window of a rolling span that holds this time: sub-windows are counted since 1970.
fn sub_window(seconds: u32, at_ms: i64) -> i64 {
    (at_ms * SUB_WINDOWS).div_euclid(span_ms(seconds))
}

/// When a sub-window begins: the first whole ms in it.
fn sub_window_ms(seconds: u32, sub_window: i64) -> i64 {
    -(-(sub_window * span_ms(seconds))).div_euclid(SUB_WINDOWS)
}

fn span_ms(seconds: u32) -> i64 {
    i64::from(seconds.max(1)) * 1_000
}

/// Days since 1970-01-01 of the first of the month that holds this day, and of the next month.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days` and
/// `days_from_civil`.
fn month_around(day: i64) -> (i64, i64) {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * shifted + 2) / 5;
    let first = day - day_of_month;
    // February is the last month of the shifted year, and the only one whose length varies.
    let length = match shifted {
        11 => {
            let year = year_of_era + era * 400 + 1;
            if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) {
                29
            } else {
                28
            }
        }
        1 | 3 | 6 | 8 => 30,
        _ => 31,
    };
    (first, first + length)
}

impl Window {
    /// Its name; `None` for a number of seconds.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        NAMED.iter().find(|(window, ..)| *window == self).map(|&(_, word, _)| word)
    }

    /// Its code in saved bytes.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Rolling(_) => ROLLING_CODE,
            named => NAMED.iter().find(|(window, ..)| *window == named).map_or(SECONDS_CODE, |&(.., code)| code),
        }
    }

    /// The named window of this code.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        NAMED.iter().find(|(.., known)| *known == code).map(|&(window, ..)| window)
    }

    /// The hour, day, week or month that a clock shows: its beginning and that of the next one, in
    /// ms as the clock counts them. `None` for windows that no clock decides.
    #[must_use]
    pub fn shown(self, local_ms: i64) -> Option<(i64, i64)> {
        let day = local_ms.div_euclid(DAY_MS);
        let days = |first: i64, next: i64| Some((first * DAY_MS, next * DAY_MS));
        match self {
            Self::Order | Self::Life | Self::Seconds(_) | Self::Rolling(_) => None,
            Self::Hour => {
                let start_ms = local_ms.div_euclid(HOUR_MS) * HOUR_MS;
                Some((start_ms, start_ms + HOUR_MS))
            }
            Self::Day => days(day, day + 1),
            Self::Week => {
                // 1970-01-01 was a Thursday.
                let monday = (day + 3).div_euclid(7) * 7 - 3;
                days(monday, monday + 7)
            }
            Self::Month => {
                let (first, next) = month_around(day);
                days(first, next)
            }
        }
    }

    /// Beginning and end of the window that holds `at_ms`, where no clock decides it; of a rolling
    /// one, of the sub-window that holds it. (0, 0) for windows that never end.
    #[must_use]
    pub fn counted(self, at_ms: i64) -> (i64, i64) {
        match self {
            Self::Seconds(n) => {
                let start_ms = at_ms.div_euclid(span_ms(n)) * span_ms(n);
                (start_ms, start_ms + span_ms(n))
            }
            Self::Rolling(n) => {
                let sub_window = sub_window(n, at_ms);
                (sub_window_ms(n, sub_window), sub_window_ms(n, sub_window + 1))
            }
            Self::Order | Self::Life | Self::Hour | Self::Day | Self::Week | Self::Month => (0, 0),
        }
    }

    /// From which sub-window on usage of a rolling window counts at this time: those of the span
    /// before it, and the sub-window that the span begins in. `None` for other windows.
    #[must_use]
    pub fn rolling_since_ms(self, at_ms: i64) -> Option<i64> {
        let Self::Rolling(n) = self else { return None };
        Some(sub_window_ms(n, sub_window(n, at_ms) - SUB_WINDOWS))
    }

    /// When the usage of a sub-window of a rolling window counts no more. 0 for other windows.
    #[must_use]
    pub fn comes_back_ms(self, window_ms: i64) -> i64 {
        let Self::Rolling(n) = self else { return 0 };
        sub_window_ms(n, sub_window(n, window_ms) + SUB_WINDOWS + 1)
    }

    /// How long such a window is at most, in ms, in whichever time zone. 0 for windows that never
    /// end.
    #[must_use]
    pub fn longest_ms(self) -> i64 {
        match self {
            Self::Order | Self::Life => 0,
            Self::Hour => HOUR_MS + SET_BACK_MS,
            Self::Day => DAY_MS + SET_BACK_MS,
            Self::Week => 7 * DAY_MS + SET_BACK_MS,
            Self::Month => 31 * DAY_MS + SET_BACK_MS,
            Self::Seconds(n) => span_ms(n),
            // A sub-window counts until the last moment in it is a span ago.
            Self::Rolling(n) => span_ms(n) + span_ms(n) / SUB_WINDOWS + 2,
        }
    }

    /// Whether it is the last so many seconds.
    #[must_use]
    pub const fn is_rolling(self) -> bool {
        matches!(self, Self::Rolling(_))
    }

    /// Whether a clock decides where it begins.
    #[must_use]
    pub const fn follows_clock(self) -> bool {
        matches!(self, Self::Hour | Self::Day | Self::Week | Self::Month)
    }

    /// Whether windows follow each other, so that usage ends with one.
    #[must_use]
    pub const fn repeats(self) -> bool {
        !matches!(self, Self::Order | Self::Life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_span_never_forgets_too_early_nor_more_than_a_sub_window_late() {
        for seconds in [1u32, 2, 3, 7, 60, 3_600, 86_401, 315_360_000] {
            let window = Window::Rolling(seconds);
            let span = i64::from(seconds) * 1_000;
            for at_ms in [0, 1, 15, 16, 17, 1_767_225_599_999, 1_767_225_600_000, 1_767_225_600_123] {
                let (start_ms, end_ms) = window.counted(at_ms);
                assert!((start_ms..end_ms).contains(&at_ms), "{seconds} {at_ms}");
                assert_eq!(window.counted(start_ms), (start_ms, end_ms));
                let back_ms = window.comes_back_ms(start_ms);
                assert!(back_ms >= end_ms - 1 + span, "{seconds} {at_ms}: too early");
                assert!(back_ms <= start_ms + span + span / SUB_WINDOWS + 2, "{seconds} {at_ms}: too late");
                // It counts until then, and no longer.
                assert!(window.rolling_since_ms(back_ms - 1).is_some_and(|since| since <= start_ms));
                assert!(window.rolling_since_ms(back_ms).is_some_and(|since| since > start_ms));
                assert!(back_ms <= start_ms + window.longest_ms());
            }
        }
    }

    #[test]
    fn months_follow_each_other_for_eight_centuries() {
        // Every month but one in February has a known length; a walk meets each first day once.
        const YEARS: i64 = if cfg!(miri) { 40 } else { 800 };
        let mut day = -146_097;
        let mut months = 0;
        while months < YEARS * 12 {
            let (first, next) = month_around(day);
            assert_eq!(first, day);
            assert!((28..=31).contains(&(next - first)));
            assert_eq!(month_around(next - 1), (first, next));
            day = next;
            months += 1;
        }
        assert!(cfg!(miri) || day == 146_097, "{day}");
    }
}
