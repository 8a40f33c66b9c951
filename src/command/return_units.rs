//! `STOCK.RETURN key order [QTY n TOKEN t [LATE]] [KEEPUSAGE] [NORESTOCK] [FOR dim value …]`

use super::args::{quantity, set_flag, set_once, token, Args, Parsed};
use super::commit::{commit, commit_and_purge, view, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::refusal::{self, Outcome};
use super::reply::{available, ok, refused};
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec, FOR};
use crate::core::model::attributes::Attributes;
use crate::core::model::change::{Change, OrderChange};
use crate::core::ops::return_units::{credit, decide, Refund, Return};

pub const SPEC: Spec = Spec {
    name: "STOCK.RETURN",
    summary: "Takes back sold units of an order, all that remain or a part of them.",
    complexity:
        "O(L) where L is the number of limits of the pool; with QTY also O(T) where T is the order's return tokens.",
    since: "0.1.0",
    arity: -3,
    access: Access::WriteAllowOom,
    fast: true,
    keys: KeyPositions::First,
    args: &[
        Arg::KEY,
        Arg::ORDER,
        SOME,
        Arg::word("keepusage", "KEEPUSAGE").optional(),
        Arg::word("norestock", "NORESTOCK").optional(),
        FOR,
    ],
    docs: Docs {
        details: "Without `QTY` all that is left comes back. A part needs a `TOKEN`, the refund's id: the same \
            token again is answered `EXISTS`. The share in the limits goes back, where the window is not \
            over; `KEEPUSAGE` leaves it. `NORESTOCK` says that the goods do not come back to the shelf. \
            `LATE` accepts an order that the pool has forgotten; with `FOR`, who had bought it, limits get \
            its units back, too: those whose window can have counted it, such as one for the pool's whole \
            life.",
        replies: &[
            reply("[OK, qty, available, sold]", "`qty` units were returned."),
            refusal::NOPOOL,
            refusal::EXISTS,
            refusal::NOORDER,
            refusal::RESERVED,
            refusal::CLOSED,
        ],
        errors: &[
            "CONFLICT: more than is left to return, a token that was used with other content, everything \
                was returned already, or `FOR` differs from the order's attributes.",
            "ERR: an order has at most 1,000 return tokens.",
        ],
        example: include_str!("examples/return.txt"),
    },
    run,
};

const SOME: Arg = Arg::new("some", ArgKind::Block(SOME_ARGS)).optional();
const SOME_ARGS: &[Arg] =
    &[Arg::integer("n").after("QTY"), Arg::string("token").after("TOKEN"), Arg::word("late", "LATE").optional()];

fn parse<'a>(args: &mut Args<'a>, attributes: &mut Attributes<'a>) -> Parsed<(Return<'a>, bool)> {
    let order = args.order()?;
    let (mut qty, mut key, mut late, mut keep_usage, mut no_restock) = (None, None, false, false, false);
    let mut named = false;
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "QTY" => set_once(&mut qty, quantity(args.option_value()?)?)?,
            "TOKEN" => set_once(&mut key, token(args.option_value()?)?)?,
            "LATE" => set_flag(&mut late)?,
            "KEEPUSAGE" => set_flag(&mut keep_usage)?,
            "NORESTOCK" => set_flag(&mut no_restock)?,
            "FOR" => {
                args.attributes(attributes)?;
                named = true;
            }
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let refund = match (qty, key) {
        (Some(qty), Some(token)) => Some(Refund { qty, token, late, attributes: None }),
        (Some(_), None) => return Err(CommandError::line("ERR QTY needs TOKEN")),
        (None, Some(_)) => return Err(CommandError::line("ERR TOKEN needs QTY")),
        (None, None) if late => return Err(CommandError::line("ERR LATE needs QTY and TOKEN")),
        (None, None) => None,
    };
    if named && !late {
        return Err(CommandError::line("ERR FOR needs LATE"));
    }
    if named && keep_usage {
        return Err(CommandError::line("ERR KEEPUSAGE and FOR cannot be given together"));
    }
    let call = Return { order, refund, keep_usage, no_restock };
    Ok((call, named))
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let mut attributes = Attributes::default();
    let (mut request, named) = parse(&mut args, &mut attributes)?;
    if let Some(refund) = request.refund.as_mut().filter(|_| named) {
        refund.attributes = Some(&attributes);
    }
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    match decide(&view(call, handle), request) {
        Ok(change) => {
            if let Some(credited) = credit(&view(call, handle), &request) {
                commit(call, handle, &credited);
            }
            commit_and_purge(call, handle, &change);
            let Change::Order(_, change) = change else { return Ok(()) };
            let (OrderChange::Returned { content, .. } | OrderChange::UnverifiedReturn { content, .. }) = change else {
                return Ok(());
            };
            call.journal.outcome = Some(Outcome::Returned);
            let pool = call.keys.pool(handle);
            ok(call.out, 4);
            call.out.int(content.qty);
            call.out.int(available(pool));
            call.out.int(pool.sold());
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}
