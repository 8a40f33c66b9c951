//! What was begun is ended: whatever is in flight arrives, and what exists twice is taken off.

use std::collections::BTreeMap;

use crate::bucket::{Bucket, Quota};
use crate::step::{Kind, Step};

/// From one bucket to another, of what.
type Way<'a> = (&'a str, &'a str, Option<&'a Quota>);

#[derive(Clone, Copy, Default)]
struct Totals {
    sent: i64,
    received: i64,
    since_ms: i64,
}

fn totals(buckets: &[Bucket]) -> BTreeMap<Way<'_>, Totals> {
    let mut ways: BTreeMap<Way<'_>, Totals> = BTreeMap::new();
    for bucket in buckets {
        for lane in &bucket.lanes {
            let quota = lane.quota.as_ref();
            let out = ways.entry((&bucket.key, &lane.peer, quota)).or_default();
            (out.sent, out.since_ms) = (lane.sent, lane.since_ms);
            ways.entry((&lane.peer, &bucket.key, quota)).or_default().received = lane.received;
        }
    }
    // Of a bucket that was not seen nothing is known.
    ways.retain(|(from, to, _), _| buckets.iter().any(|b| b.key == *from) && buckets.iter().any(|b| b.key == *to));
    ways
}

/// The calls that end what was begun. The buckets may have been seen at different times: a call
/// that is not needed any more changes nothing.
#[must_use]
pub fn settle(buckets: &[Bucket]) -> Vec<Step> {
    let mut steps = Vec::new();
    for ((from, to, quota), Totals { sent, received, since_ms }) in totals(buckets) {
        let sending = Step {
            key: from.to_string(),
            peer: to.to_string(),
            quota: quota.cloned(),
            total: sent.max(received),
            kind: Kind::TakeOff,
        };
        if sent > received {
            steps.push(sending.second_half(since_ms));
        } else if received > sent {
            steps.push(sending);
        }
    }
    steps
}

/// Units on their way: those that have left and not arrived, and those that exist twice.
#[must_use]
pub fn in_flight(buckets: &[Bucket]) -> (i64, i64) {
    let units = totals(buckets).into_iter().filter(|((_, _, quota), _)| quota.is_none());
    units.fold((0, 0), |(on_their_way, twice), (_, totals)| {
        let open = totals.sent.saturating_sub(totals.received);
        (on_their_way.saturating_add(open.max(0)), twice.saturating_sub(open.min(0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::Lane;

    fn bucket(key: &str, lanes: &[(&str, i64, i64)]) -> Bucket {
        let lanes = lanes.iter().map(|&(peer, sent, received)| Lane {
            peer: peer.into(),
            quota: None,
            sent,
            received,
            since_ms: 0,
        });
        Bucket { key: key.into(), lanes: lanes.collect(), ..Bucket::default() }
    }

    #[test]
    fn what_is_in_flight_arrives_and_what_exists_twice_leaves() {
        let buckets = [bucket("a", &[("b", 10, 4), ("gone", 3, 0)]), bucket("b", &[("a", 1, 7)]), bucket("c", &[])];
        let steps: Vec<_> = settle(&buckets).into_iter().map(|s| (s.key, s.peer, s.total, s.kind)).collect();
        let receive = Kind::Receive { since_ms: 0 };
        assert_eq!(steps, [("b".into(), "a".into(), 10, receive), ("b".into(), "a".into(), 4, Kind::TakeOff)]);
        assert_eq!(in_flight(&buckets), (3, 3));
        assert_eq!(settle(&[bucket("a", &[("b", 5, 2)]), bucket("b", &[("a", 2, 5)])]), []);
    }
}
