//! The event streams: entries are appended to ordinary streams of the server, in the same step as the change.

use std::ffi::CStr;
use std::os::raw::{c_int, c_longlong};

use redis_module::raw;
use smallvec::SmallVec;

use super::api::{self, Ctx};
use super::call::NESTED;
use super::keyspace::OpenKey;
use super::locked::Locked;
use crate::command::event::{FieldValue, StreamEntry, StreamField, FIELDS};
use crate::command::host::{Append, StreamDenied};
use crate::core::model::event::{EntryId, StreamPosition};

/// Entries beyond the bound that are kept until they are trimmed together: the server drops whole nodes of a stream.
const SLACK: u64 = 32;

/// The streams that one call has written to.
pub struct Streams<'c> {
    ctx: Ctx<'c>,
    open: SmallVec<[OpenStream; 1]>,
}

struct OpenStream {
    key: *mut raw::RedisModuleKey,
    name: *mut raw::RedisModuleString,
    written: bool,
}

impl<'c> Streams<'c> {
    /// None open yet.
    pub fn new(ctx: Ctx<'c>) -> Self {
        Self { ctx, open: SmallVec::new() }
    }

    /// Appends an entry. `None`: the server does not take it (the key holds something else, its last id is the
    /// largest that there is, or it is in another slot).
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
        let open = self.opened(stream)?;
        let mut id = raw::RedisModuleStreamID { ms: 0, seq: 0 };
        let mut flags = raw::REDISMODULE_STREAM_ADD_AUTOID as c_int;
        if let Append::At(place) = at {
            id = raw::RedisModuleStreamID { ms: place.id.ms, seq: place.id.seq };
            flags = 0;
        }
        let key = open.key;
        let added = with_strings(pool, db, entry, |strings| {
            let fields = (strings.len() / 2) as std::os::raw::c_long;
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

    /// The stream, open for writing. `None`: the key holds something else.
    fn opened(&mut self, stream: &[u8]) -> Option<&mut OpenStream> {
        // SAFETY: the names are ours until the call ends.
        let at = self.open.iter().position(|open| unsafe { api::bytes(open.name) } == stream);
        let at = match at {
            Some(at) => at,
            None => {
                let name = name_of(stream);
                let mode = raw::REDISMODULE_READ | raw::REDISMODULE_WRITE;
                // SAFETY: the context and the name are live; the handle is closed in `drop`.
                let key = unsafe { api!(RedisModule_OpenKey(self.ctx.raw(), name, mode as c_int)) };
                self.open.push(OpenStream { key, name, written: false });
                self.open.len().saturating_sub(1)
            }
        };
        let open = self.open.get_mut(at)?;
        // SAFETY: the handle is live.
        let kind = unsafe { api!(RedisModule_KeyType(open.key)) };
        let fits = kind == raw::REDISMODULE_KEYTYPE_STREAM as c_int || kind == raw::REDISMODULE_KEYTYPE_EMPTY as c_int;
        fits.then_some(open)
    }
}

impl Drop for Streams<'_> {
    /// Closes the streams, by which readers that wait are served, and says that they have changed.
    fn drop(&mut self) {
        for open in self.open.drain(..) {
            let class = raw::REDISMODULE_NOTIFY_STREAM as c_int;
            // SAFETY: the handle came from `RM_OpenKey` and is closed once; the name is ours, and freed last.
            unsafe {
                api!(RedisModule_CloseKey(open.key));
                if open.written && !std::thread::panicking() {
                    api!(RedisModule_SignalModifiedKey(self.ctx.raw(), open.name));
                    api!(RedisModule_NotifyKeyspaceEvent(self.ctx.raw(), class, c"xadd".as_ptr(), open.name));
                }
                api!(RedisModule_FreeString(std::ptr::null_mut(), open.name));
            }
        }
    }
}

/// Keeps a stream at about so many entries. Its length, where entries went.
fn trim(key: *mut raw::RedisModuleKey, most: u64) -> Option<u64> {
    let length = length(key);
    if length <= most || !length.is_multiple_of(SLACK) {
        return None;
    }
    trim_to(key, raw::REDISMODULE_STREAM_TRIM_APPROX as c_int, most).then(|| self::length(key))
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

/// Strings that entries have in common. They live as long as the process; the server copies what it stores. While it does, none
/// is replaced: writes do not nest (see `OpenKeys`).
struct Common {
    names: [*mut raw::RedisModuleString; FIELDS],
    words: Vec<(&'static str, *mut raw::RedisModuleString)>,
    numbers: Vec<*mut raw::RedisModuleString>,
    epoch: (u64, *mut raw::RedisModuleString),
    /// The name of the stream that was written to last.
    stream: *mut raw::RedisModuleString,
    /// The last number of each field that was not a small one: of the balances most stay as they are from one change to the
    /// next, and many changes have one time.
    recent: [(i64, *mut raw::RedisModuleString); FIELDS],
}

/// Small numbers, which most quantities are.
const NUMBERS: usize = 1_024;

static COMMON: Locked<Option<Common>> = Locked::new(None);

impl Common {
    fn new() -> Self {
        Self {
            names: StreamField::NAMES.map(|name| api::string(name.as_bytes())),
            words: Vec::new(),
            numbers: (0..NUMBERS).map(|n| api::string(n.to_string().as_bytes())).collect(),
            epoch: (0, api::string(b"0000000000000000")),
            stream: api::string(b""),
            recent: [(0, std::ptr::null_mut()); FIELDS],
        }
    }

    /// The name of a stream: one more reference, which the caller frees.
    fn stream(&mut self, name: &[u8]) -> *mut raw::RedisModuleString {
        // SAFETY: ours for as long as the process lives, or until it is replaced here; the server counts references.
        unsafe {
            if api::bytes(self.stream) != name {
                api!(RedisModule_FreeString(std::ptr::null_mut(), self.stream));
                self.stream = api::string(name);
            }
            api!(RedisModule_RetainString(std::ptr::null_mut(), self.stream));
        }
        self.stream
    }

    fn word(&mut self, word: &'static str) -> *mut raw::RedisModuleString {
        let known = self.words.iter().find(|(other, _)| std::ptr::eq(other.as_ptr(), word.as_ptr()));
        if let Some(&(_, string)) = known.filter(|(other, _)| other.len() == word.len()) {
            return string;
        }
        let string = api::string(word.as_bytes());
        self.words.push((word, string));
        string
    }

    fn epoch(&mut self, epoch: u64) -> *mut raw::RedisModuleString {
        if self.epoch.0 != epoch {
            let text = format!("{epoch:016x}");
            let old = std::mem::replace(&mut self.epoch, (epoch, api::string(text.as_bytes())));
            // SAFETY: it was ours, and the server keeps no string of an entry.
            unsafe { api!(RedisModule_FreeString(std::ptr::null_mut(), old.1)) };
        }
        self.epoch.1
    }

    fn number(&mut self, field: StreamField, number: i64) -> *mut raw::RedisModuleString {
        if let Some(&string) = usize::try_from(number).ok().and_then(|n| self.numbers.get(n)) {
            return string;
        }
        let recent = &mut self.recent[field as usize];
        if recent.1.is_null() || recent.0 != number {
            // SAFETY: without a context the string is ours.
            let string = unsafe { api!(RedisModule_CreateStringFromLongLong(std::ptr::null_mut(), number)) };
            let old = std::mem::replace(recent, (number, string)).1;
            if !old.is_null() {
                // SAFETY: it was ours, and the server keeps no string of an entry.
                unsafe { api!(RedisModule_FreeString(std::ptr::null_mut(), old)) };
            }
        }
        recent.1
    }

    /// The string of a field's value, and whether it is this entry's own.
    fn value(
        &mut self,
        pool: &OpenKey,
        db: i32,
        field: StreamField,
        value: FieldValue<'_>,
    ) -> (*mut raw::RedisModuleString, bool) {
        match value {
            FieldValue::Key => (pool.name, false),
            FieldValue::Db => (self.number(field, i64::from(db)), false),
            FieldValue::Int(number) => (self.number(field, number), false),
            FieldValue::Bytes(bytes) => (api::string(bytes), true),
            FieldValue::Word(word) => (self.word(word), false),
            FieldValue::Epoch(epoch) => (self.epoch(epoch), false),
        }
    }
}

/// The name of a stream as a string of the server, which the caller frees.
fn name_of(stream: &[u8]) -> *mut raw::RedisModuleString {
    COMMON.with(|common| common.get_or_insert_with(Common::new).stream(stream))
}

/// Makes the strings of an entry, names and values in turn, and frees those that only this entry has.
fn with_strings<R>(
    pool: &OpenKey,
    db: i32,
    entry: &StreamEntry<'_>,
    work: impl FnOnce(&mut [*mut raw::RedisModuleString]) -> R,
) -> R {
    let mut strings: arrayvec::ArrayVec<*mut raw::RedisModuleString, { 2 * FIELDS }> = arrayvec::ArrayVec::new();
    let mut own: arrayvec::ArrayVec<*mut raw::RedisModuleString, FIELDS> = arrayvec::ArrayVec::new();
    COMMON.with(|common| {
        let common = common.get_or_insert_with(Common::new);
        for &(field, value) in entry {
            let (string, is_own) = common.value(pool, db, field, value);
            if is_own {
                own.push(string);
            }
            strings.push(common.names[field as usize]);
            strings.push(string);
        }
    });
    let done = work(&mut strings);
    for string in own {
        // SAFETY: made above; the server has copied what it keeps.
        unsafe { api!(RedisModule_FreeString(std::ptr::null_mut(), string)) };
    }
    done
}

/// Whether a stream can be written to on this node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It can.
    Here,
    /// Its slot is half moved.
    Moving,
    /// It is not in the pool's slot: a policy that came from elsewhere (RESTORE, a file) names it.
    Never,
}

/// Whether a pool's stream can be written to on this node of a cluster. Where it is not here, it may be that it has never been
/// written to, or that its slot is half moved: then the server refuses a command on pool and stream together.
pub fn reach(ctx: Ctx<'_>, pool: *mut raw::RedisModuleString, stream: &[u8]) -> Reach {
    let name = api::string(stream);
    let reach = if kind(ctx, name) != raw::REDISMODULE_KEYTYPE_EMPTY as c_int {
        Reach::Here
    } else if slot(ctx, pool) != slot(ctx, name) {
        Reach::Never
    } else if together(ctx, pool, name) {
        Reach::Here
    } else {
        Reach::Moving
    };
    // SAFETY: made above.
    unsafe { api!(RedisModule_FreeString(std::ptr::null_mut(), name)) };
    reach
}

/// Whether the caller may let a pool tell of its changes in this stream.
pub fn check(
    ctx: Ctx<'_>,
    pool: *mut raw::RedisModuleString,
    stream: &[u8],
    cluster: bool,
) -> Result<(), StreamDenied> {
    let name = api::string(stream);
    let kind = kind(ctx, name);
    let denied = if !may_write(ctx, pool, name) {
        Some(StreamDenied::NoPermission)
    } else if cluster && slot(ctx, pool) != slot(ctx, name) {
        Some(StreamDenied::OtherSlot)
    } else if kind != raw::REDISMODULE_KEYTYPE_STREAM as c_int && kind != raw::REDISMODULE_KEYTYPE_EMPTY as c_int {
        Some(StreamDenied::WrongType)
    } else if cluster && kind == raw::REDISMODULE_KEYTYPE_EMPTY as c_int && !together(ctx, pool, name) {
        Some(StreamDenied::SlotMoving)
    } else {
        None
    };
    // SAFETY: made above.
    unsafe { api!(RedisModule_FreeString(std::ptr::null_mut(), name)) };
    denied.map_or(Ok(()), Err)
}

/// What a key holds.
fn kind(ctx: Ctx<'_>, name: *mut raw::RedisModuleString) -> c_int {
    // SAFETY: the context and the name are live; closing and the type take null as well.
    unsafe {
        let key = api!(RedisModule_OpenKey(ctx.raw(), name, raw::REDISMODULE_READ as c_int));
        let kind = api!(RedisModule_KeyType(key));
        api!(RedisModule_CloseKey(key));
        kind
    }
}

/// Whether the server lets one command touch both keys here.
fn together(ctx: Ctx<'_>, pool: *mut raw::RedisModuleString, stream: *mut raw::RedisModuleString) -> bool {
    // SAFETY: the context and both names are live; the format matches the arguments.
    integer(unsafe { api!(RedisModule_Call(ctx.raw(), c"EXISTS".as_ptr(), c"Ess".as_ptr(), pool, stream)) }).is_some()
}

/// The hash slot of a key.
fn slot(ctx: Ctx<'_>, name: *mut raw::RedisModuleString) -> Option<i64> {
    let keyslot: *const std::os::raw::c_char = CStr::as_ptr(c"KEYSLOT");
    // SAFETY: the context and the name are live; the format matches the arguments.
    integer(unsafe { api!(RedisModule_Call(ctx.raw(), c"CLUSTER".as_ptr(), c"Ecs".as_ptr(), keyslot, name)) })
}

/// An integer reply, which is freed.
fn integer(reply: *mut raw::RedisModuleCallReply) -> Option<i64> {
    if reply.is_null() {
        return None;
    }
    // SAFETY: the reply is ours until it is freed.
    unsafe {
        let is_integer = api!(RedisModule_CallReplyType(reply)) == raw::REDISMODULE_REPLY_INTEGER as c_int;
        let number = is_integer.then(|| api!(RedisModule_CallReplyInteger(reply)));
        api!(RedisModule_FreeCallReply(reply));
        number
    }
}

/// Whether the caller's user may write to a key. A caller without a user (another module) may do everything.
fn may_write(ctx: Ctx<'_>, pool: *mut raw::RedisModuleString, name: *mut raw::RedisModuleString) -> bool {
    if !has_user(ctx, pool) {
        return true;
    }
    // SAFETY: the caller has a user, whose name the server copies; the strings and the user are freed here.
    unsafe {
        let user_name = api!(RedisModule_GetCurrentUserName(ctx.raw()));
        let user = api!(RedisModule_GetModuleUserFromUserName(user_name));
        api!(RedisModule_FreeString(ctx.raw(), user_name));
        if user.is_null() {
            return false;
        }
        // Command and key together, as the server checks a call: one of the user's selectors must allow both.
        let (command, policy) = (api::string(b"STOCK.SETPOLICY"), api::string(b"{}"));
        let mut argv = [command, name, policy];
        let may = api!(RedisModule_ACLCheckCommandPermissions(user, argv.as_mut_ptr(), argv.len() as c_int)) == api::OK;
        api!(RedisModule_FreeString(std::ptr::null_mut(), command));
        api!(RedisModule_FreeString(std::ptr::null_mut(), policy));
        api!(RedisModule_FreeModuleUser(user));
        may
    }
}

/// Whether the caller has a user at all. Asking for its name would crash the server where there is none; a call in the
/// user's name says so first. It is the call that is running, which the user may make: so nothing is denied, and no
/// denial stands in the server's log. It changes nothing, since writes do not nest.
fn has_user(ctx: Ctx<'_>, pool: *mut raw::RedisModuleString) -> bool {
    let (command, format) = (c"STOCK.SETPOLICY".as_ptr(), c"CEsc".as_ptr());
    let policy: *const std::os::raw::c_char = CStr::as_ptr(c"{}");
    // SAFETY: the context and the name are live; the format matches the arguments; the reply is ours until it is freed.
    unsafe {
        let reply = api!(RedisModule_Call(ctx.raw(), command, format, pool, policy));
        if reply.is_null() {
            return false;
        }
        let mut len = 0;
        let text = api!(RedisModule_CallReplyStringPtr(reply, &mut len));
        let came_through = !text.is_null() && std::slice::from_raw_parts(text.cast::<u8>(), len) == NESTED.as_bytes();
        api!(RedisModule_FreeCallReply(reply));
        came_through
    }
}
