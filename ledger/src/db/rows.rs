//! Positions, epochs and lines: read by key, written many at a time.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::{bail, Result};

use super::{query, Db, Dialect, Row, Tx};
use crate::dialect::sliced;
use crate::projection::{OrderLine, Position, State};

const POSITION: [&str; 6] = ["pool", "epoch", "seq", "out_units", "uncovered", "needs_audit"];
const LINE: [&str; 12] = [
    "pool",
    "order_id",
    "state",
    "qty",
    "returned",
    "units_taken",
    "lost",
    "attributes",
    "placed_ms",
    "changed_ms",
    "epoch",
    "seq",
];

fn position(row: &Row) -> Result<(String, Position)> {
    let position = Position {
        epoch: row.text(1)?,
        seq: row.number(2)?,
        out: row.number(3)?,
        uncovered: row.number(4)?,
        needs_audit: row.number(5)? != 0,
    };
    Ok((row.text(0)?, position))
}

fn line(row: &Row) -> Result<((String, String), OrderLine)> {
    let word = row.text(2)?;
    let Some(state) = State::of(&word) else { bail!("an order line in the unknown state {word}") };
    let line = OrderLine {
        state,
        qty: row.number(3)?,
        returned: row.number(4)?,
        units_taken: row.number(5)?,
        lost: row.number(6)? != 0,
        attributes: row.text(7)?,
        placed_ms: row.number(8)?,
        changed_ms: row.number(9)?,
        epoch: row.text(10)?,
        seq: row.number(11)?,
    };
    Ok(((row.text(0)?, row.text(1)?), line))
}

impl Db {
    /// Locks the pools named, so that nobody else applies events to them or tells Redis about them,
    /// and reads where they stand. In order of name: two that lock the same pools never wait for
    /// each other.
    pub async fn lock_positions(&self, tx: &mut Tx, pools: &BTreeSet<&str>) -> Result<HashMap<String, Position>> {
        self.lock_writer(tx).await?;
        let pools: Vec<&str> = pools.iter().copied().collect();
        let mut found = HashMap::with_capacity(pools.len());
        for some in sliced(&pools) {
            let sql = format!(
                "SELECT {} FROM stock_positions WHERE pool IN ({}) ORDER BY pool{}",
                POSITION.join(","),
                vec!["?"; some.len()].join(","),
                self.dialect.for_update()
            );
            let sql = self.dialect.placeholders(&sql);
            let mut query = query(&sql);
            for pool in some {
                query = query.bind(*pool);
            }
            for row in query.fetch_all(tx).await? {
                found.extend([position(&row)?]);
            }
        }
        Ok(found)
    }

    /// SQLite's one writer's lock, before anything is read.
    async fn lock_writer(&self, tx: &mut Tx) -> Result<()> {
        if self.dialect == Dialect::Sqlite {
            query("UPDATE stock_ledger_version SET version = version").execute(tx).await?;
        }
        Ok(())
    }

    /// Whether any position stands between the first and the last of these pools: one look instead
    /// of thousands.
    pub async fn has_positions_among(&self, tx: &mut Tx, pools: &BTreeSet<&str>) -> Result<bool> {
        self.lock_writer(tx).await?;
        let (Some(first), Some(last)) = (pools.first(), pools.last()) else { return Ok(false) };
        let sql = self.dialect.placeholders("SELECT pool FROM stock_positions WHERE pool >= ? AND pool <= ? LIMIT 1");
        Ok(query(&sql).bind(*first).bind(*last).fetch_optional(tx).await?.is_some())
    }

    /// Where one pool stands now.
    pub async fn position(&self, pool: &str) -> Result<Option<Position>> {
        let mut tx = self.begin().await?;
        let sql = format!("SELECT {} FROM stock_positions WHERE pool = ?", POSITION.join(","));
        let row = query(&self.dialect.placeholders(&sql)).bind(pool).fetch_optional(&mut tx).await?;
        tx.commit().await?;
        row.map(|row| position(&row).map(|(_, position)| position)).transpose()
    }

    /// Positions behind `after`, in order of name: to walk through all.
    pub async fn positions_after(&self, tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<(String, Position)>> {
        let sql = format!("SELECT {} FROM stock_positions WHERE pool > ? ORDER BY pool LIMIT ?", POSITION.join(","));
        let sql = self.dialect.placeholders(&sql);
        let rows = query(&sql).bind(after).bind(limit).fetch_all(tx).await?;
        rows.iter().map(position).collect()
    }

    /// Writes positions.
    pub async fn write_positions(&self, tx: &mut Tx, positions: &[(&str, &Position)]) -> Result<()> {
        for some in sliced(positions) {
            let sql = self.dialect.upsert("stock_positions", &POSITION, 1, some.len());
            let mut query = query(&sql);
            for (pool, p) in some {
                query = query.bind(*pool).bind(p.epoch.as_str()).bind(p.seq).bind(p.out).bind(p.uncovered);
                query = query.bind(p.needs_audit);
            }
            query.execute(tx).await?;
        }
        Ok(())
    }

    /// Positions of pools that are not followed yet. One that somebody else has written meanwhile
    /// stays as it is.
    pub async fn start_positions(&self, tx: &mut Tx, positions: &[(&str, Position)]) -> Result<()> {
        for some in sliced(positions) {
            let sql = self.dialect.insert_absent("stock_positions", &POSITION, 1, some.len());
            let mut query = query(&sql);
            for (pool, p) in some {
                query = query.bind(*pool).bind(p.epoch.as_str()).bind(p.seq).bind(p.out).bind(p.uncovered);
                query = query.bind(p.needs_audit);
            }
            query.execute(tx).await?;
        }
        Ok(())
    }

    /// The audit is done with a pool.
    pub async fn clear_audit_mark(&self, tx: &mut Tx, pool: &str) -> Result<()> {
        let sql = self.dialect.placeholders("UPDATE stock_positions SET needs_audit = 0 WHERE pool = ?");
        query(&sql).bind(pool).execute(tx).await?;
        Ok(())
    }

    /// All epochs that the pools were followed in.
    pub async fn known_epochs(&self, tx: &mut Tx, pools: &BTreeSet<&str>) -> Result<HashSet<(String, String)>> {
        let pools: Vec<&str> = pools.iter().copied().collect();
        let mut known = HashSet::new();
        for some in sliced(&pools) {
            let places = vec!["?"; some.len()].join(",");
            let sql =
                self.dialect.placeholders(&format!("SELECT pool, epoch FROM stock_epochs WHERE pool IN ({places})"));
            let mut query = query(&sql);
            for pool in some {
                query = query.bind(*pool);
            }
            for row in query.fetch_all(tx).await? {
                known.insert((row.text(0)?, row.text(1)?));
            }
        }
        Ok(known)
    }

    /// Notes epochs that were entered.
    pub async fn write_epochs(&self, tx: &mut Tx, entered: &BTreeSet<(String, String)>) -> Result<()> {
        let entered: Vec<&(String, String)> = entered.iter().collect();
        for some in sliced(&entered) {
            let sql = self.dialect.insert_absent("stock_epochs", &["pool", "epoch"], 2, some.len());
            let mut query = query(&sql);
            for (pool, epoch) in some {
                query = query.bind(pool.as_str()).bind(epoch.as_str());
            }
            query.execute(tx).await?;
        }
        Ok(())
    }

    /// Lines by pool and order.
    pub async fn lines(&self, tx: &mut Tx, keys: &[(&str, &str)]) -> Result<HashMap<(String, String), OrderLine>> {
        let mut found = HashMap::with_capacity(keys.len());
        for some in sliced(keys) {
            let pairs = vec!["(?,?)"; some.len()].join(",");
            let columns = |of: &str| LINE.map(|c| format!("{of}{c}")).join(",");
            let sql = match self.dialect {
                Dialect::Sqlite => {
                    format!("SELECT {} FROM stock_lines WHERE (pool, order_id) IN (VALUES {pairs})", columns(""))
                }
                Dialect::Postgres => format!(
                    "SELECT {} FROM (VALUES {pairs}) AS asked (p, o) JOIN stock_lines AS l \
                     ON l.pool = asked.p AND l.order_id = asked.o",
                    columns("l.")
                ),
                Dialect::Mysql => {
                    format!("SELECT {} FROM stock_lines WHERE (pool, order_id) IN ({pairs})", columns(""))
                }
            };
            let sql = self.dialect.placeholders(&sql);
            let mut query = query(&sql);
            for (pool, order) in some {
                query = query.bind(*pool).bind(*order);
            }
            for row in query.fetch_all(tx).await? {
                found.extend([line(&row)?]);
            }
        }
        Ok(found)
    }

    /// Lines of a pool behind `after` that changed since `since_ms`, are open, or are marked as
    /// lost.
    pub async fn lines_after(
        &self,
        tx: &mut Tx,
        pool: &str,
        after: &str,
        since_ms: i64,
    ) -> Result<Vec<(String, OrderLine)>> {
        let sql = format!(
            "SELECT {} FROM stock_lines WHERE pool = ? AND order_id > ? AND (changed_ms >= ? OR lost = 1 OR state = 'reserved') \
             ORDER BY order_id LIMIT 500",
            LINE.join(",")
        );
        let sql = self.dialect.placeholders(&sql);
        let rows = query(&sql).bind(pool).bind(after).bind(since_ms).fetch_all(tx).await?;
        rows.iter().map(|row| line(row).map(|((_, order), line)| (order, line))).collect()
    }

    /// Writes lines.
    pub async fn write_lines(&self, tx: &mut Tx, lines: &[(&(String, String), &OrderLine)]) -> Result<()> {
        for some in sliced(lines) {
            let sql = self.dialect.upsert("stock_lines", &LINE, 2, some.len());
            let mut query = query(&sql);
            for ((pool, order), l) in some {
                query = query.bind(pool.as_str()).bind(order.as_str()).bind(l.state.word());
                query = query.bind(l.qty).bind(l.returned).bind(l.units_taken).bind(l.lost);
                query = query.bind(l.attributes.as_str()).bind(l.placed_ms).bind(l.changed_ms);
                query = query.bind(l.epoch.as_str()).bind(l.seq);
            }
            query.execute(tx).await?;
        }
        Ok(())
    }
}
