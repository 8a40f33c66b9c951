//! What an operator calls.

pub mod adjust;
pub mod audit;
pub mod init;
mod old_epochs;
pub mod preload;
pub mod reconcile;
mod reconcile_buckets;
pub mod retry;
pub mod status;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use rand::Rng;

use crate::config::Config;
use crate::db::{is_conflict, Db, Tx, Unfit};
use crate::failure::error_chain;
use crate::projection::Position;

/// A command that has waited for longer says what for.
const SILENT: Duration = Duration::from_millis(900);

/// Makes a transaction again while somebody else is faster, for `patience_seconds`.
async fn retried<T>(config: &Config, mut transaction: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    let patience = Duration::from_secs(config.run.patience_seconds);
    loop {
        match transaction().await {
            Err(error) if is_conflict(&error) && began.elapsed() < patience => {
                // Somebody holds a lock for long: whoever called this is to know what it waits for.
                if began.elapsed() > SILENT {
                    let left_s = patience.saturating_sub(began.elapsed()).as_secs();
                    tracing::warn!("trying again for {left_s} s: {}", error_chain(&error));
                }
                let pause = rand::rng().random_range(1..20);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            other => return other,
        }
    }
}

/// A progress bar on standard error; nothing where that is no terminal.
fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length).with_prefix(what);
    if let Ok(style) = ProgressStyle::with_template("{prefix:>12} {bar:40} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}

/// What the database says is on hand for each of these pools: the stock row less what it could not
/// carry; or why its row cannot be worked with. Pools without a row in the stock table are left
/// out. For buckets it is what all of them have together.
async fn on_hand(
    db: &Db,
    tx: &mut Tx,
    config: &Config,
    positions: &HashMap<String, Position>,
) -> Result<HashMap<String, Result<i64, Unfit>>> {
    let mut skus: HashMap<String, Vec<&String>> = HashMap::new();
    for pool in positions.keys() {
        if let Some(sku) = config.sku(pool) {
            skus.entry(sku).or_default().push(pool);
        }
    }
    let keys: Vec<&str> = skus.keys().map(String::as_str).collect();
    let mut known = HashMap::with_capacity(positions.len());
    for (sku, stock_row) in db.stock_rows(tx, &keys).await? {
        let pools = skus.get(&sku).map_or(&[][..], Vec::as_slice);
        let uncovered: i64 = pools.iter().filter_map(|pool| positions.get(*pool)).map(|p| p.uncovered).sum();
        let on_hand = stock_row.map(|stock_row| stock_row.quantity - uncovered);
        known.extend(pools.iter().map(|pool| (pool.to_string(), on_hand.clone())));
    }
    Ok(known)
}

/// Rows of text as a table.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    table
}
