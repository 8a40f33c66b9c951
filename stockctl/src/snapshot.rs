//! What all servers say of themselves at one moment: the figures of INFO, and the hottest keys.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{Cmd, Value};

use crate::connect::{info, whole, Node, Role, Servers};
use crate::failure::error_chain;
use crate::reply::{bytes, field, info_field, list, number};
use crate::text::now_ms;

/// All servers at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// When it was taken, by the clock of this machine.
    pub at_ms: i64,
    /// Each server, primaries first, with what it said.
    pub nodes: Vec<(Node, Seen)>,
}

/// The sections of INFO that are asked for.
const SECTIONS: [&str; 5] = ["stock", "replication", "cpu", "server", "errorstats"];

/// What a server said, or why it said nothing.
#[derive(Debug)]
pub enum Seen {
    /// It answered.
    Figures(Box<Figures>),
    /// It did not.
    Lost(String),
}

/// Errors by which a server refuses writes before the module sees them: its memory, its disk, its
/// replicas. No figure of the module shows these calls.
pub const REFUSALS: [&str; 3] = ["OOM", "MISCONF", "NOREPLICAS"];

/// The figures of a server.
#[derive(Debug, Default)]
pub struct Figures {
    /// The module's version.
    pub version: String,
    /// The numbers of `INFO stock`, without `stock_` in front.
    pub stock: BTreeMap<String, i64>,
    /// Seconds of CPU that the process has used since its start.
    pub cpu_seconds: f64,
    /// Seconds since the start of the process.
    pub uptime_seconds: i64,
    /// What it says that it is.
    pub role: Option<Role>,
    /// How often it has given each of [`REFUSALS`] since its start.
    pub refused: [i64; REFUSALS.len()],
    /// The hottest keys of the last minute; none where the user may not ask.
    pub hot: Vec<Hot>,
}

/// A hot key, as STOCK.TOP has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hot {
    /// The key.
    pub key: Vec<u8>,
    /// Its logical database.
    pub db: i64,
    /// Whether there is such a pool.
    pub exists: bool,
    /// Calls of the last minute, and how they were answered.
    pub calls: i64,
    /// Units were held for them.
    pub reserved: i64,
    /// There was not enough.
    pub soldout: i64,
    /// A limit was reached.
    pub limited: i64,
    /// There was no pool.
    pub nopool: i64,
    /// Units that are held now.
    pub held: i64,
    /// Orders in the pool's memory.
    pub orders: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
}

/// By what the hottest keys are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopBy {
    /// All calls.
    #[default]
    Calls,
    /// Calls for which units were held.
    Reserved,
    /// Calls for which there was not enough.
    SoldOut,
    /// Calls that a limit refused.
    Limited,
    /// Units that are held.
    Held,
    /// Orders in memory.
    Orders,
    /// Bytes of memory.
    Memory,
}

impl TopBy {
    /// The letter that chooses it.
    pub fn of_key(key: char) -> Option<TopBy> {
        Some(match key {
            'c' => TopBy::Calls,
            'r' => TopBy::Reserved,
            's' => TopBy::SoldOut,
            'l' => TopBy::Limited,
            'h' => TopBy::Held,
            'o' => TopBy::Orders,
            'm' => TopBy::Memory,
            _ => return None,
        })
    }

    /// What a key has of it.
    pub fn of(self, hot: &Hot) -> i64 {
        match self {
            TopBy::Calls => hot.calls,
            TopBy::Reserved => hot.reserved,
            TopBy::SoldOut => hot.soldout,
            TopBy::Limited => hot.limited,
            TopBy::Held => hot.held,
            TopBy::Orders => hot.orders,
            TopBy::Memory => hot.memory_bytes,
        }
    }

    /// `STOCK.TOP BY … COUNT n`.
    fn command(self, count: usize) -> Cmd {
        let mut top = redis::cmd("STOCK.TOP");
        let word = match self {
            TopBy::Calls => None,
            TopBy::Reserved => Some("RESERVED"),
            TopBy::SoldOut => Some("SOLDOUT"),
            TopBy::Limited => Some("LIMITED"),
            TopBy::Held => Some("HELD"),
            TopBy::Orders => Some("ORDERS"),
            TopBy::Memory => Some("MEMORY"),
        };
        if let Some(word) = word {
            top.arg("BY").arg(word);
        }
        top.arg("COUNT").arg(count);
        top
    }
}

impl Seen {
    /// Whether the server said nothing.
    pub fn is_lost(&self) -> bool {
        matches!(self, Seen::Lost(_))
    }
}

impl Snapshot {
    /// Asks all servers at once, also for so many hottest keys; each has `patience` to answer.
    pub async fn take(servers: &mut Servers, hot: Option<(TopBy, usize)>, patience: Duration) -> Snapshot {
        let nodes = servers.nodes();
        let mut commands = SECTIONS.map(info).to_vec();
        commands.extend(hot.map(|(by, count)| by.command(count)));
        let answers = servers.ask_each(&nodes, &commands, patience).await;
        let at_ms = now_ms();
        let seen =
            answers.into_iter().zip(&nodes).map(|(answer, node)| match answer.and_then(|a| Figures::read(node, a)) {
                Ok(figures) => Seen::Figures(Box::new(figures)),
                Err(error) => Seen::Lost(error_chain(&error)),
            });
        let seen: Vec<Seen> = seen.collect();
        Snapshot { at_ms, nodes: nodes.into_iter().zip(seen).collect() }
    }

    /// The figures of a server; none: it did not answer, or is another's.
    pub fn of(&self, address: &str) -> Option<&Figures> {
        self.figures().find(|(node, _)| node.address == address).map(|(_, figures)| figures)
    }

    /// Those that answered.
    pub fn figures(&self) -> impl Iterator<Item = (&Node, &Figures)> {
        self.nodes.iter().filter_map(|(node, seen)| match seen {
            Seen::Figures(figures) => Some((node, figures.as_ref())),
            Seen::Lost(_) => None,
        })
    }
}

impl Figures {
    fn read(node: &Node, answers: Vec<Value>) -> anyhow::Result<Figures> {
        let mut answers = answers.into_iter();
        let mut text = String::new();
        for answer in answers.by_ref().take(SECTIONS.len()) {
            text.push_str(&String::from_utf8_lossy(bytes(&whole(&node.address, answer)?)));
            text.push('\n');
        }
        let hot = match answers.next() {
            Some(Value::ServerError(_)) | None => Vec::new(),
            Some(keys) => list(&keys).iter().map(Hot::read).collect(),
        };
        let mut figures = Figures::of_info(&text);
        figures.hot = hot;
        if figures.stock.is_empty() {
            anyhow::bail!("{} has not loaded the redis-stock module", node.address);
        }
        Ok(figures)
    }

    /// What the text of INFO says.
    pub fn of_info(text: &str) -> Figures {
        let stock = crate::reply::info(text).filter_map(|(name, value)| {
            let name = name.strip_prefix("stock_")?;
            Some((name.to_string(), value.parse().ok()?))
        });
        let float = |name: &str| info_field(text, name).and_then(|n| n.parse::<f64>().ok()).unwrap_or_default();
        let refused = REFUSALS.map(|error| {
            let count = info_field(text, &format!("errorstat_{error}")).and_then(|count| count.strip_prefix("count="));
            count.and_then(|count| count.parse().ok()).unwrap_or_default()
        });
        Figures {
            refused,
            version: info_field(text, "stock_version").unwrap_or_default().to_string(),
            stock: stock.collect(),
            cpu_seconds: float("used_cpu_sys") + float("used_cpu_user"),
            uptime_seconds: info_field(text, "uptime_in_seconds").and_then(|n| n.parse().ok()).unwrap_or_default(),
            role: info_field(text, "role").map(|role| if role == "slave" { Role::Replica } else { Role::Primary }),
            hot: Vec::new(),
        }
    }

    /// A number of `INFO stock`; 0 where it is not there.
    pub fn number(&self, name: &str) -> i64 {
        self.stock.get(name).copied().unwrap_or_default()
    }
}

impl Hot {
    fn read(map: &Value) -> Hot {
        let n = |name| number(map, name);
        Hot {
            key: bytes(field(map, "key")).to_vec(),
            db: n("db"),
            exists: n("exists") == 1,
            calls: n("calls"),
            reserved: n("reserved"),
            soldout: n("soldout"),
            limited: n("limited"),
            nopool: n("nopool"),
            held: n("held"),
            orders: n("orders"),
            memory_bytes: n("memory_bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_info_have_their_names() {
        let text = "stock_version:0.1.0\r\nstock_pools:3\r\nused_cpu_sys:1.5\r\nused_cpu_user:2\r\nrole:slave\r\n\
                    errorstat_ERR:count=9\r\nerrorstat_MISCONF:count=7\r\n";
        let figures = Figures::of_info(text);
        assert_eq!((figures.number("pools"), figures.number("other")), (3, 0));
        assert_eq!((figures.version.as_str(), figures.cpu_seconds, figures.role), ("0.1.0", 3.5, Some(Role::Replica)));
        assert_eq!(figures.refused, [0, 7, 0]);
    }
}
