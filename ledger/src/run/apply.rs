//! One batch of entries, in one transaction with the stream's position.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;

use super::batch::Batch;
use super::replay::Replay;
use super::set_aside::{RowsNotWritten, SetAside};
use crate::clock::now_ms;
use crate::config::Config;
use crate::db::{Db, StreamRow, Tx};
use crate::event::Event;
use crate::projection::{Mark, OrderLine, Past, Position, Projection, StockRow, Token, TokenKey, NO_ROW};
use crate::redis_client::RedisClient;
use crate::text::unescape;

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in the database.
    Done {
        /// Pools with movements that their rows did not take, and why.
        pending: Vec<(String, String)>,
    },
    /// Nothing was written: another program follows this stream, too.
    NotAlone,
    /// Nothing was written: the server's history is another one now, and the stream is to be read
    /// from its start.
    NewHistory,
}

/// Where a batch comes from and goes to.
pub struct Feed<'a> {
    /// The database.
    pub db: &'a Db,
    /// Everything that is configured.
    pub config: &'a Config,
    /// The stream.
    pub stream: &'a str,
    /// The history of the server that the stream is read from.
    pub history: &'a str,
    /// Pools whose rows are left alone.
    pub set_aside: &'a SetAside,
}

/// Applies a batch and moves the stream's row.
pub async fn apply(
    feed: &Feed<'_>,
    redis: &mut RedisClient,
    row: &mut StreamRow,
    batch: &Batch,
    replay: &mut Option<Replay>,
) -> Result<Applied> {
    let Feed { db, config, stream, history, .. } = *feed;
    let mut tx = db.begin().await?;
    let mut next = StreamRow { entry: batch.last_id.clone(), updated_ms: now_ms(), ..row.clone() };
    // The first statement takes the stream's row: a second program that follows it waits here, and
    // finds another version.
    if !db.claim_stream(&mut tx, stream, &next).await? {
        return Ok(Applied::NotAlone);
    }
    let mut projection = load(feed, &mut tx, &batch.events).await?;
    // A new epoch can be of another primary, whose stream the server has taken over in the middle
    // of our reading.
    if projection.has_branch(&batch.events) && redis.history(&unescape(stream)).await?.name != history {
        return Ok(Applied::NewHistory);
    }
    let mut before: HashMap<&str, (i64, i64)> = HashMap::new();
    for event in &batch.events {
        let last = before.insert(&event.pool, (event.seq, event.out));
        let last = last.or_else(|| replay.as_ref().and_then(|p| p.before(event)));
        let past = match projection.question(event, last) {
            Some(question) => redis.past(&question).await?,
            None => Past::Unknown,
        };
        projection.apply(event, last, past);
    }
    for incident in &batch.unreadable {
        // Told once, however often the entry is read.
        if !db.has_incident(&mut tx, incident).await? {
            projection.incidents.push(incident.clone());
        }
    }
    forgive_presales(redis, &mut projection).await?;
    write(db, &mut tx, config, &mut projection).await?;
    next.applied += i64::try_from(projection.applied).unwrap_or(i64::MAX);
    if let Some(last) = batch.events.last() {
        next.event_ms = last.at_ms;
    }
    db.count_applied(&mut tx, stream, &next).await?;
    tx.commit().await?;
    next.version += 1;
    *row = next;
    for incident in &projection.incidents {
        tracing::warn!(
            kind = incident.kind,
            pool = incident.pool,
            order = incident.order,
            units = incident.units,
            "{}",
            incident.detail
        );
    }
    if let Some(replay) = replay {
        batch.events.iter().for_each(|event| replay.note(event));
    }
    let pools: BTreeSet<&str> = projection.pending.iter().map(|movement| movement.pool.as_str()).collect();
    let why =
        |pool: &str| projection.unfit.get(projection.row_name(pool)).cloned().unwrap_or_else(|| NO_ROW.to_string());
    Ok(Applied::Done { pending: pools.into_iter().map(|pool| (pool.to_string(), why(pool))).collect() })
}

/// Reads the rows that the events touch.
async fn load(feed: &Feed<'_>, tx: &mut Tx, events: &[Event]) -> Result<Projection> {
    let Feed { db, config, set_aside, .. } = *feed;
    let pools: BTreeSet<&str> = events.iter().map(|e| e.pool.as_str()).collect();
    let mut projection = Projection { negative: config.stock.negative, notify: db.notify, ..Projection::default() };
    // Buckets of one row are locked together: of two followers one waits, and none writes in vain.
    let siblings = |pool: &&str| Some((pool.to_string(), config.buckets.siblings(pool)?));
    projection.buckets = pools.iter().filter_map(siblings).collect();
    let locked = projection.buckets.values().flatten().map(String::as_str).chain(pools.iter().copied());
    projection.positions = db.lock_positions(tx, &locked.collect()).await?;
    projection.owing = pools.iter().filter(|pool| set_aside.has(pool)).map(|pool| pool.to_string()).collect();
    let foreign = projection.foreign_epochs(events);
    if !foreign.is_empty() {
        projection.known_epochs = db.known_epochs(tx, &foreign).await?;
    }
    let news: Vec<&Event> = events.iter().filter(|e| projection.is_news(e)).collect();
    if news.is_empty() {
        return Ok(projection);
    }
    let lines: BTreeSet<(&str, &str)> =
        news.iter().filter_map(|e| Some((e.pool.as_str(), e.order.as_deref()?))).collect();
    let lines: Vec<(&str, &str)> = lines.into_iter().collect();
    let buckets = projection.buckets.clone();
    let first = |pool| buckets.get(pool).and_then(|all| all.first()).map_or(pool, String::as_str);
    let mut skus: BTreeMap<String, &str> = BTreeMap::new();
    for pool in pools.iter().copied() {
        match config.sku(pool) {
            Some(sku) => drop(skus.insert(sku, first(pool))),
            None => drop(projection.no_stock_row.insert(pool.to_string())),
        }
    }
    let keys: Vec<&str> = skus.keys().map(String::as_str).collect();
    for (sku, row) in db.stock_rows(tx, &keys).await? {
        let Some(pool) = skus.get(&sku) else { continue };
        let others = buckets.get(*pool).into_iter().flatten().map(String::as_str);
        if let Some(why) = others.chain(Some(*pool)).find_map(|pool| set_aside.reason(pool)) {
            projection.unfit.insert(pool.to_string(), format!("row {sku} cannot be written: {why}"));
            continue;
        }
        match row {
            Ok(stock_row) => drop(projection.stock_rows.insert(pool.to_string(), stock_row)),
            Err(unfit) => drop(projection.unfit.insert(pool.to_string(), format!("row {sku} {unfit}"))),
        }
    }
    let lines = db.lines(tx, &lines).await?;
    let tokens: BTreeSet<TokenKey> = news.iter().filter(|e| e.token.is_some()).filter_map(|e| e.token_key()).collect();
    let tokens: Vec<TokenKey> = tokens.into_iter().collect();
    let tokens = db.tokens(tx, &tokens).await?;
    projection.lines = lines;
    projection.tokens = tokens;
    Ok(projection)
}

/// A pool that may be sold beyond its stock row has no incident of what it may: that is a pre-sale.
async fn forgive_presales(redis: &mut RedisClient, projection: &mut Projection) -> Result<()> {
    let uncovered: BTreeSet<String> =
        projection.incidents.iter().filter(|i| i.kind == "uncovered").map(|i| i.pool.clone()).collect();
    if uncovered.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = uncovered.iter().map(String::as_str).collect();
    // A key that is no pool any more allows nothing; its sales stand in the stream all the same.
    let pools = redis.keys(&names).await?;
    for (name, pool) in names.iter().zip(pools) {
        let allowed = pool.ok().flatten().map_or(0, |p| -p.safety);
        let owed = projection.positions.get(*name).map_or(0, |p| p.uncovered);
        if projection.stock_rows.contains_key(projection.row_name(name)) && owed <= allowed {
            projection.incidents.retain(|i| i.kind != "uncovered" || i.pool != *name);
        }
    }
    Ok(())
}

async fn write(db: &Db, tx: &mut Tx, config: &Config, projection: &mut Projection) -> Result<()> {
    // First the tokens: what was added in this batch, and lost in it, becomes an incident as well.
    let tokens: Vec<(&TokenKey, &Token)> =
        projection.changed_tokens.iter().filter_map(|key| projection.tokens.get_key_value(key)).collect();
    db.write_tokens(tx, &tokens).await?;
    let mut anew: BTreeSet<&str> = BTreeSet::new();
    for mark in &projection.marks {
        match mark {
            Mark::Lost(fork) => projection.incidents.extend(fork.incident(&db.mark_lost(tx, fork).await?)),
            Mark::Gone(pool) => {
                db.leave_behind(tx, pool).await?;
                anew.insert(pool);
            }
        }
    }
    // The new pool's own, once more: the old one's were taken away with them.
    let tokens: Vec<(&TokenKey, &Token)> =
        tokens.into_iter().filter(|(key, token)| anew.contains(key.0.as_str()) && !token.lost).collect();
    db.write_tokens(tx, &tokens).await?;
    let mut stock_rows: Vec<(String, &StockRow)> = projection
        .stock_rows
        .iter()
        .filter(|(_, stock_row)| stock_row.changed())
        .filter_map(|(pool, stock_row)| Some((config.sku(pool)?, stock_row)))
        .collect();
    stock_rows.sort_by(|a, b| a.0.cmp(&b.0));
    if let Err(error) = db.write_stock_rows(tx, &stock_rows).await {
        let rows = stock_rows.iter().map(|(sku, row)| (sku.clone(), (*row).clone())).collect();
        return Err(error.context(RowsNotWritten { rows }));
    }
    let lines: Vec<(&(String, String), &OrderLine)> =
        projection.touched.iter().filter_map(|key| Some((key, projection.lines.get(key)?))).collect();
    db.write_lines(tx, &lines).await?;
    db.write_epochs(tx, &projection.entered).await?;
    let positions: Vec<(&str, &Position)> =
        projection.moved.iter().filter_map(|pool| Some((pool.as_str(), projection.positions.get(pool)?))).collect();
    db.write_positions(tx, &positions).await?;
    db.clear_pending(tx, &projection.settled).await?;
    db.write_pending(tx, &projection.pending).await?;
    db.write_notices(tx, &projection.notices).await?;
    db.write_incidents(tx, &projection.incidents, now_ms()).await
}
