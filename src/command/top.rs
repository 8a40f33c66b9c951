//! `STOCK.TOP [BY reserved|soldout|limited|held|orders|memory] [COUNT n]`

use super::args::{bounded, keyword, set_once, Args, Parsed};
use super::docs::{reply, Docs};
use super::error::CommandError;
use super::hot_keys::{HotKey, MOST_MISSING, MOST_POOLS};
use super::pool_stats::ANSWERS;
use super::spec::{Access, Arg, ArgKind, Call, KeyPositions, Spec};

pub const SPEC: Spec = Spec {
    name: "STOCK.TOP",
    summary: "Returns the keys of this server that were called most in the last minute.",
    complexity: "O(1): at most 384 keys are kept.",
    since: "0.1.0",
    arity: -1,
    access: Access::Read,
    fast: false,
    keys: KeyPositions::None,
    args: &[Arg::new("by", ArgKind::OneOf(BY)).after("BY").optional(), Arg::integer("n").after("COUNT").optional()],
    docs: Docs {
        details: "For operators: \"which SKUs are hot\". Calls of every kind that `STOCK.STATS` counts, in \
            all databases; in a cluster each node speaks for itself, and a replica has nothing to say. \
            Without `BY` the keys with the most calls come first. `COUNT` is 1 to 384, 10 where it is left \
            out. Keys that have nothing of what `BY` names are left out.\n\nThe 256 pools with the most \
            calls are kept, and up to 64 keys a minute that do not exist: a misspelt key is found, too \
            (`exists` 0, `nopool`). `held`, `orders` and `memory_bytes` are as of one of the pool's last 16 \
            calls. `error` is by how much the number of calls may be wrong: too low for a pool, too high \
            for a key that does not exist. Keys with names above 512 bytes are not kept. As with SCAN, the \
            names of keys that a user may not read are shown.",
        replies: &[reply(
            "array of maps",
            "`key`, `db`, `exists` (0 or 1), `calls`, `reserved`, `soldout`, `limited`, `nopool` (of the last \
            minute), `held`, `orders`, `memory_bytes`, `error`.",
        )],
        errors: &[],
        example: include_str!("examples/top.txt"),
    },
    run,
};

const BY: &[Arg] = &[
    Arg::word("reserved", "RESERVED"),
    Arg::word("soldout", "SOLDOUT"),
    Arg::word("limited", "LIMITED"),
    Arg::word("held", "HELD"),
    Arg::word("orders", "ORDERS"),
    Arg::word("memory", "MEMORY"),
];

/// The most keys that there can be.
const MOST: i64 = (MOST_POOLS + 2 * MOST_MISSING) as i64;

/// What a key has of a field.
type Value = fn(&HotKey) -> u64;

fn of(hot: &HotKey, answer: &str) -> u64 {
    let index = ANSWERS.iter().position(|name| *name == answer);
    index.and_then(|index| hot.counts.get(index)).copied().unwrap_or(0)
}

fn value(word: &[u8]) -> Parsed<Value> {
    Ok(match keyword(BY, word) {
        Some("RESERVED") => |hot| of(hot, "reserved"),
        Some("SOLDOUT") => |hot| of(hot, "soldout"),
        Some("LIMITED") => |hot| of(hot, "limited"),
        Some("HELD") => |hot| hot.size.held.max(0).unsigned_abs(),
        Some("ORDERS") => |hot| hot.size.orders,
        Some("MEMORY") => |hot| hot.size.memory_bytes,
        _ => return Err(CommandError::line("ERR unknown BY: reserved, soldout, limited, held, orders or memory")),
    })
}

fn run(call: &mut Call<'_>) -> Result<(), CommandError> {
    let mut args = Args::new(call.args);
    let (mut by, mut count) = (None, None);
    while let Some(option) = args.option(SPEC.args)? {
        match option {
            "BY" => set_once(&mut by, value(args.option_value()?)?)?,
            "COUNT" => {
                let outside = CommandError::line("ERR COUNT is out of range: 1 to 384");
                set_once(&mut count, bounded(args.option_value()?, 1..=MOST, outside)?)?;
            }
            _ => return Err(CommandError::SYNTAX),
        }
    }
    let by = by.unwrap_or(HotKey::calls);
    let mut keys = call.keys.hot_keys(call.env.clock.now_ms);
    keys.retain(|hot| by(hot) > 0);
    keys.sort_by(|a, b| by(b).cmp(&by(a)).then_with(|| (a.db, &a.key).cmp(&(b.db, &b.key))));
    keys.truncate(usize::try_from(count.unwrap_or(10)).unwrap_or(10));
    let out = &mut *call.out;
    out.array(keys.len());
    for hot in &keys {
        out.map(12);
        out.field("key").bulk(&hot.key);
        out.field("db").int(i64::from(hot.db));
        out.field("exists").int(i64::from(hot.exists));
        let answers = ["reserved", "soldout", "limited"].map(|answer| (answer, of(hot, answer)));
        let size = [("orders", hot.size.orders), ("memory_bytes", hot.size.memory_bytes), ("error", hot.error)];
        let numbers = std::iter::once(("calls", hot.calls())).chain(answers);
        let numbers = numbers.chain([("nopool", hot.missing), ("held", hot.size.held.max(0).unsigned_abs())]);
        for (name, number) in numbers.chain(size) {
            out.field(name).count(number);
        }
    }
    Ok(())
}
