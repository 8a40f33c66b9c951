//! What the manual says of a command, apart from its syntax. `docs/reference/commands.md` is made
//! of it, and the tests run the examples.

/// One answer of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its form, as in `[OK, qty]`.
    pub form: &'static str,
    /// When it is given.
    pub when: &'static str,
}

/// What the manual says of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Docs {
    /// Paragraphs in Markdown.
    pub details: &'static str,
    /// The answers: what succeeds first, then the refusals in the order in which they are looked
    /// for.
    pub replies: &'static [Reply],
    /// Errors other than those of every command: each begins with its code word.
    pub errors: &'static [&'static str],
    /// Lines for redis-cli behind `> `, each followed by what it prints.
    pub example: &'static str,
}

/// An answer.
#[must_use]
pub const fn reply(form: &'static str, when: &'static str) -> Reply {
    Reply { form, when }
}

/// There is no such key.
pub const NOPOOL: Reply = reply("[NOPOOL, key]", "The key does not exist: create it with `STOCK.SET`.");
/// There is no such key, for a read.
pub const NIL: Reply = reply("nil", "The key does not exist.");
/// The call was made before.
pub const EXISTS: Reply = reply(
    "[EXISTS, key, state, qty, returned, deadline_ms]",
    "The same call was made before. Nothing was done twice; look at `state`.",
);
/// The order is over.
pub const CLOSED: Reply =
    reply("[CLOSED, key, state]", "The order is over: `released`, `expired` or `returned`. Buy again under a new id.");
/// The hold is over.
pub const EXPIRED: Reply = reply("[EXPIRED, key]", "The deadline has passed.");
/// The order is paid.
pub const CONFIRMED: Reply = reply("[CONFIRMED, key]", "The order is paid: use `STOCK.RETURN`.");
/// The order is not paid.
pub const RESERVED: Reply = reply("[RESERVED, key]", "The order is not paid: use `STOCK.RELEASE`.");
/// The order is not known.
pub const NOORDER: Reply = reply("[NOORDER, key]", "The pool does not know the order, or no longer.");
/// The pool is suspended.
pub const SUSPENDED: Reply = reply("[SUSPENDED, key]", "`STOCK.SUSPEND` is in force.");
/// The sale is to come.
pub const EARLY: Reply = reply("[EARLY, key, from_ms]", "The sale opens at `from_ms`.");
/// The sale is over.
pub const ENDED: Reply = reply("[ENDED, key, until_ms]", "The sale has ended.");
/// Not enough units.
pub const SOLDOUT: Reply = reply("[SOLDOUT, key, available]", "Not enough units; `available` could still be had.");
/// A limit is reached.
pub const LIMITED: Reply = reply(
    "[LIMITED, key, limit, [value …], used, max, resets_ms]",
    "A purchase limit is reached. `limit` is a text such as `region+user/day/units`; `resets_ms` 0 means never.",
);

/// A limit needs an attribute.
pub const NODIM: &str = "NODIM: a limit needs a dimension that the call does not carry.";
/// The order id stands for another order.
pub const CONFLICT: &str = "CONFLICT: the order id is known with another quantity, PARTIAL or attributes.";
/// The pool is full of orders.
pub const FULL: &str = "ERR: the pool has reached `stock.pool-max-orders`.";
