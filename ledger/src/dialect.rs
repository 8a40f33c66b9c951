//! Where the three databases differ.

use anyhow::{bail, Result};

/// Which SQL the database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

impl Dialect {
    /// The dialect of a URL.
    pub fn of(url: &str) -> Result<Dialect> {
        Ok(match url.split(':').next().unwrap_or_default() {
            "sqlite" => Dialect::Sqlite,
            "postgres" | "postgresql" => Dialect::Postgres,
            "mysql" | "mariadb" => Dialect::Mysql,
            other => bail!("no database speaks {other}: use sqlite:, postgres: or mysql:"),
        })
    }

    /// What each connection begins with; nobody waits for a lock longer than so many seconds.
    pub fn session(self, lock_seconds: u64) -> Vec<String> {
        match self {
            // A writer waits for another one; a commit is on the disk when it is answered.
            Dialect::Sqlite => vec![
                format!("PRAGMA busy_timeout = {}", lock_seconds * 1000),
                "PRAGMA journal_mode = WAL".to_string(),
                "PRAGMA synchronous = FULL".to_string(),
                // In KiB. A transaction of the feed touches more pages than the usual 2 MB hold.
                "PRAGMA cache_size = -32768".to_string(),
                // What a statement of many rows would have to undo goes to a file otherwise.
                "PRAGMA temp_store = MEMORY".to_string(),
            ],
            // A pooler may lend another server's session for each transaction: see `begin`.
            Dialect::Postgres => Vec::new(),
            // As a whole, whatever the server has: ORACLE makes BEGIN something else, and
            // EMPTY_STRING_IS_NULL an empty text nothing. What does not fit is an error, never cut.
            // Repeatable read would lock gaps between rows, and two streams would block each other.
            Dialect::Mysql => vec![
                "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'".to_string(),
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".to_string(),
                "SET SESSION autocommit = 1, time_zone = '+00:00'".to_string(),
                format!("SET SESSION innodb_lock_wait_timeout = {lock_seconds}, lock_wait_timeout = 60"),
            ],
        }
    }

    /// What stands behind the columns of a new table: the server's default engine may have no
    /// transactions.
    pub fn engine(self) -> &'static str {
        if self == Dialect::Mysql {
            " ENGINE=InnoDB"
        } else {
            ""
        }
    }

    /// Begins a transaction. Not every sql_mode of MariaDB has BEGIN. What PostgreSQL is told holds
    /// for this transaction only, so that a pooler's next client finds nothing of it: whoever waits
    /// longer for a row has met somebody who is slower, and tries again.
    pub fn begin(self, lock_seconds: u64) -> String {
        match self {
            Dialect::Sqlite => "BEGIN".to_string(),
            Dialect::Postgres => format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '{lock_seconds}s'; \
                 SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL timezone = 'UTC'"
            ),
            Dialect::Mysql => "START TRANSACTION".to_string(),
        }
    }

    /// Statements are written with `?`; PostgreSQL numbers its placeholders.
    pub fn placeholders(self, sql: &str) -> String {
        if self != Dialect::Postgres {
            return sql.to_string();
        }
        let mut text = String::with_capacity(sql.len() + 64);
        let mut number = 0;
        for c in sql.chars() {
            if c == '?' {
                number += 1;
                text.push_str(&format!("${number}"));
            } else {
                text.push(c);
            }
        }
        text
    }

    /// A name as it is, whatever words the database keeps for itself. With dots: schema and table,
    /// each for itself.
    pub fn quoted(self, name: &str) -> String {
        // SQLite takes a name in double quotes for a text where no column has it.
        let quote = if self == Dialect::Postgres { '"' } else { '`' };
        let parts: Vec<String> = name.split('.').map(|part| format!("{quote}{part}{quote}")).collect();
        parts.join(".")
    }

    /// Locks the rows that a SELECT finds. SQLite has one writer at a time anyhow.
    pub fn for_update(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres | Dialect::Mysql => " FOR UPDATE",
        }
    }

    /// A sum, which some databases make a decimal of.
    pub fn whole(self, column: &str) -> String {
        let kind = if self == Dialect::Mysql { "SIGNED" } else { "BIGINT" };
        format!("CAST({column} AS {kind})")
    }

    /// INSERT of `rows` rows.
    pub fn insert_rows(self, table: &str, columns: &[&str], existing: Existing, rows: usize) -> String {
        let row = format!("({})", vec!["?"; columns.len()].join(","));
        let values = format!("VALUES {}", vec![row; rows].join(","));
        self.placeholders(&self.insert(table, columns, existing, &values))
    }

    /// INSERT of rows that come as an array for each column.
    pub fn insert_columns(self, table: &str, columns: &[&str], existing: Existing) -> String {
        let values = format!("SELECT * FROM unnest({})", vec!["?"; columns.len()].join(","));
        self.placeholders(&self.insert(table, columns, existing, &values))
    }

    fn insert(self, table: &str, columns: &[&str], existing: Existing, values: &str) -> String {
        let (Existing::Keep(keys) | Existing::Replace(keys)) = existing else {
            return format!("INSERT INTO {table} ({}) {values}", columns.join(","));
        };
        let (key, rest) = columns.split_at(keys.min(columns.len()));
        // A key that is written over by itself stays as it is.
        let set = if matches!(existing, Existing::Keep(_)) { key } else { rest };
        let then = match (self, existing) {
            (Dialect::Mysql, _) => format!("ON DUPLICATE KEY UPDATE {}", assignments(set, |c| format!("VALUES({c})"))),
            (_, Existing::Keep(_)) => format!("ON CONFLICT ({}) DO NOTHING", key.join(",")),
            _ => {
                let set = assignments(set, |c| format!("excluded.{c}"));
                format!("ON CONFLICT ({}) DO UPDATE SET {set}", key.join(","))
            }
        };
        format!("INSERT INTO {table} ({}) {values} {then}", columns.join(","))
    }
}

/// What an INSERT does where a row with the same key exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It fails, or there is no key.
    Fail,
    /// The row stays as it is; so many columns are the key.
    Keep(usize),
    /// The row is replaced; so many columns are the key.
    Replace(usize),
}

fn assignments(columns: &[&str], value: impl Fn(&str) -> String) -> String {
    let set: Vec<String> = columns.iter().map(|c| format!("{c}={}", value(c))).collect();
    set.join(",")
}

/// Places in one statement at most: 12 columns of them are within what SQLite (32,766 values) and
/// MySQL (65,535) take.
const MOST_ROWS: usize = 1024;

/// The largest size that is not above `count`.
fn size_below(count: usize) -> usize {
    let size = count.checked_ilog2().map_or(0, |power| 1 << power);
    size.min(MOST_ROWS)
}

/// Slices of `rows` in few sizes, each as many as its statement has placeholders.
pub fn sliced<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let (slice, behind) = rest.split_at_checked(size_below(rest.len())).filter(|(slice, _)| !slice.is_empty())?;
        rest = behind;
        Some(slice)
    })
}

/// Slices of `rows` in few sizes, and how many placeholders the statement of each has: where up to
/// a quarter of them would be left over, it is one statement instead of many small ones.
pub fn filled<T>(rows: &[T]) -> impl Iterator<Item = (&[T], usize)> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let above = rest.len().next_power_of_two();
        let placeholders = match rest.len() {
            0 => return None,
            count if above <= MOST_ROWS && above - count <= above / 4 => above,
            count => size_below(count),
        };
        let (slice, behind) = rest.split_at_checked(placeholders.min(rest.len()))?;
        rest = behind;
        Some((slice, placeholders))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_for_postgres_only() {
        assert_eq!(Dialect::Postgres.placeholders("a=? AND b=?"), "a=$1 AND b=$2");
        assert_eq!(Dialect::Mysql.placeholders("a=?"), "a=?");
    }

    #[test]
    fn names_are_quoted_part_by_part() {
        assert_eq!(Dialect::Postgres.quoted("shop.order"), "\"shop\".\"order\"");
        assert_eq!(Dialect::Mysql.quoted("key"), "`key`");
        assert_eq!(Dialect::Sqlite.quoted("key"), "`key`");
    }

    #[test]
    fn slices_cover_everything_once() {
        for count in [0usize, 1, 3, 5, 255, 256, 1000, 1023, 1024, 5000] {
            let rows: Vec<usize> = (0..count).collect();
            let flat: Vec<usize> = sliced(&rows).flatten().copied().collect();
            assert_eq!(flat, rows);
            assert!(sliced(&rows).all(|some| some.len().is_power_of_two() && some.len() <= MOST_ROWS));
            let flat: Vec<usize> = filled(&rows).flat_map(|(some, _)| some).copied().collect();
            assert_eq!(flat, rows);
            assert!(filled(&rows).all(|(some, placeholders)| placeholders.is_power_of_two()
                && placeholders <= MOST_ROWS
                && some.len() <= placeholders
                && placeholders - some.len() <= placeholders / 4));
        }
        let rows = [0; 500];
        assert_eq!(
            filled(&rows).map(|(some, placeholders)| (some.len(), placeholders)).collect::<Vec<_>>(),
            [(500, 512)]
        );
    }

    #[test]
    fn an_insert_says_what_becomes_of_rows_that_exist() {
        let sql = |dialect: Dialect, existing| dialect.insert_rows("t", &["a", "b"], existing, 2);
        assert_eq!(sql(Dialect::Sqlite, Existing::Fail), "INSERT INTO t (a,b) VALUES (?,?),(?,?)");
        assert_eq!(
            sql(Dialect::Mysql, Existing::Keep(1)),
            "INSERT INTO t (a,b) VALUES (?,?),(?,?) ON DUPLICATE KEY UPDATE a=VALUES(a)"
        );
        assert_eq!(
            sql(Dialect::Sqlite, Existing::Replace(1)),
            "INSERT INTO t (a,b) VALUES (?,?),(?,?) ON CONFLICT (a) DO UPDATE SET b=excluded.b"
        );
        assert_eq!(
            Dialect::Postgres.insert_columns("t", &["a", "b"], Existing::Keep(2)),
            "INSERT INTO t (a,b) SELECT * FROM unnest($1,$2) ON CONFLICT (a,b) DO NOTHING"
        );
    }
}
