//! `status`: where everything stands.

use anyhow::Result;

use super::table;
use crate::config::Config;
use crate::db::Db;
use crate::failure::Failure;
use crate::redis_client::streams::parts;
use crate::redis_client::RedisClient;
use crate::run::now_ms;
use crate::text::unescape;

/// Counting further than this would cost more than the number is worth.
const MOST: usize = 10_000;

/// Prints the state; with `incidents` the last ones.
pub async fn status(config: &Config, incidents: i64) -> Result<()> {
    let db = Db::open_prepared(config).await?;
    let mut redis = RedisClient::open(&config.redis).await;
    let mut tx = db.begin().await?;
    let mut rows = Vec::new();
    for (stream, row) in db.streams(&mut tx).await? {
        let (behind, lag) = match &mut redis {
            Ok(redis) => {
                let last = redis.last_id(&stream).await?.unwrap_or_default();
                let behind = redis.behind(&stream, &row.entry, MOST).await?;
                let at_end = behind == 0 && parts(&last) <= parts(&row.entry);
                let lag = if at_end { 0 } else { redis.time_ms(&unescape(&stream)).await? - row.event_ms };
                let behind = if behind >= MOST { format!("{MOST} or more") } else { behind.to_string() };
                (behind, format!("{:.1} s", lag as f64 / 1000.0))
            }
            Err(_) => ("unknown".to_string(), "unknown".to_string()),
        };
        let seen = if row.updated_ms == 0 {
            "never".to_string()
        } else {
            format!("{} s ago", (now_ms() - row.updated_ms) / 1000)
        };
        rows.push(vec![stream, row.entry, row.applied.to_string(), behind, lag, seen]);
    }
    println!("{}", table(&["stream", "read up to", "events applied", "behind", "lag", "written"], rows));
    let lines = db.count_lines(&mut tx).await?;
    println!("{}", table(&["order lines", "count"], lines.into_iter().map(|(s, n)| vec![s, n.to_string()])));
    let counts = db.count_incidents(&mut tx).await?;
    let counts = counts.into_iter().map(|(kind, n, units)| vec![kind, n.to_string(), units.to_string()]);
    println!("{}", table(&["incidents", "count", "units"], counts));
    if incidents > 0 {
        let last = db.last_incidents(&mut tx, incidents).await?.into_iter();
        let last = last.map(|i| vec![i.kind, i.pool, i.order, i.units.to_string(), i.detail]);
        println!("{}", table(&["incident", "pool", "order", "units", "what"], last));
    }
    let (pools, units, to_audit) = db.troubles(&mut tx).await?;
    let unsynced = db.unsynced(&mut tx).await?;
    tx.commit().await?;
    if pools > 0 {
        println!("{units} paid units in {pools} pools are not covered by the stock row.");
    }
    if unsynced > 0 {
        println!(
            "{unsynced} adjustments are in the database and not in Redis: repeat them, or run `stock-ledger reconcile`."
        );
    }
    if to_audit > 0 {
        println!(
            "{to_audit} pools wait for an audit (Redis lost history, or entries are missing): run `stock-ledger audit --repair`, then `stock-ledger reconcile`."
        );
    }
    match redis {
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    if to_audit > 0 {
        return Err(Failure::Differences(format!("{to_audit} pools wait for an audit")).into());
    }
    Ok(())
}
