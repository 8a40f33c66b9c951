//! The stock table: the ledger's own or the shop's. Other programs write it, too: every change is
//! one of the row that was read, or it is none (optimistic locking).

use std::borrow::Cow;
use std::collections::HashMap;

use anyhow::Result;

use super::database::Db;
use super::faults::Conflict;
use super::many::repeated;
use super::query::{query, Row, Value};
use super::table_shape::Unfit;
use super::transaction::Tx;
use crate::dialect::{filled, sliced, Dialect};
use crate::projection::StockRow;

/// Rows in one UPDATE of MySQL.
const MOST_CASES: usize = 64;

/// A column of texts.
fn column<'q, T: Into<Cow<'q, str>>>(texts: impl Iterator<Item = T>) -> Value<'q> {
    Value::Texts(texts.map(Into::into).collect())
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
        for row in self.fetch_stock_rows(tx, &skus).await? {
            found.extend([self.stock_row(&row)?]);
        }
        Ok(found)
    }

    async fn fetch_stock_rows(&self, tx: &mut Tx, skus: &[&str]) -> Result<Vec<Row>> {
        let stock = &self.stock;
        let select =
            |keys: String| format!("SELECT {} FROM {} WHERE {} {keys}", self.stock_columns(), stock.table, stock.key);
        if self.dialect == Dialect::Postgres {
            let sql = self.dialect.placeholders(&select(format!("= ANY({})", self.shape.key_array())));
            return Ok(query(&sql).bind(column(skus.iter().copied())).fetch_all(tx).await?);
        }
        let mut rows = Vec::with_capacity(skus.len());
        for (some, placeholders) in filled(skus) {
            let keys = vec![self.shape.key_placeholder(); placeholders].join(",");
            let sql = select(format!("IN ({keys})"));
            let values = repeated(some, placeholders).map(|sku| Value::from(*sku));
            rows.extend(query(&sql).bind_all(values).fetch_all(tx).await?);
        }
        Ok(rows)
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
        let behind = after.map_or(String::new(), |_| format!("WHERE {key} > {}", self.shape.key_placeholder()));
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
        let portions: Vec<&[(String, &StockRow)]> = match self.dialect {
            Dialect::Postgres => vec![rows],
            Dialect::Sqlite => sliced(rows).collect(),
            // Each row looks for its own case, one after the other.
            Dialect::Mysql => rows.chunks(MOST_CASES).flat_map(sliced).collect(),
        };
        for some in portions.into_iter().filter(|some| !some.is_empty()) {
            let sql = self.stock_update(some.len());
            let written = query(&sql).bind_all(self.update_values(some)).execute(tx).await?;
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

    /// The values of [`Db::stock_update`].
    fn update_values<'q>(&self, rows: &'q [(String, &StockRow)]) -> Vec<Value<'q>> {
        let seen = |stock_row: &StockRow| match self.stock.version {
            Some(_) => stock_row.version.to_string(),
            None => self.shape.written(stock_row.read),
        };
        let written = |stock_row: &StockRow| self.shape.written(stock_row.quantity);
        let keys = rows.iter().map(|(sku, _)| Value::from(sku));
        match self.dialect {
            Dialect::Postgres => vec![
                column(rows.iter().map(|(sku, _)| sku.as_str())),
                column(rows.iter().map(|(_, row)| written(row))),
                column(rows.iter().map(|(_, row)| seen(row))),
            ],
            Dialect::Sqlite => {
                let row = |(sku, row): &'q (String, &StockRow)| [sku.into(), written(row).into(), seen(row).into()];
                rows.iter().flat_map(row).collect()
            }
            Dialect::Mysql => {
                let cases = rows.iter().flat_map(|(sku, row)| [sku.into(), written(row).into()]);
                let seen_rows = rows.iter().flat_map(|(sku, row)| [sku.into(), seen(row).into()]);
                cases.chain(seen_rows).chain(keys).collect()
            }
        }
    }

    /// Which of these rows is not as it was written: gone, there twice, or with another number in
    /// it. Empty where all are right by now: somebody wrote the same.
    async fn unwritten(&self, tx: &mut Tx, rows: &[(String, &StockRow)]) -> Result<String> {
        let stock = &self.stock;
        let skus: Vec<&str> = rows.iter().map(|(sku, _)| sku.as_str()).collect();
        let mut found: HashMap<String, Vec<ReadRow>> = HashMap::new();
        for row in self.fetch_stock_rows(tx, &skus).await? {
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
        let (k, q) = (shape.key_placeholder(), shape.quantity_placeholder());
        let s = if stock.version.is_some() { shape.version_placeholder() } else { q.clone() };
        let sql = match self.dialect {
            Dialect::Sqlite => {
                let values = vec![format!("({k},{q},{s})"); rows].join(",");
                // The plus signs keep the planner from making an index of `d`: of some hundred rows
                // it would, by their versions, which are all alike, and read the whole stock table
                // for it.
                format!(
                    "WITH d (k, q, s) AS (VALUES {values}) UPDATE {table} AS t SET {quantity} = d.q{next} \
                     FROM d WHERE t.{key} = +d.k AND t.{seen} = +d.s"
                )
            }
            Dialect::Postgres => {
                let (keys, quantities) = (shape.key_array(), shape.quantity_array());
                let versions = if stock.version.is_some() { shape.version_array() } else { quantities };
                format!(
                    "UPDATE {table} AS t SET {quantity} = d.q{next} \
                     FROM unnest({keys}, {quantities}, {versions}) AS d (k, q, s) WHERE t.{key} = d.k AND t.{seen} = d.s"
                )
            }
            Dialect::Mysql => {
                // Plain placeholders take the column's own collation; those of a derived table
                // would have another.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn rows_of_sqlite_are_looked_up_however_many_are_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}", dir.path().join("shop.db").display());
        let config: Config = toml::from_str(&format!("[database]\nurl = '{url}'")).expect("a configuration");
        let db = Db::open(&config, true).await.expect("a database");
        let table = "CREATE TABLE stock (sku TEXT NOT NULL PRIMARY KEY, on_hand BIGINT NOT NULL, \
                     version BIGINT NOT NULL)";
        db.send(table).await.expect("a table");
        for rows in [1, 64, 512, 1024] {
            let sql = format!("EXPLAIN QUERY PLAN {}", db.stock_update(rows));
            let plan = db.send(&sql).await.expect("a plan");
            let plan: Vec<String> = plan.iter().map(|row| row.text(3).expect("a text")).collect();
            assert!(plan.iter().any(|line| line.starts_with("SEARCH t USING INDEX")), "{rows} rows: {plan:?}");
        }
    }
}
