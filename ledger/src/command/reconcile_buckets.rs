//! `reconcile` of a row that is sold in buckets: what all of them own together is compared with the
//! row. A bucket owns what was put into it, less what left it for good; shifts to other buckets
//! change nothing about that, nor does what is on its way between two of them.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;

use super::reconcile_report::Report;
use crate::buckets::even_part;
use crate::config::Config;
use crate::projection::Position;
use crate::redis_client::pools::Reconciled;
use crate::redis_client::RedisClient;

/// A bucket that can be reconciled: what the row says of all buckets, and where the database stands
/// with this one.
pub(super) type Ready<'a> = (&'a str, i64, Position);

/// What stands beside a bucket that is left alone only because of another one.
const ANOTHER: &str = "another bucket of its row cannot be reconciled now";

/// Reconciles each row of whose buckets all are ready. The others are left alone.
pub(super) async fn reconcile_rows(
    redis: &mut RedisClient,
    config: &Config,
    ready: Vec<Ready<'_>>,
    dry_run: bool,
    report: &mut Report,
) -> Result<()> {
    let mut rows: BTreeMap<String, HashMap<&str, Ready<'_>>> = BTreeMap::new();
    for bucket in ready {
        if let Some((sku, _)) = config.buckets.find(bucket.0) {
            rows.entry(sku).or_default().insert(bucket.0, bucket);
        }
    }
    for (sku, mut ready) in rows {
        let all = config.pools_of(&sku);
        let buckets: Vec<Ready<'_>> = all.iter().filter_map(|pool| ready.remove(pool.as_str())).collect();
        if buckets.len() < all.len() {
            report.left.extend(buckets.iter().map(|(pool, ..)| (pool.to_string(), ANOTHER.to_string())));
            // Redis does not know of the row what the database does.
            report.synced.retain(|pool| !all.contains(pool));
            continue;
        }
        reconcile_row(redis, &sku, &buckets, dry_run, report).await?;
    }
    Ok(())
}

async fn reconcile_row(
    redis: &mut RedisClient,
    sku: &str,
    buckets: &[Ready<'_>],
    dry_run: bool,
    report: &mut Report,
) -> Result<()> {
    // Told that nothing is left, each says by how much it would change: by all that it owns.
    let asked: Vec<(&str, i64, &Position)> = buckets.iter().map(|(pool, _, position)| (*pool, 0, position)).collect();
    let Some(found) = all_done(&asked, redis.reconcile(&asked, true).await?, report) else { return Ok(()) };
    let owned: Vec<i64> = found.iter().map(|(drift, _)| drift.saturating_neg()).collect();
    let on_hand: Vec<i64> = found.iter().map(|(drift, after)| after.saturating_sub(*drift)).collect();
    let row = buckets.first().map_or(0, |(_, row, _)| *row);
    let drift = row.saturating_sub(owned.iter().sum());
    if drift != 0 && !dry_run {
        let corrected: Vec<(&str, i64, &Position)> = corrections(drift, &on_hand)
            .into_iter()
            .zip(buckets.iter().zip(&owned))
            .filter(|(correction, _)| *correction != 0)
            .map(|(correction, ((pool, _, position), owned))| (*pool, owned.saturating_add(correction), position))
            .collect();
        if all_done(&corrected, redis.reconcile(&corrected, false).await?, report).is_none() {
            return Ok(());
        }
    }
    report.synced.extend(buckets.iter().map(|(pool, ..)| pool.to_string()));
    match drift {
        0 => report.agreed += 1,
        _ => {
            let on_hand = on_hand.iter().sum::<i64>().saturating_add(drift);
            report.drifted.push((format!("{sku} ({} buckets)", buckets.len()), drift, on_hand));
        }
    }
    Ok(())
}

/// The two numbers of each answer; none where one of them is no success: that is in the report.
fn all_done(
    asked: &[(&str, i64, &Position)],
    answers: Vec<Reconciled>,
    report: &mut Report,
) -> Option<Vec<(i64, i64)>> {
    let mut done = Vec::with_capacity(answers.len());
    for ((pool, ..), answer) in asked.iter().zip(answers) {
        match answer {
            Reconciled::Done { drift, on_hand } => done.push((drift, on_hand)),
            Reconciled::Unknown => report.failed.push((pool.to_string(), "does not know this history".to_string())),
            Reconciled::NoPool => report.failed.push((pool.to_string(), "is gone".to_string())),
            Reconciled::Other(answer) => report.failed.push((pool.to_string(), answer)),
        }
    }
    (done.len() == asked.len()).then_some(done)
}

/// By how much each bucket changes, when all together change by `drift`: what is missing is
/// divided, what is too much is taken from those that have most.
fn corrections(drift: i64, on_hand: &[i64]) -> Vec<i64> {
    let count = on_hand.len();
    if drift >= 0 {
        return (0..count).map(|number| even_part(drift, number, count)).collect();
    }
    let mut corrections = vec![0i64; count];
    let mut left = drift.saturating_neg();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|at| std::cmp::Reverse(on_hand.get(*at).copied().unwrap_or(0)));
    for at in &order {
        let units = on_hand.get(*at).copied().unwrap_or(0).clamp(0, left);
        if let Some(correction) = corrections.get_mut(*at) {
            *correction = units.saturating_neg();
            left -= units;
        }
    }
    // More than all have: one of them is short.
    if let Some(correction) = order.first().and_then(|at| corrections.get_mut(*at)) {
        *correction = correction.saturating_sub(left);
    }
    corrections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_is_all_of_the_drift() {
        assert_eq!(corrections(5, &[3, 9, 0]), [2, 2, 1]);
        assert_eq!(corrections(-5, &[3, 9, 0]), [0, -5, 0]);
        assert_eq!(corrections(-11, &[3, 9, -4]), [-2, -9, 0]);
        assert_eq!(corrections(-20, &[3, 9, -4]), [-3, -17, 0]);
        assert_eq!(corrections(0, &[3, 9]), [0, 0]);
    }
}
