//! What an error of a database means.

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use super::Conflict;

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
    const CODES: [&str; 5] = ["1290", "1792", "1836", "1047", "25006"];
    has_code(error, |code, _| CODES.contains(&code))
}

/// Whether the database cannot be reached or does not serve now: what is at fault is the connection
/// or the server, and not what was asked of it.
pub fn is_unavailable(error: &anyhow::Error) -> bool {
    // Shutting down, starting, no connection left, an idle transaction that was ended.
    const CODES: [&str; 5] = ["53300", "1040", "1053", "1927", "25P03"];
    match of(error) {
        None => false,
        Some(sqlx::Error::Database(_)) => {
            is_read_only(error)
                || has_code(error, |code, _| code.starts_with("57P") || code.starts_with("08") || CODES.contains(&code))
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

/// Whether an index of this name is there already.
pub(super) fn is_known_index(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|inner| code(inner) == "1061")
}
