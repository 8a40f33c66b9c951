//! Many rows in few statements. PostgreSQL takes a column as one array: a batch of any size is one
//! statement, whose text is always the same. The others take rows of placeholders, in few sizes, so
//! that prepared statements are used again; where a row may stand there twice without harm, the
//! last one fills a statement up.

use std::collections::HashMap;

use anyhow::Result;

use super::database::Db;
use super::query::{query, Row, Value};
use super::transaction::Tx;
use crate::dialect::{filled, sliced, Dialect, Existing};

/// Rows to insert.
pub(super) struct Insert<const N: usize> {
    /// The table.
    pub table: &'static str,
    /// Its columns; first those of the key.
    pub columns: [&'static str; N],
    /// What happens where the key exists.
    pub existing: Existing,
}

impl Db {
    /// Inserts the rows, whose `values` stand in the order of the columns.
    pub(super) async fn insert<'q, T, const N: usize>(
        &self,
        tx: &mut Tx,
        into: &Insert<N>,
        rows: &'q [T],
        values: impl Fn(&'q T) -> [Value<'q>; N],
    ) -> Result<()> {
        let Insert { table, columns, existing } = into;
        if self.dialect == Dialect::Postgres {
            if rows.is_empty() {
                return Ok(());
            }
            let sql = self.dialect.insert_columns(table, columns, *existing);
            query(&sql).bind_all(transposed(rows.iter().map(values))).execute(tx).await?;
            return Ok(());
        }
        // A row that is written twice is only the same again where the key says so.
        let portions: Vec<Portion<'q, T>> = match existing {
            Existing::Fail => sliced(rows).map(|some| (some, some.len())).collect(),
            Existing::Keep(_) | Existing::Replace(_) => filled(rows).collect(),
        };
        let (mut portions, mut texts) = (portions.into_iter(), HashMap::new());
        let mut encode = || {
            let (some, placeholders) = portions.next()?;
            let text = || self.dialect.insert_rows(table, columns, *existing, placeholders);
            let sql = texts.entry(placeholders).or_insert_with(text);
            Some(query(sql).bind_all(repeated(some, placeholders).flat_map(&values)).encoded(self.dialect))
        };
        // While the database has one in hand, the next one is made.
        let mut next = encode();
        while let Some(statement) = next {
            let (done, following) = tokio::join!(statement?.execute(tx), async { encode() });
            done?;
            next = following;
        }
        Ok(())
    }

    /// Rows of `select` whose `columns` are one of the keys. `then` stands behind the condition,
    /// where the key is one column; several columns are a unique key.
    pub(super) async fn fetch_among<'q, T, const N: usize>(
        &self,
        tx: &mut Tx,
        select: &str,
        columns: [&str; N],
        then: &str,
        keys: &'q [T],
        values: impl Fn(&'q T) -> [Value<'q>; N],
    ) -> Result<Vec<Row>> {
        let mut found = Vec::with_capacity(keys.len());
        for (sql, values) in self.among(select, columns, then, keys, values) {
            found.extend(query(&sql).bind_all(values).fetch_all(tx).await?);
        }
        Ok(found)
    }

    /// The same of a statement that writes.
    pub(super) async fn execute_among<'q, T, const N: usize>(
        &self,
        tx: &mut Tx,
        update: &str,
        columns: [&str; N],
        then: &str,
        keys: &'q [T],
        values: impl Fn(&'q T) -> [Value<'q>; N],
    ) -> Result<()> {
        for (sql, values) in self.among(update, columns, then, keys, values) {
            query(&sql).bind_all(values).execute(tx).await?;
        }
        Ok(())
    }

    /// The statements, each with its values.
    fn among<'q, T, const N: usize>(
        &self,
        start: &str,
        columns: [&str; N],
        then: &str,
        keys: &'q [T],
        values: impl Fn(&'q T) -> [Value<'q>; N],
    ) -> Vec<(String, Vec<Value<'q>>)> {
        if self.dialect == Dialect::Postgres {
            let sql = match columns.as_slice() {
                [column] => format!("{start} WHERE {column} = ANY(?){then}"),
                columns => each_by_its_key(start, columns),
            };
            let sql = self.dialect.placeholders(&sql);
            let statement = (!keys.is_empty()).then(|| (sql, transposed(keys.iter().map(values))));
            return statement.into_iter().collect();
        }
        let statement = |(some, placeholders): Portion<'q, T>| {
            let sql = format!("{start} WHERE {}{then}", among_placeholders(self.dialect, &columns, placeholders));
            (sql, repeated(some, placeholders).flat_map(&values).collect())
        };
        filled(keys).map(statement).collect()
    }
}

/// Rows for one statement, and how many placeholders it has.
type Portion<'q, T> = (&'q [T], usize);

/// The rows, and the last one again until there are so many.
pub(super) fn repeated<T>(rows: &[T], placeholders: usize) -> impl Iterator<Item = &T> {
    rows.iter().chain(rows.last().into_iter().cycle()).take(placeholders)
}

/// Rows as columns.
fn transposed<'q, const N: usize>(rows: impl Iterator<Item = [Value<'q>; N]>) -> Vec<Value<'q>> {
    let mut columns: Vec<Value<'q>> = Vec::new();
    for row in rows {
        if columns.is_empty() {
            columns = row.iter().map(Value::empty_column).collect();
        }
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    columns
}

/// Each row by its whole key, which is unique: PostgreSQL would read a whole table rather than look
/// up a thousand pairs in it, and a table of order lines grows.
fn each_by_its_key(select: &str, columns: &[&str]) -> String {
    let placeholders = vec!["?"; columns.len()].join(",");
    let names: Vec<String> = (0..columns.len()).map(|n| format!("k{n}")).collect();
    let same: Vec<String> =
        columns.iter().zip(&names).map(|(column, name)| format!("{column} = asked.{name}")).collect();
    format!(
        "SELECT found.* FROM unnest({placeholders}) AS asked ({}) CROSS JOIN LATERAL ({select} WHERE {} LIMIT 1) AS found",
        names.join(","),
        same.join(" AND ")
    )
}

fn among_placeholders(dialect: Dialect, columns: &[&str], placeholders: usize) -> String {
    match columns {
        [column] => format!("{column} IN ({})", vec!["?"; placeholders].join(",")),
        _ => {
            let row = format!("({})", vec!["?"; columns.len()].join(","));
            let values = if dialect == Dialect::Sqlite { "VALUES " } else { "" };
            format!("({}) IN ({values}{})", columns.join(", "), vec![row; placeholders].join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let rows = [("a", 1i64), ("b", 2)];
        let columns = transposed(rows.iter().map(|(text, number)| [Value::from(*text), Value::from(*number)]));
        assert_eq!(columns, [Value::Texts(vec!["a".into(), "b".into()]), Value::Numbers(vec![1, 2])]);
    }

    #[test]
    fn the_last_row_fills_a_statement_up() {
        let rows = [1, 2, 3];
        assert_eq!(repeated(&rows, 5).copied().collect::<Vec<_>>(), [1, 2, 3, 3, 3]);
        assert_eq!(repeated(&rows, 3).copied().collect::<Vec<_>>(), [1, 2, 3]);
    }
}
