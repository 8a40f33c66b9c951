//! `STOCK.SUSPEND key [NOTE text]`, `STOCK.RESUME key [NOTE text]`

use super::args::Args;
use super::commit::{commit_noted_and_purge, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal;
use super::spec::{Access, Arg, Call, KeyPositions, Spec, NOTE};
use crate::core::ops::suspend::decide;

pub const SUSPEND: Spec = Spec {
    name: "STOCK.SUSPEND",
    summary: "Stops all commands that take units. Confirming, releasing and returning go on.",
    complexity: "O(1)",
    since: "0.1.0",
    arity: -2,
    access: Access::WriteAllowOom,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, NOTE],
    docs: Docs {
        details: "`STOCK.CONFIRM`, `STOCK.EXTEND`, `STOCK.RELEASE`, `STOCK.RETURN` and a `STOCK.AMEND` to less \
            go on. A `LATE` that must take units again is refused. `NOTE` says who and why: it is published with \
            the change, and kept nowhere else.",
        replies: &[reply("OK", "Also where the pool was suspended already."), refusal::NOPOOL],
        errors: &[],
        example: include_str!("examples/suspend.txt"),
    },
    run: |call| run(call, true),
};

pub const RESUME: Spec = Spec {
    name: "STOCK.RESUME",
    summary: "Ends the stop of STOCK.SUSPEND.",
    docs: Docs {
        details: "Prepare a sale with the pool suspended; this call opens it in one step. `NOTE`: as with \
            `STOCK.SUSPEND`.",
        replies: &[reply("OK", "Also where the pool was not suspended."), refusal::NOPOOL],
        errors: &[],
        example: include_str!("examples/resume.txt"),
    },
    run: |call| run(call, false),
    ..SUSPEND
};

fn run(call: &mut Call<'_>, suspended: bool) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let note = args.only_note()?;
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    if let Some(change) = decide(call.keys.pool(handle), suspended) {
        commit_noted_and_purge(call, handle, &change, note);
    }
    call.out.ok();
    Ok(())
}
