//! `STOCK.LIMITS key`

use super::args::Args;
use super::commit::read_pool;
use super::docs::{self, reply, Docs};
use super::error::CommandError;
use super::limit_text::time_zone_text;
use super::spec::{Access, Arg, Call, KeyPositions, Spec};
use crate::core::model::limit::{values, Missing};

pub const SPEC: Spec = Spec {
    name: "STOCK.LIMITS",
    summary: "Returns the limits of a pool with their overrides.",
    complexity: "O(N) where N is the number of limits and overrides.",
    since: "0.1.0",
    arity: 2,
    access: Access::Read,
    fast: false,
    keys: KeyPositions::First,
    args: &[Arg::KEY],
    docs: Docs {
        details: "",
        replies: &[
            reply(
                "array of maps",
                "`limit`, `max` (-1 = unlimited), `tz`, `missing`, `overrides` (an array of `[[value …], \
                max]`).",
            ),
            docs::NIL,
        ],
        errors: &[],
        example: include_str!("examples/limits.txt"),
    },
    run,
};

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let key = Args::only_key(call.args)?;
    let Some(handle) = read_pool(call, key)? else { return Ok(()) };
    let limits = call.keys.pool(handle).limits();
    let out = &mut *call.out;
    out.array(limits.len());
    for limit in limits {
        out.map(5);
        out.field("limit").bulk(limit.text.as_bytes());
        out.field("max").int(limit.base.shown());
        out.field("tz").bulk(time_zone_text(limit.tz).as_bytes());
        out.field("missing").bulk(match limit.missing {
            Missing::Refuse => b"refuse",
            Missing::Allow => b"allow",
        });
        out.field("overrides").array(limit.overrides.len());
        let dims = limit.identity.dims.len();
        for (pattern, cap) in limit.overrides.iter() {
            out.array(2);
            let values = values(pattern.as_slice(), dims);
            out.bulks(dims, values.map(|value| if value.is_empty() { b"*" } else { value }));
            out.int(cap.shown());
        }
    }
    Ok(())
}
