//! `STOCK.SHIFT key TO|FROM peer total …`

use super::args::{another, bounded, set_flag, set_once, Args, Parsed};
use super::commit::{commit_and_purge, view, write_pool};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::limit::count;
use super::limit_text::{dimensions, identity, pattern, rolling, window, Named};
use super::refusal;
use super::reply::{available, ok, on_hand, refused};
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec, COUNT_WHAT, FOR_VALUES, PER, ROLLING};
use crate::core::model::ids::Bytes;
use crate::core::model::limit::Count;
use crate::core::model::quantity::MAX_UNITS;
use crate::core::model::shifts::{LimitQuota, MAX_PEER};
use crate::core::ops::shift::{decide, Condition, Request};

pub const SPEC: Spec = Spec {
    name: "STOCK.SHIFT",
    summary: "Shifts units, or quota of a limit, to or from another bucket of a sharded pool.",
    complexity: "O(log(N)) where N is the number of peers and quotas that this pool has shifted.",
    since: "0.1.0",
    arity: -5,
    access: Access::Write,
    fast: true,
    keys: KeyPositions::First,
    args: &[
        Arg::KEY,
        Arg::new("way", ArgKind::OneOf(WAYS)),
        Arg::string("peer"),
        Arg::integer("total"),
        Arg::word("received", "RECEIVED").optional(),
        Arg::new("since", ArgKind::UnixTime).after("SINCE").optional(),
        Arg::string("by").after("LIMIT").optional(),
        PER,
        ROLLING,
        COUNT_WHAT,
        FOR_VALUES,
    ],
    docs: Docs {
        details: "A shift is two calls, in two slots: `TO peer total` at the source, then `FROM peer total` at the \
            destination. `total` is what this pool has *ever* sent to that peer, or received from it, once the \
            call is done; `STOCK.SHIFTS` tells what it is now. So a call can be repeated by anybody at any time, and \
            what is in flight is what the one has sent less what the other has received.\n\n\
            Shifts are no sales and no deliveries: `sold` and `out` stay as they are. Only units that are \
            available leave. `RECEIVED` says that the peer has them already, since a failover has lost the first \
            call: then they leave in any case, as far as below zero.\n\n\
            With `LIMIT` quota shifts, a part of the limit's `max`, for the values behind `FOR`, one for each \
            dimension in `by`; the limit is named as in `STOCK.UNLIMIT`. What the policy says stays; what has \
            shifted is added to it. Only what is unused in the current window leaves. `SINCE`, the `since_ms` that \
            `STOCK.SHIFTS` of the source shows, is needed to receive quota: it does not arrive before.",
        replies: &[
            reply("[OK, on_hand, available]", "Done: units have shifted."),
            reply("[OK, max, remaining]", "Done, with `LIMIT`: what holds for these values now."),
            refusal::NOPOOL,
            reply("[EXISTS, key, shifted, total, 0, 0]", "So much was shifted before, or more: `total`."),
            reply("[EARLY, key, since_ms]", "The clock here has not reached `SINCE`. Try again."),
            reply("[SOLDOUT, key, available]", "Not so many units are available."),
            refusal::LIMITED,
        ],
        errors: &[
            "ERR: `peer` is the pool's own key; or the pool is unlimited; or it has no such limit, or one that is \
                unlimited or `PER ORDER`; or it has shifted 10,000 peers and quotas.",
        ],
        example: include_str!("examples/shift.txt"),
    },
    run,
};

const WAYS: &[Arg] = &[Arg::word("to", "TO"), Arg::word("from", "FROM")];

/// What the options say.
#[derive(Default)]
struct Options<'a> {
    received: bool,
    since_ms: Option<i64>,
    quota: Option<LimitQuota>,
    named: Option<Named<'a>>,
}

fn options<'a>(args: &mut Args<'a>) -> Parsed<Options<'a>> {
    let mut options = Options::default();
    let (mut per, mut rolls, mut what) = (None, false, None);
    let mut value = None;
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "RECEIVED" => set_flag(&mut options.received)?,
            "SINCE" => {
                let outside = CommandError::line("ERR SINCE is out of range: 1 to 9007199254740991 ms");
                set_once(&mut options.since_ms, bounded(args.option_value()?, 1..=MAX_UNITS, outside)?)?;
            }
            "LIMIT" => set_once(&mut options.named, dimensions(args.option_value()?)?)?,
            "PER" => set_once(&mut per, window(args.option_value()?)?)?,
            "ROLLING" => set_flag(&mut rolls)?,
            "COUNT" => set_once(&mut what, count(args.option_value()?)?)?,
            "FOR" => value = Some(args.take_rest()),
            _ => return Err(CommandError::SYNTAX),
        }
    }
    match &options.named {
        Some(named) => {
            let identity = identity(named, rolling(per, rolls)?, what.unwrap_or(Count::Units));
            options.quota = Some(LimitQuota::new(identity, values(named, value)?));
        }
        None if per.is_some() || rolls || what.is_some() || value.is_some() => {
            return Err(CommandError::line("ERR PER, ROLLING, COUNT and FOR need LIMIT"));
        }
        None => {}
    }
    Ok(options)
}

/// One value for each dimension, as the tuple of the limit.
fn values(named: &Named<'_>, given: Option<&[&[u8]]>) -> Parsed<Bytes> {
    match given {
        None if named.is_empty() => Ok(Bytes::default()),
        None => pattern(named, &[]),
        Some(given) if given.len() != named.len() => pattern(named, &[]),
        Some(given) => {
            let given: arrayvec::ArrayVec<Option<&[u8]>, 4> = given.iter().map(|value| Some(*value)).collect();
            pattern(named, &given)
        }
    }
}

fn request<'a>(args: &mut Args<'a>) -> Parsed<Request<'a>> {
    let sends = match args.option(WAYS)? {
        Some("TO") => true,
        Some("FROM") => false,
        _ => return Err(CommandError::Arity),
    };
    let peer = args.required()?;
    if peer.is_empty() || peer.len() > MAX_PEER {
        return Err(CommandError::line("ERR invalid peer: 1 to 512 bytes"));
    }
    let outside = CommandError::line("ERR total is out of range: 1 to 9007199254740991");
    let total = bounded(args.required()?, 1..=MAX_UNITS, outside)?;
    let Options { received, since_ms, quota, .. } = options(args)?;
    let condition = match (sends, received, since_ms) {
        (true, false, None) => Condition::Free,
        (true, true, None) => Condition::Received,
        (true, _, Some(_)) => return Err(CommandError::line("ERR SINCE needs FROM")),
        (false, true, _) => return Err(CommandError::line("ERR RECEIVED needs TO")),
        (false, false, Some(_)) if quota.is_none() => return Err(CommandError::line("ERR SINCE needs LIMIT")),
        (false, false, None) if quota.is_some() => return Err(CommandError::line("ERR FROM with LIMIT needs SINCE")),
        (false, false, since_ms) => Condition::Since(since_ms.unwrap_or(0)),
    };
    Ok(Request { peer, quota, total, condition })
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let (mut args, key) = Args::behind_key(call.args)?;
    let request = request(&mut args)?;
    another(key, request.peer, CommandError::line("ERR a pool cannot shift to or from itself"))?;
    let quota = request.quota.clone();
    let Some(handle) = write_pool(call, key)? else { return Ok(()) };
    match decide(&view(call, handle), request) {
        Ok(change) => {
            commit_and_purge(call, handle, &change);
            let (first, second) = match &quota {
                Some(quota) => max_and_remaining(call, handle, quota),
                None => {
                    let pool = call.keys.pool(handle);
                    (on_hand(pool), available(pool))
                }
            };
            ok(call.out, 3);
            call.out.int(first);
            call.out.int(second);
        }
        Err(refusal) => refused(call, key, handle, &refusal)?,
    }
    Ok(())
}

/// What holds for the values of a quota now.
fn max_and_remaining(call: &Call<'_>, handle: super::host::Handle, quota: &LimitQuota) -> (i64, i64) {
    let view = view(call, handle);
    let Some(limit) = view.pool.limits().iter().find(|limit| limit.text == quota.text) else { return (-1, -1) };
    let (used, _) = view.usage_of(limit, quota.value.as_slice());
    let cap = limit.cap(quota.value.as_slice());
    (cap.shown(), cap.left(used).unwrap_or(-1))
}
