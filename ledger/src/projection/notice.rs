//! Notices: what the program that keeps the orders should hear of.

use super::{Projection, State};
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

impl Projection {
    /// Notes what the order's program should hear of. `known`: all of it had been booked in a
    /// history that Redis has lost since, and it is only repeated.
    pub(super) fn notice(&mut self, event: &Event, known: bool) {
        let state = match event.kind {
            Kind::Confirmed | Kind::Late => State::Confirmed,
            Kind::Returned => State::Returned,
            Kind::Expired => State::Expired,
            Kind::Released | Kind::Cancelled => State::Released,
            _ => return,
        };
        let Some(order) = event.order.clone().filter(|_| self.notify && !known) else { return };
        self.notices.push(Notice {
            pool: event.pool.clone(),
            order,
            state,
            qty: event.qty,
            epoch: event.epoch.clone(),
            seq: event.seq,
            at_ms: event.at_ms,
        });
    }
}
