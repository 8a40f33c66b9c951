//! What the catalogue of the database says of the stock table, and of the ledger's own.

use anyhow::Result;

use super::database::Db;
use super::query::{query, Row};
use super::table_shape::{Column, Facts, Storage};
use super::transaction::Tx;
use crate::config::StockTable;
use crate::dialect::Dialect;
use crate::failure::Failure;

/// Tables whose rows must be written together with the stock table's, or not at all.
const OWN: &str = "'stock_streams', 'stock_positions', 'stock_epochs', 'stock_lines', 'stock_tokens', \
                   'stock_incidents', 'stock_outbox', 'stock_adjustments', 'stock_ledger_version'";

impl Db {
    /// Everything that decides whether the ledger can work on the stock table. `named` has the
    /// names as they are configured. None: there is no such table.
    pub(super) async fn facts(&self, named: &StockTable) -> Result<Option<Facts>> {
        // Through a pooler, statements with values are safe in a transaction only.
        let mut tx = self.begin().await?;
        let (schema, table) = match named.table.rsplit_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, named.table.as_str()),
        };
        let Some(storage) = self.storage(&mut tx, schema, table).await? else { return Ok(None) };
        let columns = self.columns(&mut tx, schema, table).await?;
        let find = |name: &str| {
            let same = |column: &&Column| match self.dialect {
                Dialect::Postgres => column.name == name,
                Dialect::Sqlite | Dialect::Mysql => column.name.eq_ignore_ascii_case(name),
            };
            columns.iter().find(same).cloned()
        };
        Ok(Some(Facts {
            storage,
            key: find(&named.key),
            quantity: find(&named.quantity),
            version: named.version.as_ref().map(|version| find(version)),
            unique: self.is_unique(&mut tx, schema, table, named).await?,
            triggers: self.has_triggers(&mut tx, schema, table).await?,
        }))
    }

    async fn storage(&self, tx: &mut Tx, schema: Option<&str>, table: &str) -> Result<Option<Storage>> {
        let row = match self.dialect {
            Dialect::Sqlite => {
                let sql = "SELECT CASE WHEN type = 'view' THEN 'view' WHEN sql LIKE 'CREATE VIRTUAL%' THEN 'virtual' \
                           ELSE 'table' END, '' FROM sqlite_master WHERE type IN ('table', 'view') \
                           AND name = ? COLLATE NOCASE";
                query(sql).bind(table).fetch_optional(tx).await?
            }
            Dialect::Postgres => {
                let sql = "SELECT CASE WHEN relkind = 'v' THEN 'view' WHEN relkind = 'm' THEN 'materialized view' \
                           WHEN relkind = 'f' THEN 'foreign table' WHEN relpersistence = 'u' THEN 'unlogged table' \
                           WHEN relkind IN ('r', 'p') THEN 'table' ELSE 'relation' END, '' \
                           FROM pg_class WHERE oid = to_regclass($1)";
                query(sql).bind(&self.stock.table).fetch_optional(tx).await?
            }
            Dialect::Mysql => {
                let sql = "SELECT CASE WHEN t.table_type LIKE '%VIEW' THEN 'view' \
                           WHEN e.transactions = 'YES' THEN 'table' ELSE 'engine' END, \
                           CAST(COALESCE(t.engine, '') AS CHAR) FROM information_schema.tables AS t \
                           LEFT JOIN information_schema.engines AS e ON e.engine = t.engine \
                           WHERE t.table_schema = COALESCE(?, DATABASE()) AND t.table_name = ?";
                query(sql).bind(schema).bind(table).fetch_optional(tx).await?
            }
        };
        let Some(row) = row else { return Ok(None) };
        Ok(Some(match (row.text(0)?.as_str(), row.text(1)?) {
            ("table", _) => Storage::Transactional,
            ("engine", engine) => Storage::Engine(engine),
            (other, _) => Storage::Other(other.to_string()),
        }))
    }

    async fn columns(&self, tx: &mut Tx, schema: Option<&str>, table: &str) -> Result<Vec<Column>> {
        let rows = match self.dialect {
            Dialect::Sqlite => {
                let sql = "SELECT name, type, -1, hidden IN (2, 3), '' FROM pragma_table_xinfo(?)";
                query(sql).bind(table).fetch_all(tx).await?
            }
            Dialect::Postgres => {
                // A domain is what it is made of. The scale of NUMERIC stands in 11 bits, with a
                // sign.
                let sql = "SELECT a.attname::text, CASE WHEN b.typtype = 'e' THEN 'enum' ELSE b.typname::text END, \
                           CASE WHEN b.typname = 'numeric' AND COALESCE(NULLIF(a.atttypmod, -1), t.typtypmod) >= 0 \
                           THEN ((((COALESCE(NULLIF(a.atttypmod, -1), t.typtypmod) - 4) & 2047) # 1024) - 1024)::bigint \
                           ELSE -1::bigint END, (a.attgenerated <> '')::int, '' \
                           FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid \
                           JOIN pg_type AS b ON b.oid = COALESCE(NULLIF(t.typbasetype, 0), t.oid) \
                           WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";
                query(sql).bind(&self.stock.table).fetch_all(tx).await?
            }
            Dialect::Mysql => {
                let sql = "SELECT CAST(column_name AS CHAR), CAST(data_type AS CHAR), \
                           CAST(COALESCE(numeric_scale, -1) AS SIGNED), \
                           CAST(COALESCE(generation_expression, '') <> '' AS SIGNED), \
                           CAST(COALESCE(character_set_name, '') AS CHAR) FROM information_schema.columns \
                           WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";
                query(sql).bind(schema).bind(table).fetch_all(tx).await?
            }
        };
        rows.iter().map(column).collect()
    }

    /// Whether a key names one row at most.
    async fn is_unique(&self, tx: &mut Tx, schema: Option<&str>, table: &str, named: &StockTable) -> Result<bool> {
        let row = match self.dialect {
            Dialect::Sqlite => {
                // The primary key of one column, or another index.
                let sql =
                    "SELECT (SELECT COUNT(*) FROM pragma_table_info(?1) WHERE pk = 1 AND name = ?2 COLLATE NOCASE \
                           AND (SELECT COUNT(*) FROM pragma_table_info(?1) WHERE pk > 0) = 1) + \
                           (SELECT COUNT(*) FROM pragma_index_list(?1) AS l WHERE l.[unique] = 1 AND l.partial = 0 \
                           AND (SELECT COUNT(*) FROM pragma_index_info(l.name)) = 1 \
                           AND (SELECT i.name FROM pragma_index_info(l.name) AS i) = ?2 COLLATE NOCASE)";
                query(sql).bind(table).bind(&named.key).fetch_one(tx).await?
            }
            Dialect::Postgres => {
                // An index that is not valid (CREATE INDEX CONCURRENTLY that failed) promises
                // nothing.
                let sql = "SELECT COUNT(*) FROM pg_index AS i JOIN pg_attribute AS a \
                           ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                           WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid \
                           AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = $2";
                query(sql).bind(&self.stock.table).bind(&named.key).fetch_one(tx).await?
            }
            Dialect::Mysql => {
                let sql = "SELECT COUNT(*) FROM (SELECT index_name FROM information_schema.statistics \
                           WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND non_unique = 0 \
                           GROUP BY index_name \
                           HAVING COUNT(*) = 1 AND MAX(column_name) = ? AND COUNT(sub_part) = 0) AS alone";
                query(sql).bind(schema).bind(table).bind(&named.key).fetch_one(tx).await?
            }
        };
        Ok(row.number(0)? > 0)
    }

    /// Whether triggers or rules see what is written.
    async fn has_triggers(&self, tx: &mut Tx, schema: Option<&str>, table: &str) -> Result<bool> {
        let row = match self.dialect {
            Dialect::Sqlite => {
                let sql = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE";
                query(sql).bind(table).fetch_one(tx).await?
            }
            Dialect::Postgres => {
                let sql =
                    "SELECT (SELECT COUNT(*) FROM pg_trigger WHERE tgrelid = to_regclass($1) AND NOT tgisinternal) \
                           + (SELECT COUNT(*) FROM pg_rewrite WHERE ev_class = to_regclass($1))";
                query(sql).bind(&self.stock.table).fetch_one(tx).await?
            }
            Dialect::Mysql => {
                let sql = "SELECT COUNT(*) FROM information_schema.triggers \
                           WHERE event_object_schema = COALESCE(?, DATABASE()) AND event_object_table = ?";
                query(sql).bind(schema).bind(table).fetch_one(tx).await?
            }
        };
        Ok(row.number(0)? > 0)
    }

    /// Refuses a database that cannot carry every text, and tables of the ledger's that are not
    /// transactional.
    pub(super) async fn check_database(&self) -> Result<()> {
        match self.dialect {
            Dialect::Sqlite => {}
            Dialect::Postgres => {
                let rows = self.send("SELECT current_setting('server_encoding'), current_database()::text").await?;
                let Some(row) = rows.first() else { return Ok(()) };
                let (encoding, name) = (row.text(0)?, row.text(1)?);
                if encoding != "UTF8" {
                    let text = format!(
                        "the database {name} has the encoding {encoding}, and what buyers write is UTF-8: one name \
                         that it cannot carry would stop the feed. Give the ledger a database that was made with \
                         ENCODING 'UTF8'"
                    );
                    return Err(Failure::Refused(text).into());
                }
            }
            Dialect::Mysql => {
                let sql = format!(
                    "SELECT CAST(t.table_name AS CHAR), CAST(COALESCE(t.engine, '') AS CHAR) \
                     FROM information_schema.tables AS t \
                     LEFT JOIN information_schema.engines AS e ON e.engine = t.engine \
                     WHERE t.table_schema = DATABASE() AND t.table_name IN ({OWN}) \
                     AND COALESCE(e.transactions, 'NO') <> 'YES' ORDER BY 1"
                );
                if let Some(row) = self.send(&sql).await?.first() {
                    let storage = Storage::Engine(row.text(1)?);
                    return Err(Failure::Refused(storage.refusal(&row.text(0)?)).into());
                }
            }
        }
        Ok(())
    }
}

/// Name, type, scale (-1: none), whether it is generated, character set.
fn column(row: &Row) -> Result<Column> {
    let scale = row.number(2)?;
    let generated = row.number(3)?;
    Ok(Column {
        name: row.text(0)?,
        kind: row.text(1)?.to_lowercase(),
        scale: (scale >= 0).then_some(scale),
        generated: generated != 0,
        charset: row.text(4)?,
    })
}
