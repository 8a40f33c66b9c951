//! `preload`: every row of the stock table becomes a pool.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use anyhow::{ensure, Result};
use indicatif::ProgressBar;
use tokio::sync::{mpsc, Mutex};
use tokio::task::JoinSet;

use super::bar;
use super::old_epochs::old_epochs;
use crate::buckets::even_part;
use crate::clock::now_ms;
use crate::config::Config;
use crate::db::{is_conflict, Db, Dialect, Tx};
use crate::event::MOST_POOL;
use crate::failure::Failure;
use crate::projection::{Incident, Position, StockRow};
use crate::redis_client::RedisClient;

/// Rows that one transaction covers. The first one covers few, so that Redis has soon something to
/// do, and each one after it twice as many.
const PAGE: i64 = 8192;
const FIRST_PAGE: i64 = 1024;
/// Pages in hand: one is in the database and one in Redis, and one is between them.
const WORKERS: usize = 3;

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
    /// Rows that no pool was made of: how many, the first ones by name, and why.
    pub unfit: (u64, Vec<(String, String)>),
}

/// Rows that are named; the others are counted.
const MOST_NAMED: usize = 20;

impl Preloaded {
    fn add(&mut self, other: &Preloaded) {
        self.rows += other.rows;
        self.made += other.made;
        self.existed += other.existed;
        self.joined += other.joined;
        other.unfit.1.iter().for_each(|row| self.leave(row.clone()));
        self.unfit.0 += other.unfit.0 - other.unfit.1.len() as u64;
    }

    fn leave(&mut self, row: (String, String)) {
        self.unfit.0 += 1;
        if self.unfit.1.len() < MOST_NAMED {
            self.unfit.1.push(row);
        }
    }
}

type Page = Vec<(String, StockRow)>;

impl Preloaded {
    /// An error that names the rows that no pool was made of, where there are any.
    ///
    /// # Errors
    /// `Failure::Differences`, with the rows and why each was left out.
    pub fn named(&self) -> Result<()> {
        let (count, rows) = &self.unfit;
        if *count == 0 {
            return Ok(());
        }
        let mut named: Vec<String> =
            rows.iter().map(|(sku, why)| format!("row {sku} of the stock table {why}")).collect();
        named.extend((*count > rows.len() as u64).then(|| "…".to_string()));
        let text = format!("{count} rows were left out: {}. Put them right, then `preload` again", named.join("; "));
        Err(Failure::Differences(text).into())
    }
}

/// What the workers share.
struct Work {
    config: Config,
    db: Db,
    pages: Mutex<mpsc::Receiver<Page>>,
    /// Who writes into a database that has one writer, or that locks gaps: whoever queues here
    /// never waits in vain there.
    writer: Mutex<()>,
    bar: ProgressBar,
    /// Epochs that stand in the streams, of pools that nobody followed.
    past: HashMap<String, BTreeSet<String>>,
}

/// Makes the pools. While one page of rows is in the database, another one is in Redis, and the
/// next one is read.
pub async fn preload(config: &Config) -> Result<Preloaded> {
    let db = Db::open_prepared(config).await?;
    let mut redis = RedisClient::open(&config.redis).await?;
    ensure!(redis.has_module().await?, "the server does not have the module redis-stock with STOCK.RECONCILE");
    let past = old_epochs(config, &db, &mut redis).await?;
    let mut tx = db.begin().await?;
    let rows = db.count_stock_rows(&mut tx).await?;
    tx.commit().await?;
    let bar = bar("preloading", u64::try_from(rows).unwrap_or(0));
    let (sender, pages) = mpsc::channel(1);
    let work =
        Arc::new(Work { config: config.clone(), db, pages: Mutex::new(pages), writer: Mutex::new(()), bar, past });
    let mut tasks = JoinSet::new();
    tasks.spawn(work.clone().read_pages(sender));
    for _ in 0..WORKERS {
        tasks.spawn(work.clone().load_pages());
    }
    let mut done = Preloaded::default();
    // The first failure ends the others with `tasks`.
    while let Some(ended) = tasks.join_next().await {
        done.add(&ended??);
    }
    work.bar.finish_and_clear();
    note_unfit(&work.db, &done).await?;
    work.db.close().await;
    ensure!(
        rows == 0 || done.rows + done.unfit.0 > 0,
        "the stock table has {rows} rows, and none with a text as its key"
    );
    Ok(done)
}

/// Writes an incident for each row that no pool was made of, once.
async fn note_unfit(db: &Db, done: &Preloaded) -> Result<()> {
    let mut tx = db.begin().await?;
    for (sku, why) in &done.unfit.1 {
        let incident = Incident {
            kind: "unfit",
            pool: String::new(),
            order: String::new(),
            epoch: String::new(),
            seq: 0,
            units: 0,
            detail: format!("row {sku} of the stock table {why}: no pool is made of it"),
        };
        if !db.has_incident(&mut tx, &incident).await? {
            db.write_incidents(&mut tx, &[incident], now_ms()).await?;
        }
    }
    tx.commit().await
}

impl Work {
    /// Reads the table from its beginning to its end.
    async fn read_pages(self: Arc<Work>, sender: mpsc::Sender<Page>) -> Result<Preloaded> {
        let mut after: Option<String> = None;
        let (mut read, mut size) = (Preloaded::default(), FIRST_PAGE);
        loop {
            let mut tx = self.db.begin().await?;
            let page = self.db.stock_rows_after(&mut tx, after.as_deref(), size).await?;
            tx.commit().await?;
            size = (size * 2).min(PAGE);
            let Some((last, _)) = page.last() else { return Ok(read) };
            after = Some(last.clone());
            let mut rows = Vec::with_capacity(page.len());
            for (sku, row) in page {
                match row {
                    Ok(_) if !self.config.buckets.rows.is_empty() && self.is_bucket(&sku) => {
                        read.leave((sku, "has a pool that is a bucket of another row".to_string()));
                    }
                    Ok(stock_row) => rows.push((sku, stock_row)),
                    Err(unfit) => read.leave((sku, unfit.to_string())),
                }
            }
            sender.send(rows).await?;
        }
    }

    /// Whether the pool of a row is a bucket of another one.
    fn is_bucket(&self, sku: &str) -> bool {
        self.config.buckets.of(sku).is_none() && self.config.buckets.find(&self.config.pools.pool(sku)).is_some()
    }

    /// A worker: page by page, until there is none.
    async fn load_pages(self: Arc<Work>) -> Result<Preloaded> {
        let mut redis = RedisClient::open(&self.config.redis).await?;
        let mut done = Preloaded::default();
        loop {
            let page = self.pages.lock().await.recv().await;
            let Some(page) = page else { return Ok(done) };
            load_page(&self, &mut redis, &page, &mut done).await?;
            self.bar.inc(page.len() as u64);
        }
    }
}

async fn load_page(
    work: &Work,
    redis: &mut RedisClient,
    page: &[(String, StockRow)],
    done: &mut Preloaded,
) -> Result<()> {
    let config = &work.config;
    let mut pools: Vec<(String, &str, i64)> = Vec::with_capacity(page.len());
    for (sku, stock_row) in page {
        let all = config.pools_of(sku);
        let count = all.len();
        pools.extend(
            all.into_iter()
                .enumerate()
                .map(|(at, pool)| (pool, sku.as_str(), even_part(stock_row.quantity, at, count))),
        );
    }
    leave_empty(work, redis, &mut pools).await?;
    for (pool, sku, _) in &pools {
        let length = pool.chars().count();
        ensure!(length <= MOST_POOL, "the pool of row {sku} has a key of {length} characters; {MOST_POOL} fit");
    }
    done.rows += page.len() as u64;
    let names: BTreeSet<&str> = pools.iter().map(|(pool, ..)| pool.as_str()).collect();
    // 1. Pools that the ledger does not follow yet: is there a pool? Its past is then taken to be
    // in the database.
    // All others begin at nothing, so whatever leaves them from now on is counted, also if we
    // die between these steps.
    let (positions, joined) = match start(work, redis, &names, true).await {
        // `run` has begun to follow one in the same moment.
        Err(error) if is_conflict(&error) => start(work, redis, &names, false).await?,
        started => started?,
    };
    done.joined += joined;
    // 2. The pools themselves, each with its policy by one command. Those that are there stay as
    // they are; what a pool owes beyond its stock row is owed.
    let owed = |pool: &str| positions.get(pool).map_or(0, |p| p.uncovered);
    let streams: Vec<String> = pools.iter().map(|(pool, sku, _)| config.stream_of(sku, pool)).collect();
    // There are few streams, and many pools.
    let distinct: HashSet<&str> = streams.iter().map(String::as_str).collect();
    let policies: HashMap<&str, String> =
        distinct.into_iter().map(|stream| Ok((stream, config.policy(stream)?))).collect::<Result<_>>()?;
    let policy = |stream: &str| policies.get(stream).map_or("{}", String::as_str);
    let calls: Vec<(&str, i64, &str)> = pools
        .iter()
        .zip(&streams)
        .map(|((pool, _, on_hand), stream)| (pool.as_str(), on_hand - owed(pool), policy(stream)))
        .collect();
    let made = redis.make_pools(&calls).await?;
    done.made += made.iter().filter(|made| **made).count() as u64;
    done.existed += made.iter().filter(|made| !**made).count() as u64;
    // 3. The policies of those that are there without a stream, and that nobody followed: somebody
    // has made them by hand, or an older build of this command that was broken off between two
    // calls.
    let existing: Vec<(&str, &str)> = calls
        .iter()
        .zip(&made)
        .filter(|((pool, ..), made)| !**made && positions.get(*pool).is_none_or(|p| p.epoch.is_empty()))
        .map(|((pool, _, policy), _)| (*pool, *policy))
        .collect();
    let names: Vec<&str> = existing.iter().map(|(pool, _)| *pool).collect();
    let found = redis.pools(&names).await?;
    let silent = existing.iter().zip(&found).filter(|(_, found)| found.as_ref().is_some_and(|f| f.events.is_empty()));
    let silent: Vec<(&str, &str)> = silent.map(|(existing, _)| *existing).collect();
    redis.set_policies(&silent).await
}

/// Begins to follow the pools that are not followed yet. Answers where pools stand that have been
/// followed before or that were there before, and how many those are. `all_new`: if nothing of them
/// is known, nobody else begins with one of them meanwhile.
async fn start(
    work: &Work,
    redis: &mut RedisClient,
    names: &BTreeSet<&str>,
    all_new: bool,
) -> Result<(HashMap<String, Position>, u64)> {
    let db = &work.db;
    let writer = if db.dialect == Dialect::Postgres { None } else { Some(work.writer.lock().await) };
    let mut tx = db.begin().await?;
    let mut positions = HashMap::new();
    if db.has_positions_among(&mut tx, names).await? {
        positions = db.lock_positions(&mut tx, names).await?;
    }
    let unknown: Vec<&str> = names.iter().copied().filter(|pool| !positions.contains_key(*pool)).collect();
    let found = match redis.has_any(&unknown).await? {
        true => redis.pools(&unknown).await?,
        false => vec![None; unknown.len()],
    };
    let started: Vec<(&str, Position)> = unknown
        .iter()
        .zip(found)
        .map(|(pool, found)| {
            let joined = found.map(|f| Position { epoch: f.epoch, seq: f.seq, out: f.out, ..Position::default() });
            (*pool, joined.unwrap_or_default())
        })
        .collect();
    db.start_positions(&mut tx, &started, all_new).await?;
    let joined = note_past(work, &mut tx, &started).await?;
    tx.commit().await?;
    drop(writer);
    let were_there = joined.values().filter(|p| !p.epoch.is_empty()).count() as u64;
    positions.extend(joined);
    Ok((positions, were_there))
}

/// Buckets that are made beside others of their row get nothing: what each of those has sold since,
/// nobody knows here. `reconcile` gives them what is missing in the sum.
async fn leave_empty(work: &Work, redis: &mut RedisClient, pools: &mut [(String, &str, i64)]) -> Result<()> {
    if work.config.buckets.rows.is_empty() {
        return Ok(());
    }
    let of_buckets: Vec<usize> = (0..pools.len())
        .filter(|at| pools.get(*at).is_some_and(|(_, sku, _)| work.config.buckets.of(sku).is_some()))
        .collect();
    let names: Vec<&str> = of_buckets.iter().filter_map(|at| pools.get(*at)).map(|(pool, ..)| pool.as_str()).collect();
    let found = redis.pools(&names).await?;
    let mut there: HashMap<String, (usize, usize)> = HashMap::new();
    for (at, found) in of_buckets.iter().zip(&found) {
        let Some((_, sku, _)) = pools.get(*at) else { continue };
        let (existing, all) = there.entry(sku.to_string()).or_default();
        *existing += usize::from(found.is_some());
        *all += 1;
    }
    for (pool, sku, units) in pools.iter_mut() {
        if there.get(*sku).is_some_and(|(existing, all)| *existing > 0 && existing < all) {
            tracing::warn!(
                pool,
                "some buckets of row {sku} are there, others are made empty: `stock-ledger reconcile`"
            );
            *units = 0;
        }
    }
    Ok(())
}

/// Notes the epochs that the pools have behind them, so that `run` takes what it reads of them for
/// old. Answers the positions of those pools: `run` may have begun to follow one in the same
/// moment, and then it knows better.
async fn note_past(work: &Work, tx: &mut Tx, started: &[(&str, Position)]) -> Result<HashMap<String, Position>> {
    let mut entered = BTreeSet::new();
    for (pool, position) in started {
        let past = work.past.get(*pool).into_iter().flatten().chain(Some(&position.epoch));
        entered.extend(past.filter(|epoch| !epoch.is_empty()).map(|epoch| (pool.to_string(), epoch.clone())));
    }
    if entered.is_empty() {
        return Ok(HashMap::new());
    }
    let names: BTreeSet<&str> = entered.iter().map(|(pool, _)| pool.as_str()).collect();
    let present = work.db.lock_positions(tx, &names).await?;
    let ours: HashMap<&str, &Position> = started.iter().map(|(pool, position)| (*pool, position)).collect();
    let entered = entered.iter().filter(|(pool, _)| present.get(pool) == ours.get(pool.as_str()).copied());
    work.db.write_epochs(tx, &entered.cloned().collect()).await?;
    Ok(present)
}
