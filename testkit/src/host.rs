//! The command layer on plain maps: the same code as in the server, without a server.

use std::cell::Cell;
use std::collections::BTreeMap;

use base64::Engine as _;
use redis_stock::command::error::CommandError;
use redis_stock::command::event::{pack, FieldValue, StreamEntry, StreamField};
use redis_stock::command::host::{Append, Env, EventConfig, Handle, Keyspace, OpenError, Origin, Out, StreamDenied};
use redis_stock::command::journal::{Journal, PoolChanges, Unread};
use redis_stock::command::spec::Call;
use redis_stock::command::TABLE;
use redis_stock::core::codec::Loader;
use redis_stock::core::model::context::Defaults;
use redis_stock::core::model::event::{EntryId, StreamPosition};
use redis_stock::core::model::pool::Pool;
use redis_stock::core::model::time::Clock;
use redis_stock::core::stored_pool::StoredPool;
use redis_stock::core::verify::verify;

use crate::reply::Reply;

/// Keys and pools.
#[derive(Default)]
pub struct Keys {
    names: BTreeMap<Vec<u8>, usize>,
    values: Vec<StoredPool>,
    /// Entries, stream by stream.
    pub streams: BTreeMap<Vec<u8>, Stream>,
    /// No stream takes an entry.
    pub stream_unreachable: bool,
    /// Entries are kept, and their ids must grow: for hosts that have seen all of their streams.
    pub strict: bool,
}

/// One entry of an event stream, as its reader sees it.
pub type Fields = BTreeMap<&'static str, String>;

/// An event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub last: u64,
    pub entries: Vec<(u64, Fields)>,
}

impl Keyspace for Keys {
    fn open(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError> {
        match self.open_any(key)? {
            Some(handle) if self.stored(handle).pool().is_none() => Err(OpenError::Partial),
            Some(handle) if self.stored(handle).is_broken() => Err(OpenError::Broken),
            handle => Ok(handle),
        }
    }
    fn open_any(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError> {
        Ok(self.names.get(key).map(|&at| Handle(at)))
    }
    fn pool(&self, handle: Handle) -> &Pool {
        self.stored(handle).pool().expect("a pool that is whole")
    }
    fn pool_mut(&mut self, handle: Handle) -> &mut Pool {
        self.stored_mut(handle).pool_mut().expect("a pool that is whole")
    }
    fn stored(&self, handle: Handle) -> &StoredPool {
        &self.values[handle.0]
    }
    fn stored_mut(&mut self, handle: Handle) -> &mut StoredPool {
        &mut self.values[handle.0]
    }
    fn create(&mut self, key: &[u8], stored: StoredPool) -> Handle {
        if let Some(&at) = self.names.get(key) {
            self.values[at] = stored;
            return Handle(at);
        }
        self.names.insert(key.to_vec(), self.values.len());
        self.values.push(stored);
        Handle(self.values.len() - 1)
    }
    fn remove(&mut self, handle: Handle) {
        self.names.retain(|_, at| *at != handle.0);
    }
    fn append(&mut self, pool: Handle, stream: &[u8], at: Append, entry: &StreamEntry<'_>) -> Option<StreamPosition> {
        if self.stream_unreachable && matches!(at, Append::End { .. }) {
            return None;
        }
        let name = self.names.iter().find(|(_, &at)| at == pool.0).map(|(name, _)| name.escape_ascii().to_string());
        let stream = self.streams.entry(stream.to_vec()).or_default();
        let seq = match at {
            Append::End { .. } => stream.last + 1,
            Append::At(place) => place.id.seq,
        };
        if self.strict && seq <= stream.last {
            return None;
        }
        stream.last = stream.last.max(seq);
        if !self.strict {
            return Some(StreamPosition { id: EntryId { ms: 0, seq }, length: None });
        }
        if entry.packed {
            let key = self.names.iter().find(|(_, &at)| at == pool.0).map(|(name, _)| name.clone()).unwrap_or_default();
            let mut text = Vec::new();
            pack(&mut text, entry, &key, 0);
            stream.entries.push((seq, unpacked(&text)));
            return Some(position(seq));
        }
        let fields = entry.fields.iter().map(|&(field, value)| {
            let value = match value {
                FieldValue::Word(word) => word.to_string(),
                FieldValue::Key => name.clone().unwrap_or_default(),
                FieldValue::Db => "0".to_string(),
                FieldValue::Int(number) => number.to_string(),
                FieldValue::Epoch(epoch) => format!("{epoch:016x}"),
                FieldValue::Bytes(bytes) => bytes.escape_ascii().to_string(),
            };
            (StreamField::NAMES[field as usize], value)
        });
        stream.entries.push((seq, fields.collect()));
        Some(position(seq))
    }
    fn check_stream(&mut self, _: &[u8], stream: &[u8]) -> Result<(), StreamDenied> {
        if stream == b"forbidden" {
            return Err(StreamDenied::NoPermission);
        }
        Ok(())
    }
}

/// Where a strict stream puts the entry of this number.
fn position(seq: u64) -> StreamPosition {
    StreamPosition {
        id: EntryId { ms: u64::MAX - (1 << 40) + seq / 3, seq },
        length: seq.is_multiple_of(5).then_some(seq),
    }
}

/// The fields of a packed entry, and `v`, its version.
fn unpacked(text: &[u8]) -> Fields {
    let json: serde_json::Value = serde_json::from_slice(text).expect("an entry is JSON");
    let all = json.as_object().expect("an object").iter().map(|(name, value)| {
        let name = StreamField::NAMES.into_iter().chain(["v"]).find(|known| known == name).expect("a known field");
        let text = match value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.as_bytes().escape_ascii().to_string(),
            serde_json::Value::Object(object) if name != "for" => {
                let text = object["base64"].as_str().expect("base64");
                let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
                bytes.escape_ascii().to_string()
            }
            other => other.to_string().as_bytes().escape_ascii().to_string(),
        };
        (name, text)
    });
    all.collect()
}

/// Collects an answer as a tree.
#[derive(Default)]
struct Tree {
    done: Vec<Reply>,
    open: Vec<(Reply, usize)>,
}

impl Tree {
    fn add(&mut self, reply: Reply) {
        match self.open.last_mut() {
            None => self.done.push(reply),
            Some((Reply::Array(items), _)) => items.push(reply),
            Some((Reply::Map(pairs), left)) => {
                if *left % 2 == 0 {
                    pairs.push((reply, Reply::Nil));
                } else if let Some(last) = pairs.last_mut() {
                    last.1 = reply;
                }
            }
            Some(_) => unreachable!(),
        }
        if let Some((_, left)) = self.open.last_mut() {
            *left -= 1;
        }
        self.close();
    }

    fn close(&mut self) {
        while self.open.last().is_some_and(|(_, left)| *left == 0) {
            if let Some((reply, _)) = self.open.pop() {
                self.add(reply);
            }
        }
    }
}

impl Out for Tree {
    fn array(&mut self, len: usize) {
        self.open.push((Reply::Array(Vec::new()), len));
        self.close();
    }
    fn map(&mut self, len: usize) {
        self.open.push((Reply::Map(Vec::new()), len * 2));
        self.close();
    }
    fn int(&mut self, value: i64) {
        self.add(Reply::Int(value));
    }
    fn ok(&mut self) {
        self.add(Reply::Status("OK".into()));
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.add(Reply::Bulk(bytes.to_vec()));
    }
    fn nil(&mut self) {
        self.add(Reply::Nil);
    }
    fn error(&mut self, text: &str) {
        self.add(Reply::Error(text.to_owned()));
    }
}

/// A server of one process: keys, parameters, chance.
pub struct Host {
    pub keys: Keys,
    pub defaults: Defaults,
    pub promotion: u64,
    chance: Cell<u64>,
    journal: Journal,
    /// Effects may not fit (damaged ones do not).
    pub tolerant: bool,
    /// The event stream of the server.
    pub feed: Option<Vec<u8>>,
}

impl Host {
    pub fn new(seed: u64) -> Self {
        let chance = Cell::new(seed | 1);
        Self {
            keys: Keys::default(),
            defaults: Defaults::default(),
            promotion: 1,
            chance,
            journal: Journal::default(),
            tolerant: false,
            feed: None,
        }
    }

    /// Runs a call as the server does. The answer, and what it would replicate.
    pub fn call(&mut self, now_ms: i64, origin: Origin, argv: &[Vec<u8>]) -> (Reply, Vec<Vec<Vec<u8>>>) {
        let args: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        let name = args.first().map(|n| n.to_ascii_uppercase()).unwrap_or_default();
        let Some(spec) = TABLE.iter().find(|s| s.name.as_bytes() == name) else {
            return (Reply::Error("ERR unknown command".into()), Vec::new());
        };
        let arity = i32::try_from(args.len()).unwrap_or(i32::MAX);
        if (spec.arity >= 0 && arity != spec.arity) || arity < -spec.arity {
            return (Reply::Error("ERR wrong number of arguments".into()), Vec::new());
        }
        self.journal.clear();
        let mut tree = Tree::default();
        let chance = &self.chance;
        let entropy = || {
            chance.set(chance.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
            chance.get()
        };
        let env = Env {
            clock: Clock { now_ms, grace: false },
            defaults: self.defaults,
            promotion: self.promotion,
            entropy: &entropy,
            origin,
            events: EventConfig { default_stream: self.feed.as_deref(), max_len: 0 },
        };
        let mut call =
            Call { args: &args, env: &env, keys: &mut self.keys, journal: &mut self.journal, out: &mut tree };
        let result = (spec.run)(&mut call);
        assert!(self.tolerant || self.journal.divergences == 0, "what the primary did fits: {name:?}");
        let mut replicated = Vec::new();
        let changed = self.journal.changed();
        if origin == Origin::Client && !changed.is_empty() {
            let key = |handle: Handle| self.keys.names.iter().find(|(_, &at)| at == handle.0).map(|(k, _)| k.clone());
            let name = if changed.len() == 1 { "STOCK.EFFECT" } else { "STOCK.MEFFECT" };
            let pairs = changed.iter().map(|one| [key(one.handle).unwrap_or_default(), one.effect.clone()]);
            replicated.push(std::iter::once(name.into()).chain(pairs.flatten()).collect());
        }
        let reply = match result {
            Ok(()) => {
                assert!(tree.open.is_empty() && tree.done.len() == 1, "one whole answer: {argv:?}");
                tree.done.remove(0)
            }
            Err(error) => {
                assert!(tree.open.is_empty() && tree.done.is_empty(), "an error comes before any answer");
                Reply::Error(match error {
                    CommandError::Arity => "ERR wrong number of arguments".into(),
                    CommandError::Line(line) => line.into_owned(),
                })
            }
        };
        (reply, replicated)
    }

    /// Another one in the same state.
    pub fn twin(&self) -> Self {
        let keys = Keys {
            names: self.keys.names.clone(),
            values: self.keys.values.clone(),
            streams: self.keys.streams.clone(),
            stream_unreachable: self.keys.stream_unreachable,
            strict: self.keys.strict,
        };
        Self {
            keys,
            defaults: self.defaults,
            promotion: self.promotion,
            chance: self.chance.clone(),
            journal: Journal::default(),
            tolerant: self.tolerant,
            feed: self.feed.clone(),
        }
    }

    /// The pools that the last call changed, and says so.
    pub fn changes(&self) -> &[PoolChanges] {
        self.journal.changed()
    }

    /// How much of the last call did not fit.
    pub fn divergences(&self) -> u64 {
        self.journal.divergences
    }

    /// What the last call could not read.
    pub fn unread(&self) -> Option<Unread> {
        self.journal.unread
    }

    /// Random numbers of its own, for one that was a twin.
    pub fn reseed(&self, seed: u64) {
        self.chance.set(seed | 1);
    }

    /// A pool, where it is there.
    pub fn find(&self, key: &[u8]) -> Option<&Pool> {
        self.keys.names.get(key).and_then(|&at| self.keys.values[at].pool())
    }

    /// A pool that is there.
    pub fn pool(&self, key: &[u8]) -> &Pool {
        self.find(key).expect("a pool that is there")
    }

    /// A pool that is there, to be changed past all rules.
    pub fn pool_mut(&mut self, key: &[u8]) -> &mut Pool {
        self.keys.values[self.keys.names[key]].pool_mut().expect("a pool that is there")
    }

    /// Every difference that VERIFY finds.
    pub fn verify(&self) -> Vec<String> {
        let pools = self.keys.names.values().filter_map(|&at| self.keys.values[at].pool());
        pools.flat_map(verify).collect()
    }

    /// The state as bytes, key by key.
    pub fn state(&self) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
        let bytes = |stored: &StoredPool| {
            let mut chunks = Vec::new();
            stored.save(&mut |chunk| chunks.push(chunk.to_vec()));
            chunks
        };
        self.keys.names.iter().map(|(name, &at)| (name.clone(), bytes(&self.keys.values[at]))).collect()
    }

    /// A restart: every value through its encoding.
    pub fn reload(&mut self) {
        for stored in &mut self.keys.values {
            let mut loader = Loader::new();
            stored.save(&mut |chunk| {
                if let Err(damage) = loader.feed(chunk) {
                    panic!("what was saved is read: {damage}");
                }
            });
            *stored = match stored {
                StoredPool::Partial(_) => StoredPool::Partial(Box::new(loader)),
                StoredPool::Complete(_) => StoredPool::Complete(
                    loader.finish().unwrap_or_else(|damage| panic!("what was saved is whole: {damage}")),
                ),
            };
        }
    }
}
