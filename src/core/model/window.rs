//! The windows of limits: where the current one began and when it ends.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "times are below 2^53 ms, offsets below a day, divisors positive: no sum overflows"
)]

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

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
}

/// The windows that have a name: the word in `PER`, in policies and in the texts of limits, and the
/// code in saved bytes.
pub const NAMED: [(Window, &str, u8); 6] = [
    (Window::Order, "order", 0),
    (Window::Life, "life", 1),
    (Window::Hour, "hour", 2),
    (Window::Day, "day", 3),
    (Window::Week, "week", 4),
    (Window::Month, "month", 5),
];

/// The code of [`Window::Seconds`] in saved bytes; the number stands behind it.
pub const SECONDS_CODE: u8 = 6;

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
        NAMED.iter().find(|(window, ..)| *window == self).map_or(SECONDS_CODE, |&(.., code)| code)
    }

    /// The named window of this code.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        NAMED.iter().find(|(.., known)| *known == code).map(|&(window, ..)| window)
    }

    /// When the window that holds `now_ms` began, in ms, by an offset from UTC in minutes. 0 for
    /// windows that never roll.
    #[must_use]
    pub fn start_ms(self, now_ms: i64, offset_min: i32) -> i64 {
        let offset_ms = i64::from(offset_min) * MINUTE_MS;
        let local = now_ms + offset_ms;
        match self {
            Self::Order | Self::Life => 0,
            Self::Hour => local.div_euclid(HOUR_MS) * HOUR_MS - offset_ms,
            Self::Day => local.div_euclid(DAY_MS) * DAY_MS - offset_ms,
            Self::Week => {
                // 1970-01-01 was a Thursday.
                let week = (local.div_euclid(DAY_MS) + 3).div_euclid(7);
                (week * 7 - 3) * DAY_MS - offset_ms
            }
            Self::Month => month_around(local.div_euclid(DAY_MS)).0 * DAY_MS - offset_ms,
            Self::Seconds(n) => {
                let span = i64::from(n.max(1)) * 1_000;
                now_ms.div_euclid(span) * span
            }
        }
    }

    /// When the window that holds `at_ms` ends, in ms. 0 = never.
    #[must_use]
    pub fn end_ms(self, at_ms: i64, offset_min: i32) -> i64 {
        let start_ms = self.start_ms(at_ms, offset_min);
        match self {
            Self::Order | Self::Life => 0,
            Self::Hour => start_ms + HOUR_MS,
            Self::Day => start_ms + DAY_MS,
            Self::Week => start_ms + 7 * DAY_MS,
            Self::Month => {
                let offset_ms = i64::from(offset_min) * MINUTE_MS;
                month_around((start_ms + offset_ms).div_euclid(DAY_MS)).1 * DAY_MS - offset_ms
            }
            Self::Seconds(n) => start_ms + i64::from(n.max(1)) * 1_000,
        }
    }

    /// How long such a window is at most, in ms. 0 for windows that never roll.
    #[must_use]
    pub fn longest_ms(self) -> i64 {
        match self {
            Self::Order | Self::Life => 0,
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
            Self::Week => 7 * DAY_MS,
            Self::Month => 31 * DAY_MS,
            Self::Seconds(n) => i64::from(n.max(1)) * 1_000,
        }
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

    // 2024-02-29T15:30:45.123Z, a Thursday.
    const LEAP: i64 = 1_709_220_645_123;

    #[test]
    fn windows_begin_and_end_where_the_calendar_says() {
        let cases = [
            (Window::Hour, 0, 1_709_218_800_000, 1_709_222_400_000),
            (Window::Day, 0, 1_709_164_800_000, 1_709_251_200_000),
            // At +09:00 it is 00:30 of March 1st.
            (Window::Day, 540, 1_709_218_800_000, 1_709_305_200_000),
            (Window::Week, 0, 1_708_905_600_000, 1_709_510_400_000),
            (Window::Month, 0, 1_706_745_600_000, 1_709_251_200_000),
            (Window::Month, 540, 1_709_218_800_000, 1_711_897_200_000),
            (Window::Seconds(90), 540, 1_709_220_600_000, 1_709_220_690_000),
            (Window::Life, 0, 0, 0),
        ];
        for (window, offset, start, end) in cases {
            assert_eq!(window.start_ms(LEAP, offset), start, "{window:?} {offset}");
            assert_eq!(window.end_ms(start, offset), end, "{window:?} {offset}");
        }
    }

    #[test]
    fn months_follow_each_other_for_eight_centuries() {
        // Every month but one in February has a known length; a walk meets each first day once.
        let mut day = -146_097;
        let mut months = 0;
        while day < 146_097 {
            let (first, next) = month_around(day);
            assert_eq!(first, day);
            assert!((28..=31).contains(&(next - first)));
            assert_eq!(month_around(next - 1), (first, next));
            day = next;
            months += 1;
        }
        assert_eq!(months, 800 * 12);
    }
}
