//! What the clients were told. This log, and nothing that the server says afterwards, is what the
//! proof counts from.

use crate::scenario::RULES;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Waiting,
    SoldOut,
    Limited,
    /// A refusal whose call had been sent twice: the buyer cancels, so that a late copy takes
    /// nothing. The units are what the cancellation gave back.
    Withdrawn(i64),
    Held,
    Confirmed,
    Released,
    Expired,
    Returned(i64),
    /// The server answered what it may not; it is among the [`Faults`].
    Wrong,
}

/// What the client knows of one order, by the answers that it got.
pub struct Entry {
    pub order: u32,
    pub soldout: u32,
    pub limited: [u32; RULES],
    /// Copies of calls that were answered EXISTS, as they must be.
    pub repeats: u32,
    /// From this moment on the order surely holds its units: the answer to RESERVE is here. None
    /// where the answer was lost for so long that the hold was over.
    pub from: Option<u64>,
    /// Until this moment it surely holds them: a call that gives them back goes out, or the
    /// deadline is reached.
    pub until: u64,
    pub end: End,
}

impl Entry {
    pub fn new(order: u32) -> Self {
        let (soldout, limited, repeats) = (0, [0; RULES], 0);
        Self { order, soldout, limited, repeats, from: None, until: u64::MAX, end: End::Waiting }
    }
}

/// Answers that the contract does not allow.
#[derive(Default)]
pub struct Faults {
    pub count: u64,
    pub first: Vec<String>,
}

impl Faults {
    pub fn add(&mut self, what: String) {
        self.count += 1;
        if self.first.len() < 3 {
            self.first.push(what);
        }
    }
}

/// What all workers together bring home.
#[derive(Default)]
pub struct Outcome {
    pub entries: Vec<Entry>,
    pub calls: u64,
    pub reconnects: u64,
    pub latencies: Vec<u32>,
    pub faults: Faults,
}

impl Outcome {
    pub fn merge(&mut self, other: Outcome) {
        self.entries.extend(other.entries);
        self.calls += other.calls;
        self.reconnects += other.reconnects;
        self.latencies.extend(other.latencies);
        self.faults.count += other.faults.count;
        self.faults.first.extend(other.faults.first);
    }
}
