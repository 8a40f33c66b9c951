//! `STOCK.SETPOLICY key json`

use super::args::Args;
use super::commit::{announce_sale, commit_and_purge, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::host::Handle;
use super::policy_json;
use super::refusal;
use super::reply::refused;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::change::Change;
use crate::core::model::refusal::Refusal;
use crate::core::ops::policy::decide;

pub const SPEC: Spec = Spec {
    name: "STOCK.SETPOLICY",
    summary: "Replaces the whole policy of a pool. A limit that stays keeps its usage.",
    complexity: "O(N) where N is the size of the policy.",
    since: "0.1.0",
    arity: 3,
    access: Access::Write,
    fast: false,
    keys: KeyPositions::First,
    inserts: false,
    args: &[Arg::KEY, Arg::string("json")],
    docs: Docs {
        details: "**It replaces everything.** A field or limit that is absent is back to its default, or gone. \
            To change one thing, read `STOCK.POLICY`, change the text and write it back. Usage of a limit \
            that stays is kept. The fields stand in [semantics](semantics.md#policy-json).",
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

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let key = args.required()?;
    let policy = policy_json::read(args.required()?, call.env.defaults.tz)?;
    args.end()?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    let named = policy.events.as_ref().filter(|name| !name.as_slice().is_empty());
    if let Some(name) = named.filter(|name| call.keys.pool(handle).events() != Some(name.as_slice())) {
        call.keys.check_stream(handle, name.as_slice())?;
    }
    let decision = decide(call.keys.pool(handle), policy);
    finish(call, key, handle, decision)
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
) -> Result<(), CommandError> {
    match decision {
        Ok(change) => {
            if let Some(change) = change {
                commit_and_purge(call, handle, &change);
                announce_sale(call, handle);
            }
            call.out.ok();
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}
