//! The audit rows of `adjust`.

use anyhow::Result;

use super::database::Db;
use super::query::{query, Value};
use super::transaction::Tx;

/// One adjustment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// The caller's own id: the same one again is the same adjustment.
    pub token: String,
    /// The row of the stock table.
    pub sku: String,
    /// Units.
    pub delta: i64,
    /// Why.
    pub reason: String,
    /// Who.
    pub operator: String,
    /// What the column said afterwards.
    pub on_hand: i64,
    /// When.
    pub at_ms: i64,
    /// Whether Redis knows it.
    pub synced: bool,
}

const COLUMNS: &str = "token, sku, delta, reason, operator, on_hand, at_ms, synced";

impl Db {
    /// The adjustment of a token.
    pub async fn adjustment(&self, tx: &mut Tx, token: &str) -> Result<Option<Adjustment>> {
        let sql = self.dialect.placeholders(&format!("SELECT {COLUMNS} FROM stock_adjustments WHERE token = ?"));
        let row = query(&sql).bind(token).fetch_optional(tx).await?;
        row.map(|row| {
            Ok(Adjustment {
                token: row.text(0)?,
                sku: row.text(1)?,
                delta: row.number(2)?,
                reason: row.text(3)?,
                operator: row.text(4)?,
                on_hand: row.number(5)?,
                at_ms: row.number(6)?,
                synced: row.number(7)? != 0,
            })
        })
        .transpose()
    }

    /// Writes an adjustment's audit row.
    pub async fn write_adjustment(&self, tx: &mut Tx, a: &Adjustment) -> Result<()> {
        let sql = format!("INSERT INTO stock_adjustments ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?)");
        let sql = self.dialect.placeholders(&sql);
        let query = query(&sql).bind(a.token.as_str()).bind(a.sku.as_str()).bind(a.delta);
        let query = query.bind(a.reason.as_str()).bind(a.operator.as_str()).bind(a.on_hand).bind(a.at_ms);
        query.bind(a.synced).execute(tx).await?;
        Ok(())
    }

    /// Redis knows everything that is on these rows.
    pub async fn mark_synced(&self, tx: &mut Tx, skus: &[String]) -> Result<()> {
        let sql = "UPDATE stock_adjustments SET synced = 1";
        let then = " AND synced = 0";
        self.execute_among(tx, sql, ["sku"], then, skus, |sku| [Value::from(sku)]).await
    }

    /// Adjustments of which Redis does not know yet.
    pub async fn unsynced(&self, tx: &mut Tx) -> Result<i64> {
        let row = query("SELECT COUNT(*) FROM stock_adjustments WHERE synced = 0").fetch_one(tx).await?;
        row.number(0)
    }
}
