//! What has shifted between a pool and its peers: the other buckets of a sharded pool.
//!
//! For each peer, and each share of a limit, a pool keeps two totals that only grow: what it has
//! ever sent there, and what it has ever received from there. What is in flight between two pools
//! is what one has sent less what the other has received. docs/internals/sharded-pools.md

use std::collections::BTreeMap;

use crate::core::model::ids::Bytes;
use crate::core::model::limit::Identity;
use crate::core::model::quantity::sum;
use crate::core::model::shifted_shares::ShiftedShares;

/// The most pairs of a peer and what shifts that a pool keeps.
pub const MAX_SHIFTS: usize = 10_000;
/// The longest name of a peer, in bytes.
pub const MAX_PEER: usize = 512;

/// Which share of a limit's `max` shifts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitShare {
    /// The limit's name in answers, which follows from its identity.
    pub text: Box<str>,
    /// The limit. It may be gone, and may come back.
    pub identity: Identity,
    /// For these values of its dimensions, as a tuple.
    pub value: Bytes,
}

impl LimitShare {
    /// The share of a limit for these values.
    #[must_use]
    pub fn new(identity: Identity, value: Bytes) -> Self {
        Self { text: identity.text().into(), identity, value }
    }
}

/// What shifts, and between which pools.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// The other pool.
    pub peer: Bytes,
    /// A share of a limit; `None` = units.
    pub share: Option<LimitShare>,
}

/// What has shifted in one lane over the life of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sent to the peer.
    pub sent: i64,
    /// Received from the peer.
    pub received: i64,
    /// From when a peer may use what was sent last, by any clock, Unix ms; 0 = nothing was sent.
    pub since_ms: i64,
}

impl Totals {
    /// Received less sent.
    #[must_use]
    pub const fn net(self) -> i64 {
        self.received.saturating_sub(self.sent)
    }
}

/// Which total of a lane grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The pool sends.
    To,
    /// The pool receives.
    From,
}

/// One total of a lane that has grown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shifted<'a> {
    /// The other pool.
    pub peer: &'a [u8],
    /// A share of a limit; `None` = units.
    pub share: Option<LimitShare>,
    /// Which total.
    pub way: Way,
    /// The total from now on.
    pub total: i64,
    /// What is sent counted here until then, Unix ms: the time of the call, or the start of the
    /// window in which a share was used, where that lies ahead. 0 where something is received.
    pub since_ms: i64,
}

impl Shifted<'_> {
    /// What shifts.
    #[must_use]
    pub fn lane(&self) -> Lane {
        Lane { peer: Bytes::new(self.peer), share: self.share.clone() }
    }

    /// The total before it.
    #[must_use]
    pub fn reached(&self, shifts: Option<&Shifts>) -> i64 {
        let totals = shifts.and_then(|shifts| shifts.get(&self.lane())).unwrap_or_default();
        match self.way {
            Way::To => totals.sent,
            Way::From => totals.received,
        }
    }

    /// What it adds to the pool: above 0 where more is received, below 0 where more is sent.
    #[must_use]
    pub fn units(&self, shifts: Option<&Shifts>) -> i64 {
        let units = self.total.saturating_sub(self.reached(shifts));
        match self.way {
            Way::To => units.saturating_neg(),
            Way::From => units,
        }
    }
}

/// All lanes of a pool.
#[derive(Clone, Debug, Default)]
pub struct Shifts {
    lanes: BTreeMap<Lane, Totals>,
    heap_bytes: usize,
}

fn heap_bytes(lane: &Lane) -> usize {
    let share = lane.share.as_ref().map_or(0, |share| share.text.len().saturating_add(share.value.heap_bytes()));
    lane.peer.heap_bytes().saturating_add(share)
}

impl Shifts {
    /// What has shifted in a lane.
    #[must_use]
    pub fn get(&self, lane: &Lane) -> Option<Totals> {
        self.lanes.get(lane).copied()
    }

    /// Sets what has shifted in a lane.
    pub fn set(&mut self, lane: Lane, totals: Totals) {
        let bytes = heap_bytes(&lane);
        if self.lanes.insert(lane, totals).is_none() {
            self.heap_bytes = self.heap_bytes.saturating_add(bytes);
        }
    }

    /// All lanes, by peer; units before shares of limits.
    pub fn iter(&self) -> impl Iterator<Item = (&Lane, Totals)> {
        self.lanes.iter().map(|(lane, &totals)| (lane, totals))
    }

    /// The last lane in that order.
    #[must_use]
    pub fn last(&self) -> Option<&Lane> {
        self.lanes.last_key_value().map(|(lane, _)| lane)
    }

    /// How many lanes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Whether nothing has shifted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The bytes taken, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lanes.len().saturating_mul(size_of::<(Lane, Totals)>().saturating_add(16)).saturating_add(self.heap_bytes)
    }

    /// Units received less units sent; `None` where that sum is out of bounds.
    #[must_use]
    pub fn net_units(&self) -> Option<i64> {
        self.net(|lane| lane.share.is_none())
    }

    /// Received less sent of one share, from all peers; `None` where that sum is out of bounds.
    #[must_use]
    pub fn net_share(&self, text: &str, value: &Bytes) -> Option<i64> {
        self.net(|lane| lane.share.as_ref().is_some_and(|share| *share.text == *text && share.value == *value))
    }

    fn net(&self, counts: impl Fn(&Lane) -> bool) -> Option<i64> {
        // Wide, since sums on the way to the total may lie outside.
        let totals = self.iter().filter(|(lane, _)| counts(lane));
        bounded(totals.fold(0i128, |net, (_, totals)| net.saturating_add(totals.net().into())))
    }

    /// What the shares of a limit have grown by, for each value; `None` where none has shifted.
    #[must_use]
    pub fn shares_of(&self, text: &str) -> Option<Box<ShiftedShares>> {
        let mut sums: BTreeMap<&Bytes, i128> = BTreeMap::new();
        for (lane, totals) in self.iter() {
            if let Some(share) = lane.share.as_ref().filter(|share| *share.text == *text) {
                let net = sums.entry(&share.value).or_default();
                *net = net.saturating_add(totals.net().into());
            }
        }
        let mut shifted = ShiftedShares::default();
        for (value, net) in sums {
            shifted.add(value, i64::try_from(net).unwrap_or(i64::MAX));
        }
        (!shifted.is_empty()).then(|| Box::new(shifted))
    }
}

fn bounded(net: i128) -> Option<i64> {
    i64::try_from(net).ok().and_then(|net| sum(net, 0))
}
