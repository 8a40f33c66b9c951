//! Whether the stock table is one that can be followed: a key that is text, and one row for each.

use anyhow::Result;

use super::{number, Db, Dialect};
use crate::config::StockTable;
use crate::failure::Failure;

impl Db {
    /// Refuses a stock table that would stop the feed later. `named` has the names as they are configured.
    pub async fn check_stock_table(&self, named: &StockTable) -> Result<()> {
        let (schema, table) = match named.table.rsplit_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, named.table.as_str()),
        };
        if self.dialect == Dialect::Sqlite && !self.is_text(table, &named.key).await? {
            let text =
                format!("{}.{}: the key must be text, and this column makes numbers of it", named.table, named.key);
            return Err(Failure::Refused(text).into());
        }
        if !self.is_unique(schema, table, named).await? {
            let text = format!(
                "{}.{}: no primary key or unique index has this column alone. The ledger needs one row for each key: \
                 name a table that has, or make a unique index",
                named.table, named.key
            );
            return Err(Failure::Refused(text).into());
        }
        Ok(())
    }

    /// A column that SQLite does not turn texts into numbers for. A view is believed.
    async fn is_text(&self, table: &str, key: &str) -> Result<bool> {
        let sql = "SELECT COUNT(*) FROM pragma_table_info(?) WHERE name = ? COLLATE NOCASE \
                   AND type <> '' AND type NOT LIKE '%CHAR%' AND type NOT LIKE '%TEXT%' AND type NOT LIKE '%CLOB%'";
        number(&sqlx::query(sql).bind(table).bind(key).fetch_one(&self.pool).await?, 0).map(|wrong| wrong == 0)
    }

    async fn is_unique(&self, schema: Option<&str>, table: &str, named: &StockTable) -> Result<bool> {
        let row = match self.dialect {
            Dialect::Sqlite => {
                // The primary key of one column, or another index.
                let sql =
                    "SELECT (SELECT COUNT(*) FROM pragma_table_info(?1) WHERE pk = 1 AND name = ?2 COLLATE NOCASE \
                           AND (SELECT COUNT(*) FROM pragma_table_info(?1) WHERE pk > 0) = 1) + \
                           (SELECT COUNT(*) FROM pragma_index_list(?1) AS l WHERE l.[unique] = 1 AND l.partial = 0 \
                           AND (SELECT COUNT(*) FROM pragma_index_info(l.name)) = 1 \
                           AND (SELECT i.name FROM pragma_index_info(l.name) AS i) = ?2 COLLATE NOCASE)";
                sqlx::query(sql).bind(table).bind(&named.key).fetch_one(&self.pool).await?
            }
            Dialect::Postgres => {
                let sql = "SELECT COUNT(*) FROM pg_index AS i JOIN pg_attribute AS a \
                           ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                           WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indnkeyatts = 1 \
                           AND i.indpred IS NULL AND a.attname = $2";
                sqlx::query(sql).bind(&self.stock.table).bind(&named.key).fetch_one(&self.pool).await?
            }
            Dialect::Mysql => {
                let sql = "SELECT COUNT(*) FROM (SELECT index_name FROM information_schema.statistics \
                           WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND non_unique = 0 \
                           GROUP BY index_name \
                           HAVING COUNT(*) = 1 AND MAX(column_name) = ? AND COUNT(sub_part) = 0) AS alone";
                sqlx::query(sql).bind(schema).bind(table).bind(&named.key).fetch_one(&self.pool).await?
            }
        };
        Ok(number(&row, 0)? > 0)
    }
}
