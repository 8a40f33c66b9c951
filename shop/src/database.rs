//! The shop's database: the orders that workers made, and what stock-ledger wrote.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyPool, AssertSqlSafe, Executor, Row};
use stock_ledger::dialect::{Dialect, Existing};

const ORDER: [&str; 4] = ["order_id", "buyer", "qty", "made_ms"];

/// One database of SQLite, PostgreSQL or MariaDB.
#[derive(Clone)]
pub struct Database {
    pool: AnyPool,
    dialect: Dialect,
}

/// An order as a worker makes it: what the shop would pack and send an invoice for.
pub struct Made {
    /// Its id.
    pub order: String,
    /// Who buys.
    pub buyer: String,
    /// Units.
    pub qty: i64,
    /// When, Unix ms.
    pub made_ms: i64,
}

/// What the database says about the stock, with the event up to which it says it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StockRow {
    /// Units on the shelf that are not paid.
    pub on_hand: i64,
    /// Epoch, seq and `out` of the last event that stock-ledger applied.
    pub epoch: String,
    /// See `epoch`.
    pub seq: i64,
    /// See `epoch`.
    pub out: i64,
    /// What a person should know: stock-ledger's incidents.
    pub incidents: i64,
}

// Names of tables and columns alone are put into a statement, none of a caller's; values are bound.
impl Database {
    /// Opens it and makes the table of orders; the file of a SQLite database must exist.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let dialect = Dialect::of(url)?;
        let pool = AnyPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for statement in dialect.session(10) {
                        connection.execute(AssertSqlSafe(statement)).await?;
                    }
                    Ok(())
                })
            })
            .connect(url)
            .await
            .context("opening the database")?;
        let table = "CREATE TABLE IF NOT EXISTS shop_orders (order_id VARCHAR(64) NOT NULL PRIMARY KEY, \
                     buyer VARCHAR(64) NOT NULL, qty BIGINT NOT NULL, made_ms BIGINT NOT NULL)";
        pool.execute(AssertSqlSafe(format!("{table}{}", dialect.engine()))).await?;
        Ok(Self { pool, dialect })
    }

    /// Puts a product's row into the ledger's stock table.
    pub async fn add_product(&self, sku: &str, on_hand: u32) -> Result<()> {
        let sql = self.dialect.insert_rows("stock", &["sku", "on_hand"], Existing::Keep(1), 1);
        sqlx::query(AssertSqlSafe(sql)).bind(sku).bind(i64::from(on_hand)).execute(&self.pool).await?;
        Ok(())
    }

    /// Writes orders in one transaction. Those that were made before stay as they are: an entry of
    /// the queue can come more than once.
    pub async fn make_orders(&self, orders: &[Made]) -> Result<()> {
        let sql = self.dialect.insert_rows("shop_orders", &ORDER, Existing::Keep(1), 1);
        let mut transaction = self.pool.begin().await?;
        for order in orders {
            let row = sqlx::query(AssertSqlSafe(sql.as_str()))
                .bind(&order.order)
                .bind(&order.buyer)
                .bind(order.qty)
                .bind(order.made_ms);
            row.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Whether a worker has made the order.
    pub async fn is_made(&self, order: &str) -> Result<bool> {
        let sql = self.dialect.placeholders("SELECT qty FROM shop_orders WHERE order_id = ?");
        Ok(sqlx::query(AssertSqlSafe(sql)).bind(order).fetch_optional(&self.pool).await?.is_some())
    }

    /// The product's row, as stock-ledger keeps it. None: it has not heard of the pool yet.
    pub async fn stock_row(&self, sku: &str, pool: &str) -> Result<Option<StockRow>> {
        // One statement, so that row and position are of the same moment.
        let sql = "SELECT on_hand, epoch, seq, out_units, (SELECT COUNT(*) FROM stock_incidents) \
                   FROM stock, stock_positions WHERE sku = ? AND pool = ?";
        let sql = self.dialect.placeholders(sql);
        let row: Option<AnyRow> =
            sqlx::query(AssertSqlSafe(sql)).bind(sku).bind(pool).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(StockRow {
            on_hand: row.try_get(0)?,
            epoch: row.try_get(1)?,
            seq: row.try_get(2)?,
            out: row.try_get(3)?,
            incidents: row.try_get(4)?,
        }))
    }

    /// How many orders the workers have made.
    pub async fn count_made(&self) -> Result<i64> {
        Ok(sqlx::query("SELECT COUNT(*) FROM shop_orders").fetch_one(&self.pool).await?.try_get(0)?)
    }
}
