//! `STOCK.ADD key delta [TOKEN t] [NOTE text]`

use super::args::{set_once, token, units, Args};
use super::commit::{commit_noted_and_purge, view, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal;
use super::reply::{available, ok, on_hand, refused};
use super::spec::{Access, Arg, Call, KeyPositions, Spec, NOTE};
use crate::core::ops::add::decide;

pub const SPEC: Spec = Spec {
    name: "STOCK.ADD",
    summary: "Adds received units to the stock, or writes off units that no order holds.",
    complexity: "O(1)",
    since: "0.1.0",
    arity: -3,
    access: Access::Write,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::integer("delta"), Arg::string("token").after("TOKEN").optional(), NOTE],
    docs: Docs {
        details: "A negative `delta` writes units off, but none that are held. With a `TOKEN`, the id of the \
            delivery, the call can be repeated. `NOTE` says who and why: it is published with the change, and \
            kept nowhere else.",
        replies: &[
            reply("[OK, on_hand, available]", "Done."),
            refusal::NOPOOL,
            reply("[EXISTS, key, added, delta, 0, 0]", "The token is known: it was added before."),
            reply("[SOLDOUT, key, available]", "The write-off would take units that are held."),
        ],
        errors: &["CONFLICT: the token was used with another delta.", "ERR: the pool is unlimited, or `delta` is 0."],
        example: include_str!("examples/add.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let delta = units(args.required()?)?;
    if delta == 0 {
        return Err(CommandError::line("ERR delta can't be 0"));
    }
    let (mut given, mut note) = (None, None);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "TOKEN" => set_once(&mut given, token(args.option_value()?)?)?,
            "NOTE" => set_once(&mut note, args.note()?)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    match decide(&view(call, handle), delta, given) {
        Ok(change) => {
            commit_noted_and_purge(call, handle, &change, note);
            let pool = call.keys.pool(handle);
            ok(call.out, 3);
            call.out.int(on_hand(pool));
            call.out.int(available(pool));
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}
