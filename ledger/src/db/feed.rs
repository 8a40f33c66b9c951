//! How far each stream has been read.

use anyhow::Result;

use super::database::Db;
use super::many::Insert;
use super::query::{query, Value};
use super::transaction::Tx;
use crate::dialect::Existing;

/// A stream's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamRow {
    /// The id of the last entry applied.
    pub entry: String,
    /// The server's history that was read from the start up to there, or that is being read (see
    /// `run::session`).
    pub history: String,
    /// Counts transactions: whoever finds another number than he left is not alone.
    pub version: i64,
    /// Events applied since the beginning.
    pub applied: i64,
    /// The time of the last event applied.
    pub event_ms: i64,
    /// When this row was written last.
    pub updated_ms: i64,
}

const COLUMNS: &str = "stream, entry, history, version, applied, event_ms, updated_ms";

impl Db {
    /// A stream's row; a new one where there is none. A row that another program has made meanwhile
    /// stays as it is.
    pub async fn stream(&self, stream: &str) -> Result<StreamRow> {
        loop {
            let mut tx = self.begin().await?;
            if let Some((_, row)) = self.streams(&mut tx).await?.into_iter().find(|(name, _)| name == stream) {
                return Ok(row);
            }
            let columns = ["stream", "entry", "history", "version", "applied", "event_ms", "updated_ms"];
            let into = Insert { table: "stock_streams", columns, existing: Existing::Keep(1) };
            let zero = || Value::from(0i64);
            self.insert(&mut tx, &into, &[stream], |stream| {
                [Value::from(*stream), "0-0".into(), "".into(), zero(), zero(), zero(), zero()]
            })
            .await?;
            tx.commit().await?;
            // Read again: whose row it is only the database knows.
        }
    }

    /// All streams.
    pub async fn streams(&self, tx: &mut Tx) -> Result<Vec<(String, StreamRow)>> {
        let rows = query(&format!("SELECT {COLUMNS} FROM stock_streams ORDER BY stream")).fetch_all(tx).await?;
        rows.iter()
            .map(|row| {
                let stream = StreamRow {
                    entry: row.text(1)?,
                    history: row.text(2)?,
                    version: row.number(3)?,
                    applied: row.number(4)?,
                    event_ms: row.number(5)?,
                    updated_ms: row.number(6)?,
                };
                Ok((row.text(0)?, stream))
            })
            .collect()
    }

    /// The entry up to which everybody sees the stream applied: read on a connection of its own.
    /// Only what stands before it may be removed from the stream.
    pub async fn entry_seen_by_all(&self, stream: &str) -> Result<Option<String>> {
        let mut witness = self.witness().await?;
        let sql = self.dialect.placeholders("SELECT entry FROM stock_streams WHERE stream = ?");
        let row = query(&sql).bind(stream).fetch_optional(&mut witness).await?;
        row.map(|row| row.text(0)).transpose()
    }

    /// Claims the stream for one transaction and notes how far it leads. False: another program
    /// took it; nothing was written.
    pub async fn claim_stream(&self, tx: &mut Tx, stream: &str, row: &StreamRow) -> Result<bool> {
        let sql =
            "UPDATE stock_streams SET entry = ?, history = ?, version = ?, applied = ?, event_ms = ?, updated_ms = ? \
                   WHERE stream = ? AND version = ?";
        let sql = self.dialect.placeholders(sql);
        let query = query(&sql)
            .bind(row.entry.as_str())
            .bind(row.history.as_str())
            .bind(row.version + 1)
            .bind(row.applied)
            .bind(row.event_ms)
            .bind(row.updated_ms)
            .bind(stream)
            .bind(row.version);
        Ok(query.execute(tx).await? == 1)
    }

    /// Corrects the number of events applied, within the same claim.
    pub async fn count_applied(&self, tx: &mut Tx, stream: &str, row: &StreamRow) -> Result<()> {
        let sql = self.dialect.placeholders("UPDATE stock_streams SET applied = ?, event_ms = ? WHERE stream = ?");
        query(&sql).bind(row.applied).bind(row.event_ms).bind(stream).execute(tx).await?;
        Ok(())
    }
}
