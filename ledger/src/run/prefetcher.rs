//! Reads ahead: while one batch is written, the next ones are read and understood.

use anyhow::{anyhow, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::batch::Batch;
use crate::event::{upgrade_first, Event};
use crate::redis_client::Reader;

/// What is to be read.
pub struct ReadRequest {
    /// The stream.
    pub stream: String,
    /// Events of this logical database count.
    pub db: i64,
    /// The id of the last entry that has been read already.
    pub after: String,
    /// Entries in a batch.
    pub count: usize,
    /// How long to wait for entries when there are none.
    pub block_ms: usize,
}

/// Reads that wait until they are asked for, at most; one more is in the reader's hand.
const WAITING: usize = 32;
/// A transaction that has so much to write takes no more reads, so that memory has a bound.
const MOST_BYTES: usize = 8 << 20;

/// Batches that are read before they are asked for.
pub struct Prefetcher {
    batches: mpsc::Receiver<Result<Batch>>,
    /// What was taken and could not be joined.
    kept: Option<Result<Batch>>,
    /// Ends with this value.
    _task: JoinSet<()>,
}

impl Prefetcher {
    /// Begins to read.
    pub fn start(reader: Reader, request: ReadRequest) -> Prefetcher {
        let (sender, batches) = mpsc::channel(WAITING);
        let mut task = JoinSet::new();
        task.spawn(read(reader, request, sender));
        Prefetcher { batches, kept: None, _task: task }
    }

    /// The next batch, in the order of the stream: up to `reads` reads, as many as are here
    /// already. An empty one: the reader was at the end of the stream.
    ///
    /// # Errors
    /// That of the reader (`Failure::Unreachable`, `Failure::Order`, an error reply), when
    /// everything that it read before was handed out; `the reader has ended` from then on.
    pub async fn next(&mut self, reads: usize) -> Result<Batch> {
        let next = match self.kept.take() {
            Some(kept) => Some(kept),
            None => self.batches.recv().await,
        };
        let mut batch = next.unwrap_or_else(|| Err(anyhow!("the reader has ended")))?;
        while batch.is_empty() {
            // Something was read behind that end of the stream.
            let Ok(later) = self.batches.try_recv() else { break };
            batch = later?;
        }
        while !batch.is_empty() && batch.reads() < reads && batch.bytes < MOST_BYTES {
            match self.batches.try_recv() {
                Ok(Ok(more)) if !more.is_empty() => batch.append(more),
                // What is no part of this batch is the next one's.
                Ok(other) => {
                    self.kept = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(batch)
    }
}

async fn read(mut reader: Reader, request: ReadRequest, sender: mpsc::Sender<Result<Batch>>) {
    let ReadRequest { stream, db, mut after, count, block_ms } = request;
    loop {
        let mut batch = Batch::default();
        let mut read = reader.read(&after, count, block_ms, |id, fields| batch.add(&stream, db, id, fields)).await;
        if !batch.is_empty() {
            after.clone_from(&batch.last_id);
        }
        // What changed in one step is booked in one transaction. The entry is there already, unless
        // the other pool publishes elsewhere: 1 ms, since 0 would wait for ever.
        if read.as_ref().is_ok_and(|&number| number == count) && batch.events.last().is_some_and(Event::is_first_half) {
            read = reader.read(&after, 1, 1, |id, fields| batch.add(&stream, db, id, fields)).await;
            after.clone_from(&batch.last_id);
        }
        if let Some((id, version)) = batch.newer.take() {
            // What stands before it is applied; a batch without entries would be the stream's end.
            let before = (!batch.is_empty()).then_some(Ok(batch));
            for last in before.into_iter().chain([Err(upgrade_first(&stream, &id, version).into())]) {
                let _ = sender.send(last).await;
            }
            return;
        }
        let ended = read.is_err();
        if sender.send(read.map(|_| batch)).await.is_err() || ended {
            return;
        }
    }
}
