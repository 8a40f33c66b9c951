//! The stock row: the quantity column of the stock table.

/// A row of the stock table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockRow {
    /// What the column says now.
    pub quantity: i64,
    /// What it said when it was read.
    pub read: i64,
    /// The version that was read; 0 where the table has none.
    pub version: i64,
}

impl StockRow {
    /// A row as it was read.
    pub fn new(quantity: i64, version: i64) -> StockRow {
        StockRow { quantity, read: quantity, version }
    }

    /// Whether it must be written.
    pub fn changed(&self) -> bool {
        self.quantity != self.read
    }
}

/// Units that left a pool, or came back, and that its row could not take when it happened: there is
/// no such row, it has no number, or it does not keep what is written. Those of a pool are applied
/// in order when the row is well again. Their sum stands in the pool's `uncovered` as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The pool.
    pub pool: String,
    /// The order, or empty.
    pub order: String,
    /// Units that left; negative: that came back.
    pub units: i64,
    /// The event's epoch.
    pub epoch: String,
    /// The event's number.
    pub seq: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// Why a pool's movements wait where nothing else is known.
pub const NO_ROW: &str = "no row in the stock table";

/// Splits what is on hand into what the column carries and what it cannot.
pub fn split(on_hand: i64, negative: bool) -> (i64, i64) {
    if negative || on_hand >= 0 {
        (on_hand, 0)
    } else {
        (0, on_hand.saturating_neg())
    }
}
