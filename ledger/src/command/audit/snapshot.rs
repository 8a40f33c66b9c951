//! The first look at many pools: one way to Redis for a page of them.

use anyhow::Result;

use crate::redis_client::pools::{Foreign, Ids, Pool};
use crate::redis_client::RedisClient;
use crate::text::unescape;

/// Pools looked at in one step: the pages of their orders stay in memory until it is their turn.
const PAGE: usize = 50;

/// What was seen of a pool, before anything else was.
pub(super) struct Snapshot {
    /// Its name.
    pub name: String,
    /// When, by its server's clock.
    pub at_ms: i64,
    /// As it was.
    pub pool: Result<Option<Pool>, Foreign>,
    /// The first page of its orders.
    pub orders: Ids,
}

/// Looks at pools.
pub(super) async fn look(redis: &mut RedisClient, names: &[String]) -> Result<Vec<Snapshot>> {
    let mut seen = Vec::with_capacity(names.len());
    for some in names.chunks(PAGE) {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        let first = some.first().map(|name| unescape(name)).unwrap_or_default();
        let at_ms = redis.time_ms(&first).await?;
        let pools = redis.keys(&some).await?;
        let orders = redis.first_ids(&some, "0").await?;
        let each = some.into_iter().zip(pools).zip(orders);
        seen.extend(each.map(|((name, pool), orders)| Snapshot { name: name.to_string(), at_ms, pool, orders }));
    }
    Ok(seen)
}
