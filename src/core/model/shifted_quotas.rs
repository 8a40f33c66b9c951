//! What of one limit has shifted between a pool and its peers: follows from the pool's
//! [`crate::core::model::shifts`].

use std::collections::BTreeMap;

use crate::core::model::ids::Bytes;
use crate::core::model::quantity::sum;

/// By how much the `max` of a limit has grown for some values: what was received less what was
/// sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShiftedQuotas {
    by_value: BTreeMap<Bytes, i64>,
}

impl ShiftedQuotas {
    /// Adds to one; what is 0 is not kept.
    pub fn add(&mut self, value: &Bytes, units: i64) {
        let net = self.get(value.as_slice()).saturating_add(units);
        if net == 0 {
            self.by_value.remove(value);
        } else {
            self.by_value.insert(value.clone(), net);
        }
    }

    /// By how much it has grown for these values.
    #[must_use]
    pub fn get(&self, value: &[u8]) -> i64 {
        self.by_value.get(&Bytes::new(value)).copied().unwrap_or(0)
    }

    /// Whether each is a sum that a pool may have.
    #[must_use]
    pub fn within_bounds(&self) -> bool {
        self.by_value.values().all(|&net| sum(net, 0).is_some())
    }

    /// Whether it has grown for none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_value.is_empty()
    }
}
