//! What a command needs from the world around it, as traits: the server in production, plain maps in tests.

use crate::core::codec::Loader;
use crate::core::pool::Pool;
use crate::core::time::Clock;
use crate::core::Defaults;

/// A pool that is open for the duration of one call. Valid only for the [`Keyspace`] that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub usize);

/// The key holds a value of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// The keys that a call may touch: those that its key specs declare, and no others.
pub trait Keyspace {
    /// Opens a key for the access that the command declared. `None`: there is no such key.
    /// Opening the same key twice in one call gives the same handle.
    ///
    /// # Errors
    /// The key holds another type.
    fn open(&mut self, key: &[u8]) -> Result<Option<Handle>, WrongType>;
    /// The pool behind a handle.
    fn pool(&self, handle: Handle) -> &Pool;
    /// The pool behind a handle, to be changed by the commit point only.
    fn pool_mut(&mut self, handle: Handle) -> &mut Pool;
    /// Makes a key that [`Keyspace::open`] found empty hold this pool; replaces a pool that is there (load form only).
    fn create(&mut self, key: &[u8], pool: Pool) -> Handle;
    /// The load of this key that is under way (`STOCK.LOAD`, which arrives in pieces).
    fn loader(&mut self, key: &[u8]) -> &mut Option<Loader>;
}

/// Where a call comes from: what may be replayed is accepted from the log only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client, a script or a module: decides anew, on a primary.
    Client,
    /// The primary, the append-only file or a slot import: what it says has happened.
    Log,
}

/// What a call may know of its surroundings. Time, configuration and chance enter here and nowhere else.
pub struct Env<'a> {
    /// The time of this call, read once.
    pub clock: Clock,
    /// The parameters of the server, for what a pool's policy leaves open.
    pub defaults: Defaults,
    /// Which reign of this process as primary it is (never 0): a pool last changed in another one brings in a new epoch.
    pub reign: u64,
    /// Random numbers: pool salts and epochs.
    pub entropy: &'a dyn Fn() -> u64,
    /// Who calls.
    pub origin: Origin,
}

/// Where the answer is written, in the order of the protocol.
pub trait Out {
    /// Begins an array of `len` elements.
    fn array(&mut self, len: usize);
    /// Begins a map of `len` pairs (a flat array in RESP2).
    fn map(&mut self, len: usize);
    /// An integer.
    fn int(&mut self, value: i64);
    /// A simple string; ASCII without CR, LF or NUL.
    fn status(&mut self, word: &'static str);
    /// A bulk string of any bytes.
    fn bulk(&mut self, bytes: &[u8]);
    /// The null of the protocol version.
    fn nil(&mut self);
}
