//! What an error of a database means.

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// Another program changed a row of the stock table in between. The transaction is to be made
/// again.
#[derive(Debug, thiserror::Error)]
#[error("row {row} of the stock table was changed by somebody else in between, or does not keep what is written")]
pub struct Conflict {
    /// The first one of them.
    pub row: String,
}

/// The error of a database in the chain of an error.
fn of(error: &anyhow::Error) -> Option<&sqlx::Error> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// The code that tells errors apart: SQLSTATE, SQLite's own number, and of MySQL its number, for
/// there one SQLSTATE stands for many.
fn code(error: &dyn DatabaseError) -> String {
    match error.try_downcast_ref::<MySqlDatabaseError>() {
        Some(error) => error.number().to_string(),
        None => error.code().unwrap_or_default().into_owned(),
    }
}

/// SQLite's own number without what it adds for single cases; none of another database.
fn sqlite_class(error: &dyn DatabaseError) -> Option<u32> {
    let code = error.try_downcast_ref::<SqliteError>()?.code()?;
    Some(code.parse::<u32>().ok()? & 0xff)
}

/// Whether the same transaction, made again, may well succeed: somebody else was faster.
pub fn is_conflict(error: &anyhow::Error) -> bool {
    if error.downcast_ref::<Conflict>().is_some() {
        return true;
    }
    is_contention(error) || has_code(error, |_, inner| inner.is_unique_violation())
}

/// Serialization failures, deadlocks and waits that took too long, in the words of each database:
/// the whole transaction is gone. 1020 is what MariaDB says with innodb_snapshot_isolation.
pub fn is_contention(error: &anyhow::Error) -> bool {
    const CODES: [&str; 9] = ["40001", "40P01", "55P03", "1213", "1205", "1020", "5", "517", "261"];
    has_code(error, |code, _| CODES.contains(&code))
}

/// Whether the database is there and takes no writes: a replica, a primary that steps down, a node
/// of Galera that has lost its cluster. Another connection may reach the one that does.
pub fn is_read_only(error: &anyhow::Error) -> bool {
    const CODES: [&str; 6] = ["1290", "1792", "1836", "1036", "1047", "25006"];
    const SQLITE_READONLY: u32 = 8;
    has_code(error, |code, inner| CODES.contains(&code) || sqlite_class(inner) == Some(SQLITE_READONLY))
}

/// Whether the database cannot be reached or does not serve now: what is at fault is the connection
/// or the server, and not what was asked of it.
pub fn is_unavailable(error: &anyhow::Error) -> bool {
    // Shutting down, starting, no connection left, an idle transaction that was ended; a file that
    // cannot be written; a permission on the whole table that was taken away. No row is at fault
    // when the disk is full.
    const CODES: [&str; 13] =
        ["1040", "1053", "1927", "25P03", "58030", "1021", "1026", "1030", "1114", "1037", "1041", "1142", "1143"];
    // Connection failures, no more of something (a disk, memory, connections), shutting down,
    // files.
    const CLASSES: [&str; 4] = ["08", "53", "57P", "58"];
    const SQLITE_IOERR: u32 = 10;
    const SQLITE_FULL: u32 = 13;
    const SQLITE_CANTOPEN: u32 = 14;
    match of(error) {
        None => false,
        Some(sqlx::Error::Database(_)) => {
            is_read_only(error)
                || has_code(error, |code, inner| match sqlite_class(inner) {
                    Some(class) => [SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN].contains(&class),
                    None => {
                        CODES.contains(&code)
                            || (code.len() == 5 && CLASSES.iter().any(|c| code.starts_with(c)))
                            || is_refused_as_a_whole(code, inner)
                    }
                })
        }
        Some(error) => matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        ),
    }
}

/// Whether PostgreSQL may not write the table, or its file. A policy for single rows (row-level
/// security) and triggers answer with the same code, from elsewhere.
fn is_refused_as_a_whole(code: &str, error: &dyn DatabaseError) -> bool {
    const SOURCES: [&str; 3] = ["aclchk.c", "md.c", "fd.c"];
    let file = error.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::file);
    code == "42501" && file.is_some_and(|file| SOURCES.contains(&file))
}

/// Whether the server does not take the user, the password or the name of the database: no patience
/// makes them right.
pub(super) fn is_refused_login(error: &sqlx::Error) -> bool {
    const CODES: [&str; 6] = ["28000", "28P01", "3D000", "1044", "1045", "1049"];
    error.as_database_error().is_some_and(|inner| CODES.contains(&code(inner).as_str()))
}

fn has_code(error: &anyhow::Error, is: impl FnOnce(&str, &dyn DatabaseError) -> bool) -> bool {
    let Some(sqlx::Error::Database(inner)) = of(error) else { return false };
    is(&code(inner.as_ref()), inner.as_ref())
}

/// Whether a table is not there.
pub(super) fn is_missing_table(error: &anyhow::Error) -> bool {
    let Some(sqlx::Error::Database(inner)) = of(error) else { return false };
    ["42P01", "1146"].contains(&code(inner.as_ref()).as_str()) || inner.message().starts_with("no such table")
}

/// Whether an index that is to be made is there already, or one that is to go is gone.
pub(super) fn is_index_as_wanted(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|inner| ["1061", "1091"].contains(&code(inner).as_str()))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt;

    use sqlx::error::ErrorKind;

    use super::*;

    /// An error of PostgreSQL, as far as this file asks it.
    #[derive(Debug)]
    struct Answer(&'static str);

    impl fmt::Display for Answer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Answer {}

    impl DatabaseError for Answer {
        fn message(&self) -> &str {
            self.0
        }
        fn code(&self) -> Option<Cow<'_, str>> {
            Some(Cow::Borrowed(self.0))
        }
        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    #[test]
    fn what_is_no_fault_of_a_row_is_told_apart() {
        let error = |code| anyhow::Error::from(sqlx::Error::Database(Box::new(Answer(code)))).context("a batch");
        // Shutting down, crashed, starting; ended while idle; no disk, memory or connections left;
        // a file that cannot be written; a connection that broke.
        for code in ["57P01", "57P02", "57P03", "25P03", "53100", "53200", "53300", "58030", "08006"] {
            assert!(is_unavailable(&error(code)) && !is_contention(&error(code)), "{code}");
        }
        assert!(is_read_only(&error("25006")) && is_unavailable(&error("25006")));
        for code in ["40001", "40P01", "55P03"] {
            assert!(is_contention(&error(code)) && !is_unavailable(&error(code)), "{code}");
        }
        // A CHECK, a number out of range, an exception of a trigger, a statement that took too
        // long.
        for code in ["23514", "22003", "P0001", "57014"] {
            assert!(!is_unavailable(&error(code)) && !is_conflict(&error(code)), "{code}");
        }
    }
}
