//! Transactions whose end is certain: a connection on which BEGIN, COMMIT or ROLLBACK failed is
//! closed, never used again.
//!
//! The driver's own transactions count their depth. After a COMMIT that failed, and that SQLite
//! rolled back by itself (a full disk), that count is wrong: every later BEGIN of the connection
//! becomes a savepoint, and nothing is ever committed again. So the statements are sent as they
//! are, and the server alone knows the state.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connection, Pool};
use super::query::query;
use anyhow::{Context, Result};

/// A ROLLBACK that takes longer ends with the connection.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction. Dropped without a commit, it is rolled back.
pub struct Tx {
    /// Empty once the transaction has ended.
    connection: Option<Connection>,
    /// How often all connections had been given up when it began, and by now.
    began_in: u64,
    generation: Arc<AtomicU64>,
}

impl Tx {
    /// Begins a transaction on a connection of the pool.
    ///
    /// # Errors
    /// That of sqlx, under `a transaction of the database`: no connection can be had, or BEGIN
    /// fails; that connection is closed.
    pub(super) async fn begin(pool: &Pool, begin: &str, generation: &Arc<AtomicU64>) -> Result<Tx> {
        const WHAT: &str = "a transaction of the database";
        let mut connection = pool.acquire().await.context(WHAT)?;
        if let Err(error) = query(begin).execute(&mut connection).await {
            connection.close_on_drop();
            return Err(error).context(WHAT);
        }
        let began_in = generation.load(Ordering::Relaxed);
        Ok(Tx { connection: Some(connection), began_in, generation: generation.clone() })
    }

    /// Commits. After an error nobody knows whether the transaction is in the database: ask it on
    /// another connection.
    ///
    /// # Errors
    /// That of sqlx, under `COMMIT of the database`: it fails, or gets no answer; the connection is
    /// closed.
    pub async fn commit(mut self) -> Result<()> {
        let Some(mut connection) = self.connection.take() else { return Ok(()) };
        if let Err(error) = query("COMMIT").execute(&mut connection).await {
            connection.close_on_drop();
            return Err(error).context("COMMIT of the database");
        }
        Ok(())
    }
}

impl Deref for Tx {
    type Target = Connection;

    #[allow(clippy::expect_used, reason = "only `commit` and `drop` take the connection, and both own the value")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("an open transaction")
    }
}

impl DerefMut for Tx {
    #[allow(clippy::expect_used, reason = "see `deref`")]
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("an open transaction")
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // Whoever waits for a connection of the pool waits for this one, too.
        let (began_in, generation) = (self.began_in, self.generation.clone());
        tokio::spawn(async move {
            let ended = tokio::time::timeout(ROLLBACK_TIMEOUT, query("ROLLBACK").execute(&mut connection)).await;
            // SQLite answers so when it has rolled back by itself.
            if !matches!(ended, Ok(Ok(_))) || began_in != generation.load(Ordering::Relaxed) {
                connection.close_on_drop();
            }
        });
    }
}
