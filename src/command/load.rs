//! `STOCK.LOAD key MORE chunk [VERSION n]`, `STOCK.LOAD key END`: loads a pool in pieces, from an
//! append-only file without RDB preamble or a slot import. Not for clients.
//!
//! A partial pool is the value of its key, so that a copy of the data set between two pieces has
//! it, too. A first piece begins anew, whatever is there: a migration that was cancelled may be
//! repeated.
//!
//! Each piece names the encoding of its records, as each effect does. Pieces without one are of
//! builds before 0.1.0, which wrote encodings 1 and 2.

use super::args::{integer, Args, Parsed};
use super::docs::{reply, Docs};
use super::effect::NOT_FOR_CLIENTS;
use super::error::CommandError;
use super::host::{Handle, Origin};
use super::journal::{Unread, Unreadable};
use super::refusal::Outcome;
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec};
use crate::core::codec::wire::OLDEST_VERSION;
use crate::core::codec::{begins, Damage, Loader, VERSION};
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
    args: &[
        Arg::KEY,
        Arg::new("piece", ArgKind::OneOf(&[Arg::string("chunk").after("MORE"), Arg::word("end", "END")])),
        Arg::integer("encoding").after("VERSION").optional(),
    ],
    docs: Docs {
        details: "Not for clients. An append-only file without RDB preamble and a slot import hold a large pool \
            in pieces. A file with a piece that cannot be read stops the start of the server, and a replica \
            that gets one ends: the pool would be missing.",
        replies: &[reply("OK", "The piece was taken.")],
        errors: &[
            "ERR command is for replication, the append-only file and slot imports only: a client called it.",
            "ERR piece cannot be read: the source of a slot has a newer module, or the piece is damaged or \
                continues nothing. The migration is cancelled.",
        ],
        example: include_str!("examples/load.txt"),
    },
    run,
};

/// The reply to the source of a slot.
const REJECTED: CommandError =
    CommandError::line("ERR piece cannot be read: a newer module wrote it, it is damaged, or it continues nothing");

/// The key holds a value of another type.
const ANOTHER_TYPE: Unreadable = Unreadable::Damage(Damage("the key holds another type"));
/// There is no partial pool that this piece could continue.
const CONTINUES_NOTHING: Unreadable = Unreadable::Damage(Damage("the pieces before it are missing"));

/// One piece.
enum Piece<'a> {
    /// The first one.
    First(&'a [u8]),
    /// A further one.
    Next(&'a [u8]),
    /// One of an encoding that only a newer module knows.
    Newer(i32),
    /// The pool is complete.
    End,
}

/// The result of one piece.
enum LoadResult {
    /// It fits.
    Accepted,
    /// It begins a new pool, and replaces a complete one.
    ReplacesPool,
    /// It cannot be read. A complete pool stays as it is; a partial one, which can never be
    /// completed, is removed.
    Rejected(Unreadable),
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.env.origin == Origin::Client {
        return Err(NOT_FOR_CLIENTS);
    }
    let (mut args, key) = Args::behind_key(call.args)?;
    call.journal.outcome = Some(Outcome::Other);
    let load = match piece(&mut args) {
        Ok(piece) => load(call, key, &piece),
        Err(_) => LoadResult::Rejected(Unreadable::FORM),
    };
    call.journal.divergences = u64::from(!matches!(load, LoadResult::Accepted));
    if let LoadResult::Rejected(why) = load {
        call.journal.unread = Some(Unread::Piece(why));
        // With this error the server cancels the migration, and deletes what it has brought, here
        // and on the replicas.
        if call.env.origin == Origin::SlotImport {
            return Err(REJECTED);
        }
    }
    // Replicated as it came: a replica of this server must see what this one saw.
    call.journal.verbatim = true;
    call.out.ok();
    Ok(())
}

fn piece<'a>(args: &mut Args<'a>) -> Parsed<Piece<'a>> {
    let piece = match args.option(SPEC.args)? {
        Some("MORE") => {
            let chunk = args.required()?;
            let version = match args.option(SPEC.args)? {
                None => Some(VERSION),
                Some("VERSION") => integer(args.option_value()?).and_then(|version| i32::try_from(version).ok()),
                Some(_) => None,
            };
            let version = version.filter(|&version| version >= OLDEST_VERSION).ok_or(CommandError::SYNTAX)?;
            if version > VERSION {
                // What else it says is said in a form of that version.
                return Ok(Piece::Newer(version));
            }
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
    let Ok(held) = call.keys.open_any(key) else { return LoadResult::Rejected(ANOTHER_TYPE) };
    match *piece {
        Piece::First(chunk) => {
            let mut loader = Box::new(Loader::new());
            if let Err(damage) = loader.feed(chunk) {
                return reject(call, held, Unreadable::Damage(damage));
            }
            let another = held.is_some_and(|handle| call.keys.stored(handle).pool().is_some());
            call.keys.create(key, StoredPool::Partial(loader));
            if another {
                LoadResult::ReplacesPool
            } else {
                LoadResult::Accepted
            }
        }
        Piece::Next(chunk) => match partial(call, held).map(|(_, loader)| loader.feed(chunk)) {
            Some(Ok(())) => LoadResult::Accepted,
            Some(Err(damage)) => reject(call, held, Unreadable::Damage(damage)),
            None => reject(call, held, CONTINUES_NOTHING),
        },
        Piece::Newer(version) => reject(call, held, Unreadable::Version(version)),
        Piece::End => {
            let Some((handle, loader)) = partial(call, held) else { return reject(call, held, CONTINUES_NOTHING) };
            match std::mem::take(loader).finish() {
                Ok(pool) => *call.keys.stored_mut(handle) = StoredPool::Complete(pool),
                Err(damage) => return reject(call, held, Unreadable::Damage(damage)),
            }
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
fn reject(call: &mut Call<'_>, held: Option<Handle>, why: Unreadable) -> LoadResult {
    let import = call.env.origin == Origin::SlotImport;
    match partial(call, held) {
        Some((_, loader)) if import => *loader = Loader::new(),
        Some((handle, _)) => call.keys.remove(handle),
        None => {}
    }
    LoadResult::Rejected(why)
}
