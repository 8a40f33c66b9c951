//! Lends connections, the one that came back last first. A pool tests a connection when it comes
//! back and before it lends it again, and by then the next transaction has begun on another one:
//! with statements that are not prepared there yet, and, on SQLite, pages that must be read again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Result;

use super::connection::{Connection, Pool};

/// After so long a connection goes through the pool, which ends those that have lived too long.
const LONGEST: Duration = Duration::from_secs(300);

/// The connections of a database.
pub(super) struct Lender {
    pool: Pool,
    /// Counts how often all connections were given up: one of an earlier number is closed.
    generation: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lent: Option<Lent>,
    /// Callers who wait for a connection of the pool: while there are any, none is kept.
    waiting: usize,
}

/// A connection that somebody has in hand. Dropped, it goes back to the pool.
pub(super) struct Lent {
    pub connection: Connection,
    /// When the pool gave it, and how often all connections had been given up by then.
    since: Instant,
    generation: u64,
    /// It has not been tested since it was used last: it may be dead.
    pub is_untested: bool,
}

/// Who waits for the pool.
struct Waiting<'a>(&'a Lender);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.kept().waiting -= 1;
    }
}

impl Lender {
    pub fn new(pool: Pool) -> Lender {
        Lender { pool, generation: AtomicU64::new(0), kept: Mutex::default() }
    }

    /// Nothing that holds the lock can panic.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection: the one that is kept, or one of the pool.
    pub async fn lend(&self) -> Result<Lent> {
        let waiting = {
            let mut kept = self.kept();
            if let Some(lent) = kept.lent.take() {
                return Ok(lent);
            }
            kept.waiting += 1;
            Waiting(self)
        };
        let connection = self.pool.acquire().await;
        drop(waiting);
        let generation = self.generation.load(Ordering::Relaxed);
        Ok(Lent { connection: connection?, since: Instant::now(), generation, is_untested: false })
    }

    /// Keeps a connection on which nothing is open for the next caller.
    pub fn give_back(&self, mut lent: Lent) {
        if !self.is_current(&lent) {
            lent.connection.close_on_drop();
            return;
        }
        let mut kept = self.kept();
        if kept.waiting == 0 && kept.lent.is_none() && lent.since.elapsed() < LONGEST {
            lent.is_untested = true;
            kept.lent = Some(lent);
        }
    }

    /// Whether the connections have not been given up since this one was lent.
    pub fn is_current(&self, lent: &Lent) -> bool {
        lent.generation == self.generation.load(Ordering::Relaxed)
    }

    /// Gives all connections up: those that are in use when they come back.
    pub async fn give_up(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        let kept = self.kept().lent.take();
        if let Some(lent) = kept {
            // It is not needed any more, whatever closing it says.
            let _ = lent.connection.close().await;
        }
        while let Some(connection) = self.pool.try_acquire() {
            let _ = connection.close().await;
        }
    }

    /// Closes the connections.
    pub async fn close(&self) {
        let lent = {
            let mut kept = self.kept();
            // What comes back from now on goes to the pool, which waits for it.
            kept.waiting += 1;
            kept.lent.take()
        };
        drop(lent);
        self.pool.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::db::{query, Db};

    async fn database(dir: &tempfile::TempDir, connections: u32) -> Db {
        let url = format!("sqlite:{}", dir.path().join("shop.db").display());
        let text = format!("[database]\nurl = '{url}'\nconnections = {connections}");
        let config: Config = toml::from_str(&text).expect("a configuration");
        Db::open(&config, true).await.expect("a database")
    }

    #[tokio::test]
    async fn the_next_transaction_is_on_the_same_connection() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = database(&dir, 8).await;
        let mut tx = db.begin().await.expect("a transaction");
        query("CREATE TEMP TABLE only_here (n)").execute(&mut tx).await.expect("a table");
        tx.commit().await.expect("a commit");
        for _ in 0..5 {
            let mut tx = db.begin().await.expect("a transaction");
            query("INSERT INTO only_here VALUES (1)").execute(&mut tx).await.expect("the same connection");
            tx.commit().await.expect("a commit");
        }
        tokio::time::timeout(Duration::from_secs(5), db.close()).await.expect("closed");
    }

    #[tokio::test]
    async fn whoever_waits_comes_before_what_is_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = std::sync::Arc::new(database(&dir, 1).await);
        let first = db.begin().await.expect("a transaction");
        let waits = tokio::spawn({
            let db = db.clone();
            async move { db.begin().await.expect("a transaction").commit().await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        first.commit().await.expect("a commit");
        let waited = tokio::time::timeout(Duration::from_secs(5), waits).await;
        waited.expect("in time").expect("no defect").expect("a commit");
        // What is kept is lent to whoever sends a statement of its own, too.
        db.send("SELECT 1").await.expect("a row");
    }

    #[tokio::test]
    async fn connections_that_were_given_up_are_not_used_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = database(&dir, 8).await;
        let mut tx = db.begin().await.expect("a transaction");
        query("CREATE TEMP TABLE only_here (n)").execute(&mut tx).await.expect("a table");
        // In hand, and then kept.
        for _ in 0..2 {
            db.give_up_connections().await;
            tx.commit().await.expect("a commit");
            tx = db.begin().await.expect("a transaction");
            query("INSERT INTO only_here VALUES (1)").execute(&mut tx).await.expect_err("another connection");
            query("CREATE TEMP TABLE only_here (n)").execute(&mut tx).await.expect("a table");
        }
        tx.commit().await.expect("a commit");
        db.give_up_connections().await;
        let mut tx = db.begin().await.expect("a transaction");
        query("INSERT INTO only_here VALUES (1)").execute(&mut tx).await.expect_err("another connection");
    }
}
