//! Why a command failed, as an exit code for scripts.

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
