//! When held units come back if nobody pays: sums of the open holds by deadline.

use crate::core::model::view::View;

/// The spans from now that are summed, ms.
pub const SPANS_MS: [i64; 4] = [60_000, 300_000, 900_000, 3_600_000];

/// The most holds that one call looks at.
pub const MAX_HOLDS: usize = 100_000;

/// Held units by deadline. `None`: more than the greatest number of holds lie before that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Returning {
    /// Units whose deadline lies within each of [`SPANS_MS`] from now; each includes those before.
    pub within: [Option<i64>; SPANS_MS.len()],
    /// Units whose deadline lies behind the last span.
    pub later: Option<i64>,
}

/// Sums the holds of a pool in order of deadline, and looks at no more than `max_holds` of them.
#[must_use]
pub fn returning(view: &View<'_>, max_holds: usize) -> Returning {
    let mut returning = Returning::default();
    let mut rows = view.open_holds().take(max_holds.saturating_add(1)).enumerate().peekable();
    let mut units = 0i64;
    for (sum, span_ms) in returning.within.iter_mut().zip(SPANS_MS) {
        let until_ms = view.context.clock.now_ms.saturating_add(span_ms);
        while let Some((nth, row)) = rows.peek() {
            let hold = view.pool.placed.orders.at(*row);
            if hold.time_ms > until_ms {
                break;
            }
            if *nth >= max_holds {
                return returning;
            }
            units = units.saturating_add(hold.qty);
            rows.next();
        }
        *sum = Some(units);
    }
    returning.later = Some(view.reserved().saturating_sub(units));
    returning
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::core::apply::apply;
    use crate::core::model::attributes::NONE;
    use crate::core::model::change::{Change, OnHand, OrderChange, PoolChange};
    use crate::core::model::context::CallContext;
    use crate::core::model::placement::Placement;
    use crate::core::model::pool::{Pool, Stamp};
    use crate::core::model::time::Clock;

    /// Holds of one unit, each this many seconds from now.
    fn pool(now_ms: i64, seconds: &[i64]) -> Pool {
        let mut pool = Pool::new(1);
        let stamp = Stamp { now_ms, promotion: 1, new_epoch: None };
        apply(&mut pool, &stamp, &Change::Pool(PoolChange::Created { salt: 1, on_hand: OnHand::Units(100) }));
        for (n, seconds) in seconds.iter().enumerate() {
            let id = format!("o{n}");
            let order = pool.order_ref(id.as_bytes());
            let deadline_ms = now_ms + seconds * 1_000;
            let placement = Placement { qty: 1, ..Placement::asked(&NONE, 1, false, now_ms) };
            let held = OrderChange::Reserved { placement, deadline_ms, given_up: 0 };
            apply(&mut pool, &stamp, &Change::Order(order, held));
        }
        pool
    }

    #[test]
    fn a_sum_behind_too_many_holds_is_not_known() {
        let now_ms = 1_700_000_000_000;
        let pool = pool(now_ms, &[60, 61, 300, 800, 900, 3_600, 3_601]);
        let context = CallContext { clock: Clock::at(now_ms), ..CallContext::default() };
        let view = View::of_read(&pool, context);
        let of = |max_holds| {
            let sums = returning(&view, max_holds);
            (sums.within, sums.later)
        };
        assert_eq!(of(7), ([Some(1), Some(3), Some(5), Some(6)], Some(1)));
        assert_eq!(of(6), ([Some(1), Some(3), Some(5), Some(6)], Some(1)), "the next one is later than all");
        assert_eq!(of(5), ([Some(1), Some(3), Some(5), None], None));
        assert_eq!(of(1), ([Some(1), None, None, None], None));
        assert_eq!(of(0), ([None; 4], None));
    }
}
