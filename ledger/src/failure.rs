//! Why a command failed: as an exit code for scripts, and in words.

use sqlx::postgres::PgDatabaseError;

/// A failure that scripts tell apart. Everything else ends with 1 (what is compared differs) or 2
/// (wrong call).
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command must not be run yet.
    #[error("{0}")]
    Order(String),
    /// Redis or the database cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Done, and what was found differs or needs a person.
    #[error("{0}")]
    Differences(String),
    /// What was asked cannot be done: a refusal, not a fault.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// The process's exit code.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Differences(_) => 1,
            Failure::Refused(_) => 2,
            Failure::Order(_) => 3,
            Failure::Unreachable(_) => 4,
        }
    }
}

/// An error in words. The driver adds to what PostgreSQL says the line of the server's own source
/// code (`at line 948`), which reads like one of a statement or of a file of ours.
pub fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    let inner = error.downcast_ref().and_then(sqlx::Error::as_database_error);
    let line = inner.and_then(|inner| inner.try_downcast_ref().and_then(PgDatabaseError::line));
    let line = line.map(|line| format!(" at line {line}"));
    line.and_then(|line| text.strip_suffix(&line).map(str::to_string)).unwrap_or(text)
}

/// An error in words: its causes, without those that the one before has already.
pub fn error_chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut last = String::new();
    let mut tells_its_cause = false;
    for error in error.chain() {
        let cause = in_words(error);
        if tells_its_cause || last.contains(&cause) {
            continue;
        }
        // Which is the database's own error, in its own words.
        tells_its_cause = error.downcast_ref().and_then(sqlx::Error::as_database_error).is_some();
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
        last = cause;
    }
    text
}

/// A text without the user and the password of the URLs in it.
pub fn redacted(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || "\"'`".contains(c)).unwrap_or(after.len());
        let (url, behind) = after.split_at(end);
        match url.rsplit_once('@') {
            Some((_, host)) => clean.push_str(&format!("***@{host}")),
            None => clean.push_str(url),
        }
        rest = behind;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_was_named_is_not_named_again() {
        let inner = anyhow!("disk is full").context("database: disk is full").context("a transaction");
        assert_eq!(error_chain(&inner), "a transaction: database: disk is full");
    }

    #[test]
    fn no_password_is_shown() {
        let text = redacted("invalid type: string \"postgres://shop:S3@CRET@db/shop\", and redis://h:1/0 too");
        assert_eq!(text, "invalid type: string \"postgres://***@db/shop\", and redis://h:1/0 too");
    }
}
