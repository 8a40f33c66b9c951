//! What a command needs from its surroundings, as traits: the server in production, plain maps in
//! tests.

use super::event::StreamEntry;
use super::hot_keys::HotKey;
use super::pool_stats::PoolStats;
use crate::core::model::context::Defaults;
use crate::core::model::event::StreamPosition;
use crate::core::model::pool::Pool;
use crate::core::model::time::Clock;
use crate::core::stored_pool::StoredPool;

/// A key that is open during one call. Valid only for the [`Keyspace`] that returned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub usize);

/// Why a key was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It holds a value of another type.
    WrongType,
    /// The hash slot is being migrated, and the event stream of the pool is on the other node.
    SlotMoving,
    /// It holds a partial pool: more pieces must come by `STOCK.LOAD`.
    Partial,
    /// An internal error has left the pool half changed: [`Pool::is_broken`].
    Broken,
}

/// Why a pool may not publish its changes to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamDenied {
    /// The user of the caller may not write to it.
    NoPermission,
    /// The key holds another type.
    WrongType,
    /// It is in another hash slot than the pool.
    OtherSlot,
    /// The hash slot is being migrated, and the stream is on the other node.
    SlotMoving,
}

/// Where to append an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// At the end, under a new id. Trims the stream to about `max_len` entries.
    End {
        /// The greatest length of the stream; 0 = no bound.
        max_len: u64,
    },
    /// Under the id that the primary gave it.
    At(StreamPosition),
}

/// The keys that a call may use: those of its key specs, and the event streams of their pools.
pub trait Keyspace {
    /// Opens a pool for the access that the command declares. `None`: there is no such key. Opening
    /// a key twice in one call that writes returns the same handle.
    ///
    /// # Errors
    /// [`OpenError::WrongType`], [`OpenError::Partial`], [`OpenError::Broken`]; for a write also
    /// [`OpenError::SlotMoving`].
    fn open(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError>;
    /// Opens a key with a complete or partial pool (for `STOCK.LOAD` only).
    ///
    /// # Errors
    /// [`OpenError::WrongType`].
    fn open_any(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError>;
    /// The pool behind a handle.
    fn pool(&self, handle: Handle) -> &Pool;
    /// The pool behind a handle, for `commit` only.
    fn pool_mut(&mut self, handle: Handle) -> &mut Pool;
    /// The complete or partial pool behind a handle.
    fn stored(&self, handle: Handle) -> &StoredPool;
    /// The complete or partial pool behind a handle, for `STOCK.LOAD` only.
    fn stored_mut(&mut self, handle: Handle) -> &mut StoredPool;
    /// Sets the value of a key that [`Keyspace::open`] found empty. `STOCK.LOAD` also replaces a
    /// value.
    fn create(&mut self, key: &[u8], stored: StoredPool) -> Handle;
    /// Removes a key (for `STOCK.LOAD` only). The handle is not valid any more.
    fn remove(&mut self, handle: Handle);
    /// Appends an entry to the event stream of a pool, and returns its position. `None`: the stream
    /// did not take it, and is unchanged.
    fn append(&mut self, pool: Handle, stream: &[u8], at: Append, entry: &StreamEntry<'_>) -> Option<StreamPosition>;
    /// How calls on a pool were answered. `None`: nothing was counted.
    fn stats(&self, _pool: Handle) -> Option<&PoolStats> {
        None
    }
    /// The keys that were called most in the last minute, in no order.
    fn hot_keys(&self, _now_ms: i64) -> Vec<HotKey> {
        Vec::new()
    }
    /// The policy of a pool was changed: it may publish its changes elsewhere from now on.
    fn policy_changed(&mut self, _pool: Handle) {}
    /// Checks that the caller may let the pool of a key publish to this stream. The key was opened;
    /// the pool may be one that is still to be created.
    ///
    /// # Errors
    /// Each of [`StreamDenied`].
    fn check_stream(&mut self, key: &[u8], stream: &[u8]) -> Result<(), StreamDenied>;
}

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client, a script or a module.
    Client,
    /// The primary, or the append-only file: what it says has happened, and is applied.
    Replication,
    /// A slot import: as replication, but the source still has the data. An error cancels the
    /// migration.
    SlotImport,
}

/// The surroundings of a call. Time, configuration and random numbers enter here and nowhere else.
pub struct Env<'a> {
    /// The time of this call, read once.
    pub clock: Clock,
    /// The parameters of the server, for what the policy of a pool leaves open.
    pub defaults: Defaults,
    /// Number of the current promotion of this process, from 1. A pool that was last changed under
    /// another one gets a new epoch with its next change.
    pub promotion: u64,
    /// Random numbers: pool salts and epochs.
    pub entropy: &'a dyn Fn() -> u64,
    /// Where the call comes from.
    pub origin: Origin,
    /// The parameters of event streams.
    pub events: EventConfig<'a>,
}

/// The parameters of event streams.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventConfig<'a> {
    /// The stream of pools whose policy names none.
    pub default_stream: Option<&'a [u8]>,
    /// The length, in entries, to which streams are trimmed; 0 = no bound.
    pub max_len: u64,
}

/// Receives a reply, element by element in the order of the protocol.
pub trait Out {
    /// Begins an array of `len` elements.
    fn array(&mut self, len: usize);
    /// Begins a map of `len` pairs (a flat array in RESP2).
    fn map(&mut self, len: usize);
    /// An integer.
    fn int(&mut self, value: i64);
    /// `OK` alone, as SET answers it: the only status reply. Client libraries turn status replies
    /// into `true` or objects, so the first word of an array is a bulk string.
    fn ok(&mut self);
    /// A bulk string of any bytes.
    fn bulk(&mut self, bytes: &[u8]);
    /// A bulk string that is one of [`super::reply::WORDS`], or any other word that never changes.
    fn word(&mut self, word: &'static str) {
        self.bulk(word.as_bytes());
    }
    /// `[SOLDOUT, key, 0]`, if it is ready as a whole; false, and nothing is replied, if not.
    fn sold_out(&mut self, _key: &[u8]) -> bool {
        false
    }
    /// The null of the protocol version.
    fn nil(&mut self);
    /// An error of this text as one element of an array: of one order of many. A call that fails
    /// as a whole returns its error instead.
    fn error(&mut self, text: &str);
}

impl dyn Out + '_ {
    /// The name of a field of a map; its value follows.
    pub fn field(&mut self, name: &str) -> &mut Self {
        self.bulk(name.as_bytes());
        self
    }

    /// An integer, or the null.
    pub fn int_or_nil(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.int(value),
            None => self.nil(),
        }
    }

    /// An integer that cannot be negative.
    pub fn count(&mut self, count: u64) {
        self.int(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An array of `len` bulk strings.
    pub fn bulks<'v>(&mut self, len: usize, values: impl Iterator<Item = &'v [u8]>) {
        self.array(len);
        values.for_each(|value| self.bulk(value));
    }
}
