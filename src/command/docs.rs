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

impl Reply {
    /// Its word and the number of its elements, where it is one array such as
    /// `[SOLDOUT, key, available]`: what is written is what the manual says.
    ///
    /// # Panics
    /// While compiling, where the form is not one array.
    #[must_use]
    // It runs in the compiler only, where a wrong index is an error of the build.
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    pub const fn shape(&self) -> (&'static str, usize) {
        let form = self.form.as_bytes();
        assert!(form[0] == b'[' && form[form.len() - 1] == b']', "not one array");
        let (mut at, mut depth, mut elements, mut end) = (0, 0, 1, 0);
        while at < form.len() {
            match form[at] {
                b'[' => depth += 1,
                b']' => depth -= 1,
                b',' if depth == 1 => {
                    if end == 0 {
                        end = at;
                    }
                    elements += 1;
                }
                _ => {}
            }
            at += 1;
        }
        (self.form.split_at(end).0.split_at(1).1, elements)
    }
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

/// There is no such key, for a read.
pub const NIL: Reply = reply("nil", "The key does not exist.");

/// A limit needs an attribute.
pub const NODIM: &str = "NODIM: a limit needs a dimension that the call does not carry.";
/// The order id stands for another order.
pub const CONFLICT: &str = "CONFLICT: the order id is known with another quantity, PARTIAL or attributes.";
/// The pool is full of orders.
pub const FULL: &str = "ERR: the pool has reached `stock.pool-max-orders`.";
