//! `STOCK.SHIFTS key`

use super::args::Args;
use super::commit::read_pool;
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::limit::values;
use crate::core::model::shifts::Shifts;

pub const SPEC: Spec = Spec {
    name: "STOCK.SHIFTS",
    summary: "Returns what a bucket of a sharded pool has sent to its peers and received from them.",
    complexity: "O(N) where N is the number of peers and quotas that this pool has shifted.",
    since: "0.1.0",
    arity: 2,
    access: Access::Read,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY],
    docs: Docs {
        details: "What one bucket has sent to another, less what that one has received from it, is in flight: \
            `STOCK.SHIFT … FROM` brings it in. A negative number is what a failover has made exist twice: \
            `STOCK.SHIFT … TO … RECEIVED` takes it off.",
        replies: &[
            reply(
                "array of maps",
                "`peer`, `sent`, `received` (totals over the pool's life), `since_ms` (from when a \
                peer may use what was sent last; 0 = nothing was sent), `limit` (a text such as `region/day/units`; \
                nil = units) and `values` (in the order of the limit's dimensions). By peer, units first.",
            ),
            docs::NIL,
        ],
        errors: &[],
        example: include_str!("examples/shifts.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = Args::only_key(call.args)?;
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let shifts = call.keys.pool(handle).shifts();
    let out = &mut *call.out;
    out.array(shifts.map_or(0, Shifts::len));
    for (lane, totals) in shifts.iter().flat_map(|shifts| shifts.iter()) {
        out.map(6);
        out.field("peer").bulk(lane.peer.as_slice());
        for (name, value) in [("sent", totals.sent), ("received", totals.received), ("since_ms", totals.since_ms)] {
            out.field(name).int(value);
        }
        out.field("limit");
        match &lane.quota {
            Some(quota) => out.bulk(quota.text.as_bytes()),
            None => out.nil(),
        }
        let dims = lane.quota.as_ref().map_or(0, |quota| quota.identity.dims.len());
        let values = lane.quota.iter().flat_map(|quota| values(quota.value.as_slice(), dims));
        out.field("values").bulks(dims, values);
    }
    Ok(())
}
