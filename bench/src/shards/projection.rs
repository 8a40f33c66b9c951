//! What more buckets than this machine has cores for would do, in virtual time: no servers, the
//! plan of the real balancer (`stock-balance`), and buyers who come unevenly.

use crate::ids;
use crate::report::Section;
use stock_balance::{bucket_of, level, Ask, Bucket, Kind};

/// Calls that a server makes in a millisecond: a round number. Only ratios come out.
const CAPACITY: f64 = 40.0;
/// A balancer looks so often when nobody asks, in ms.
const LOOK_EVERY: u64 = 100;
/// How long a round on demand takes, in ms.
const ROUND: u64 = 10;
/// Units for each bucket at the beginning.
const UNITS: i64 = 20_000;
const USERS: u64 = 1_000_000;
/// A sale that lasts longer has not been sold out, ms.
const MOST_MS: u64 = 200_000;

/// How buyers come: the share of each bucket of all calls.
#[derive(Clone, Copy)]
enum Skew {
    /// Each user as often as any other.
    Even,
    /// The k-th user comes 1/k as often as the first; buckets follow from the hash.
    Users,
    /// The k-th bucket gets 1/k^s of what the first gets, for s in tenths.
    Buckets(u32),
}

impl Skew {
    fn text(self) -> String {
        match self {
            Skew::Even => "users come evenly".into(),
            Skew::Users => "users by Zipf, s = 1".into(),
            Skew::Buckets(tenths) => format!("buckets by Zipf, s = {}", f64::from(tenths) / 10.0),
        }
    }

    fn shares(self, count: usize) -> Vec<f64> {
        let mut shares = vec![0.0; count];
        match self {
            Skew::Buckets(tenths) => {
                let s = f64::from(tenths) / 10.0;
                for (at, share) in shares.iter_mut().enumerate() {
                    *share = ((at + 1) as f64).powf(-s);
                }
            }
            Skew::Even | Skew::Users => {
                for n in 0..USERS {
                    let weight = if matches!(self, Skew::Users) { 1.0 / (n + 1) as f64 } else { 1.0 };
                    shares[bucket_of(&ids::user(n), count as u32) as usize] += weight;
                }
            }
        }
        let all: f64 = shares.iter().sum();
        shares.iter().map(|share| share / all).collect()
    }
}

/// What became of a sale.
#[derive(Debug, PartialEq)]
struct Sold {
    /// When the last unit went; none: never.
    out_ms: Option<u64>,
    units: i64,
    shifts: u64,
    /// Buyers whose bucket was empty when they came.
    asked: u64,
    /// The longest that one of them waited, ms.
    longest_ms: u64,
}

/// A sale whose busiest bucket gets four fifths of what its server can do.
fn sale(shares: &[f64], balanced: bool) -> Sold {
    let busiest = shares.iter().copied().fold(0.0, f64::max);
    let all = CAPACITY * 0.8 / busiest;
    let mut buckets: Vec<Bucket> =
        (0..shares.len()).map(|n| Bucket { key: format!("b{n}"), available: UNITS, ..Bucket::default() }).collect();
    let mut due = vec![0.0; shares.len()];
    let mut sold_before = vec![0i64; shares.len()];
    let mut sold = vec![0i64; shares.len()];
    // Who waits, since when.
    let mut waiting: Vec<(usize, u64)> = Vec::new();
    let mut found = Sold { out_ms: None, units: 0, shifts: 0, asked: 0, longest_ms: 0 };
    for now_ms in 0..MOST_MS {
        for (at, share) in shares.iter().enumerate() {
            due[at] += share * all;
            while due[at] >= 1.0 {
                due[at] -= 1.0;
                if buckets[at].available > 0 {
                    buckets[at].available -= 1;
                    sold[at] += 1;
                } else if balanced {
                    waiting.push((at, now_ms));
                    found.asked += 1;
                }
            }
        }
        let wakes = !waiting.is_empty() && now_ms % ROUND == 0;
        if balanced && (wakes || now_ms % LOOK_EVERY == 0) {
            for (at, bucket) in buckets.iter_mut().enumerate() {
                bucket.rate = (bucket.rate + sold[at] - sold_before[at]) / 2;
            }
            sold_before.clone_from(&sold);
            let asks: Vec<Ask> = waiting.iter().take(1_000).map(|&(bucket, _)| Ask { bucket, units: 1 }).collect();
            found.shifts += shift(&mut buckets, &asks);
            waiting.retain(|&(at, since_ms)| {
                let is_served = buckets[at].available > 0;
                if is_served {
                    buckets[at].available -= 1;
                    sold[at] += 1;
                    found.longest_ms = found.longest_ms.max(now_ms - since_ms + ROUND);
                }
                !is_served
            });
        }
        if buckets.iter().all(|bucket| bucket.available == 0) {
            found.out_ms = Some(now_ms + 1);
            break;
        }
    }
    found.units = sold.iter().sum();
    found
}

/// Makes the first halves that are planned, and the second ones at once.
fn shift(buckets: &mut [Bucket], asks: &[Ask]) -> u64 {
    let steps = level(buckets, asks);
    let place = |buckets: &[Bucket], key: &str| buckets.iter().position(|bucket| bucket.key == key);
    let mut shifts = 0;
    for step in steps.iter().filter(|step| step.kind == Kind::Send) {
        let (Some(from), Some(to)) = (place(buckets, &step.key), place(buckets, &step.peer)) else { continue };
        // Without lanes what was sent before is 0: the total is what shifts.
        let units = step.total.min(buckets[from].available);
        buckets[from].available -= units;
        buckets[to].available += units;
        shifts += 1;
    }
    shifts
}

/// Adds the table. `ratio`: calls per CPU second of a bucket beside one pool, as measured.
pub fn add(section: &mut Section, ratio: f64) {
    section.line(&format!(
        "Projection (no servers): {UNITS} units a bucket, buyers come so fast that the busiest bucket's \
         server is busy to four fifths. `times one pool` is what all buckets do when the busiest is full, \
         times the ratio per shard above ({ratio:.3}); the rest is a sale with the plan of the balancer, and \
         without one.\n"
    ));
    section.line(
        "| buckets | buyers | busiest bucket has | times one pool | sold out after | without a balancer \
         | shifts a second | of the buyers had to ask | longest wait |\n|---|---|---|---|---|---|---|---|---|",
    );
    for count in [4, 16, 64] {
        for skew in [Skew::Even, Skew::Users, Skew::Buckets(5), Skew::Buckets(10)] {
            let shares = skew.shares(count);
            let busiest = shares.iter().copied().fold(0.0, f64::max);
            let (with, without) = (sale(&shares, true), sale(&shares, false));
            let seconds = |out_ms: Option<u64>| match out_ms {
                Some(ms) => format!("{:.1} s", ms as f64 / 1e3),
                None => format!("not within {} s", MOST_MS / 1_000),
            };
            let length_s = with.out_ms.unwrap_or(MOST_MS) as f64 / 1e3;
            section.line(&format!(
                "| {count} | {} | {:.1} % | {:.1} | {} | {} | {:.0} | {:.2} % | {} ms |",
                skew.text(),
                busiest * 100.0,
                ratio / busiest,
                seconds(with.out_ms),
                seconds(without.out_ms),
                with.shifts as f64 / length_s,
                with.asked as f64 * 100.0 / (with.units.unsigned_abs() + with.asked).max(1) as f64,
                with.longest_ms
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_all_of_it() {
        for skew in [Skew::Even, Skew::Users, Skew::Buckets(10)] {
            let shares = skew.shares(4);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
        assert!(Skew::Even.shares(4).iter().all(|share| (share - 0.25).abs() < 0.002));
        // The first of three by 1, 1/2, 1/3.
        assert!((Skew::Buckets(10).shares(3)[0] - 6.0 / 11.0).abs() < 1e-9);
    }

    #[test]
    fn a_balanced_sale_sells_everything_and_sooner() {
        let shares = Skew::Buckets(10).shares(4);
        let (with, without) = (sale(&shares, true), sale(&shares, false));
        assert_eq!(with.units, 4 * UNITS);
        assert!(with.out_ms.expect("sold out") < without.out_ms.expect("sold out"));
        assert!(with.shifts > 0 && without.shifts == 0);
    }
}
