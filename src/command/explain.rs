//! `STOCK.EXPLAIN key [qty] [FOR dim value …]`

use super::args::{quantity, Args};
use super::check;
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::host::Out;
use super::refusal;
use super::returning;
use super::spec::{Access, Arg, Call, KeyPositions, Spec, FOR};
use crate::core::model::attributes::Attributes;
use crate::core::model::change::OnHand;
use crate::core::model::context::CallContext;
use crate::core::model::limit::{values, Limit, Missing, TupleBuf};
use crate::core::model::view::View;

pub const SPEC: Spec = Spec {
    name: "STOCK.EXPLAIN",
    summary: "Returns why STOCK.RESERVE would accept or refuse a new order, step by step.",
    complexity: "O(L+H) where L is the number of limits of the pool and H the number of holds whose deadline lies \
        within an hour, of which it looks at no more than 100,000.",
    since: "0.1.0",
    arity: -2,
    access: Access::Read,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::integer("qty").optional(), FOR],
    docs: Docs {
        details: "For operators: \"why can nobody buy it\". `qty` is 1 where it is left out. Nothing is changed, and \
            nothing is remembered. Each step is shown, also those behind the one that refuses.\n\n`verdict` of a \
            limit is `allows`, `refuses`, `nodim` (the call lacks a dimension and would fail) or `skipped` (it lacks \
            one, and the limit lets it pass). `answer` is what `STOCK.RESERVE` would answer; an error is shown as \
            `[code, text]`.\n\n`returning` is held units by deadline: `within_1m`, `within_5m`, `within_15m` and \
            `within_60m` from now, each with those before it, and `later`. A sum is nil where more than 100,000 \
            holds come before it.",
        replies: &[
            reply(
                "map",
                "`exists` (0 or 1), `suspended`, `from_ms` and `until_ms` (the sale window; 0 = none), \
                `orders` and `max_orders` (in the pool's memory), `missing` (an array \
                of the dimensions that limits want and the call lacks), `stock` (a map: `on_hand`, nil = unlimited, \
                `held`, `safety`, `available`, -1 = unlimited), `limits` (an array of maps: `limit`, `verdict`, \
                `missing`, `values`, `used`, `max`, `remaining`, `resets_ms`; nil where a dimension is missing), \
                `answer`, `returning`.",
            ),
            reply("map", "`exists` (0) and `answer` (`[NOPOOL, key]`): the key does not exist."),
        ],
        errors: &[],
        example: include_str!("examples/explain.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let mut qty = 1;
    let mut attributes = Attributes::default();
    let mut ahead = args;
    if ahead.option(SPEC.args).is_err() {
        qty = quantity(args.required()?)?;
    }
    if args.option(SPEC.args)?.is_some() {
        args.attributes(&mut attributes)?;
    }
    let handle = call.keys.open(key)?;
    let out = &mut *call.out;
    let int = |out: &mut dyn Out, name: &str, value: i64| out.field(name).int(value);
    let Some(handle) = handle else {
        out.map(2);
        int(out, "exists", 0);
        out.field("answer");
        refusal::begin(out, const { refusal::NOPOOL.shape() }, key);
        return Ok(());
    };
    let context = CallContext { clock: call.env.clock, defaults: call.env.defaults };
    let view = View::of_read(call.keys.pool(handle), context);
    let pool = view.pool;
    out.map(11);
    int(out, "exists", 1);
    int(out, "suspended", i64::from(pool.is_suspended()));
    int(out, "from_ms", pool.schedule().from_ms.unwrap_or(0));
    int(out, "until_ms", pool.schedule().until_ms.unwrap_or(0));
    int(out, "orders", i64::try_from(pool.remembered()).unwrap_or(i64::MAX));
    int(out, "max_orders", i64::from(context.defaults.max_orders));
    let mut missing: Vec<&[u8]> = Vec::new();
    for limit in pool.limits().iter().filter(|limit| limit.missing == Missing::Refuse) {
        missing.extend(lacking(limit, &attributes));
    }
    missing.sort_unstable();
    missing.dedup();
    names(out, &missing);
    out.field("stock").map(4);
    out.field("on_hand");
    match pool.on_hand() {
        OnHand::Units(units) => out.int(units),
        OnHand::Unlimited => out.nil(),
    }
    int(out, "held", view.reserved());
    int(out, "safety", pool.safety());
    int(out, "available", view.shown_available());
    out.field("limits").array(pool.limits().len());
    for limit in pool.limits() {
        limit_map(out, &view, limit, &attributes, qty);
    }
    out.field("answer");
    answer(out, &view, key, qty, &attributes);
    returning::field(out, &view);
    Ok(())
}

/// The dimensions of a limit that the call does not carry.
fn lacking<'l>(limit: &'l Limit, attributes: &Attributes<'_>) -> Vec<&'l [u8]> {
    let dims = limit.identity.dims.iter().map(|dim| dim.as_slice());
    dims.filter(|dim| attributes.get(dim).is_none()).collect()
}

fn names(out: &mut dyn Out, names: &[&[u8]]) {
    out.field("missing").bulks(names.len(), names.iter().copied());
}

/// One limit, and what it says of the call by itself.
fn limit_map(out: &mut dyn Out, view: &View<'_>, limit: &Limit, attributes: &Attributes<'_>, qty: i64) {
    let mut buf = TupleBuf::new();
    let tuple = limit.tuple(attributes, &mut buf);
    let counted = tuple.map(|tuple| {
        let (used, window_ms) = if limit.keeps_usage() { view.usage_of(limit, tuple) } else { (0, 0) };
        let cap = limit.cap(tuple);
        (used, cap, cap.left(used), view.resets_ms(limit, tuple, window_ms, limit.amount(qty)))
    });
    let verdict = match (counted, limit.missing) {
        (Some((_, _, Some(left), _)), _) if left < limit.amount(qty) => "refuses",
        (Some(_), _) => "allows",
        (None, Missing::Refuse) => "nodim",
        (None, Missing::Allow) => "skipped",
    };
    out.map(8);
    out.field("limit").bulk(limit.text.as_bytes());
    out.field("verdict").bulk(verdict.as_bytes());
    names(out, &lacking(limit, attributes));
    let dims = limit.identity.dims.len();
    out.field("values");
    match tuple {
        Some(tuple) => out.bulks(dims, values(tuple, dims)),
        None => out.nil(),
    }
    let numbers = counted.map(|(used, cap, left, resets_ms)| [used, cap.shown(), left.unwrap_or(-1), resets_ms]);
    for (at, name) in ["used", "max", "remaining", "resets_ms"].into_iter().enumerate() {
        out.field(name).int_or_nil(numbers.as_ref().and_then(|numbers| numbers.get(at)).copied());
    }
}

/// What RESERVE of a new order would answer; an error as its code word and its text.
fn answer(out: &mut dyn Out, view: &View<'_>, key: &[u8], qty: i64, attributes: &Attributes<'_>) {
    let Err(error) = check::answer(out, view, key, qty, attributes) else { return };
    let line = match &error {
        CommandError::Line(line) => line,
        CommandError::Arity => return out.nil(),
    };
    let (code, text) = line.split_once(' ').unwrap_or((line, ""));
    out.array(2);
    out.bulk(code.as_bytes());
    out.bulk(text.as_bytes());
}
