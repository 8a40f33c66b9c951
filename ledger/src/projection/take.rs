//! Units leave a stock row, or come back.

use std::collections::HashMap;

use super::rows::Projection;
use super::stock_row::{split, Movement, NO_ROW};
use crate::event::Event;

/// The pool under which the row of this one stands: the first bucket of its row, or itself.
pub fn first_of<'a>(buckets: &'a HashMap<String, Vec<String>>, pool: &'a str) -> &'a str {
    buckets.get(pool).and_then(|all| all.first()).map_or(pool, String::as_str)
}

impl Projection {
    /// As [`first_of`].
    pub fn row_name<'a>(&'a self, pool: &'a str) -> &'a str {
        first_of(&self.buckets, pool)
    }

    /// What the other buckets of a row owe it, this one owes from now on: whatever arrives in the
    /// row covers it.
    fn take_over(&mut self, pool: &str) {
        let Some(all) = self.buckets.get(pool) else { return };
        if !all.first().is_some_and(|first| self.stock_rows.contains_key(first)) {
            return;
        }
        let mut owed = 0i64;
        for other in all.iter().filter(|other| *other != pool) {
            let Some(position) = self.positions.get_mut(other).filter(|p| p.uncovered != 0) else { continue };
            owed = owed.saturating_add(std::mem::take(&mut position.uncovered));
            self.moved.insert(other.clone());
        }
        if let Some(position) = self.positions.get_mut(pool) {
            position.uncovered = position.uncovered.saturating_add(owed);
        }
    }

    /// Takes `units` out of the stock row (negative: puts them back).
    pub(super) fn take(&mut self, event: &Event, units: i64) {
        // As most events do: nothing moves, and nothing is owed.
        if units == 0 && self.buckets.is_empty() && self.positions.get(&event.pool).is_some_and(|p| p.uncovered == 0) {
            return;
        }
        self.take_over(&event.pool);
        let row = first_of(&self.buckets, &event.pool);
        let Some(position) = self.positions.get_mut(&event.pool) else { return };
        let before = position.uncovered;
        match self.stock_rows.get_mut(row) {
            // What could not be written before is made up for: what is owed as far as the stock row
            // goes, what came back at once.
            Some(stock_row) if units != 0 || before < 0 || (before > 0 && stock_row.quantity > 0) => {
                (stock_row.quantity, position.uncovered) =
                    split(stock_row.quantity.saturating_sub(before).saturating_sub(units), self.negative);
                if self.owing.contains(&event.pool) {
                    self.settled.insert(event.pool.clone());
                }
            }
            Some(_) => {}
            // An unlimited pool has no stock row, and needs none. Nor has one whose key stands for
            // no row.
            None if event.unlimited || self.no_stock_row.contains(&event.pool) => {}
            None => {
                position.uncovered += units;
                if units != 0 {
                    self.pending.push(Movement {
                        pool: event.pool.clone(),
                        order: event.order.clone().unwrap_or_default(),
                        units,
                        epoch: event.epoch.clone(),
                        seq: event.seq,
                        at_ms: event.at_ms,
                    });
                }
            }
        }
        let grown = position.uncovered - before;
        // Of a row that cannot be written the first time is told; the sum stands in its position.
        let is_known = before > 0 && self.unfit.contains_key(row);
        if grown > 0 && !is_known {
            let why = match (self.stock_rows.contains_key(row), self.unfit.get(row)) {
                (true, _) => "the stock row is empty",
                (false, Some(why)) => why,
                (false, None) => NO_ROW,
            };
            let detail =
                format!("{grown} paid units that the stock row cannot carry ({why}); {} in all", before + grown);
            self.incident("uncovered", event, grown, detail);
        }
    }
}
