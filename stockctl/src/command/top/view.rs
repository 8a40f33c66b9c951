//! What `top` shows, as numbers: two looks at the servers, and what happened between them.

use std::cmp::Reverse;

use serde_json::json;

use crate::connect::Role;
use crate::ledger::Lag;
use crate::snapshot::{Figures, Hot, Seen, Snapshot, TopBy, REFUSALS};
use crate::text::escape;

/// The answers whose rate is shown, in this order.
pub const ANSWERS: [&str; 8] =
    ["reserved", "confirmed", "soldout", "limited", "closed", "suspended", "nopool", "error"];

/// What is shown.
#[derive(Debug, Default)]
pub struct View {
    /// When, by the clock of this machine.
    pub at_ms: i64,
    /// Calls a second by answer, in the order of `ANSWERS`; none before the second look.
    pub rates: Option<[f64; ANSWERS.len()]>,
    /// Sums of all primaries: pools, held units and so on, by the names of INFO.
    pub sums: Sums,
    /// The servers that answered.
    pub servers: Vec<Server>,
    /// Those that did not, and why.
    pub lost: Vec<(String, String)>,
    /// The hottest pools.
    pub hot: Vec<Hot>,
    /// In this order.
    pub by: TopBy,
    /// The ledger, where one is asked.
    pub ledger: Option<Result<Lag, String>>,
}

/// Sums of all primaries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// Pools.
    pub pools: i64,
    /// Of these, nothing can be reserved.
    pub soldout: i64,
    /// Stopped.
    pub suspended: i64,
    /// They hold more than they have.
    pub short: i64,
    /// They have nearly as many orders as they may.
    pub nearly_full: i64,
    /// Units that orders hold.
    pub held: i64,
    /// Orders that hold them.
    pub holds: i64,
    /// Orders in memory.
    pub orders: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    /// Its address.
    pub address: String,
    /// What it is.
    pub role: Role,
    /// Calls a second, of all answers.
    pub calls: Option<f64>,
    /// How busy its process is, in cores.
    pub cpu: Option<f64>,
    /// How late it returns due holds.
    pub sweep_lag_ms: i64,
    /// Effects that did not fit.
    pub divergences: i64,
    /// Events that could not be written.
    pub events_dropped: i64,
    /// It may throw pools away.
    pub evicting: bool,
    /// By which error it has refused writes since the last look.
    pub refuses: Option<&'static str>,
}

impl View {
    /// From two looks; rates need both.
    pub fn of(before: Option<&Snapshot>, now: &Snapshot, by: TopBy, ledger: Option<&Result<Lag, String>>) -> View {
        let mut view = View { at_ms: now.at_ms, by, ledger: ledger.cloned(), ..View::default() };
        for (node, seen) in &now.nodes {
            let figures = match seen {
                Seen::Figures(figures) => figures,
                Seen::Lost(why) => {
                    view.lost.push((node.address.clone(), why.clone()));
                    continue;
                }
            };
            let role = figures.role.unwrap_or(node.role);
            let last = before.and_then(|b| Some((b, b.of(&node.address)?)));
            let span_s = last.map(|(b, _)| ((now.at_ms - b.at_ms).max(1) as f64) / 1000.0);
            let rate = |names: &[&str]| {
                let (_, last) = last?;
                Some(names.iter().map(|name| grown(last, figures, name)).sum::<i64>() as f64 / span_s?)
            };
            let rates: Option<Vec<f64>> = ANSWERS.iter().map(|name| rate(&[*name])).collect();
            if let Some(rates) = rates {
                let all = view.rates.get_or_insert_default();
                all.iter_mut().zip(rates).for_each(|(sum, rate)| *sum += rate);
            }
            let calls = rate(&every_answer(figures).iter().map(String::as_str).collect::<Vec<_>>());
            let cpu = last.and_then(|(_, l)| Some((figures.cpu_seconds - l.cpu_seconds).max(0.0) / span_s?));
            if role == Role::Primary {
                view.sums.add(figures);
            }
            view.hot.extend(figures.hot.iter().cloned());
            view.servers.push(Server {
                address: node.address.clone(),
                role,
                calls,
                cpu,
                sweep_lag_ms: figures.number("sweep_lag_ms"),
                divergences: figures.number("divergences"),
                events_dropped: figures.number("events_dropped"),
                evicting: figures.number("evicting_maxmemory_policy") == 1,
                refuses: last.and_then(|(_, last)| {
                    let counts = figures.refused.iter().zip(last.refused);
                    REFUSALS.iter().zip(counts).find(|(_, (now, last))| *now > last).map(|(error, _)| *error)
                }),
            });
        }
        view.hot.sort_by(|a, b| (Reverse(by.of(a)), &a.key).cmp(&(Reverse(by.of(b)), &b.key)));
        view
    }

    /// The same as JSON.
    pub fn json(&self) -> serde_json::Value {
        let rates: Option<serde_json::Map<_, _>> = self
            .rates
            .map(|rates| ANSWERS.iter().zip(rates).map(|(name, rate)| (name.to_string(), json!(rate))).collect());
        let servers = self.servers.iter().map(|s| {
            json!({
                "server": s.address, "role": s.role.name(), "calls_per_second": s.calls, "cpu_cores": s.cpu,
                "sweep_lag_ms": s.sweep_lag_ms, "divergences": s.divergences, "events_dropped": s.events_dropped,
                "evicting": s.evicting, "refuses_writes": s.refuses,
            })
        });
        let hot = self.hot.iter().map(|h| {
            json!({
                "key": escape(&h.key), "db": h.db, "exists": h.exists, "calls": h.calls, "reserved": h.reserved,
                "soldout": h.soldout, "limited": h.limited, "nopool": h.nopool, "held": h.held, "orders": h.orders,
                "memory_bytes": h.memory_bytes,
            })
        });
        let sums = self.sums;
        let lost = self.lost.iter().map(|(address, why)| json!({"server": address, "why": why}));
        let ledger = self.ledger.as_ref().map(|ledger| match ledger {
            Ok(lag) => json!({"lag_seconds": lag.seconds, "lag_entries": lag.entries, "to_audit": lag.to_audit}),
            Err(why) => json!({"why": why}),
        });
        json!({
            "at_ms": self.at_ms,
            "replies_per_second": rates,
            "pools": sums.pools, "soldout_pools": sums.soldout, "suspended_pools": sums.suspended,
            "short_pools": sums.short, "nearly_full_pools": sums.nearly_full, "held_units": sums.held,
            "open_holds": sums.holds, "remembered_orders": sums.orders, "memory_bytes": sums.memory_bytes,
            "servers": servers.collect::<Vec<_>>(), "lost": lost.collect::<Vec<_>>(),
            "hot": hot.collect::<Vec<_>>(), "ledger": ledger,
        })
    }
}

impl Sums {
    fn add(&mut self, figures: &Figures) {
        self.pools += figures.number("pools");
        self.soldout += figures.number("soldout_pools");
        self.suspended += figures.number("suspended_pools");
        self.short += figures.number("short_pools");
        self.nearly_full += figures.number("nearly_full_pools");
        self.held += figures.number("held_units");
        self.holds += figures.number("open_holds");
        self.orders += figures.number("remembered_orders");
        self.memory_bytes += figures.number("memory_bytes");
    }
}

/// Every answer that the server counts.
fn every_answer(figures: &Figures) -> Vec<String> {
    let names = figures.stock.keys().filter_map(|name| name.strip_prefix("replies_"));
    names.filter(|name| !name.starts_with("per_sec_")).map(String::from).collect()
}

/// By how much an answer's total has grown; a server that started anew begins at 0.
fn grown(before: &Figures, now: &Figures, answer: &str) -> i64 {
    let name = format!("replies_{answer}");
    let (before, now) = (before.number(&name), now.number(&name));
    if now < before {
        now
    } else {
        now - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Node;

    fn look(at_ms: i64, nodes: &[(&str, Role, &str)]) -> Snapshot {
        let nodes = nodes.iter().map(|(address, role, info)| {
            let node = Node { address: address.to_string(), role: *role, primary: String::new() };
            (node, Seen::Figures(Box::new(Figures::of_info(info))))
        });
        Snapshot { at_ms, nodes: nodes.collect() }
    }

    #[test]
    fn rates_are_of_the_span_and_survive_a_restart() {
        let before = look(
            0,
            &[
                ("a", Role::Primary, "stock_replies_reserved:100\nstock_replies_nopool:1\nused_cpu_user:1\n"),
                ("b", Role::Primary, "stock_replies_reserved:900\nstock_pools:1\nerrorstat_OOM:count=4\n"),
            ],
        );
        let now = look(
            2000,
            &[
                (
                    "a",
                    Role::Primary,
                    "stock_replies_reserved:120\nstock_replies_nopool:5\nused_cpu_user:2\nstock_pools:3\n",
                ),
                (
                    "b",
                    Role::Primary,
                    "stock_replies_reserved:6\nstock_pools:1\nerrorstat_OOM:count=4\nerrorstat_MISCONF:count=1\n",
                ),
                ("c", Role::Replica, "stock_pools:3\nstock_divergences:2\n"),
            ],
        );
        let first = View::of(None, &now, TopBy::Calls, None);
        assert_eq!(first.rates, None);
        let view = View::of(Some(&before), &now, TopBy::Calls, None);
        let rates = view.rates.expect("two looks");
        assert_eq!((rates[0], rates[6]), (13.0, 2.0));
        assert_eq!(view.servers[0].cpu, Some(0.5));
        assert_eq!((view.servers[0].calls, view.servers[2].calls), (Some(12.0), None));
        assert_eq!(view.sums.pools, 4, "what a replica has is not counted twice");
        assert_eq!(view.servers[2].divergences, 2);
        assert_eq!((view.servers[0].refuses, view.servers[1].refuses), (None, Some("MISCONF")));
    }
}
