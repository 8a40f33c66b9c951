//! Why a command failed: as an exit code for scripts, and in words.

use crate::db::is_lost;

/// A failure that scripts tell apart. Everything else ends with 1 (what is compared differs) or 2 (wrong call).
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

/// The process's exit code for an error.
pub fn code(error: &anyhow::Error) -> u8 {
    match error.chain().find_map(|cause| cause.downcast_ref::<Failure>()) {
        Some(failure) => failure.code(),
        None if is_lost(error) => 4,
        None => 1,
    }
}

/// An error in words: its causes, without those that the one before has told already.
pub fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if last.contains(&cause) {
            continue;
        }
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
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        told.push_str(before);
        told.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || "\"'`".contains(c)).unwrap_or(after.len());
        let (url, behind) = after.split_at(end);
        match url.rsplit_once('@') {
            Some((_, host)) => told.push_str(&format!("***@{host}")),
            None => told.push_str(url),
        }
        rest = behind;
    }
    told.push_str(rest);
    told
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let inner = anyhow!("disk is full").context("database: disk is full").context("a transaction");
        assert_eq!(told(&inner), "a transaction: database: disk is full");
    }

    #[test]
    fn no_password_is_told() {
        let text = redacted("invalid type: string \"postgres://shop:S3@CRET@db/shop\", and redis://h:1/0 too");
        assert_eq!(text, "invalid type: string \"postgres://***@db/shop\", and redis://h:1/0 too");
    }

    #[test]
    fn failures_have_their_codes_under_any_context() {
        let lost = anyhow::Error::from(sqlx::Error::PoolTimedOut).context("a transaction of the database");
        assert_eq!(code(&lost), 4);
        assert_eq!(code(&anyhow::Error::from(Failure::Order(String::new())).context("preload")), 3);
        assert_eq!(code(&anyhow!("anything")), 1);
    }
}
