//! Notices: what the program that keeps the orders should hear of.

use super::order_lines::State;
use crate::event::{Event, Kind};

/// What became of an order in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The pool.
    pub pool: String,
    /// The order.
    pub order: String,
    /// Paid (`Confirmed`), `Expired`, `Released` or `Returned`: what happened, also where only a
    /// part came back.
    pub state: State,
    /// Units that were paid or came back; of a hold that ended, those that it held.
    pub qty: i64,
    /// The history in which `seq` counts; empty where an audit found it.
    pub epoch: String,
    /// The number of the change.
    pub seq: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Notice {
    /// What the order's program should hear of an event, if anything.
    pub(super) fn of(event: &Event) -> Option<Notice> {
        let state = match event.kind {
            Kind::Confirmed | Kind::Late => State::Confirmed,
            Kind::Returned => State::Returned,
            Kind::Expired => State::Expired,
            Kind::Released | Kind::Cancelled => State::Released,
            _ => return None,
        };
        Some(Notice {
            pool: event.pool.clone(),
            order: event.order.clone()?,
            state,
            qty: event.qty,
            epoch: event.epoch.clone(),
            seq: event.seq,
            at_ms: event.at_ms,
        })
    }
}
