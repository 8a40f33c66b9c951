//! `STOCK.SETPOLICY key json [MERGE] [NOTE text]`

use super::args::{set_flag, set_once, Args};
use super::commit::{announce_sale, commit_noted_and_purge, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::host::{Handle, StreamDenied};
use super::policy_json;
use super::policy_merge::{self, Patch};
use super::refusal;
use super::reply::refused;
use super::spec::{Access, Arg, Call, KeyPositions, Spec, NOTE};
use crate::core::model::change::Change;
use crate::core::model::ids::Bytes;
use crate::core::model::policy::Policy;
use crate::core::model::refusal::Refusal;
use crate::core::ops::policy::{current, decide};

pub const SPEC: Spec = Spec {
    name: "STOCK.SETPOLICY",
    summary: "Replaces the whole policy of a pool, or with MERGE a part of it. A limit that stays keeps its usage.",
    complexity: "O(N) where N is the size of the policy.",
    since: "0.1.0",
    arity: -3,
    access: Access::Write,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::string("json"), Arg::word("merge", "MERGE").optional(), NOTE],
    docs: Docs {
        details: "**It replaces everything.** A field or limit that is absent is back to its default, or gone. \
            Usage of a limit that stays is kept. The fields stand in [semantics](semantics.md#policy-json).\n\n\
            **With `MERGE` it changes what it names**, and the rest stays: a JSON merge patch (RFC 7396). `null` \
            puts a field back to its default. Limits are named as `STOCK.LIMITS` shows them, in an object: \
            `{\"limits\":{\"user/day/units\":{\"max\":3}}}` changes or adds one, \
            `{\"limits\":{\"user/day/units\":null}}` removes one. An array of limits replaces all.\n\n`NOTE` says \
            who and why: it is published with the change, which names what differs, and kept nowhere else.",
        replies: &[reply("OK", "Done."), refusal::NOPOOL],
        errors: &[
            "ERR invalid policy: the text says what, with line and column.",
            "NOPERM: no permission to write to the stream that `events` names.",
            "CROSSSLOT, WRONGTYPE, TRYAGAIN: that stream is in another slot, is no stream, or its slot is \
            moving.",
        ],
        example: include_str!("examples/setpolicy.txt"),
    },
    run,
};

/// What the text is.
enum Given {
    Whole(Policy),
    Patch(Patch),
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let json = args.required()?;
    let (mut merges, mut note) = (false, None);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "MERGE" => set_flag(&mut merges)?,
            "NOTE" => set_once(&mut note, args.note()?)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let tz = call.env.defaults.tz;
    let given =
        if merges { Given::Patch(policy_merge::read(json)?) } else { Given::Whole(policy_json::read(json, tz)?) };
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    let policy = match given {
        Given::Whole(policy) => policy,
        Given::Patch(patch) => policy_merge::merged(&current(call.keys.pool(handle)), patch, tz)?,
    };
    check_stream(call, key, Some(handle), &policy)?;
    let decision = decide(call.keys.pool(handle), policy);
    finish(call, key, handle, decision, note)
}

/// Checks that the caller may let a pool publish where the policy says, if that is news.
/// `handle`: the pool, where there is one.
///
/// # Errors
/// Each of [`StreamDenied`], as an error reply.
pub fn check_stream(
    call: &mut Call<'_>,
    key: &[u8],
    handle: Option<Handle>,
    policy: &Policy,
) -> Result<(), CommandError> {
    let Some(name) = policy.events.as_ref().map(Bytes::as_slice).filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    if handle.is_none() && name == key {
        // The key is empty yet.
        return Err(StreamDenied::WrongType.into());
    }
    let known = handle.and_then(|handle| call.keys.pool(handle).events());
    if known != Some(name) {
        call.keys.check_stream(key, name)?;
    }
    Ok(())
}

/// Makes a change of the policy, which may open or end the sale at once, and replies OK; `None`:
/// there is nothing to change.
///
/// # Errors
/// A refusal that is an error reply.
pub fn finish(
    call: &mut Call<'_>,
    key: &[u8],
    handle: Handle,
    decision: Result<Option<Change<'_>>, Refusal>,
    note: Option<&[u8]>,
) -> Result<(), CommandError> {
    match decision {
        Ok(change) => {
            if let Some(change) = change {
                commit_noted_and_purge(call, handle, &change, note);
                call.keys.policy_changed(handle);
                announce_sale(call, handle);
            }
            call.out.ok();
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}
