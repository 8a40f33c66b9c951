//! `preload`: every row of the stock table becomes a pool.

use std::collections::BTreeSet;

use anyhow::{ensure, Result};

use super::bar;
use crate::book::{Position, Shelf};
use crate::config::Config;
use crate::db::{Db, Tx};
use crate::link::Link;

const PAGE: i64 = 8192;

/// What was done.
#[derive(Debug, Default)]
pub struct Preloaded {
    /// Rows seen.
    pub rows: u64,
    /// Pools made.
    pub made: u64,
    /// Pools that existed already; their stock and policy are left alone.
    pub existed: u64,
    /// Among those: pools that the ledger did not follow until now.
    pub joined: u64,
}

/// Makes the pools.
pub async fn preload(config: &Config) -> Result<Preloaded> {
    let db = Db::open_prepared(config).await?;
    let mut link = Link::open(&config.redis).await?;
    ensure!(link.has_module().await?, "the server does not have the module redis-stock with STOCK.RECONCILE");
    let mut tx = db.begin().await?;
    let rows = db.count_shelves(&mut tx).await?;
    tx.commit().await?;
    let bar = bar("preloading", u64::try_from(rows).unwrap_or(0));
    let mut done = Preloaded::default();
    let mut after = String::new();
    loop {
        let mut tx = db.begin().await?;
        let page = db.shelves_after(&mut tx, &after, PAGE).await?;
        tx.commit().await?;
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        load_page(config, &db, &mut link, &page, &mut done).await?;
        bar.inc(page.len() as u64);
    }
    bar.finish_and_clear();
    db.close().await;
    Ok(done)
}

async fn load_page(
    config: &Config,
    db: &Db,
    link: &mut Link,
    page: &[(String, Shelf)],
    done: &mut Preloaded,
) -> Result<()> {
    let pools: Vec<(String, &str, i64)> =
        page.iter().map(|(sku, shelf)| (config.pools.pool(sku), sku.as_str(), shelf.quantity)).collect();
    done.rows += pools.len() as u64;
    let names: BTreeSet<&str> = pools.iter().map(|(pool, ..)| pool.as_str()).collect();
    // 1. Pools that the ledger does not follow yet: is there a pool? Its past is then taken to be in the database.
    // All others begin at nothing, so whatever leaves them from now on is counted, also if we die between these steps.
    let mut tx = db.begin().await?;
    let mut positions = db.lock_positions(&mut tx, &names).await?;
    let unknown: Vec<&str> = names.iter().copied().filter(|pool| !positions.contains_key(*pool)).collect();
    let found = link.pools(&unknown).await?;
    let mut fresh = Vec::new();
    let mut joined = Vec::new();
    for (pool, found) in unknown.iter().zip(found) {
        match found {
            Some(found) => {
                joined.push((
                    *pool,
                    Position { epoch: found.epoch, seq: found.seq, out: found.out, ..Position::default() },
                ));
            }
            None => fresh.push(*pool),
        }
    }
    db.start_positions(&mut tx, &fresh).await?;
    let written: Vec<(&str, &Position)> = joined.iter().map(|(pool, position)| (*pool, position)).collect();
    db.write_positions(&mut tx, &written).await?;
    note_epochs(db, &mut tx, &joined).await?;
    tx.commit().await?;
    done.joined += joined.len() as u64;
    // 2. The pools themselves. Those that are there stay as they are; what a pool owes beyond its shelf is owed.
    positions.extend(joined.iter().map(|(pool, position)| (pool.to_string(), position.clone())));
    let owed = |pool: &str| positions.get(pool).map_or(0, |p| p.uncovered);
    let calls: Vec<(&str, i64)> =
        pools.iter().map(|(pool, _, on_hand)| (pool.as_str(), on_hand - owed(pool))).collect();
    let made = link.make_pools(&calls).await?;
    done.made += made.iter().filter(|made| **made).count() as u64;
    done.existed += made.iter().filter(|made| !**made).count() as u64;
    // 3. Policies: of new pools, and of those that a broken run of this command left without a stream.
    let mut policies = Vec::new();
    let mut existing = Vec::new();
    for ((pool, sku, _), made) in pools.iter().zip(&made) {
        if *made {
            policies.push((pool.as_str(), config.pools.policy(sku)?));
        } else if positions.get(pool).is_none_or(|p| p.epoch.is_empty()) {
            existing.push((pool.as_str(), *sku));
        }
    }
    let names: Vec<&str> = existing.iter().map(|(pool, _)| *pool).collect();
    for ((pool, sku), found) in existing.iter().zip(link.pools(&names).await?) {
        if found.is_some_and(|found| found.events.is_empty()) {
            policies.push((pool, config.pools.policy(sku)?));
        }
    }
    let policies: Vec<(&str, &str)> = policies.iter().map(|(pool, policy)| (*pool, policy.as_str())).collect();
    link.set_policies(&policies).await
}

async fn note_epochs(db: &Db, tx: &mut Tx, joined: &[(&str, Position)]) -> Result<()> {
    let entered = joined.iter().map(|(pool, position)| (pool.to_string(), position.epoch.clone())).collect();
    db.write_epochs(tx, &entered).await
}
