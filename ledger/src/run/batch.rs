//! Entries of a stream that are written in one transaction.

use crate::event::{Event, Unread};
use crate::projection::Incident;
use crate::wire::Field;

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
    /// How many entries there were in all.
    pub entries: u64,
    /// The sizes of their names and values.
    pub bytes: usize,
    /// The id and the version of the first entry that only a newer program reads. Neither it nor
    /// anything behind it is in the batch.
    pub newer: Option<(String, u64)>,
    /// Where each read but the last one ended, if this is several joined.
    ends: Vec<ReadEnd>,
}

/// Where one of several reads ends in a batch: what the batch had counted by then.
struct ReadEnd {
    events: usize,
    unreadable: usize,
    last_id: String,
    elsewhere: u64,
    entries: u64,
    bytes: usize,
}

impl Batch {
    /// Events that were found in another way than by reading, when everything up to `last_id` had
    /// been read.
    pub fn of(events: Vec<Event>, last_id: &str) -> Batch {
        Batch { events, last_id: last_id.to_string(), ..Batch::default() }
    }

    /// Whether there was no entry.
    pub fn is_empty(&self) -> bool {
        self.last_id.is_empty()
    }

    /// Adds an entry. Those of other logical databases are left out, and so is all from the first
    /// one on that only a newer program reads.
    pub fn add(&mut self, stream: &str, db: i64, id: &str, fields: &[Field<'_>]) {
        if self.newer.is_some() {
            return;
        }
        match Event::parse(fields) {
            Ok(event) if event.db == db => self.events.push(event),
            Ok(_) => self.elsewhere += 1,
            Err(Unread::Newer(version)) => {
                self.newer = Some((id.to_string(), version));
                return;
            }
            Err(Unread::Damaged(why)) => {
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
        self.entries += 1;
        self.bytes += fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.last_id.clear();
        self.last_id.push_str(id);
    }

    /// How many reads it is.
    pub fn reads(&self) -> usize {
        self.ends.len() + 1
    }

    fn end(&mut self) -> ReadEnd {
        ReadEnd {
            events: self.events.len(),
            unreadable: self.unreadable.len(),
            last_id: std::mem::take(&mut self.last_id),
            elsewhere: self.elsewhere,
            entries: self.entries,
            bytes: self.bytes,
        }
    }

    /// Joins the read that stands behind this one in the stream.
    pub fn append(&mut self, mut next: Batch) {
        let end = self.end();
        self.ends.push(end);
        self.events.append(&mut next.events);
        self.unreadable.append(&mut next.unreadable);
        self.last_id = next.last_id;
        self.elsewhere += next.elsewhere;
        self.entries += next.entries;
        self.bytes += next.bytes;
    }

    /// The reads that were joined, each for itself.
    pub fn split(mut self) -> Vec<Batch> {
        let mut ends = std::mem::take(&mut self.ends);
        ends.push(self.end());
        let (mut events, mut unreadable) = (self.events.into_iter(), self.unreadable.into_iter());
        let mut before = Batch::default().end();
        let mut reads = Vec::with_capacity(ends.len());
        for end in ends {
            reads.push(Batch {
                events: events.by_ref().take(end.events - before.events).collect(),
                unreadable: unreadable.by_ref().take(end.unreadable - before.unreadable).collect(),
                last_id: end.last_id.clone(),
                elsewhere: end.elsewhere - before.elsewhere,
                entries: end.entries - before.entries,
                bytes: end.bytes - before.bytes,
                newer: None,
                ends: Vec::new(),
            });
            before = end;
        }
        reads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A read of so many events and of entries that are none, with ids from `first` on.
    fn read(first: u64, events: u64, unreadable: u64) -> Batch {
        let mut batch = Batch::default();
        for n in 0..events + unreadable {
            let (id, seq) = (format!("{}-0", first + n), (first + n).to_string());
            let mut fields: Vec<Field> = vec![(b"type", b"reserved"), (b"pool", b"sku:1"), (b"db", b"0")];
            fields.extend([(&b"epoch"[..], &b"00000000000000aa"[..]), (b"seq", seq.as_bytes()), (b"order", b"o")]);
            fields.extend([(&b"qty"[..], &b"1"[..]), (b"at", b"1"), (b"on_hand", b"9"), (b"out", b"0")]);
            fields.truncate(if n < events { fields.len() } else { 1 });
            batch.add("events", 0, &id, &fields);
        }
        batch
    }

    #[test]
    fn reads_that_were_joined_can_be_parted_again() {
        let shape = |batch: &Batch| {
            let seqs: Vec<i64> = batch.events.iter().map(|event| event.seq).collect();
            (seqs, batch.unreadable.len(), batch.last_id.clone(), batch.entries, batch.bytes)
        };
        let reads = || [read(1, 3, 0), read(4, 0, 2), read(6, 2, 1)];
        let mut joined = Batch::default();
        for (n, next) in reads().into_iter().enumerate() {
            if n == 0 {
                joined = next;
            } else {
                joined.append(next);
            }
        }
        assert_eq!((joined.reads(), joined.events.len(), joined.entries), (3, 5, 8));
        assert_eq!(joined.last_id, "8-0");
        let parted: Vec<_> = joined.split().iter().map(shape).collect();
        assert_eq!(parted, reads().iter().map(shape).collect::<Vec<_>>());
        assert_eq!(read(1, 2, 0).split().iter().map(shape).collect::<Vec<_>>(), [shape(&read(1, 2, 0))]);
    }
}
