//! Positions, epochs and lines: read by key, written many at a time.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::{bail, Result};

use super::copy::copy;
use super::database::Db;
use super::many::Insert;
use super::query::{query, Row, Value};
use super::transaction::Tx;
use crate::dialect::{sliced, Dialect, Existing};
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

fn position_values<'q>(pool: &'q str, p: &'q Position) -> [Value<'q>; 6] {
    [pool.into(), Value::from(&p.epoch), p.seq.into(), p.out.into(), p.uncovered.into(), p.needs_audit.into()]
}

/// A pool and an order.
type LineKey = (String, String);

fn line_values<'q>((pool, order): &'q LineKey, l: &'q OrderLine) -> [Value<'q>; 12] {
    [
        Value::from(pool),
        Value::from(order),
        l.state.word().into(),
        l.qty.into(),
        l.returned.into(),
        l.units_taken.into(),
        l.lost.into(),
        Value::from(&l.attributes),
        l.placed_ms.into(),
        l.changed_ms.into(),
        Value::from(&l.epoch),
        l.seq.into(),
    ]
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
        let select = format!("SELECT {} FROM stock_positions", POSITION.join(","));
        let then = format!(" ORDER BY pool{}", self.dialect.for_update());
        let rows = self.fetch_among(tx, &select, ["pool"], &then, &pools, |pool| [Value::from(*pool)]).await?;
        rows.iter().map(position).collect()
    }

    /// SQLite's one writer's lock, before anything is read.
    async fn lock_writer(&self, tx: &mut Tx) -> Result<()> {
        if self.dialect == Dialect::Sqlite {
            query("UPDATE stock_ledger_version SET version = version").execute(tx).await?;
        }
        Ok(())
    }

    /// What whoever tells Redis about pools writes before, so that of two who do it at two nodes of
    /// a Galera cluster one is refused at its COMMIT, and tells again what the rows say by then:
    /// locks of one node are not seen at the other.
    pub async fn take_turns(&self, tx: &mut Tx, pools: &BTreeSet<&str>) -> Result<()> {
        if !self.is_cluster {
            return Ok(());
        }
        let pools: Vec<&str> = pools.iter().copied().collect();
        for some in sliced(&pools) {
            let rows = vec!["(?, 1)"; some.len()].join(",");
            let sql =
                format!("INSERT INTO stock_turns (pool, turn) VALUES {rows} ON DUPLICATE KEY UPDATE turn = turn + 1");
            query(&sql).bind_all(some.iter().map(|pool| Value::from(*pool))).execute(tx).await?;
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
        let into = Insert { table: "stock_positions", columns: POSITION, existing: Existing::Replace(1) };
        self.insert(tx, &into, positions, |(pool, position)| position_values(pool, position)).await
    }

    /// Positions of pools that are not followed yet. One that somebody else has written meanwhile
    /// stays as it is.
    ///
    /// # Errors
    /// `sqlx::Error::Database`: with `all_new`, which costs less, a unique key (23505) says that
    /// somebody else has written one meanwhile, and nothing more can be done in this transaction.
    pub async fn start_positions(&self, tx: &mut Tx, positions: &[(&str, Position)], all_new: bool) -> Result<()> {
        if all_new && self.dialect == Dialect::Postgres {
            let rows = positions.iter().map(|(pool, position)| position_values(pool, position));
            return copy(tx, "stock_positions", &POSITION, rows).await;
        }
        let into = Insert { table: "stock_positions", columns: POSITION, existing: Existing::Keep(1) };
        self.insert(tx, &into, positions, |(pool, position)| position_values(pool, position)).await
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
        let select = "SELECT pool, epoch FROM stock_epochs";
        let rows = self.fetch_among(tx, select, ["pool"], "", &pools, |pool| [Value::from(*pool)]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    /// Notes epochs that were entered.
    pub async fn write_epochs(&self, tx: &mut Tx, entered: &BTreeSet<(String, String)>) -> Result<()> {
        let entered: Vec<&(String, String)> = entered.iter().collect();
        let into = Insert { table: "stock_epochs", columns: ["pool", "epoch"], existing: Existing::Keep(2) };
        self.insert(tx, &into, &entered, |(pool, epoch)| [Value::from(pool), Value::from(epoch)]).await
    }

    /// Lines by pool and order.
    pub async fn lines(&self, tx: &mut Tx, keys: &[(&str, &str)]) -> Result<HashMap<(String, String), OrderLine>> {
        let select = format!("SELECT {} FROM stock_lines", LINE.join(","));
        let rows = self
            .fetch_among(tx, &select, ["pool", "order_id"], "", keys, |(pool, order)| {
                [Value::from(*pool), Value::from(*order)]
            })
            .await?;
        rows.iter().map(line).collect()
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
    pub async fn write_lines(&self, tx: &mut Tx, lines: &[(&LineKey, &OrderLine)]) -> Result<()> {
        let into = Insert { table: "stock_lines", columns: LINE, existing: Existing::Replace(2) };
        self.insert(tx, &into, lines, |(key, line)| line_values(key, line)).await
    }

    /// Writes lines of orders that have none: that costs less than half of [`Db::write_lines`].
    ///
    /// # Errors
    /// `sqlx::Error::Database`: a unique key says that one of them has a line, and nothing more can
    /// be done in this transaction.
    pub async fn insert_lines(&self, tx: &mut Tx, lines: &[(&LineKey, &OrderLine)]) -> Result<()> {
        if self.dialect != Dialect::Postgres {
            let into = Insert { table: "stock_lines", columns: LINE, existing: Existing::Fail };
            return self.insert(tx, &into, lines, |(key, line)| line_values(key, line)).await;
        }
        copy(tx, "stock_lines", &LINE, lines.iter().map(|(key, line)| line_values(key, line))).await
    }
}
