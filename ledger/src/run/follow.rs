//! Follows one stream, through everything that breaks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Result};
use rand::Rng;
use tokio::sync::watch;

use super::apply::{apply, Applied, Feed, OrderIsKnown};
use super::batch::Batch;
use super::metrics;
use super::prefetcher::LEAST_READS;
use super::session::{Session, CHECK_EVERY};
use super::set_aside::{broken, RowsNotWritten, SetAside};
use crate::config::Config;
use crate::db::{is_conflict, is_contention, is_read_only, is_unavailable, Db};
use crate::failure::{error_chain, Failure};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Maximum optimistic-lock retries per batch; then it fails like any other batch, instead of
/// spinning. A table whose rows never become what is written would otherwise keep a core busy for
/// ever.
const TRIES: u32 = 30;
/// While entries wait, one transaction takes up to so many reads: rows that many events touch are
/// then written once. Each read is of `run.batch` entries all the same, because Redis serves
/// nobody else meanwhile.
pub const MOST_READS: usize = 32;
/// So many transactions look each order up, after one that met an order's id which was used before.
const CAREFUL: u32 = 100;
/// From this retry on, or after so long, each one is in the log.
const WARN_TRIES: u32 = 8;
const WARN_AFTER: Duration = Duration::from_secs(1);
const LONGEST_PAUSE_MS: u64 = 250;

/// One stream's follower.
pub struct Follower {
    config: Arc<Config>,
    db: Arc<Db>,
    stream: String,
    once: bool,
    stop: watch::Receiver<bool>,
    /// Since when nothing has worked: no batch came into the database, and the end of the stream
    /// was not reached.
    failing: Option<Instant>,
    /// Pools whose rows cannot be written.
    set_aside: SetAside,
    /// Reads that the next transaction takes at most: twice as many after each success, one after
    /// each failure. A short transaction seldom meets somebody who writes the same rows, and comes
    /// through where a long one is cut off.
    reads: usize,
    /// For so many transactions more, new orders are looked up like all others.
    careful: u32,
}

/// Why following ended for now.
enum Ended {
    /// Asked to, or at the end of the stream.
    Finished,
    /// The stream has to be read again from its start.
    Restart,
}

/// What became of a batch.
enum Written {
    /// It is in the database.
    Done,
    /// Somebody else wrote a row of it: its reads are to be written one by one.
    Contended,
    /// Following ended.
    Ended(Ended),
}

impl Follower {
    /// A follower of `stream`.
    pub fn new(config: Arc<Config>, db: Arc<Db>, stream: String, once: bool, stop: watch::Receiver<bool>) -> Follower {
        Follower {
            config,
            db,
            stream,
            once,
            stop,
            failing: None,
            set_aside: SetAside::default(),
            reads: LEAST_READS,
            careful: 0,
        }
    }

    fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Follows until asked to stop. Failures of Redis and of the database are waited out.
    pub async fn run(mut self) -> Result<()> {
        let mut wait = FIRST_WAIT;
        while !self.stopping() {
            let before = self.failing;
            let ended = self.follow().await;
            // It began to fail only now: whatever failed before has worked since.
            if before.is_none() || self.failing.is_none() {
                wait = FIRST_WAIT;
            }
            self.reads = 1;
            let (error, known) = match ended {
                Ok(Ended::Finished) => return Ok(()),
                // Something was written since the last time: from the start at once.
                Ok(Ended::Restart) if self.failing.is_none() => {
                    self.failing = Some(Instant::now());
                    continue;
                }
                Ok(Ended::Restart) => (anyhow!("the history of the server changes, or another program follows"), true),
                Err(error) => (error, false),
            };
            if is_read_only(&error) {
                self.db.give_up_connections().await;
            }
            // No patience helps where another program must come first.
            let is_final = matches!(error.downcast_ref(), Some(Failure::Order(_)));
            if (self.is_out_of_patience(Instant::now()) || is_final) && self.once {
                return Err(error);
            }
            if !known {
                let wait_ms = wait.as_millis() as u64;
                tracing::warn!(stream = self.stream, wait_ms, "trying again: {}", error_chain(&error));
            }
            metrics::count_retry();
            // A little chance, so that many streams do not come back in the same moment.
            let jitter = rand::rng().random_range(0.5..1.0);
            self.pause(wait.mul_f64(jitter)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Ok(())
    }

    /// Whether nothing has worked for too long: since it began to fail, or since `began`.
    fn is_out_of_patience(&mut self, began: Instant) -> bool {
        let since = *self.failing.get_or_insert(began);
        since.elapsed() > Duration::from_secs(self.config.run.patience_seconds)
    }

    /// Waits, but not longer than until it is asked to stop.
    async fn pause(&mut self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = self.stop.changed() => {}
        }
    }

    /// One connection's life.
    async fn follow(&mut self) -> Result<Ended> {
        let mut session = Session::open(&self.config, &self.db, &self.stream, self.once).await?;
        self.set_aside.remember(&self.db, &self.config, &self.stream).await?;
        while !self.stopping() {
            if let Some(ended) = self.step(&mut session).await? {
                return Ok(ended);
            }
        }
        Ok(Ended::Finished)
    }

    /// What waits from before, and then the next entries.
    async fn step(&mut self, session: &mut Session) -> Result<Option<Ended>> {
        self.set_aside.retry(&self.db, &self.config).await?;
        if let Some(events) = session.check.ripe(&session.row.entry) {
            let batch = Batch::of(events, &session.row.entry);
            if let Written::Ended(ended) = self.write(&batch, session).await? {
                return Ok(Some(ended));
            }
        }
        session.look_at_pools().await?;
        let Some(batch) = self.next_batch(session).await? else { return Ok(None) };
        session.check.count(batch.entries);
        match batch.is_empty() {
            true => self.end_of_stream(session).await,
            false => self.take(batch, session).await,
        }
    }

    /// Waits for entries. None: something else is to be done first.
    async fn next_batch(&mut self, session: &mut Session) -> Result<Option<Batch>> {
        let is_walking = session.is_walking();
        tokio::select! {
            batch = session.prefetcher.next(self.reads) => batch.map(Some),
            () = tokio::time::sleep(CHECK_EVERY), if is_walking => Ok(None),
            _ = self.stop.changed() => Ok(None),
        }
    }

    /// Nothing more is there to read.
    async fn end_of_stream(&mut self, session: &mut Session) -> Result<Option<Ended>> {
        if session.is_replaced().await? {
            return Ok(Some(Ended::Restart));
        }
        session.report.look(&self.stream, &session.row, true);
        session.trim_sometimes().await?;
        self.failing = None;
        if !self.once || !session.has_everything().await? {
            return Ok(None);
        }
        tracing::info!(stream = self.stream, applied = session.row.applied, "at the end of the stream");
        Ok(Some(Ended::Finished))
    }

    /// Writes what was read: in one transaction, unless somebody else writes the same rows.
    async fn take(&mut self, batch: Batch, session: &mut Session) -> Result<Option<Ended>> {
        if session.has_new_history().await? {
            return Ok(Some(Ended::Restart));
        }
        session.report.elsewhere(&self.stream, session.redis.db(), batch.elsewhere);
        self.reads = (self.reads * 2).min(MOST_READS);
        let mut batches = VecDeque::from([batch]);
        while let Some(batch) = batches.pop_front() {
            match self.write(&batch, session).await? {
                Written::Done => {}
                Written::Ended(ended) => return Ok(Some(ended)),
                Written::Contended => {
                    self.reads = 1;
                    batches.extend(batch.split());
                }
            }
        }
        self.failing = None;
        session.report.look(&self.stream, &session.row, false);
        if !self.once {
            session.trim_sometimes().await?;
        }
        Ok(None)
    }

    /// Writes a batch.
    async fn write(&mut self, batch: &Batch, session: &mut Session) -> Result<Written> {
        let (db, config, stream) = (self.db.clone(), self.config.clone(), self.stream.clone());
        let began = Instant::now();
        for tries in 1.. {
            let Session { redis, row, history, replay, .. } = &mut *session;
            let (set_aside, looks_up_all) = (&self.set_aside, self.careful > 0);
            let feed = Feed { db: &db, config: &config, stream: &stream, history, set_aside, looks_up_all };
            match apply(&feed, redis, row, batch, replay).await {
                Ok(Applied::Done { pending }) => {
                    metrics::count_batch();
                    self.careful = self.careful.saturating_sub(1);
                    self.set_aside.extend(pending);
                    return Ok(Written::Done);
                }
                Ok(Applied::NewHistory) => return Ok(Written::Ended(Ended::Restart)),
                Ok(Applied::NotAlone) => {
                    tracing::warn!(stream = self.stream, "another program follows this stream, too");
                    let pause = rand::rng().random_range(50..500);
                    self.pause(Duration::from_millis(pause)).await;
                    return Ok(Written::Ended(Ended::Restart));
                }
                // The same again, and it looks.
                Err(error) if self.careful == 0 && error.is::<OrderIsKnown>() => self.careful = CAREFUL,
                Err(error) if is_conflict(&error) && batch.reads() > 1 => {
                    metrics::count_retry();
                    return Ok(Written::Contended);
                }
                Err(error) if self.sets_aside(&error, tries).await? => {}
                // Somebody else wrote a row of the stock table: the same again, from what it says
                // now.
                Err(error) if is_conflict(&error) && tries < TRIES => {
                    // What waits for a lock takes seconds each time.
                    if self.once && self.is_out_of_patience(began) {
                        return Err(error);
                    }
                    if tries == WARN_TRIES || began.elapsed() > WARN_AFTER {
                        tracing::warn!(stream, "{tries} times in a row: {}", error_chain(&error));
                    }
                    metrics::count_retry();
                    let longest = (1u64 << tries.min(10)).min(LONGEST_PAUSE_MS);
                    let pause = rand::rng().random_range(0..longest);
                    self.pause(Duration::from_millis(pause)).await;
                }
                Err(error) => return Err(error),
            }
            if self.stopping() {
                break;
            }
        }
        Ok(Written::Ended(Ended::Finished))
    }

    /// Sets the rows aside that the database does not take. False: it is none of them, or it is too
    /// early to say: somebody else may have been faster.
    async fn sets_aside(&mut self, error: &anyhow::Error, tries: u32) -> Result<bool> {
        let Some(refused) = error.downcast_ref::<RowsNotWritten>() else { return Ok(false) };
        let early = is_conflict(error) && tries < WARN_TRIES;
        if early || is_contention(error) || is_unavailable(error) {
            return Ok(false);
        }
        let broken = broken(&self.db, &refused.rows).await?;
        for (sku, why) in &broken {
            for pool in self.config.pools_of(sku) {
                self.set_aside.add(pool, why.clone());
            }
        }
        Ok(!broken.is_empty())
    }
}
