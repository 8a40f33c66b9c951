//! Reads ahead: while one batch is written, the next ones are read and understood.

use std::time::Duration;

use anyhow::{anyhow, bail, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

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
/// Far from the stream's end so many reads are waited for: a transaction costs as much for a pool's
/// rows, however many events they take.
pub const LEAST_READS: usize = 8;
/// So long, each. It is only too long where the stream ends with a read that was full.
const LONGEST_WAIT: Duration = Duration::from_millis(10);

/// Batches that are read before they are asked for.
pub struct Prefetcher {
    batches: mpsc::Receiver<Result<Batch>>,
    /// Entries in a full read.
    count: usize,
    /// Whether the last read that was taken was full: the next one is under way.
    is_more_coming: bool,
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
        let count = request.count;
        task.spawn(read(reader, request, sender));
        Prefetcher { batches, count, is_more_coming: false, kept: None, _task: task }
    }

    /// The next batch, in the order of the stream: up to `reads` reads, as many as are here
    /// already, or a few that are about to come. An empty one: the reader was at the end of the
    /// stream.
    ///
    /// # Errors
    /// That of the reader (`Failure::Unreachable`, `Failure::Order`, an error reply), when
    /// everything that it read before was handed out; `the reader has ended` from then on.
    pub async fn next(&mut self, reads: usize) -> Result<Batch> {
        let next = match self.kept.take() {
            Some(kept) => Some(kept),
            None => {
                let read = self.batches.recv().await;
                self.is_more_coming = read.as_ref().is_some_and(|read| self.is_full(read));
                read
            }
        };
        let mut batch = next.unwrap_or_else(|| Err(anyhow!("the reader has ended")))?;
        while batch.is_empty() {
            // Something was read behind that end of the stream.
            let Ok(later) = self.batches.try_recv() else { break };
            self.is_more_coming = self.is_full(&later);
            batch = later?;
        }
        while !batch.is_empty() && batch.reads() < reads && batch.bytes < MOST_BYTES {
            let more = match self.batches.try_recv() {
                Ok(more) => more,
                Err(_) if self.is_more_coming && batch.reads() < LEAST_READS => {
                    // Whoever does not wait until this ends finds the batch here the next time.
                    self.kept = Some(Ok(batch));
                    let more = timeout(LONGEST_WAIT, self.batches.recv()).await;
                    let Some(Ok(kept)) = self.kept.take() else { bail!("a batch that was kept is gone") };
                    batch = kept;
                    let Ok(Some(more)) = more else { break };
                    more
                }
                Err(_) => break,
            };
            self.is_more_coming = self.is_full(&more);
            match more {
                Ok(more) if !more.is_empty() => batch.append(more),
                // What is no part of this batch is the next one's.
                other => {
                    self.kept = Some(other);
                    break;
                }
            }
        }
        Ok(batch)
    }

    /// Whether a read was as much as it could be.
    fn is_full(&self, read: &Result<Batch>) -> bool {
        read.as_ref().is_ok_and(|batch| batch.entries >= self.count as u64)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A read of so many entries that are no events.
    fn read(entries: usize) -> Result<Batch> {
        let mut batch = Batch::default();
        (0..entries).for_each(|_| batch.add("events", 0, "1-0", &[]));
        Ok(batch)
    }

    fn prefetcher(batches: mpsc::Receiver<Result<Batch>>) -> Prefetcher {
        Prefetcher { batches, count: 2, is_more_coming: false, kept: None, _task: JoinSet::new() }
    }

    #[tokio::test]
    async fn far_from_the_end_reads_are_waited_for() {
        let (sender, batches) = mpsc::channel(WAITING);
        let mut prefetcher = prefetcher(batches);
        let reads = tokio::spawn(async move {
            for entries in [2, 2, 1] {
                sender.send(read(entries)).await.expect("sent");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            sender
        });
        assert_eq!(prefetcher.next(LEAST_READS).await.expect("a batch").reads(), 3);
        let sender = reads.await.expect("the sender");
        // At the end of the stream nothing is waited for, and neither is one that may take no more.
        sender.send(read(2)).await.expect("sent");
        assert_eq!(prefetcher.next(1).await.expect("a batch").reads(), 1);
    }

    #[tokio::test]
    async fn whoever_stops_waiting_loses_nothing() {
        let (sender, batches) = mpsc::channel(WAITING);
        let mut prefetcher = prefetcher(batches);
        sender.send(read(2)).await.expect("sent");
        assert!(timeout(Duration::from_millis(2), prefetcher.next(LEAST_READS)).await.is_err(), "it still waits");
        sender.send(read(1)).await.expect("sent");
        let batch = prefetcher.next(LEAST_READS).await.expect("a batch");
        assert_eq!((batch.reads(), batch.entries), (2, 3));
    }
}
