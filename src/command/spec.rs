//! The description of a command: the one source of registration, `COMMAND DOCS`, the reference and
//! the tests.

use super::docs::Docs;
use super::error::CommandError;
use super::host::{Env, Keyspace, Out};
use super::journal::Journal;

/// One call, and all that it may use.
pub struct Call<'a> {
    /// The arguments; the first stands for the command's name, and may be empty.
    pub args: &'a [&'a [u8]],
    /// Time, configuration and random numbers.
    pub env: &'a Env<'a>,
    /// The keys.
    pub keys: &'a mut dyn Keyspace,
    /// Receives what the call changes.
    pub journal: &'a mut Journal,
    /// Receives the reply. Written only when nothing can fail any more: after an error it is empty.
    pub out: &'a mut dyn Out,
}

/// Parses the arguments, decides, commits and replies.
pub type Handler = fn(&mut Call<'_>) -> Result<(), CommandError>;

/// What a command does with its keys, and who may call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads. Also works on replicas.
    Read,
    /// Writes, and may take memory: refused when the server is out of memory.
    Write,
    /// The same, and it may create its key.
    WriteNew,
    /// Writes, and takes little memory: finishes orders, returns units, corrects. Also works when
    /// the server is out of memory.
    WriteAllowOom,
    /// Applies what was replicated: accepted from the primary, the append-only file or a slot
    /// import only. It may create its keys.
    Replicated,
}

/// Which arguments are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPositions {
    /// There are no keys.
    None,
    /// One key, the first argument.
    First,
    /// Two keys, the first two arguments.
    FirstTwo,
    /// All arguments are keys.
    All,
    /// Every other argument is a key, from the first one, as in MSET.
    Pairs,
    /// The number of keys is at this position (1 = first argument), and the keys follow.
    Counted(u8),
}

/// The type of an argument in `COMMAND DOCS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// A key.
    Key,
    /// Any bytes.
    String,
    /// An integer.
    Integer,
    /// A Unix time in milliseconds.
    UnixTime,
    /// A keyword without a value (its token).
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
    /// The name, upper case.
    pub name: &'static str,
    /// What the command does, in one line.
    pub summary: &'static str,
    /// Time complexity.
    pub complexity: &'static str,
    /// The first version of the module that has it.
    pub since: &'static str,
    /// As in `COMMAND INFO`: the number of arguments with the name, negative if there may be more.
    pub arity: i32,
    /// What it does with its keys.
    pub access: Access,
    /// In ACL category `@fast`: takes constant time, or time in the number of limits.
    pub fast: bool,
    /// Which arguments are keys.
    pub keys: KeyPositions,
    /// The arguments.
    pub args: &'static [Arg],
    /// What the manual says of it.
    pub docs: Docs,
    /// The handler.
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
    /// A keyword without a value.
    #[must_use]
    pub const fn word(name: &'static str, token: &'static str) -> Self {
        Self { token: Some(token), ..Self::new(name, ArgKind::Token) }
    }
    /// The same argument behind this keyword.
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
/// NOTE and what the caller wants to be published with the change.
pub const NOTE: Arg = Arg::string("text").after("NOTE").optional();
/// REPLACES and the order whose place the new one takes.
pub const REPLACES: Arg = Arg::string("old").after("REPLACES").optional();
/// FOR and its pairs of dimension and value.
pub const FOR: Arg = Arg::new("attribute", ArgKind::Block(FOR_PARTS)).after("FOR").optional().multiple();
const FOR_PARTS: &[Arg] = &[Arg::string("dim"), Arg::string("value")];
/// The values of an override.
pub const FOR_VALUES: Arg = Arg::string("value").after("FOR").optional().multiple();
/// PER and the window of a limit.
pub const PER: Arg = Arg::string("window").after("PER").optional();
/// ROLLING: the window is the last so many seconds.
pub const ROLLING: Arg = Arg::word("rolling", "ROLLING").optional();
/// COUNT and what a limit counts.
pub const COUNT_WHAT: Arg = Arg::new("what", ArgKind::OneOf(COUNT_PARTS)).after("COUNT").optional();
/// What a limit can count.
pub const COUNT_PARTS: &[Arg] = &[Arg::word("units", "UNITS"), Arg::word("orders", "ORDERS")];
