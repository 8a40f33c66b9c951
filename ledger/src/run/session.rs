//! One connection's life: what is known of a stream as long as the connections of Redis live, and
//! the steps that ask Redis and the database where they stand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};

use super::end_check::EndCheck;
use super::prefetcher::{Prefetcher, ReadRequest};
use super::replay::Replay;
use super::report::Report;
use crate::config::Config;
use crate::db::{Db, StreamRow};
use crate::redis_client::streams::parts;
use crate::redis_client::RedisClient;
use crate::text::unescape;

/// So long a read waits for entries. Each time nothing came, the server is asked for its history
/// and for the stream: three commands in two seconds when nothing happens. What comes is there at
/// once, and a server that becomes a replica ends the wait.
const BLOCK_MS: usize = 2000;
/// Stands before a history while the stream is being read from its start: whoever comes next goes
/// on from there.
const READING: &str = "reading ";
const TRIM_EVERY: Duration = Duration::from_secs(2);
/// So often a stream that is never empty lets the server's history be looked at.
const HISTORY_EVERY: Duration = Duration::from_secs(1);
/// How often a page of pools is asked whether the stream lacks their last entries, while they are
/// walked through.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often the stream's row is looked at when nothing happens: the database may be another one by
/// now (a backup).
const ROW_EVERY: Duration = Duration::from_secs(10);

/// Something that is done from time to time.
struct Every {
    period: Duration,
    last: Instant,
}

impl Every {
    fn new(period: Duration) -> Every {
        Every { period, last: Instant::now() }
    }

    /// Whether it is time; if so, the next time is a period from now.
    fn is_due(&mut self) -> bool {
        let is_due = self.last.elapsed() > self.period;
        if is_due {
            self.last = Instant::now();
        }
        is_due
    }
}

/// What is known of a stream while its connections live.
pub struct Session {
    config: Arc<Config>,
    db: Arc<Db>,
    stream: String,
    once: bool,
    /// For questions; entries come over a connection of the prefetcher's own.
    pub redis: RedisClient,
    /// The stream's row, as this program left it.
    pub row: StreamRow,
    /// The history of the server that the stream is read from.
    pub history: String,
    /// While the stream is being read from its start.
    pub replay: Option<Replay>,
    /// Entries, read ahead.
    pub prefetcher: Prefetcher,
    /// Looks for pools whose last entries are not in the stream.
    pub check: EndCheck,
    /// What is written to the log.
    pub report: Report,
    /// Up to where the stream was trimmed.
    trimmed: String,
    trim: Every,
    look_at_history: Every,
    look_at_pools: Every,
    look_at_row: Every,
}

impl Session {
    /// Connects, and begins to read behind what is in the database: or from the stream's start,
    /// where the server's history is another one than the database has followed.
    ///
    /// # Errors
    /// `Failure::Unreachable`: Redis does not answer, or is a replica. Where the database cannot be
    /// reached, its own error, of exit code 4.
    pub async fn open(config: &Arc<Config>, db: &Arc<Db>, stream: &str, once: bool) -> Result<Session> {
        let mut redis = RedisClient::open(&config.redis).await?;
        let mut row = db.stream(stream).await?;
        // Connected before the history is asked for: what this connection reads is never of a
        // server before it.
        let reader = redis.reader(stream).await?;
        let history = redis.history(&unescape(stream)).await?.name;
        let replay = begin(&mut redis, stream, &mut row, &history).await?;
        let request = ReadRequest {
            stream: stream.to_string(),
            db: redis.db(),
            after: row.entry.clone(),
            count: config.run.batch,
            block_ms: if once { 1 } else { BLOCK_MS },
        };
        Ok(Session {
            config: config.clone(),
            db: db.clone(),
            stream: stream.to_string(),
            once,
            redis,
            row,
            history,
            replay,
            prefetcher: Prefetcher::start(reader, request),
            check: EndCheck::default(),
            report: Report::new(config.run.report_seconds),
            trimmed: String::new(),
            trim: Every::new(TRIM_EVERY),
            look_at_history: Every::new(HISTORY_EVERY),
            look_at_pools: Every::new(CHECK_EVERY),
            look_at_row: Every::new(ROW_EVERY),
        })
    }

    /// Whether pools are walked through beside the feed. With `once` all of them are looked at when
    /// the stream's end is reached.
    pub fn is_walking(&self) -> bool {
        !self.once && self.check.is_walking()
    }

    /// Looks at the next page of pools, when it is time to.
    pub async fn look_at_pools(&mut self) -> Result<()> {
        if self.is_walking() && self.look_at_pools.is_due() {
            self.check.look(&self.db, &mut self.redis, &self.config, &self.stream).await?;
        }
        Ok(())
    }

    /// Whether the server's history is another one now, where it is time to ask.
    pub async fn has_new_history(&mut self) -> Result<bool> {
        if !self.look_at_history.is_due() {
            return Ok(false);
        }
        Ok(self.redis.history(&unescape(&self.stream)).await?.name != self.history)
    }

    /// At the end of the stream, what was read from its start is noted as read. True: the server's
    /// history is another one now, or another program has written the stream's row.
    pub async fn is_replaced(&mut self) -> Result<bool> {
        let now = self.redis.history(&unescape(&self.stream)).await?;
        if now.name != self.history {
            return Ok(true);
        }
        let stream = self.redis.stream(&self.stream).await?;
        if stream.as_ref().is_some_and(|stream| parts(&stream.last_id) < parts(&self.row.entry)) {
            return Ok(true);
        }
        if self.replay.is_some() || self.row.history != self.history {
            let next = StreamRow { history: self.history.clone(), ..self.row.clone() };
            let mut tx = self.db.begin().await?;
            if !self.db.claim_stream(&mut tx, &self.stream, &next).await? {
                return Ok(true);
            }
            tx.commit().await?;
            self.row = StreamRow { version: next.version + 1, ..next };
            self.replay = None;
        }
        self.check.at_end(&self.row.entry, stream.as_ref(), now.dropped);
        Ok(self.look_at_row.is_due() && self.db.stream(&self.stream).await?.version != self.row.version)
    }

    /// Whether no pool is ahead of the database at the end of the stream.
    pub async fn has_everything(&mut self) -> Result<bool> {
        while !self.check.is_waiting() {
            if self.check.look(&self.db, &mut self.redis, &self.config, &self.stream).await? {
                return Ok(!self.check.is_waiting());
            }
        }
        Ok(false)
    }

    /// Trims, when it is time to and something was applied since the last time.
    pub async fn trim_sometimes(&mut self) -> Result<()> {
        if !self.config.run.trim || self.trimmed == self.row.entry || !(self.trim.is_due() || self.once) {
            return Ok(());
        }
        if self.trim().await? {
            self.trimmed.clone_from(&self.row.entry);
        }
        Ok(())
    }

    /// Trims behind what everybody sees in the database, not behind what this connection believes
    /// to have written there. False: a consumer group still needs some of it.
    async fn trim(&mut self) -> Result<bool> {
        let (stream, entry) = (&self.stream, &self.row.entry);
        let seen = self.db.entry_seen_by_all(stream).await?.unwrap_or_default();
        if parts(&seen) < parts(entry) {
            bail!("the database shows {stream} applied up to {seen}, and not up to {entry}");
        }
        let (removed, all) = self.redis.trim(stream, entry).await?;
        if removed > 0 {
            tracing::debug!(stream, removed, "trimmed");
        }
        Ok(all)
    }
}

/// Where reading begins: a replay, where that is the stream's start.
async fn begin(redis: &mut RedisClient, stream: &str, row: &mut StreamRow, history: &str) -> Result<Option<Replay>> {
    let went_back = redis.last_id(stream).await?.is_some_and(|last| parts(&last) < parts(&row.entry));
    // Another process, another primary: what stands before our position may be new. Identity drops
    // what is not.
    let under_way = format!("{READING}{history}");
    if row.history == under_way && !went_back {
        return Ok(Some(Replay::default()));
    }
    if row.history == history && !went_back {
        return Ok(None);
    }
    tracing::info!(stream, "reading from the start");
    row.entry = "0-0".to_string();
    row.history = under_way;
    Ok(Some(Replay::default()))
}
