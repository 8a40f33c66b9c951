//! `adjust`: an operator's restock or write-off. The database first, then Redis by RECONCILE: at
//! any point the same call again goes on where it stopped.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::reconcile::{reconcile_some, NO_POOL};
use super::reconcile_report::Report;
use super::retried;
use crate::clock::now_ms;
use crate::config::Config;
use crate::db::{Adjustment, Conflict, Db};
use crate::failure::Failure;
use crate::redis_client::RedisClient;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The row of the stock table.
    pub sku: String,
    /// Units.
    pub delta: i64,
    /// Why.
    pub reason: String,
    /// Who.
    pub operator: String,
    /// The caller's id of this adjustment.
    pub token: String,
}

/// Adjusts, and prints what is on hand. Each error says by which token the call can be made again,
/// but for one of the database that refuses: nothing was done, and the same call would be refused
/// again.
pub async fn adjust(config: &Config, request: &Request) -> Result<()> {
    let again = || format!("to go on, repeat with --token {}", request.token);
    let db = Db::open_prepared(config).await.with_context(again)?;
    let on_hand = match database(config, &db, request).await {
        Err(error) if matches!(error.downcast_ref(), Some(Failure::Refused(_))) => return Err(error),
        other => other.with_context(again)?,
    };
    then_redis(config, &db, request, on_hand).await.with_context(again)?;
    db.close().await;
    Ok(())
}

async fn then_redis(config: &Config, db: &Db, request: &Request, on_hand: i64) -> Result<()> {
    println!(
        "{}: {:+} units, {on_hand} in the stock row afterwards (token {}).",
        request.sku, request.delta, request.token
    );
    let mut redis = match RedisClient::open(&config.redis).await {
        Ok(redis) => redis,
        Err(error) => {
            return Err(Failure::Unreachable(format!("the database has it, Redis has not ({error:#})")).into());
        }
    };
    let report = sync_redis(config, db, &mut redis, request).await?;
    let pools = config.pools_of(&request.sku);
    if report.left.iter().filter(|(_, why)| why == NO_POOL).count() == pools.len() {
        println!("There is no pool {}: only the database was changed.", pools.join(", "));
        return Ok(());
    }
    // An unlimited pool has no use for it; of any other one Redis must know.
    let synced = pools.iter().all(|pool| report.synced.contains(pool));
    report.finish(false, !synced)
}

/// The database's half, once for each token. Answers what the stock row says.
pub async fn database(config: &Config, db: &Db, request: &Request) -> Result<i64> {
    match retried(config, async || attempt(config, db, request).await).await {
        Err(error) if error.downcast_ref::<Conflict>().is_some() => {
            Err(Failure::Refused(format!("the row {} changes too fast", request.sku)).into())
        }
        other => other,
    }
}

async fn attempt(config: &Config, db: &Db, request: &Request) -> Result<i64> {
    let pools = config.pools_of(&request.sku);
    let names: BTreeSet<&str> = pools.iter().map(String::as_str).collect();
    let mut tx = db.begin().await?;
    let mut positions = db.lock_positions(&mut tx, &names).await?;
    if let Some(done) = db.adjustment(&mut tx, &request.token).await? {
        if (&done.sku, done.delta) != (&request.sku, request.delta) {
            let text = format!("the token {} was used for {:+} of {}", done.token, done.delta, done.sku);
            return Err(Failure::Refused(text).into());
        }
        return Ok(done.on_hand);
    }
    let mut stock_rows = db.stock_rows(&mut tx, &[&request.sku]).await?;
    let Some(stock_row) = stock_rows.get_mut(&request.sku) else {
        let mut text = format!("{} has no row {}", config.stock.table, request.sku);
        if let Some(sku) = config.sku(&request.sku).filter(|sku| *sku != request.sku) {
            text.push_str(&format!(": name the row, which is {sku} where {} is its pool", request.sku));
        }
        return Err(Failure::Refused(text).into());
    };
    let stock_row = stock_row
        .as_mut()
        .map_err(|unfit| Failure::Refused(format!("row {} of {} {unfit}", request.sku, config.stock.table)))?;
    let overflow = || Failure::Refused("the sum is too large".to_string());
    let mut wanted =
        stock_row.quantity.checked_add(request.delta).filter(|n| n.unsigned_abs() < 1 << 53).ok_or_else(overflow)?;
    if wanted < 0 && request.delta < 0 && !config.stock.negative {
        let text = format!("only {} units of {} are in the stock row", stock_row.quantity, request.sku);
        return Err(Failure::Refused(text).into());
    }
    // What was paid and not covered is covered first.
    for pool in &pools {
        let Some(position) = positions.get_mut(pool) else { continue };
        let covered = position.uncovered.clamp(0, wanted.max(0));
        if covered > 0 {
            position.uncovered -= covered;
            wanted -= covered;
            db.write_positions(&mut tx, &[(pool, position)]).await?;
        }
    }
    db.take_turns(&mut tx, &names).await?;
    stock_row.quantity = wanted;
    // A delta that only covers what was owed leaves the column as it was.
    if stock_row.changed() {
        db.write_stock_rows(&mut tx, &[(request.sku.clone(), stock_row)]).await?;
    }
    let row = Adjustment {
        token: request.token.clone(),
        sku: request.sku.clone(),
        delta: request.delta,
        reason: request.reason.clone(),
        operator: request.operator.clone(),
        on_hand: wanted,
        at_ms: now_ms(),
        synced: false,
    };
    db.write_adjustment(&mut tx, &row).await?;
    tx.commit().await?;
    Ok(wanted)
}

/// Redis's half: it learns what is in the stock row now. Once more says the same.
pub async fn sync_redis(config: &Config, db: &Db, redis: &mut RedisClient, request: &Request) -> Result<Report> {
    retried(config, async || reconcile_one(config, db, redis, request).await).await
}

async fn reconcile_one(config: &Config, db: &Db, redis: &mut RedisClient, request: &Request) -> Result<Report> {
    let pools = config.pools_of(&request.sku);
    let names = pools.iter().map(String::as_str).collect();
    let mut report = Report::default();
    let mut tx = db.begin().await?;
    reconcile_some(db, &mut tx, redis, config, &names, false, &mut report).await?;
    if pools.iter().all(|pool| report.synced.contains(pool)) {
        db.mark_synced(&mut tx, std::slice::from_ref(&request.sku)).await?;
    }
    tx.commit().await?;
    Ok(report)
}
