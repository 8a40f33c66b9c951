//! `init`: makes the tables.

use anyhow::{Context, Result};

use crate::config::{Config, StockTable};
use crate::db::{Db, VERSION};

/// Makes or upgrades the ledger's tables; the stock table only where it is the ledger's own.
pub async fn init(config: &Config) -> Result<()> {
    let mut db = Db::open(config, true).await?;
    let from = db.migrate().await?;
    let own = config.stock.table == StockTable::default().table;
    if own {
        db.make_stock_table().await?;
    }
    db.inspect(&config.stock).await?;
    let stock = &config.stock;
    let mut tx = db.begin().await?;
    let rows = db
        .count_stock_rows(&mut tx)
        .await
        .with_context(|| format!("the stock table {} cannot be read", stock.table))?;
    // Reads one row, so that what the catalogue does not tell (a permission) shows here.
    db.stock_rows_after(&mut tx, None, 1)
        .await
        .with_context(|| format!("the stock table {} cannot be read", stock.table))?;
    tx.commit().await?;
    match from {
        VERSION => println!("The ledger's tables are up to date (version {VERSION})."),
        0 => println!("The ledger's tables are made (version {VERSION})."),
        _ => println!("The ledger's tables were of version {from} and are of version {VERSION} now."),
    }
    println!("The stock table {} has {rows} rows. Next: `stock-ledger preload`, then `stock-ledger run`.", stock.table);
    Ok(())
}
