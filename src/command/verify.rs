//! `STOCK.VERIFY key`

use super::args::Args;
use super::commit::read_pool;
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::verify::verify;

pub const SPEC: Spec = Spec {
    name: "STOCK.VERIFY",
    summary: "Recomputes all sums, counters and indexes of a pool from its orders, and returns the differences. Slow.",
    complexity: "O(N log N) where N is the number of orders.",
    since: "0.1.0",
    arity: 2,
    access: Access::Read,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY],
    docs: Docs {
        details: "It blocks the server while it runs: run it on a replica.",
        replies: &[reply("OK", "All is consistent."), reply("array", "One line for each difference."), docs::NIL],
        errors: &[],
        example: include_str!("examples/verify.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = Args::only_key(call.args)?;
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let lines = verify(call.keys.pool(handle));
    if lines.is_empty() {
        call.out.ok();
        return Ok(());
    }
    call.out.array(lines.len());
    for line in lines {
        call.out.bulk(line.as_bytes());
    }
    Ok(())
}
