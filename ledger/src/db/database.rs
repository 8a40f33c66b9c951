//! The database with what is configured about it.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::connection::Pool;
use super::faults::is_refused_login;
use super::lender::Lender;
use super::query::{query, Row};
use super::table_shape::Shape;
use super::transaction::Tx;
use crate::config::{Config, StockTable};
use crate::dialect::Dialect;
use crate::failure::{in_words, redacted, Failure};

/// Whoever waits longer for a lock has met somebody who is slower, and tries again. A command with
/// little patience asks more often, so that it ends in time.
const LONGEST_LOCK_WAIT_S: u64 = 10;

/// The database with what is configured about it.
pub struct Db {
    lender: Arc<Lender>,
    /// For connections beside the pool.
    url: String,
    /// What each of them begins with, and what each transaction begins with.
    session: Vec<String>,
    begin: String,
    /// Which SQL it speaks.
    pub dialect: Dialect,
    /// The stock table, its names quoted.
    pub stock: StockTable,
    /// How its columns are read and written.
    pub(super) shape: Shape,
    /// Whether notices are written for the program that keeps the orders.
    pub notify: bool,
    /// Whether other nodes write, too, which do not see this one's locks (Galera).
    pub(super) is_cluster: bool,
}

/// Whether the file of a SQLite database is there.
fn is_there(url: &str) -> bool {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    std::path::Path::new(path.split('?').next().unwrap_or_default()).exists()
}

impl Db {
    /// Opens the database; `create` makes the file of a SQLite database that is not there.
    pub async fn open(config: &Config, create: bool) -> Result<Db> {
        let url = &config.database.url;
        let dialect = Dialect::of(url)?;
        let url = match dialect {
            Dialect::Sqlite if create && !url.contains('?') => format!("{url}?mode=rwc"),
            _ => url.clone(),
        };
        let lock_seconds = (config.run.patience_seconds / 4).clamp(1, LONGEST_LOCK_WAIT_S);
        let session = dialect.session(lock_seconds);
        let pool = Pool::open(&url, config.database.connections, &session).await.map_err(|e| {
            match (dialect, &e) {
                // No patience makes a wrong address right, nor a server speak TLS that does not.
                (_, sqlx::Error::Configuration(_) | sqlx::Error::Tls(_)) => {
                    Failure::Refused(format!("database.url: {}", redacted(&e.to_string())))
                }
                (Dialect::Sqlite, _) if !create && !is_there(&url) => {
                    Failure::Order(format!("{url} cannot be opened ({e}): run `stock-ledger init`"))
                }
                _ if is_refused_login(&e) => {
                    Failure::Refused(format!("the database at {}: {}", redacted(&url), in_words(&e)))
                }
                _ => {
                    let (url, why) = (redacted(&url), in_words(&e));
                    Failure::Unreachable(format!("the database at {url} cannot be reached: {why}"))
                }
            }
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
        let (begin, shape) = (dialect.begin(lock_seconds), Shape::plain(dialect));
        Ok(Db {
            lender: Arc::new(Lender::new(pool)),
            url,
            session,
            begin,
            dialect,
            stock,
            shape,
            notify: config.run.notify,
            is_cluster: false,
        })
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
    /// `Failure::Refused`, with the name of the database, table or column and what would do. Where
    /// the database cannot be reached, its own error, of exit code 4.
    pub async fn inspect(&mut self, named: &StockTable) -> Result<()> {
        self.check_database().await?;
        let Some(facts) = self.facts(named).await? else {
            let text = format!("the database has no table {} (stock.table): make it, or name another one", named.table);
            return Err(Failure::Refused(text).into());
        };
        self.shape = Shape::of(self.dialect, named, &facts).map_err(Failure::Refused)?;
        if self.dialect == Dialect::Mysql {
            let wsrep = self.send("SHOW VARIABLES LIKE 'wsrep_on'").await?;
            self.is_cluster = wsrep.first().is_some_and(|row| row.text(1).is_ok_and(|value| value == "ON"));
        }
        Ok(())
    }

    /// How the columns of the stock table are read and written.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Tx> {
        Tx::begin(&self.lender, &self.begin).await
    }

    /// Gives all connections up, so that the next ones reach whoever serves now: behind a proxy or
    /// a moving address that is another server.
    pub async fn give_up_connections(&self) {
        self.lender.give_up().await;
    }

    /// A connection beside the pool, on which nothing has happened yet: it sees what others have
    /// committed, and no more.
    pub(super) async fn witness(&self) -> Result<Tx> {
        let pool = Pool::open(&self.url, 1, &self.session).await.context("a connection of the database")?;
        Tx::begin(&Arc::new(Lender::new(pool)), &self.begin).await
    }

    /// A statement of its own, without values.
    pub(super) async fn send(&self, sql: &str) -> sqlx::Result<Vec<Row>> {
        query(sql).fetch_all(&mut self.lender.lend().await?.connection).await
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.lender.close().await;
    }
}
