//! `STOCK.SWEEP key [COUNT n]`

use super::args::{bounded, Args};
use super::commit::{make_due_changes, purge, reply_no_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::time::Clock;

pub const SPEC: Spec = Spec {
    name: "STOCK.SWEEP",
    summary:
        "Expires due holds now, also during the failover grace, and purges orders and usage that are no longer needed.",
    complexity: "O(N) where N is the number of holds returned.",
    since: "0.1.0",
    arity: -2,
    access: Access::WriteAllowOom,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::integer("n").after("COUNT").optional()],
    docs: Docs {
        details: "Nobody needs to call this: writes return due holds, and a background task does so for idle \
            pools. It returns 1,000 holds, or `COUNT`, at most 100,000, and announces a sale that has opened or \
            ended.",
        replies: &[reply("integer", "How many holds were returned."), refusal::NOPOOL],
        errors: &[],
        example: include_str!("examples/sweep.txt"),
    },
    run,
};

const DEFAULT_COUNT: i64 = 1_000;
const MAX_COUNT: i64 = 100_000;

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let mut count = DEFAULT_COUNT;
    if args.option(SPEC.args)?.is_some() {
        let outside = CommandError::line("ERR COUNT is out of range: 1 to 100000");
        count = bounded(args.option_value()?, 1..=MAX_COUNT, outside)?;
        if !args.is_empty() {
            return Err(CommandError::SYNTAX);
        }
    }
    let Some(handle) = call.keys.open(key)? else {
        reply_no_pool(call, key);
        return Ok(());
    };
    let clock = Clock::at(call.env.clock.now_ms);
    let most = usize::try_from(count).unwrap_or(0);
    let returned = make_due_changes(call, handle, clock, most);
    // Purging counts as work, too: together no more than COUNT.
    purge(call, handle, most.saturating_sub(returned));
    call.out.int(returned as i64);
    Ok(())
}
