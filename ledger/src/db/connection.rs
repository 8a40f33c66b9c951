//! Connections of the three drivers, and pools of them.

use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection as _, Database, Error, Executor, MySql, Postgres, Result, Sqlite,
};

use crate::dialect::Dialect;

/// So long a caller waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// So long a server is asked why it gives none.
const WHY: Duration = Duration::from_secs(2);

/// Prepared statements that a connection keeps: each statement of the feed has one for each of 11
/// sizes, and a large one takes milliseconds to prepare.
const STATEMENTS: usize = 256;
/// Rows that the thread of a SQLite connection hands over before it waits to be read.
const ROWS: usize = 1024;

/// How the ledger calls itself where a server asks.
const NAME: &str = "stock-ledger";

/// A connection. Dropped, it goes back to its pool.
pub enum Connection {
    /// A file.
    Sqlite(PoolConnection<Sqlite>),
    /// PostgreSQL, or a pooler in front of it.
    Postgres(PoolConnection<Postgres>),
    /// MySQL and MariaDB.
    Mysql(PoolConnection<MySql>),
}

/// Connections to one database, kept for the next caller.
#[derive(Clone)]
pub enum Pool {
    /// A file.
    Sqlite(sqlx::Pool<Sqlite>),
    /// PostgreSQL, or a pooler in front of it.
    Postgres(sqlx::Pool<Postgres>),
    /// MySQL and MariaDB.
    Mysql(sqlx::Pool<MySql>),
}

macro_rules! each {
    ($kind:ident, $value:expr, $inner:ident => $body:expr) => {
        match $value {
            $kind::Sqlite($inner) => $body,
            $kind::Postgres($inner) => $body,
            $kind::Mysql($inner) => $body,
        }
    };
}

impl Pool {
    /// Opens a pool of at most so many connections. Each begins with the statements of `session`.
    ///
    /// # Errors
    /// `sqlx::Error::Configuration`: the URL is none. Else that with which the first connection was
    /// refused.
    pub async fn open(url: &str, connections: u32, session: &[String]) -> Result<Pool> {
        let dialect = Dialect::of(url).map_err(|error| sqlx::Error::Configuration(error.into()))?;
        Ok(match dialect {
            Dialect::Sqlite => {
                let options =
                    SqliteConnectOptions::from_str(url)?.statement_cache_capacity(STATEMENTS).row_buffer_size(ROWS);
                try_file(&options, session).await?;
                Pool::Sqlite(settings(connections, session).connect_with(options).await?)
            }
            Dialect::Postgres => {
                // pgbouncer refuses what it cannot keep apart for its clients, and the ledger reads
                // no floating point.
                let mut options = PgConnectOptions::from_str(url)?.extra_float_digits(None);
                if options.get_application_name().is_none() {
                    options = options.application_name(NAME);
                }
                let opened = settings::<Postgres>(connections, session).connect_with(options.clone()).await;
                Pool::Postgres(with_reason(opened, &options).await?)
            }
            Dialect::Mysql => {
                let options = MySqlConnectOptions::from_str(url)?.statement_cache_capacity(STATEMENTS);
                let opened = settings::<MySql>(connections, session).connect_with(options.clone()).await;
                Pool::Mysql(with_reason(opened, &options).await?)
            }
        })
    }

    /// A connection: one that was kept, or a new one.
    pub async fn acquire(&self) -> Result<Connection> {
        Ok(match self {
            Pool::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?),
            Pool::Postgres(pool) => {
                Connection::Postgres(with_reason(pool.acquire().await, &*pool.connect_options()).await?)
            }
            Pool::Mysql(pool) => Connection::Mysql(with_reason(pool.acquire().await, &*pool.connect_options()).await?),
        })
    }

    /// A connection that was kept, and that nobody uses now.
    pub fn try_acquire(&self) -> Option<Connection> {
        Some(match self {
            Pool::Sqlite(pool) => Connection::Sqlite(pool.try_acquire()?),
            Pool::Postgres(pool) => Connection::Postgres(pool.try_acquire()?),
            Pool::Mysql(pool) => Connection::Mysql(pool.try_acquire()?),
        })
    }

    /// Closes all connections; whoever waits for one gets none.
    pub async fn close(&self) {
        each!(Pool, self, pool => pool.close().await);
    }
}

/// Opens the file once. A pool tries for its whole patience, and does not say why none could be
/// opened: a directory that cannot be written, a file that is no database.
async fn try_file(options: &SqliteConnectOptions, session: &[String]) -> Result<()> {
    let mut connection = options.connect().await?;
    for statement in session {
        match connection.execute(AssertSqlSafe(statement.clone())).await {
            // Somebody else has it in hand: that is worth some patience.
            Err(Error::Database(error)) if is_busy(error.code().as_deref()) => break,
            other => {
                other?;
            }
        }
    }
    connection.close().await
}

/// What was asked of a pool, with the reason where it had no connection to give. A server that
/// refuses (it is down, it starts, it has too many clients) the pool asks until its patience ends,
/// and then it tells of its patience only.
async fn with_reason<T, O: ConnectOptions>(asked: Result<T>, options: &O) -> Result<T>
where
    O::Connection: Sized,
{
    let Err(Error::PoolTimedOut) = asked else { return asked };
    match tokio::time::timeout(WHY, options.connect()).await {
        Ok(Err(reason)) => Err(reason),
        Ok(Ok(connection)) => {
            // It is there by now, or all connections of the pool are in use.
            let _ = connection.close().await;
            asked
        }
        Err(_) => asked,
    }
}

/// Whether a code of SQLite says that somebody else holds a lock.
fn is_busy(code: Option<&str>) -> bool {
    const SQLITE_BUSY: u32 = 5;
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

fn settings<DB: Database>(connections: u32, session: &[String]) -> PoolOptions<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let session = session.to_vec();
    PoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).after_connect(
        move |connection: &mut DB::Connection, _| {
            let session = session.clone();
            Box::pin(async move {
                for statement in session {
                    connection.execute(AssertSqlSafe(statement)).await?;
                }
                Ok(())
            })
        },
    )
}

impl Connection {
    /// Which SQL it speaks.
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Connection::Sqlite(_) => Dialect::Sqlite,
            Connection::Postgres(_) => Dialect::Postgres,
            Connection::Mysql(_) => Dialect::Mysql,
        }
    }

    /// Closes it.
    ///
    /// # Errors
    /// `sqlx::Error::Io`: the server does not answer any more.
    pub async fn close(self) -> Result<()> {
        each!(Connection, self, connection => connection.close().await)
    }

    /// It is closed when it is dropped, and never used again.
    pub fn close_on_drop(&mut self) {
        each!(Connection, self, connection => connection.close_on_drop());
    }
}
