//! An order as `STOCK.ORDER` and `STOCK.ORDERS … DETAILS` show it.

use super::host::Out;
use crate::core::model::number::OrderRow;
use crate::core::model::order::{Order, OrderState};
use crate::core::model::pool::Pool;

/// Replies with the map of an order.
pub fn write(out: &mut dyn Out, pool: &Pool, row: OrderRow, order: &Order<'_>, state: OrderState) {
    out.map(5);
    out.field("state").bulk(state.word().as_bytes());
    for (name, value) in [
        ("qty", order.qty),
        ("returned", order.returned()),
        ("deadline_ms", if state == OrderState::Reserved { order.time_ms } else { 0 }),
    ] {
        out.field(name).int(value);
    }
    let attributes = pool.known_attributes(row, order);
    out.field("for").map(attributes.len());
    for (name, value) in attributes {
        out.bulk(name);
        out.bulk(value);
    }
}
