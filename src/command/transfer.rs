//! `STOCK.TRANSFER from to qty TOKEN t [NOTE text]`

use super::args::{another, quantity, set_once, token, Args, Parsed};
use super::cart::{refuse_pool, write_pools};
use super::commit::{commit_noted_and_purge, view};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal;
use super::reply::{available, ok, on_hand};
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec, NOTE};
use crate::core::model::ids::MAX_KEY;
use crate::core::ops::transfer::{decide, Transfer};

pub const SPEC: Spec = Spec {
    name: "STOCK.TRANSFER",
    summary: "Moves free units from one pool to another, in one step.",
    complexity: "O(1)",
    since: "0.1.0",
    arity: -6,
    access: Access::Write,
    fast: true,
    keys: KeyPositions::FirstTwo,
    args: &[FROM, TO, Arg::integer("qty"), Arg::string("token").after("TOKEN"), NOTE],
    docs: Docs {
        details: "Both pools change, or none. Units are free that RESERVE could take and that lie on the shelf: \
            `from` keeps what is held and what is safety stock, and a negative safety adds nothing. SUSPEND and \
            the sale window concern sales, not this.\n\nThe `TOKEN` is the id of the movement: with it the call \
            can be repeated. Both pools remember it for `retain_paid`, and it is enough that one of them still \
            knows it.\n\nBoth pools publish an entry `transferred` with the key of the other one as `peer`; \
            `qty` is negative where the units come from. `NOTE` stands in both.",
        replies: &[
            reply("[OK, on_hand, available, on_hand, available]", "Done: those of `from`, then those of `to`."),
            refusal::NOPOOL,
            reply(
                "[EXISTS, key, transferred, qty, 0, 0]",
                "The pool `key` knows the token: these units were transferred before.",
            ),
            reply("[SOLDOUT, from, free]", "Fewer units are free. Nothing has changed."),
        ],
        errors: &[
            "CONFLICT: a pool knows the token from an ADD, or from a transfer of another quantity or with another \
            pool.",
            "ERR: both keys are the same, or a pool is unlimited. Errors of one pool say which key, counted from 1.",
        ],
        example: include_str!("examples/transfer.txt"),
    },
    run,
};
const FROM: Arg = Arg::new("from", ArgKind::Key);
const TO: Arg = Arg::new("to", ArgKind::Key);

/// A key that the other pool can publish.
fn key<'a>(args: &mut Args<'a>) -> Parsed<&'a [u8]> {
    let key = args.required()?;
    if key.len() > MAX_KEY {
        return Err(CommandError::line("ERR key of a transfer is too long: at most 512 bytes"));
    }
    Ok(key)
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let keys = [key(&mut args)?, key(&mut args)?];
    let qty = quantity(args.required()?)?;
    let (mut given, mut note) = (None, None);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "TOKEN" => set_once(&mut given, token(args.option_value()?)?)?,
            "NOTE" => set_once(&mut note, args.note()?)?,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let token = given.ok_or(CommandError::line("ERR TOKEN is needed"))?;
    let [from, to] = keys;
    another(from, to, CommandError::line("ERR a pool cannot transfer to itself"))?;
    let Some(items) = write_pools(call, &[(from, 1), (to, 2)])? else { return Ok(()) };
    let [from, to] = items.as_slice() else { return Ok(()) };
    let decision = decide([&view(call, from.handle), &view(call, to.handle)], &Transfer { keys, qty, token });
    let changes = match decision {
        Ok(changes) => changes,
        Err((at, refusal)) => return refuse_pool(call, if at == 0 { from } else { to }, &refusal),
    };
    for (item, change) in [from, to].into_iter().zip(&changes) {
        commit_noted_and_purge(call, item.handle, change, note);
    }
    ok(call.out, 5);
    for item in [from, to] {
        let pool = call.keys.pool(item.handle);
        call.out.int(on_hand(pool));
        call.out.int(available(pool));
    }
    Ok(())
}
