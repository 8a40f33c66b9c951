//! The rows of one batch of events: what was read, and what is to be written.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::by_pool::ByPool;
use super::notice::Notice;
use super::order_lines::OrderLine;
use super::stock_row::{Movement, StockRow};
use super::tokens::{Token, TokenKey};
use crate::event::Event;

/// How far a pool has been followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The epoch of the last event applied; empty: the pool was preloaded, and nothing has been
    /// seen of it yet.
    pub epoch: String,
    /// Its number.
    pub seq: i64,
    /// Its `out`: what has been taken out of the stock row is counted up to here.
    pub out: i64,
    /// Units that left but that the stock row's column could not carry.
    pub uncovered: i64,
    /// Redis has lost history that is in the database: an audit must come before a reconcile.
    pub needs_audit: bool,
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// gap, fork, lost, recreated, joined, uncovered, unreadable, or one of the audit.
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

/// A part of the history that Redis has lost: in whichever epochs it was, the history goes on in
/// another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The pool.
    pub pool: String,
    /// The epoch in which it goes on; empty: it has not gone on yet.
    pub epoch: String,
    /// The first number that is lost.
    pub from_seq: i64,
}

impl Fork {
    /// Whether a change was lost by it. What has no epoch is of no history.
    pub fn has(&self, epoch: &str, seq: i64) -> bool {
        seq >= self.from_seq && !epoch.is_empty() && epoch != self.epoch
    }
}

/// To write about what the database has of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A part of it was lost.
    Lost(Fork),
    /// The pool was deleted: what is known of it belongs to no history any more.
    Gone(String),
}

/// A line, as a batch has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLine {
    /// The line.
    pub line: OrderLine,
    /// Whether it was read from the database.
    pub is_known: bool,
    /// Whether it is to be written.
    pub is_touched: bool,
}

impl HeldLine {
    /// A line as it was read.
    pub fn known(line: OrderLine) -> HeldLine {
        HeldLine { line, is_known: true, is_touched: false }
    }
}

/// The rows of one batch.
#[derive(Debug, Default)]
pub struct Projection {
    /// Positions by pool.
    pub positions: HashMap<String, Position>,
    /// Epochs that were left behind, by pool.
    pub known_epochs: HashSet<(String, String)>,
    /// Lines by pool and order.
    pub lines: HashMap<(String, String), HeldLine>,
    /// Of each bucket of a row: all its buckets, in order. The row stands under the first of them.
    pub buckets: HashMap<String, Vec<String>>,
    /// Rows of the stock table by pool.
    pub stock_rows: HashMap<String, StockRow>,
    /// Rows of the stock table that cannot be worked with, by pool, and why.
    pub unfit: HashMap<String, String>,
    /// Pools that have pending movements.
    pub owing: HashSet<String>,
    /// Calls with tokens.
    pub tokens: HashMap<TokenKey, Token>,
    /// Pools that have no row by design: campaign caps, couriers.
    pub no_stock_row: HashSet<String>,
    /// Whether the stock row's column can be negative.
    pub negative: bool,
    /// Events applied (not dropped).
    pub applied: u64,
    /// To write: positions.
    pub moved: HashSet<String>,
    /// To write: epochs entered.
    pub entered: BTreeSet<(String, String)>,
    /// To write: tokens.
    pub changed_tokens: BTreeSet<TokenKey>,
    /// To write, in this order, before the lines.
    pub marks: Vec<Mark>,
    /// To write.
    pub incidents: Vec<Incident>,
    /// To write: movements that the stock row cannot take now.
    pub pending: Vec<Movement>,
    /// To write, before those: pools whose rows have taken what was pending.
    pub settled: BTreeSet<String>,
    /// Whether notices are wanted.
    pub notify: bool,
    /// To write.
    pub notices: Vec<Notice>,
}

/// Whether an event is new to a pool that stands at `position`.
pub(super) enum Standing {
    /// The database has it.
    Old,
    /// It goes on in the history that the database knows.
    Next,
    /// It is of an epoch that the database has not seen.
    Branch,
    /// Nothing is known of the pool yet.
    First,
}

impl Projection {
    /// How an event stands to its pool, given the epochs `entered` in this batch.
    pub(super) fn standing(
        &self,
        event: &Event,
        position: Option<&Position>,
        entered: &BTreeSet<(String, String)>,
    ) -> Standing {
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

    /// Where the pools stand, one after the other.
    fn positions_of<'p>(&'p self, by_pool: &ByPool<'_>) -> Vec<Option<&'p Position>> {
        by_pool.names.iter().map(|pool| self.positions.get(*pool)).collect()
    }

    /// The pools of which an epoch comes that is not theirs: their other epochs must be loaded.
    pub fn foreign_epochs<'a>(&self, by_pool: &ByPool<'a>) -> BTreeSet<&'a str> {
        let positions = self.positions_of(by_pool);
        let foreign = by_pool.with(&positions).filter(|(e, position)| position.is_some_and(|p| p.epoch != e.epoch));
        foreign.map(|(event, _)| event.pool.as_str()).collect()
    }

    /// The events that are not in the database yet.
    pub fn news<'a>(&self, by_pool: &ByPool<'a>) -> Vec<&'a Event> {
        let (positions, none) = (self.positions_of(by_pool), BTreeSet::new());
        let news = by_pool.with(&positions).filter(|(e, p)| !matches!(self.standing(e, **p, &none), Standing::Old));
        news.map(|(event, _)| event).collect()
    }

    /// Whether an epoch comes that the database does not know, of a pool that it knows.
    pub fn has_branch(&self, by_pool: &ByPool<'_>) -> bool {
        let (positions, none) = (self.positions_of(by_pool), BTreeSet::new());
        let mut events = by_pool.with(&positions);
        events.any(|(e, p)| matches!(self.standing(e, *p, &none), Standing::Branch))
    }

    /// Something that a person should know of the event.
    pub(super) fn incident(&mut self, kind: &'static str, event: &Event, units: i64, detail: String) {
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
