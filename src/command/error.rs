//! What is wrong with a call, and the text that says so.

use std::borrow::Cow;

/// An error reply: one leading code word, ASCII, never a byte of the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The number of arguments is wrong.
    Arity,
    /// Any other, as the whole line without the leading `-`.
    Line(Cow<'static, str>),
}

impl CommandError {
    /// The key holds another type.
    pub const WRONG_TYPE: Self = Self::line("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// Words that do not fit together.
    pub const SYNTAX: Self = Self::line("ERR syntax error");

    /// An error with a fixed text.
    #[must_use]
    pub const fn line(text: &'static str) -> Self {
        Self::Line(Cow::Borrowed(text))
    }
}

impl From<super::host::WrongType> for CommandError {
    fn from(_: super::host::WrongType) -> Self {
        Self::WRONG_TYPE
    }
}
