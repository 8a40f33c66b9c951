//! The bare loop: the statements of the feed, with rows that are computed before the clock starts.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use stock_ledger::config::Config;
use stock_ledger::db::{Db, StreamRow};
use stock_ledger::event::Event;
use stock_ledger::projection::{ByPool, HeldLine, Past, Position, Projection, StockRow};
use stock_ledger::redis_client::{Field, RedisClient};
use stock_ledger::run::{Batch, MOST_READS};

use super::databases::block_on;
use super::Shop;

pub struct Step {
    row: StreamRow,
    events: Vec<Event>,
    projection: Projection,
}

fn config(shop: &Shop) -> Config {
    Config::read(Some(&shop.dir.path().join("stock-ledger.toml"))).expect("a configuration")
}

/// Reads the whole stream and computes what each batch writes: as many entries as `run` takes at
/// most.
pub fn prepare(shop: &Shop) -> Vec<Step> {
    let config = config(shop);
    block_on(async {
        let redis = RedisClient::open(&config.redis).await.expect("Redis");
        let mut reader = redis.reader("events").await.expect("a connection");
        let mut positions: HashMap<String, Position> = HashMap::new();
        let mut stock_rows: HashMap<String, StockRow> = HashMap::new();
        let mut lines = HashMap::new();
        let mut steps = Vec::new();
        let mut row = StreamRow { entry: "0-0".to_string(), ..StreamRow::default() };
        loop {
            let mut batch = Batch::default();
            let add = |id: &str, fields: &[Field<'_>]| batch.add("events", 0, id, fields);
            if reader.read(&row.entry, config.run.batch * MOST_READS, 1, add).await.expect("entries") == 0 {
                return steps;
            }
            let mut projection = Projection { positions: positions.clone(), ..Projection::default() };
            for event in &batch.events {
                projection.positions.entry(event.pool.clone()).or_default();
                let stock_row = stock_rows.entry(event.pool.clone()).or_insert_with(|| StockRow::new(1_000_000, 0));
                projection.stock_rows.entry(event.pool.clone()).or_insert_with(|| stock_row.clone());
                if let Some(order) = &event.order {
                    let key = (event.pool.clone(), order.clone());
                    if let Some(line) = lines.get(&key) {
                        projection.lines.entry(key).or_insert_with(|| HeldLine::known(Clone::clone(line)));
                    }
                }
            }
            for event in &batch.events {
                projection.apply(event, None, Past::Unknown);
            }
            positions.clone_from(&projection.positions);
            for (pool, stock_row) in &projection.stock_rows {
                let version = stock_row.version + i64::from(stock_row.changed());
                stock_rows.insert(pool.clone(), StockRow::new(stock_row.quantity, version));
            }
            lines.extend(projection.lines.iter().map(|(key, held)| (key.clone(), held.line.clone())));
            let applied = row.applied + batch.events.len() as i64;
            let next = StreamRow { entry: batch.last_id.clone(), applied, ..row.clone() };
            steps.push(Step { row: next.clone(), events: batch.events, projection });
            row = StreamRow { version: row.version + 1, ..next };
        }
    })
}

/// How long it takes to read the stream as `run` reads it, and to understand it: no database, no
/// rows.
pub fn read(shop: &Shop) -> Duration {
    let config = config(shop);
    block_on(async {
        let redis = RedisClient::open(&config.redis).await.expect("Redis");
        let mut reader = redis.reader("events").await.expect("a connection");
        let (mut after, began) = ("0-0".to_string(), Instant::now());
        loop {
            let mut batch = Batch::default();
            let add = |id: &str, fields: &[Field<'_>]| batch.add("events", 0, id, fields);
            if reader.read(&after, config.run.batch, 1, add).await.expect("entries") == 0 {
                return began.elapsed();
            }
            after = batch.last_id;
        }
    })
}

/// Sends them.
pub fn run(shop: &Shop, steps: &[Step]) -> Duration {
    let config = config(shop);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let db = Db::open_prepared(&config).await.expect("the database");
        db.stream("events").await.expect("a row");
        let began = Instant::now();
        for step in steps {
            let mut tx = db.begin().await.expect("a transaction");
            assert!(db.claim_stream(&mut tx, "events", &step.row).await.expect("the stream"));
            let pools: BTreeSet<&str> = step.events.iter().map(|e| e.pool.as_str()).collect();
            let positions = db.lock_positions(&mut tx, &pools).await.expect("positions");
            let known = Projection { positions, ..Projection::default() };
            let foreign = known.foreign_epochs(&ByPool::of(&step.events));
            if !foreign.is_empty() {
                db.known_epochs(&mut tx, &foreign).await.expect("epochs");
            }
            let skus: BTreeSet<String> = pools.iter().filter_map(|pool| config.pools.sku(pool)).collect();
            let skus: Vec<&str> = skus.iter().map(String::as_str).collect();
            db.stock_rows(&mut tx, &skus).await.expect("stock_rows");
            // Of orders whose first event is not their first one.
            let projection = &step.projection;
            let known = projection.lines.iter().filter(|(_, held)| held.is_known);
            let mut keys: Vec<(&str, &str)> = known.map(|((pool, order), _)| (pool.as_str(), order.as_str())).collect();
            keys.sort_unstable();
            db.lines(&mut tx, &keys).await.expect("lines");
            let mut stock_rows: Vec<(String, &StockRow)> = projection
                .stock_rows
                .iter()
                .filter(|(_, s)| s.changed())
                .filter_map(|(pool, s)| Some((config.pools.sku(pool)?, s)))
                .collect();
            stock_rows.sort_by(|a, b| a.0.cmp(&b.0));
            db.write_stock_rows(&mut tx, &stock_rows).await.expect("written");
            let mut lines: Vec<_> = projection.lines.iter().filter(|(_, held)| held.is_touched).collect();
            lines.sort_unstable_by_key(|(key, _)| *key);
            let (known, new): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(_, held)| held.is_known);
            let known: Vec<_> = known.into_iter().map(|(key, held)| (key, &held.line)).collect();
            let new: Vec<_> = new.into_iter().map(|(key, held)| (key, &held.line)).collect();
            db.write_lines(&mut tx, &known).await.expect("written");
            db.insert_lines(&mut tx, &new).await.expect("written");
            db.write_epochs(&mut tx, &projection.entered).await.expect("written");
            let mut positions: Vec<_> =
                projection.moved.iter().map(|pool| (pool.as_str(), &projection.positions[pool])).collect();
            positions.sort_unstable_by_key(|(pool, _)| *pool);
            db.write_positions(&mut tx, &positions).await.expect("written");
            tx.commit().await.expect("a commit");
        }
        began.elapsed()
    })
}
