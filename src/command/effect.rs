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
    // The log goes on as it came, whatever happens here: a replica of this server must see what this one saw.
    call.journal.verbatim = true;
    call.journal.answer = Some(Answer::Other);
    call.out.status("OK");
    let Ok(mut effect) = Effect::read(bytes) else {
        call.journal.divergences = 1;
        return Ok(());
    };
    let Ok(opened) = call.keys.open(key) else {
        call.journal.divergences = 1;
        return Ok(());
    };
    let handle = match opened {
        Some(handle) => handle,
        None if effect.creates() => call.keys.create(key, Pool::new(0)),
        None => {
            call.journal.divergences = 1;
            return Ok(());
        }
    };
    let changed = call.journal.of(handle);
    let pool = call.keys.pool_mut(handle);
    let mut divergences = u64::from(pool.seq() != effect.seq);
    pool.resume_at(effect.seq);
    loop {
        match effect.next(pool) {
            Ok(None) => break,
            Ok(Some(step)) if step.fits => {
                if let Some((kind, edges)) = pool.commit(&step.stamp, &step.change) {
                    changed.notes.push(Note { kind, edges });
                }
            }
            Ok(Some(step)) => {
                divergences = divergences.saturating_add(1);
                pool.skip(&step.stamp, &step.change);
            }
            Err(_) => {
                divergences = divergences.saturating_add(1);
                break;
            }
        }
    }
    call.journal.divergences = divergences;
    Ok(())
}
