//! VERIFY must find what is wrong: each fault below is put into a consistent pool, and must be
//! reported.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may end here")]

use super::verify;
use crate::core::apply::apply;
use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, LimitSet, OnHand, OrderChange, PoolChange};
use crate::core::model::context::CallContext;
use crate::core::model::ids::Bytes;
use crate::core::model::limit::{Cap, Count, Identity, Missing};
use crate::core::model::number::{LimitId, Number, OrderRow, UsageRow};
use crate::core::model::order::OrderState;
use crate::core::model::pool::{Pool, Stamp};
use crate::core::model::shifts::{Lane, Totals};
use crate::core::model::usage::EntryState;
use crate::core::model::usage::UsageCounts;
use crate::core::model::view::View;
use crate::core::model::window::Window;
use crate::core::ops::reserve;
use crate::core::store::list::Linked;

const STAMP: Stamp = Stamp { now_ms: 1_000, promotion: 1, new_epoch: None };

fn context() -> CallContext {
    let mut context = CallContext::default();
    context.clock.now_ms = STAMP.now_ms;
    context
}

fn reserve(pool: &mut Pool, order: &str, qty: i64) {
    let mut attributes = Attributes::default();
    attributes.add(b"user", b"u").expect("one");
    let hold = reserve::Hold::For(60_000);
    let call =
        reserve::Reserve { order: order.as_bytes(), qty, hold, partial: false, attributes: &attributes, message: None };
    let change = reserve::decide(&View::of_write(pool, context()), call).expect("there is enough");
    apply(pool, &STAMP, &change);
}

fn pool() -> Pool {
    let mut pool = Pool::new(7);
    apply(&mut pool, &STAMP, &Change::Pool(PoolChange::Created { salt: 7, on_hand: OnHand::Units(100) }));
    let identity = Identity {
        dims: [b"user".as_slice()].map(crate::core::model::ids::Bytes::new).into_iter().collect(),
        window: Window::Day,
        count: Count::Units,
    };
    let limit = LimitSet {
        identity,
        tz: Some(crate::core::model::zone::Tz::UTC),
        missing: Some(Missing::Refuse),
        pattern: None,
        cap: Cap::At(50),
    };
    apply(&mut pool, &STAMP, &Change::Pool(PoolChange::LimitSet(Box::new(limit))));
    for (order, qty) in [("held", 1), ("held too", 2), ("paid", 3), ("back", 4), ("given up", 5)] {
        reserve(&mut pool, order, qty);
    }
    for (order, qty) in [("paid", 3), ("back", 4)] {
        let order = pool.order_ref(order.as_bytes());
        apply(&mut pool, &STAMP, &Change::Order(order, OrderChange::Confirmed { qty, forget_ms: 90_000 }));
    }
    let content = crate::core::model::order::ReturnContent { qty: 4, keep_usage: false, no_restock: false };
    let order = pool.order_ref(b"back");
    apply(
        &mut pool,
        &STAMP,
        &Change::Order(order, OrderChange::Returned { token: Some(b"t"), content, forget_ms: 91_000 }),
    );
    let order = pool.order_ref(b"given up");
    apply(&mut pool, &STAMP, &Change::Order(order, OrderChange::Released { forget_ms: 50_000 }));
    apply(&mut pool, &STAMP, &Change::Pool(PoolChange::Added { delta: 5, token: Some((b"restock", 90_000)) }));
    pool
}

/// The record of an order.
fn row(pool: &Pool, order: &str) -> OrderRow {
    pool.order_ref(order.as_bytes()).row.expect("it is known")
}

/// The entry in which the user's units are counted.
fn entry(pool: &Pool) -> UsageRow {
    pool.placed.orders.at(row(pool, "held")).shares.iter().next().expect("it counts")
}

#[test]
fn a_pool_that_is_right_has_no_differences() {
    assert_eq!(verify(&pool()), Vec::<String>::new());
}

#[test]
fn each_lie_is_found() {
    type Lie = (&'static str, fn(&mut Pool));
    let lies: &[Lie] = &[
        ("reserved is 4, should be 3", |p| p.reserved = 4),
        ("sold is 2, should be 3", |p| p.sold = 2),
        ("the count of reserved orders is 1, should be 2", |p| p.counts[0] = 1),
        ("an order being returned", |p| {
            let at = row(p, "back");
            p.placed.orders.with_extra(at, |extra| extra.returned = 3);
        }),
        ("the list of holds holds an order that is confirmed", |p| {
            let at = row(p, "held");
            let links = p.placed.orders.links(at);
            p.placed.orders.set_state(at, OrderState::Confirmed, 5, links);
        }),
        ("the list of finished orders is not in order of time", |p| {
            let (at, time_ms) = (row(p, "given up"), 95_000);
            let links = p.placed.orders.links(at);
            p.placed.orders.set_state(at, OrderState::Released, time_ms, links);
        }),
        ("the list of holds names an order that is not there", |p| {
            let at = row(p, "held");
            p.placed.orders.remove(at);
        }),
        ("the number of listed orders is 4, should be 5", |p| {
            let at = row(p, "held");
            let placed = &mut *p.placed;
            placed.holds.remove(&mut placed.orders, at);
        }),
        ("the index of an order", |p| {
            let (at, hash) = (row(p, "held"), p.salt.order(b"held"));
            p.placed.index.remove(hash, at.get());
        }),
        ("the number of indexed orders is 6, should be 5", |p| {
            let at = row(p, "held");
            p.placed.index.insert(p.salt.order(b"another"), at.get());
        }),
        ("the orders of a usage is 4, should be 5", |p| {
            let (at, used) = (entry(p), 6);
            p.usage.entries.set_counts(at, UsageCounts { used, refs: 4 });
        }),
        ("a usage is 2, its open holds alone are 3", |p| {
            let at = entry(p);
            p.usage.entries.set_counts(at, UsageCounts { used: 2, refs: 5 });
        }),
        ("usage is in a list of others", |p| {
            let at = entry(p);
            p.usage.entries.set_state(at, EntryState::Detached);
        }),
        ("the number of listed usages is 0, should be 1", |p| {
            p.limits[0].entries = crate::core::store::timeline::Timeline::default();
        }),
        ("the index of a usage", |p| {
            p.usage.restore_index(crate::core::store::bulk::Bulk::default()).expect("an empty one")
        }),
        ("a limit is newer than the pool", |p| p.next_limit = LimitId::of(1)),
        ("the quotas of a limit that shifted being right", |p| p.limits[0].shift_quota(&Bytes::new(b"u"), 1)),
        ("a shift that shifted nothing is kept", |p| p.shifts = Some(Box::default())),
        ("the sum of what shifted is out of bounds", |p| {
            let totals = Totals { received: 1 << 60, ..Totals::default() };
            let lane = Lane { peer: Bytes::new(b"peer"), quota: None };
            p.shifts.get_or_insert_default().set(lane, totals);
        }),
        ("duplicate limit", |p| {
            let mut again = p.limits[0].clone();
            again.id = LimitId::of(2);
            again.entries = crate::core::store::timeline::Timeline::default();
            p.limits.push(again);
            p.next_limit = LimitId::of(3);
        }),
    ];
    for (found, lie) in lies {
        let mut pool = pool();
        lie(&mut pool);
        let lines = verify(&pool);
        assert!(lines.iter().any(|line| line.contains(found)), "{found}: {lines:?}");
    }
}

#[test]
fn a_report_is_bounded() {
    let mut pool = pool();
    for n in 0..150 {
        cancel(&mut pool, n);
    }
    pool.placed.index = crate::core::store::index::Index::default();
    assert_eq!(verify(&pool).len(), 100);
}

/// One more order, cancelled before it came.
fn cancel(pool: &mut Pool, n: usize) {
    let id = format!("more {n}");
    let order = pool.order_ref(id.as_bytes());
    apply(pool, &STAMP, &Change::Order(order, OrderChange::Cancelled { forget_ms: 90_000 }));
}
