//! A pool goes on in an epoch that the database has not seen: where did its history leave the one
//! in the database?

use super::rows::{Fork, HeldLine, Incident, Mark, Position, Projection, Standing};
use crate::event::{Event, Kind};

/// What Redis must be asked before the first event of a new epoch is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageQuery {
    /// The pool.
    pub pool: String,
    /// The event's number.
    pub seq: i64,
    /// Where the database stands with the pool.
    pub position: Position,
    /// Its other epochs that the database knows.
    pub known: Vec<String>,
}

/// What Redis says to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Nothing: it was not asked, the pool is gone, or it counts nothing on hand.
    Unknown,
    /// The event belongs before what the database has: into the time before the ledger joined the
    /// pool.
    Older,
    /// The pool and the database have everything in common up to this change, with this `out`.
    Common {
        /// Its number.
        seq: i64,
        /// `out` after it.
        out: i64,
    },
    /// The same, and an audit has settled what the database has behind that change.
    Settled {
        /// Its number.
        seq: i64,
        /// `out` after it.
        out: i64,
    },
    /// The pool knows none of the epochs: it was deleted, and made anew.
    Foreign,
}

/// Whether the entry before it, of the same pool, is the change before it: then it tells where the
/// new epoch began. The last entry of a deleted pool can have that number by chance; its `out`
/// gives it away.
fn continues(event: &Event, (seq, out): (i64, i64)) -> bool {
    let without_restock = event.kind == Kind::Returned && event.out == out;
    seq == event.seq - 1 && (event.out - event.own_out() == out || without_restock)
}

impl Fork {
    /// That an audit has settled what the database has and Redis lost, of a pool that has not gone
    /// on since: `position` is the database's, `out` the pool's.
    pub fn settled(&self, position: &Position, out: i64) -> Incident {
        let units = position.out - out;
        let detail = format!(
            "Redis lost changes from {} on, up to {} of epoch {}, which the database has: {units} units stay out of \
             the stock row; an audit has settled it",
            self.from_seq, position.seq, position.epoch
        );
        Incident {
            kind: "fork",
            pool: self.pool.clone(),
            order: String::new(),
            epoch: position.epoch.clone(),
            seq: self.from_seq,
            units,
            detail,
        }
    }

    /// What a person should know of restocks that were lost and that nobody can know again.
    pub fn incident(&self, lost: &[i64]) -> Option<Incident> {
        let units: i64 = lost.iter().sum();
        let detail = format!(
            "Redis lost {} STOCK.ADD without a token, of {units} units in all ({}): they stay in the stock row, and \
             reconcile tells Redis; whoever adds them again adds them twice",
            lost.len(),
            lost.iter().take(20).map(i64::to_string).collect::<Vec<_>>().join(", ")
        );
        (!lost.is_empty()).then(|| Incident {
            kind: "lost",
            pool: self.pool.clone(),
            order: String::new(),
            epoch: self.epoch.clone(),
            seq: self.from_seq,
            units,
            detail,
        })
    }
}

impl Projection {
    /// What to ask of Redis before this event is applied; none: nothing.
    pub fn question(&self, event: &Event, before: Option<(i64, i64)>) -> Option<LineageQuery> {
        let position = self.positions.get(&event.pool)?;
        if !matches!(self.standing(event, Some(position), &self.entered), Standing::Branch) {
            return None;
        }
        // Beyond the position, the entry before it tells enough. Below it, it may be older than the
        // position.
        if event.seq > position.seq && before.is_some_and(|before| continues(event, before)) {
            return None;
        }
        let all = self.known_epochs.iter().chain(&self.entered);
        let known = all.filter(|(pool, epoch)| *pool == event.pool && *epoch != position.epoch);
        let known = known.map(|(_, epoch)| epoch.clone()).collect();
        Some(LineageQuery { pool: event.pool.clone(), seq: event.seq, position: position.clone(), known })
    }

    /// A new epoch: did Redis go on where the database stands, or did it lose what the database has
    /// seen? Answers the `out` from which the event's counts; none: the event is old.
    pub(super) fn branch(
        &mut self,
        event: &Event,
        position: &Position,
        before: Option<(i64, i64)>,
        past: Past,
    ) -> Option<i64> {
        if past == Past::Older {
            return None;
        }
        let before = before.filter(|before| continues(event, *before));
        if event.seq == 1 || (past == Past::Foreign && before.is_none()) {
            let detail = format!("the pool was made anew; the old one stood at change {}", position.seq);
            self.incident("recreated", event, 0, detail);
            self.needs_audit(event);
            self.leave_behind(&event.pool);
            return Some(0);
        }
        let alone = event.out - event.own_out();
        // Nothing is missing between: what there is to say of it the audit has said.
        let is_next = |seq: i64, out: i64| {
            event.seq == seq + 1 && event.kind != Kind::State && before.is_none_or(|before| before == (seq, out))
        };
        let (seq, base) = match (before, past) {
            (_, Past::Settled { seq, out }) if is_next(seq, out) => return Some(out),
            (Some(before), _) => before,
            (None, Past::Common { seq, out } | Past::Settled { seq, out }) => (seq, out),
            _ if event.seq <= position.seq => (event.seq - 1, alone),
            // Nobody can tell. Units that are on no known way come back never by a guess.
            _ => (position.seq, position.out.min(alone)),
        };
        if seq < position.seq || base != position.out {
            let (from_seq, units) = (seq + 1, position.out - base);
            let lost = match from_seq > position.seq {
                true => format!("nobody can tell what followed change {} of epoch {}", position.seq, position.epoch),
                false => format!(
                    "Redis lost changes from {from_seq} on, up to {} of epoch {}, which the database has",
                    position.seq, position.epoch
                ),
            };
            let detail = format!("{lost}: {units} units stay out of the stock row; audit, then reconcile");
            self.incident("fork", event, units, detail);
            self.needs_audit(event);
            self.lose(Fork { pool: event.pool.clone(), epoch: event.epoch.clone(), from_seq });
        } else if event.seq > position.seq + 1 || event.kind == Kind::State {
            return Some(self.follow(event, position));
        }
        Some(base)
    }

    fn needs_audit(&mut self, event: &Event) {
        if let Some(position) = self.positions.get_mut(&event.pool) {
            position.needs_audit = true;
        }
    }

    /// Marks what the database has of the lost history, in whichever epochs that was.
    fn lose(&mut self, fork: Fork) {
        for ((pool, _), HeldLine { line, .. }) in &mut self.lines {
            line.lost |= *pool == fork.pool && fork.has(&line.epoch, line.seq);
        }
        for ((pool, ..), token) in &mut self.tokens {
            token.lost |= *pool == fork.pool && fork.has(&token.epoch, token.seq);
        }
        self.marks.push(Mark::Lost(fork));
    }

    /// What the database has of a deleted pool is of no history any more: its numbers say nothing
    /// to the new pool's.
    fn leave_behind(&mut self, pool: &str) {
        self.lines.iter_mut().filter(|((of, _), _)| of == pool).for_each(|(_, held)| held.line.epoch.clear());
        self.tokens.retain(|(of, ..), _| of != pool);
        self.changed_tokens.retain(|(of, ..)| of != pool);
        self.marks.push(Mark::Gone(pool.to_string()));
    }
}
