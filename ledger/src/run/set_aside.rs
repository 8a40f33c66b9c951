//! Rows of the stock table that cannot be written: a trigger that undoes or refuses it, a CHECK, a
//! column at its end. Their pools are set aside, so that all others go on: what moves meanwhile is
//! kept as `uncovered`, in the transaction that moves the position, and is made up for when the row
//! is well again.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::config::Config;
use crate::db::{is_contention, is_unavailable, Db};
use crate::failure::error_chain;
use crate::projection::{split, StockRow};

const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Rows of a batch that the database did not take, as the batch wanted them.
#[derive(Debug, thiserror::Error)]
#[error("the stock table does not take a batch")]
pub struct RowsNotWritten {
    /// SKUs and rows.
    pub rows: Vec<(String, StockRow)>,
}

struct Broken {
    why: String,
    retry_at: Instant,
    wait: Duration,
}

/// The pools that are set aside now. Only a memory: after a restart the next change of a pool finds
/// its row again.
#[derive(Default)]
pub struct SetAside {
    pools: HashMap<String, Broken>,
}

impl SetAside {
    /// Why a pool's row is left alone; none: it is written like any other, or it is time to try.
    pub fn reason(&self, pool: &str) -> Option<&str> {
        self.pools.get(pool).filter(|broken| Instant::now() < broken.retry_at).map(|broken| broken.why.as_str())
    }

    /// Sets a pool aside, for longer each time.
    pub fn add(&mut self, pool: String, why: String) {
        let wait = self.pools.get(&pool).map_or(FIRST_WAIT, |broken| (broken.wait * 2).min(LONGEST_WAIT));
        tracing::warn!(pool, wait_s = wait.as_secs(), "set aside: {why}");
        self.pools.insert(pool, Broken { why, retry_at: Instant::now() + wait, wait });
    }

    /// Tries the rows whose time has come.
    pub async fn retry(&mut self, db: &Db, config: &Config) -> Result<()> {
        let now = Instant::now();
        let due: Vec<String> =
            self.pools.iter().filter(|(_, broken)| broken.retry_at <= now).map(|(pool, _)| pool.clone()).collect();
        for pool in due {
            match settle(db, config, &pool).await {
                Ok(()) => {
                    tracing::info!(pool, "its row is well again");
                    self.pools.remove(&pool);
                }
                Err(error) if is_contention(&error) || is_unavailable(&error) => return Err(error),
                Err(error) => self.add(pool, error_chain(&error)),
            }
        }
        Ok(())
    }
}

/// Writes what a pool's row could not take before.
async fn settle(db: &Db, config: &Config, pool: &str) -> Result<()> {
    let Some(sku) = config.pools.sku(pool) else { return Ok(()) };
    let mut tx = db.begin().await?;
    let mut positions = db.lock_positions(&mut tx, &BTreeSet::from([pool])).await?;
    let mut rows = db.stock_rows(&mut tx, &[&sku]).await?;
    let (Some(position), Some(row)) = (positions.get_mut(pool), rows.remove(&sku)) else { return Ok(()) };
    let mut row = row?;
    (row.quantity, position.uncovered) = split(row.quantity.saturating_sub(position.uncovered), config.stock.negative);
    if row.changed() {
        db.write_stock_rows(&mut tx, &[(sku, &row)]).await?;
        db.write_positions(&mut tx, &[(pool, position)]).await?;
    }
    tx.commit().await
}

/// Which of these rows cannot be written, each tried by itself and rolled back; and why.
pub async fn broken(db: &Db, rows: &[(String, StockRow)]) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (sku, wanted) in rows {
        let mut tx = db.begin().await?;
        let Some(Ok(mut row)) = db.stock_rows(&mut tx, &[sku]).await?.remove(sku) else { continue };
        row.quantity = row.quantity.saturating_add(wanted.quantity - wanted.read);
        match db.write_stock_rows(&mut tx, &[(sku.clone(), &row)]).await {
            Err(error) if is_contention(&error) || is_unavailable(&error) => return Err(error),
            Err(error) => found.push((sku.clone(), error_chain(&error))),
            Ok(()) => {}
        }
    }
    Ok(found)
}
