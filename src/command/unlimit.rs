//! `STOCK.UNLIMIT key by [PER window [ROLLING]] [COUNT UNITS|ORDERS] [NOTE text] [FOR value …]`

use super::args::{set_flag, set_once, Args};
use super::commit::{commit_noted_and_purge, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::limit::{count, override_of};
use super::limit_text::{dimensions, identity, rolling, window};
use super::refusal;
use super::spec::{Access, Arg, Call, KeyPositions, Spec, COUNT_WHAT, FOR_VALUES, NOTE, PER, ROLLING};
use crate::core::model::limit::Count;
use crate::core::ops::limit::decide_removed;

pub const SPEC: Spec = Spec {
    name: "STOCK.UNLIMIT",
    summary: "Removes a limit with its usage, or one override of it.",
    complexity: "O(log N) where N is the number of overrides of the limit; usage is purged step by step.",
    since: "0.1.0",
    arity: -3,
    access: Access::WriteAllowOom,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::string("by"), PER, ROLLING, COUNT_WHAT, NOTE, FOR_VALUES],
    docs: Docs {
        details: "The limit is named by its dimensions, window and `COUNT`. With `FOR` one override goes and \
            the limit stays. `NOTE` says who and why: it is published with the change, and kept nowhere else. It \
            stands before `FOR`.",
        replies: &[reply("integer", "How many were removed: 0 or 1."), refusal::NOPOOL],
        errors: &[],
        example: include_str!("examples/unlimit.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let named = dimensions(args.required()?)?;
    let mut rolls = false;
    let (mut per, mut what, mut special, mut note) = (None, None, None, None);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "PER" => set_once(&mut per, window(args.option_value()?)?)?,
            "ROLLING" => set_flag(&mut rolls)?,
            "COUNT" => set_once(&mut what, count(args.option_value()?)?)?,
            "NOTE" => set_once(&mut note, args.note()?)?,
            "FOR" => special = Some(override_of(&named, &mut args)?),
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let identity = identity(&named, rolling(per, rolls)?, what.unwrap_or(Count::Units));
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    let change = decide_removed(call.keys.pool(handle), &identity, special);
    if let Some(change) = &change {
        commit_noted_and_purge(call, handle, change, note);
    }
    call.out.int(i64::from(change.is_some()));
    Ok(())
}
