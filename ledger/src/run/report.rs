//! Lag and rate, in the log.

use std::time::{Duration, Instant};

use crate::clock::now_ms;
use crate::db::StreamRow;

/// Counts what one stream's follower does.
pub struct Report {
    every: Duration,
    since: Instant,
    applied: i64,
    /// Entries of other logical databases, and of those the ones that were reported.
    elsewhere: u64,
    reported: u64,
}

impl Report {
    /// Reports every so many seconds.
    pub fn new(seconds: u64) -> Report {
        Report {
            every: Duration::from_secs(seconds.max(1)),
            since: Instant::now(),
            applied: -1,
            elsewhere: 0,
            reported: 0,
        }
    }

    /// Counts entries of pools in other logical databases: nothing follows them, which is an error
    /// as often as not.
    pub fn elsewhere(&mut self, stream: &str, db: i64, entries: u64) {
        self.elsewhere += entries;
        if self.elsewhere > 0
            && (self.reported == 0 || self.since.elapsed() >= self.every && self.elsewhere > self.reported)
        {
            self.reported = self.elsewhere;
            tracing::warn!(
                stream,
                entries = self.elsewhere,
                "entries of other logical databases than {db} (redis.url) are left out"
            );
        }
    }

    /// Writes a line when it is time to.
    pub fn look(&mut self, stream: &str, row: &StreamRow, at_end: bool) {
        if self.applied < 0 {
            self.applied = row.applied;
        }
        let passed = self.since.elapsed();
        if passed < self.every {
            return;
        }
        let events = row.applied - self.applied;
        if events > 0 || !at_end {
            let rate = events as f64 / passed.as_secs_f64();
            let lag_ms = if at_end { 0 } else { (now_ms() - row.event_ms).max(0) };
            tracing::info!(stream, events, rate = format!("{rate:.0}/s"), lag_ms, "following");
        }
        self.since = Instant::now();
        self.applied = row.applied;
    }
}
