//! What can be done to a pool, one operation per file. `decide` reads only and gives a change or a refusal; `apply` makes the
//! change and cannot fail. Both sides of replication run the same `apply`.

pub mod add;
pub mod amend;
pub mod confirm;
pub mod expire;
pub mod extend;
pub mod free;
pub mod give_back;
pub mod limit;
pub mod place;
pub mod policy;
pub mod reconcile;
mod record;
pub mod recount;
pub mod release;
pub mod reserve;
pub mod set;
pub mod suspend;

use crate::core::model::order::{Extra, NewOrder};
use crate::core::model::pool::Pool;

/// Loading: puts an order that was checked into its tables; the index comes later. Its record's number.
pub fn restore_order(pool: &mut Pool, order: &NewOrder<'_>) -> u32 {
    record::store(pool, order)
}

/// Loading: adds what few orders have.
pub fn restore_extra(pool: &mut Pool, slot: u32, change: impl FnOnce(&mut Extra)) {
    record::with_extra(pool, slot, change);
}
