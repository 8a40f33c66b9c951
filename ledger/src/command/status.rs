//! `status`: where everything stands.

use anyhow::Result;
use serde::Serialize;

use super::table;
use crate::clock::now_ms;
use crate::config::Config;
use crate::db::Db;
use crate::failure::Failure;
use crate::redis_client::streams::parts;
use crate::redis_client::RedisClient;
use crate::text::unescape;

/// Counting further than this would cost more than the number is worth.
const MOST: usize = 10_000;

/// Everything that is shown. The names are those of `--json`.
#[derive(Serialize)]
pub struct Status {
    pub(crate) streams: Vec<Stream>,
    /// By state.
    pub(crate) order_lines: serde_json::Map<String, serde_json::Value>,
    pub(crate) incidents: Vec<Kind>,
    last_incidents: Vec<Incident>,
    pub(crate) uncovered_pools: i64,
    pub(crate) uncovered_units: i64,
    /// Movements whose row of the stock table could not be written.
    pub(crate) pending_pools: i64,
    pub(crate) pending_movements: i64,
    pub(crate) pending_units: i64,
    pub(crate) unsynced_adjustments: i64,
    pub(crate) pools_to_audit: i64,
    pub(crate) outbox_waiting: i64,
    pub(crate) outbox_oldest_seconds: i64,
    /// Whether Redis answered; where it did not, nobody knows what is behind.
    pub(crate) redis: bool,
}

/// A stream that is followed.
#[derive(Serialize)]
pub struct Stream {
    pub(crate) stream: String,
    pub(crate) entry: String,
    pub(crate) applied: i64,
    /// Entries that wait, counted up to 10000; none: unknown.
    pub(crate) behind: Option<usize>,
    pub(crate) lag_ms: Option<i64>,
    /// None: never.
    pub(crate) written_seconds_ago: Option<i64>,
}

/// Incidents of a kind.
#[derive(Serialize)]
pub struct Kind {
    pub(crate) kind: String,
    pub(crate) count: i64,
    pub(crate) units: i64,
}

#[derive(Serialize)]
struct Incident {
    kind: String,
    pool: String,
    order: String,
    units: i64,
    detail: String,
    at_ms: i64,
}

/// Prints the state; with `incidents` the last ones.
///
/// # Errors
/// `Failure::Differences`: pools wait for an audit. `Failure::Unreachable`: Redis does not answer.
/// Where the database cannot be reached, its own error, of exit code 4.
pub async fn status(config: &Config, incidents: i64, json: bool) -> Result<()> {
    let db = Db::open_prepared(config).await?;
    let mut redis = RedisClient::open(&config.redis).await;
    let status = look(&db, redis.as_mut().ok(), incidents).await?;
    if json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        status.print(incidents > 0);
    }
    redis?;
    if status.pools_to_audit > 0 {
        return Err(Failure::Differences(format!("{} pools wait for an audit", status.pools_to_audit)).into());
    }
    Ok(())
}

/// Where everything stands; without Redis, what the database says.
///
/// # Errors
/// `Failure::Unreachable`: Redis, which answered before, does not any more. Where the database
/// cannot be reached, its own error, of exit code 4.
pub async fn look(db: &Db, mut redis: Option<&mut RedisClient>, incidents: i64) -> Result<Status> {
    let mut tx = db.begin().await?;
    let mut streams = Vec::new();
    for (stream, row) in db.streams(&mut tx).await? {
        let (mut behind, mut lag_ms) = (None, None);
        if let Some(redis) = &mut redis {
            let last = redis.last_id(&stream).await?.unwrap_or_default();
            let entries = redis.behind(&stream, &row.entry, MOST).await?;
            let at_end = entries == 0 && parts(&last) <= parts(&row.entry);
            lag_ms = Some(if at_end { 0 } else { redis.time_ms(&unescape(&stream)).await? - row.event_ms });
            behind = Some(entries);
        }
        let written = (row.updated_ms != 0).then(|| (now_ms() - row.updated_ms) / 1000);
        let (entry, applied) = (row.entry, row.applied);
        streams.push(Stream { stream, entry, applied, behind, lag_ms, written_seconds_ago: written });
    }
    let order_lines = db.count_lines(&mut tx).await?.into_iter().map(|(state, n)| (state, n.into())).collect();
    let counts = db.count_incidents(&mut tx).await?.into_iter();
    let last = if incidents > 0 { db.last_incidents(&mut tx, incidents).await? } else { Vec::new() };
    let (uncovered_pools, uncovered_units, pools_to_audit) = db.troubles(&mut tx).await?;
    let (pending_pools, pending) = db.count_pending(&mut tx).await?;
    let unsynced_adjustments = db.unsynced(&mut tx).await?;
    let (outbox_waiting, oldest_ms) = db.waiting_notices(&mut tx).await?;
    tx.commit().await?;
    Ok(Status {
        streams,
        order_lines,
        incidents: counts.map(|(kind, count, units)| Kind { kind, count, units }).collect(),
        last_incidents: last
            .into_iter()
            .map(|i| Incident {
                kind: i.kind,
                pool: i.pool,
                order: i.order,
                units: i.units,
                detail: i.detail,
                at_ms: i.at_ms,
            })
            .collect(),
        uncovered_pools,
        uncovered_units,
        pending_pools,
        pending_movements: pending.movements,
        pending_units: pending.units,
        unsynced_adjustments,
        pools_to_audit,
        outbox_waiting,
        outbox_oldest_seconds: if outbox_waiting > 0 { (now_ms() - oldest_ms).max(0) / 1000 } else { 0 },
        redis: redis.is_some(),
    })
}

impl Status {
    fn print(&self, with_incidents: bool) {
        let unknown = || "unknown".to_string();
        let streams = self.streams.iter().map(|s| {
            let behind = match s.behind {
                Some(n) if n >= MOST => format!("{MOST} or more"),
                Some(n) => n.to_string(),
                None => unknown(),
            };
            let lag = s.lag_ms.map_or_else(unknown, |lag_ms| format!("{:.1} s", lag_ms as f64 / 1000.0));
            let written = s.written_seconds_ago.map_or("never".to_string(), |seconds| format!("{seconds} s ago"));
            vec![s.stream.clone(), s.entry.clone(), s.applied.to_string(), behind, lag, written]
        });
        println!("{}", table(&["stream", "read up to", "events applied", "behind", "lag", "written"], streams));
        let lines = self.order_lines.iter().map(|(state, n)| vec![state.clone(), n.to_string()]);
        println!("{}", table(&["order lines", "count"], lines));
        let counts = self.incidents.iter().map(|i| vec![i.kind.clone(), i.count.to_string(), i.units.to_string()]);
        println!("{}", table(&["incidents", "count", "units"], counts));
        if with_incidents {
            let last = self
                .last_incidents
                .iter()
                .map(|i| vec![i.kind.clone(), i.pool.clone(), i.order.clone(), i.units.to_string(), i.detail.clone()]);
            println!("{}", table(&["incident", "pool", "order", "units", "what"], last));
        }
        if self.outbox_waiting > 0 {
            let (n, age_s) = (self.outbox_waiting, self.outbox_oldest_seconds);
            println!("{n} notices wait in stock_outbox, the oldest for {age_s} s.");
        }
        if self.uncovered_pools > 0 {
            let (units, pools) = (self.uncovered_units, self.uncovered_pools);
            println!("{units} paid units in {pools} pools are not covered by the stock row.");
        }
        if self.pending_pools > 0 {
            println!(
                "{} movements of {} pools ({} units of those) wait until their rows can be written: put the rows \
                 right; `run` applies them, or `stock-ledger retry`.",
                self.pending_movements, self.pending_pools, self.pending_units
            );
        }
        if self.unsynced_adjustments > 0 {
            println!(
                "{} adjustments are in the database and not in Redis: repeat them, or run `stock-ledger reconcile`.",
                self.unsynced_adjustments
            );
        }
        if self.pools_to_audit > 0 {
            println!(
                "{} pools wait for an audit (Redis lost history, or entries are missing): run `stock-ledger audit \
                 --repair`, then `stock-ledger reconcile`.",
                self.pools_to_audit
            );
        }
    }
}
