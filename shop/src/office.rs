//! What the back office counts: who asked, who was refused, a history, and a log of what was done.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{json, Value};
use tokio::sync::watch;

use crate::clock::now_ms;
use crate::stock::{Answer, Pool};

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
#[derive(Clone, Copy, Default, Serialize)]
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
        if let Answer::Refused(no) = answer {
            counts.refused(&no.word);
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

    /// One more point of the chart; None: Redis is away.
    pub fn sample(&self, pool: Option<&Pool>) {
        let mut counts = self.lock();
        let last = counts.history.back().copied().unwrap_or_default();
        let returned = counts.returned;
        counts.history.push_back(match pool {
            Some(pool) => {
                Sample { shelf: pool.available.max(0), held: pool.reserved, sold: pool.sold, returned, up: true }
            }
            None => Sample { up: false, ..last },
        });
        if counts.history.len() > HISTORY {
            counts.history.pop_front();
        }
    }

    /// What is counted, as the page gets it.
    pub fn figures(&self) -> Value {
        let counts = self.lock();
        json!({
            "refusals": counts.refusals,
            "from_memory": counts.from_memory,
            "hottest": counts.hottest(),
            "history": counts.history,
            "log": counts.log,
        })
    }

    /// New figures for all pages that listen.
    pub fn publish(&self, figures: &Value) {
        self.sender.send_replace(figures.to_string().into());
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
