//! Follows one stream, through everything that breaks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, Result};
use rand::Rng;
use tokio::sync::watch;

use super::apply::{apply, Applied, Feed, OrderIsKnown};
use super::batch::Batch;
use super::end_check::EndCheck;
use super::metrics;
use super::prefetcher::{Prefetcher, ReadRequest};
use super::replay::Replay;
use super::report::Report;
use super::set_aside::{broken, RowsNotWritten, SetAside};
use crate::config::Config;
use crate::db::{is_conflict, is_contention, is_read_only, is_unavailable, Db, StreamRow};
use crate::failure::{error_chain, Failure};
use crate::redis_client::streams::parts;
use crate::redis_client::RedisClient;
use crate::text::unescape;

/// So long a read waits for entries. Each time nothing came, the server is asked for its history and
/// for the stream: three commands in two seconds when nothing happens. What comes is there at once,
/// and a server that becomes a replica ends the wait.
const BLOCK_MS: usize = 2000;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Stands before a history while the stream is being read from its start: whoever comes next goes
/// on from there.
const READING: &str = "reading ";
const TRIM_EVERY: Duration = Duration::from_secs(2);
/// So often a stream that is never empty lets the server's history be looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a page of pools is asked whether the stream lacks their last entries, while they are
/// walked through.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often the stream's row is looked at when nothing happens: the database may be another one by
/// now (a backup).
const ROW_EVERY: Duration = Duration::from_secs(10);
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
/// From here on each retry is in the log.
const WARN_TRIES: u32 = 8;
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
        Follower { config, db, stream, once, stop, failing: None, set_aside: SetAside::default(), reads: 1, careful: 0 }
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
        let mut redis = RedisClient::open(&self.config.redis).await?;
        let mut row = self.db.stream(&self.stream).await?;
        let key = unescape(&self.stream);
        // Connected before the history is asked for: what this connection reads is never of a
        // server before it.
        let reader = redis.reader(&self.stream).await?;
        let history = redis.history(&key).await?.name;
        let went_back = redis.last_id(&self.stream).await?.is_some_and(|last| parts(&last) < parts(&row.entry));
        // Another process, another primary: what stands before our place may be new. Identity drops
        // what is not.
        let mut replay = None;
        let under_way = format!("{READING}{history}");
        if row.history == under_way && !went_back {
            replay = Some(Replay::default());
        } else if row.history != history || went_back {
            tracing::info!(stream = self.stream, "reading from the start");
            row.entry = "0-0".to_string();
            row.history = under_way;
            replay = Some(Replay::default());
        }
        self.set_aside.remember(&self.db, &self.config, &self.stream).await?;
        let mut report = Report::new(self.config.run.report_seconds);
        let mut trimmed = (Instant::now(), String::new());
        let mut looked = Instant::now();
        let request = ReadRequest {
            stream: self.stream.clone(),
            db: redis.db(),
            after: row.entry.clone(),
            count: self.config.run.batch,
            block_ms: if self.once { 1 } else { BLOCK_MS },
        };
        let mut prefetcher = Prefetcher::start(reader, request);
        let mut check = EndCheck::default();
        let mut checked = Instant::now();
        let mut row_seen = Instant::now();
        loop {
            if self.stopping() {
                return Ok(Ended::Finished);
            }
            self.set_aside.retry(&self.db, &self.config).await?;
            if let Some(events) = check.ripe(&row.entry) {
                let batch = Batch::of(events, &row.entry);
                if let Written::Ended(ended) = self.write(&batch, &mut redis, &mut row, &history, &mut replay).await? {
                    return Ok(ended);
                }
            }
            if !self.once && check.is_walking() && checked.elapsed() > CHECK_EVERY {
                checked = Instant::now();
                check.look(&self.db, &mut redis, &self.config, &self.stream).await?;
            }
            let batch = tokio::select! {
                batch = prefetcher.next(self.reads) => batch?,
                () = tokio::time::sleep(CHECK_EVERY), if !self.once && check.is_walking() => continue,
                _ = self.stop.changed() => continue,
            };
            check.count(batch.entries);
            if batch.is_empty() {
                if self.idle(&mut redis, &mut row, &history, &mut replay, &mut check).await? {
                    return Ok(Ended::Restart);
                }
                if row_seen.elapsed() > ROW_EVERY {
                    row_seen = Instant::now();
                    if self.db.stream(&self.stream).await?.version != row.version {
                        return Ok(Ended::Restart);
                    }
                }
                report.look(&self.stream, &row, true);
                self.trim_sometimes(&mut redis, &row, &mut trimmed).await?;
                self.failing = None;
                if self.once && !self.reached_end(&mut check, &mut redis).await? {
                    continue;
                }
                if self.once {
                    tracing::info!(stream = self.stream, applied = row.applied, "at the end of the stream");
                    return Ok(Ended::Finished);
                }
                continue;
            }
            if looked.elapsed() > LOOK_EVERY {
                looked = Instant::now();
                if redis.history(&key).await?.name != history {
                    return Ok(Ended::Restart);
                }
            }
            report.elsewhere(&self.stream, redis.db(), batch.elsewhere);
            let mut batches = VecDeque::from([batch]);
            self.reads = (self.reads * 2).min(MOST_READS);
            while let Some(batch) = batches.pop_front() {
                match self.write(&batch, &mut redis, &mut row, &history, &mut replay).await? {
                    Written::Done => {}
                    Written::Ended(ended) => return Ok(ended),
                    Written::Contended => {
                        self.reads = 1;
                        batches.extend(batch.split());
                    }
                }
            }
            self.failing = None;
            report.look(&self.stream, &row, false);
            if !self.once {
                self.trim_sometimes(&mut redis, &row, &mut trimmed).await?;
            }
        }
    }

    /// Whether no pool is ahead of the database at the end of the stream.
    async fn reached_end(&self, check: &mut EndCheck, redis: &mut RedisClient) -> Result<bool> {
        while !check.is_waiting() {
            if check.look(&self.db, redis, &self.config, &self.stream).await? {
                return Ok(!check.is_waiting());
            }
        }
        Ok(false)
    }

    /// Writes a batch.
    async fn write(
        &mut self,
        batch: &Batch,
        redis: &mut RedisClient,
        row: &mut StreamRow,
        history: &str,
        replay: &mut Option<Replay>,
    ) -> Result<Written> {
        let (db, config, stream) = (self.db.clone(), self.config.clone(), self.stream.clone());
        let began = Instant::now();
        for tries in 1.. {
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
                    if tries == WARN_TRIES || began.elapsed() > LOOK_EVERY {
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

    /// At the end of the stream. True: the server's history is another one now.
    async fn idle(
        &self,
        redis: &mut RedisClient,
        row: &mut StreamRow,
        history: &str,
        replay: &mut Option<Replay>,
        check: &mut EndCheck,
    ) -> Result<bool> {
        let now = redis.history(&unescape(&self.stream)).await?;
        if now.name != history {
            return Ok(true);
        }
        let stream = redis.stream(&self.stream).await?;
        if stream.as_ref().is_some_and(|stream| parts(&stream.last_id) < parts(&row.entry)) {
            return Ok(true);
        }
        if replay.is_some() || row.history != history {
            let next = StreamRow { history: history.to_string(), ..row.clone() };
            let mut tx = self.db.begin().await?;
            if !self.db.claim_stream(&mut tx, &self.stream, &next).await? {
                return Ok(true);
            }
            tx.commit().await?;
            *row = StreamRow { version: next.version + 1, ..next };
            *replay = None;
        }
        check.at_end(&row.entry, stream.as_ref(), now.dropped);
        Ok(false)
    }

    /// Trims, when it is time to and something was applied since the last time.
    async fn trim_sometimes(
        &self,
        redis: &mut RedisClient,
        row: &StreamRow,
        trimmed: &mut (Instant, String),
    ) -> Result<()> {
        let (last, up_to) = trimmed;
        if !self.config.run.trim || *up_to == row.entry || !(self.once || last.elapsed() > TRIM_EVERY) {
            return Ok(());
        }
        *last = Instant::now();
        if self.trim(redis, row).await? {
            up_to.clone_from(&row.entry);
        }
        Ok(())
    }

    /// Trims behind what everybody sees in the database, not behind what this connection believes
    /// to have written there. False: a consumer group still needs some of it.
    async fn trim(&self, redis: &mut RedisClient, row: &StreamRow) -> Result<bool> {
        let seen = self.db.entry_seen_by_all(&self.stream).await?.unwrap_or_default();
        if parts(&seen) < parts(&row.entry) {
            bail!("the database shows {} applied up to {seen}, and not up to {}", self.stream, row.entry);
        }
        let (removed, all) = redis.trim(&self.stream, &row.entry).await?;
        if removed > 0 {
            tracing::debug!(stream = self.stream, removed, "trimmed");
        }
        Ok(all)
    }
}
