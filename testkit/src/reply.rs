//! Replies as the tests compare them.

use std::collections::BTreeMap;

use serde_json::Value;

/// One reply, in the shapes that RESP3 has and that the commands use.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    Int(i64),
    Status(String),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// The whole text, its first word (`ERR`, `CONFLICT`, `NODIM`, `WRONGTYPE`) included.
    Error(String),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reply::Int(n) => write!(f, "{n}"),
            Reply::Status(word) => write!(f, "{word}"),
            Reply::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Reply::Nil => write!(f, "nil"),
            Reply::Array(items) => f.debug_list().entries(items).finish(),
            Reply::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish(),
            Reply::Error(text) => write!(f, "-{text}"),
        }
    }
}

impl Reply {
    /// A bulk string.
    pub fn bulk(text: impl AsRef<[u8]>) -> Reply {
        Reply::Bulk(text.as_ref().to_vec())
    }

    /// The bytes of a status or a bulk string.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Reply::Status(text) => Some(text.as_bytes()),
            Reply::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value of a key, in a map or in the flat array that RESP2 makes of it.
    pub fn field(&self, name: &str) -> Option<&Reply> {
        match self {
            Reply::Map(pairs) => {
                pairs.iter().find(|(key, _)| key.bytes() == Some(name.as_bytes())).map(|(_, value)| value)
            }
            Reply::Array(items) => {
                items.chunks_exact(2).find(|pair| pair[0].bytes() == Some(name.as_bytes())).map(|pair| &pair[1])
            }
            _ => None,
        }
    }

    /// The first word of an error, or the status word that an array begins with, or a status.
    pub fn word(&self) -> Option<String> {
        match self {
            Reply::Error(text) => text.split(' ').next().map(str::to_owned),
            Reply::Array(items) => items.first().and_then(Reply::word),
            _ => self.bytes().map(|b| String::from_utf8_lossy(b).into_owned()),
        }
    }
}

/// Whether two replies say the same: errors by their first word, maps whatever the order
/// of their keys and whether they are maps or flat arrays, and the random `epoch` not at all.
pub fn same(a: &Reply, b: &Reply) -> bool {
    match (a, b) {
        (Reply::Error(_), Reply::Error(_)) => a.word() == b.word(),
        (Reply::Int(x), Reply::Int(y)) => x == y,
        (Reply::Nil, Reply::Nil) => true,
        (Reply::Map(x), Reply::Map(y)) => same_map(x, y),
        (Reply::Map(map), Reply::Array(flat)) | (Reply::Array(flat), Reply::Map(map)) => {
            flat.len() % 2 == 0 && same_map(map, &pairs(flat))
        }
        (Reply::Array(x), Reply::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(p, q)| same(p, q)),
        // Clients see the difference between a status and a bulk string.
        (Reply::Status(_), Reply::Status(_)) | (Reply::Bulk(_), Reply::Bulk(_)) => a.bytes() == b.bytes(),
        _ => false,
    }
}

/// As `same`, with what only one command knows: the parts of its answer whose order or spelling is
/// free.
pub fn same_for(command: &[u8], a: &Reply, b: &Reply) -> bool {
    match command.to_ascii_uppercase().as_slice() {
        b"STOCK.ORDERS" => match (listing(a), listing(b)) {
            (Some(x), Some(y)) => {
                x.len() == y.len() && x.iter().zip(&y).all(|((id, one), (other, two))| id == other && same(one, two))
            }
            _ => same(a, b),
        },
        b"STOCK.POLICY" => match (policy(a), policy(b)) {
            (Some(x), Some(y)) => x == y,
            _ => same(a, b),
        },
        b"STOCK.LIMITS" => same(&with_sorted_overrides(a), &with_sorted_overrides(b)),
        b"STOCK.EXPLAIN" => same(&explained(a), &explained(b)),
        b"STOCK.GET" => same(&without_empty(a), &without_empty(b)),
        _ => same(a, b),
    }
}

fn pairs(flat: &[Reply]) -> Vec<(Reply, Reply)> {
    flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

fn same_map(a: &[(Reply, Reply)], b: &[(Reply, Reply)]) -> bool {
    a.len() == b.len()
        && a.iter().all(|(key, value)| {
            b.iter().any(|(other, theirs)| same(key, other) && (key.bytes() == Some(b"epoch") || same(value, theirs)))
        })
}

/// `STOCK.ORDERS` at the end of its scan, as order and state (or map), sorted.
fn listing(reply: &Reply) -> Option<BTreeMap<Vec<u8>, Reply>> {
    let Reply::Array(items) = reply else {
        return None;
    };
    let [cursor, Reply::Array(flat)] = items.as_slice() else {
        return None;
    };
    if cursor.bytes() != Some(b"0") && *cursor != Reply::Int(0) {
        return None;
    }
    let mut listed = BTreeMap::new();
    for pair in flat.chunks(2) {
        let [order, state] = pair else { return None };
        listed.insert(order.bytes()?.to_vec(), state.clone());
    }
    Some(listed)
}

/// `STOCK.POLICY` as parsed JSON, with the defaults of absent fields filled in and the overrides
/// sorted.
fn policy(reply: &Reply) -> Option<Value> {
    let mut json: Value = serde_json::from_slice(reply.bytes()?).ok()?;
    let fields = json.as_object_mut()?;
    for (name, default) in [("safety", 0.into()), ("alert", 0.into())] {
        fields.entry(name).or_insert(default);
    }
    let limits = fields.entry("limits").or_insert_with(|| Value::Array(Vec::new()));
    for limit in limits.as_array_mut()? {
        let limit = limit.as_object_mut()?;
        for (name, default) in [
            ("max", Value::from("unlimited")),
            ("count", "units".into()),
            ("missing", "refuse".into()),
            ("overrides", Value::Array(Vec::new())),
        ] {
            limit.entry(name).or_insert(default);
        }
        let overrides = limit.get_mut("overrides")?.as_array_mut()?;
        overrides.sort_by_key(|one| one["for"].to_string());
    }
    Some(json)
}

/// `STOCK.LIMITS` with the overrides of each limit sorted.
fn with_sorted_overrides(reply: &Reply) -> Reply {
    let Reply::Array(limits) = reply else {
        return reply.clone();
    };
    let limits = limits.iter().map(|limit| {
        let fields = match limit {
            Reply::Map(fields) => fields.clone(),
            Reply::Array(flat) => pairs(flat),
            _ => return limit.clone(),
        };
        let fields = fields.into_iter().map(|(name, value)| match value {
            Reply::Array(mut overrides) if name.bytes() == Some(b"overrides") => {
                overrides.sort_by_key(texts);
                (name, Reply::Array(overrides))
            }
            value => (name, value),
        });
        Reply::Map(fields.collect())
    });
    Reply::Array(limits.collect())
}

/// Every string in a reply, in order.
fn texts(reply: &Reply) -> Vec<Vec<u8>> {
    match reply {
        Reply::Array(items) => items.iter().flat_map(texts).collect(),
        _ => reply.bytes().map(<[u8]>::to_vec).into_iter().collect(),
    }
}

/// `STOCK.EXPLAIN` with an error that RESERVE would answer cut down to its code word, and without
/// the number of orders in memory: forgotten ones that are not purged yet are among them.
fn explained(reply: &Reply) -> Reply {
    let fields = match reply {
        Reply::Map(fields) => fields.clone(),
        Reply::Array(flat) => pairs(flat),
        _ => return reply.clone(),
    };
    let fields = fields.into_iter().filter(|(name, _)| name.bytes() != Some(b"orders"));
    let fields = fields.map(|(name, value)| match value {
        Reply::Array(mut words) if name.bytes() == Some(b"answer") => {
            if words.first().and_then(Reply::bytes).is_some_and(|code| [&b"ERR"[..], b"NODIM"].contains(&code)) {
                words.truncate(1);
            }
            (name, Reply::Array(words))
        }
        value => (name, value),
    });
    Reply::Map(fields.collect())
}

/// `STOCK.GET` with the states that no order is in left out, and "no events" written one way.
fn without_empty(reply: &Reply) -> Reply {
    let fields = match reply {
        Reply::Map(fields) => fields.clone(),
        Reply::Array(flat) => pairs(flat),
        _ => return reply.clone(),
    };
    let fields = fields.into_iter().map(|(name, value)| match (name.bytes(), value) {
        (Some(b"orders"), Reply::Map(mut states)) => {
            states.retain(|(_, count)| *count != Reply::Int(0));
            (name, Reply::Map(states))
        }
        (Some(b"orders"), Reply::Array(flat)) => {
            let mut states = pairs(&flat);
            states.retain(|(_, count)| *count != Reply::Int(0));
            (name, Reply::Map(states))
        }
        (Some(b"events"), Reply::Nil) => (name, Reply::bulk("")),
        (_, value) => (name, value),
    });
    Reply::Map(fields.collect())
}
