//! `reconcile`: tells Redis what is in the stock row, while sales run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;

use super::reconcile_buckets::{reconcile_rows, Ready};
use super::reconcile_report::Report;
use super::{bar, on_hand, retried};
use crate::config::Config;
use crate::db::{Db, Tx};
use crate::projection::Position;
use crate::redis_client::pools::{Foreign, Pool, Reconciled};
use crate::redis_client::streams::parts;
use crate::redis_client::RedisClient;
use crate::run::is_ahead;

/// Pools whose rows are held at a time. Few: the feed waits for them.
const PAGE: i64 = 200;

/// Why a pool was left alone that is not there.
pub const NO_POOL: &str = "no such pool";

/// Why a pool is not reconciled now.
enum Objection {
    NeedsAudit,
    Behind,
    Needless(&'static str),
}

/// Where the database stands with a pool, in the words of RECONCILE. `back`: the pool has gone back
/// behind it, and whether an audit has settled what was lost.
fn reference(position: &Position, pool: Option<&Pool>, back: Option<bool>) -> Result<Position, Objection> {
    let Some(pool) = pool else { return Err(Objection::Needless(NO_POOL)) };
    if pool.on_hand.is_none() {
        return Err(Objection::Needless("unlimited"));
    }
    if position.needs_audit {
        return Err(Objection::NeedsAudit);
    }
    if position.epoch.is_empty() {
        // Preloaded, and nothing applied: the database stands where nothing was out, whatever has
        // left since.
        return Ok(Position { epoch: pool.epoch.clone(), seq: pool.seq, out: 0, ..position.clone() });
    }
    match back {
        // What the pool lost stays in the stock row, and nothing has moved in it since.
        Some(true) => Ok(Position { epoch: pool.epoch.clone(), seq: pool.seq, out: pool.out, ..position.clone() }),
        Some(false) => Err(Objection::NeedsAudit),
        None if pool.epoch != position.epoch => Err(Objection::Behind),
        None => Ok(position.clone()),
    }
}

/// RECONCILE of these pools, and of those that share a row with one of them, from one snapshot.
/// Their rows are held meanwhile: of two that reconcile the same pool, the one with the later
/// snapshot comes later in Redis, too.
pub async fn reconcile_some(
    db: &Db,
    tx: &mut Tx,
    redis: &mut RedisClient,
    config: &Config,
    names: &BTreeSet<&str>,
    dry_run: bool,
    report: &mut Report,
) -> Result<()> {
    let names = config.buckets.with_siblings(names);
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let positions: HashMap<String, Position> = db.lock_positions(tx, &names).await?;
    if !dry_run {
        db.take_turns(tx, &names).await?;
    }
    let on_hand = on_hand(db, tx, config, &positions).await?;
    let names: Vec<&str> = names.iter().copied().collect();
    let pools = redis.keys(&names).await?;
    let back = back(db, tx, &positions, &names, &pools).await?;
    let missing = missing(db, tx, redis, &positions, &names, &pools).await?;
    let mut calls = Vec::new();
    let mut buckets: Vec<Ready<'_>> = Vec::new();
    for (name, pool) in names.iter().zip(&pools) {
        let Some(position) = positions.get(*name) else {
            let mut why = "the ledger does not follow it: `preload`, or `run`".to_string();
            if let Some(pool) = config.pools_of(name).iter().find(|pool| pool != name) {
                why.push_str(&format!("; of the row {name} the pool is {pool}"));
            }
            report.left.push((name.to_string(), why));
            continue;
        };
        let on_hand = match on_hand.get(*name) {
            Some(Ok(on_hand)) => on_hand,
            Some(Err(unfit)) => {
                report.unfit.push((name.to_string(), format!("its row of the stock table {unfit}")));
                continue;
            }
            None => {
                report.left.push((name.to_string(), "no row in the stock table".to_string()));
                continue;
            }
        };
        let pool = match pool {
            Ok(pool) => pool.as_ref(),
            Err(foreign) => {
                report.left.push((name.to_string(), foreign.to_string()));
                continue;
            }
        };
        let back = back.get(name).copied();
        match reference(position, pool, back) {
            Ok(_) if back.is_none() && missing.contains(name) => report.missing.push(name.to_string()),
            Ok(reference) if config.buckets.row(name).is_some() => buckets.push((*name, *on_hand, reference)),
            Ok(reference) => calls.push((*name, *on_hand, reference)),
            Err(Objection::NeedsAudit) => report.to_audit.push(name.to_string()),
            Err(Objection::Behind) => report.behind.push(name.to_string()),
            Err(Objection::Needless(why)) => {
                report.left.push((name.to_string(), why.to_string()));
                report.synced.insert(name.to_string());
            }
        }
    }
    let asked: Vec<(&str, i64, &Position)> = calls.iter().map(|(name, n, position)| (*name, *n, position)).collect();
    let answers = redis.reconcile(&asked, dry_run).await?;
    for ((name, ..), answer) in calls.iter().zip(answers) {
        match answer {
            Reconciled::Done { drift, on_hand } => {
                report.synced.insert(name.to_string());
                match drift {
                    0 => report.agreed += 1,
                    _ => report.drifted.push((name.to_string(), drift, on_hand)),
                }
            }
            Reconciled::NoPool => {
                report.left.push((name.to_string(), NO_POOL.to_string()));
                report.synced.insert(name.to_string());
            }
            Reconciled::Unknown => report.failed.push((name.to_string(), "does not know this history".to_string())),
            Reconciled::Other(answer) => report.failed.push((name.to_string(), answer)),
        }
    }
    reconcile_rows(redis, config, buckets, dry_run, report).await
}

/// Pools that stand before the database in a history that it knows, since a failover lost what came
/// after, and whether an audit has settled that. Nothing has happened to them since, so no event
/// tells. The rows of the pools are held: a pool that merely sells on is never behind them.
async fn back<'a>(
    db: &Db,
    tx: &mut Tx,
    positions: &HashMap<String, Position>,
    names: &[&'a str],
    pools: &[Result<Option<Pool>, Foreign>],
) -> Result<HashMap<&'a str, bool>> {
    let mut behind: BTreeMap<&'a str, (&Pool, &Position)> = BTreeMap::new();
    for (name, pool) in names.iter().zip(pools) {
        let (Some(position), Ok(Some(pool))) = (positions.get(*name), pool) else { continue };
        if !position.epoch.is_empty() && pool.seq < position.seq {
            behind.insert(name, (pool, position));
        }
    }
    let mut back = HashMap::new();
    if behind.is_empty() {
        return Ok(back);
    }
    let known = db.known_epochs(tx, &behind.keys().copied().collect()).await?;
    for (name, (pool, position)) in behind {
        if pool.epoch == position.epoch || known.contains(&(name.to_string(), pool.epoch.clone())) {
            back.insert(name, !db.has_unsettled_behind(tx, name, pool.seq).await?);
        }
    }
    Ok(back)
}

/// Pools that are ahead of a database that has read their stream to its end: their last entries are
/// missing in it, and the stock row is too high by what they moved. The rows of the pools are held,
/// so the feed writes none of them meanwhile.
async fn missing<'a>(
    db: &Db,
    tx: &mut Tx,
    redis: &mut RedisClient,
    positions: &HashMap<String, Position>,
    names: &[&'a str],
    pools: &[Result<Option<Pool>, Foreign>],
) -> Result<BTreeSet<&'a str>> {
    let mut ahead: HashMap<&str, Vec<&'a str>> = HashMap::new();
    for (name, pool) in names.iter().zip(pools) {
        let (Some(position), Ok(Some(pool))) = (positions.get(*name), pool) else { continue };
        if is_ahead(pool, position) {
            ahead.entry(&pool.events).or_default().push(name);
        }
    }
    let mut missing = BTreeSet::new();
    if ahead.is_empty() {
        return Ok(missing);
    }
    for (stream, names) in ahead {
        let last = redis.last_entry(stream).await?.unwrap_or_default();
        let rows = db.streams(tx).await?;
        let read = rows.iter().find(|(name, _)| name == stream).map(|(_, row)| row.entry.as_str());
        if read.is_some_and(|read| parts(read) >= parts(&last)) {
            missing.extend(names);
        }
    }
    Ok(missing)
}

/// Reconciles all pools, or those named.
pub async fn reconcile(config: &Config, pools: &[String], dry_run: bool) -> Result<Report> {
    let db = Db::open_prepared(config).await?;
    let mut redis = RedisClient::open(&config.redis).await?;
    let mut report = Report::default();
    if pools.is_empty() {
        let bar = bar("reconciling", 0);
        let mut after = String::new();
        let mut rows_done = BTreeSet::new();
        loop {
            let mut tx = db.begin().await?;
            let page = db.positions_after(&mut tx, &after, PAGE).await?;
            tx.commit().await?;
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            let mut names: BTreeSet<&str> = page.iter().map(|(pool, _)| pool.as_str()).collect();
            // Campaign caps and the like have no stock row. Buckets of one row may stand in two
            // pages.
            names.retain(|pool| config.sku(pool).is_some_and(|sku| !rows_done.contains(&sku)));
            portion(&db, &mut redis, config, &names, dry_run, &mut report).await?;
            rows_done.extend(names.iter().filter_map(|pool| config.buckets.find(pool)).map(|(sku, _)| sku));
            bar.inc_length(page.len() as u64);
            bar.inc(page.len() as u64);
        }
        bar.finish_and_clear();
    } else {
        for some in pools.chunks(PAGE as usize) {
            let names = some.iter().map(String::as_str).collect();
            portion(&db, &mut redis, config, &names, dry_run, &mut report).await?;
        }
    }
    db.close().await;
    Ok(report)
}

/// Reconciles some pools; again where another transaction was faster. Telling Redis twice is no
/// harm: the later snapshot comes later.
async fn portion(
    db: &Db,
    redis: &mut RedisClient,
    config: &Config,
    names: &BTreeSet<&str>,
    dry_run: bool,
    report: &mut Report,
) -> Result<()> {
    let found = retried(config, async || once(db, redis, config, names, dry_run).await).await?;
    report.add(found);
    Ok(())
}

async fn once(
    db: &Db,
    redis: &mut RedisClient,
    config: &Config,
    names: &BTreeSet<&str>,
    dry_run: bool,
) -> Result<Report> {
    let mut report = Report::default();
    let mut tx = db.begin().await?;
    reconcile_some(db, &mut tx, redis, config, names, dry_run, &mut report).await?;
    // Adjustments that Redis did not know are in it now.
    if !dry_run {
        let synced = names.iter().filter(|name| report.synced.contains(**name));
        let mut synced: Vec<String> = synced.filter_map(|name| config.sku(name)).collect();
        // Of a row in buckets all of them know.
        synced.retain(|sku| config.pools_of(sku).iter().all(|pool| report.synced.contains(pool)));
        db.mark_synced(&mut tx, &synced).await?;
    }
    tx.commit().await?;
    Ok(report)
}
