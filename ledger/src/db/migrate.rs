//! The ledger's own tables, and their versions.

use anyhow::{bail, Result};

use super::database::Db;
use super::faults::{is_index_as_wanted, is_missing_table};
use super::query::query;
use crate::dialect::Dialect;
use crate::failure::Failure;

/// The version of the tables that this program works with.
pub const VERSION: i64 = 5;

/// The statements of each version.
const SQLITE: [&str; 5] = [
    include_str!("../../migrations/sqlite.sql"),
    include_str!("../../migrations/sqlite-2.sql"),
    include_str!("../../migrations/sqlite-3.sql"),
    include_str!("../../migrations/sqlite-4.sql"),
    include_str!("../../migrations/sqlite-5.sql"),
];
const POSTGRES: [&str; 5] = [
    include_str!("../../migrations/postgres.sql"),
    include_str!("../../migrations/postgres-2.sql"),
    include_str!("../../migrations/postgres-3.sql"),
    include_str!("../../migrations/postgres-4.sql"),
    include_str!("../../migrations/postgres-5.sql"),
];
const MYSQL: [&str; 5] = [
    include_str!("../../migrations/mysql.sql"),
    include_str!("../../migrations/mysql-2.sql"),
    include_str!("../../migrations/mysql-3.sql"),
    include_str!("../../migrations/mysql-4.sql"),
    include_str!("../../migrations/mysql-5.sql"),
];

impl Db {
    /// Brings the tables to the present version. Answers from which version (0: there were none).
    pub async fn migrate(&self) -> Result<i64> {
        let table = "CREATE TABLE IF NOT EXISTS stock_ledger_version (version BIGINT NOT NULL PRIMARY KEY)";
        let table = format!("{table}{}", self.dialect.engine());
        self.send(&table).await?;
        let from = self.version().await?;
        if from > VERSION {
            bail!("the tables are of version {from}, this program knows versions up to {VERSION}");
        }
        let files = match self.dialect {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres => POSTGRES,
            Dialect::Mysql => MYSQL,
        };
        // All is looked at before anything is made: a table of the shop's that has one of these
        // names stays what it is.
        let mut open = Vec::new();
        for (version, file) in (1i64..).zip(files).filter(|(version, _)| *version > from) {
            let mut statements = Vec::new();
            for statement in file.split(';').map(str::trim).filter(|s| !s.is_empty()) {
                if !self.is_made(statement).await? {
                    statements.push(statement);
                }
            }
            open.push((version, statements));
        }
        for (version, statements) in open {
            let mut tx = self.begin().await?;
            for statement in statements {
                // An error would end the transaction of PostgreSQL; MySQL does not know these
                // words.
                let statement = match self.dialect {
                    Dialect::Mysql => statement.to_string(),
                    _ => statement.replace("CREATE INDEX stock", "CREATE INDEX IF NOT EXISTS stock"),
                };
                match query(&statement).execute(&mut tx).await {
                    Ok(_) => {}
                    // Left of a broken attempt, as above.
                    Err(error) if is_index_as_wanted(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let note = self.dialect.placeholders("INSERT INTO stock_ledger_version (version) VALUES (?)");
            query(&note).bind(version).execute(&mut tx).await?;
            tx.commit().await?;
        }
        Ok(from)
    }

    /// Whether the table of this statement is there already, as an attempt that was broken off left
    /// it: MySQL commits each statement by itself. A table of that name with other columns is
    /// somebody else's.
    async fn is_made(&self, statement: &str) -> Result<bool> {
        let Some((name, columns)) = table(statement) else { return Ok(false) };
        if !self.can_read("1", name).await? {
            return Ok(false);
        }
        if !self.can_read(&columns.join(", "), name).await? {
            let text = format!(
                "the database has a table {name} that is not the ledger's; nothing was changed. Rename it, or give the \
                 ledger a database of its own"
            );
            return Err(Failure::Refused(text).into());
        }
        Ok(true)
    }

    async fn can_read(&self, columns: &str, table: &str) -> Result<bool> {
        match self.send(&format!("SELECT {columns} FROM {table} WHERE 1 = 0")).await {
            Ok(_) => Ok(true),
            Err(sqlx::Error::Database(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the stock table where it is the ledger's own.
    pub async fn make_stock_table(&self) -> Result<()> {
        let stock = &self.stock;
        let key = match self.dialect {
            Dialect::Sqlite => "TEXT",
            Dialect::Postgres => "TEXT COLLATE \"C\"",
            Dialect::Mysql => "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        };
        let version = stock.version.as_ref().map(|v| format!(", {v} BIGINT NOT NULL DEFAULT 0")).unwrap_or_default();
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} ({} {key} NOT NULL PRIMARY KEY, {} BIGINT NOT NULL{version}){}",
            stock.table,
            stock.key,
            stock.quantity,
            self.dialect.engine()
        );
        self.send(&sql).await?;
        Ok(())
    }

    async fn version(&self) -> Result<i64> {
        let rows = self.send("SELECT COALESCE(MAX(version), 0) FROM stock_ledger_version").await?;
        rows.first().map_or(Ok(0), |row| row.number(0))
    }

    pub(super) async fn check_version(&self) -> Result<()> {
        match self.version().await {
            Ok(VERSION) => Ok(()),
            Ok(other) => Err(Failure::Order(format!(
                "the ledger's tables are of version {other}, this program needs {VERSION}: run `stock-ledger init`"
            ))
            .into()),
            Err(error) if is_missing_table(&error) => {
                Err(Failure::Order("the ledger's tables are not there: run `stock-ledger init`".into()).into())
            }
            Err(error) => Err(error.context("the ledger's tables cannot be read")),
        }
    }
}

/// The name and the columns of a table that a statement makes: a line for each.
fn table(statement: &str) -> Option<(&str, Vec<&str>)> {
    let (head, body) = statement.strip_prefix("CREATE TABLE ")?.split_once(" (")?;
    let words = body.lines().filter_map(|line| line.split_whitespace().next());
    Some((head, words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_known_by_its_columns() {
        for files in [SQLITE, POSTGRES, MYSQL] {
            let statements = files.iter().flat_map(|file| file.split(';'));
            let tables: Vec<(&str, Vec<&str>)> = statements.filter_map(|s| table(s.trim())).collect();
            assert!(tables.len() >= 9, "{tables:?}");
            assert!(tables.contains(&("stock_epochs", vec!["pool", "epoch"])), "{tables:?}");
            assert!(tables.iter().all(|(_, columns)| columns.len() >= 2), "{tables:?}");
        }
    }
}
