//! Units of a forgotten order are taken off the usage of the limits that counted it: RETURN … LATE
//! FOR.
//!
//! The caller's word is all there is, so `used` stays what the orders explain, and what comes back
//! is kept in a side table: at most what is used, and never for a window that cannot have counted
//! the order.

use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, Credit};
use crate::core::model::limit::{Count, TupleBuf};
use crate::core::model::pool::Pool;
use crate::core::model::view::View;
use crate::core::model::window::Window;

/// Which limits get units back from an order that was forgotten; `None`: none of them.
///
/// A forgotten order was placed before the shortest retention there ever was. So a limit or a
/// window that is younger has not counted it. Limits that count orders return nothing: nobody
/// knows whether these units were all of the order.
#[must_use]
pub fn decide<'a>(view: &View<'_>, qty: i64, attributes: &'a Attributes<'a>) -> Option<Change<'a>> {
    let pool = view.pool;
    let now_ms = view.context.clock.now_ms;
    let placed_ms = now_ms.saturating_sub(pool.shortest_retain_ms);
    let mut buf = TupleBuf::new();
    let mut limits = smallvec::SmallVec::new();
    for limit in &pool.limits {
        let rolls = matches!(limit.identity.window, Window::Rolling(_));
        let counts = limit.keeps_usage() && limit.identity.count == Count::Units && !rolls;
        if !counts || limit.set_ms > placed_ms || limit.window_ms(now_ms) > placed_ms {
            continue;
        }
        let Some(tuple) = limit.tuple(attributes, &mut buf) else { continue };
        if view.usage_of(limit, tuple).0 > 0 {
            limits.push(limit.id);
        }
    }
    (!limits.is_empty()).then_some(Change::Credited(Credit { qty, attributes, limits }))
}

/// Takes them off the usage.
pub fn apply(pool: &mut Pool, credit: &Credit<'_>) {
    let mut buf = TupleBuf::new();
    for &id in &credit.limits {
        let Some(limit) = pool.limits.iter().find(|limit| limit.id == id) else { continue };
        let Some(tuple) = limit.tuple(credit.attributes, &mut buf) else { continue };
        if let Some(at) = pool.usage.find(pool.salt.usage(id, tuple), id, tuple) {
            pool.usage.add_credit(at, credit.qty);
        }
    }
}
