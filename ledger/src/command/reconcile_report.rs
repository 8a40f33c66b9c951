//! What `reconcile` found, and how it says so.

use std::collections::BTreeSet;

use anyhow::Result;

use super::table;
use crate::failure::Failure;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Pools that agreed.
    pub agreed: u64,
    /// Pools that did not: name, drift, what is on hand now.
    pub drifted: Vec<(String, i64, i64)>,
    /// Pools that were left alone, and why.
    pub left: Vec<(String, String)>,
    /// Pools whose rows cannot be worked with, and why.
    pub unfit: Vec<(String, String)>,
    /// Pools that must be audited first.
    pub to_audit: Vec<String>,
    /// Pools that `run` has not followed far enough.
    pub behind: Vec<String>,
    /// Pools whose last entries the stream does not have.
    pub missing: Vec<String>,
    /// Pools that Redis would not reconcile, and its answer.
    pub failed: Vec<(String, String)>,
    /// Pools that know what is in the stock row now, or have no use for it: no such pool,
    /// unlimited.
    pub synced: BTreeSet<String>,
}

impl Report {
    pub(super) fn add(&mut self, more: Report) {
        self.agreed += more.agreed;
        self.drifted.extend(more.drifted);
        self.left.extend(more.left);
        self.unfit.extend(more.unfit);
        self.to_audit.extend(more.to_audit);
        self.behind.extend(more.behind);
        self.missing.extend(more.missing);
        self.failed.extend(more.failed);
        self.synced.extend(more.synced);
    }

    /// Prints the tables, and answers by the exit code. `named`: the caller has named the pools,
    /// and none may be left alone.
    pub fn finish(self, dry_run: bool, named: bool) -> Result<()> {
        if !self.drifted.is_empty() {
            let rows = self
                .drifted
                .iter()
                .map(|(pool, drift, on_hand)| vec![pool.clone(), drift.to_string(), on_hand.to_string()]);
            let head = if dry_run { "on hand, corrected" } else { "on hand now" };
            println!("{}", table(&["pool", "drift", head], rows));
        }
        if !self.left.is_empty() {
            println!(
                "{}",
                table(&["left alone", "why"], self.left.iter().map(|(pool, why)| vec![pool.clone(), why.clone()]))
            );
        }
        let verb = if dry_run { "would be corrected" } else { "were corrected" };
        println!("{} pools agreed, {} {verb}, {} were left alone.", self.agreed, self.drifted.len(), self.left.len());
        if !self.to_audit.is_empty() {
            let text = format!(
                "{} pools wait for an audit ({}): `stock-ledger run --once`, `stock-ledger audit --repair`, then this",
                self.to_audit.len(),
                some(&self.to_audit)
            );
            return Err(Failure::Order(text).into());
        }
        if !self.behind.is_empty() {
            let text = format!(
                "{} pools ({}) have begun a history that `stock-ledger run` has not read yet: let it, then try again",
                self.behind.len(),
                some(&self.behind)
            );
            return Err(Failure::Order(text).into());
        }
        if !self.missing.is_empty() {
            let text = format!(
                "the stream lacks the last entries of {} pools ({}): `stock-ledger run --once`, \
                 `stock-ledger audit --repair`, then this",
                self.missing.len(),
                some(&self.missing)
            );
            return Err(Failure::Order(text).into());
        }
        let reasons = |found: &[(String, String)]| {
            let mut shown: Vec<String> = found.iter().take(5).map(|(pool, why)| format!("{pool}: {why}")).collect();
            shown.extend((found.len() > 5).then(|| "…".to_string()));
            shown.join("; ")
        };
        if !self.failed.is_empty() {
            let text = format!("Redis did not reconcile {} pools ({})", self.failed.len(), reasons(&self.failed));
            return Err(Failure::Differences(text).into());
        }
        if !self.unfit.is_empty() {
            let text = format!("{} pools cannot be reconciled ({})", self.unfit.len(), reasons(&self.unfit));
            return Err(Failure::Differences(text).into());
        }
        if named && !self.left.is_empty() {
            let names: Vec<String> = self.left.iter().map(|(pool, why)| format!("{pool}: {why}")).collect();
            return Err(Failure::Refused(format!("left alone: {}", some(&names))).into());
        }
        if dry_run && !self.drifted.is_empty() {
            return Err(Failure::Differences(format!("{} pools differ", self.drifted.len())).into());
        }
        Ok(())
    }
}

fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let more = if names.len() > 5 { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}
