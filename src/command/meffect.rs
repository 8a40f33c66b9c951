//! `STOCK.MEFFECT key effect [key effect …]`: applies the effects of a call on several pools. Not
//! for clients.
//!
//! The keys have fixed positions. A server that migrates slots looks up the keys of each replicated
//! command, and Redis 8.4 to 8.6 die if they must ask the module for them (`getkeys-api`) while
//! they propagate.

use smallvec::SmallVec;

use super::cart::MAX_POOLS;
use super::docs::{reply, Docs};
use super::effect::{apply_effects, EFFECT_ERRORS, NOT_FOR_CLIENTS};
use super::error::CommandError;
use super::host::Origin;
use super::journal::{Unread, Unreadable};
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec};

pub const SPEC: Spec = Spec {
    name: "STOCK.MEFFECT",
    summary: "Applies the effects of a call on several pools. \
              Accepted from replication, the append-only file and slot imports only.",
    complexity: "Same as the original call.",
    since: "0.1.0",
    arity: -3,
    access: Access::Replicated,
    fast: false,
    keys: KeyPositions::Pairs,
    args: &[Arg::new("pool", ArgKind::Block(POOL)).multiple()],
    docs: Docs {
        details: "Not for clients. The effect of a cart, for all its pools.",
        replies: &[reply("OK", "Applied.")],
        errors: EFFECT_ERRORS,
        example: include_str!("examples/meffect.txt"),
    },
    run,
};
const POOL: &[Arg] = &[Arg::KEY, Arg::string("effect")];

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.env.origin == Origin::Client {
        return Err(NOT_FOR_CLIENTS);
    }
    let given = call.args.get(1..).unwrap_or_default();
    let pairs = given.chunks_exact(2);
    if given.is_empty() || !pairs.remainder().is_empty() {
        call.journal.unread = Some(Unread::Effect(Unreadable::FORM));
        return Err(CommandError::Arity);
    }
    if pairs.len() > MAX_POOLS {
        call.journal.unread = Some(Unread::Effect(Unreadable::FORM));
        return Err(CommandError::SYNTAX);
    }
    let keys: SmallVec<[&[u8]; 8]> = given.iter().copied().step_by(2).collect();
    let effects: SmallVec<[&[u8]; 8]> = given.iter().copied().skip(1).step_by(2).collect();
    apply_effects(call, &keys, &effects)
}
