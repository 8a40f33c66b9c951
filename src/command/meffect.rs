//! `STOCK.MEFFECT numkeys key [key …] effect [effect …]`: applies the effects of a call on several
//! pools. Not for clients.

use super::args::Args;
use super::cart::keys;
use super::effect::{apply_effects, NOT_FOR_CLIENTS};
use super::error::CommandError;
use super::host::Origin;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};

pub const SPEC: Spec = Spec {
    name: "STOCK.MEFFECT",
    summary: "Applies the effects of a call on several pools. Accepted from replication, the append-only file and slot imports only.",
    complexity: "Same as the original call.",
    since: "0.1.0",
    arity: -4,
    access: Access::Replicated,
    fast: false,
    keys: KeyPositions::Counted(1),
    inserts: true,
    args: &[super::cart::NUMKEYS, super::cart::KEYS, Arg::string("effect").multiple()],
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.env.origin == Origin::Client {
        return Err(NOT_FOR_CLIENTS);
    }
    let mut args = Args::new(call.args);
    let keys = keys(&mut args)?;
    let effects = args.take_n(keys.len()).ok_or(CommandError::SYNTAX)?;
    args.end()?;
    apply_effects(call, keys, effects);
    Ok(())
}
