//! Incidents: what a person should know. They are written with what they are about, in one
//! transaction.

use anyhow::Result;

use super::database::Db;
use super::many::Insert;
use super::query::{query, Value};
use super::transaction::Tx;
use crate::dialect::Existing;
use crate::projection::Incident;
use crate::text::cut;

/// Characters that have room, less the sign that there were more.
const MOST_DETAIL: usize = 1999;

/// An incident as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Kind.
    pub kind: String,
    /// Pool.
    pub pool: String,
    /// Order, or empty.
    pub order: String,
    /// Units.
    pub units: i64,
    /// In words.
    pub detail: String,
    /// When.
    pub at_ms: i64,
}

impl Db {
    /// Writes incidents.
    pub async fn write_incidents(&self, tx: &mut Tx, incidents: &[Incident], now_ms: i64) -> Result<()> {
        let columns = ["kind", "pool", "order_id", "epoch", "seq", "units", "detail", "at_ms"];
        let into = Insert { table: "stock_incidents", columns, existing: Existing::Fail };
        self.insert(tx, &into, incidents, |i| {
            [
                i.kind.into(),
                Value::from(&i.pool),
                Value::from(&i.order),
                Value::from(&i.epoch),
                i.seq.into(),
                i.units.into(),
                cut(&i.detail, MOST_DETAIL).into(),
                now_ms.into(),
            ]
        })
        .await
    }

    /// Whether this incident was written before.
    pub async fn has_incident(&self, tx: &mut Tx, incident: &Incident) -> Result<bool> {
        let sql = self.dialect.placeholders("SELECT COUNT(*) FROM stock_incidents WHERE kind = ? AND detail = ?");
        let detail = cut(&incident.detail, MOST_DETAIL);
        let row = query(&sql).bind(incident.kind).bind(detail).fetch_one(tx).await?;
        Ok(row.number(0)? > 0)
    }

    /// Whether an audit has noted that it settled what Redis lost of a pool from this change on.
    pub async fn is_settled(&self, tx: &mut Tx, pool: &str, epoch: &str, from_seq: i64) -> Result<bool> {
        let sql = "SELECT COUNT(*) FROM stock_incidents WHERE kind = 'fork' AND pool = ? AND epoch = ? AND seq = ?";
        let sql = self.dialect.placeholders(sql);
        Ok(query(&sql).bind(pool).bind(epoch).bind(from_seq).fetch_one(tx).await?.number(0)? > 0)
    }

    /// Whether an audit has noted that a pool is gone.
    pub async fn is_gone(&self, tx: &mut Tx, pool: &str, epoch: &str) -> Result<bool> {
        let sql = "SELECT COUNT(*) FROM stock_incidents WHERE kind = 'gone' AND pool = ? AND epoch = ?";
        let sql = self.dialect.placeholders(sql);
        Ok(query(&sql).bind(pool).bind(epoch).fetch_one(tx).await?.number(0)? > 0)
    }

    /// How many incidents there are of each kind, and their units.
    pub async fn count_incidents(&self, tx: &mut Tx) -> Result<Vec<(String, i64, i64)>> {
        let units = self.dialect.whole("SUM(units)");
        let sql = format!("SELECT kind, COUNT(*), {units} FROM stock_incidents GROUP BY kind ORDER BY kind");
        let rows = query(&sql).fetch_all(tx).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.number(1)?, row.number(2)?))).collect()
    }

    /// The last incidents, newest first.
    pub async fn last_incidents(&self, tx: &mut Tx, limit: i64) -> Result<Vec<Listed>> {
        let sql = "SELECT kind, pool, order_id, units, detail, at_ms FROM stock_incidents ORDER BY id DESC LIMIT ?";
        let sql = self.dialect.placeholders(sql);
        let rows = query(&sql).bind(limit).fetch_all(tx).await?;
        rows.iter()
            .map(|row| {
                Ok(Listed {
                    kind: row.text(0)?,
                    pool: row.text(1)?,
                    order: row.text(2)?,
                    units: row.number(3)?,
                    detail: row.text(4)?,
                    at_ms: row.number(5)?,
                })
            })
            .collect()
    }

    /// Pools with paid units that no stock row carries, and pools that wait for an audit: how many,
    /// and the units.
    pub async fn troubles(&self, tx: &mut Tx) -> Result<(i64, i64, i64)> {
        let units = self.dialect.whole("COALESCE(SUM(uncovered), 0)");
        let sql = format!("SELECT COUNT(*), {units} FROM stock_positions WHERE uncovered > 0");
        let row = query(&sql).fetch_one(tx).await?;
        let to_audit = query("SELECT COUNT(*) FROM stock_positions WHERE needs_audit = 1").fetch_one(tx).await?;
        Ok((row.number(0)?, row.number(1)?, to_audit.number(0)?))
    }

    /// How many lines stand in each state.
    pub async fn count_lines(&self, tx: &mut Tx) -> Result<Vec<(String, i64)>> {
        let sql = "SELECT state, COUNT(*) FROM stock_lines GROUP BY state ORDER BY state";
        let rows = query(sql).fetch_all(tx).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.number(1)?))).collect()
    }
}
