//! One batch of entries, in one transaction with the stream's position.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::Result;

use super::batch::Batch;
use super::phases::Phases;
use super::replay::Replay;
use super::set_aside::{RowsNotWritten, SetAside};
use crate::clock::now_ms;
use crate::config::Config;
use crate::db::{is_contention, is_unavailable, Db, StreamRow, Tx};
use crate::event::{Event, Kind};
use crate::projection::{
    first_of, ByPool, HeldLine, LineageQuery, Mark, OrderLine, Past, Position, Projection, StockRow, Token, TokenKey,
    NO_ROW,
};
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

/// An order that a batch took for a new one has a line already: its id was used before.
#[derive(Debug, thiserror::Error)]
#[error("an order that was taken for a new one is known")]
pub struct OrderIsKnown;

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
    /// Whether orders whose first event says `reserved` are looked up all the same. They have no
    /// line unless their ids were used before, and then `OrderIsKnown` says so.
    pub looks_up_all: bool,
}

/// Applies a batch and moves the stream's row.
pub async fn apply(
    feed: &Feed<'_>,
    redis: &mut RedisClient,
    row: &mut StreamRow,
    batch: &Batch,
    replay: &mut Option<Replay>,
) -> Result<Applied> {
    let Feed { db, stream, history, .. } = *feed;
    let mut phases = Phases::begin();
    let mut tx = db.begin().await?;
    let mut next = StreamRow { entry: batch.last_id.clone(), updated_ms: now_ms(), ..row.clone() };
    // As it is when nothing of the batch is known already.
    let events = batch.events.iter().filter(|event| event.kind != Kind::State).count();
    next.applied += i64::try_from(events).unwrap_or(i64::MAX);
    if let Some(last) = batch.events.last() {
        next.event_ms = last.at_ms;
    }
    // The first statement takes the stream's row: a second program that follows it waits here, and
    // finds another version.
    if !db.claim_stream(&mut tx, stream, &next).await? {
        return Ok(Applied::NotAlone);
    }
    let by_pool = ByPool::of(&batch.events);
    let mut projection = load(feed, &mut tx, &by_pool).await?;
    phases.end("rows read");
    // A new epoch can be of another primary, whose stream the server has taken over in the middle
    // of our reading.
    if projection.has_branch(&by_pool) && redis.history(&unescape(stream)).await?.name != history {
        return Ok(Applied::NewHistory);
    }
    // The entry before each one of the same pool.
    let earlier = |pool: &&str| replay.as_ref().and_then(|replay| replay.before(pool));
    let mut before: Vec<Option<(i64, i64)>> = by_pool.names.iter().map(earlier).collect();
    for (event, pool) in by_pool.numbered() {
        let last = before.get_mut(pool).and_then(|last| last.replace((event.seq, event.out)));
        if projection.apply_next(event) {
            continue;
        }
        let past = match projection.question(event, last) {
            Some(question) => {
                let past = redis.past(&question).await?;
                with_audits(db, &mut tx, &question, past).await?
            }
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
    phases.end("computed");
    write(feed, &mut tx, &mut projection).await?;
    let applied = row.applied + i64::try_from(projection.applied).unwrap_or(i64::MAX);
    if next.applied != applied {
        next.applied = applied;
        db.count_applied(&mut tx, stream, &next).await?;
    }
    phases.end("written");
    tx.commit().await?;
    phases.end("committed");
    phases.log(stream, batch.events.len());
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
        let last = by_pool.names.iter().zip(before);
        last.filter_map(|(pool, last)| Some((pool, last?))).for_each(|(pool, last)| replay.note(pool, last));
    }
    let pools: BTreeSet<&str> = projection.pending.iter().map(|movement| movement.pool.as_str()).collect();
    let why =
        |pool: &str| projection.unfit.get(projection.row_name(pool)).cloned().unwrap_or_else(|| NO_ROW.to_string());
    Ok(Applied::Done { pending: pools.into_iter().map(|pool| (pool.to_string(), why(pool))).collect() })
}

/// What Redis said of a pool's past, where it lost what an audit has settled already.
async fn with_audits(db: &Db, tx: &mut Tx, question: &LineageQuery, past: Past) -> Result<Past> {
    let LineageQuery { pool, position, .. } = question;
    let Past::Common { seq, out } = past else { return Ok(past) };
    let is_settled = seq < position.seq
        && !position.needs_audit
        && db.is_settled(tx, pool, &position.epoch, seq + 1).await?
        && !db.has_unsettled_behind(tx, pool, seq).await?;
    Ok(if is_settled { Past::Settled { seq, out } } else { past })
}

/// Reads the rows that the events touch.
async fn load(feed: &Feed<'_>, tx: &mut Tx, by_pool: &ByPool<'_>) -> Result<Projection> {
    let Feed { db, config, set_aside, .. } = *feed;
    let pools = by_pool.sorted();
    let mut projection = Projection { negative: config.stock.negative, notify: db.notify, ..Projection::default() };
    // Buckets of one row are locked together: of two followers one waits, and none writes in vain.
    let siblings = |pool: &&str| Some((pool.to_string(), config.buckets.siblings(pool)?));
    projection.buckets = pools.iter().filter_map(siblings).collect();
    let locked = projection.buckets.values().flatten().map(String::as_str).chain(pools.iter().copied());
    projection.positions = db.lock_positions(tx, &locked.collect()).await?;
    projection.owing = pools.iter().filter(|pool| set_aside.has(pool)).map(|pool| pool.to_string()).collect();
    let foreign = projection.foreign_epochs(by_pool);
    if !foreign.is_empty() {
        projection.known_epochs = db.known_epochs(tx, &foreign).await?;
    }
    let news = projection.news(by_pool);
    if news.is_empty() {
        return Ok(projection);
    }
    let lines = lines_to_read(&news, feed.looks_up_all);
    let buckets = projection.buckets.clone();
    let mut skus: BTreeMap<String, &str> = BTreeMap::new();
    for pool in pools.iter().copied() {
        match config.sku(pool) {
            Some(sku) => drop(skus.insert(sku, first_of(&buckets, pool))),
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
    projection.lines = HashMap::with_capacity(news.len());
    projection.lines.extend(lines.into_iter().map(|(key, line)| (key, HeldLine::known(line))));
    projection.tokens = tokens;
    Ok(projection)
}

/// The orders whose lines must be read, in order.
fn lines_to_read<'a>(news: &[&'a Event], all: bool) -> Vec<(&'a str, &'a str)> {
    let mut seen: HashSet<(&str, &str)> = HashSet::with_capacity(news.len());
    let mut lines = Vec::new();
    for event in news {
        let Some(order) = event.order.as_deref() else { continue };
        let key = (event.pool.as_str(), order);
        if seen.insert(key) && (all || event.kind != Kind::Reserved) {
            lines.push(key);
        }
    }
    lines.sort_unstable();
    lines
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

async fn write(feed: &Feed<'_>, tx: &mut Tx, projection: &mut Projection) -> Result<()> {
    let Feed { db, config, .. } = *feed;
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
    write_lines(feed, tx, projection).await?;
    db.write_epochs(tx, &projection.entered).await?;
    let moved = projection.moved.iter();
    let mut positions: Vec<(&str, &Position)> =
        moved.filter_map(|pool| Some((pool.as_str(), projection.positions.get(pool)?))).collect();
    positions.sort_unstable_by_key(|(pool, _)| *pool);
    db.write_positions(tx, &positions).await?;
    db.clear_pending(tx, &projection.settled).await?;
    db.write_pending(tx, &projection.pending).await?;
    db.write_notices(tx, &projection.notices).await?;
    db.write_incidents(tx, &projection.incidents, now_ms()).await
}

/// Writes the lines, in order: those that the database has, and those of new orders.
async fn write_lines(feed: &Feed<'_>, tx: &mut Tx, projection: &Projection) -> Result<()> {
    let (mut known, mut new) = (Vec::new(), Vec::with_capacity(projection.lines.len()));
    for (key, held) in projection.lines.iter().filter(|(_, held)| held.is_touched) {
        let lines: &mut Vec<(&(String, String), &OrderLine)> =
            if held.is_known || feed.looks_up_all { &mut known } else { &mut new };
        lines.push((key, &held.line));
    }
    known.sort_unstable_by_key(|(key, _)| *key);
    new.sort_unstable_by_key(|(key, _)| *key);
    feed.db.write_lines(tx, &known).await?;
    match feed.db.insert_lines(tx, &new).await {
        Err(error) if !is_contention(&error) && !is_unavailable(&error) => Err(error.context(OrderIsKnown)),
        other => other,
    }
}
