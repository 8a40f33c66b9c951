//! `audit`: order by order, the database against the pools.

mod classify;
mod gone;
mod repair;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{bar, table};
use crate::clock::now_ms;
use crate::config::Config;
use crate::db::Db;
use crate::failure::Failure;
use crate::projection::{Fork, OrderLine, Position};
use crate::redis_client::pools::{Ids, Order, Pool};
use crate::redis_client::RedisClient;
use crate::run::drain;

use classify::{classify, Finding, Remedy};
use snapshot::{look, Snapshot};

const PAGE: i64 = 500;
/// Orders asked in one step.
const SOME: usize = 200;
/// Orders that move while they are looked at are looked at again, so often.
const LOOKS: usize = 20;
/// Repairs are events of their own, and may show further losses.
const ROUNDS: usize = 4;
/// So close to the end of its memory an order is not judged.
const MARGIN_MS: i64 = 10_000;

/// One order that is not the same on both sides.
#[derive(Clone, Debug)]
pub struct Item {
    /// The pool.
    pub pool: String,
    /// The order.
    pub order: String,
    /// Units of the line, or of the order.
    pub units: i64,
    /// What is wrong.
    pub what: String,
    /// What was done about it, or what is to do.
    pub done: String,
    /// Whether it is settled.
    pub settled: bool,
}

/// What an audit found.
#[derive(Debug, Default)]
pub struct Report {
    /// Pools looked at.
    pub pools: u64,
    /// Orders looked at.
    pub orders: u64,
    /// Differences.
    pub items: Vec<Item>,
    /// Pools that `run` has not followed far enough.
    pub behind: Vec<String>,
    /// Pools with lost history, not settled.
    pub to_audit: BTreeSet<String>,
    /// Pools that are not in Redis any more, as it was noted before.
    pub gone: u64,
}

/// An audit in progress.
struct Audit<'a> {
    config: &'a Config,
    db: Arc<Db>,
    redis: RedisClient,
    repair: bool,
    wait: Duration,
    /// What is looked at has been looked at before, and is counted.
    is_again: bool,
    report: Report,
}

/// Audits all pools, or those named. With `repair` the feed is read to its end first and last, and
/// what is safe is put right; without it nothing is written anywhere.
pub async fn audit(config: &Config, pools: &[String], repair: bool, wait: Duration) -> Result<Report> {
    let db = Arc::new(Db::open_prepared(config).await?);
    let redis = RedisClient::open(&config.redis).await?;
    let mut audit = Audit { config, db: db.clone(), redis, repair, wait, is_again: false, report: Report::default() };
    let mut names: Option<BTreeSet<String>> = (!pools.is_empty()).then(|| pools.iter().cloned().collect());
    for _ in 0..ROUNDS {
        if repair {
            drain(config, &db).await?;
        }
        let again = audit.round(names.as_ref()).await?;
        if !repair || again.is_empty() {
            break;
        }
        names = Some(again);
        audit.is_again = true;
    }
    db.close().await;
    Ok(audit.report)
}

impl Audit<'_> {
    /// Looks at the pools. Answers those in which something was repaired: they are to be looked at
    /// again.
    async fn round(&mut self, names: Option<&BTreeSet<String>>) -> Result<BTreeSet<String>> {
        // What was repaired stays in the report; what is open is found again in the pools that are
        // looked at again.
        let again = |pool: &String| names.is_none_or(|names| names.contains(pool));
        self.report.behind.retain(|pool| !again(pool));
        self.report.to_audit.retain(|pool| !again(pool));
        self.report.items.retain(|item| item.settled || !again(&item.pool));
        self.report.gone = 0;
        let bar = bar("auditing", names.map_or(0, |n| n.len() as u64));
        let mut again = BTreeSet::new();
        let mut after = String::new();
        loop {
            let mut tx = self.db.begin().await?;
            let page: Vec<String> = match names {
                Some(names) => names
                    .range::<String, _>((std::ops::Bound::Excluded(&after), std::ops::Bound::Unbounded))
                    .take(PAGE as usize)
                    .cloned()
                    .collect(),
                None => {
                    self.db.positions_after(&mut tx, &after, PAGE).await?.into_iter().map(|(name, _)| name).collect()
                }
            };
            tx.commit().await?;
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            for snapshot in look(&mut self.redis, &page).await? {
                let name = &snapshot.name;
                if self.pool(&snapshot).await? {
                    again.insert(name.clone());
                }
            }
            if names.is_none() {
                bar.inc_length(page.len() as u64);
            }
            bar.inc(page.len() as u64);
        }
        bar.finish_and_clear();
        Ok(again)
    }

    /// One pool. Answers whether something was repaired.
    async fn pool(&mut self, snapshot: &Snapshot) -> Result<bool> {
        let name = snapshot.name.as_str();
        let mut pool = match &snapshot.pool {
            Ok(Some(pool)) => pool.clone(),
            Ok(None) => return self.gone(name, "its pool is not in Redis").await,
            Err(foreign) => return self.gone(name, &foreign.to_string()).await,
        };
        let Some(position) = self.reach(name, &pool).await? else {
            self.report.behind.push(name.to_string());
            return Ok(false);
        };
        self.report.pools += u64::from(!self.is_again);
        if position.epoch == pool.epoch && pool.seq < position.seq {
            // The first look was before the database's; the second is behind it.
            let (now, _) = self.redis.orders(name, &[]).await?;
            pool = now.unwrap_or(pool);
        }
        let mut needs_audit = position.needs_audit;
        let mut lost_after = None;
        let lost = if pool.seq < position.seq { self.went_back(name, &position).await? } else { None };
        let (mut back, mut is_noted) = (None, true);
        if let Some(seq) = lost {
            let mut tx = self.db.begin().await?;
            // Settled by an earlier audit, and nothing has happened to the pool since.
            back = self.db.has_unsettled_behind(&mut tx, name, seq).await?.then_some(seq);
            is_noted = self.db.is_settled(&mut tx, name, &position.epoch, seq + 1).await?;
            tx.commit().await?;
        }
        if let Some(seq) = back {
            needs_audit = true;
            lost_after = Some(seq);
            if self.repair {
                let mut tx = self.db.begin().await?;
                let mut positions = self.db.lock_positions(&mut tx, &BTreeSet::from([name])).await?;
                let fork = Fork { pool: name.to_string(), epoch: String::new(), from_seq: seq + 1 };
                let incident = fork.incident(&self.db.mark_lost(&mut tx, &fork).await?);
                self.db.write_incidents(&mut tx, incident.as_slice(), now_ms()).await?;
                if let Some(position) = positions.get_mut(name) {
                    position.needs_audit = true;
                    self.db.write_positions(&mut tx, &[(name, position)]).await?;
                }
                tx.commit().await?;
            }
        }
        let candidates = self.candidates(snapshot, &pool, lost_after).await?;
        let mut repaired = false;
        let mut settled = true;
        for some in candidates.chunks(SOME) {
            let (did, all) = self.settle(name, some, lost_after).await?;
            repaired |= did;
            settled &= all;
        }
        if (needs_audit || !is_noted) && self.repair && !repaired && settled {
            let mut tx = self.db.begin().await?;
            if let Some(seq) = lost {
                let now = self.db.lock_positions(&mut tx, &BTreeSet::from([name])).await?.remove(name);
                if now.is_none_or(|now| now.epoch != position.epoch || now.seq != position.seq) {
                    // It goes on: what it says now is looked at in the next round.
                    return Ok(true);
                }
                self.db.settle_behind(&mut tx, name, seq).await?;
                // The pool's next change tells of it no more, and asks for no audit.
                let fork = Fork { pool: name.to_string(), epoch: String::new(), from_seq: seq + 1 };
                let noted = (!is_noted).then(|| fork.settled(&position, pool.out));
                self.db.write_incidents(&mut tx, noted.as_slice(), now_ms()).await?;
            }
            self.db.clear_audit_mark(&mut tx, name).await?;
            tx.commit().await?;
        } else if needs_audit && !repaired {
            self.report.to_audit.insert(name.to_string());
        }
        Ok(repaired)
    }

    /// Waits until the database stands where the pool stood, or is ahead of it.
    async fn reach(&mut self, name: &str, pool: &Pool) -> Result<Option<Position>> {
        let began = Instant::now();
        loop {
            let Some(position) = self.db.position(name).await? else { return Ok(None) };
            // Made by `preload` (two changes: SET and its policy), and nothing since. Anything else
            // is in the stream.
            let nothing_moved = position.epoch.is_empty() && pool.out == 0 && pool.seq <= 2;
            if (position.epoch == pool.epoch && position.seq >= pool.seq) || nothing_moved {
                return Ok(Some(position));
            }
            if position.epoch != pool.epoch && !position.epoch.is_empty() {
                // It may have gone on in a later epoch in the meantime.
                let (now, _) = self.redis.orders(name, &[]).await?;
                if now.is_some_and(|now| now.epoch == position.epoch && now.seq <= position.seq) {
                    return Ok(Some(position));
                }
                if self.went_back(name, &position).await?.is_some() {
                    return Ok(Some(position));
                }
            }
            if began.elapsed() > self.wait {
                return Ok(None);
            }
            self.catch_up().await?;
        }
    }

    /// Where Redis stands if it went back behind the database, maybe by several epochs, and has not
    /// gone on yet.
    async fn went_back(&mut self, name: &str, position: &Position) -> Result<Option<i64>> {
        // Asked after the position was read: a pool that merely sells on is never behind it.
        let (Some(now), _) = self.redis.orders(name, &[]).await? else { return Ok(None) };
        if now.seq >= position.seq {
            return Ok(None);
        }
        let mut tx = self.db.begin().await?;
        let known = self.db.known_epochs(&mut tx, &BTreeSet::from([name])).await?;
        tx.commit().await?;
        let is_known = now.epoch == position.epoch || known.contains(&(name.to_string(), now.epoch));
        Ok(is_known.then_some(now.seq))
    }

    async fn catch_up(&self) -> Result<()> {
        if self.repair {
            drain(self.config, &self.db).await?;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }

    /// Orders that are worth a second look: those that differ at a first, careless one.
    async fn candidates(&mut self, snapshot: &Snapshot, pool: &Pool, lost_after: Option<i64>) -> Result<Vec<String>> {
        let name = snapshot.name.as_str();
        let mut candidates = BTreeSet::new();
        let shortest_ms = pool.retain_seconds.min(pool.retain_paid_seconds).saturating_mul(1000);
        let mut after = String::new();
        loop {
            let mut tx = self.db.begin().await?;
            // What the pool has forgotten its server's clock decides, not this machine's.
            let since_ms = snapshot.at_ms.saturating_sub(shortest_ms).saturating_add(MARGIN_MS);
            let lines = self.db.lines_after(&mut tx, name, &after, since_ms).await?;
            tx.commit().await?;
            let Some((last, _)) = lines.last() else { break };
            after.clone_from(last);
            self.report.orders += if self.is_again { 0 } else { lines.len() as u64 };
            let ids: Vec<&str> = lines.iter().map(|(id, _)| id.as_str()).collect();
            let (_, orders) = self.redis.orders(name, &ids).await?;
            for ((id, line), order) in lines.iter().zip(&orders) {
                if classify(Some(&marked(line, lost_after)), order.as_ref()).is_some() {
                    candidates.insert(id.clone());
                }
            }
        }
        let mut page = snapshot.orders.clone();
        loop {
            let Ids { next, ids } = page;
            let keys: Vec<(&str, &str)> = ids.iter().map(|id| (name, id.as_str())).collect();
            let mut tx = self.db.begin().await?;
            let known = self.db.lines(&mut tx, &keys).await?;
            tx.commit().await?;
            let known: BTreeSet<&str> = known.keys().map(|(_, id)| id.as_str()).collect();
            candidates.extend(ids.iter().filter(|id| !known.contains(id.as_str())).cloned());
            if next == "0" || next.is_empty() {
                return Ok(candidates.into_iter().collect());
            }
            page = self.redis.order_ids(name, &next).await?;
        }
    }

    /// Looks at orders again, until both sides were seen at one moment, and acts. Answers whether
    /// something was repaired, and whether nothing is left that a later round could repair.
    async fn settle(&mut self, name: &str, orders: &[String], lost_after: Option<i64>) -> Result<(bool, bool)> {
        let mut open: Vec<&str> = orders.iter().map(String::as_str).collect();
        let mut repaired = false;
        for _ in 0..LOOKS {
            if open.is_empty() {
                return Ok((repaired, true));
            }
            let (pool, found) = self.redis.orders(name, &open).await?;
            let Some(pool) = pool else { return Ok((repaired, true)) };
            if self.reach(name, &pool).await?.is_none() {
                self.report.behind.push(name.to_string());
                return Ok((repaired, false));
            }
            let keys: Vec<(&str, &str)> = open.iter().map(|order| (name, *order)).collect();
            let mut tx = self.db.begin().await?;
            let mut lines: HashMap<(String, String), OrderLine> = self.db.lines(&mut tx, &keys).await?;
            tx.commit().await?;
            let pairs: BTreeMap<&str, Option<Order>> = open.iter().copied().zip(found).collect();
            let mut moving = Vec::new();
            for (order, there) in pairs {
                let line = lines.remove(&(name.to_string(), order.to_string()));
                let ahead = |l: &OrderLine| {
                    l.epoch == pool.epoch && l.seq > pool.seq && lost_after.is_none_or(|seq| l.seq <= seq)
                };
                if line.as_ref().is_some_and(ahead) {
                    moving.push(order);
                    continue;
                }
                let line = line.map(|line| marked(&line, lost_after));
                if let Some(finding) = classify(line.as_ref(), there.as_ref()) {
                    repaired |= self.act(name, order, line.as_ref(), there.as_ref(), &finding).await?;
                }
            }
            open = moving;
        }
        Ok((repaired, open.is_empty()))
    }

    async fn act(
        &mut self,
        pool: &str,
        order: &str,
        line: Option<&OrderLine>,
        there: Option<&Order>,
        finding: &Finding,
    ) -> Result<bool> {
        let units = line.map(|l| l.qty).or(there.map(|o| o.qty)).unwrap_or(0);
        if !self.repair {
            if finding.remedy != Remedy::Unmark {
                self.note(pool, order, units, finding.what, repair::advice(&finding.remedy), false);
            }
            return Ok(false);
        }
        if finding.remedy == Remedy::Person {
            self.note(pool, order, units, finding.what, repair::advice(&finding.remedy), false);
            return Ok(false);
        }
        let (done, settled) = repair::repair(&self.db, &mut self.redis, pool, order, line, there, finding).await?;
        if finding.remedy != Remedy::Unmark {
            self.note(pool, order, units, finding.what, &done, settled);
        }
        // What changed the pool comes back as events, and is looked at again.
        let asked = !matches!(finding.remedy, Remedy::Unmark | Remedy::Keep | Remedy::Close | Remedy::Adopt);
        Ok(settled && asked)
    }

    fn note(&mut self, pool: &str, order: &str, units: i64, what: &str, done: &str, settled: bool) {
        let (pool, order, what, done) = (pool.to_string(), order.to_string(), what.to_string(), done.to_string());
        self.report.items.push(Item { pool, order, units, what, done, settled });
    }
}

/// A line whose last event the pool has not: its history was lost, whether it is marked already or
/// not.
fn marked(line: &OrderLine, lost_after: Option<i64>) -> OrderLine {
    let lost = lost_after.is_some_and(|seq| line.seq > seq && !line.epoch.is_empty());
    OrderLine { lost: line.lost || lost, ..line.clone() }
}

impl Report {
    /// Prints the table, and answers by the exit code.
    pub fn finish(self) -> Result<()> {
        if !self.items.is_empty() {
            let rows = self
                .items
                .iter()
                .map(|i| vec![i.pool.clone(), i.order.clone(), i.units.to_string(), i.what.clone(), i.done.clone()]);
            println!("{}", table(&["pool", "order", "units", "what differs", "what was done, or is to do"], rows));
        }
        let open = self.items.iter().filter(|i| !i.settled).count();
        let settled = self.items.len() - open;
        println!("{} pools, {} orders: {settled} differences repaired, {open} open.", self.pools, self.orders);
        if self.gone > 0 {
            println!("{} pools are not in Redis any more, as an earlier audit noted.", self.gone);
        }
        if !self.behind.is_empty() {
            let text = format!("{} pools are ahead of the database: `stock-ledger run` first", self.behind.len());
            return Err(Failure::Order(text).into());
        }
        if open > 0 || !self.to_audit.is_empty() {
            return Err(Failure::Differences(format!("{open} differences are open")).into());
        }
        Ok(())
    }
}
