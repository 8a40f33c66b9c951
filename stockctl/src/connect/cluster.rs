//! Redis Cluster: which servers have which slots.

use anyhow::{Context, Result};
use redis::Value;

use super::{Node, Role};
use crate::reply::{bytes, int, list};

/// How many slots a cluster has.
const SLOTS: u16 = 16384;

/// Slots that follow each other and lie on the same servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first slot.
    pub first: u16,
    /// The last slot.
    pub last: u16,
    /// The address of the primary.
    pub primary: String,
    /// The addresses of its replicas.
    pub replicas: Vec<String>,
}

/// Which servers have which slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots(Vec<Range>);

impl Slots {
    /// Reads the answer of CLUSTER SLOTS. A server without a host is the one that was asked.
    ///
    /// # Errors
    /// `no slot`, `a range without a server`, or what [`address`] says.
    pub fn read(answer: &Value, asked: &str) -> Result<Slots> {
        let ranges = list(answer).iter().map(|row| {
            let row = list(row);
            let slot = |at: usize| row.get(at).and_then(int).and_then(|n| u16::try_from(n).ok()).context("no slot");
            let mut nodes = row.iter().skip(2).map(|node| address(node, asked));
            Ok(Range {
                first: slot(0)?,
                last: slot(1)?,
                primary: nodes.next().context("a range without a server")??,
                replicas: nodes.collect::<Result<_>>()?,
            })
        });
        Ok(Slots(ranges.collect::<Result<_>>()?))
    }

    /// Every server once, the primaries first.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut add = |address: &str, role, primary: &str| {
            if !nodes.iter().any(|node| node.address == address) {
                nodes.push(Node { address: address.to_string(), role, primary: primary.to_string() });
            }
        };
        for range in &self.0 {
            add(&range.primary, Role::Primary, &range.primary);
        }
        for range in &self.0 {
            for replica in &range.replicas {
                add(replica, Role::Replica, &range.primary);
            }
        }
        nodes
    }

    /// Who has the slot of a key.
    pub fn of_key(&self, key: &[u8]) -> Option<&Range> {
        let slot = slot(key);
        self.0.iter().find(|range| (range.first..=range.last).contains(&slot))
    }
}

fn address(node: &Value, asked: &str) -> Result<String> {
    let node = list(node);
    let host = node.first().map(bytes).unwrap_or_default();
    let host = if host.is_empty() || host == b"?" { asked.into() } else { String::from_utf8_lossy(host) };
    let port = node.get(1).and_then(int).context("a server without a port")?;
    Ok(format!("{host}:{port}"))
}

/// The slot of a key: of what stands in the first braces, where something does.
pub fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|b| *b == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|b| *b == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key)) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString(b"id".to_vec())])
    }

    #[test]
    fn slots_are_those_of_redis() {
        // From CLUSTER KEYSLOT of a server.
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
    }

    #[test]
    fn each_server_stands_once_and_primaries_come_first() {
        let range = |first, last, nodes: Vec<Value>| {
            Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(nodes).collect())
        };
        let answer = Value::Array(vec![
            range(0, 8000, vec![node("", 7000), node("b", 7001)]),
            range(8001, 16382, vec![node("c", 7002)]),
            range(16383, 16383, vec![node("", 7000), node("b", 7001)]),
        ]);
        let slots = Slots::read(&answer, "a").expect("an answer of CLUSTER SLOTS");
        let shown: Vec<String> =
            slots.nodes().iter().map(|n| format!("{} {} {}", n.address, n.role.name(), n.primary)).collect();
        assert_eq!(shown, ["a:7000 primary a:7000", "c:7002 primary c:7002", "b:7001 replica a:7000"]);
        assert_eq!(slots.of_key(b"foo").map(|range| range.primary.as_str()), Some("c:7002"));
        assert!(Slots::read(&Value::Array(vec![Value::Array(vec![Value::Int(1)])]), "a").is_err());
    }
}
