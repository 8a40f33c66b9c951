//! Shared by the commands on many orders of one pool: each is judged as by a call of its own, in
//! order, and one refusal stops none of the others.

use super::args::{bounded, Args, Parsed};
use super::commit::{open_for_write, reply_no_pool};
use super::error::CommandError;
use super::host::Handle;
use super::refusal::Outcome;
use super::reply::refused;
use super::spec::{Arg, Call};
use crate::core::model::refusal::Refusal;

/// The most orders in one call.
pub const MAX_ORDERS: usize = 128;

/// ORDERS and how many follow.
pub const ORDERS: Arg = Arg::integer("numorders").after("ORDERS");

/// The number behind ORDERS and all that is left: so many words for each order.
///
/// # Errors
/// `ERR value is not an integer`, `ERR invalid number of orders` (1 to 128), `SYNTAX` if there are
/// more words or fewer.
pub fn orders<'a>(args: &mut Args<'a>, words: usize) -> Parsed<std::slice::ChunksExact<'a, &'a [u8]>> {
    let outside = CommandError::line("ERR invalid number of orders: 1 to 128");
    let count = bounded(args.option_value()?, 1..=MAX_ORDERS as i64, outside)?;
    let rest = args.take_rest();
    if usize::try_from(count).ok().and_then(|count| count.checked_mul(words)) != Some(rest.len()) {
        return Err(CommandError::SYNTAX);
    }
    Ok(rest.chunks_exact(words.max(1)))
}

/// Opens the pool, and makes the changes first that are due. `None`: there is no such key, and the
/// reply is NOPOOL for each of `count` orders.
///
/// # Errors
/// As `commit::write_pool`.
pub fn write_pool(call: &mut Call<'_>, key: &[u8], count: usize) -> Result<Option<Handle>, CommandError> {
    let handle = open_for_write(call, key)?;
    if handle.is_none() {
        call.out.array(count);
        for _ in 0..count {
            reply_no_pool(call, key);
            call.journal.end_answer();
        }
    }
    Ok(handle)
}

/// Replies for each order, when all are decided and nothing can fail any more: with `done`, or with
/// its refusal. A refusal that is an error reply is an element as any other.
pub fn reply<T>(
    call: &mut Call<'_>,
    key: &[u8],
    handle: Handle,
    answers: Vec<Result<T, Refusal>>,
    done: impl Fn(&mut Call<'_>, T),
) {
    call.out.array(answers.len());
    for answer in answers {
        match answer {
            Ok(answer) => done(call, answer),
            Err(refusal) => {
                if let Err(CommandError::Line(text)) = refused(call, key, handle, &refusal) {
                    call.journal.outcome = Some(Outcome::Error);
                    call.out.error(&text);
                }
            }
        }
        call.journal.end_answer();
    }
}
