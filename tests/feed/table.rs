//! The plain table of a reader, in a file: what a database's table would be. A transaction is a run of lines that ends with
//! `C`; what has no `C` behind it never happened. So the position and what was applied change together, also when the
//! reader is killed in between.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::entry::{Balances, Entry, Id};

/// The identity of a change.
pub type Identity = (String, String, u64);

/// What the stream has told of a pool before, in this reading from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub epoch: String,
    pub seq: u64,
    pub out: i64,
}

/// One pool.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The last entry applied.
    pub epoch: String,
    pub seq: u64,
    /// The mirror: what that entry said.
    pub balances: Balances,
    /// The ledger: what has left the shelf, by the differences of `out`. It is not taken from an entry.
    pub left: i64,
    /// The last entry read, applied or dropped.
    pub heard: Option<Heard>,
}

#[derive(Default)]
pub struct Table {
    file: Option<File>,
    pub rows: BTreeMap<String, Row>,
    pub applied: HashSet<Identity>,
    /// Where to read on.
    pub position: Id,
    /// The furthest position ever; up to here a reading from the start meets what is known.
    pub furthest: Id,
    /// Changes whose entry was never written.
    pub missing: u64,
    /// Applied changes that the server has lost.
    pub lost: Vec<Identity>,
    /// Entries applied that stand before a position at which the reader has been.
    pub behind: u64,
    /// Readings from the start.
    pub readings: u64,
    /// Which history the server was in when it was read last (its replication id).
    pub history: String,
}

impl Table {
    /// What the file holds; a transaction that was cut off is dropped.
    pub fn open(path: &Path) -> Table {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path).expect("the table's file");
        let text = std::fs::read_to_string(path).expect("the table");
        let whole = text.rfind("C\n").map_or(0, |at| at + 2);
        let mut table = Table::default();
        text[..whole].lines().for_each(|line| table.replay(line));
        file.set_len(whole as u64).expect("the rest is dropped");
        table.file = Some(file);
        table
    }

    fn replay(&mut self, line: &str) {
        let words: Vec<&str> = line.split('\t').collect();
        let number = |at: usize| words[at].parse::<i64>().expect("a number");
        match words[0] {
            "I" => {
                let identity = (words[1].into(), words[2].into(), number(3).unsigned_abs());
                assert!(self.applied.insert(identity), "applied twice: {line}");
            }
            "L" => self.lost.push((words[1].into(), words[2].into(), number(3).unsigned_abs())),
            "R" => {
                let balances = Balances {
                    available: number(4),
                    reserved: number(5),
                    on_hand: words[6].parse().ok(),
                    sold: number(7),
                    out: number(8),
                };
                let heard = Heard { epoch: words[10].into(), seq: number(11).unsigned_abs(), out: number(12) };
                let heard = (!heard.epoch.is_empty()).then_some(heard);
                let seq = number(3).unsigned_abs();
                let row = Row { epoch: words[2].into(), seq, balances, left: number(9), heard };
                self.rows.insert(words[1].into(), row);
            }
            "P" => {
                self.position = Id::parse(words[1]);
                self.furthest = Id::parse(words[2]);
                [self.missing, self.behind, self.readings] = [3, 4, 5].map(|at| number(at).unsigned_abs());
                self.history = words[6].into();
            }
            other => assert_eq!(other, "C", "a line of the table"),
        }
    }

    /// Whether the entry begins an epoch of a pool that is known, beyond what a reading from the start has met: then there
    /// may be entries behind the position that were never read.
    pub fn forks(&self, entry: &Entry) -> bool {
        let known = self.rows.get(&entry.pool);
        known.is_some_and(|row| row.epoch != entry.epoch) && self.position >= self.furthest
    }

    /// A connection to a server in this history. A reading from the start goes on only in the history in which it began.
    pub fn meets(&mut self, history: &str) {
        let is_other = self.history != history;
        self.history = history.to_string();
        if is_other && self.position < self.furthest {
            self.start_over();
        }
    }

    /// The stream is read again from its start.
    pub fn start_over(&mut self) {
        for row in self.rows.values_mut() {
            row.heard = None;
        }
        self.position = Id::default();
        self.readings += 1;
        let pools: Vec<String> = self.rows.keys().cloned().collect();
        self.commit(&pools, String::new());
    }

    /// Applies entries in one transaction.
    pub fn apply(&mut self, entries: &[Entry]) {
        let mut lines = String::new();
        for entry in entries {
            self.take(entry, &mut lines);
        }
        let mut pools: Vec<String> = entries.iter().map(|entry| entry.pool.clone()).collect();
        pools.sort();
        pools.dedup();
        self.commit(&pools, lines);
    }

    fn take(&mut self, entry: &Entry, lines: &mut String) {
        let row = self.rows.entry(entry.pool.clone()).or_default();
        let heard = Heard { epoch: entry.epoch.clone(), seq: entry.seq, out: entry.balances.out };
        let before = row.heard.replace(heard);
        let was_at = std::mem::replace(&mut self.position, entry.id);
        assert!(was_at < entry.id, "the stream goes forwards");
        let identity: Identity = (entry.pool.clone(), entry.epoch.clone(), entry.seq);
        if self.applied.contains(&identity) {
            return;
        }
        if let Some(before) = &before {
            self.missing += entry.seq.checked_sub(before.seq + 1).expect("seq goes forwards");
            if before.epoch != entry.epoch {
                // What was applied of the epoch before, beyond its end here, is history that the server has lost.
                for seq in before.seq + 1..=row.seq {
                    let lost = (entry.pool.clone(), before.epoch.clone(), seq);
                    if self.applied.contains(&lost) {
                        writeln!(lines, "L\t{}\t{}\t{seq}", lost.0, lost.1).expect("a line");
                        self.lost.push(lost);
                    }
                }
            }
        }
        // What left since the entry before this one in the stream, whether that was applied now or long ago.
        row.left += entry.balances.out - before.map_or(0, |before| before.out);
        row.balances = entry.balances;
        row.epoch.clone_from(&entry.epoch);
        row.seq = entry.seq;
        self.behind += u64::from(entry.id <= self.furthest);
        writeln!(lines, "I\t{}\t{}\t{}", identity.0, identity.1, identity.2).expect("a line");
        self.applied.insert(identity);
    }

    fn commit(&mut self, pools: &[String], mut lines: String) {
        self.furthest = self.furthest.max(self.position);
        for pool in pools {
            let row = &self.rows[pool];
            let b = row.balances;
            let on_hand = b.on_hand.map_or(String::new(), |units| units.to_string());
            let heard = row.heard.clone().unwrap_or(Heard { epoch: String::new(), seq: 0, out: 0 });
            writeln!(
                lines,
                "R\t{pool}\t{}\t{}\t{}\t{}\t{on_hand}\t{}\t{}\t{}\t{}\t{}\t{}",
                row.epoch, row.seq, b.available, b.reserved, b.sold, b.out, row.left, heard.epoch, heard.seq, heard.out
            )
            .expect("a line");
        }
        let (position, furthest) = (self.position, self.furthest);
        let (missing, behind, readings) = (self.missing, self.behind, self.readings);
        writeln!(lines, "P\t{position}\t{furthest}\t{missing}\t{behind}\t{readings}\t{}", self.history)
            .expect("a line");
        lines.push_str("C\n");
        // In several writes, so that a kill in between leaves half a transaction.
        let file = self.file.as_mut().expect("an open table");
        for part in lines.as_bytes().chunks(512) {
            file.write_all(part).expect("written");
        }
    }
}

mod rules {
    use super::*;

    fn entry(ms: u64, epoch: &str, seq: u64, out: i64) -> Entry {
        let balances = Balances { out, on_hand: Some(100 - out), ..Balances::default() };
        Entry { id: Id { ms, seq: 0 }, kind: "confirmed".into(), pool: "k".into(), epoch: epoch.into(), seq, balances }
    }

    #[test]
    fn half_a_transaction_never_happened() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("table");
        let mut table = Table::open(&path);
        table.apply(&[entry(1, "a", 1, 2)]);
        let whole = std::fs::read(&path).expect("the table");
        table.apply(&[entry(2, "a", 2, 5)]);
        let longer = std::fs::read(&path).expect("the table");
        for cut in whole.len()..longer.len() {
            std::fs::write(&path, &longer[..cut]).expect("a cut table");
            let table = Table::open(&path);
            assert_eq!((table.position.ms, table.rows["k"].left, table.applied.len()), (1, 2, 1), "cut at {cut}");
        }
    }

    #[test]
    fn a_fork_and_a_gap_are_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut table = Table::open(&dir.path().join("table"));
        // 3 was never written; the difference of `out` tells what left by it.
        table.apply(&[entry(1, "a", 1, 0), entry(2, "a", 2, 1), entry(4, "a", 4, 7), entry(9, "a", 5, 9)]);
        assert_eq!((table.missing, table.rows["k"].left), (1, 9));
        // The server has lost 5, and has an entry before the place where the reader is.
        assert!(table.forks(&entry(10, "b", 6, 12)));
        table.start_over();
        let again =
            [entry(1, "a", 1, 0), entry(2, "a", 2, 1), entry(4, "a", 4, 7), entry(8, "b", 5, 8), entry(10, "b", 6, 12)];
        table.apply(&again);
        assert_eq!(table.lost, [("k".to_string(), "a".to_string(), 5)]);
        // 9 by the lost history and 12 - 7 by the one that survived.
        assert_eq!((table.rows["k"].left, table.behind, table.missing, table.applied.len()), (14, 1, 1, 6));
    }
}
