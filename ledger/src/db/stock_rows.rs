//! The stock table: the ledger's own or the shop's. Other programs write it, too: every change is
//! one of the row that was read, or it is none (optimistic locking).

use std::collections::HashMap;

use anyhow::Result;

use super::{query, Db, Dialect, Row, Tx, Unfit};
use crate::dialect::sliced;
use crate::projection::StockRow;

/// Another program changed a row of the stock table in between. The transaction is to be made
/// again.
#[derive(Debug, thiserror::Error)]
#[error("row {row} of the stock table was changed by somebody else in between, or does not keep what is written")]
pub struct Conflict {
    /// The first one of them.
    pub row: String,
}

/// A row of the stock table: one that can be worked with, or why it cannot.
pub type ReadRow = Result<StockRow, Unfit>;

impl Db {
    fn stock_columns(&self) -> String {
        let (stock, shape) = (&self.stock, &self.shape);
        let version = stock.version.as_deref().map_or("'0'".to_string(), |v| shape.number_read(v));
        format!("{}, {}, {}", shape.key_read(&stock.key), shape.number_read(&stock.quantity), version)
    }

    fn stock_row(&self, row: &Row) -> Result<(String, ReadRow)> {
        let (quantity, version) = (row.optional_text(1)?, row.optional_text(2)?);
        let read = || {
            let quantity = self.shape.units(quantity.as_deref())?;
            let version = version.as_deref().and_then(|v| v.parse().ok());
            Ok(StockRow::new(quantity, version.ok_or_else(|| Unfit("has no version".to_string()))?))
        };
        Ok((row.text(0)?, read()))
    }

    /// Rows of the stock table by their keys (SKUs, not pools).
    pub async fn stock_rows(&self, tx: &mut Tx, skus: &[&str]) -> Result<HashMap<String, ReadRow>> {
        let skus: Vec<&str> = skus.iter().copied().filter(|sku| self.shape.can_hold(sku)).collect();
        let mut found = HashMap::with_capacity(skus.len());
        let stock = &self.stock;
        for some in sliced(&skus) {
            let places = vec![self.shape.key_place(); some.len()].join(",");
            let sql = format!("SELECT {} FROM {} WHERE {} IN ({places})", self.stock_columns(), stock.table, stock.key);
            let sql = self.dialect.placeholders(&sql);
            let mut query = query(&sql);
            for sku in some {
                query = query.bind(*sku);
            }
            for row in query.fetch_all(tx).await? {
                found.extend([self.stock_row(&row)?]);
            }
        }
        Ok(found)
    }

    /// Rows behind `after` (none: from the first on), in order of their keys: to walk through all.
    pub async fn stock_rows_after(
        &self,
        tx: &mut Tx,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<(String, ReadRow)>> {
        let stock = &self.stock;
        let (columns, table, key) = (self.stock_columns(), &stock.table, &stock.key);
        let behind = after.map_or(String::new(), |_| format!("WHERE {key} > {}", self.shape.key_place()));
        let sql = format!("SELECT {columns} FROM {table} {behind} ORDER BY {key} LIMIT ?");
        let sql = self.dialect.placeholders(&sql);
        let mut query = query(&sql);
        if let Some(after) = after {
            query = query.bind(after);
        }
        let rows = query.bind(limit).fetch_all(tx).await?;
        rows.iter().map(|row| self.stock_row(row)).collect()
    }

    /// How many rows the stock table has.
    pub async fn count_stock_rows(&self, tx: &mut Tx) -> Result<i64> {
        let sql = format!("SELECT COUNT(*) FROM {}", self.stock.table);
        query(&sql).fetch_one(tx).await?.number(0)
    }

    /// Writes the rows, each only as it was read. A row that changed in between is a `Conflict`.
    pub async fn write_stock_rows(&self, tx: &mut Tx, rows: &[(String, &StockRow)]) -> Result<()> {
        for some in sliced(rows) {
            let sql = self.stock_update(some.len());
            let mut query = query(&sql);
            let seen = |stock_row: &StockRow| match self.stock.version {
                Some(_) => stock_row.version.to_string(),
                None => self.shape.written(stock_row.read),
            };
            for (sku, stock_row) in some {
                query = query.bind(sku.as_str()).bind(self.shape.written(stock_row.quantity));
                if self.dialect != Dialect::Mysql {
                    query = query.bind(seen(stock_row));
                }
            }
            if self.dialect == Dialect::Mysql {
                for (sku, stock_row) in some {
                    query = query.bind(sku.as_str()).bind(seen(stock_row));
                }
                for (sku, _) in some {
                    query = query.bind(sku.as_str());
                }
            }
            let written = query.execute(tx).await?;
            if written != some.len() as u64 {
                let row = self.unwritten(tx, some).await?;
                return Err(Conflict { row }.into());
            }
            if self.shape.is_verified() {
                let row = self.unwritten(tx, some).await?;
                if !row.is_empty() {
                    return Err(Conflict { row }.into());
                }
            }
        }
        Ok(())
    }

    /// Which of these rows is not as it was written: gone, there twice, or with another number in
    /// it. Empty where all are right by now: somebody wrote the same.
    async fn unwritten(&self, tx: &mut Tx, rows: &[(String, &StockRow)]) -> Result<String> {
        let stock = &self.stock;
        let places = vec![self.shape.key_place(); rows.len()].join(",");
        let sql = format!("SELECT {} FROM {} WHERE {} IN ({places})", self.stock_columns(), stock.table, stock.key);
        let sql = self.dialect.placeholders(&sql);
        let mut query = query(&sql);
        for (sku, _) in rows {
            query = query.bind(sku.as_str());
        }
        let mut found: HashMap<String, Vec<ReadRow>> = HashMap::new();
        for row in query.fetch_all(tx).await? {
            let (sku, stock_row) = self.stock_row(&row)?;
            found.entry(sku).or_default().push(stock_row);
        }
        let right = |(sku, wanted): &&(String, &StockRow)| {
            let version = if stock.version.is_some() { wanted.version + 1 } else { 0 };
            let stock_rows = found.get(sku).map(Vec::as_slice);
            matches!(stock_rows, Some([Ok(stock_row)]) if stock_row.quantity == wanted.quantity
                && (stock_row.version == version || self.shape.is_verified()))
        };
        Ok(rows.iter().find(|row| !right(row)).map(|(sku, _)| sku.clone()).unwrap_or_default())
    }

    fn stock_update(&self, rows: usize) -> String {
        let (stock, shape) = (&self.stock, &self.shape);
        let (table, key, quantity) = (&stock.table, &stock.key, &stock.quantity);
        // Without a version column the quantity itself is compared: the same number is the same
        // stock row.
        let seen = stock.version.as_ref().unwrap_or(quantity);
        let next = stock.version.as_ref().map(|v| format!(", {v} = t.{v} + 1")).unwrap_or_default();
        let (k, q) = (shape.key_place(), shape.quantity_place());
        let s = if stock.version.is_some() { shape.version_place() } else { q.clone() };
        let sql = match self.dialect {
            Dialect::Sqlite => {
                let values = vec![format!("({k},{q},{s})"); rows].join(",");
                format!(
                    "WITH d (k, q, s) AS (VALUES {values}) UPDATE {table} AS t SET {quantity} = d.q{next} \
                     FROM d WHERE t.{key} = d.k AND t.{seen} = d.s"
                )
            }
            Dialect::Postgres => {
                let values = vec![format!("({k},{q},{s})"); rows].join(",");
                format!(
                    "UPDATE {table} AS t SET {quantity} = d.q{next} FROM (VALUES {values}) AS d (k, q, s) \
                     WHERE t.{key} = d.k AND t.{seen} = d.s"
                )
            }
            Dialect::Mysql => {
                // Plain places take the column's own collation; those of a derived table would have
                // another.
                let cases = vec![format!("WHEN {k} THEN {q}"); rows].join(" ");
                let seen_rows = vec![format!("({k},{s})"); rows].join(",");
                let keys = vec![k; rows].join(",");
                // The keys once more: by pairs alone the optimizer reads the whole table, and locks
                // it.
                format!(
                    "UPDATE {table} AS t SET t.{quantity} = CASE t.{key} {cases} END{next} \
                     WHERE (t.{key}, t.{seen}) IN ({seen_rows}) AND t.{key} IN ({keys})"
                )
            }
        };
        self.dialect.placeholders(&sql)
    }
}
