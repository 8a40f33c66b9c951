//! Rows of the stock table that cannot be written: a trigger that undoes or refuses it, a CHECK, a
//! column at its end, a row that is missing or that has no number. Their pools are set aside, so
//! that all others go on: what moves meanwhile is kept in `stock_pending`, in the transaction that
//! moves the position, and applied in order when the row is well again.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{anyhow, Result};

use crate::config::Config;
use crate::db::{is_contention, is_unavailable, Db};
use crate::failure::error_chain;
use crate::projection::{split, StockRow, NO_ROW};

const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Movements that are applied in one transaction.
const MOST_AT_ONCE: i64 = 1000;
/// Pools with movements from before that are remembered at the start; the others come with their
/// next change, or with `stock-ledger retry`.
const MOST_POOLS: i64 = 10_000;
/// Pools that are tried in one step of the feed.
const MOST_TRIED: usize = 20;

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

/// The pools of one stream that are set aside now.
#[derive(Default)]
pub struct SetAside {
    pools: HashMap<String, Broken>,
}

impl SetAside {
    /// Whether something waits for a pool's row.
    pub fn has(&self, pool: &str) -> bool {
        self.pools.contains_key(pool)
    }

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

    /// Sets pools aside that are not yet.
    pub fn extend(&mut self, pools: Vec<(String, String)>) {
        for (pool, why) in pools {
            if !self.has(&pool) {
                self.add(pool, why);
            }
        }
    }

    /// What waits from before: to be tried at once.
    pub async fn remember(&mut self, db: &Db, config: &Config, stream: &str) -> Result<()> {
        let mut tx = db.begin().await?;
        let pools = db.pools_pending(&mut tx, "", MOST_POOLS).await?;
        drop(tx);
        for pool in pools.into_iter().filter(|pool| config.is_in(pool, stream)) {
            let (why, retry_at) = ("its movements wait".to_string(), Instant::now());
            self.pools.entry(pool).or_insert(Broken { why, retry_at, wait: FIRST_WAIT });
        }
        Ok(())
    }

    /// Tries the rows whose time has come, some at a time.
    pub async fn retry(&mut self, db: &Db, config: &Config) -> Result<()> {
        let now = Instant::now();
        let due = self.pools.iter().filter(|(_, broken)| broken.retry_at <= now).map(|(pool, _)| pool.clone());
        let due: Vec<String> = due.take(MOST_TRIED).collect();
        for pool in due {
            match settle(db, config, &pool).await {
                Ok(_) => {
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

/// Applies what waits for a pool's row: in order, many movements at once, and as far as the row
/// takes them. Each step is a transaction with the pool's position. Answers how many movements were
/// applied.
///
/// # Errors
/// That of the transaction with the next movement alone: there is no row, `row … has no number`, or
/// what the database answers. Contention and a database that is away end it at once.
pub async fn settle(db: &Db, config: &Config, pool: &str) -> Result<i64> {
    let mut applied = 0;
    let mut most = MOST_AT_ONCE;
    loop {
        match step(db, config, pool, most).await {
            Ok(Step { applied: some, left }) => {
                applied += some;
                if left == 0 {
                    return Ok(applied);
                }
            }
            Err(error) if is_contention(&error) || is_unavailable(&error) || most == 1 => return Err(error),
            Err(_) => most /= 2,
        }
    }
}

/// What one transaction has done.
struct Step {
    applied: i64,
    left: i64,
}

async fn step(db: &Db, config: &Config, pool: &str, most: i64) -> Result<Step> {
    let nothing = Step { applied: 0, left: 0 };
    let Some(sku) = config.sku(pool) else { return Ok(nothing) };
    let mut tx = db.begin().await?;
    let mut positions = db.lock_positions(&mut tx, &BTreeSet::from([pool])).await?;
    let Some(position) = positions.get_mut(pool) else { return Ok(nothing) };
    let waiting = db.waiting(&mut tx, pool).await?;
    let first = db.first_pending(&mut tx, pool, most).await?;
    let Some(row) = db.stock_rows(&mut tx, &[&sku]).await?.remove(&sku) else {
        if waiting.movements == 0 {
            return Ok(nothing);
        }
        return Err(anyhow!(NO_ROW));
    };
    let mut row = row.map_err(|unfit| anyhow!("row {sku} {unfit}"))?;
    let units: i64 = first.iter().map(|(_, units)| units).sum();
    // What an empty row could not carry before, and what an adjustment has covered since.
    let older = position.uncovered.saturating_sub(waiting.units);
    let owed;
    (row.quantity, owed) = split(row.quantity.saturating_sub(older).saturating_sub(units), config.stock.negative);
    position.uncovered = owed.saturating_add(waiting.units - units);
    if row.changed() {
        db.write_stock_rows(&mut tx, &[(sku, &row)]).await?;
    }
    if let Some((last, _)) = first.last() {
        db.remove_pending(&mut tx, pool, *last).await?;
    }
    db.write_positions(&mut tx, &[(pool, position)]).await?;
    tx.commit().await?;
    let applied = first.len() as i64;
    Ok(Step { applied, left: waiting.movements - applied })
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
