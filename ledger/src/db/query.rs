//! A statement with its values, sent through whichever driver a connection has; and the rows that
//! come back.
//!
//! Behind a pooler that lends a server for one transaction (pgbouncer with `pool_mode =
//! transaction`), a statement that was prepared by name may be gone, or be somebody else's. So
//! PostgreSQL gets unnamed statements only, and a statement with values is sent within a
//! transaction. One without values goes as plain text, in one message.

use std::borrow::Cow;

use anyhow::Result;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Row as _, Type};

use super::connection::Connection;
use crate::dialect::Dialect;

/// A value of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'q> {
    /// A text, or none.
    Text(Option<Cow<'q, str>>),
    /// A whole number.
    Number(i64),
    /// A column of texts: an array, which PostgreSQL alone takes.
    Texts(Vec<Cow<'q, str>>),
    /// A column of whole numbers: an array, which PostgreSQL alone takes.
    Numbers(Vec<i64>),
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(text: &'q str) -> Value<'q> {
        Value::Text(Some(Cow::Borrowed(text)))
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(text: &'q String) -> Value<'q> {
        Value::from(text.as_str())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(Some(Cow::Owned(text)))
    }
}

impl<'q> From<Cow<'q, str>> for Value<'q> {
    fn from(text: Cow<'q, str>) -> Value<'q> {
        Value::Text(Some(text))
    }
}

impl<'q> From<Option<&'q str>> for Value<'q> {
    fn from(text: Option<&'q str>) -> Value<'q> {
        Value::Text(text.map(Cow::Borrowed))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Value::Number(i64::from(flag))
    }
}

impl<'q> Value<'q> {
    /// A column of values like this one, without any yet.
    pub(super) fn empty_column(&self) -> Value<'q> {
        match self {
            Value::Number(_) | Value::Numbers(_) => Value::Numbers(Vec::new()),
            Value::Text(_) | Value::Texts(_) => Value::Texts(Vec::new()),
        }
    }

    /// Adds a value to a column of its kind.
    pub(super) fn push(&mut self, value: Value<'q>) {
        match (self, value) {
            (Value::Numbers(column), Value::Number(number)) => column.push(number),
            (Value::Texts(column), Value::Text(text)) => column.push(text.unwrap_or_default()),
            // Whoever makes rows gives each column one kind of value.
            (column, value) => debug_assert!(false, "{value:?} in {column:?}"),
        }
    }
}

/// A statement and its values.
pub struct Query<'q> {
    sql: &'q str,
    values: Vec<Value<'q>>,
}

/// A statement. Its text is made of constants and of names that the configuration has checked;
/// everything else is bound.
pub fn query(sql: &str) -> Query<'_> {
    Query { sql, values: Vec::new() }
}

/// A statement with its values in the form of one driver.
pub(super) struct Encoded {
    sql: String,
    values: Values,
}

/// Values, as a driver sends them.
enum Values {
    /// There are none: the statement goes as plain text.
    None,
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
    Mysql(MySqlArguments),
}

/// Sends a statement by one method of the drivers.
macro_rules! send {
    ($query:expr, $connection:expr, $method:ident) => {{
        let Encoded { sql, values } = $query;
        let sql = AssertSqlSafe(sql);
        match ($connection, values) {
            (Connection::Sqlite(c), Values::None) => Answer::Sqlite(sqlx::raw_sql(sql).$method(&mut **c).await?),
            (Connection::Postgres(c), Values::None) => Answer::Postgres(sqlx::raw_sql(sql).$method(&mut **c).await?),
            (Connection::Mysql(c), Values::None) => Answer::Mysql(sqlx::raw_sql(sql).$method(&mut **c).await?),
            (Connection::Sqlite(c), Values::Sqlite(values)) => {
                Answer::Sqlite(sqlx::query_with(sql, values).$method(&mut **c).await?)
            }
            (Connection::Postgres(c), Values::Postgres(values)) => {
                Answer::Postgres(sqlx::query_with(sql, values).persistent(false).$method(&mut **c).await?)
            }
            (Connection::Mysql(c), Values::Mysql(values)) => {
                Answer::Mysql(sqlx::query_with(sql, values).$method(&mut **c).await?)
            }
            _ => return Err(sqlx::Error::Encode("the values of another driver".into())),
        }
    }};
}

/// What a driver answers, each in its own types.
enum Answer<S, P, M> {
    Sqlite(S),
    Postgres(P),
    Mysql(M),
}

impl<'q> Query<'q> {
    /// The next value.
    pub fn bind(mut self, value: impl Into<Value<'q>>) -> Query<'q> {
        self.values.push(value.into());
        self
    }

    /// The next values.
    pub fn bind_all<'v: 'q>(mut self, values: impl IntoIterator<Item = Value<'v>>) -> Query<'q> {
        let values = values.into_iter();
        self.values.reserve(values.size_hint().0);
        values.for_each(|value| self.values.push(value));
        self
    }

    /// Brings the values into the form in which a database takes them.
    pub(super) fn encoded(self, dialect: Dialect) -> sqlx::Result<Encoded> {
        let Query { sql, values } = self;
        let values = match dialect {
            _ if values.is_empty() => Values::None,
            Dialect::Sqlite => Values::Sqlite(scalars(&values)?),
            Dialect::Postgres => Values::Postgres(with_arrays(&values)?),
            Dialect::Mysql => Values::Mysql(scalars(&values)?),
        };
        Ok(Encoded { sql: sql.to_string(), values })
    }

    /// Runs it. Answers how many rows it wrote.
    ///
    /// # Errors
    /// `sqlx::Error::Database`: the database refuses the statement. `Io`, `Protocol` and `Tls`: the
    /// connection is lost.
    pub async fn execute(self, connection: &mut Connection) -> sqlx::Result<u64> {
        self.encoded(connection.dialect())?.execute(connection).await
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Query::execute`].
    pub async fn fetch_all(self, connection: &mut Connection) -> sqlx::Result<Vec<Row>> {
        let encoded = self.encoded(connection.dialect())?;
        Ok(match send!(encoded, connection, fetch_all) {
            Answer::Sqlite(rows) => rows.into_iter().map(Row::Sqlite).collect(),
            Answer::Postgres(rows) => rows.into_iter().map(Row::Postgres).collect(),
            Answer::Mysql(rows) => rows.into_iter().map(Row::Mysql).collect(),
        })
    }

    /// The first row, where there is one.
    ///
    /// # Errors
    /// As [`Query::execute`].
    pub async fn fetch_optional(self, connection: &mut Connection) -> sqlx::Result<Option<Row>> {
        // All of them are read: rows that are left on the way belong to the next statement.
        Ok(self.fetch_all(connection).await?.into_iter().next())
    }

    /// The one row.
    ///
    /// # Errors
    /// `sqlx::Error::RowNotFound`: there is none. Else as [`Query::execute`].
    pub async fn fetch_one(self, connection: &mut Connection) -> sqlx::Result<Row> {
        self.fetch_optional(connection).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

impl Encoded {
    /// Runs it. Answers how many rows it wrote.
    pub async fn execute(self, connection: &mut Connection) -> sqlx::Result<u64> {
        Ok(match send!(self, connection, execute) {
            Answer::Sqlite(done) => done.rows_affected(),
            Answer::Postgres(done) => done.rows_affected(),
            Answer::Mysql(done) => done.rows_affected(),
        })
    }
}

/// The values for a database without arrays.
fn scalars<'q, A: Arguments>(values: &'q [Value<'q>]) -> sqlx::Result<A>
where
    Option<&'q str>: Encode<'q, A::Database> + Type<A::Database>,
    i64: Encode<'q, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        scalar(&mut arguments, value).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn scalar<'q, A: Arguments>(arguments: &mut A, value: &'q Value<'q>) -> Result<(), BoxDynError>
where
    Option<&'q str>: Encode<'q, A::Database> + Type<A::Database>,
    i64: Encode<'q, A::Database> + Type<A::Database>,
{
    match value {
        Value::Text(text) => arguments.add(text.as_deref()),
        Value::Number(number) => arguments.add(*number),
        Value::Texts(_) | Value::Numbers(_) => Err("this database has no arrays".into()),
    }
}

/// The values for PostgreSQL.
fn with_arrays(values: &[Value<'_>]) -> sqlx::Result<PgArguments> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Texts(texts) => arguments.add(texts),
            Value::Numbers(numbers) => arguments.add(numbers),
            value => scalar(&mut arguments, value),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// A row.
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
    /// Of MySQL or MariaDB.
    Mysql(MySqlRow),
}

/// The types are those that the statements ask for: a flag may be an INTEGER or a BIGINT.
macro_rules! cell {
    ($row:expr, $column:expr, $kind:ty) => {
        Ok(match $row {
            Row::Sqlite(row) => row.try_get_unchecked::<$kind, _>($column)?,
            Row::Postgres(row) => row.try_get_unchecked::<$kind, _>($column)?,
            Row::Mysql(row) => row.try_get_unchecked::<$kind, _>($column)?,
        })
    };
}

impl Row {
    /// A column as text.
    ///
    /// # Errors
    /// `sqlx::Error::ColumnDecode`: it is NULL, or no text.
    pub fn text(&self, column: usize) -> Result<String> {
        cell!(self, column, String)
    }

    /// A column as text; none where it is NULL.
    ///
    /// # Errors
    /// `sqlx::Error::ColumnDecode`: it is no text.
    pub fn optional_text(&self, column: usize) -> Result<Option<String>> {
        cell!(self, column, Option<String>)
    }

    /// A column as a number.
    ///
    /// # Errors
    /// `sqlx::Error::ColumnDecode`: it is NULL, or no whole number.
    pub fn number(&self, column: usize) -> Result<i64> {
        cell!(self, column, i64)
    }

    /// How many columns it has.
    pub fn columns(&self) -> usize {
        match self {
            Row::Sqlite(row) => row.len(),
            Row::Postgres(row) => row.len(),
            Row::Mysql(row) => row.len(),
        }
    }
}
