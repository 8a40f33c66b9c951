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
    let Some(sqlx::Error::Database(inner)) = of(error) else { return false };
    // Serialisation failures, deadlocks and waits that took too long, in the words of each
    // database.
    let codes = ["40001", "40P01", "55P03", "1213", "1205", "5", "517"];
    inner.is_unique_violation() || codes.contains(&code(inner.as_ref()).as_str())
}

/// Whether the connection is at fault, or the server that goes away: the database cannot be reached
/// now.
pub fn is_lost(error: &anyhow::Error) -> bool {
    match of(error) {
        None => false,
        Some(sqlx::Error::Database(inner)) => {
            let code = code(inner.as_ref());
            // PostgreSQL shuts down or starts, or has no connection left; MySQL the same.
            code.starts_with("57P")
                || code.starts_with("08")
                || ["53300", "1040", "1053", "1927"].contains(&code.as_str())
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

/// Whether a table is not there.
pub(super) fn is_missing_table(error: &anyhow::Error) -> bool {
    let Some(sqlx::Error::Database(inner)) = of(error) else { return false };
    ["42P01", "1146"].contains(&code(inner.as_ref()).as_str()) || inner.message().starts_with("no such table")
}

/// Whether an index of this name is there already.
pub(super) fn is_known_index(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|inner| code(inner) == "1061")
}
