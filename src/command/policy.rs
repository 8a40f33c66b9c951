//! `STOCK.POLICY key`

use super::args::Args;
use super::commit::read_pool;
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::policy_json;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::ops::policy::current;

pub const SPEC: Spec = Spec {
    name: "STOCK.POLICY",
    summary: "Returns the policy of a pool as JSON, in the form that STOCK.SETPOLICY takes.",
    complexity: "O(N) where N is the size of the policy.",
    since: "0.1.0",
    arity: 2,
    access: Access::Read,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY],
    docs: Docs {
        details: "",
        replies: &[reply("text", "JSON that `STOCK.SETPOLICY` takes and that changes nothing."), docs::NIL],
        errors: &[],
        example: include_str!("examples/policy.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = Args::only_key(call.args)?;
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    call.out.bulk(policy_json::write(&current(call.keys.pool(handle))).as_bytes());
    Ok(())
}
