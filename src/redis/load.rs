//! Pools that arrive in pieces (`STOCK.LOAD`): from an append-only file without RDB preamble, or from a slot
//! import.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::core::codec::Loader;

/// A load that has got no piece for this long was abandoned by its sender.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Database and key.
type Place = (i32, Box<[u8]>);

/// The loads under way, with the time of their last piece.
pub struct Loads {
    under_way: BTreeMap<Place, (Instant, Loader)>,
}

impl Loads {
    /// None.
    pub const fn new() -> Self {
        Self { under_way: BTreeMap::new() }
    }

    /// Takes a load out, to go on with it.
    pub fn take(&mut self, db: i32, key: &[u8]) -> Option<Loader> {
        self.under_way.remove(&(db, key.into())).map(|(_, loader)| loader)
    }

    /// Puts it back, for the next piece.
    pub fn put(&mut self, db: i32, key: &[u8], loader: Loader) {
        self.under_way.insert((db, key.into()), (Instant::now(), loader));
    }

    /// Their source is gone.
    pub fn clear(&mut self) {
        self.under_way.clear();
    }

    /// Forgets what was abandoned.
    pub fn tidy(&mut self) {
        if !self.under_way.is_empty() {
            self.under_way.retain(|_, (at, _)| at.elapsed() < ABANDONED);
        }
    }
}
