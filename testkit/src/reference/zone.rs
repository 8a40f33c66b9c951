//! Time zones, by a table that another library has written (`zones.txt`, made by
//! `scripts/zones.py`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::window::{calendar_window, Window};

/// Every change of an hour, a day or an offset in these zones lies on a multiple of this.
const GRID_MS: i128 = 900_000;
/// How far clocks may have been ahead before they were set back: further than any zone sets them.
const BACK_MS: i128 = 4 * 3_600_000;

/// A zone of the table.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// From which Unix second on its clocks are ahead of UTC by how many minutes.
    pub offsets: Vec<(i128, i128)>,
}

/// All zones of the table.
pub fn tables() -> &'static [Table] {
    static TABLES: OnceLock<Vec<Table>> = OnceLock::new();
    TABLES.get_or_init(|| include_str!("zones.txt").lines().map(table).collect())
}

fn table(line: &'static str) -> Table {
    let (name, rest) = line.split_once(' ').expect("a zone has offsets");
    let numbers: Vec<i128> = rest.split(' ').map(|word| word.parse().expect("a number")).collect();
    Table { name, offsets: numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect() }
}

impl Table {
    fn offset_ms(&self, at_ms: i128) -> i128 {
        let after = self.offsets.partition_point(|(from_s, _)| from_s * 1_000 <= at_ms);
        self.offsets[after.max(1) - 1].1 * 60_000
    }
}

/// A fixed offset in minutes, or a zone by its place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tz {
    Offset(i128),
    Zone(usize),
}

impl Tz {
    pub fn parse(text: &[u8]) -> Option<Self> {
        let named = || tables().iter().position(|table| table.name.as_bytes().eq_ignore_ascii_case(text));
        parse_offset(text).map(Tz::Offset).or_else(|| named().map(Tz::Zone))
    }

    pub fn text(self) -> String {
        match self {
            Tz::Offset(minutes) => offset_text(minutes),
            Tz::Zone(place) => tables()[place].name.into(),
        }
    }

    /// First and last-plus-one millisecond of the window that a time lies in.
    pub(super) fn bounds(self, window: Window, at_ms: i128) -> (i128, i128) {
        match self {
            Tz::Offset(minutes) => window.bounds(minutes, at_ms),
            Tz::Zone(place) if matches!(window, Window::Hour | Window::Day | Window::Week | Window::Month) => {
                remembered(place, window, at_ms)
            }
            Tz::Zone(_) => window.bounds(0, at_ms),
        }
    }
}

/// The window of a word as LIMIT takes it, in a zone of the table: for tests that compare it with
/// the product's.
pub fn zone_window(place: usize, word: &str, at_ms: i64) -> (i64, i64) {
    let window = calendar_window(word).expect("a window of the calendar");
    let (start_ms, end_ms) = walk(&tables()[place], window, at_ms.into());
    (start_ms as i64, end_ms as i64)
}

/// The model asks for the same window over and over.
fn remembered(place: usize, window: Window, at_ms: i128) -> (i128, i128) {
    thread_local! {
        static LAST: RefCell<BTreeMap<(usize, String), (i128, i128)>> = const { RefCell::new(BTreeMap::new()) };
    }
    LAST.with_borrow_mut(|last| {
        let found = last.entry((place, window.text())).or_insert((0, 0));
        if !(found.0..found.1).contains(&at_ms) {
            *found = walk(&tables()[place], window, at_ms);
        }
        *found
    })
}

/// Looks at the clock every quarter of an hour: back to when it first showed the window that it has
/// reached at `at_ms`, and on to when it first shows a later one.
fn walk(table: &Table, window: Window, at_ms: i128) -> (i128, i128) {
    // What the clock shows of the window: a later window is a greater number.
    let shown = |at_ms: i128| window.bounds(0, at_ms + table.offset_ms(at_ms)).0;
    let now = at_ms.div_euclid(GRID_MS) * GRID_MS;
    let mut reached = shown(now);
    let mut at = now;
    while at > now - BACK_MS {
        at -= GRID_MS;
        reached = reached.max(shown(at));
    }
    let (mut start, mut at) = (now, now);
    while at > start - BACK_MS {
        at -= GRID_MS;
        if shown(at) >= reached {
            start = at;
        }
    }
    let mut end = now + GRID_MS;
    while shown(end) <= reached {
        end += GRID_MS;
    }
    (start, end)
}

/// `+hh:mm` or `-hh:mm`, up to 18:00 either way, in minutes.
fn parse_offset(text: &[u8]) -> Option<i128> {
    let [sign, h1, h2, b':', m1, m2] = text else {
        return None;
    };
    let two = |tens: &u8, ones: &u8| {
        let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        digits.then(|| i128::from(tens - b'0') * 10 + i128::from(ones - b'0'))
    };
    let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
    let total = hours * 60 + minutes;
    if minutes > 59 || total > 18 * 60 {
        return None;
    }
    match sign {
        b'+' => Some(total),
        b'-' => Some(-total),
        _ => None,
    }
}

fn offset_text(tz_min: i128) -> String {
    let sign = if tz_min < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", tz_min.abs() / 60, tz_min.abs() % 60)
}
