use std::fmt;

use redis::{ErrorKind, RedisError};

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nobody knows whether the call was done, or the node could not serve it. The same call again
    /// is safe, also later.
    Unsure,
    /// The server takes no such call now, and has done nothing. Raise an alarm, and try later.
    Unavailable,
    /// A bug of the caller, or of the configuration: never repeat it.
    Bug,
}

/// Every error of a call. Refusals are none: [`crate::Outcome::Refused`].
#[derive(Clone, Debug)]
pub struct Error {
    /// What to do about it.
    pub class: Class,
    /// The first word of the server's error reply, such as `CONFLICT`; none where no answer came.
    pub code: Option<String>,
    /// What redis-rs says.
    pub source: RedisError,
}

impl Error {
    pub(crate) fn unknown_answer(answer: impl fmt::Debug) -> Error {
        (ErrorKind::UnexpectedReturnType, "not an answer of redis-stock", format!("{answer:?}")).into()
    }
}

impl From<(ErrorKind, &'static str, String)> for Error {
    fn from(what: (ErrorKind, &'static str, String)) -> Error {
        RedisError::from(what).into()
    }
}

impl From<RedisError> for Error {
    fn from(source: RedisError) -> Error {
        use ErrorKind::{Client, ClusterConnectionNotFound, Extension, Io, Parse, Server};
        let code = match source.kind() {
            Server(_) | Extension => source.code().map(str::to_string),
            _ => None,
        };
        let class = match code.as_deref() {
            Some("TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" | "BUSY" | "MOVED" | "ASK") => {
                Class::Unsure
            }
            Some("NOREPLICAS" | "OOM" | "MISCONF") => Class::Unavailable,
            // No answer: the connection broke, or the cluster has no node for the slot just now.
            None if matches!(source.kind(), Io | Parse | Client | ClusterConnectionNotFound) => Class::Unsure,
            _ => Class::Bug,
        };
        Error { class, code, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            Class::Unsure => "unsure",
            Class::Unavailable => "unavailable",
            Class::Bug => "bug",
        };
        write!(out, "stock: {class}: {}", self.source)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
