//! Sharded pools: a row of the stock table that is sold in several pools, its buckets, each in a
//! slot of its own (docs/guides/hot-sku.md). What shifts between them is no business of the row.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{ensure, Result};
use serde::Deserialize;

use crate::text::{escape, unescape};

/// The most buckets of a row.
const MOST: u32 = 1024;

/// Which rows are sold in buckets.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Buckets {
    /// A bucket's key: `%` is the row's key, `#` the number of the bucket.
    pub key: String,
    /// The event stream of a bucket: `#` is its number.
    pub events: String,
    /// The rows, each with the number of its buckets.
    pub rows: BTreeMap<String, u32>,
}

impl Default for Buckets {
    fn default() -> Self {
        Buckets { key: "{b#}%".to_string(), events: "{b#}events".to_string(), rows: BTreeMap::new() }
    }
}

impl Buckets {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// `buckets.key needs one % …`, or `buckets.rows: … has 1 to … buckets`.
    pub fn check(&self) -> Result<()> {
        let ends = self.key.split_once('#').map(|(before, after)| (before.chars().next_back(), after.chars().next()));
        let is_plain = |c: Option<char>| c.is_none_or(|c| c != '%' && !c.is_ascii_digit());
        let one_each = self.key.matches('#').count() == 1 && self.key.matches('%').count() == 1;
        let apart = ends.is_some_and(|(before, after)| is_plain(before) && is_plain(after));
        ensure!(
            one_each && apart,
            "buckets.key needs one % for the row's key and one # for the bucket's number, no digit or % beside the #"
        );
        for (row, count) in &self.rows {
            ensure!((1..=MOST).contains(count), "buckets.rows: {row} has 1 to {MOST} buckets");
        }
        Ok(())
    }

    /// The buckets of a row, as text and in order; none: it has a pool like any other.
    pub fn of(&self, sku: &str) -> Option<Vec<String>> {
        let count = *self.rows.get(sku)?;
        Some((0..count).map(|number| self.pool(sku, number)).collect())
    }

    /// The row and the number of a bucket; none where the pool is no bucket of a row that is named.
    /// The number can be one that the row does not have.
    pub fn find(&self, pool: &str) -> Option<(String, u32)> {
        if self.rows.is_empty() {
            return None;
        }
        let key = String::from_utf8(unescape(pool)).ok()?;
        let (before, after) = self.key.split_once('#')?;
        let (number, sku) = match before.split_once('%') {
            Some((start, middle)) => {
                let rest = key.strip_prefix(start)?.strip_suffix(after)?;
                let (rest, number) = rest.split_at(rest.trim_end_matches(|c: char| c.is_ascii_digit()).len());
                (number, rest.strip_suffix(middle)?)
            }
            None => {
                let (middle, end) = after.split_once('%')?;
                let rest = key.strip_prefix(before)?;
                let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                let number = rest.strip_suffix(behind)?;
                (number, behind.strip_prefix(middle)?.strip_suffix(end)?)
            }
        };
        let number = number.parse().ok()?;
        (self.rows.contains_key(sku) && self.pool(sku, number) == pool).then(|| (sku.to_string(), number))
    }

    /// The row of which this pool is one of the buckets.
    pub fn row(&self, pool: &str) -> Option<String> {
        let (sku, number) = self.find(pool)?;
        self.has(&sku, number).then_some(sku)
    }

    /// Whether the row has a bucket of this number.
    pub fn has(&self, sku: &str, number: u32) -> bool {
        self.rows.get(sku).is_some_and(|count| number < *count)
    }

    /// All buckets of the row of which this pool is one.
    pub fn siblings(&self, pool: &str) -> Option<Vec<String>> {
        self.of(&self.row(pool)?)
    }

    /// These pools, and all that share a row with one of them.
    pub fn with_siblings(&self, pools: &BTreeSet<&str>) -> BTreeSet<String> {
        let rows: BTreeSet<String> = pools.iter().filter_map(|pool| self.row(pool)).collect();
        let siblings = rows.iter().filter_map(|sku| self.of(sku)).flatten();
        pools.iter().map(|pool| pool.to_string()).chain(siblings).collect()
    }

    /// The stream of a bucket.
    pub fn stream(&self, number: u32) -> String {
        self.events.replace('#', &number.to_string())
    }

    /// The streams of all buckets.
    pub fn streams(&self) -> BTreeSet<String> {
        let most = self.rows.values().copied().max().unwrap_or(0);
        (0..most).map(|number| self.stream(number)).collect()
    }

    fn pool(&self, sku: &str, number: u32) -> String {
        // The number first: the row's key may hold a #.
        let (before, after) = self.key.split_once('#').unwrap_or((&self.key, ""));
        let put = |part: &str| part.replacen('%', sku, 1);
        escape(format!("{}{number}{}", put(before), put(after)).as_bytes())
    }
}

/// The part of `units` that bucket `number` of `count` gets, when all get the same.
pub fn even_part(units: i64, number: usize, count: usize) -> i64 {
    let count = i64::try_from(count.max(1)).unwrap_or(i64::MAX);
    let is_first = i64::try_from(number).is_ok_and(|number| number < units.rem_euclid(count));
    units.div_euclid(count) + i64::from(is_first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(key: &str, rows: &[(&str, u32)]) -> Buckets {
        let rows = rows.iter().map(|(sku, count)| (sku.to_string(), *count)).collect();
        Buckets { key: key.to_string(), rows, ..Buckets::default() }
    }

    #[test]
    fn rows_and_buckets_find_each_other() {
        for key in ["{b#}sku:%", "sku:%{b#}", "%:{#}", "#:%", "%/#"] {
            let skus = ["618", "0", "a b", "茶", "x\\y", "7:{1}", "1/2", "#", "5{b1}"];
            let some = buckets(key, &skus.map(|sku| (sku, 12)));
            some.check().expect("valid");
            for sku in skus {
                let all = some.of(sku).expect("buckets");
                assert_eq!(all.len(), 12);
                for (number, pool) in all.iter().enumerate() {
                    assert_eq!(some.find(pool), Some((sku.to_string(), number as u32)), "{key} {pool}");
                    assert_eq!(some.siblings(pool).as_ref(), Some(&all));
                    assert_eq!(some.with_siblings(&BTreeSet::from([pool.as_str()])), all.iter().cloned().collect());
                }
            }
        }
        let some = buckets("{b#}sku:%", &[("618", 2)]);
        assert_eq!(some.of("618"), Some(vec!["{b0}sku:618".to_string(), "{b1}sku:618".to_string()]));
        assert_eq!(some.find("{b7}sku:618"), Some(("618".to_string(), 7)));
        assert_eq!(some.siblings("{b7}sku:618"), None);
        for other in ["{b0}sku:619", "sku:618", "{b}sku:618", "{b01}sku:618", "{b-1}sku:618", "{b99999999999}sku:618"] {
            assert_eq!(some.find(other), None, "{other}");
        }
        assert_eq!(some.streams().into_iter().collect::<Vec<_>>(), ["{b0}events", "{b1}events"]);
    }

    #[test]
    fn a_key_is_checked() {
        for key in ["{b#}", "%", "{b#}#%", "{b#}%%", "{b#%}", "%#", "1#:%", "#1%"] {
            assert!(buckets(key, &[]).check().is_err(), "{key}");
        }
        assert!(buckets("{b#}%", &[("618", 0)]).check().is_err());
    }

    #[test]
    fn parts_are_all_of_it() {
        for units in [0, 1, 7, 10, -3, -8] {
            for count in 1..5 {
                assert_eq!((0..count).map(|number| even_part(units, number, count)).sum::<i64>(), units);
            }
        }
        assert_eq!([0, 1, 2].map(|number| even_part(10, number, 3)), [4, 3, 3]);
    }
}
