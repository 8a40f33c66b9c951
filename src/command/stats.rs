//! `STOCK.STATS key`

use super::args::Args;
use super::commit::read_pool;
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::host::Out;
use super::pool_stats::{Counts, PoolStats, ANSWERS};
use super::spec::{Access, Arg, Call, KeyPositions, Spec};

pub const SPEC: Spec = Spec {
    name: "STOCK.STATS",
    summary: "Returns how calls on a pool were answered on this server, and which limits refused.",
    complexity: "O(L) where L is the number of limits of the pool.",
    since: "0.1.0",
    arity: 2,
    access: Access::Read,
    fast: true,
    keys: KeyPositions::First,
    args: &[Arg::KEY],
    docs: Docs {
        details: "Counted since the first call on the pool after the start of this server, or since the key was made \
            anew (by `DEL`, a load, `COPY`, a slot that moved). Only this server's own calls count: a replica has \
            counted nothing. The counters are no part of the data: not saved, not replicated, not in a digest.\n\n\
            `reserved`, `confirmed` (late payments too), `soldout`, `limited`, `closed`, `exists`, \
            `expired`, `suspended` (EARLY and ENDED too), `errors` (CONFLICT, NODIM, ERR) are counted. A cart \
            that succeeds counts in each of its pools, one that is refused in the pool that refused it. Of \
            the oldest minute the share that still lies within the span counts, as if its calls had been \
            spread evenly.",
        replies: &[
            reply(
                "map",
                "`since_ms` (0: nothing was counted), `total`, `last_1m` and `last_5m` (a map of answers each), \
                `limits` (an array of maps: `limit`, `refused`), `nodim` (a map: how often calls lacked each \
                dimension).",
            ),
            docs::NIL,
        ],
        errors: &[],
        example: include_str!("examples/stats.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = Args::only_key(call.args)?;
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let now_ms = call.env.clock.now_ms;
    let stats = call.keys.stats(handle);
    let last = |minutes: i64| stats.map_or_else(Counts::default, |stats| stats.last(minutes, now_ms));
    let out = &mut *call.out;
    out.map(6);
    out.field("since_ms").int(stats.map_or(0, |stats| stats.since_ms));
    for (name, counts) in
        [("total", stats.map(|stats| stats.totals).unwrap_or_default()), ("last_1m", last(1)), ("last_5m", last(5))]
    {
        out.field(name);
        answers(out, &counts);
    }
    let limits = call.keys.pool(handle).limits();
    out.field("limits").array(limits.len());
    for limit in limits {
        let refused = stats.and_then(|stats| stats.refused.iter().find(|(id, _)| *id == limit.id));
        out.map(2);
        out.field("limit").bulk(limit.text.as_bytes());
        out.field("refused").count(refused.map_or(0, |&(_, count)| count));
    }
    let lacked = stats.map_or(&[][..], |stats: &PoolStats| &stats.lacked);
    out.field("nodim").map(lacked.len());
    for (name, times) in lacked {
        out.bulk(name.as_slice());
        out.count(*times);
    }
    Ok(())
}

fn answers(out: &mut dyn Out, counts: &Counts<u64>) {
    out.map(ANSWERS.len());
    for (name, &times) in ANSWERS.iter().zip(counts) {
        out.field(name).count(times);
    }
}
