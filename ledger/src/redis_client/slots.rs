//! Redis Cluster: which node has a key.

use anyhow::{Context, Result};
use redis::Value;

/// A range of slots and the node that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first slot.
    pub first: u16,
    /// The last slot.
    pub last: u16,
    /// host:port.
    pub node: String,
}

/// The slot of a key: of what stands in the first braces, where something does.
pub fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|b| *b == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|b| *b == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    crc16(tag.unwrap_or(key)) % 16384
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |mut crc, byte| {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
        crc
    })
}

/// Reads the answer of CLUSTER SLOTS. A node without a host is the one that was asked.
pub fn ranges(answer: &Value, asked: &str) -> Result<Vec<Range>> {
    let rows: Vec<Value> = redis::from_redis_value(answer).context("CLUSTER SLOTS")?;
    rows.iter()
        .map(|row| {
            let row: Vec<Value> = redis::from_redis_value(row)?;
            let (first, last, node) = (row.first(), row.get(1), row.get(2));
            let node: Vec<Value> = redis::from_redis_value(node.context("a range without a node")?)?;
            let host: Option<String> = redis::from_redis_value(node.first().context("a node without a host")?)?;
            let port: u16 = redis::from_redis_value(node.get(1).context("a node without a port")?)?;
            let host = host.filter(|h| !h.is_empty() && h != "?").unwrap_or_else(|| asked.to_string());
            Ok(Range {
                first: redis::from_redis_value(first.context("a range without a start")?)?,
                last: redis::from_redis_value(last.context("a range without an end")?)?,
                node: format!("{host}:{port}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // From CLUSTER KEYSLOT of a server.
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"123456789"), 12739);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
    }
}
