//! Movements that the stock row of their pool could not take when they happened.

use std::collections::BTreeSet;

use anyhow::Result;

use super::database::Db;
use super::many::Insert;
use super::query::{query, Value};
use super::transaction::Tx;
use crate::dialect::Existing;
use crate::projection::Movement;

/// What waits for a pool's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Movements.
    pub movements: i64,
    /// Their units, net.
    pub units: i64,
}

impl Db {
    /// Writes movements, in their order.
    pub async fn write_pending(&self, tx: &mut Tx, movements: &[Movement]) -> Result<()> {
        let columns = ["pool", "order_id", "units", "epoch", "seq", "at_ms"];
        let into = Insert { table: "stock_pending", columns, existing: Existing::Fail };
        self.insert(tx, &into, movements, |m| {
            [
                Value::from(&m.pool),
                Value::from(&m.order),
                m.units.into(),
                Value::from(&m.epoch),
                m.seq.into(),
                m.at_ms.into(),
            ]
        })
        .await
    }

    /// Pools behind `after` for which something waits, in order of name.
    pub async fn pools_pending(&self, tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT pool FROM stock_pending WHERE pool > ? ORDER BY pool LIMIT ?";
        let rows = query(&self.dialect.placeholders(sql)).bind(after).bind(limit).fetch_all(tx).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    /// What waits for a pool's row in all.
    pub async fn waiting(&self, tx: &mut Tx, pool: &str) -> Result<Waiting> {
        let units = self.dialect.whole("COALESCE(SUM(units), 0)");
        let sql = format!("SELECT COUNT(*), {units} FROM stock_pending WHERE pool = ?");
        let row = query(&self.dialect.placeholders(&sql)).bind(pool).fetch_one(tx).await?;
        Ok(Waiting { movements: row.number(0)?, units: row.number(1)? })
    }

    /// The first movements that wait for a pool's row: their numbers and units, in order.
    pub async fn first_pending(&self, tx: &mut Tx, pool: &str, limit: i64) -> Result<Vec<(i64, i64)>> {
        let sql = "SELECT id, units FROM stock_pending WHERE pool = ? ORDER BY id LIMIT ?";
        let rows = query(&self.dialect.placeholders(sql)).bind(pool).bind(limit).fetch_all(tx).await?;
        rows.iter().map(|row| Ok((row.number(0)?, row.number(1)?))).collect()
    }

    /// Takes the movements of a pool away, up to a number: its row has taken them.
    pub async fn remove_pending(&self, tx: &mut Tx, pool: &str, up_to: i64) -> Result<()> {
        let sql = self.dialect.placeholders("DELETE FROM stock_pending WHERE pool = ? AND id <= ?");
        query(&sql).bind(pool).bind(up_to).execute(tx).await?;
        Ok(())
    }

    /// Takes all movements of these pools away.
    pub async fn clear_pending(&self, tx: &mut Tx, pools: &BTreeSet<String>) -> Result<()> {
        let pools: Vec<&String> = pools.iter().collect();
        self.execute_among(tx, "DELETE FROM stock_pending", ["pool"], "", &pools, |pool| [Value::from(*pool)]).await
    }

    /// How many pools have something that waits, and what all of it is.
    pub async fn count_pending(&self, tx: &mut Tx) -> Result<(i64, Waiting)> {
        let units = self.dialect.whole("COALESCE(SUM(units), 0)");
        let sql = format!("SELECT COUNT(DISTINCT pool), COUNT(*), {units} FROM stock_pending");
        let row = query(&sql).fetch_one(tx).await?;
        Ok((row.number(0)?, Waiting { movements: row.number(1)?, units: row.number(2)? }))
    }
}
