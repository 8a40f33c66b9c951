//! The orders of a pool, where they are found by their ids, and in order of time.

use crate::core::model::number::OrderRow;
use crate::core::store::index::Index;
use crate::core::store::orders::Orders;
use crate::core::store::timeline::Timeline;

/// All that a pool keeps of its orders.
#[derive(Clone, Debug, Default)]
pub struct PlacedOrders {
    /// The orders.
    pub orders: Orders,
    /// Their rows by the hashes of their ids.
    pub index: Index,
    /// Open holds by deadline.
    pub holds: Timeline<OrderRow>,
    /// Finished orders by when they are forgotten.
    pub finished: Timeline<OrderRow>,
}

impl PlacedOrders {
    /// The rows of open holds, by deadline.
    pub fn holds(&self) -> impl Iterator<Item = OrderRow> + '_ {
        self.holds.iter(&self.orders)
    }

    /// The rows of finished orders, by when they are forgotten.
    pub fn finished(&self) -> impl Iterator<Item = OrderRow> + '_ {
        self.finished.iter(&self.orders)
    }

    /// The bytes taken beyond this record.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.orders
            .bytes()
            .saturating_add(self.index.bytes())
            .saturating_add(self.holds.bytes())
            .saturating_add(self.finished.bytes())
    }
}
