//! The attributes that a pool knows of an order.

use crate::core::model::ids::Bytes;
use crate::core::model::limit::values;
use crate::core::model::number::{OrderRow, UsageRow};
use crate::core::model::order::Order;
use crate::core::model::pool::Pool;
use crate::core::model::remembered;

impl Pool {
    /// The attributes by which limits count an order, or counted it, and those that it keeps by
    /// `remember`: sorted by name, each once. A limit that was removed since names its dimensions
    /// no more.
    #[must_use]
    pub fn known_attributes<'p>(&'p self, row: OrderRow, order: &Order<'p>) -> Vec<(&'p [u8], &'p [u8])> {
        let mut attributes = Vec::new();
        for at in order.shares.iter() {
            let Some(entry) = self.usage.entries.get(at) else { continue };
            let Some(limit) = self.limits.iter().find(|l| l.id == entry.limit) else { continue };
            let dims = &limit.identity.dims;
            attributes.extend(dims.iter().map(Bytes::as_slice).zip(values(entry.value, dims.len())));
        }
        attributes.extend(remembered::pairs(self.placed.orders.remembered(row)));
        attributes.sort_unstable();
        attributes.dedup_by_key(|(name, _)| *name);
        attributes
    }

    /// Whether an order is known to have this attribute: as [`Pool::known_attributes`] shows it.
    #[must_use]
    pub fn has_attribute(&self, row: OrderRow, order: &Order<'_>, name: &[u8], value: &[u8]) -> bool {
        let counted = |at: UsageRow| {
            let entry = self.usage.entries.get(at)?;
            let limit = self.limits.iter().find(|l| l.id == entry.limit)?;
            let dims = &limit.identity.dims;
            let index = dims.iter().position(|dim| dim.as_slice() == name)?;
            values(entry.value, dims.len()).nth(index)
        };
        order.shares.iter().any(|at| counted(at) == Some(value))
            || remembered::pairs(self.placed.orders.remembered(row)).any(|pair| pair == (name, value))
    }
}
