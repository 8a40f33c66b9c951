//! What the streams hold of the time before the ledger follows a pool: epochs of a pool that
//! existed before it was joined, or of a deleted one whose key is used again. Whoever reads the
//! stream from its start must know them as old.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;

use crate::config::Config;
use crate::db::Db;
use crate::redis_client::RedisClient;

/// Entries read in one step.
const PAGE: usize = 1000;

/// The epochs that stand in the streams now, by pool, of pools that the ledger does not follow yet.
pub async fn old_epochs(
    config: &Config,
    db: &Db,
    redis: &mut RedisClient,
) -> Result<HashMap<String, BTreeSet<String>>> {
    let mut epochs: HashMap<String, BTreeSet<String>> = HashMap::new();
    for stream in config.streams() {
        // What comes after this moment is not of the past.
        let Some(last) = redis.last_id(&stream).await? else { continue };
        let mut from = "-".to_string();
        loop {
            let page = redis.epochs(&stream, &from, &last, PAGE).await?;
            let Some(end) = page.last().map(|entry| entry.id.clone()) else { break };
            from = format!("({end}");
            let pools: BTreeSet<&str> = page.iter().map(|entry| entry.pool.as_str()).collect();
            let mut tx = db.begin().await?;
            let followed = db.lock_positions(&mut tx, &pools).await?;
            tx.commit().await?;
            for entry in page.into_iter().filter(|entry| !followed.contains_key(&entry.pool)) {
                epochs.entry(entry.pool).or_default().insert(entry.epoch);
            }
        }
    }
    Ok(epochs)
}
