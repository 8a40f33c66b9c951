//! What the back office sees: counters, a history, a log of what was done, and a look at Redis and
//! the database side by side, twice a second.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::RedisResult;
use serde::Serialize;
use serde_json::{json, Value};
use tokio::sync::watch;

use crate::now_ms;
use crate::orders::Told;
use crate::shop::Shop;
use crate::stock::{Answer, Pool};
use crate::worker::GROUP;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// Looks in the chart: two minutes.
const HISTORY: usize = 240;
/// Lines in the log.
const LOG: usize = 12;
/// Buyers that are counted one by one; more are not.
const BUYERS: usize = 50_000;

/// Counts what the shop does. Its figures are pushed to the back office's pages.
pub struct Office {
    counts: Mutex<Counts>,
    sender: watch::Sender<Arc<str>>,
}

#[derive(Default)]
struct Counts {
    refusals: BTreeMap<String, u64>,
    from_memory: u64,
    buyers: HashMap<String, Buyer>,
    returned: i64,
    history: VecDeque<Sample>,
    log: VecDeque<(i64, String)>,
}

#[derive(Clone, Default, Serialize)]
struct Buyer {
    asked: u64,
    held: u64,
}

/// Units at one moment: a point of the chart.
#[derive(Clone, Copy, Serialize)]
struct Sample {
    shelf: i64,
    held: i64,
    sold: i64,
    returned: i64,
    up: bool,
}

impl Default for Office {
    fn default() -> Self {
        Self { counts: Mutex::default(), sender: watch::Sender::new("{}".into()) }
    }
}

impl Office {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buyer was answered by Redis.
    pub fn asked(&self, buyer: &str, qty: u32, answer: &Answer) {
        let mut counts = self.lock();
        let held = if matches!(answer, Answer::Done(_)) { u64::from(qty) } else { 0 };
        counts.buyer(buyer, held);
        if let Answer::Refused(word, _) = answer {
            counts.refused(word);
        }
    }

    /// A buyer was turned away without a call.
    pub fn asked_from_memory(&self, buyer: &str, word: &str) {
        let mut counts = self.lock();
        counts.buyer(buyer, 0);
        counts.from_memory += 1;
        counts.refused(word);
    }

    /// Something else was refused.
    pub fn refused(&self, word: &str) {
        self.lock().refused(word);
    }

    /// Units came back after the payment.
    pub fn returned(&self, units: i64) {
        self.lock().returned += units;
    }

    /// A line for the log.
    pub fn say(&self, line: impl Into<String>) {
        let mut counts = self.lock();
        counts.log.push_front((now_ms(), line.into()));
        counts.log.truncate(LOG);
    }

    /// The figures as JSON, and a wake-up for each new look.
    pub fn watch(&self) -> watch::Receiver<Arc<str>> {
        self.sender.subscribe()
    }
}

impl Counts {
    fn buyer(&mut self, buyer: &str, held: u64) {
        if self.buyers.len() < BUYERS || self.buyers.contains_key(buyer) {
            let known = self.buyers.entry(buyer.to_owned()).or_default();
            known.asked += 1;
            known.held += held;
        }
    }

    fn refused(&mut self, word: &str) {
        *self.refusals.entry(word.to_owned()).or_default() += 1;
    }

    /// The ten that asked most.
    fn hottest(&self) -> Vec<(&String, &Buyer)> {
        let mut all: Vec<_> = self.buyers.iter().collect();
        all.sort_by(|a, b| b.1.asked.cmp(&a.1.asked).then(a.0.cmp(b.0)));
        all.truncate(10);
        all
    }
}

/// Looks, for ever.
pub async fn follow(shop: Arc<Shop>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let text = look(&shop).await.to_string();
        shop.office.sender.send_replace(text.into());
    }
}

/// One look at everything.
async fn look(shop: &Shop) -> Value {
    // Not `ask`: a server that is away is a figure here, not something to wait for.
    let pool = tokio::time::timeout(EVERY, shop.stock.pool()).await.ok().and_then(Result::ok).flatten();
    let queue = match pool {
        Some(_) => tokio::time::timeout(EVERY, queue(shop)).await.ok().and_then(Result::ok),
        None => None,
    };
    shop.board.change(|board| {
        board.online = pool.is_some();
        board.queue = queue.unwrap_or(board.queue);
    });
    if let Some(pool) = &pool {
        shop.board.take(pool);
    }
    let database = database(shop, pool.as_ref()).await;
    let (processes, crowd) = (shop.backstage.running(), shop.crowd.figures());
    let board = shop.board.now();
    let mut counts = shop.office.lock();
    let last = counts.history.back().copied();
    let sample = match &pool {
        Some(pool) => Sample {
            shelf: pool.available.max(0),
            held: pool.reserved,
            sold: pool.sold,
            returned: counts.returned,
            up: true,
        },
        None => Sample { up: false, ..last.unwrap_or(Sample { shelf: 0, held: 0, sold: 0, returned: 0, up: false }) },
    };
    counts.history.push_back(sample);
    while counts.history.len() > HISTORY {
        counts.history.pop_front();
    }
    json!({
        "now_ms": now_ms(),
        "board": board,
        "redis": pool.as_ref().map(|pool| json!({
            "available": pool.available, "held": pool.reserved, "on_hand": pool.on_hand, "sold": pool.sold,
            "changes": pool.seq,
        })),
        "database": database,
        "queue": queue,
        "processes": processes,
        "crowd": crowd,
        "refusals": counts.refusals,
        "from_memory": counts.from_memory,
        "hottest": counts.hottest(),
        "history": counts.history,
        "log": counts.log,
    })
}

/// Entries of the stream that no worker has finished.
async fn queue(shop: &Shop) -> RedisResult<u64> {
    let groups: redis::streams::StreamInfoGroupsReply =
        shop.stock.ask(redis::cmd("XINFO").arg("GROUPS").arg(&shop.stream)).await?;
    let workers = groups.groups.into_iter().find(|group| group.name == GROUP);
    Ok(workers.map_or(0, |group| group.pending as u64 + group.lag.unwrap_or(0) as u64))
}

/// What the database says, and how far Redis is from it: what has not come there yet is no drift.
async fn database(shop: &Shop, pool: Option<&Pool>) -> Value {
    let row = match shop.database.stock_row(&shop.product.sku, shop.stock.key()).await {
        Ok(row) => row,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let made = shop.database.count_made().await.unwrap_or(-1);
    let Some(row) = row else { return json!({ "made": made }) };
    let mut drift = None;
    let mut behind = None;
    if let Some(pool) = pool {
        let after = (row.epoch.as_str(), row.seq, row.out);
        drift = tokio::time::timeout(EVERY, shop.stock.drift(row.on_hand, after)).await.ok().and_then(Result::ok).flatten();
        // `seq` goes on through a restart.
        behind = Some((pool.seq - row.seq).max(0));
    }
    json!({ "on_hand": row.on_hand, "made": made, "behind": behind, "drift": drift, "incidents": row.incidents })
}

/// What was answered must be true: looks every order up that a buyer was told about.
pub async fn audit(shop: &Shop) -> RedisResult<String> {
    let told = shop.orders.told();
    let mut lost = 0;
    for some in told.chunks(500) {
        let orders: Vec<String> = some.iter().map(|(order, _)| order.clone()).collect();
        let found = shop.stock.orders(&orders).await?;
        for ((order, told), found) in some.iter().zip(found) {
            let state = found.as_ref().map(|found| found.state.as_str());
            let kept = match told {
                Told::Held => state.is_some(),
                Told::Paid => matches!(state, Some("confirmed" | "returned")),
                Told::Returned => state == Some("returned"),
            };
            if !kept {
                lost += 1;
                eprintln!("lost: {order} was told {told:?}, the pool says {state:?}");
            }
        }
    }
    let faults = shop.stock.verify().await?;
    let pool = if faults.is_empty() { "STOCK.VERIFY: OK".to_owned() } else { faults.join("; ") };
    Ok(format!("{} answered orders looked up, lost: {lost}. {pool}", told.len()))
}
