//! Event streams.

use anyhow::{bail, Context, Result};
use redis::Value;

use super::reply::bytes;
use super::{Fields, RedisClient};
use crate::event::{unpack, upgrade_first, Unread};
use crate::text::{escape, unescape};

/// An id as two numbers, for comparing.
pub fn parts(id: &str) -> (u64, u64) {
    let (ms, seq) = id.split_once('-').unwrap_or((id, "0"));
    (ms.parse().unwrap_or(0), seq.parse().unwrap_or(0))
}

/// What the server says of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// The id of the last entry ever added.
    pub last_id: String,
    /// The id of the last entry that is in it.
    pub last_entry: Option<String>,
    /// How many entries were ever added.
    pub added: i64,
}

/// What a page of a stream tells of an entry: of which pool and epoch it is. Both are empty where
/// it is no event.
pub struct Passed {
    /// Its id.
    pub id: String,
    /// The pool.
    pub pool: String,
    /// The epoch.
    pub epoch: String,
}

impl RedisClient {
    /// Of which pools and epochs the entries from `from` to `to` are, at most `count` of them.
    ///
    /// # Errors
    /// `Failure::Order`: an entry is packed in a version that only a newer program reads.
    /// `Failure::Unreachable`: Redis does not answer. An error reply ends with exit code 1.
    pub async fn epochs(&mut self, stream: &str, from: &str, to: &str, count: usize) -> Result<Vec<Passed>> {
        let key = unescape(stream);
        let mut command = redis::cmd("XRANGE");
        command.arg(&key).arg(from).arg(to).arg("COUNT").arg(count);
        let Value::Array(entries) = self.call(&key, command).await? else { return Ok(Vec::new()) };
        let db = self.db();
        let mut passed = Vec::with_capacity(entries.len());
        for entry in &entries {
            let Value::Array(pair) = entry else { continue };
            let Some(id) = pair.first().and_then(|id| String::from_utf8(bytes(id)).ok()) else { continue };
            let fields = pair.get(1).and_then(Fields::of);
            let unpacked = match fields.as_ref().map(Fields::pairs) {
                Some([(name, packed)]) if name == "event" => match unpack(&bytes(packed)) {
                    Ok(unpacked) => unpacked,
                    Err(Unread::Newer(version)) => return Err(upgrade_first(stream, &id, version).into()),
                    // It is no event, and of no pool.
                    Err(Unread::Damaged(_)) => Vec::new(),
                },
                _ => Vec::new(),
            };
            let text = |name: &str| match unpacked.iter().find(|(known, _)| known == name) {
                Some((_, value)) => value.clone(),
                None => fields.as_ref().and_then(|f| f.get(name)).map(bytes).unwrap_or_default(),
            };
            let here = String::from_utf8(text("db")).ok().and_then(|text| text.parse().ok()) == Some(db);
            let text = |name| if here { escape(&text(name)) } else { String::new() };
            passed.push(Passed { pool: text("pool"), epoch: text("epoch"), id });
        }
        Ok(passed)
    }

    /// What the server says of a stream; none where there is no stream.
    pub async fn stream(&mut self, stream: &str) -> Result<Option<StreamInfo>> {
        let key = unescape(stream);
        let mut command = redis::cmd("XINFO");
        command.arg("STREAM").arg(&key);
        let answer = self.calls(vec![(key, command)]).await?.pop();
        let Some(fields) = answer.as_ref().and_then(Fields::of) else { return Ok(None) };
        let Some(last_id) = fields.text("last-generated-id") else { return Ok(None) };
        let last_entry = match fields.get("last-entry") {
            Some(Value::Array(entry)) => entry.first().and_then(|id| String::from_utf8(bytes(id)).ok()),
            _ => None,
        };
        Ok(Some(StreamInfo { last_id, last_entry, added: fields.number("entries-added").unwrap_or(0) }))
    }

    /// The id of the last entry ever added; none where there is no stream.
    pub async fn last_id(&mut self, stream: &str) -> Result<Option<String>> {
        Ok(self.stream(stream).await?.map(|info| info.last_id))
    }

    /// The id of the last entry that is in the stream; none where it is empty or not there.
    pub async fn last_entry(&mut self, stream: &str) -> Result<Option<String>> {
        Ok(self.stream(stream).await?.and_then(|info| info.last_entry))
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

    /// Removes the entries before `id`, but none that a consumer group has still to read or to
    /// acknowledge. Answers how many, and whether it got as far as `id`.
    pub async fn trim(&mut self, stream: &str, id: &str) -> Result<(i64, bool)> {
        let key = unescape(stream);
        let mut command = redis::cmd("XINFO");
        command.arg("GROUPS").arg(&key);
        let mut least = id.to_string();
        let asked = self.calls(vec![(key.clone(), command)]).await?.pop().context("no answer")?;
        // No pool has written to it yet: there is nothing to remove.
        if matches!(&asked, Value::ServerError(e) if e.details().is_some_and(|text| text.contains("no such key"))) {
            return Ok((0, true));
        }
        if let Value::ServerError(error) = &asked {
            bail!("XINFO GROUPS answers {} {}", error.code(), error.details().unwrap_or_default());
        }
        if let Value::Array(groups) = asked {
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
        Ok((redis::from_redis_value(&removed).context("XTRIM")?, least == id))
    }
}
