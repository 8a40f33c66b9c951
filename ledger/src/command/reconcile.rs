//! `reconcile`: tells Redis what is in the stock row, while sales run.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;

use super::reconcile_buckets::{reconcile_rows, Ready};
use super::{bar, on_hand, retried, table};
use crate::config::Config;
use crate::db::{Db, Tx};
use crate::failure::Failure;
use crate::projection::Position;
use crate::redis_client::pools::{Foreign, Pool, Reconciled};
use crate::redis_client::streams::parts;
use crate::redis_client::RedisClient;
use crate::run::is_ahead;

/// Pools whose rows are held at a time. Few: the feed waits for them.
const PAGE: i64 = 200;

/// Why a pool was left alone that is not there.
pub const NO_POOL: &str = "no such pool";

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Pools that agreed.
    pub agreed: u64,
    /// Pools that did not: name, drift, what is on hand now.
    pub drifted: Vec<(String, i64, i64)>,
    /// Pools that were left alone, and why.
    pub left: Vec<(String, String)>,
    /// Pools whose rows cannot be worked with, and why.
    pub unfit: Vec<(String, String)>,
    /// Pools that must be audited first.
    pub to_audit: Vec<String>,
    /// Pools that `run` has not followed far enough.
    pub behind: Vec<String>,
    /// Pools whose last entries the stream does not have.
    pub missing: Vec<String>,
    /// Pools that Redis would not reconcile, and its answer.
    pub failed: Vec<(String, String)>,
    /// Pools that know what is in the stock row now, or have no use for it: no such pool,
    /// unlimited.
    pub synced: BTreeSet<String>,
}

/// Why a pool is not reconciled now.
enum Objection {
    NeedsAudit,
    Behind,
    Needless(&'static str),
}

/// Where the database stands with a pool, in the words of RECONCILE.
fn reference(position: &Position, pool: Option<&Pool>) -> Result<Position, Objection> {
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
    if pool.epoch != position.epoch {
        return Err(Objection::Behind);
    }
    if pool.seq < position.seq {
        return Err(Objection::NeedsAudit);
    }
    Ok(position.clone())
}

/// RECONCILE of these pools, and of those that share a row with one of them, from one snapshot. Their
/// rows are held meanwhile: of two that reconcile the same pool, the one with the later snapshot
/// comes later in Redis, too.
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
    let missing = missing(db, tx, redis, &positions, &names, &pools).await?;
    let mut calls = Vec::new();
    let mut buckets: Vec<Ready<'_>> = Vec::new();
    for (name, pool) in names.iter().zip(&pools) {
        let Some(position) = positions.get(*name) else {
            report.left.push((name.to_string(), "the ledger does not follow it: `preload`, or `run`".to_string()));
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
        match reference(position, pool) {
            Ok(_) if missing.contains(name) => report.missing.push(name.to_string()),
            Ok(reference) if config.buckets.siblings(name).is_some() => buckets.push((*name, *on_hand, reference)),
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
            // Campaign caps and the like have no stock row. Buckets of one row may stand in two pages.
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

impl Report {
    fn add(&mut self, more: Report) {
        self.agreed += more.agreed;
        self.drifted.extend(more.drifted);
        self.left.extend(more.left);
        self.unfit.extend(more.unfit);
        self.to_audit.extend(more.to_audit);
        self.behind.extend(more.behind);
        self.missing.extend(more.missing);
        self.failed.extend(more.failed);
        self.synced.extend(more.synced);
    }

    /// Prints the tables, and answers by the exit code. `named`: the caller has named the pools,
    /// and none may be left alone.
    pub fn finish(self, dry_run: bool, named: bool) -> Result<()> {
        if !self.drifted.is_empty() {
            let rows = self
                .drifted
                .iter()
                .map(|(pool, drift, on_hand)| vec![pool.clone(), drift.to_string(), on_hand.to_string()]);
            let head = if dry_run { "on hand, corrected" } else { "on hand now" };
            println!("{}", table(&["pool", "drift", head], rows));
        }
        if !self.left.is_empty() {
            println!(
                "{}",
                table(&["left alone", "why"], self.left.iter().map(|(pool, why)| vec![pool.clone(), why.clone()]))
            );
        }
        let verb = if dry_run { "would be corrected" } else { "were corrected" };
        println!("{} pools agreed, {} {verb}, {} were left alone.", self.agreed, self.drifted.len(), self.left.len());
        if !self.to_audit.is_empty() {
            let text = format!(
                "{} pools wait for an audit ({}): `stock-ledger run --once`, `stock-ledger audit --repair`, then this",
                self.to_audit.len(),
                some(&self.to_audit)
            );
            return Err(Failure::Order(text).into());
        }
        if !self.behind.is_empty() {
            let text = format!(
                "{} pools ({}) have begun a history that `stock-ledger run` has not read yet: let it, then try again",
                self.behind.len(),
                some(&self.behind)
            );
            return Err(Failure::Order(text).into());
        }
        if !self.missing.is_empty() {
            let text = format!(
                "the stream lacks the last entries of {} pools ({}): `stock-ledger run --once`, \
                 `stock-ledger audit --repair`, then this",
                self.missing.len(),
                some(&self.missing)
            );
            return Err(Failure::Order(text).into());
        }
        let reasons = |found: &[(String, String)]| {
            let mut shown: Vec<String> = found.iter().take(5).map(|(pool, why)| format!("{pool}: {why}")).collect();
            shown.extend((found.len() > 5).then(|| "…".to_string()));
            shown.join("; ")
        };
        if !self.failed.is_empty() {
            let text = format!("Redis did not reconcile {} pools ({})", self.failed.len(), reasons(&self.failed));
            return Err(Failure::Differences(text).into());
        }
        if !self.unfit.is_empty() {
            let text = format!("{} pools cannot be reconciled ({})", self.unfit.len(), reasons(&self.unfit));
            return Err(Failure::Differences(text).into());
        }
        if named && !self.left.is_empty() {
            let names: Vec<String> = self.left.iter().map(|(pool, why)| format!("{pool}: {why}")).collect();
            return Err(Failure::Refused(format!("left alone: {}", some(&names))).into());
        }
        if dry_run && !self.drifted.is_empty() {
            return Err(Failure::Differences(format!("{} pools differ", self.drifted.len())).into());
        }
        Ok(())
    }
}

fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let more = if names.len() > 5 { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}
