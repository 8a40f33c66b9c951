//! `STOCK.LOAD key MORE chunk`, `STOCK.LOAD key END`: loads a pool in pieces, from an append-only
//! file without RDB preamble or a slot import. Not for clients.
//!
//! A partial pool is the value of its key, so that a copy of the data set between two pieces has
//! it, too. A first piece begins anew, whatever is there: a migration that was cancelled may be
//! repeated.

use super::args::{Args, Parsed};
use super::docs::{reply, Docs};
use super::effect::NOT_FOR_CLIENTS;
use super::error::CommandError;
use super::host::{Handle, Origin};
use super::refusal::Outcome;
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec};
use crate::core::codec::{begins, Loader};
use crate::core::stored_pool::StoredPool;

pub const SPEC: Spec = Spec {
    name: "STOCK.LOAD",
    summary: "Loads a pool in pieces. Accepted from the append-only file and slot imports only.",
    complexity: "O(N) where N is the size of the piece.",
    since: "0.1.0",
    arity: -3,
    access: Access::Replicated,
    fast: false,
    keys: KeyPositions::First,
    inserts: true,
    args: &[
        Arg::KEY,
        Arg::new("piece", ArgKind::OneOf(&[Arg::string("chunk").after("MORE"), Arg::word("end", "END")])),
    ],
    docs: Docs {
        details: "Not for clients. An append-only file without RDB preamble and a slot import hold a large pool \
            in pieces.",
        replies: &[reply("OK", "The piece was taken.")],
        errors: &["ERR command is for replication, the append-only file and slot imports only: a client called \
            it."],
        example: include_str!("examples/load.txt"),
    },
    run,
};

const REJECTED: CommandError = CommandError::line("ERR piece does not continue the partial pool");

/// One piece.
enum Piece<'a> {
    /// The first one.
    First(&'a [u8]),
    /// A further one.
    Next(&'a [u8]),
    /// The pool is complete.
    End,
}

/// The result of one piece.
enum LoadResult {
    /// It fits.
    Accepted,
    /// It begins a new pool, and replaces a complete one.
    ReplacesPool,
    /// It does not fit. A complete pool stays as it is; a partial one, which can never be
    /// completed, is removed.
    Rejected,
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.env.origin == Origin::Client {
        return Err(NOT_FOR_CLIENTS);
    }
    let mut args = Args::new(call.args);
    let key = args.required()?;
    let piece = piece(&mut args)?;
    call.journal.outcome = Some(Outcome::Other);
    let load = load(call, key, &piece);
    call.journal.divergences = u64::from(!matches!(load, LoadResult::Accepted));
    match load {
        // With this error the server cancels the migration, and deletes what it has brought, here
        // and on the replicas.
        LoadResult::Rejected if call.env.origin == Origin::SlotImport => Err(REJECTED),
        // Replicated as it came, whatever happens here: a replica of this server must see what this
        // one saw.
        LoadResult::Accepted | LoadResult::ReplacesPool | LoadResult::Rejected => {
            call.journal.verbatim = true;
            call.out.ok();
            Ok(())
        }
    }
}

fn piece<'a>(args: &mut Args<'a>) -> Parsed<Piece<'a>> {
    let piece = match args.option(SPEC.args)? {
        Some("MORE") => {
            let chunk = args.required()?;
            if begins(chunk) {
                Piece::First(chunk)
            } else {
                Piece::Next(chunk)
            }
        }
        Some("END") => Piece::End,
        _ => return Err(CommandError::Arity),
    };
    args.end()?;
    Ok(piece)
}

fn load(call: &mut Call<'_>, key: &[u8], piece: &Piece<'_>) -> LoadResult {
    // A key of another type is left alone.
    let Ok(held) = call.keys.open_any(key) else { return LoadResult::Rejected };
    match *piece {
        Piece::First(chunk) => {
            let mut loader = Box::new(Loader::new());
            if loader.feed(chunk).is_err() {
                return reject(call, held);
            }
            let another = held.is_some_and(|handle| call.keys.stored(handle).pool().is_some());
            call.keys.create(key, StoredPool::Partial(loader));
            if another {
                LoadResult::ReplacesPool
            } else {
                LoadResult::Accepted
            }
        }
        Piece::Next(chunk) => {
            let fed = partial(call, held).is_some_and(|(_, loader)| loader.feed(chunk).is_ok());
            if fed {
                LoadResult::Accepted
            } else {
                reject(call, held)
            }
        }
        Piece::End => {
            let Some((handle, loader)) = partial(call, held) else { return reject(call, held) };
            let Ok(pool) = std::mem::take(loader).finish() else { return reject(call, held) };
            *call.keys.stored_mut(handle) = StoredPool::Complete(pool);
            LoadResult::Accepted
        }
    }
}

/// The partial pool of a key.
fn partial<'c>(call: &'c mut Call<'_>, held: Option<Handle>) -> Option<(Handle, &'c mut Loader)> {
    let handle = held.filter(|&handle| call.keys.stored(handle).pool().is_none())?;
    match call.keys.stored_mut(handle) {
        StoredPool::Partial(loader) => Some((handle, loader)),
        StoredPool::Complete(_) => None,
    }
}

/// Removes the partial pool: without this piece the others are of no use, and pieces of another
/// attempt must not continue it. In a slot import the key stays, with an empty partial pool: the
/// server deletes the keys that it finds, and replicates only those deletions.
fn reject(call: &mut Call<'_>, held: Option<Handle>) -> LoadResult {
    let import = call.env.origin == Origin::SlotImport;
    match partial(call, held) {
        Some((_, loader)) if import => *loader = Loader::new(),
        Some((handle, _)) => call.keys.remove(handle),
        None => {}
    }
    LoadResult::Rejected
}
