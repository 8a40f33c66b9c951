//! `STOCK.SWEEP key [COUNT n]`

use super::args::{bounded, is, Args};
use super::commit::{no_pool, return_due, tidy};
use super::error::CommandError;
use super::spec::{Access, Arg, Call, Keys, Spec};
use crate::core::time::Clock;

pub const SPEC: Spec = Spec {
    name: "STOCK.SWEEP",
    summary: "Returns holds that are due, also within the failover grace, and frees memory of what is over.",
    complexity: "O(N) where N is the number of holds returned.",
    since: "0.1.0",
    arity: -2,
    access: Access::GiveBack,
    fast: false,
    keys: Keys::First,
    inserts: false,
    args: &[Arg::KEY, Arg::integer("n").after("COUNT").optional()],
    run,
};

const DEFAULT: i64 = 1_000;
const MOST: i64 = 100_000;

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let key = args.required()?;
    let mut count = DEFAULT;
    if let Some(option) = args.take() {
        if !is(option, "COUNT") {
            return Err(CommandError::SYNTAX);
        }
        let outside = CommandError::line("ERR COUNT is out of range: 1 to 100000");
        count = bounded(args.of_option()?, 1..=MOST, outside)?;
        if !args.is_empty() {
            return Err(CommandError::SYNTAX);
        }
    }
    let Some(handle) = call.keys.open(key)? else {
        no_pool(call, key);
        return Ok(());
    };
    let clock = Clock::at(call.env.clock.now_ms);
    let most = usize::try_from(count).unwrap_or(0);
    let returned = return_due(call, handle, clock, most);
    // What it frees counts as work too: together no more than asked for.
    tidy(call, handle, most.saturating_sub(returned));
    call.out.int(returned as i64);
    Ok(())
}
