//! Transactions whose end is certain: a connection on which BEGIN, COMMIT or ROLLBACK failed is
//! closed, never used again.
//!
//! The driver's own transactions count their depth. After a COMMIT that failed, and that SQLite
//! rolled back by itself (a full disk), that count is wrong: every later BEGIN of the connection
//! becomes a savepoint, and nothing is ever committed again. So the statements are sent as they
//! are, and the server alone knows the state.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use super::connection::Connection;
use super::lender::{Lender, Lent};
use super::query::query;
use anyhow::{Context, Result};
use tokio::time::timeout;

/// A ROLLBACK that takes longer ends with the connection.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(5);
/// So does a BEGIN on a connection that may be dead: a server that has vanished does not say so.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction. Dropped without a commit, it is rolled back.
pub struct Tx {
    /// Empty once the transaction has ended.
    lent: Option<Lent>,
    lender: Arc<Lender>,
}

impl Tx {
    /// Begins a transaction.
    ///
    /// # Errors
    /// That of sqlx, under `a transaction of the database`: no connection can be had, or BEGIN
    /// fails; that connection is closed.
    pub(super) async fn begin(lender: &Arc<Lender>, begin: &str) -> Result<Tx> {
        const WHAT: &str = "a transaction of the database";
        loop {
            let mut lent = lender.lend().await.context(WHAT)?;
            if lent.is_untested {
                let begun = timeout(BEGIN_TIMEOUT, query(begin).execute(&mut lent.connection)).await;
                if !matches!(begun, Ok(Ok(_))) {
                    // It died while nobody used it: the pool has others, or says why not.
                    lent.connection.close_on_drop();
                    continue;
                }
            } else if let Err(error) = query(begin).execute(&mut lent.connection).await {
                lent.connection.close_on_drop();
                return Err(error).context(WHAT);
            }
            return Ok(Tx { lent: Some(lent), lender: lender.clone() });
        }
    }

    /// Commits. After an error nobody knows whether the transaction is in the database: ask it on
    /// another connection.
    ///
    /// # Errors
    /// That of sqlx, under `COMMIT of the database`: it fails, or gets no answer; the connection is
    /// closed.
    pub async fn commit(mut self) -> Result<()> {
        let Some(mut lent) = self.lent.take() else { return Ok(()) };
        if let Err(error) = query("COMMIT").execute(&mut lent.connection).await {
            lent.connection.close_on_drop();
            return Err(error).context("COMMIT of the database");
        }
        self.lender.give_back(lent);
        Ok(())
    }
}

impl Deref for Tx {
    type Target = Connection;

    #[allow(clippy::expect_used, reason = "only `commit` and `drop` take the connection, and both own the value")]
    fn deref(&self) -> &Connection {
        &self.lent.as_ref().expect("an open transaction").connection
    }
}

impl DerefMut for Tx {
    #[allow(clippy::expect_used, reason = "see `deref`")]
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.lent.as_mut().expect("an open transaction").connection
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(mut lent) = self.lent.take() else { return };
        // Whoever waits for a connection of the pool waits for this one, too.
        let lender = self.lender.clone();
        tokio::spawn(async move {
            let ended = timeout(ROLLBACK_TIMEOUT, query("ROLLBACK").execute(&mut lent.connection)).await;
            // SQLite answers so when it has rolled back by itself.
            if !matches!(ended, Ok(Ok(_))) || !lender.is_current(&lent) {
                lent.connection.close_on_drop();
            }
        });
    }
}
