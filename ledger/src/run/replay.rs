//! Reading a stream from its start: what stood directly before an entry, per pool.

use std::collections::HashMap;

/// More pools than this are not remembered; of those Redis is asked.
const MOST: usize = 500_000;

/// The last entry of each pool in this replay from the start, dropped ones included.
#[derive(Default)]
pub struct Replay {
    last: HashMap<String, (i64, i64)>,
}

impl Replay {
    /// The number and `out` of the last entry of a pool before this batch.
    pub fn before(&self, pool: &str) -> Option<(i64, i64)> {
        self.last.get(pool).copied()
    }

    /// Notes the last entry of a pool in a batch.
    pub fn note(&mut self, pool: &str, last: (i64, i64)) {
        if let Some(known) = self.last.get_mut(pool) {
            *known = last;
            return;
        }
        if self.last.len() >= MOST {
            self.last.clear();
        }
        self.last.insert(pool.to_string(), last);
    }
}
