//! `retry`: applies what waits for rows of the stock table that could not be written, now.

use anyhow::{anyhow, Result};

use super::{retried, table};
use crate::config::Config;
use crate::db::{is_contention, is_unavailable, Db};
use crate::failure::{error_chain, Failure};
use crate::run::settle;

/// Pools that are looked up at a time.
const PAGE: i64 = 500;

/// Tries all pools for which something waits, or those named.
///
/// # Errors
/// `Failure::Differences`: a row still does not take it. Where the database cannot be reached or
/// the row stays locked, its own error, of exit code 4.
pub async fn retry(config: &Config, named: &[String]) -> Result<()> {
    let db = Db::open_prepared(config).await?;
    let (mut applied, mut pools) = (0, 0u64);
    let mut left: Vec<Vec<String>> = Vec::new();
    let mut after = String::new();
    loop {
        let page = match named {
            [] => {
                let mut tx = db.begin().await?;
                let page = db.pools_pending(&mut tx, &after, PAGE).await?;
                tx.commit().await?;
                page
            }
            named => named.to_vec(),
        };
        let Some(last) = page.last() else { break };
        after.clone_from(last);
        for pool in &page {
            match retried(config, async || settle(&db, config, pool).await.map_err(hidden)).await {
                Ok(some) => {
                    applied += some;
                    pools += u64::from(some > 0);
                }
                Err(error) if is_contention(&error) || is_unavailable(&error) => return Err(error),
                Err(error) => left.push(vec![pool.clone(), error_chain(&error)]),
            }
        }
        if !named.is_empty() {
            break;
        }
    }
    db.close().await;
    println!("{applied} movements of {pools} pools were applied.");
    if left.is_empty() {
        return Ok(());
    }
    let count = left.len();
    println!("{}", table(&["still waits", "why"], left));
    Err(Failure::Differences(format!("the rows of {count} pools do not take what waits for them")).into())
}

/// A row that keeps nothing of what is written looks like one that somebody else has written: no
/// patience helps.
fn hidden(error: anyhow::Error) -> anyhow::Error {
    if is_contention(&error) || is_unavailable(&error) {
        return error;
    }
    anyhow!(error_chain(&error))
}
