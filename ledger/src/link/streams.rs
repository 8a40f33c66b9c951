//! Event streams.

use anyhow::{Context, Result};
use redis::Value;

use super::reply::bytes;
use super::{Fields, Link};
use crate::text::unescape;

/// An entry: its id and its fields.
pub struct Entry {
    /// The id.
    pub id: String,
    /// Names and values.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

fn entry(value: &Value) -> Option<Entry> {
    let Value::Array(pair) = value else { return None };
    let id = String::from_utf8(bytes(pair.first()?)).ok()?;
    let fields = match pair.get(1)? {
        Value::Array(flat) => {
            flat.chunks_exact(2).filter_map(|f| Some((bytes(f.first()?), bytes(f.get(1)?)))).collect()
        }
        _ => Vec::new(),
    };
    Some(Entry { id, fields })
}

fn entries(value: &Value) -> Result<Vec<Entry>> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(|i| entry(i).context("an entry of another shape")).collect(),
        other => anyhow::bail!("a stream answers {other:?}"),
    }
}

/// An id as two numbers, for comparing.
pub fn parts(id: &str) -> (u64, u64) {
    let (ms, seq) = id.split_once('-').unwrap_or((id, "0"));
    (ms.parse().unwrap_or(0), seq.parse().unwrap_or(0))
}

impl Link {
    /// Entries behind `after`; waits up to `block_ms` when there are none.
    pub async fn read(&mut self, stream: &str, after: &str, count: usize, block_ms: usize) -> Result<Vec<Entry>> {
        let key = unescape(stream);
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(count).arg("BLOCK").arg(block_ms).arg("STREAMS").arg(&key).arg(after);
        match self.call(&key, command).await? {
            Value::Nil => Ok(Vec::new()),
            // One stream was asked for: [[name, entries]], or a map of one.
            Value::Array(streams) => match streams.into_iter().next() {
                Some(Value::Array(pair)) => entries(pair.get(1).unwrap_or(&Value::Nil)),
                other => anyhow::bail!("XREAD answers {other:?}"),
            },
            Value::Map(streams) => entries(streams.first().map(|(_, v)| v).unwrap_or(&Value::Nil)),
            other => anyhow::bail!("XREAD answers {other:?}"),
        }
    }

    /// The id of the last entry ever added; none where there is no stream.
    pub async fn last_id(&mut self, stream: &str) -> Result<Option<String>> {
        let key = unescape(stream);
        let mut command = redis::cmd("XINFO");
        command.arg("STREAM").arg(&key);
        let mut answers = self.calls(vec![(key, command)]).await?;
        Ok(answers.pop().and_then(|answer| Fields::of(&answer)?.text("last-generated-id")))
    }

    /// How many entries stand behind `after`, counted up to `most`.
    pub async fn behind(&mut self, stream: &str, after: &str, most: usize) -> Result<usize> {
        let key = unescape(stream);
        let mut command = redis::cmd("XRANGE");
        command.arg(&key).arg(format!("({after}")).arg("+").arg("COUNT").arg(most);
        match self.call(&key, command).await? {
            Value::Array(entries) => Ok(entries.len()),
            _ => Ok(0),
        }
    }

    /// Removes the entries before `id`, but none that a consumer group has still to read or to acknowledge.
    pub async fn trim(&mut self, stream: &str, id: &str) -> Result<i64> {
        let key = unescape(stream);
        let mut command = redis::cmd("XINFO");
        command.arg("GROUPS").arg(&key);
        let mut least = id.to_string();
        if let Value::Array(groups) = self.call(&key, command).await? {
            for group in groups.iter().filter_map(Fields::of) {
                let delivered = group.text("last-delivered-id").unwrap_or_else(|| "0-0".to_string());
                let mut floor = delivered;
                if group.number("pending").unwrap_or(0) > 0 {
                    let mut pending = redis::cmd("XPENDING");
                    pending.arg(&key).arg(group.text("name").unwrap_or_default());
                    if let Value::Array(summary) = self.call(&key, pending).await? {
                        let first = summary.get(1).map(bytes).and_then(|b| String::from_utf8(b).ok());
                        floor = first.filter(|f| !f.is_empty()).unwrap_or(floor);
                    }
                }
                if parts(&floor) < parts(&least) {
                    least = floor;
                }
            }
        }
        let mut command = redis::cmd("XTRIM");
        command.arg(&key).arg("MINID").arg(&least);
        let removed = self.call(&key, command).await?;
        redis::from_redis_value(&removed).context("XTRIM")
    }
}
