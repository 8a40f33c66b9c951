//! What events mean for the database, pure: no database, no Redis, no clock. A batch of events is applied to the rows
//! that it touches; what comes out is written in one transaction.
//!
//! The shelf follows `out`. Between the last event applied and this one, `out` moved by so much; so much leaves the
//! shelf. A missed entry is thereby made up for, and its number becomes an incident.

mod lines;
mod shelf;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::event::Event;

pub use lines::{Line, State};
pub use shelf::Shelf;

/// How far a pool has been followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The epoch of the last event applied; empty: the pool was preloaded, and nothing has been seen of it yet.
    pub epoch: String,
    /// Its number.
    pub seq: i64,
    /// Its `out`: what has been taken off the shelf is counted up to here.
    pub out: i64,
    /// Units that left but that the shelf's column could not carry.
    pub uncovered: i64,
    /// Redis has lost history that is in the database: an audit must come before a reconcile.
    pub suspect: bool,
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// gap, fork, recreated, joined, uncovered, unreadable, or one of the audit.
    pub kind: &'static str,
    /// The pool.
    pub pool: String,
    /// The order, or empty.
    pub order: String,
    /// Where it was noticed.
    pub epoch: String,
    /// Where it was noticed.
    pub seq: i64,
    /// Units concerned.
    pub units: i64,
    /// In words.
    pub detail: String,
}

/// Lines whose last event is in a part of the history that Redis has lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The pool.
    pub pool: String,
    /// The epoch in which the database is ahead.
    pub epoch: String,
    /// The first number that is lost.
    pub from_seq: i64,
}

/// What must be asked before a batch can be applied: where a pool's old epoch ended in the history of the new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// The pool.
    pub pool: String,
    /// The new epoch.
    pub epoch: String,
}

/// The rows of one batch.
#[derive(Debug, Default)]
pub struct Book {
    /// Positions by pool.
    pub positions: HashMap<String, Position>,
    /// Epochs that were left behind, by pool.
    pub known_epochs: HashSet<(String, String)>,
    /// Lines by pool and order.
    pub lines: HashMap<(String, String), Line>,
    /// Rows of the stock table by pool.
    pub shelves: HashMap<String, Shelf>,
    /// `out` where the position's epoch ended in Redis's present history, as far as that was asked and answered.
    pub ended_out: HashMap<Question, i64>,
    /// Pools that have no row by design: campaign caps, couriers.
    pub no_shelf: HashSet<String>,
    /// Whether the shelf's column can be negative.
    pub negative: bool,
    /// Events applied (not dropped).
    pub applied: u64,
    /// To write: positions.
    pub moved: BTreeSet<String>,
    /// To write: lines.
    pub touched: BTreeSet<(String, String)>,
    /// To write: epochs entered.
    pub entered: BTreeSet<(String, String)>,
    /// To write, before the lines.
    pub forks: Vec<Fork>,
    /// To write.
    pub incidents: Vec<Incident>,
}

/// Whether an event is new to a pool that stands at `position`.
enum Standing {
    Old,
    Next,
    Branch,
    First,
}

impl Book {
    fn standing(&self, event: &Event, position: Option<&Position>, entered: &BTreeSet<(String, String)>) -> Standing {
        let Some(position) = position else { return Standing::First };
        if position.epoch == event.epoch {
            return if event.seq <= position.seq { Standing::Old } else { Standing::Next };
        }
        let key = (event.pool.clone(), event.epoch.clone());
        if self.known_epochs.contains(&key) || entered.contains(&key) {
            Standing::Old
        } else if position.epoch.is_empty() {
            // Preloaded: nothing was out then, so `out` tells everything.
            Standing::Next
        } else {
            Standing::Branch
        }
    }

    /// The pools of which an epoch comes that is not theirs: their other epochs must be loaded.
    pub fn foreign_epochs<'a>(&self, events: &'a [Event]) -> BTreeSet<&'a str> {
        let foreign = |e: &&Event| self.positions.get(&e.pool).is_some_and(|p| p.epoch != e.epoch);
        events.iter().filter(foreign).map(|e| e.pool.as_str()).collect()
    }

    /// Whether the batch holds anything that is not in the database yet.
    pub fn is_news(&self, event: &Event) -> bool {
        !matches!(self.standing(event, self.positions.get(&event.pool), &BTreeSet::new()), Standing::Old)
    }

    /// Whether an epoch comes that the database does not know, of a pool that it knows.
    pub fn has_branch(&self, events: &[Event]) -> bool {
        let branch =
            |e: &Event| matches!(self.standing(e, self.positions.get(&e.pool), &BTreeSet::new()), Standing::Branch);
        events.iter().any(branch)
    }

    /// What must be asked of Redis: for each branch, `out` where the epoch of the position ended.
    pub fn questions(
        &self,
        events: &[Event],
        before: impl Fn(&Event) -> Option<(i64, i64)>,
    ) -> BTreeMap<Question, Position> {
        let mut questions = BTreeMap::new();
        let mut asked = HashSet::new();
        for event in events {
            let position = self.positions.get(&event.pool);
            if !matches!(self.standing(event, position, &BTreeSet::new()), Standing::Branch) || event.seq == 1 {
                continue;
            }
            // The entry before it, where there is one, tells the same.
            if before(event).is_some_and(|(seq, _)| seq == event.seq - 1) {
                continue;
            }
            // Only the first branch of a pool leaves the position that stands in the database.
            if asked.insert(event.pool.as_str()) {
                let question = Question { pool: event.pool.clone(), epoch: event.epoch.clone() };
                questions.extend(position.map(|p| (question, p.clone())));
            }
        }
        questions
    }

    /// Applies one event. `before` is the entry that stands directly before it in the stream, of the same pool: its
    /// number and `out`, where known.
    pub fn apply(&mut self, event: &Event, before: Option<(i64, i64)>) {
        let old = self.positions.get(&event.pool).cloned();
        let standing = self.standing(event, old.as_ref(), &self.entered);
        let base = match (standing, &old) {
            (Standing::Old, _) => return,
            (Standing::Next, Some(position)) => self.follow(event, position),
            (Standing::Branch, Some(position)) => self.branch(event, position, before),
            _ => self.join(event),
        };
        self.applied += 1;
        let known = old.as_ref().is_some_and(|p| p.epoch == event.epoch);
        if !known {
            self.entered.insert((event.pool.clone(), event.epoch.clone()));
        }
        let position = self.positions.entry(event.pool.clone()).or_default();
        position.epoch.clone_from(&event.epoch);
        position.seq = event.seq;
        position.out = event.out;
        self.moved.insert(event.pool.clone());
        let gone = event.out - base;
        let credit = self.write_line(event, gone);
        self.take(event, gone - credit);
    }

    fn follow(&mut self, event: &Event, position: &Position) -> i64 {
        let missed = event.seq - position.seq - 1;
        if missed > 0 && !position.epoch.is_empty() {
            let units = event.out - position.out - event.own_out();
            let detail = format!(
                "changes {} to {} are not in the stream; out says that they moved {units} units, which are applied",
                position.seq + 1,
                event.seq - 1
            );
            self.incident("gap", event, units, detail);
        }
        position.out
    }

    /// A new epoch: did Redis go on where the database stands, or did it lose what the database has seen?
    fn branch(&mut self, event: &Event, position: &Position, before: Option<(i64, i64)>) -> i64 {
        if event.seq == 1 {
            let detail = format!("the pool was made anew; the old one stood at change {}", position.seq);
            self.incident("recreated", event, 0, detail);
            self.suspect(event);
            return 0;
        }
        let question = Question { pool: event.pool.clone(), epoch: event.epoch.clone() };
        let answer = self.ended_out.get(&question).copied();
        let behind = event.seq <= position.seq;
        let base = match (before, answer) {
            (Some((seq, out)), _) if seq == event.seq - 1 => out,
            (_, Some(out)) => out,
            _ if behind => event.out - event.own_out(),
            _ => position.out,
        };
        if behind || base != position.out {
            let from_seq = event.seq.min(position.seq + 1);
            let detail = format!(
                "Redis lost changes from {from_seq} of epoch {}, which the database has: {} units stay off the shelf; audit, then reconcile",
                position.epoch,
                position.out - base
            );
            self.incident("fork", event, position.out - base, detail);
            self.suspect(event);
            self.lose(&event.pool, &position.epoch, event.seq);
        } else if event.seq > position.seq + 1 {
            return self.follow(event, position);
        }
        base
    }

    fn suspect(&mut self, event: &Event) {
        if let Some(position) = self.positions.get_mut(&event.pool) {
            position.suspect = true;
        }
    }

    fn lose(&mut self, pool: &str, epoch: &str, from_seq: i64) {
        self.forks.push(Fork { pool: pool.to_string(), epoch: epoch.to_string(), from_seq });
        for ((of, _), line) in &mut self.lines {
            if of == pool && line.epoch == epoch && line.seq >= from_seq {
                line.lost = true;
            }
        }
    }

    /// A pool of which the database knows nothing yet.
    fn join(&mut self, event: &Event) -> i64 {
        if event.seq == 1 {
            return 0;
        }
        let base = event.out - event.own_out();
        let detail = format!("followed from change {}; what came before is taken to be in the database", event.seq);
        self.incident("joined", event, base, detail);
        base
    }

    fn incident(&mut self, kind: &'static str, event: &Event, units: i64, detail: String) {
        self.incidents.push(Incident {
            kind,
            pool: event.pool.clone(),
            order: event.order.clone().unwrap_or_default(),
            epoch: event.epoch.clone(),
            seq: event.seq,
            units,
            detail,
        });
    }
}

#[cfg(test)]
mod tests;
