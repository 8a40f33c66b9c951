//! `STOCK.GET key [RETURNING]`

use super::args::Args;
use super::commit::{context, read_pool};
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::event::hex;
use super::returning;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::change::OnHand;
use crate::core::model::order::OrderState;
use crate::core::model::view::View;

pub const SPEC: Spec = Spec {
    name: "STOCK.GET",
    summary: "Returns the state of a pool: stock, counters, times and settings.",
    complexity:
        "O(1). With RETURNING O(H) where H is the number of holds whose deadline lies within an hour, of which \
        it looks at no more than 100,000.",
    since: "0.1.0",
    arity: -2,
    access: Access::Read,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY, Arg::word("returning", "RETURNING").optional()],
    docs: Docs {
        details: "Due holds are left out, as a write would return them first. `on_hand` is what is on the shelf \
            and not paid for. `epoch` and `seq` name the last change.\n\n`RETURNING` adds when held units come \
            back if nobody pays, as `STOCK.EXPLAIN` shows it. It walks the holds, so do not ask for it on each page.",
        replies: &[
            reply(
                "map",
                "`on_hand` (nil = unlimited), `reserved`, `safety`, `available` (-1 = unlimited), \
                `shortfall`, `sold`, `out`, `orders` (a map by state), `suspended`, `unlimited`, \
                `next_deadline_ms` (0 = none), `epoch`, `seq`, `limits` (how many), `alert`, \
                `from_ms` and `until_ms` (the sale window; 0 = none), `hold_seconds`, `retain_seconds`, \
                `retain_paid_seconds`, `events`; with `RETURNING` also `returning`; in a bucket of a sharded pool \
                also `shifted` (units received from other buckets less units sent to them: part of `on_hand`).",
            ),
            docs::NIL,
        ],
        errors: &[],
        example: include_str!("examples/get.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let with_returning = args.option(SPEC.args)?.is_some();
    args.end()?;
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let context = context(call);
    let view = View::of_read(call.keys.pool(handle), context);
    let pool = view.pool;
    let out = &mut *call.out;
    let has_shifted = pool.shifts().is_some();
    out.map(21usize.saturating_add(usize::from(with_returning)).saturating_add(usize::from(has_shifted)));
    out.field("on_hand");
    match pool.on_hand() {
        OnHand::Units(units) => out.int(units),
        OnHand::Unlimited => out.nil(),
    }
    let available = view.available();
    let times = pool.times();
    let seconds = |ms: Option<i64>, default: i64| ms.unwrap_or(default).checked_div(1_000).unwrap_or(0);
    let mut field = |name: &str, value: i64| out.field(name).int(value);
    field("reserved", view.reserved());
    field("safety", pool.safety());
    field("available", view.shown_available());
    field("shortfall", available.map_or(0, |units| units.saturating_neg().max(0)));
    field("sold", pool.sold());
    field("out", pool.out());
    if has_shifted {
        field("shifted", pool.shifted_units());
    }
    field("suspended", i64::from(pool.is_suspended()));
    field("unlimited", i64::from(available.is_none()));
    field("next_deadline_ms", view.next_deadline_ms().unwrap_or(0));
    field("seq", i64::try_from(pool.seq()).unwrap_or(i64::MAX));
    field("limits", pool.limits().len() as i64);
    field("alert", pool.alert());
    field("from_ms", pool.schedule().from_ms.unwrap_or(0));
    field("until_ms", pool.schedule().until_ms.unwrap_or(0));
    field("hold_seconds", seconds(times.hold_ms, context.defaults.hold_ms));
    field("retain_seconds", seconds(times.retain_ms, context.defaults.retain_ms));
    field("retain_paid_seconds", seconds(times.retain_paid_ms, context.defaults.retain_paid_ms));
    out.field("epoch").bulk(&hex(pool.epoch()));
    out.field("events");
    match pool.events() {
        Some(stream) => out.bulk(stream),
        None => out.nil(),
    }
    out.field("orders").map(OrderState::ALL.len());
    for (state, count) in OrderState::ALL.iter().zip(view.counts()) {
        out.field(state.word()).count(count);
    }
    if with_returning {
        returning::field(out, &view);
    }
    Ok(())
}
