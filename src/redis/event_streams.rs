//! Which event streams this server has, and how long they and their backlogs were when the
//! background last looked at them: figures for `INFO`, local, and never part of the data.
//!
//! Streams become known where a pool becomes known to the wake-up queue: by the search of the key
//! space, when a pool arrives, is made or gets a policy. So selling pays nothing for it. A name is
//! a hint: the key may be gone, or hold something else. Plain data, without server or clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::core::model::pool::Pool;

/// The most streams that are known. Others are not looked at.
pub const MAX_STREAMS: usize = 1_000;
/// The time from the start of one pass over all streams to the start of the next.
const PASS: Duration = Duration::from_secs(2);
/// A look that took a time is repeated after so many times that time at the earliest, so that a
/// stream with thousands of groups costs no more than a thousandth of the server's time.
const REST: u32 = 1_000;
/// The most bytes of a group's name that are kept.
const MAX_GROUP_BYTES: usize = 256;

/// What one look at a stream found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Entries in the stream.
    pub entries: u64,
    /// Its groups of readers. `None`: this server cannot tell.
    pub groups: Option<Groups>,
}

/// What the groups of a stream have left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// How many there are.
    pub count: u64,
    /// How many of them the server knows no lag of: after XDEL, or if they began in the middle.
    pub lag_unknown: u64,
    /// The group with the most entries that it has not read.
    pub lag: Option<GroupFigure>,
    /// The group with the most entries that it has read and not acknowledged.
    pub pending: Option<GroupFigure>,
}

/// A figure of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFigure {
    /// How many entries.
    pub entries: u64,
    /// The name of the group, shortened if it is long.
    pub group: Box<[u8]>,
}

impl Groups {
    /// Adds a group. `lag`: as the server says, which may not know it.
    pub fn add(&mut self, name: &[u8], lag: Option<u64>, pending: u64) {
        let short = name.get(..MAX_GROUP_BYTES).unwrap_or(name);
        let figure = |entries| GroupFigure { entries, group: short.into() };
        let more = |known: &Option<GroupFigure>, entries| known.as_ref().is_none_or(|known| known.entries < entries);
        self.count = self.count.saturating_add(1);
        match lag {
            None => self.lag_unknown = self.lag_unknown.saturating_add(1),
            Some(lag) if more(&self.lag, lag) => self.lag = Some(figure(lag)),
            Some(_) => {}
        }
        if more(&self.pending, pending) {
            self.pending = Some(figure(pending));
        }
    }
}

/// What is known of one stream.
#[derive(Default)]
struct Look {
    /// What the last look found. `None`: no look yet, or there was no stream.
    backlog: Option<Backlog>,
    /// The last look found no stream.
    missing: bool,
    /// The next look is not before this.
    not_before: Option<Instant>,
}

/// The streams of one database.
#[derive(Default)]
struct Database {
    /// There is a pool whose policy names no stream: it publishes to that of the server.
    uses_default: bool,
    streams: BTreeMap<Box<[u8]>, Look>,
}

/// The streams of all databases.
pub struct EventStreams {
    databases: BTreeMap<i32, Database>,
    /// A stream was not taken in, since there were [`MAX_STREAMS`].
    refused: bool,
    /// The last look found no stream under so many names: they make way for others.
    replaceable: usize,
    pass_began: Option<Instant>,
    /// The rest of the pass that is under way, last first.
    pass: Vec<(i32, Box<[u8]>)>,
}

/// A figure of `INFO`, and whose it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Longest<'s> {
    /// How many entries.
    pub entries: u64,
    /// The logical database of the stream.
    pub db: i32,
    /// Its key.
    pub stream: &'s [u8],
    /// The group; none for a stream as a whole.
    pub group: Option<&'s [u8]>,
}

/// What `INFO` says of all streams together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary<'s> {
    /// Streams that exist.
    pub streams: u64,
    /// Those that no group reads.
    pub without_group: u64,
    /// Those with a group whose lag the server does not know, or whose groups it cannot tell.
    pub lag_unknown: u64,
    /// The stream with the most entries.
    pub longest: Option<Longest<'s>>,
    /// The group that has the most entries to read.
    pub lag: Option<Longest<'s>>,
    /// The group that has the most entries to acknowledge.
    pub pending: Option<Longest<'s>>,
}

impl EventStreams {
    /// None is known.
    pub const fn new() -> Self {
        Self { databases: BTreeMap::new(), refused: false, replaceable: 0, pass_began: None, pass: Vec::new() }
    }

    /// Notes where a pool publishes its changes.
    pub fn note(&mut self, db: i32, pool: &Pool) {
        match pool.events() {
            None => self.databases.entry(db).or_default().uses_default = true,
            Some([]) => {}
            Some(name) => self.add(db, name),
        }
    }

    fn add(&mut self, db: i32, name: &[u8]) {
        if self.databases.get(&db).is_some_and(|known| known.streams.contains_key(name)) {
            return;
        }
        if self.count() >= MAX_STREAMS && !self.remove_missing() {
            self.refused = true;
            return;
        }
        self.databases.entry(db).or_default().streams.insert(name.into(), Look::default());
    }

    fn count(&self) -> usize {
        self.databases.values().map(|known| known.streams.len()).sum()
    }

    /// Forgets a name under which the last look found no stream; false if there is none.
    fn remove_missing(&mut self) -> bool {
        if self.replaceable == 0 {
            return false;
        }
        let missing = self.databases.iter().find_map(|(&db, known)| {
            let name = known.streams.iter().find_map(|(name, look)| look.missing.then(|| name.clone()))?;
            Some((db, name))
        });
        self.replaceable = if missing.is_some() { self.replaceable.saturating_sub(1) } else { 0 };
        missing.is_some_and(|(db, name)| {
            self.databases.get_mut(&db).is_some_and(|known| known.streams.remove(&name).is_some())
        })
    }

    /// Begins a pass, if the last one began long enough ago and is over. `default`: the stream of
    /// pools whose policy names none.
    pub fn begin_pass(&mut self, default: Option<&[u8]>, now: Instant) {
        let early = self.pass_began.is_some_and(|began| now.saturating_duration_since(began) < PASS);
        if early || !self.pass.is_empty() {
            return;
        }
        if let Some(name) = default.filter(|name| !name.is_empty()) {
            let using = self.databases.iter().filter(|(_, known)| known.uses_default).map(|(&db, _)| db);
            for db in using.collect::<Vec<_>>() {
                self.add(db, name);
            }
        }
        self.pass_began = Some(now);
        for (&db, known) in &self.databases {
            for (name, look) in &known.streams {
                if look.not_before.is_none_or(|at| at <= now) {
                    self.pass.push((db, name.clone()));
                }
            }
        }
        self.pass.reverse();
    }

    /// Whether there are streams to look at in this pass.
    pub fn has_work(&self) -> bool {
        !self.pass.is_empty()
    }

    /// The next stream to look at: database, key.
    pub fn next_stream(&mut self) -> Option<(i32, Box<[u8]>)> {
        self.pass.pop()
    }

    /// Keeps what a look has found; `None`: no stream. `began`, `now`: when the look began and
    /// ended.
    pub fn found(&mut self, db: i32, name: &[u8], backlog: Option<Backlog>, began: Instant, now: Instant) {
        // The database may have been flushed meanwhile.
        let Some(look) = self.databases.get_mut(&db).and_then(|known| known.streams.get_mut(name)) else { return };
        let (was, is) = (usize::from(look.missing), usize::from(backlog.is_none()));
        self.replaceable = self.replaceable.saturating_add(is).saturating_sub(was);
        let rest = now.saturating_duration_since(began).saturating_mul(REST);
        *look = Look { missing: backlog.is_none(), backlog, not_before: (rest > PASS).then(|| now + rest) };
    }

    /// Exchanges the streams of two databases.
    pub fn swap_databases(&mut self, one: i32, other: i32) {
        let (first, second) = (self.databases.remove(&one), self.databases.remove(&other));
        self.databases.extend(first.map(|known| (other, known)));
        self.databases.extend(second.map(|known| (one, known)));
        self.pass.clear();
    }

    /// Forgets the streams of one database; of all without a number.
    pub fn discard(&mut self, db: Option<i32>) {
        match db {
            Some(db) => drop(self.databases.remove(&db)),
            None => self.databases.clear(),
        }
        self.pass.clear();
    }

    /// Whether there are more streams than are looked at.
    pub fn is_limit_reached(&self) -> bool {
        self.refused && self.count() >= MAX_STREAMS
    }

    /// What `INFO` says.
    pub fn summary(&self) -> Summary<'_> {
        let mut all = Summary::default();
        for (&db, known) in &self.databases {
            for (stream, look) in &known.streams {
                if let Some(backlog) = &look.backlog {
                    all.add(db, stream, backlog);
                }
            }
        }
        all
    }
}

impl<'s> Summary<'s> {
    fn add(&mut self, db: i32, stream: &'s [u8], backlog: &'s Backlog) {
        let figure = |known: &mut Option<Longest<'s>>, entries: u64, group: Option<&'s [u8]>| {
            if known.as_ref().is_none_or(|known| known.entries < entries) {
                *known = Some(Longest { entries, db, stream, group });
            }
        };
        self.streams = self.streams.saturating_add(1);
        figure(&mut self.longest, backlog.entries, None);
        let Some(groups) = &backlog.groups else {
            self.lag_unknown = self.lag_unknown.saturating_add(1);
            return;
        };
        self.without_group = self.without_group.saturating_add(u64::from(groups.count == 0));
        self.lag_unknown = self.lag_unknown.saturating_add(u64::from(groups.lag_unknown > 0));
        if let Some(lag) = &groups.lag {
            figure(&mut self.lag, lag.entries, Some(&lag.group));
        }
        if let Some(pending) = &groups.pending {
            figure(&mut self.pending, pending.entries, Some(&pending.group));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A pass at this time: the names that it looks at, each of which holds what `of` says.
    fn pass(
        streams: &mut EventStreams,
        default: Option<&[u8]>,
        now: Instant,
        took: Duration,
        of: impl Fn(&[u8]) -> Option<Backlog>,
    ) -> Vec<String> {
        streams.begin_pass(default, now);
        let mut names = Vec::new();
        while let Some((db, name)) = streams.next_stream() {
            streams.found(db, &name, of(&name), now, now + took);
            names.push(format!("{db}:{}", String::from_utf8_lossy(&name)));
        }
        names
    }

    fn entries(entries: u64) -> Option<Backlog> {
        Some(Backlog { entries, groups: Some(Groups::default()) })
    }

    fn known(names: &[(i32, &str)]) -> EventStreams {
        let mut streams = EventStreams::new();
        names.iter().for_each(|&(db, name)| streams.add(db, name.as_bytes()));
        streams
    }

    #[test]
    fn each_pass_looks_at_each_stream_once_and_none_comes_early() {
        let mut streams = known(&[(0, "b"), (0, "a"), (3, "a"), (0, "a")]);
        let start = Instant::now();
        assert_eq!(pass(&mut streams, None, start, MS, |_| entries(1)), ["0:a", "0:b", "3:a"]);
        assert!(pass(&mut streams, None, start + PASS - MS, MS, |_| entries(1)).is_empty(), "too early");
        assert_eq!(pass(&mut streams, None, start + PASS, MS, |_| entries(1)).len(), 3);
    }

    #[test]
    fn pools_without_a_stream_of_their_own_publish_to_that_of_the_server() {
        let mut streams = EventStreams::new();
        streams.note(4, &Pool::new(0));
        let start = Instant::now();
        assert!(pass(&mut streams, None, start, MS, |_| entries(1)).is_empty(), "there is none");
        assert!(pass(&mut streams, Some(b""), start + PASS, MS, |_| entries(1)).is_empty(), "there is none");
        assert_eq!(pass(&mut streams, Some(b"ev"), start + 2 * PASS, MS, |_| entries(7)), ["4:ev"]);
        // One that was replaced may hold entries that nobody has read.
        assert_eq!(pass(&mut streams, Some(b"new"), start + 3 * PASS, MS, |_| entries(7)), ["4:ev", "4:new"]);
    }

    #[test]
    fn a_look_that_takes_long_is_not_repeated_soon() {
        let mut streams = known(&[(0, "a")]);
        let start = Instant::now();
        assert_eq!(pass(&mut streams, None, start, 20 * MS, |_| entries(9)).len(), 1);
        assert!(pass(&mut streams, None, start + 19 * REST * MS, MS, |_| entries(1)).is_empty());
        assert_eq!(streams.summary().longest.map(|longest| longest.entries), Some(9), "what was found stays");
        assert_eq!(pass(&mut streams, None, start + 22 * REST * MS, MS, |_| entries(1)).len(), 1);
    }

    #[test]
    fn the_summary_names_the_longest_of_all() {
        let mut streams = known(&[(0, "a"), (1, "b"), (2, "c"), (3, "gone"), (4, "replica")]);
        let groups = |all: &[(&str, Option<u64>, u64)]| {
            let mut groups = Groups::default();
            all.iter().for_each(|&(name, lag, pending)| groups.add(name.as_bytes(), lag, pending));
            Some(groups)
        };
        let of = |name: &[u8]| {
            Some(match name {
                b"a" => Backlog { entries: 9, groups: groups(&[("x", Some(3), 4), ("y", Some(5), 1)]) },
                b"b" => Backlog { entries: 20, groups: groups(&[("z", None, 6)]) },
                b"c" => Backlog { entries: 1, groups: groups(&[]) },
                b"replica" => Backlog { entries: 2, groups: None },
                _ => return None,
            })
        };
        pass(&mut streams, None, Instant::now(), MS, of);
        let longest = |entries, db, stream: &'static str, group: &'static str| {
            let group = Some(group.as_bytes()).filter(|group| !group.is_empty());
            Some(Longest { entries, db, stream: stream.as_bytes(), group })
        };
        let expected = Summary {
            streams: 4,
            without_group: 1,
            lag_unknown: 2,
            longest: longest(20, 1, "b", ""),
            lag: longest(5, 0, "a", "y"),
            pending: longest(6, 1, "b", "z"),
        };
        assert_eq!(streams.summary(), expected);
        streams.swap_databases(1, 9);
        assert_eq!(streams.summary().longest, longest(20, 9, "b", ""));
        streams.discard(Some(9));
        assert_eq!(streams.summary().longest, longest(9, 0, "a", ""));
        streams.discard(None);
        assert_eq!(streams.summary(), Summary::default());
    }

    #[test]
    fn names_without_a_stream_make_way_when_there_are_too_many() {
        let mut streams = EventStreams::new();
        for n in 0..MAX_STREAMS {
            streams.add(0, format!("{n:04}").as_bytes());
        }
        assert!(!streams.is_limit_reached());
        streams.add(0, b"one more");
        assert!(streams.is_limit_reached());
        let start = Instant::now();
        pass(&mut streams, None, start, MS, |name| if name == b"0500" { None } else { entries(1) });
        streams.add(0, b"one more");
        assert_eq!(streams.count(), MAX_STREAMS);
        let names = streams
            .databases
            .get(&0)
            .map(|known| ["0500", "one more"].map(|name| known.streams.contains_key(name.as_bytes())));
        assert_eq!(names, Some([false, true]));
        streams.add(0, b"and another");
        assert!(streams.is_limit_reached());
        assert_eq!(streams.count(), MAX_STREAMS);
    }

    #[test]
    fn a_long_name_of_a_group_is_kept_in_part() {
        let mut groups = Groups::default();
        groups.add(&[b'g'; 100_000], Some(1), 0);
        assert_eq!(groups.lag.map(|figure| figure.group.len()), Some(MAX_GROUP_BYTES));
    }
}
