//! What a command needs from the world around it, as traits: the server in production, plain maps in tests.

use super::event::StreamEntry;
use crate::core::model::context::Defaults;
use crate::core::model::event::Place;
use crate::core::model::pool::Pool;
use crate::core::model::time::Clock;
use crate::core::stored_pool::Contents;

/// A pool that is open for the duration of one call. Valid only for the [`Keyspace`] that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub usize);

/// Why a key is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It holds a value of another type.
    WrongType,
    /// The pool's event stream is on another node while its slot moves.
    SlotMoving,
    /// Its pool is not whole yet.
    Partial,
}

/// Why a pool may not tell of its changes in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamDenied {
    /// The caller may not write to it.
    NoPermission,
    /// The key holds no stream.
    WrongType,
    /// It is in another slot of the cluster.
    OtherSlot,
    /// It is on another node while the slot moves.
    SlotMoving,
}

/// Where an entry is to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// At the end; the stream is then kept at about so many entries, 0 = all of them.
    End {
        /// The most entries.
        max_len: u64,
    },
    /// Where the primary has it.
    At(Place),
}

/// The keys that a call may touch: those that its key specs declare, and the event streams of their pools.
pub trait Keyspace {
    /// Opens a key for the access that the command declared. `None`: there is no such key.
    /// Opening the same key twice in one call gives the same handle.
    ///
    /// # Errors
    /// The key holds another type, its pool is not whole yet, or what its pool must write to is elsewhere.
    fn open(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError>;
    /// Opens a key, whether its pool is whole or still arrives (load form only).
    ///
    /// # Errors
    /// The key holds another type.
    fn open_any(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError>;
    /// The pool behind a handle.
    fn pool(&self, handle: Handle) -> &Pool;
    /// The pool behind a handle, to be changed by the commit point only.
    fn pool_mut(&mut self, handle: Handle) -> &mut Pool;
    /// What is behind a handle.
    fn contents(&self, handle: Handle) -> &Contents;
    /// What is behind a handle, to be changed by the load form only.
    fn contents_mut(&mut self, handle: Handle) -> &mut Contents;
    /// Makes a key that [`Keyspace::open`] found empty hold this; replaces what is there (load form only).
    fn create(&mut self, key: &[u8], contents: Contents) -> Handle;
    /// Removes a key (load form only). The handle is of no use any more.
    fn remove(&mut self, handle: Handle);
    /// Appends an entry to an event stream, and says where it is. `None`: it could not be written, which changes nothing else.
    fn append(&mut self, pool: Handle, stream: &[u8], at: Append, entry: &StreamEntry<'_>) -> Option<Place>;
    /// Whether the caller may let this pool tell of its changes in this stream.
    ///
    /// # Errors
    /// Why not.
    fn check_stream(&mut self, pool: Handle, stream: &[u8]) -> Result<(), StreamDenied>;
}

/// Where a call comes from: what may be replayed is accepted from the log only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client, a script or a module: decides anew, on a primary.
    Client,
    /// The primary or the append-only file: what it says has happened.
    Replication,
    /// A slot import: as the log, but the source still has what it sends. An error calls the move off.
    SlotImport,
}

/// What a call may know of its surroundings. Time, configuration and chance enter here and nowhere else.
pub struct Env<'a> {
    /// The time of this call, read once.
    pub clock: Clock,
    /// The parameters of the server, for what a pool's policy leaves open.
    pub defaults: Defaults,
    /// Number of the current promotion of this process, from 1. A pool that was last changed under another one gets a
    /// new epoch with its next change.
    pub promotion: u64,
    /// Random numbers: pool salts and epochs.
    pub entropy: &'a dyn Fn() -> u64,
    /// Who calls.
    pub origin: Origin,
    /// Where pools tell of their changes whose policy does not say.
    pub events: EventConfig<'a>,
}

/// The event stream of the server.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventConfig<'a> {
    /// Its key.
    pub default_stream: Option<&'a [u8]>,
    /// How many entries every stream keeps, about; 0 = all.
    pub max_len: u64,
}

/// Where the answer is written, in the order of the protocol.
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
    /// The null of the protocol version.
    fn nil(&mut self);
}
