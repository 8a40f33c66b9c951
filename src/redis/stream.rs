//! Event streams: entries are appended to ordinary streams of the server, in the same step as the
//! change that they describe.

use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int, c_long, c_longlong};

use arrayvec::ArrayVec;
use redis_module::raw;
use smallvec::SmallVec;

use super::api::{self, Ctx};
use super::handles::{CallReply, KeyHandle, ModuleUser, OwnedString};
use super::locked::Locked;
use super::open_key::OpenKey;
use super::state;
use crate::command::event::{hex, pack, FieldValue, StreamEntry, StreamField, FIELDS, PACKED};
use crate::command::host::{Append, StreamDenied};
use crate::core::model::event::{EntryId, StreamPosition};

/// A stream is trimmed each time its length is a multiple of this: the server drops whole nodes.
const TRIM_EVERY: u64 = 32;

/// The streams that one call has written to.
pub struct Streams<'c> {
    ctx: Ctx<'c>,
    open: SmallVec<[OpenStream; 1]>,
}

struct OpenStream {
    /// Closed before the name is freed: fields are dropped in this order.
    handle: KeyHandle,
    name: OwnedString,
    written: bool,
}

impl<'c> Streams<'c> {
    /// No stream is open yet.
    pub fn new(ctx: Ctx<'c>) -> Self {
        Self { ctx, open: SmallVec::new() }
    }

    /// Appends an entry, and returns its position. `None`: the stream does not take it (the key
    /// holds another type, its last id is the largest possible, or it is in another slot).
    pub fn append(
        &mut self,
        pool: &OpenKey,
        stream: &[u8],
        at: Append,
        entry: &StreamEntry<'_>,
    ) -> Option<StreamPosition> {
        if pool.stream_unreachable && matches!(at, Append::End { .. }) {
            return None;
        }
        let db = pool.db();
        let open = self.open(stream)?;
        let mut id = raw::RedisModuleStreamID { ms: 0, seq: 0 };
        let mut flags = raw::REDISMODULE_STREAM_ADD_AUTOID as c_int;
        if let Append::At(position) = at {
            id = raw::RedisModuleStreamID { ms: position.id.ms, seq: position.id.seq };
            flags = 0;
        }
        let key = open.handle.as_ptr();
        let added = with_strings(pool, db, entry, |strings| {
            let fields = (strings.len() / 2) as c_long;
            // SAFETY: the key and all strings are live; there are two strings for each field.
            unsafe { api!(RedisModule_StreamAdd(key, flags, &mut id, strings.as_mut_ptr(), fields)) == api::OK }
        });
        if !added {
            return None;
        }
        open.written = true;
        let length = match at {
            Append::End { max_len: 0 } | Append::At(StreamPosition { length: None, .. }) => None,
            Append::End { max_len } => trim(key, max_len),
            Append::At(StreamPosition { length: Some(length), .. }) => {
                trim_to(key, 0, length);
                Some(length)
            }
        };
        Some(StreamPosition { id: EntryId { ms: id.ms, seq: id.seq }, length })
    }

    /// The stream, open for writing. `None`: the key holds another type.
    fn open(&mut self, stream: &[u8]) -> Option<&mut OpenStream> {
        let known = self.open.iter().position(|open| open.name.bytes() == stream);
        let index = known.unwrap_or_else(|| {
            let name = stream_name(stream);
            let mode = raw::REDISMODULE_READ | raw::REDISMODULE_WRITE;
            // SAFETY: the name is live; the handle is dropped with the keys of the call.
            let handle = unsafe { KeyHandle::open(self.ctx, name.as_ptr(), mode) };
            self.open.push(OpenStream { handle, name, written: false });
            self.open.len().saturating_sub(1)
        });
        let open = self.open.get_mut(index)?;
        matches!(open.handle.kind(), raw::REDISMODULE_KEYTYPE_STREAM | raw::REDISMODULE_KEYTYPE_EMPTY).then_some(open)
    }
}

impl Drop for Streams<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.open.is_empty() {
            self.close();
        }
    }
}

impl Streams<'_> {
    /// Closes the streams, by which blocked readers are served, then signals and announces them.
    #[cold]
    fn close(&mut self) {
        for mut open in self.open.drain(..) {
            open.handle = KeyHandle::closed();
            if open.written && !std::thread::panicking() {
                let class = raw::REDISMODULE_NOTIFY_STREAM as c_int;
                // SAFETY: the context and the name are live.
                unsafe {
                    api!(RedisModule_SignalModifiedKey(self.ctx.raw(), open.name.as_ptr()));
                    api!(RedisModule_NotifyKeyspaceEvent(self.ctx.raw(), class, c"xadd".as_ptr(), open.name.as_ptr()));
                }
            }
        }
    }
}

/// Trims a stream to about `max_len` entries. Returns its length if it was trimmed.
fn trim(key: *mut raw::RedisModuleKey, max_len: u64) -> Option<u64> {
    let before = length(key);
    if before <= max_len || !before.is_multiple_of(TRIM_EVERY) {
        return None;
    }
    trim_to(key, raw::REDISMODULE_STREAM_TRIM_APPROX as c_int, max_len).then(|| length(key))
}

fn length(key: *mut raw::RedisModuleKey) -> u64 {
    // SAFETY: the handle is live.
    unsafe { api!(RedisModule_ValueLength(key)) as u64 }
}

fn trim_to(key: *mut raw::RedisModuleKey, flags: c_int, length: u64) -> bool {
    let length = c_longlong::try_from(length).unwrap_or(c_longlong::MAX);
    // SAFETY: the handle is live, and open for writing.
    unsafe { api!(RedisModule_StreamTrimByLength(key, flags, length)) > 0 }
}

/// Small numbers have strings of their own: most quantities are small.
const SMALL_NUMBERS: usize = 1_024;

/// Strings that entries share. The server copies what it stores. None is replaced while the server
/// uses it, since writes do not nest (see `OpenKeys`).
struct SharedStrings {
    names: [OwnedString; FIELDS],
    words: Vec<(&'static str, OwnedString)>,
    small_numbers: Vec<OwnedString>,
    epoch: (u64, OwnedString),
    /// The name of the stream that was written to last.
    stream: OwnedString,
    /// The call that a user must be allowed who names a stream; its key stands between the two.
    set_policy: [OwnedString; 2],
    /// The last number of each field that was not a small one: most balances stay as they are from
    /// one change to the next, and many changes share a time.
    recent: [Option<(i64, OwnedString)>; FIELDS],
    /// The name of the one field of a packed entry.
    packed_name: OwnedString,
    /// Buffer for what is in it.
    packed: Vec<u8>,
}

/// The most bytes of the buffer for packed entries that stay allocated.
const MAX_PACKED_KEPT: usize = 16 * 1024;

static SHARED: Locked<Option<SharedStrings>> = Locked::new(None);

impl SharedStrings {
    fn new() -> Self {
        Self {
            names: StreamField::NAMES.map(|name| OwnedString::new(name.as_bytes())),
            words: Vec::new(),
            small_numbers: (0..SMALL_NUMBERS).map(|n| OwnedString::new(n.to_string().as_bytes())).collect(),
            epoch: (0, OwnedString::new(b"0000000000000000")),
            stream: OwnedString::new(b""),
            set_policy: [b"STOCK.SETPOLICY".as_slice(), b"{}"].map(OwnedString::new),
            packed_name: OwnedString::new(PACKED.as_bytes()),
            packed: Vec::new(),
            recent: [const { None }; FIELDS],
        }
    }

    fn stream(&mut self, name: &[u8]) -> OwnedString {
        if self.stream.bytes() != name {
            self.stream = OwnedString::new(name);
        }
        self.stream.share()
    }

    fn word(&mut self, word: &'static str) -> *mut raw::RedisModuleString {
        let known = self.words.iter().find(|(other, _)| std::ptr::eq(other.as_ptr(), word.as_ptr()));
        if let Some((_, string)) = known.filter(|(other, _)| other.len() == word.len()) {
            return string.as_ptr();
        }
        let string = OwnedString::new(word.as_bytes());
        let pointer = string.as_ptr();
        self.words.push((word, string));
        pointer
    }

    fn epoch(&mut self, epoch: u64) -> *mut raw::RedisModuleString {
        if self.epoch.0 != epoch {
            self.epoch = (epoch, OwnedString::new(&hex(epoch)));
        }
        self.epoch.1.as_ptr()
    }

    fn number(&mut self, field: StreamField, number: i64) -> *mut raw::RedisModuleString {
        if let Some(string) = usize::try_from(number).ok().and_then(|n| self.small_numbers.get(n)) {
            return string.as_ptr();
        }
        let recent = &mut self.recent[field as usize];
        match recent {
            Some((known, string)) if *known == number => string.as_ptr(),
            _ => recent.insert((number, OwnedString::of_number(number))).1.as_ptr(),
        }
    }
}

/// The name of a stream as a string of the server.
fn stream_name(stream: &[u8]) -> OwnedString {
    SHARED.with(|shared| shared.get_or_insert_with(SharedStrings::new).stream(stream))
}

/// Makes the strings of an entry, names and values in turn, and works on them. Strings that only
/// this entry has are freed afterwards.
fn with_strings<R>(
    pool: &OpenKey,
    db: i32,
    entry: &StreamEntry<'_>,
    work: impl FnOnce(&mut [*mut raw::RedisModuleString]) -> R,
) -> R {
    if entry.packed {
        return with_packed(pool, db, entry, work);
    }
    let mut strings: ArrayVec<*mut raw::RedisModuleString, { 2 * FIELDS }> = ArrayVec::new();
    let mut own: ArrayVec<OwnedString, FIELDS> = ArrayVec::new();
    SHARED.with(|shared| {
        let shared = shared.get_or_insert_with(SharedStrings::new);
        for &(field, value) in &entry.fields {
            let string = match value {
                FieldValue::Key => pool.name,
                FieldValue::Db => shared.number(field, i64::from(db)),
                FieldValue::Int(number) => shared.number(field, number),
                FieldValue::Word(word) => shared.word(word),
                FieldValue::Epoch(epoch) => shared.epoch(epoch),
                FieldValue::Bytes(bytes) => {
                    let string = OwnedString::new(bytes);
                    let pointer = string.as_ptr();
                    own.push(string);
                    pointer
                }
            };
            strings.push(shared.names[field as usize].as_ptr());
            strings.push(string);
        }
    });
    work(&mut strings)
}

/// As [`with_strings`], of a packed entry.
fn with_packed<R>(
    pool: &OpenKey,
    db: i32,
    entry: &StreamEntry<'_>,
    work: impl FnOnce(&mut [*mut raw::RedisModuleString]) -> R,
) -> R {
    let (name, value) = SHARED.with(|shared| {
        let shared = shared.get_or_insert_with(SharedStrings::new);
        pack(&mut shared.packed, entry, pool.name_bytes(), db);
        let value = OwnedString::new(&shared.packed);
        shared.packed.clear();
        shared.packed.shrink_to(MAX_PACKED_KEPT);
        (shared.packed_name.as_ptr(), value)
    });
    work(&mut [name, value.as_ptr()])
}

/// Whether a stream can be written to on this node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// It can.
    Reachable,
    /// Its slot is being migrated, and the stream may be on the other node.
    SlotMoving,
    /// It is not in the slot of the pool: the policy came from a server that is no cluster
    /// (RESTORE, a file).
    OtherSlot,
}

/// Whether the stream of a pool can be written to on this node of a cluster. If the stream is not
/// here, either nothing has been written to it yet, or its slot is being migrated: then the server
/// refuses a command on pool and stream together.
pub fn reachability(ctx: Ctx<'_>, pool: *mut raw::RedisModuleString, stream: &[u8]) -> Reachability {
    let name = OwnedString::new(stream);
    if kind(ctx, &name) != raw::REDISMODULE_KEYTYPE_EMPTY {
        Reachability::Reachable
    } else if !same_slot(ctx, pool, &name) {
        Reachability::OtherSlot
    } else if allows_both(ctx, pool, &name) {
        Reachability::Reachable
    } else {
        Reachability::SlotMoving
    }
}

/// Checks that the caller may let a pool publish to this stream. `command` is the name of the
/// command that is running, whose first argument is the pool. The stream is closed again: that the
/// pool is made is announced, and another module that hears of it may delete the stream.
///
/// # Errors
/// [`StreamDenied`]: `NoPermission`; `OtherSlot` of a cluster; `SlotMoving` where the slot is being
/// migrated and the stream is not here; `WrongType`.
pub fn check(
    ctx: Ctx<'_>,
    command: &[u8],
    pool: *mut raw::RedisModuleString,
    stream: &[u8],
    cluster: bool,
) -> Result<(), StreamDenied> {
    let name = stream_name(stream);
    if !may_write(ctx, command, pool, &name) {
        return Err(StreamDenied::NoPermission);
    }
    if cluster && !same_slot(ctx, pool, &name) {
        return Err(StreamDenied::OtherSlot);
    }
    match kind(ctx, &name) {
        raw::REDISMODULE_KEYTYPE_STREAM => Ok(()),
        raw::REDISMODULE_KEYTYPE_EMPTY if cluster && !allows_both(ctx, pool, &name) => Err(StreamDenied::SlotMoving),
        raw::REDISMODULE_KEYTYPE_EMPTY => Ok(()),
        _ => Err(StreamDenied::WrongType),
    }
}

/// The type of what a key holds.
fn kind(ctx: Ctx<'_>, name: &OwnedString) -> isize {
    // SAFETY: the name is live; the handle is dropped here.
    unsafe { KeyHandle::open(ctx, name.as_ptr(), raw::REDISMODULE_READ) }.kind()
}

/// Whether the server lets one command touch both keys on this node.
fn allows_both(ctx: Ctx<'_>, pool: *mut raw::RedisModuleString, stream: &OwnedString) -> bool {
    let (command, format) = (c"EXISTS".as_ptr(), c"Ess".as_ptr());
    // SAFETY: the context and both names are live; the format matches the arguments.
    let reply =
        unsafe { CallReply::from_raw(api!(RedisModule_Call(ctx.raw(), command, format, pool, stream.as_ptr()))) };
    reply.is_some_and(|reply| reply.integer().is_some())
}

fn same_slot(ctx: Ctx<'_>, pool: *mut raw::RedisModuleString, stream: &OwnedString) -> bool {
    slot(ctx, pool) == slot(ctx, stream.as_ptr())
}

/// The hash slot of a key.
fn slot(ctx: Ctx<'_>, name: *mut raw::RedisModuleString) -> Option<i64> {
    let keyslot: *const c_char = CStr::as_ptr(c"KEYSLOT");
    let (command, format) = (c"CLUSTER".as_ptr(), c"Ecs".as_ptr());
    // SAFETY: the context and the name are live; the format matches the arguments.
    let reply = unsafe { CallReply::from_raw(api!(RedisModule_Call(ctx.raw(), command, format, keyslot, name))) };
    reply?.integer()
}

/// Whether the user of the caller may write to a key. A caller without a user (another module) may
/// write to all.
fn may_write(ctx: Ctx<'_>, command: &[u8], pool: *mut raw::RedisModuleString, stream: &OwnedString) -> bool {
    let Some(user_name) = user_name(ctx, command, pool) else { return true };
    let Some(user) = ModuleUser::find(&user_name) else { return false };
    // Command and key together, as the server checks a call: one selector of the user must allow
    // both.
    SHARED.with(|shared| {
        let [command, policy] = &shared.get_or_insert_with(SharedStrings::new).set_policy;
        // SAFETY: all three strings are live.
        unsafe { user.may_call(&mut [command.as_ptr(), stream.as_ptr(), policy.as_ptr()]) }
    })
}

/// The name of the caller's user. `None`: the caller has none.
fn user_name(ctx: Ctx<'_>, command: &[u8], pool: *mut raw::RedisModuleString) -> Option<OwnedString> {
    // The server looks the id up among the clients that are connected, and answers nothing for one
    // without a user. Scripts and other modules call by clients of their own, which it does not
    // find by their ids.
    // SAFETY: the context is live; the string is ours to free.
    let connected = unsafe {
        let client = api!(RedisModule_GetClientId(ctx.raw()));
        let name = api!(RedisModule_GetClientUserNameById(ctx.raw(), client));
        (!name.is_null()).then(|| OwnedString::from_raw(name))
    };
    connected.or_else(|| {
        // SAFETY: the caller has a user; the string with its name is ours to free.
        has_user(ctx, command, pool)
            .then(|| unsafe { OwnedString::from_raw(api!(RedisModule_GetCurrentUserName(ctx.raw()))) })
    })
}

/// The argument of the call of [`has_user`], as MONITOR shows it.
const PROBE: &CStr = c"asks-for-user";

/// Whether the caller has a user at all. Asking for the name would crash the server if there is
/// none, so a call in the user's name asks first: of the command that is running, on the same pool.
/// The user may make it, so no denial is written to the ACL log; and it does nothing (`call::run`).
fn has_user(ctx: Ctx<'_>, command: &[u8], pool: *mut raw::RedisModuleString) -> bool {
    let Ok(command) = CString::new(command) else { return true };
    let (format, argument): (_, *const c_char) = (c"CEsc".as_ptr(), PROBE.as_ptr());
    state::with(|state| state.asks_for_user = true);
    // SAFETY: the context and the name are live; the format matches the arguments.
    let reply =
        unsafe { CallReply::from_raw(api!(RedisModule_Call(ctx.raw(), command.as_ptr(), format, pool, argument))) };
    state::with(|state| state.asks_for_user = false);
    reply.is_some_and(|reply| reply.integer().is_some())
}
