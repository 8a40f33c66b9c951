//! The outbox: what became of orders, for the program that keeps them. Written in the transaction
//! that books it, so the program hears of it when it is booked, once, or not at all.

use anyhow::Result;

use super::{query, Db, Dialect, Tx};
use crate::dialect::sliced;
use crate::projection::Notice;

/// The channel of PostgreSQL that is notified, and the table.
const NAME: &str = "stock_outbox";

impl Db {
    /// Writes notices; on PostgreSQL, whoever listens is woken by the commit.
    pub async fn write_notices(&self, tx: &mut Tx, notices: &[Notice]) -> Result<()> {
        for some in sliced(notices) {
            let rows = vec!["(?,?,?,?,?,?,?)"; some.len()].join(",");
            let sql = format!("INSERT INTO {NAME} (pool, order_id, kind, qty, epoch, seq, at_ms) VALUES {rows}");
            let sql = self.dialect.placeholders(&sql);
            let mut query = query(&sql);
            for n in some {
                query = query.bind(n.pool.as_str()).bind(n.order.as_str()).bind(n.state.word()).bind(n.qty);
                query = query.bind(n.epoch.as_str()).bind(n.seq).bind(n.at_ms);
            }
            query.execute(tx).await?;
        }
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
