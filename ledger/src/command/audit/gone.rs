//! A pool that is not in Redis any more: deleted, or overwritten.

use anyhow::Result;

use super::classify::{Finding, Remedy};
use super::Audit;
use crate::clock::now_ms;
use crate::projection::{Incident, OrderLine, State};

impl Audit<'_> {
    /// What is open in it is closed, and that it is gone is noted once: until `audit --repair` has
    /// taken note of it, every audit finds it. Answers false: nothing that is done here comes back
    /// as an event.
    pub(super) async fn gone(&mut self, name: &str, why: &str) -> Result<bool> {
        let mut after = String::new();
        let mut settled = true;
        loop {
            let mut tx = self.db.begin().await?;
            // Only those that are open, or marked as lost.
            let lines = self.db.lines_after(&mut tx, name, &after, i64::MAX).await?;
            tx.commit().await?;
            let Some((last, _)) = lines.last() else { break };
            after.clone_from(last);
            for (order, line) in &lines {
                self.act(name, order, Some(line), None, &classify(line)).await?;
                settled &= self.repair;
            }
        }
        let Some(position) = self.db.position(name).await? else {
            self.note(name, "", 0, why, "the ledger does not know it either", false);
            return Ok(false);
        };
        let mut tx = self.db.begin().await?;
        let noted = self.db.is_gone(&mut tx, name, &position.epoch).await?;
        if self.repair && settled {
            if position.needs_audit {
                self.db.clear_audit_mark(&mut tx, name).await?;
            }
            if !noted {
                let incident = Incident {
                    kind: "gone",
                    pool: name.to_string(),
                    order: String::new(),
                    epoch: position.epoch.clone(),
                    seq: position.seq,
                    units: 0,
                    detail: why.to_string(),
                };
                self.db.write_incidents(&mut tx, &[incident], now_ms()).await?;
            }
        } else if position.needs_audit {
            self.report.to_audit.insert(name.to_string());
        }
        tx.commit().await?;
        if noted {
            self.report.gone += 1;
        } else if self.repair {
            self.note(name, "", 0, why, "noted; `preload` makes it again", settled);
        } else {
            self.note(name, "", 0, why, "`preload` makes it again, --repair takes note", false);
        }
        Ok(false)
    }
}

fn classify(line: &OrderLine) -> Finding {
    match line.state {
        State::Reserved if line.units_taken == 0 => {
            Finding { what: "reserved here, and the pool is gone", remedy: Remedy::Close }
        }
        _ => Finding { what: "over here, and the pool is gone", remedy: Remedy::Keep },
    }
}
