//! What can be done to a pool, one operation per file. `decide` reads only and gives a change or a
//! refusal; `apply` makes the change and cannot fail. Both sides of replication run the same
//! `apply`.

pub mod add;
pub mod allocate;
pub mod amend;
pub mod confirm;
pub mod credit;
pub mod expire;
pub mod extend;
pub mod limit;
mod order_row;
pub mod policy;
pub mod purge;
pub mod reconcile;
pub mod recount;
pub mod release;
pub mod replace;
pub mod reserve;
pub mod return_units;
pub mod roll;
pub mod schedule;
pub mod set;
pub mod shift;
pub mod split;
pub mod suspend;
pub mod transfer;

use crate::core::model::number::OrderRow;
use crate::core::model::order::{Extra, NewOrder};
use crate::core::model::pool::Pool;

/// Loading: puts an order that was checked into its tables, and returns its row. The index is made
/// when all orders are there.
pub fn restore_order(pool: &mut Pool, order: &NewOrder<'_>) -> OrderRow {
    order_row::store(pool, order)
}

/// Loading: sets the rare fields of an order, which are stored outside its row.
pub fn restore_extra(pool: &mut Pool, row: OrderRow, change: impl FnOnce(&mut Extra)) {
    order_row::with_extra(pool, row, change);
}
