//! Tokens of STOCK.ADD, STOCK.TRANSFER and STOCK.RETURN, and what a lost history means for what is known of a pool.

use std::collections::HashMap;

use anyhow::Result;

use super::{query, Db, Dialect, Tx};
use crate::dialect::sliced;
use crate::projection::{is_made_up, Fork, Token, TokenKey};

const COLUMNS: [&str; 7] = ["pool", "order_id", "token", "units", "lost", "epoch", "seq"];

impl Db {
    /// Tokens by pool, order and token.
    pub async fn tokens(&self, tx: &mut Tx, keys: &[TokenKey]) -> Result<HashMap<TokenKey, Token>> {
        let mut found = HashMap::with_capacity(keys.len());
        for some in sliced(keys) {
            let rows = vec!["(?,?,?)"; some.len()].join(",");
            let values = if self.dialect == Dialect::Sqlite { "VALUES " } else { "" };
            let sql = format!(
                "SELECT {} FROM stock_tokens WHERE (pool, order_id, token) IN ({values}{rows})",
                COLUMNS.join(",")
            );
            let sql = self.dialect.placeholders(&sql);
            let mut query = query(&sql);
            for (pool, order, token) in some {
                query = query.bind(pool.as_str()).bind(order.as_str()).bind(token.as_str());
            }
            for row in query.fetch_all(tx).await? {
                let key = (row.text(0)?, row.text(1)?, row.text(2)?);
                let lost = row.number(4)? != 0;
                found.insert(key, Token { units: row.number(3)?, lost, epoch: row.text(5)?, seq: row.number(6)? });
            }
        }
        Ok(found)
    }

    /// Writes tokens.
    pub async fn write_tokens(&self, tx: &mut Tx, tokens: &[(&TokenKey, &Token)]) -> Result<()> {
        for some in sliced(tokens) {
            let sql = self.dialect.upsert("stock_tokens", &COLUMNS, 3, some.len());
            let mut query = query(&sql);
            for ((pool, order, token), t) in some {
                query = query.bind(pool.as_str()).bind(order.as_str()).bind(token.as_str());
                query = query.bind(t.units).bind(t.lost).bind(t.epoch.as_str()).bind(t.seq);
            }
            query.execute(tx).await?;
        }
        Ok(())
    }

    /// Marks the lines and tokens whose last event Redis has lost. Answers the units of each ADD
    /// among them that had no token: nobody can know it again, so it is reported once, and
    /// forgotten.
    pub async fn mark_lost(&self, tx: &mut Tx, fork: &Fork) -> Result<Vec<i64>> {
        for table in ["stock_lines", "stock_tokens"] {
            let sql = format!(
                "UPDATE {table} SET lost = 1 WHERE pool = ? AND seq >= ? AND epoch <> ? AND epoch <> '' AND lost = 0"
            );
            let sql = self.dialect.placeholders(&sql);
            let query = query(&sql).bind(fork.pool.as_str()).bind(fork.from_seq).bind(fork.epoch.as_str());
            query.execute(tx).await?;
        }
        let sql = "SELECT token, units FROM stock_tokens WHERE pool = ? AND order_id = '' AND lost = 1";
        let sql = self.dialect.placeholders(sql);
        let mut units = Vec::new();
        for row in query(&sql).bind(fork.pool.as_str()).fetch_all(tx).await? {
            let token = row.text(0)?;
            if is_made_up(&token) {
                units.push(row.number(1)?);
                let sql = self
                    .dialect
                    .placeholders("DELETE FROM stock_tokens WHERE pool = ? AND order_id = '' AND token = ?");
                query(&sql).bind(fork.pool.as_str()).bind(token.as_str()).execute(tx).await?;
            }
        }
        Ok(units)
    }

    /// A pool was deleted: its lines stay, but are of no history any more, and its tokens are
    /// forgotten, as they are there.
    pub async fn leave_behind(&self, tx: &mut Tx, pool: &str) -> Result<()> {
        for sql in [
            "UPDATE stock_lines SET epoch = '' WHERE pool = ? AND epoch <> ''",
            "DELETE FROM stock_tokens WHERE pool = ?",
        ] {
            query(&self.dialect.placeholders(sql)).bind(pool).execute(tx).await?;
        }
        Ok(())
    }
}
