//! The database: SQLite, PostgreSQL, or MySQL and MariaDB, through one code.

mod adjustments;
mod catalogue;
mod faults;
mod feed;
mod incidents;
mod migrate;
mod rows;
mod stock_rows;
mod table_shape;
mod tokens;
mod transaction;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyConnection, AnyPool, Connection, Executor, Row};

use crate::config::{Config, StockTable};
use crate::failure::{redacted, Failure};

pub use crate::dialect::Dialect;
pub use adjustments::Adjustment;
use faults::is_refused_login;
pub use faults::{is_conflict, is_contention, is_read_only, is_unavailable};
pub use feed::StreamRow;
pub use incidents::Listed;
pub use migrate::VERSION;
pub use stock_rows::{Conflict, ReadRow};
pub use table_shape::{Shape, Unfit};
pub use transaction::Tx;

/// The database with what is configured about it.
pub struct Db {
    pool: AnyPool,
    /// Counts how often all connections were given up: one of an earlier number is closed.
    generation: Arc<AtomicU64>,
    /// For connections beside the pool.
    url: String,
    /// Which SQL it speaks.
    pub dialect: Dialect,
    /// The stock table, its names quoted.
    pub stock: StockTable,
    /// How its columns are read and written.
    shape: Shape,
}

impl Db {
    /// Opens the database; `create` makes the file of a SQLite database that is not there.
    pub async fn open(config: &Config, create: bool) -> Result<Db> {
        sqlx::any::install_default_drivers();
        let url = &config.database.url;
        let dialect = Dialect::of(url)?;
        let url = match dialect {
            Dialect::Sqlite if create && !url.contains('?') => format!("{url}?mode=rwc"),
            _ => url.clone(),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(config.database.connections)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for statement in dialect.session() {
                        connection.execute(*statement).await?;
                    }
                    Ok(())
                })
            })
            .connect(&url)
            .await
            .map_err(|e| match (dialect, &e) {
                // No patience makes a wrong address right, nor a server speak TLS that does not.
                (_, sqlx::Error::Configuration(_) | sqlx::Error::Tls(_)) => {
                    Failure::Refused(format!("database.url: {}", redacted(&e.to_string())))
                }
                (Dialect::Sqlite, _) if !create => {
                    Failure::Order(format!("{url} cannot be opened ({e}): run `stock-ledger init`"))
                }
                _ if is_refused_login(&e) => Failure::Refused(format!("the database at {}: {e}", redacted(&url))),
                _ => Failure::Unreachable(format!("the database at {} cannot be reached: {e}", redacted(&url))),
            })?;
        let named = &config.stock;
        let stock = StockTable {
            table: dialect.quoted(&named.table),
            key: dialect.quoted(&named.key),
            quantity: dialect.quoted(&named.quantity),
            version: named.version.as_ref().map(|version| dialect.quoted(version)),
            negative: named.negative,
            unit: named.unit.clone(),
        };
        Ok(Db { pool, generation: Arc::default(), url, dialect, stock, shape: Shape::plain(dialect) })
    }

    /// Opens a database that `init` has prepared.
    pub async fn open_prepared(config: &Config) -> Result<Db> {
        let mut db = Db::open(config, false).await?;
        db.check_version().await?;
        db.inspect(&config.stock).await?;
        Ok(db)
    }

    /// Looks at the stock table, as the catalogue has it, and refuses one that would stop the feed
    /// later, or that would count wrong. `named` has the names as they are configured.
    ///
    /// # Errors
    /// `Failure::Refused`, with the name of the table or column and what would do.
    pub async fn inspect(&mut self, named: &StockTable) -> Result<()> {
        self.check_database().await?;
        let Some(facts) = self.facts(named).await? else {
            let text = format!("the database has no table {} (stock.table): make it, or name another one", named.table);
            return Err(Failure::Refused(text).into());
        };
        self.shape = Shape::of(self.dialect, named, &facts).map_err(Failure::Refused)?;
        Ok(())
    }

    /// How the columns of the stock table are read and written.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Tx> {
        Tx::begin(&self.pool, self.dialect, &self.generation).await
    }

    /// Gives all connections up, so that the next ones reach whoever serves now: behind a proxy or a
    /// moving address that is another server.
    pub async fn give_up_connections(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        while let Some(connection) = self.pool.try_acquire() {
            // It is not needed any more, whatever closing it says.
            let _ = connection.close().await;
        }
    }

    /// A connection beside the pool, on which nothing has happened yet: it sees what others have
    /// committed, and no more.
    async fn witness(&self) -> Result<AnyConnection> {
        let mut connection = AnyConnection::connect(&self.url).await.context("a connection of the database")?;
        for statement in self.dialect.session() {
            connection.execute(*statement).await.context("a connection of the database")?;
        }
        Ok(connection)
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A column of a row as text.
fn text(row: &AnyRow, column: usize) -> Result<String> {
    Ok(row.try_get::<String, _>(column)?)
}

/// A column of a row as a number.
fn number(row: &AnyRow, column: usize) -> Result<i64> {
    Ok(row.try_get::<i64, _>(column)?)
}
