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

    /// Statements are written with `?`; PostgreSQL numbers its places.
    pub fn placeholders(self, sql: &str) -> String {
        if self != Dialect::Postgres {
            return sql.to_string();
        }
        let mut text = String::with_capacity(sql.len() + 64);
        let mut place = 0;
        for c in sql.chars() {
            if c == '?' {
                place += 1;
                text.push_str(&format!("${place}"));
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

    /// INSERT of `rows` rows that leaves those as they are whose first `keys` columns exist.
    pub fn insert_absent(self, table: &str, columns: &[&str], keys: usize, rows: usize) -> String {
        let key = columns.get(..keys).unwrap_or(columns);
        let then = match self {
            // The key as it is.
            Dialect::Mysql => format!("ON DUPLICATE KEY UPDATE {}", assignments(key, |c| format!("VALUES({c})"))),
            _ => format!("ON CONFLICT ({}) DO NOTHING", key.join(",")),
        };
        self.placeholders(&format!("{} {then}", insert(table, columns, rows)))
    }

    /// INSERT of `rows` rows that replaces the columns behind the first `keys` where the key
    /// exists.
    pub fn upsert(self, table: &str, columns: &[&str], keys: usize, rows: usize) -> String {
        let (key, rest) = columns.split_at(keys.min(columns.len()));
        let then = match self {
            Dialect::Mysql => format!("ON DUPLICATE KEY UPDATE {}", assignments(rest, |c| format!("VALUES({c})"))),
            _ => {
                let set = assignments(rest, |c| format!("excluded.{c}"));
                format!("ON CONFLICT ({}) DO UPDATE SET {set}", key.join(","))
            }
        };
        self.placeholders(&format!("{} {then}", insert(table, columns, rows)))
    }
}

fn insert(table: &str, columns: &[&str], rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns.len()].join(","));
    format!("INSERT INTO {table} ({}) VALUES {}", columns.join(","), vec![row; rows].join(","))
}

fn assignments(columns: &[&str], value: impl Fn(&str) -> String) -> String {
    let set: Vec<String> = columns.iter().map(|c| format!("{c}={}", value(c))).collect();
    set.join(",")
}

/// How many rows go into one statement: few sizes, so that prepared statements are used again.
pub fn portions(mut count: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    for size in [256, 64, 16, 4, 1] {
        while count >= size {
            sizes.push(size);
            count -= size;
        }
    }
    sizes
}

/// Slices of `rows` in those sizes.
pub fn sliced<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut from = 0;
    portions(rows.len()).into_iter().filter_map(move |size| {
        let slice = rows.get(from..from + size);
        from += size;
        slice
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_for_postgres_only() {
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
        for count in [0usize, 1, 3, 5, 255, 256, 1000, 1023] {
            let rows: Vec<usize> = (0..count).collect();
            let flat: Vec<usize> = sliced(&rows).flatten().copied().collect();
            assert_eq!(flat, rows);
        }
    }
}
