//! Reading a stream from its start: what stood directly before an entry, per pool.

use std::collections::HashMap;

use crate::event::Event;

/// More pools than this are not remembered; of those Redis is asked.
const MOST: usize = 500_000;

/// The last entry of each pool in this replay from the start, dropped ones included.
#[derive(Default)]
pub struct Replay {
    last: HashMap<String, (i64, i64)>,
}

impl Replay {
    /// The number and `out` of the entry before this one, of the same pool.
    pub fn before(&self, event: &Event) -> Option<(i64, i64)> {
        self.last.get(&event.pool).copied()
    }

    /// Notes an entry.
    pub fn note(&mut self, event: &Event) {
        if let Some(last) = self.last.get_mut(&event.pool) {
            *last = (event.seq, event.out);
            return;
        }
        if self.last.len() >= MOST {
            self.last.clear();
        }
        self.last.insert(event.pool.clone(), (event.seq, event.out));
    }
}
