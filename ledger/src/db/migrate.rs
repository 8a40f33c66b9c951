//! The ledger's own tables, and their versions.

use anyhow::{bail, Result};
use sqlx::Row;

use super::faults::{is_known_index, is_missing_table};
use super::{Db, Dialect};
use crate::failure::Failure;

/// The version of the tables that this program works with.
pub const VERSION: i64 = 2;

/// Looks for what Redis has not been told without reading every adjustment ever made.
const TOLD: &str = include_str!("../../migrations/told.sql");
const SQLITE: [&str; 2] = [include_str!("../../migrations/sqlite-1.sql"), TOLD];
const POSTGRES: [&str; 2] = [include_str!("../../migrations/postgres-1.sql"), TOLD];
const MYSQL: [&str; 2] = [include_str!("../../migrations/mysql-1.sql"), TOLD];

impl Db {
    /// Brings the tables to the present version. Answers from which version (0: there were none).
    pub async fn migrate(&self) -> Result<i64> {
        let table = "CREATE TABLE IF NOT EXISTS stock_ledger_version (version BIGINT NOT NULL PRIMARY KEY)";
        sqlx::query(table).execute(&self.pool).await?;
        let from = self.version().await?;
        if from > VERSION {
            bail!("the tables are of version {from}, this program knows versions up to {VERSION}");
        }
        let files = match self.dialect {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres => POSTGRES,
            Dialect::Mysql => MYSQL,
        };
        for (version, file) in (1i64..).zip(files).filter(|(version, _)| *version > from) {
            // MySQL commits each statement by itself: a table that is left of a broken attempt is made again.
            let mut tx = self.begin().await?;
            for statement in file.split(';').map(str::trim).filter(|s| !s.is_empty()) {
                if self.dialect == Dialect::Mysql {
                    if let Some(name) = statement.strip_prefix("CREATE TABLE ").and_then(|s| s.split(' ').next()) {
                        sqlx::query(&format!("DROP TABLE IF EXISTS {name}")).execute(&mut *tx).await?;
                    }
                }
                match sqlx::query(statement).execute(&mut *tx).await {
                    Ok(_) => {}
                    // Left of a broken attempt, as above.
                    Err(error) if is_known_index(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let note = self.dialect.places("INSERT INTO stock_ledger_version (version) VALUES (?)");
            sqlx::query(&note).bind(version).execute(&mut *tx).await?;
            tx.commit().await?;
        }
        Ok(from)
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
            "CREATE TABLE IF NOT EXISTS {} ({} {key} NOT NULL PRIMARY KEY, {} BIGINT NOT NULL{version})",
            stock.table, stock.key, stock.quantity
        );
        sqlx::query(&sql).execute(&self.pool).await?;
        Ok(())
    }

    async fn version(&self) -> Result<i64> {
        let row =
            sqlx::query("SELECT COALESCE(MAX(version), 0) FROM stock_ledger_version").fetch_one(&self.pool).await?;
        Ok(row.try_get::<i64, _>(0)?)
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
