//! One batch of entries, in one transaction with the stream's position.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;

use super::{now_ms, Pass};
use crate::book::{Book, Incident, Line, Mark, Past, Position, Shelf, Token, TokenKey};
use crate::config::Config;
use crate::db::{Db, StreamRow, Tx};
use crate::event::Event;
use crate::link::{Field, Link};
use crate::text::unescape;

/// Entries that were read, and what they say.
#[derive(Default)]
pub struct Batch {
    /// Events, in order.
    pub events: Vec<Event>,
    /// Entries that are none.
    pub unreadable: Vec<Incident>,
    /// The id of the last entry; empty: there was none.
    pub last_id: String,
    /// How many are of other logical databases.
    pub elsewhere: u64,
}

impl Batch {
    /// Whether there was no entry.
    pub fn is_empty(&self) -> bool {
        self.last_id.is_empty()
    }

    /// Adds an entry. Those of other logical databases are left out.
    pub fn add(&mut self, stream: &str, db: i64, id: &str, fields: &[Field<'_>]) {
        match Event::parse(fields) {
            Ok(event) if event.db == db => self.events.push(event),
            Ok(_) => self.elsewhere += 1,
            Err(why) => {
                self.unreadable.push(Incident {
                    kind: "unreadable",
                    pool: String::new(),
                    order: String::new(),
                    epoch: String::new(),
                    seq: 0,
                    units: 0,
                    detail: format!("entry {id} of {stream}: {why}"),
                });
            }
        }
        self.last_id.clear();
        self.last_id.push_str(id);
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in the database.
    Done,
    /// Nothing was written: another program follows this stream, too.
    NotAlone,
    /// Nothing was written: the server's history is another one now, and the stream is to be read from its start.
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
}

/// Applies a batch and moves the stream's row.
pub async fn apply(
    feed: &Feed<'_>,
    link: &mut Link,
    row: &mut StreamRow,
    batch: &Batch,
    pass: &mut Option<Pass>,
) -> Result<Applied> {
    let Feed { db, config, stream, history } = *feed;
    let mut tx = db.begin().await?;
    let mut next = StreamRow { entry: batch.last_id.clone(), updated_ms: now_ms(), ..row.clone() };
    // The first statement takes the stream's row: a second program that follows it waits here, and finds the turn gone.
    if !db.take_turn(&mut tx, stream, &next).await? {
        return Ok(Applied::NotAlone);
    }
    let mut book = load(feed, &mut tx, &batch.events).await?;
    // A new epoch can be of another primary, whose stream the server has taken over in the middle of our reading.
    if book.has_branch(&batch.events) && link.history(&unescape(stream)).await? != history {
        return Ok(Applied::NewHistory);
    }
    let mut before: HashMap<&str, (i64, i64)> = HashMap::new();
    for event in &batch.events {
        let last = before.insert(&event.pool, (event.seq, event.out));
        let last = last.or_else(|| pass.as_ref().and_then(|p| p.before(event)));
        let past = match book.question(event, last) {
            Some(question) => link.past(&question).await?,
            None => Past::Untold,
        };
        book.apply(event, last, past);
    }
    for incident in &batch.unreadable {
        // Told once, however often the entry is read.
        if !db.has_incident(&mut tx, incident).await? {
            book.incidents.push(incident.clone());
        }
    }
    forgive_presales(link, &mut book).await?;
    write(db, &mut tx, config, &mut book).await?;
    next.applied += i64::try_from(book.applied).unwrap_or(i64::MAX);
    if let Some(last) = batch.events.last() {
        next.event_ms = last.at_ms;
    }
    db.count_applied(&mut tx, stream, &next).await?;
    tx.commit().await?;
    next.turn += 1;
    *row = next;
    for incident in &book.incidents {
        tracing::warn!(
            kind = incident.kind,
            pool = incident.pool,
            order = incident.order,
            units = incident.units,
            "{}",
            incident.detail
        );
    }
    if let Some(pass) = pass {
        batch.events.iter().for_each(|event| pass.note(event));
    }
    Ok(Applied::Done)
}

/// Reads the rows that the events touch.
async fn load(feed: &Feed<'_>, tx: &mut Tx, events: &[Event]) -> Result<Book> {
    let Feed { db, config, .. } = *feed;
    let pools: BTreeSet<&str> = events.iter().map(|e| e.pool.as_str()).collect();
    let mut book = Book { negative: config.stock.negative, ..Book::default() };
    book.positions = db.lock_positions(tx, &pools).await?;
    let foreign = book.foreign_epochs(events);
    if !foreign.is_empty() {
        book.known_epochs = db.known_epochs(tx, &foreign).await?;
    }
    let news: Vec<&Event> = events.iter().filter(|e| book.is_news(e)).collect();
    if news.is_empty() {
        return Ok(book);
    }
    let lines: BTreeSet<(&str, &str)> =
        news.iter().filter_map(|e| Some((e.pool.as_str(), e.order.as_deref()?))).collect();
    let lines: Vec<(&str, &str)> = lines.into_iter().collect();
    let mut skus: BTreeMap<String, &str> = BTreeMap::new();
    for pool in &pools {
        match config.pools.sku(pool) {
            Some(sku) => drop(skus.insert(sku, pool)),
            None => drop(book.no_shelf.insert(pool.to_string())),
        }
    }
    let keys: Vec<&str> = skus.keys().map(String::as_str).collect();
    for (sku, row) in db.shelves(tx, &keys).await? {
        let Some(pool) = skus.get(&sku) else { continue };
        match row {
            Ok(shelf) => drop(book.shelves.insert(pool.to_string(), shelf)),
            Err(unfit) => drop(book.unfit.insert(pool.to_string(), format!("row {sku} {unfit}"))),
        }
    }
    let lines = db.lines(tx, &lines).await?;
    let tokens: BTreeSet<TokenKey> = news.iter().filter(|e| e.token.is_some()).filter_map(|e| e.token_key()).collect();
    let tokens: Vec<TokenKey> = tokens.into_iter().collect();
    let tokens = db.tokens(tx, &tokens).await?;
    book.lines = lines;
    book.tokens = tokens;
    Ok(book)
}

/// A pool that may be sold beyond its shelf has no incident of what it may: that is a pre-sale.
async fn forgive_presales(link: &mut Link, book: &mut Book) -> Result<()> {
    let uncovered: BTreeSet<String> =
        book.incidents.iter().filter(|i| i.kind == "uncovered").map(|i| i.pool.clone()).collect();
    if uncovered.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = uncovered.iter().map(String::as_str).collect();
    // A key that is no pool any more allows nothing; its sales stand in the stream all the same.
    let pools = link.keys(&names).await?;
    for (name, pool) in names.iter().zip(pools) {
        let allowed = pool.ok().flatten().map_or(0, |p| -p.safety);
        let owed = book.positions.get(*name).map_or(0, |p| p.uncovered);
        if book.shelves.contains_key(*name) && owed <= allowed {
            book.incidents.retain(|i| i.kind != "uncovered" || i.pool != *name);
        }
    }
    Ok(())
}

async fn write(db: &Db, tx: &mut Tx, config: &Config, book: &mut Book) -> Result<()> {
    // First the tokens: what was added in this batch, and lost in it, is told as well.
    let tokens: Vec<(&TokenKey, &Token)> =
        book.changed_tokens.iter().filter_map(|key| book.tokens.get_key_value(key)).collect();
    db.write_tokens(tx, &tokens).await?;
    let mut anew: BTreeSet<&str> = BTreeSet::new();
    for mark in &book.marks {
        match mark {
            Mark::Lost(fork) => book.incidents.extend(fork.incident(&db.mark_lost(tx, fork).await?)),
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
    let mut shelves: Vec<(String, &Shelf)> = book
        .shelves
        .iter()
        .filter(|(_, shelf)| shelf.changed())
        .filter_map(|(pool, shelf)| Some((config.pools.sku(pool)?, shelf)))
        .collect();
    shelves.sort_by(|a, b| a.0.cmp(&b.0));
    db.write_shelves(tx, &shelves).await?;
    let lines: Vec<(&(String, String), &Line)> =
        book.touched.iter().filter_map(|key| Some((key, book.lines.get(key)?))).collect();
    db.write_lines(tx, &lines).await?;
    db.write_epochs(tx, &book.entered).await?;
    let positions: Vec<(&str, &Position)> =
        book.moved.iter().filter_map(|pool| Some((pool.as_str(), book.positions.get(pool)?))).collect();
    db.write_positions(tx, &positions).await?;
    db.write_incidents(tx, &book.incidents, now_ms()).await
}
