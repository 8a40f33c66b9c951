//! An entry of the pool's event stream: its fields, or packed into one.

use std::borrow::Cow;

use anyhow::{bail, Context, Result};
use redis::streams::StreamId;
use redis::Value;
use serde_json::{Map, Value as Json};

/// The version of packed entries that this program reads.
const VERSION: u64 = 1;

/// What an entry says, by name. Texts of the shop are UTF-8, and its pool counts what is on hand.
pub enum Entry<'e> {
    /// Each field is one of the stream's.
    Fields(&'e StreamId),
    /// `"events_format": "packed"` in the policy: one field with a JSON object.
    Packed(Map<String, Json>),
}

impl<'e> Entry<'e> {
    /// Reads an entry of either kind.
    ///
    /// # Errors
    /// `… its event is no text`, `… is no JSON object`, or `… is packed in another version than …`.
    pub fn read(entry: &'e StreamId) -> Result<Self> {
        let Some(packed) = entry.map.get("event") else { return Ok(Entry::Fields(entry)) };
        let Value::BulkString(json) = packed else { bail!("entry {}: its event is no text", entry.id) };
        let packed: Map<String, Json> =
            serde_json::from_slice(json).with_context(|| format!("entry {} is no JSON object", entry.id))?;
        if packed.get("v").and_then(Json::as_u64) != Some(VERSION) {
            bail!("entry {} is packed in another version than {VERSION}: a newer program is needed", entry.id);
        }
        Ok(Entry::Packed(packed))
    }

    /// A text; none: the entry has no such field.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self {
            Entry::Fields(entry) => entry.get::<String>(name).map(Cow::Owned),
            Entry::Packed(packed) => packed.get(name)?.as_str().map(Cow::Borrowed),
        }
    }

    /// A number; none: the entry has no such field.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self {
            Entry::Fields(entry) => entry.get(name),
            Entry::Packed(packed) => packed.get(name)?.as_i64(),
        }
    }

    /// One of the attributes that the call carried.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let of = |all: &Map<String, Json>| Some(all.get(name)?.as_str()?.to_owned());
        match self {
            Entry::Fields(entry) => of(&serde_json::from_str(&entry.get::<String>("for")?).ok()?),
            Entry::Packed(packed) => of(packed.get("for")?.as_object()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&str, &str)]) -> StreamId {
        let map = fields.iter().map(|&(name, value)| (name.to_owned(), Value::BulkString(value.into()))).collect();
        StreamId { id: "1-1".into(), map, ..StreamId::default() }
    }

    #[test]
    fn both_kinds_say_the_same() {
        let fields =
            of(&[("type", "reserved"), ("order", "o"), ("qty", "2"), ("available", "5"), ("for", r#"{"user":"u"}"#)]);
        let json = r#"{"v":1,"type":"reserved","order":"o","qty":2,"available":5,"for":{"user":"u"}}"#;
        let packed = of(&[("event", json)]);
        for entry in [&fields, &packed] {
            let entry = Entry::read(entry).unwrap();
            assert_eq!((entry.text("type").as_deref(), entry.text("order").as_deref()), (Some("reserved"), Some("o")));
            assert_eq!((entry.number("qty"), entry.number("available"), entry.number("seq")), (Some(2), Some(5), None));
            assert_eq!((entry.attribute("user").as_deref(), entry.attribute("region")), (Some("u"), None));
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for json in [r#"{"v":2,"type":"reserved"}"#, r#"{"type":"reserved"}"#, "[]", "{", ""] {
            assert!(Entry::read(&of(&[("event", json)])).is_err(), "{json}");
        }
    }
}
