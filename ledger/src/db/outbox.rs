//! The outbox: what became of orders, for the program that keeps them. Written in the transaction
//! that books it, so the program hears of it when it is booked, once, or not at all.

use anyhow::Result;

use super::database::Db;
use super::many::Insert;
use super::query::{query, Value};
use super::transaction::Tx;
use crate::dialect::{Dialect, Existing};
use crate::projection::Notice;

/// The channel of PostgreSQL that is notified, and the table.
const NAME: &str = "stock_outbox";

impl Db {
    /// Writes notices; on PostgreSQL, whoever listens is woken by the commit.
    pub async fn write_notices(&self, tx: &mut Tx, notices: &[Notice]) -> Result<()> {
        let columns = ["pool", "order_id", "kind", "qty", "epoch", "seq", "at_ms"];
        let into = Insert { table: NAME, columns, existing: Existing::Fail };
        self.insert(tx, &into, notices, |n| {
            [
                Value::from(&n.pool),
                Value::from(&n.order),
                n.state.word().into(),
                n.qty.into(),
                Value::from(&n.epoch),
                n.seq.into(),
                n.at_ms.into(),
            ]
        })
        .await?;
        if self.dialect == Dialect::Postgres && !notices.is_empty() {
            query(&format!("NOTIFY {NAME}")).execute(tx).await?;
        }
        Ok(())
    }

    /// How many notices nobody has taken yet, and when the oldest of them was booked.
    pub async fn waiting_notices(&self, tx: &mut Tx) -> Result<(i64, i64)> {
        let oldest = self.dialect.whole("COALESCE(MIN(at_ms), 0)");
        let sql = format!("SELECT COUNT(*), {oldest} FROM {NAME}");
        let row = query(&sql).fetch_one(tx).await?;
        Ok((row.number(0)?, row.number(1)?))
    }
}
