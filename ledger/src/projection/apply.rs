//! One event is applied to the rows of its batch.

use std::collections::hash_map::Entry;

use super::branch::Past;
use super::notice::Notice;
use super::order_lines::OrderLine;
use super::rows::{HeldLine, Projection, Standing};
use super::tokens::Token;
use crate::event::{Event, Kind};

impl Projection {
    /// Applies one event. `before` is the entry that stands directly before it in the stream, of
    /// the same pool: its number and `out`, where known. `past` is Redis's answer to
    /// [`Projection::question`].
    pub fn apply(&mut self, event: &Event, before: Option<(i64, i64)>, past: Past) {
        if self.apply_next(event) {
            return;
        }
        if let Some(base) = self.find_base(event, before, past) {
            self.count(event, base);
        }
    }

    /// Applies an event that is the change after the last one of its pool, as nearly all are.
    /// False: it is something else, and nothing was done.
    pub fn apply_next(&mut self, event: &Event) -> bool {
        let base = self.step(event);
        if let Some(base) = base {
            self.count(event, base);
        }
        base.is_some()
    }

    /// Counts what an event moved since `out` was `base`.
    fn count(&mut self, event: &Event, base: i64) {
        self.applied += u64::from(event.kind != Kind::State);
        if !self.moved.contains(&event.pool) {
            self.moved.insert(event.pool.clone());
        }
        let gone = event.out - base;
        let repeated = self.recognise(event);
        let credit = match event.kind {
            Kind::Added | Kind::Transferred => -repeated.unwrap_or(0),
            _ => self.write_line(event, gone, repeated),
        };
        // What had been booked in a history that Redis has lost since, all of it, is only repeated.
        let is_repeated = credit != 0 && credit.abs() == event.qty;
        if self.notify && !is_repeated {
            self.notices.extend(Notice::of(event));
        }
        self.take(event, gone - credit);
    }

    /// The change after the last one of its pool, as nearly all are: moves the position, and
    /// answers the `out` from which the event's counts. None: it is something else.
    fn step(&mut self, event: &Event) -> Option<i64> {
        let position = self.positions.get_mut(&event.pool)?;
        if event.seq != position.seq + 1 || event.kind == Kind::State || event.epoch != position.epoch {
            return None;
        }
        let base = position.out;
        position.seq = event.seq;
        position.out = event.out;
        Some(base)
    }

    /// The same for whatever comes. None: the event is old.
    fn find_base(&mut self, event: &Event, before: Option<(i64, i64)>, past: Past) -> Option<i64> {
        let old = self.positions.get(&event.pool).cloned();
        let standing = self.standing(event, old.as_ref(), &self.entered);
        let base = match (standing, &old) {
            (Standing::Old, _) => return None,
            (Standing::Next, Some(position)) => self.follow(event, position),
            (Standing::Branch, Some(position)) => match self.branch(event, position, before, past) {
                Some(base) => base,
                None => {
                    // So that the rest of that epoch is known as old without asking.
                    self.entered.insert((event.pool.clone(), event.epoch.clone()));
                    return None;
                }
            },
            _ => self.join(event),
        };
        let known = old.as_ref().is_some_and(|p| p.epoch == event.epoch);
        if !known {
            self.entered.insert((event.pool.clone(), event.epoch.clone()));
        }
        let position = self.positions.entry(event.pool.clone()).or_default();
        position.epoch.clone_from(&event.epoch);
        position.seq = event.seq;
        position.out = event.out;
        Some(base)
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

    /// Lets the order's line follow the event (see [`OrderLine::follow`]). Answers how many units
    /// of it the database had counted already.
    fn write_line(&mut self, event: &Event, gone: i64, repeated: Option<i64>) -> i64 {
        let Some(order) = &event.order else { return 0 };
        match self.lines.entry((event.pool.clone(), order.clone())) {
            Entry::Occupied(mut held) => {
                let held = held.get_mut();
                held.is_touched = true;
                held.line.follow(event, gone, false, repeated)
            }
            Entry::Vacant(vacant) => {
                let mut line = OrderLine::unknown(event);
                let credit = line.follow(event, gone, true, repeated);
                vacant.insert(HeldLine { line, is_known: false, is_touched: true });
                credit
            }
        }
    }

    /// Remembers the event's call. Answers what was counted for it before, in a history that
    /// Redis has lost since; `None` where the call has no token.
    fn recognise(&mut self, event: &Event) -> Option<i64> {
        let key = event.token_key()?;
        let token = Token { units: event.qty, lost: false, epoch: event.epoch.clone(), seq: event.seq };
        self.changed_tokens.insert(key.clone());
        let old = self.tokens.insert(key, token).filter(|old| old.lost);
        event.token.as_ref().map(|_| old.map_or(0, |old| old.units))
    }
}
