//! The plain table of a reader, in a file: what a database's table would be. A transaction is a run
//! of lines that ends with `C`; what has no `C` behind it never happened. So the position and what
//! was applied change together, also when the reader is killed in between.

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
    /// The ledger: what has left the shelf, by the differences of `out`. It is not taken from an
    /// entry.
    pub left: i64,
    /// The last entry read, applied or dropped.
    pub heard: Option<Heard>,
}

#[derive(Default)]
pub struct Table {
    file: Option<File>,
    pub rows: BTreeMap<String, Row>,
    pub applied: HashSet<Identity>,
    /// The epochs among them, by pool.
    epochs: HashSet<(String, String)>,
    /// Where to read on.
    pub position: Id,
    /// The furthest position ever; only counted by.
    pub furthest: Id,
    /// Changes whose entry was never written.
    pub missing: u64,
    /// Applied changes that the server has lost.
    pub lost: Vec<Identity>,
    /// Entries applied that stand before a position at which the reader has been.
    pub behind: u64,
    /// Readings from the start.
    pub readings: u64,
    /// Pools that were made anew.
    pub anew: u64,
    /// Which history is being read (process and replication id of the server).
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
                let identity: Identity = (words[1].into(), words[2].into(), number(3).unsigned_abs());
                self.epochs.insert((identity.0.clone(), identity.1.clone()));
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
                self.anew = number(7).unsigned_abs();
            }
            other => assert_eq!(other, "C", "a line of the table"),
        }
    }

    /// Whether an entry is of an epoch of which nothing was applied: it may be of another history
    /// than the one being read.
    pub fn is_new(&self, entry: &Entry) -> bool {
        !self.epochs.contains(&(entry.pool.clone(), entry.epoch.clone()))
    }

    /// What the server's history is, and the last id of its stream. False: it is another history
    /// than the one that was read, and the stream is read from its start.
    pub fn meets(&mut self, history: &str, last: Option<Id>) -> bool {
        let same = self.history == history && last.is_none_or(|last| last >= self.position);
        self.history = history.to_string();
        if !same {
            self.start_over();
        }
        same
    }

    /// The stream is read again from its start.
    fn start_over(&mut self) {
        for row in self.rows.values_mut() {
            row.heard = None;
        }
        self.position = Id::default();
        self.readings += 1;
        let pools: Vec<String> = self.rows.keys().cloned().collect();
        self.commit(&pools, String::new());
    }

    /// Applies entries in one transaction. `ask` answers from which `out` the pool counts what
    /// comes after an entry, as RECONCILE does; none: it does not know that epoch. Where it fails,
    /// nothing has happened.
    pub fn apply<E>(
        &mut self,
        entries: &[Entry],
        mut ask: impl FnMut(&str, &Heard) -> Result<Option<i64>, E>,
    ) -> Result<(), E> {
        let mut lines = String::new();
        for entry in entries {
            self.take(entry, &mut lines, &mut ask)?;
        }
        let mut pools: Vec<String> = entries.iter().map(|entry| entry.pool.clone()).collect();
        pools.sort();
        pools.dedup();
        self.commit(&pools, lines);
        Ok(())
    }

    fn take<E>(
        &mut self,
        entry: &Entry,
        lines: &mut String,
        ask: &mut impl FnMut(&str, &Heard) -> Result<Option<i64>, E>,
    ) -> Result<(), E> {
        let row = self.rows.entry(entry.pool.clone()).or_default();
        let heard = Heard { epoch: entry.epoch.clone(), seq: entry.seq, out: entry.balances.out };
        // What stood before it in the stream, or else (it was trimmed) what was applied last.
        let last = Heard { epoch: row.epoch.clone(), seq: row.seq, out: row.balances.out };
        let before = row.heard.replace(heard).or((!last.epoch.is_empty()).then_some(last));
        let was_at = std::mem::replace(&mut self.position, entry.id);
        assert!(was_at < entry.id, "the stream goes forwards");
        let identity: Identity = (entry.pool.clone(), entry.epoch.clone(), entry.seq);
        if self.applied.contains(&identity) {
            return Ok(());
        }
        let mut base = before.as_ref().map_or(0, |before| before.out);
        if let Some(before) = &before {
            let is_new = before.epoch != entry.epoch;
            let told = match is_new && !entry.follows(before.seq, before.out) {
                true => ask(&entry.pool, before)?,
                false => Some(before.out),
            };
            base = told.unwrap_or(0);
            self.anew += u64::from(told.is_none());
            self.missing += entry.seq.saturating_sub(before.seq + 1);
            // What was applied of the epoch before, beyond its end here, is history that the server
            // has lost.
            let end = (before.seq + 1).min(entry.seq);
            for seq in (end..=row.seq).filter(|_| is_new && told.is_some()) {
                let lost = (entry.pool.clone(), before.epoch.clone(), seq);
                if self.applied.contains(&lost) {
                    writeln!(lines, "L\t{}\t{}\t{seq}", lost.0, lost.1).expect("a line");
                    self.lost.push(lost);
                }
            }
        }
        // What left since the entry before this one in the stream, whether that was applied now or
        // long ago.
        row.left += entry.balances.out - base;
        row.balances = entry.balances;
        row.epoch.clone_from(&entry.epoch);
        row.seq = entry.seq;
        self.behind += u64::from(entry.id <= self.furthest);
        writeln!(lines, "I\t{}\t{}\t{}", identity.0, identity.1, identity.2).expect("a line");
        self.epochs.insert((identity.0.clone(), identity.1.clone()));
        self.applied.insert(identity);
        Ok(())
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
        let (history, anew) = (&self.history, self.anew);
        writeln!(lines, "P\t{position}\t{furthest}\t{missing}\t{behind}\t{readings}\t{history}\t{anew}")
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

    fn entry(ms: u64, epoch: &str, seq: u64, qty: i64, out: i64) -> Entry {
        let balances = Balances { out, on_hand: Some(100 - out), ..Balances::default() };
        let id = Id { ms, seq: 0 };
        Entry { id, kind: "confirmed".into(), pool: "k".into(), epoch: epoch.into(), seq, qty, balances }
    }

    fn apply(table: &mut Table, entries: &[Entry], told: Option<i64>) {
        table.apply(entries, |_, _| Ok::<_, ()>(told)).expect("applied");
    }

    #[test]
    fn half_a_transaction_never_happened() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("table");
        let mut table = Table::open(&path);
        apply(&mut table, &[entry(1, "a", 1, 2, 2)], None);
        let whole = std::fs::read(&path).expect("the table");
        apply(&mut table, &[entry(2, "a", 2, 3, 5)], None);
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
        assert!(!table.meets("one", None) && table.meets("one", None));
        // 3 was never written; the difference of `out` tells what left by it.
        let first = [entry(1, "a", 1, 0, 0), entry(2, "a", 2, 1, 1), entry(4, "a", 4, 2, 7), entry(9, "a", 5, 2, 9)];
        apply(&mut table, &first, None);
        assert_eq!((table.missing, table.rows["k"].left), (1, 9));
        // The server has lost 5, and has an entry before the place where the reader is.
        assert!(table.is_new(&entry(10, "b", 6, 4, 12)) && !table.meets("two", None));
        let again = [&first[..3], &[entry(8, "b", 5, 1, 8), entry(10, "b", 6, 4, 12)]].concat();
        apply(&mut table, &again, None);
        assert_eq!(table.lost, [("k".to_string(), "a".to_string(), 5)]);
        // 9 by the lost history and 12 - 7 by the one that survived.
        assert_eq!((table.rows["k"].left, table.behind, table.missing, table.applied.len()), (14, 1, 1, 6));
        // The same history again, also with a new epoch, is no reason to read again; a stream that
        // is too short is one.
        assert!(table.meets("two", Some(Id { ms: 10, seq: 0 })) && !table.meets("two", Some(Id { ms: 9, seq: 0 })));
    }

    #[test]
    fn a_pool_made_anew_and_one_that_went_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut table = Table::open(&dir.path().join("table"));
        let first = [entry(1, "a", 1, 1, 1), entry(2, "a", 2, 1, 2), entry(3, "a", 3, 1, 3)];
        apply(&mut table, &first, None);
        // Deleted and made anew, by chance with the next number.
        apply(&mut table, &[Entry { kind: "policy".into(), ..entry(4, "b", 4, 0, 0) }], None);
        assert_eq!((table.rows["k"].left, table.anew, table.lost.len()), (3, 1, 0));
        apply(&mut table, &[entry(5, "b", 5, 2, 2), entry(6, "b", 6, 2, 4)], None);
        // An older state was restored: it ended at an `out` of 2.
        apply(&mut table, &[entry(7, "c", 6, 5, 7)], Some(2));
        assert_eq!((table.rows["k"].left, table.lost.len()), (3 + 4 + 5, 1));
        // What fails has not happened.
        assert!(table.apply(&[entry(8, "d", 9, 1, 9)], |_, _| Err(())).is_err());
        let table = Table::open(&dir.path().join("table"));
        assert_eq!((table.position.ms, table.rows["k"].left, table.anew), (7, 12, 1));
    }
}
