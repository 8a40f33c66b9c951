//! How a command is described: the one source of registration, `COMMAND DOCS`, the README's check and the tests.

use super::error::CommandError;
use super::host::{Env, Keyspace, Out};
use super::journal::Journal;

/// One call, with everything that it may use.
pub struct Call<'a> {
    /// The arguments; the first is the command's name.
    pub args: &'a [&'a [u8]],
    /// Time, configuration, chance.
    pub env: &'a Env<'a>,
    /// The keys.
    pub keys: &'a mut dyn Keyspace,
    /// What changes is written here.
    pub journal: &'a mut Journal,
    /// The answer. Written only when nothing can fail any more: an error means that nothing was written.
    pub out: &'a mut dyn Out,
}

/// Parses, decides, commits and answers.
pub type Handler = fn(&mut Call<'_>) -> Result<(), CommandError>;

/// What a command does to its keys, and who may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads; works on replicas, changes nothing.
    Read,
    /// Changes, and may take memory or units: refused when the server is out of memory.
    Write,
    /// Changes, and takes next to no memory: gives back, finishes, amends, corrects. Works when the server is out of memory.
    WriteAllowOom,
    /// Effect and load forms: from the primary, the append-only file or a slot import only.
    Replicated,
}

/// Where the keys stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPositions {
    /// One key, the first argument.
    First,
    /// All arguments are keys.
    All,
    /// A number of keys at this place (1 = first argument), then the keys.
    Counted(u8),
}

/// The type of an argument in `COMMAND DOCS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// The key at the command's key spec.
    Key,
    /// Any bytes.
    String,
    /// An integer.
    Integer,
    /// A Unix time in milliseconds.
    UnixTime,
    /// A word that stands for itself (its token).
    Token,
    /// One of the sub-arguments.
    OneOf(&'static [Arg]),
    /// All of the sub-arguments.
    Block(&'static [Arg]),
}

/// One argument in `COMMAND DOCS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ArgKind,
    /// The word that introduces it.
    pub token: Option<&'static str>,
    /// It may be left out.
    pub optional: bool,
    /// It may be repeated.
    pub multiple: bool,
}

/// A command.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Its name, upper case.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// In terms of the size of what it touches.
    pub complexity: &'static str,
    /// The version that brought it.
    pub since: &'static str,
    /// As in `COMMAND INFO`: the exact number of arguments with the name, or minus the least.
    pub arity: i32,
    /// What it does.
    pub access: Access,
    /// Constant time (ACL category `@fast`).
    pub fast: bool,
    /// Where the keys stand.
    pub keys: KeyPositions,
    /// The key may be made by it (key spec flag INSERT).
    pub inserts: bool,
    /// The arguments.
    pub args: &'static [Arg],
    /// The code.
    pub run: Handler,
}

impl Arg {
    /// A required argument.
    #[must_use]
    pub const fn new(name: &'static str, kind: ArgKind) -> Self {
        Self { name, kind, token: None, optional: false, multiple: false }
    }

    /// The key.
    pub const KEY: Self = Self::new("key", ArgKind::Key);
    /// The order id.
    pub const ORDER: Self = Self::new("order", ArgKind::String);
    /// Any bytes.
    #[must_use]
    pub const fn string(name: &'static str) -> Self {
        Self::new(name, ArgKind::String)
    }
    /// An integer.
    #[must_use]
    pub const fn integer(name: &'static str) -> Self {
        Self::new(name, ArgKind::Integer)
    }
    /// A word.
    #[must_use]
    pub const fn word(name: &'static str, token: &'static str) -> Self {
        Self { token: Some(token), ..Self::new(name, ArgKind::Token) }
    }
    /// Behind this word.
    #[must_use]
    pub const fn after(self, token: &'static str) -> Self {
        Self { token: Some(token), ..self }
    }
    /// It may be left out.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
    /// It may be repeated.
    #[must_use]
    pub const fn multiple(self) -> Self {
        Self { multiple: true, ..self }
    }
}

/// EX, PX or PXAT.
pub const HOLD: Arg = Arg::new("hold", ArgKind::OneOf(HOLD_PARTS));
const HOLD_PARTS: &[Arg] = &[
    Arg::integer("seconds").after("EX"),
    Arg::integer("milliseconds").after("PX"),
    Arg::new("unix-time-milliseconds", ArgKind::UnixTime).after("PXAT"),
];
/// FOR and its pairs.
pub const FOR: Arg = Arg::new("attribute", ArgKind::Block(FOR_PARTS)).after("FOR").optional().multiple();
const FOR_PARTS: &[Arg] = &[Arg::string("dim"), Arg::string("value")];
/// The values of an override.
pub const FOR_VALUES: Arg = Arg::string("value").after("FOR").optional().multiple();
/// Which limit.
pub const PER: Arg = Arg::string("window").after("PER").optional();
/// What is counted.
pub const COUNT_WHAT: Arg = Arg::new("what", ArgKind::OneOf(COUNT_PARTS)).after("COUNT").optional();
const COUNT_PARTS: &[Arg] = &[Arg::word("units", "UNITS"), Arg::word("orders", "ORDERS")];
