//! At the end of a stream: pools whose last entries are not in it. They were trimmed before they
//! were read, could not be written, or the database is older than the stream (a backup). Nothing
//! that comes later would show it, so the pools are asked where they stand.

use anyhow::Result;

use super::now_ms;
use crate::config::Config;
use crate::db::Db;
use crate::event::{Event, Kind};
use crate::projection::Position;
use crate::redis_client::pools::Pool;
use crate::redis_client::streams::parts;
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

/// A walk through all pools of a stream, page by page.
#[derive(Default)]
pub struct EndCheck {
    /// The last pool that was looked at.
    after: String,
    /// Pools that are ahead of the database, as they were.
    found: Vec<Event>,
    /// The last entry in the stream after they were asked. What the pools had changed until then
    /// stands before it, or nowhere.
    until: String,
}

impl EndCheck {
    /// Looks at the next page. True: that was the last one.
    pub async fn look(&mut self, db: &Db, redis: &mut RedisClient, config: &Config, stream: &str) -> Result<bool> {
        let mut tx = db.begin().await?;
        let page = db.positions_after(&mut tx, &self.after, PAGE).await?;
        tx.commit().await?;
        let Some((last, _)) = page.last() else {
            self.after.clear();
            return Ok(true);
        };
        self.after.clone_from(last);
        // In a cluster most pools belong to other streams.
        let ours = |pool: &str| config.pools.sku(pool).is_none_or(|sku| config.pools.stream(&sku) == stream);
        let sharded = config.pools.shards > 1;
        let page: Vec<(String, Position)> = page.into_iter().filter(|(name, _)| !sharded || ours(name)).collect();
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
