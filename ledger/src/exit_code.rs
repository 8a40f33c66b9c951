//! The process's exit code.

use crate::db::{is_contention, is_unavailable};
use crate::failure::Failure;

/// The process's exit code for an error.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.chain().find_map(|cause| cause.downcast_ref::<Failure>()) {
        Some(failure) => failure.code(),
        // Neither says anything about the stock: the same command again may well work.
        None if is_unavailable(error) || is_contention(error) => 4,
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn failures_have_their_codes_under_any_context() {
        let lost = anyhow::Error::from(sqlx::Error::PoolTimedOut).context("a transaction of the database");
        assert_eq!(exit_code(&lost), 4);
        assert_eq!(exit_code(&anyhow::Error::from(Failure::Order(String::new())).context("preload")), 3);
        assert_eq!(exit_code(&anyhow!("anything")), 1);
    }
}
