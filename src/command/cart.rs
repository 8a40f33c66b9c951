//! Shared by the commands on a cart: several pools, all or none.

use smallvec::SmallVec;

use super::args::{bounded, Args, Parsed, OUTSIDE};
use super::commit::{commit, make_due_changes, purge, reply_no_pool};
use super::docs::Docs;
use super::error::CommandError;
use super::host::Handle;
use super::refusal::Outcome;
use super::reply::{ok, refused};
use super::spec::{Access, Arg, Call, Handler, KeyPositions, Spec};
use crate::core::model::change::Change;
use crate::core::model::context::DUE_PER_WRITE;
use crate::core::model::quantity::{sum, MAX_UNITS};
use crate::core::model::refusal::Refusal;
use crate::core::ops::purge::PER_WRITE;

/// The most pools in a cart.
pub const MAX_POOLS: usize = 128;

/// The arguments that every cart begins with.
pub const NUMKEYS: Arg = Arg::integer("numkeys");
/// The pools of a cart.
pub const KEYS: Arg = Arg::KEY.multiple();

/// The description of a command that finishes a cart: an order, then numkeys and the keys.
#[must_use]
pub const fn finishing(
    name: &'static str,
    summary: &'static str,
    args: &'static [Arg],
    docs: Docs,
    run: Handler,
) -> Spec {
    Spec {
        name,
        summary,
        complexity: "O(K) where K is the number of pools, times the cost of the command on one pool.",
        since: "0.1.0",
        arity: -4,
        access: Access::WriteAllowOom,
        fast: false,
        keys: KeyPositions::Counted(2),
        args,
        docs,
        run,
    }
}

/// One pool of a cart.
#[derive(Clone, Copy, Debug)]
pub struct CartPool<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// The position of its first mention among the keys, from 1.
    pub position: usize,
    /// The open pool.
    pub handle: Handle,
}

/// The pools of a cart, each once, in the order of their first mention.
pub type CartPools<'a> = SmallVec<[CartPool<'a>; 4]>;

/// The keys behind numkeys.
///
/// # Errors
/// `ERR value is not an integer`, `ERR numkeys should be greater than 0`, `ERR Number of keys can't
/// be greater than number of args`, `ERR too many pools in one cart` (above 128).
pub fn keys<'a>(args: &mut Args<'a>) -> Parsed<&'a [&'a [u8]]> {
    let none = CommandError::line("ERR numkeys should be greater than 0");
    let count = bounded(args.required()?, 1..=i64::MAX, none)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > args.len() {
        return Err(CommandError::line("ERR Number of keys can't be greater than number of args"));
    }
    if count > MAX_POOLS {
        return Err(CommandError::line("ERR too many pools in one cart: at most 128"));
    }
    args.take_n(count).ok_or(CommandError::SYNTAX)
}

/// Each key once, with the position of its first mention, from 1. Most carts have few.
pub type Distinct<'a> = SmallVec<[(&'a [u8], usize); 4]>;

/// The quantity of each key.
pub type Quantities = SmallVec<[i64; 4]>;

/// Each key once.
pub fn distinct<'a>(keys: &[&'a [u8]]) -> Distinct<'a> {
    let mut distinct = Distinct::new();
    for (at, &key) in keys.iter().enumerate() {
        if distinct.iter().all(|&(other, _)| other != key) {
            distinct.push((key, at.saturating_add(1)));
        }
    }
    distinct
}

/// As many quantities as there are keys, each `least` or more: each key once, and its quantity, the
/// sum where it was named twice.
///
/// # Errors
/// `SYNTAX` if there are fewer, `ERR value is not an integer`, `ERR quantity is out of range`: of
/// one or of a sum.
pub fn sums<'a>(args: &mut Args<'_>, named: &[&'a [u8]], least: i64) -> Parsed<(Distinct<'a>, Quantities)> {
    let given = args.take_n(named.len()).ok_or(CommandError::SYNTAX)?;
    let (mut keys, mut totals, mut fits) = (Distinct::new(), Quantities::new(), true);
    for (at, (&key, qty)) in named.iter().zip(given).enumerate() {
        let qty = bounded(qty, least..=MAX_UNITS, OUTSIDE)?;
        let known = keys.iter().position(|&(other, _)| other == key);
        match known.and_then(|known| totals.get_mut(known)) {
            None => {
                keys.push((key, at.saturating_add(1)));
                totals.push(qty);
            }
            // Not at once: a quantity behind it may be no number.
            Some(total) => match sum(*total, qty) {
                Some(both) => *total = both,
                None => fits = false,
            },
        }
    }
    if fits {
        Ok((keys, totals))
    } else {
        Err(OUTSIDE)
    }
}

/// Opens every pool, and makes the due changes of those that exist. `None`: one does not exist, and
/// the reply is NOPOOL.
///
/// # Errors
/// As `Keyspace::open`.
pub fn write_pools<'a>(call: &mut Call<'_>, keys: &[(&'a [u8], usize)]) -> Result<Option<CartPools<'a>>, CommandError> {
    let mut items = CartPools::new();
    let mut missing = None;
    for &(key, position) in keys {
        match call.keys.open(key)? {
            Some(handle) => items.push(CartPool { key, position, handle }),
            None if missing.is_none() => missing = Some(key),
            None => {}
        }
    }
    let clock = call.env.clock;
    for item in &items {
        make_due_changes(call, item.handle, clock, DUE_PER_WRITE);
    }
    if let Some(key) = missing {
        reply_no_pool(call, key);
        return Ok(None);
    }
    Ok(Some(items))
}

/// Replies with the refusal of one pool for the whole cart.
///
/// # Errors
/// Refusals that are error replies (CONFLICT, NODIM, ERR); the text names the position of the key.
pub fn refuse_pool(call: &mut Call<'_>, item: &CartPool<'_>, refusal: &Refusal) -> Result<(), CommandError> {
    refused(call, item.key, item.handle, refusal).map_err(|error| error.at("key", item.position))
}

/// What the call does in one pool.
#[allow(clippy::large_enum_variant, reason = "it lives for one call, on the stack")]
pub enum CartStep<'a> {
    /// These changes, in order.
    Changes(SmallVec<[Change<'a>; 1]>),
    /// It was done before: the EXISTS refusal with the state of the order.
    Done(Refusal),
}

impl<'a> CartStep<'a> {
    /// From the decision of the command on one pool. EXISTS counts as done.
    ///
    /// # Errors
    /// Any other refusal.
    pub fn of(decision: Result<SmallVec<[Change<'a>; 1]>, Refusal>) -> Result<Self, Refusal> {
        match decision {
            Ok(changes) => Ok(Self::Changes(changes)),
            Err(done @ Refusal::Exists { .. }) => Ok(Self::Done(done)),
            Err(refusal) => Err(refusal),
        }
    }
}

/// Decides in every pool, then changes all or none. Replies `[OK]`, or EXISTS if all was done
/// before.
///
/// # Errors
/// A refusal that is an error reply (CONFLICT, NODIM, ERR).
pub fn all_or_none<'a>(
    call: &mut Call<'_>,
    items: &CartPools<'_>,
    answer: Outcome,
    mut decide: impl FnMut(&mut Call<'_>, &CartPool<'_>) -> Result<CartStep<'a>, Refusal>,
) -> Result<(), CommandError> {
    let mut steps: SmallVec<[CartStep<'a>; 8]> = SmallVec::new();
    for item in items {
        match decide(call, item) {
            Ok(step) => steps.push(step),
            Err(refusal) => return refuse_pool(call, item, &refusal),
        }
    }
    let all_done = steps.iter().all(|step| matches!(step, CartStep::Done(_)));
    if let (true, Some(item), Some(CartStep::Done(refusal))) = (all_done, items.first(), steps.first()) {
        return refuse_pool(call, item, refusal);
    }
    for (item, step) in items.iter().zip(&steps) {
        if let CartStep::Changes(changes) = step {
            if changes.is_empty() {
                continue;
            }
            for change in changes {
                commit(call, item.handle, change);
            }
            purge(call, item.handle, PER_WRITE);
        }
    }
    call.journal.outcome = Some(answer);
    ok(call.out, 1);
    Ok(())
}
