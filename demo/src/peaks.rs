//! The independent count: how many units were surely out at the same time, of a pool and of each
//! value of each limit.
//!
//! Nobody outside the server knows the moment at which it took or gave back units. But an order
//! surely holds them from the answer to its RESERVE until the call that gives them back goes out,
//! or until its deadline at the earliest. The largest number of units in such spans at one moment
//! is a lower bound of what the server had granted at that moment: where it is above a max, the max
//! was broken.

use std::collections::HashMap;

use crate::log::{End, Entry};
use crate::scenario::{Scenario, LIMITS};

#[derive(Clone, Copy)]
pub struct Span {
    from: u64,
    until: u64,
    share: i64,
}

/// All spans of one pool, or of one limit and value.
#[derive(Default)]
pub struct Track(Vec<Span>);

impl Track {
    fn add(&mut self, from: u64, until: u64, share: i64) {
        if from < until && share > 0 {
            self.0.push(Span { from, until, share });
        }
    }

    /// The most that was out at one moment.
    pub fn peak(&self) -> i64 {
        let mut steps: Vec<(u64, i64)> =
            self.0.iter().flat_map(|span| [(span.from, span.share), (span.until, -span.share)]).collect();
        // What is given back at a moment is given back before something else is taken: negative
        // steps sort first.
        steps.sort_unstable();
        let (mut now, mut most) = (0, 0);
        for (_, step) in steps {
            now += step;
            most = most.max(now);
        }
        most
    }

    /// What is out for good.
    pub fn rest(&self) -> i64 {
        self.0.iter().filter(|span| span.until == u64::MAX).map(|span| span.share).sum()
    }
}

/// Key: pool, index of the limit, value.
pub type PerValue = HashMap<(u32, usize, u32), Track>;

pub fn per_pool(sale: &Scenario, entries: &[Entry]) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    tracks.resize_with(sale.pools.len(), Track::default);
    for entry in entries {
        let order = &sale.orders[entry.order as usize];
        add_units(&mut tracks[order.pool as usize], entry, order.qty);
    }
    tracks
}

pub fn per_value(sale: &Scenario, entries: &[Entry]) -> PerValue {
    let mut tracks = PerValue::new();
    for entry in entries {
        let order = &sale.orders[entry.order as usize];
        for (at, rule) in LIMITS.iter().enumerate() {
            let track = tracks.entry((order.pool, at, order.who[rule.dim])).or_default();
            if !rule.orders {
                add_units(track, entry, order.qty);
            } else if let Some(from) = entry.from {
                // An order counts until its last unit is back.
                let partly = matches!(entry.end, End::Returned(units) if units < order.qty);
                track.add(from, if partly { u64::MAX } else { entry.until }, 1);
            }
        }
    }
    tracks
}

fn add_units(track: &mut Track, entry: &Entry, qty: i64) {
    let Some(from) = entry.from else { return };
    let moved = if let End::Returned(units) = entry.end { units } else { qty };
    track.add(from, entry.until, moved);
    track.add(from, u64::MAX, qty - moved);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Click, Order, Plan, Pool};

    #[test]
    fn a_unit_that_came_back_may_be_taken_at_that_moment() {
        let mut track = Track::default();
        track.add(10, 20, 2);
        track.add(20, u64::MAX, 2);
        assert_eq!((track.peak(), track.rest()), (2, 2));
        track.add(19, 21, 1);
        assert_eq!((track.peak(), track.rest()), (3, 2));
    }

    #[test]
    fn an_order_counts_until_its_last_unit_is_back() {
        let pools = vec![Pool { key: "p".into(), stock: 9, max: [9, 9, 9] }];
        let plan = Plan::Return { qty: 2, token: true };
        let order = Order { id: "o".into(), pool: 0, qty: 3, who: [7, 8], plan, click: Click::Once, tries: 0 };
        let sale = Scenario { title: String::new(), dims: ["user", "region"], pools, orders: vec![order] };
        let entry = Entry { from: Some(5), until: 9, end: End::Returned(2), ..Entry::new(0) };
        let tracks = per_value(&sale, &[entry]);
        let of = |rule: usize, value: u32| tracks.get(&(0, rule, value)).map(|track| (track.peak(), track.rest()));
        assert_eq!([of(0, 7), of(1, 8), of(2, 7)], [Some((3, 1)), Some((3, 1)), Some((1, 1))]);
    }

    #[test]
    fn spans_without_length_do_not_count() {
        let mut track = Track::default();
        track.add(10, 10, 5);
        track.add(11, 10, 5);
        assert_eq!((track.peak(), track.rest()), (0, 0));
    }
}
