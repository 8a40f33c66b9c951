//! Tokens of STOCK.ADD, STOCK.TRANSFER and STOCK.RETURN, and what a lost history means for what is
//! known of a pool.

use std::collections::HashMap;

use anyhow::Result;

use super::database::Db;
use super::many::Insert;
use super::query::{query, Value};
use super::transaction::Tx;
use crate::dialect::Existing;
use crate::projection::{is_made_up, Fork, Token, TokenKey};

const COLUMNS: [&str; 7] = ["pool", "order_id", "token", "units", "lost", "epoch", "seq"];

impl Db {
    /// Tokens by pool, order and token.
    pub async fn tokens(&self, tx: &mut Tx, keys: &[TokenKey]) -> Result<HashMap<TokenKey, Token>> {
        let select = format!("SELECT {} FROM stock_tokens", COLUMNS.join(","));
        let key = ["pool", "order_id", "token"];
        let rows = self
            .fetch_among(tx, &select, key, "", keys, |(pool, order, token)| [pool.into(), order.into(), token.into()])
            .await?;
        rows.iter()
            .map(|row| {
                let key = (row.text(0)?, row.text(1)?, row.text(2)?);
                let lost = row.number(4)? != 0;
                Ok((key, Token { units: row.number(3)?, lost, epoch: row.text(5)?, seq: row.number(6)? }))
            })
            .collect()
    }

    /// Writes tokens.
    pub async fn write_tokens(&self, tx: &mut Tx, tokens: &[(&TokenKey, &Token)]) -> Result<()> {
        let into = Insert { table: "stock_tokens", columns: COLUMNS, existing: Existing::Replace(3) };
        self.insert(tx, &into, tokens, |((pool, order, token), t)| {
            [
                pool.into(),
                order.into(),
                token.into(),
                t.units.into(),
                t.lost.into(),
                Value::from(&t.epoch),
                t.seq.into(),
            ]
        })
        .await
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

    /// Whether the database has something of a pool's history behind `seq` of which no audit has
    /// settled yet that Redis lost it.
    pub async fn has_unsettled_behind(&self, tx: &mut Tx, pool: &str, seq: i64) -> Result<bool> {
        for sql in [
            "SELECT 1 FROM stock_lines WHERE pool = ? AND seq > ? AND epoch <> '' LIMIT 1",
            "SELECT 1 FROM stock_tokens WHERE pool = ? AND seq > ? AND epoch <> '' AND lost = 0 LIMIT 1",
        ] {
            let sql = self.dialect.placeholders(sql);
            if query(&sql).bind(pool).bind(seq).fetch_optional(tx).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An audit has settled what Redis lost of a pool behind `seq`: its lines are of no history any
    /// more. (Tokens keep theirs, by which a call that is made again is known.)
    pub async fn settle_behind(&self, tx: &mut Tx, pool: &str, seq: i64) -> Result<()> {
        let sql = "UPDATE stock_lines SET epoch = '' WHERE pool = ? AND seq > ? AND epoch <> ''";
        let sql = self.dialect.placeholders(sql);
        query(&sql).bind(pool).bind(seq).execute(tx).await?;
        Ok(())
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
