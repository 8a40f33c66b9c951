//! `STOCK.LOAD key MORE chunk`, `STOCK.LOAD key END`: a whole pool in pieces, as an append-only file without RDB preamble holds
//! it. Not for clients.

use super::args::{is, Args};
use super::effect::NOT_FOR_CLIENTS;
use super::error::CommandError;
use super::host::Origin;
use super::journal::Answer;
use super::spec::{Access, Arg, ArgKind, Call, Keys, Spec};

pub const SPEC: Spec = Spec {
    name: "STOCK.LOAD",
    summary: "Builds a pool from pieces. From the append-only file and slot imports only.",
    complexity: "O(N) where N is the size of the piece.",
    since: "0.1.0",
    arity: -3,
    access: Access::Log,
    fast: false,
    keys: Keys::First,
    inserts: true,
    args: &[
        Arg::KEY,
        Arg::new("piece", ArgKind::OneOf(&[Arg::string("chunk").after("MORE"), Arg::word("end", "END")])),
    ],
    run,
};

const DAMAGED: CommandError = CommandError::line("ERR the pool in the log is damaged");

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    if call.env.origin != Origin::Log {
        return Err(NOT_FOR_CLIENTS);
    }
    let mut args = Args::new(call.args);
    let key = args.required()?;
    let piece = args.required()?;
    call.journal.verbatim = true;
    call.journal.answer = Some(Answer::Other);
    if is(piece, "MORE") {
        let chunk = args.required()?;
        args.end()?;
        let loader = call.keys.loader(key);
        if loader.get_or_insert_default().feed(chunk).is_err() {
            *loader = None;
            call.journal.divergences = 1;
            return Err(DAMAGED);
        }
    } else if is(piece, "END") {
        args.end()?;
        let finished = call.keys.loader(key).take().map(crate::core::codec::Loader::finish);
        let Some(Ok(pool)) = finished else {
            call.journal.divergences = 1;
            return Err(DAMAGED);
        };
        if call.keys.open(key).is_err() {
            call.journal.divergences = 1;
            return Err(CommandError::WRONG_TYPE);
        }
        call.keys.create(key, pool);
    } else {
        return Err(CommandError::SYNTAX);
    }
    call.out.status("OK");
    Ok(())
}
