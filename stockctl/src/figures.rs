//! Which figures are exported, under which names: a row for each field of `INFO stock`, and the
//! series of pools, hot keys and event streams.

use redis::Value;

use crate::connect::Node;
use crate::exposition::{Exposition, Family, Kind, Labels};
use crate::reply::{bytes, field, int, list, number, pairs, text};
use crate::snapshot::{Figures, Hot, Seen, Snapshot, REFUSALS};
use crate::text::escape;

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: Kind::Counter, unit: None }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: Kind::Gauge, unit: None }
}

const fn with_unit(name: &'static str, unit: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: Kind::Gauge, unit: Some(unit) }
}

/// Fields of `INFO stock` without `stock_`, and what becomes of them. Those of replies are
/// [`REPLIES`] with a label.
const FIELDS: [(&str, Family); 29] = [
    ("pools", gauge("stock_pools", "Pools that this server holds.")),
    ("partial_pools", gauge("stock_partial_pools", "Pools that still load in pieces.")),
    ("open_holds", gauge("stock_open_holds", "Orders that are placed and not paid.")),
    ("remembered_orders", gauge("stock_remembered_orders", "Orders in memory, those that are over among them.")),
    ("memory_bytes", with_unit("stock_memory", "bytes", "Memory of all pools.")),
    ("held_units", with_unit("stock_held", "units", "Units that orders hold and nobody has paid for.")),
    ("soldout_pools", gauge("stock_soldout_pools", "Pools of which nothing can be reserved.")),
    ("suspended_pools", gauge("stock_suspended_pools", "Pools that STOCK.SUSPEND has stopped.")),
    ("short_pools", gauge("stock_short_pools", "Pools that hold more than they have.")),
    ("nearly_full_pools", gauge("stock_nearly_full_pools", "Pools with 90 % of the orders that they may have.")),
    ("holds_expired", counter("stock_holds_expired", "Holds that came back because their deadline passed.")),
    ("divergences", counter("stock_divergences", "Replayed effects that did not fit their pool.")),
    ("events_published", counter("stock_events_published", "Entries of event streams.")),
    ("events_dropped", counter("stock_events_dropped", "Entries that could not be written to their event stream.")),
    ("event_streams", gauge("stock_event_streams", "Event streams that this server has.")),
    ("event_streams_without_group", gauge("stock_event_streams_without_group", "Those that no group reads.")),
    (
        "event_streams_lag_unknown",
        gauge("stock_event_streams_lag_unknown", "Those with a group whose lag the server does not know."),
    ),
    (
        "event_streams_limit_reached",
        gauge("stock_event_streams_limit_reached", "1 where there are more than are looked at."),
    ),
    (
        "event_longest_stream_entries",
        with_unit("stock_event_longest_stream", "entries", "Entries of the longest event stream."),
    ),
    (
        "event_longest_lag_entries",
        with_unit("stock_event_longest_lag", "entries", "What the group that is furthest behind has not read."),
    ),
    (
        "event_longest_pending_entries",
        with_unit("stock_event_longest_pending", "entries", "The most that a group has read and not acknowledged."),
    ),
    ("clock_steps", counter("stock_clock_steps", "How often the clock went back by more than a second.")),
    ("sweep_lag_ms", with_unit("stock_sweep_lag", "seconds", "How late the background returned the last due hold.")),
    ("sweep_pending", gauge("stock_sweep_pending", "1 while pools wait for the background.")),
    ("rescans", counter("stock_rescans", "Searches of the key space for pools.")),
    ("rescan_in_progress", gauge("stock_rescan_in_progress", "1 during such a search.")),
    ("promotions", counter("stock_promotions", "How often this process has become primary since its start.")),
    ("failover_grace", gauge("stock_failover_grace", "1 during the grace after a failover.")),
    (
        "evicting_maxmemory_policy",
        gauge("stock_evicting_maxmemory_policy", "1 where the server may throw pools away when memory runs short."),
    ),
];

const REPLIES: Family = counter("stock_replies", "How often each reply was given.");
const REFUSED: Family = counter("stock_refused_writes", "Writes that the server refused before the module saw them.");
const UP: Family = gauge("stock_up", "1 where the server answered this scrape.");
const NODE: Family = gauge("stock_node", "1; the labels say what the server is, and the version of its module.");
const HOT: Family = gauge("stock_hot_key_calls", "Calls on a key in the last minute; exists 0: nobody made that pool.");

const ON_HAND: Family = with_unit("stock_pool_on_hand", "units", "Units on the shelf that nobody has paid for.");
const HELD: Family = with_unit("stock_pool_held", "units", "Units that orders hold.");
const AVAILABLE: Family = with_unit("stock_pool_available", "units", "Units that can be reserved; none: unlimited.");
const SHORTFALL: Family = with_unit("stock_pool_shortfall", "units", "Units that are held and not there.");
const SOLD: Family = with_unit("stock_pool_sold", "units", "Units that are sold, without those that came back.");
const SUSPENDED: Family = gauge("stock_pool_suspended", "1 where STOCK.SUSPEND has stopped the pool.");
const ORDERS: Family = gauge("stock_pool_orders", "Orders in the pool's memory, by state.");
const POOL_REPLIES: Family = counter("stock_pool_replies", "How calls on the pool were answered.");
const LIMITS: Family = counter("stock_pool_limit_refusals", "How often each limit refused.");
const NODIM: Family = counter("stock_pool_nodim", "Calls that lacked a dimension that a limit counts by.");

const ENTRIES: Family = with_unit("stock_stream", "entries", "Entries of an event stream.");
const LAG: Family = with_unit("stock_stream_group_lag", "entries", "Entries that a group of readers has not read.");
const PENDING: Family =
    with_unit("stock_stream_group_pending", "entries", "Entries that a group has read and not finished.");

/// What every server says of itself.
pub fn of_servers(all: &mut Exposition, snapshot: &Snapshot) {
    for (node, seen) in &snapshot.nodes {
        let is_up = matches!(seen, Seen::Figures(_));
        all.add(&UP, at(node), f64::from(u8::from(is_up)));
    }
    for (node, figures) in snapshot.figures() {
        let role = figures.role.unwrap_or(node.role).name().to_string();
        let labels = vec![("node", node.address.clone()), ("role", role), ("version", figures.version.clone())];
        all.add(&NODE, labels, 1.0);
        of_info(all, node, figures);
        for hot in &figures.hot {
            of_hot_key(all, node, hot);
        }
    }
}

/// A server that nobody could ask.
pub fn lost(all: &mut Exposition, address: &str) {
    all.add(&UP, vec![("node", address.to_string())], 0.0);
}

fn at(node: &Node) -> Labels {
    vec![("node", node.address.clone())]
}

fn of_info(all: &mut Exposition, node: &Node, figures: &Figures) {
    for (field, family) in &FIELDS {
        // An older module does not have them all.
        let Some(value) = figures.stock.get(*field) else { continue };
        let scale = if field.ends_with("_ms") { 1000.0 } else { 1.0 };
        all.add(family, at(node), *value as f64 / scale);
    }
    for (field, value) in &figures.stock {
        let Some(reply) = field.strip_prefix("replies_").filter(|name| !name.starts_with("per_sec_")) else { continue };
        let mut labels = at(node);
        labels.push(("reply", reply.to_string()));
        all.add(&REPLIES, labels, *value as f64);
    }
    for (error, count) in REFUSALS.iter().zip(figures.refused) {
        let mut labels = at(node);
        labels.push(("error", error.to_string()));
        all.add(&REFUSED, labels, count as f64);
    }
}

fn of_hot_key(all: &mut Exposition, node: &Node, hot: &Hot) {
    let mut labels = at(node);
    labels.push(("db", hot.db.to_string()));
    labels.push(("exists", u8::from(hot.exists).to_string()));
    labels.push(("pool", escape(&hot.key)));
    all.add(&HOT, labels, hot.calls as f64);
}

/// A pool: STOCK.GET, and STOCK.STATS where there are some.
pub fn of_pool(all: &mut Exposition, node: &str, key: &[u8], pool: &Value, stats: &Value) {
    let labels = |more: Option<(&'static str, String)>| {
        let own = [("node", node.to_string()), ("pool", escape(key))];
        own.into_iter().chain(more).collect::<Labels>()
    };
    let known = [
        (ON_HAND, "on_hand"),
        (HELD, "reserved"),
        (AVAILABLE, "available"),
        (SHORTFALL, "shortfall"),
        (SOLD, "sold"),
        (SUSPENDED, "suspended"),
    ];
    for (family, name) in known {
        // Of an unlimited pool on_hand is nil, and available -1. What was sold, or is on the shelf,
        // may be below 0.
        if let Some(value) = int(field(pool, name)).filter(|n| *n >= 0 || name != "available") {
            all.add(&family, labels(None), value as f64);
        }
    }
    for (state, count) in pairs(field(pool, "orders")) {
        all.add(&ORDERS, labels(Some(("state", text(state)))), int(count).unwrap_or_default() as f64);
    }
    for (reply, count) in pairs(field(stats, "total")) {
        all.add(&POOL_REPLIES, labels(Some(("reply", text(reply)))), int(count).unwrap_or_default() as f64);
    }
    for limit in list(field(stats, "limits")) {
        let name = text(field(limit, "limit"));
        all.add(&LIMITS, labels(Some(("limit", name))), number(limit, "refused") as f64);
    }
    for (dimension, count) in pairs(field(stats, "nodim")) {
        all.add(&NODIM, labels(Some(("dimension", text(dimension)))), int(count).unwrap_or_default() as f64);
    }
}

/// An event stream: its length, and XINFO GROUPS.
pub fn of_stream(all: &mut Exposition, node: &str, stream: &[u8], entries: i64, groups: &Value) {
    let own = || vec![("node", node.to_string()), ("stream", escape(stream))];
    all.add(&ENTRIES, own(), entries as f64);
    for group in list(groups) {
        let labels = || {
            let mut labels = own();
            labels.push(("group", escape(bytes(field(group, "name")))));
            labels
        };
        all.add(&PENDING, labels(), number(group, "pending") as f64);
        // The server does not know it of a group that began in the middle, or after XDEL. After a
        // trim it may count entries that are gone.
        if let Some(lag) = int(field(group, "lag")) {
            all.add(&LAG, labels(), lag.min(entries) as f64);
        }
    }
}
