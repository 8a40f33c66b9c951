//! At the end of a stream: pools whose last entries are not in it. They were trimmed before they
//! were read, could not be written, or the database is older than the stream (a backup). Nothing
//! that comes later would show it, so the pools are asked where they stand.

use anyhow::Result;

use crate::clock::now_ms;
use crate::config::Config;
use crate::db::Db;
use crate::event::{Event, Kind};
use crate::projection::Position;
use crate::redis_client::pools::Pool;
use crate::redis_client::streams::{parts, StreamInfo};
use crate::redis_client::RedisClient;

/// Pools asked in one step.
const PAGE: i64 = 500;

/// Whether a pool has changes that are not in the database.
pub fn is_ahead(pool: &Pool, position: &Position) -> bool {
    if position.epoch == pool.epoch {
        return pool.seq > position.seq;
    }
    // Made by `preload` (SET and its policy), and nothing since.
    !position.epoch.is_empty() || pool.out != 0 || pool.seq > 2
}

/// A walk through all pools of a stream, page by page: at the start, and again when an entry was
/// added that was never read.
#[derive(Default)]
pub struct EndCheck {
    /// Whether there are pages to look at.
    walking: bool,
    /// Entries that were read.
    read: i64,
    /// Entries that were added and not read, and those that the server could not write, when this
    /// was known last.
    lost: Option<(i64, i64)>,
    /// The last pool that was looked at.
    after: String,
    /// Pools that are ahead of the database, as they were.
    found: Vec<Event>,
    /// The last entry in the stream after they were asked. What the pools had changed until then
    /// stands before it, or nowhere.
    until: String,
}

impl EndCheck {
    /// Counts entries that were read.
    pub fn count(&mut self, entries: u64) {
        self.read += i64::try_from(entries).unwrap_or(0);
    }

    /// What the server says of the stream when nothing more was there to read behind `entry`.
    /// Begins a walk where an entry was added that was never read: the difference of what was added
    /// and what was read stays the same otherwise.
    pub fn at_end(&mut self, entry: &str, stream: Option<&StreamInfo>, dropped: i64) {
        let Some(stream) = stream else { return self.found_lost((0, dropped)) };
        // Read next.
        if stream.last_entry.as_deref().is_some_and(|last| parts(last) > parts(entry)) {
            return;
        }
        self.found_lost((stream.added - self.read, dropped));
    }

    fn found_lost(&mut self, lost: (i64, i64)) {
        if self.lost != Some(lost) {
            self.lost = Some(lost);
            self.walking = true;
            self.after.clear();
        }
    }

    /// Whether there are pages to look at, and nothing is waited for before.
    pub fn is_walking(&self) -> bool {
        self.walking && !self.is_waiting()
    }

    /// Looks at the next page. True: that was the last one.
    pub async fn look(&mut self, db: &Db, redis: &mut RedisClient, config: &Config, stream: &str) -> Result<bool> {
        let mut tx = db.begin().await?;
        let page = db.positions_after(&mut tx, &self.after, PAGE).await?;
        tx.commit().await?;
        let Some((last, _)) = page.last() else {
            self.after.clear();
            self.walking = false;
            return Ok(true);
        };
        self.after.clone_from(last);
        // In a cluster most pools belong to other streams.
        let page: Vec<(String, Position)> = page.into_iter().filter(|(name, _)| config.is_in(name, stream)).collect();
        let names: Vec<&str> = page.iter().map(|(name, _)| name.as_str()).collect();
        let pools = redis.keys(&names).await?;
        for ((name, position), pool) in page.iter().zip(pools) {
            let Ok(Some(pool)) = pool else { continue };
            if pool.events == stream && is_ahead(&pool, position) {
                self.found.push(state(name, redis.db(), pool));
            }
        }
        if !self.found.is_empty() {
            self.until = redis.last_entry(stream).await?.unwrap_or_default();
        }
        Ok(false)
    }

    /// Whether pools were found that are ahead, and the stream has to be read on before more can be
    /// said.
    pub fn is_waiting(&self) -> bool {
        !self.found.is_empty()
    }

    /// The states of the pools that are ahead, once everything that the stream had of them is in
    /// the database (up to `entry`). Those that have got there by their events are dropped like any
    /// event that is known.
    pub fn ripe(&mut self, entry: &str) -> Option<Vec<Event>> {
        if self.found.is_empty() || parts(entry) < parts(&self.until) {
            return None;
        }
        Some(std::mem::take(&mut self.found))
    }
}

/// Where a pool stands, in the words of an event.
fn state(name: &str, db: i64, pool: Pool) -> Event {
    Event {
        kind: Kind::State,
        pool: name.to_string(),
        db,
        epoch: pool.epoch,
        seq: pool.seq,
        order: None,
        qty: 0,
        at_ms: now_ms(),
        unlimited: pool.on_hand.is_none(),
        out: pool.out,
        attributes: String::new(),
        token: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_walked_through_when_an_entry_was_never_read() {
        let stream = |last: &str, entry: Option<&str>, added| {
            Some(StreamInfo { last_id: last.to_string(), last_entry: entry.map(str::to_string), added })
        };
        let mut check = EndCheck::default();
        check.count(10);
        check.at_end("5-0", stream("5-0", Some("5-0"), 30).as_ref(), 0);
        assert!(check.walking, "at the start");
        let quiet = |check: &mut EndCheck, entry: &str, info: Option<StreamInfo>, dropped| {
            check.walking = false;
            check.at_end(entry, info.as_ref(), dropped);
            !check.walking
        };
        assert!(quiet(&mut check, "5-0", stream("5-0", Some("5-0"), 30), 0));
        // One came between the read and the question.
        assert!(quiet(&mut check, "5-0", stream("6-0", Some("6-0"), 31), 0));
        check.count(1);
        assert!(quiet(&mut check, "6-0", stream("6-0", Some("6-0"), 31), 0));
        // All were trimmed, behind what was read.
        assert!(quiet(&mut check, "6-0", stream("6-0", None, 31), 0));
        // One was added and trimmed before it was read; one more, and one was read behind it.
        assert!(!quiet(&mut check, "6-0", stream("7-0", None, 32), 0));
        assert!(quiet(&mut check, "6-0", stream("7-0", None, 32), 0));
        check.count(1);
        assert!(!quiet(&mut check, "9-0", stream("9-0", Some("9-0"), 34), 0));
        // One could not be written.
        assert!(!quiet(&mut check, "9-0", stream("9-0", Some("9-0"), 34), 1));
        assert!(!quiet(&mut check, "9-0", None, 1), "the stream is gone");
    }
}
