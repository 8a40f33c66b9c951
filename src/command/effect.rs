//! `STOCK.EFFECT key effect`: what a call did on the primary, done again. Not for clients.

use super::args::Args;
use super::error::CommandError;
use super::host::Origin;
use super::journal::{Answer, Note};
use super::spec::{Access, Arg, Call, Keys, Spec};
use crate::core::codec::effect::Effect;
use crate::core::pool::Pool;

pub const SPEC: Spec = Spec {
    name: "STOCK.EFFECT",
    summary: "Repeats what a call did on the primary. From replication, the append-only file and slot imports only.",
    complexity: "As the call.",
    since: "0.1.0",
    arity: 3,
    access: Access::Log,
    fast: true,
    keys: Keys::First,
    inserts: true,
    args: &[Arg::KEY, Arg::string("effect")],
    run,
};

/// What a client gets that sends a form of the log.
pub const NOT_FOR_CLIENTS: CommandError =
    CommandError::line("ERR this command is for replication and the append-only file only");

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.env.origin != Origin::Log {
        return Err(NOT_FOR_CLIENTS);
    }
    let mut args = Args::new(call.args);
    let key = args.required()?;
    let bytes = args.required()?;
    args.end()?;
    begin(call);
    repeat(call, key, bytes);
    Ok(())
}

/// The log goes on as it came, whatever happens here: a replica of this server must see what this one saw.
pub fn begin(call: &mut Call<'_>) {
    call.journal.verbatim = true;
    call.journal.answer = Some(Answer::Other);
    call.out.status("OK");
}

/// Repeats the effect on one pool. Where it does not fit, that is counted, and what fits is done.
pub fn repeat(call: &mut Call<'_>, key: &[u8], bytes: &[u8]) {
    let divergences = try_repeat(call, key, bytes).unwrap_or(1);
    call.journal.divergences = call.journal.divergences.saturating_add(divergences);
}

/// How much did not fit; `None`: nothing could be done.
fn try_repeat(call: &mut Call<'_>, key: &[u8], bytes: &[u8]) -> Option<u64> {
    let mut effect = Effect::read(bytes).ok()?;
    let mut divergences = 0u64;
    let handle = match call.keys.open(key).ok()? {
        // On the primary there was no such key: what is here is not its pool.
        Some(handle) if effect.creates() => {
            divergences = 1;
            *call.keys.pool_mut(handle) = Pool::new(0);
            handle
        }
        Some(handle) => handle,
        None if effect.creates() => call.keys.create(key, Pool::new(0)),
        None => return None,
    };
    let changed = call.journal.of(handle);
    let pool = call.keys.pool_mut(handle);
    divergences = divergences.saturating_add(u64::from(pool.seq() != effect.seq));
    pool.resume_at(effect.seq);
    loop {
        match effect.next(pool) {
            Ok(None) => return Some(divergences),
            Ok(Some(step)) if step.fits => {
                if let Some((kind, edges)) = pool.commit(&step.stamp, &step.change) {
                    changed.notes.push(Note { kind, edges });
                }
            }
            Ok(Some(step)) => {
                divergences = divergences.saturating_add(1);
                pool.skip(&step.stamp, &step.change);
            }
            Err(_) => return Some(divergences.saturating_add(1)),
        }
    }
}
