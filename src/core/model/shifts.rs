//! What has shifted between a pool and its peers: the other buckets of a sharded pool.
//!
//! For each peer, and each quota of a limit, a pool keeps two totals that only grow: what it has
//! ever sent there, and what it has ever received from there. What is in flight between two pools
//! is what one has sent less what the other has received. docs/internals/sharded-pools.md

use std::collections::BTreeMap;

use crate::core::model::ids::Bytes;
use crate::core::model::limit::Identity;
use crate::core::model::quantity::sum;
use crate::core::model::shifted_quotas::ShiftedQuotas;

/// The most pairs of a peer and what shifts that a pool keeps.
pub const MAX_SHIFTS: usize = 10_000;
/// The longest name of a peer, in bytes.
pub const MAX_PEER: usize = 512;

/// Of which limit, and for which values, quota shifts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitQuota {
    /// The limit's name in answers, which follows from its identity.
    pub text: Box<str>,
    /// The limit. It may be gone, and may come back.
    pub identity: Identity,
    /// For these values of its dimensions, as a tuple.
    pub value: Bytes,
}

impl LimitQuota {
    /// The quota of a limit for these values.
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
    /// A quota of a limit; `None` = units.
    pub quota: Option<LimitQuota>,
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
    /// A quota of a limit; `None` = units.
    pub quota: Option<LimitQuota>,
    /// Which total.
    pub way: Way,
    /// The total from now on.
    pub total: i64,
    /// What is sent counted here until then, Unix ms: the time of the call, or the start of the
    /// window in which a quota was used, where that lies ahead. 0 where something is received.
    pub since_ms: i64,
}

impl Shifted<'_> {
    /// What shifts.
    #[must_use]
    pub fn lane(&self) -> Lane {
        Lane { peer: Bytes::new(self.peer), quota: self.quota.clone() }
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
    nets: Nets,
    heap_bytes: usize,
}

/// What the lanes add up to, received less sent: kept with them, so that no call goes through
/// all of them. Wide, since sums on the way to a total may lie outside of its bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Nets {
    units: i128,
    /// By the limit's text, then by values; what is 0 is not kept.
    quotas: BTreeMap<Box<str>, BTreeMap<Bytes, i128>>,
}

impl Nets {
    fn add(&mut self, quota: Option<&LimitQuota>, units: i64) {
        let Some(LimitQuota { text, value, .. }) = quota else {
            self.units = self.units.saturating_add(units.into());
            return;
        };
        let values = self.quotas.entry(text.clone()).or_default();
        let net = values.entry(value.clone()).or_default();
        *net = net.saturating_add(units.into());
        if *net == 0 {
            values.remove(value);
        }
        if values.is_empty() {
            self.quotas.remove(text);
        }
    }

    fn of(lanes: &BTreeMap<Lane, Totals>) -> Self {
        let mut nets = Self::default();
        for (lane, totals) in lanes {
            nets.add(lane.quota.as_ref(), totals.net());
        }
        nets
    }
}

/// What a lane takes on the heap, with its part of the sums.
fn heap_bytes(lane: &Lane) -> usize {
    let quota = lane.quota.as_ref().map_or(0, |quota| {
        let net = size_of::<(Bytes, i128)>().saturating_add(quota.value.heap_bytes());
        quota.text.len().saturating_add(quota.value.heap_bytes()).saturating_add(net)
    });
    lane.peer.heap_bytes().saturating_add(quota)
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
        let before = self.get(&lane).unwrap_or_default();
        self.nets.add(lane.quota.as_ref(), totals.net().saturating_sub(before.net()));
        if self.lanes.insert(lane, totals).is_none() {
            self.heap_bytes = self.heap_bytes.saturating_add(bytes);
        }
    }

    /// All lanes, by peer; units before quotas of limits.
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
        bounded(self.nets.units)
    }

    /// Received less sent of one quota, from all peers; `None` where that sum is out of bounds.
    #[must_use]
    pub fn net_quota(&self, text: &str, value: &Bytes) -> Option<i64> {
        bounded(self.nets.quotas.get(text).and_then(|values| values.get(value)).copied().unwrap_or(0))
    }

    /// What the quotas of a limit have grown by, for each value; `None` where none has shifted.
    #[must_use]
    pub fn quotas_of(&self, text: &str) -> Option<Box<ShiftedQuotas>> {
        let mut shifted = ShiftedQuotas::default();
        for (value, &net) in self.nets.quotas.get(text)? {
            shifted.add(value, i64::try_from(net).unwrap_or(i64::MAX));
        }
        Some(Box::new(shifted))
    }

    /// Whether the sums that are kept are those of the lanes. Goes through all of them.
    #[must_use]
    pub fn sums_are_right(&self) -> bool {
        self.nets == Nets::of(&self.lanes)
    }
}

fn bounded(net: i128) -> Option<i64> {
    i64::try_from(net).ok().and_then(|net| sum(net, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::limit::Count;
    use crate::core::model::window::Window;

    #[test]
    fn a_sum_that_is_not_that_of_the_lanes_is_noticed() {
        let lane = |peer: &[u8]| Lane { peer: Bytes::new(peer), quota: None };
        let mut shifts = Shifts::default();
        for (peer, received) in [(&b"a"[..], 5), (b"b", 7), (b"a", 9)] {
            shifts.set(lane(peer), Totals { received, ..Totals::default() });
        }
        assert_eq!((shifts.net_units(), shifts.sums_are_right()), (Some(16), true));
        shifts.nets.units = 15;
        assert!(!shifts.sums_are_right());
        shifts.nets = Nets::of(&shifts.lanes);
        let identity =
            Identity { dims: [Bytes::new(b"user")].into_iter().collect(), window: Window::Life, count: Count::Units };
        let quota = LimitQuota { text: "user/life/units".into(), identity, value: Bytes::new(b"u") };
        shifts.nets.add(Some(&quota), 1);
        assert!(!shifts.sums_are_right());
        // What came and went leaves nothing behind.
        shifts.nets.add(Some(&quota), -1);
        assert!(shifts.sums_are_right());
    }
}
