//! Error replies.

use std::borrow::Cow;

use super::host::{OpenError, StreamDenied};

/// An error reply: ASCII, begins with one code word, and never holds a byte of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The number of arguments is wrong.
    Arity,
    /// Any other: the line without the leading `-`.
    Line(Cow<'static, str>),
}

impl CommandError {
    /// The key holds another type.
    pub const WRONG_TYPE: Self = Self::line("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// The hash slot is being migrated, and the event stream of the pool is on the other node.
    pub const TRY_AGAIN: Self =
        Self::line("TRYAGAIN the hash slot is migrating and the event stream is on another node");
    /// The key holds a partial pool.
    pub const PARTIAL: Self = Self::line("TRYAGAIN the pool is still loading");
    /// A panic has left the pool half changed, and neither file nor replica has that change.
    pub const BROKEN: Self = Self::line("ERR pool is out of service after an internal error: restart or fail over");
    /// Another module called a write while a write of this module was running.
    pub const NESTED_WRITE: Self = Self::line("ERR nested write not allowed");
    /// Arguments that do not fit together.
    pub const SYNTAX: Self = Self::line("ERR syntax error");

    /// An error with a fixed text.
    #[must_use]
    pub const fn line(text: &'static str) -> Self {
        Self::Line(Cow::Borrowed(text))
    }

    /// The error with what it is about: `key` or `order`, and which of them, counted from 1.
    #[must_use]
    pub fn at(self, what: &str, number: usize) -> Self {
        let Self::Line(line) = &self else { return self };
        let (code, text) = line.split_once(' ').unwrap_or((line, ""));
        Self::Line(format!("{code} {what} {number}: {text}").into())
    }
}

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::WrongType => Self::WRONG_TYPE,
            OpenError::SlotMoving => Self::TRY_AGAIN,
            OpenError::Partial => Self::PARTIAL,
            OpenError::Broken => Self::BROKEN,
        }
    }
}

impl From<StreamDenied> for CommandError {
    fn from(denied: StreamDenied) -> Self {
        match denied {
            StreamDenied::NoPermission => Self::line("NOPERM no permission to write to the event stream"),
            StreamDenied::WrongType => Self::line("WRONGTYPE the key of the event stream does not hold a stream"),
            StreamDenied::OtherSlot => {
                Self::line("CROSSSLOT the event stream and the pool are not in the same hash slot")
            }
            StreamDenied::SlotMoving => Self::TRY_AGAIN,
        }
    }
}
