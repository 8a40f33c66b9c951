//! `STOCK.AVAILABLE key [key …]`

use smallvec::SmallVec;

use super::args::Args;
use super::commit::context;
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::view::View;

pub const SPEC: Spec = Spec {
    name: "STOCK.AVAILABLE",
    summary: "Returns how many units can be reserved now in each pool; -1 for unlimited.",
    complexity: "O(N) where N is the number of keys.",
    since: "0.1.0",
    arity: -2,
    access: Access::Read,
    fast: true,
    keys: KeyPositions::All,
    args: &[Arg::KEY.multiple()],
    docs: Docs {
        details: "At most 10,000 keys. Works on replicas, which may lag.",
        replies: &[reply("array", "For each key an integer, -1 for an unlimited pool, nil for none.")],
        errors: &[],
        example: include_str!("examples/available.txt"),
    },
    run,
};

/// The most keys in one call.
const MAX_KEYS: usize = 10_000;

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let keys = Args::new(call.args).take_rest();
    if keys.is_empty() {
        return Err(CommandError::Arity);
    }
    if keys.len() > MAX_KEYS {
        return Err(CommandError::line("ERR too many keys: at most 10000"));
    }
    let mut found: SmallVec<[Option<i64>; 16]> = SmallVec::new();
    for key in keys {
        let handle = call.keys.open(key)?;
        found.push(handle.map(|h| View::of_read(call.keys.pool(h), context(call)).shown_available()));
    }
    call.out.array(found.len());
    for available in found {
        match available {
            Some(units) => call.out.int(units),
            None => call.out.nil(),
        }
    }
    Ok(())
}
