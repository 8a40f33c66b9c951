//! Loading: values that may have several usages, of which the newest is indexed.

use std::collections::BTreeMap;

use super::damage::Damage;
use super::wire::Read;
use crate::core::model::hash::Salt;
use crate::core::model::ids::Bytes;
use crate::core::model::number::{LimitId, Number, UsageRow};
use crate::core::model::window::Window;
use crate::core::store::bulk::Bulk;
use crate::core::store::usage::Usage;

/// The newest usage of each (limit, value): of rolling windows, and of limits that are gone.
#[derive(Clone, Debug, Default)]
pub struct Newest {
    rows: BTreeMap<(LimitId, Bytes), UsageRow>,
}

impl Newest {
    /// One more usage of a value: the older ones hang on it. `window`: that of its limit, where it
    /// is still there.
    ///
    /// # Errors
    /// [`Damage`]: it begins where no sub-window does, is not younger than the one before, or is so
    /// much younger that both cannot count.
    pub fn add(&mut self, usage: &mut Usage, of: (LimitId, Bytes), row: UsageRow, window: Option<Window>) -> Read<()> {
        let began_ms = |row: UsageRow| usage.entries.counts(row).map_or(0, |(window_ms, _)| window_ms);
        if window.is_some_and(|window| window.counted(began_ms(row)).0 != began_ms(row)) {
            return Err(Damage("a sub-window of a rolling window begins elsewhere"));
        }
        let Some(older) = self.rows.insert(of, row) else { return Ok(()) };
        if began_ms(older) >= began_ms(row) {
            return Err(Damage("duplicate usage"));
        }
        if let Some(since_ms) = window.and_then(|window| window.rolling_since_ms(began_ms(row))) {
            if usage.sub_windows(Some(older), i64::MIN).any(|(_, window_ms, _)| window_ms < since_ms) {
                return Err(Damage("a sub-window of a rolling window is beyond its span"));
            }
        }
        usage.chain(row, older);
        Ok(())
    }

    /// Adds them to what will be indexed.
    pub fn index(self, salt: Salt, bulk: &mut Bulk) {
        for ((limit, value), row) in self.rows {
            bulk.add(salt.usage(limit, value.as_slice()), row.get());
        }
    }

    /// The bytes taken, about.
    pub fn bytes(&self) -> usize {
        self.rows.len().saturating_mul(64)
    }
}
