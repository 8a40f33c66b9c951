//! Who needs units, and from where they come.

use crate::bucket::{Bucket, Quota};
use crate::step::{Kind, Step};

/// A buyer was told SOLDOUT in a bucket, or LIMITED, and waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The place of the bucket.
    pub bucket: usize,
    /// How many units the buyer wants.
    pub units: i64,
}

/// A bucket with less than this part of what its rate deserves is filled up before it runs dry.
const LOW: i64 = 4;

/// The first halves of the shifts that make good what buckets owe, then serve the buyers who ask,
/// first come first served, and then fill up buckets that run low. What is in flight shall have
/// arrived before: [`crate::settle`]. What was sent before is in `buckets`, so two who have seen
/// the same make the same shifts, once.
#[must_use]
pub fn level(buckets: &[Bucket], asks: &[Ask]) -> Vec<Step> {
    let mut left: Vec<i64> = buckets.iter().map(|bucket| bucket.available).collect();
    let mut granted = vec![0i64; buckets.len()];
    let mut shifts = Shifts::default();
    for place in 0..left.len() {
        let owed = left.get(place).copied().unwrap_or(0).saturating_neg();
        shifts.collect(&mut left, &granted, place, owed);
    }
    for ask in asks {
        // What an earlier ask was granted is not there for this one.
        let free = |place: usize| {
            left.get(place).zip(granted.get(place)).map_or(0, |(left, granted)| left.saturating_sub(*granted).max(0))
        };
        let missing = ask.units.saturating_sub(free(ask.bucket));
        let elsewhere: i64 = (0..left.len()).filter(|&place| place != ask.bucket).map(free).sum();
        if missing > elsewhere {
            continue;
        }
        let Some(held) = granted.get_mut(ask.bucket) else { continue };
        *held = held.saturating_add(ask.units);
        if missing > 0 {
            shifts.collect(&mut left, &granted, ask.bucket, missing);
        }
    }
    fill(buckets, &mut left, &granted, &mut shifts);
    shifts.steps(buckets, None)
}

/// The first halves of the shifts that serve a buyer whom a limit has turned away, where other
/// buckets have enough of its quota left. `free`: what each has left, in the order of the buckets.
#[must_use]
pub fn gather(buckets: &[Bucket], quota: &Quota, free: &[i64], ask: Ask) -> Vec<Step> {
    let mut left: Vec<i64> = free.iter().map(|free| (*free).max(0)).collect();
    let here = left.get(ask.bucket).copied().unwrap_or(0);
    let all: i64 = left.iter().sum();
    let mut shifts = Shifts::default();
    if all >= ask.units && here < ask.units {
        let kept = vec![0; left.len()];
        shifts.collect(&mut left, &kept, ask.bucket, ask.units.saturating_sub(here));
    }
    shifts.steps(buckets, Some(quota))
}

/// Buckets that run low get what their rate deserves, from those that have more than that.
fn fill(buckets: &[Bucket], left: &mut [i64], granted: &[i64], shifts: &mut Shifts) {
    let free: i64 = left.iter().zip(granted).map(|(left, granted)| left.saturating_sub(*granted).max(0)).sum();
    // One more than the rate, so that a bucket that has sold nothing yet deserves something.
    let rates: Vec<i64> = buckets.iter().map(|bucket| bucket.rate.max(0).saturating_add(1)).collect();
    let all: i128 = rates.iter().map(|&rate| i128::from(rate)).sum();
    let deserved: Vec<i64> = rates
        .iter()
        .map(|&rate| i64::try_from(i128::from(free) * i128::from(rate) / all.max(1)).unwrap_or(0))
        .collect();
    for to in 0..buckets.len() {
        let (Some(&fair), Some(&mine), Some(&held)) = (deserved.get(to), left.get(to), granted.get(to)) else {
            continue;
        };
        let mine = mine.saturating_sub(held);
        if mine >= fair / LOW {
            continue;
        }
        // Others keep what they deserve.
        let kept: Vec<i64> = deserved.iter().zip(granted).map(|(fair, held)| fair.saturating_add(*held)).collect();
        shifts.collect(left, &kept, to, fair.saturating_sub(mine));
    }
}

/// Units from one place to another.
#[derive(Default)]
struct Shifts {
    units: std::collections::BTreeMap<(usize, usize), i64>,
}

impl Shifts {
    /// Up to so many units for one bucket, from whoever has most beyond what it keeps.
    fn collect(&mut self, left: &mut [i64], kept: &[i64], to: usize, mut missing: i64) {
        while missing > 0 {
            let spare = |from: usize| {
                let (left, kept) = (left.get(from).copied(), kept.get(from).copied());
                left.unwrap_or(0).saturating_sub(kept.unwrap_or(0))
            };
            let Some(from) = (0..left.len()).filter(|&from| from != to && spare(from) > 0).max_by_key(|&n| spare(n))
            else {
                break;
            };
            let units = spare(from).min(missing);
            for (place, units) in [(from, units.saturating_neg()), (to, units)] {
                if let Some(left) = left.get_mut(place) {
                    *left = left.saturating_add(units);
                }
            }
            missing = missing.saturating_sub(units);
            let shifted = self.units.entry((from, to)).or_default();
            *shifted = shifted.saturating_add(units);
        }
    }

    fn steps(self, buckets: &[Bucket], quota: Option<&Quota>) -> Vec<Step> {
        let steps = self.units.into_iter().filter_map(|((from, to), units)| {
            let (from, to) = (buckets.get(from)?, buckets.get(to)?);
            let total = from.sent(&to.key, quota).saturating_add(units);
            Some(Step { key: from.key.clone(), peer: to.key.clone(), quota: quota.cloned(), total, kind: Kind::Send })
        });
        steps.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(available: &[i64]) -> Vec<Bucket> {
        let bucket = |(n, &available): (usize, &i64)| Bucket { key: format!("b{n}"), available, ..Bucket::default() };
        available.iter().enumerate().map(bucket).collect()
    }

    fn told(buckets: &[Bucket], asks: &[(usize, i64)]) -> Vec<String> {
        let asks: Vec<Ask> = asks.iter().map(|&(bucket, units)| Ask { bucket, units }).collect();
        level(buckets, &asks).iter().map(|step| format!("{} {} {}", step.key, step.peer, step.total)).collect()
    }

    #[test]
    fn the_last_units_are_found() {
        assert_eq!(told(&buckets(&[1, 1, 1, 0]), &[(3, 3)]), ["b0 b3 1", "b1 b3 1", "b2 b3 1"]);
        // Not enough for anybody: nothing shifts for it.
        assert_eq!(told(&buckets(&[1, 0, 0, 0]), &[(3, 3)]), Vec::<String>::new());
        // The first who asks is served; there is no more for the second.
        assert_eq!(told(&buckets(&[2, 0, 0]), &[(1, 2), (2, 1)]), ["b0 b1 2"]);
    }

    #[test]
    fn a_bucket_is_filled_up_before_it_runs_dry() {
        assert_eq!(told(&buckets(&[100, 90, 10]), &[]), ["b0 b2 34", "b1 b2 22"]);
        assert_eq!(told(&buckets(&[100, 90, 60]), &[]), Vec::<String>::new());
        // By its rate.
        let mut fast = buckets(&[100, 50]);
        fast[1].rate = 200;
        assert_eq!(told(&fast, &[]), Vec::<String>::new());
        fast[1].available = 20;
        assert_eq!(told(&fast, &[]), ["b0 b1 99"]);
    }

    #[test]
    fn what_a_bucket_owes_is_made_good_before_anything_else_is_sold() {
        assert_eq!(told(&buckets(&[5, -3, 0]), &[(2, 1)]), ["b0 b1 3", "b0 b2 1"]);
        // Three are owed and four are there: one is left for one buyer.
        assert_eq!(told(&buckets(&[2, -3, 2]), &[(1, 1), (0, 1)]), ["b0 b1 2", "b2 b1 2"]);
        assert_eq!(told(&buckets(&[2, -3, 0]), &[(2, 1)]), ["b0 b1 2"]);
    }

    #[test]
    fn totals_go_on_from_what_was_sent() {
        let mut two = buckets(&[9, 0]);
        two[0].lanes.push(crate::bucket::Lane { peer: "b1".into(), quota: None, sent: 40, received: 3, since_ms: 9 });
        assert_eq!(told(&two, &[(1, 5)]), ["b0 b1 45"]);
    }
}
