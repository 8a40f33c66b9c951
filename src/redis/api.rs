//! Calls to the server: the macro for its functions, contexts, and small questions that several
//! files ask.
//!
//! The interface is a set of function pointers, which the server fills in at load. `api!` calls
//! one. Pointers that every supported server has are checked once, at load ([`missing`]), so that
//! no call site has to handle their absence.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::marker::PhantomData;
use std::os::raw::c_int;

use redis_module::raw;

/// Calls a function of the server by name. Unsafe: the arguments must be what the function
/// requires.
macro_rules! api {
    ($name:ident($($arg:expr),* $(,)?)) => {
        match redis_module::raw::$name {
            Some(function) => function($($arg),*),
            None => $crate::redis::api::absent(stringify!($name)),
        }
    };
}

/// The name of a function in this list that the server does not have.
macro_rules! first_absent {
    ($($name:ident),* $(,)?) => {{
        let mut absent = None;
        $(
            // SAFETY: the pointers are written once, before this, by the thread that runs this.
            let function = unsafe { redis_module::raw::$name };
            if function.is_none() {
                absent = Some(stringify!($name));
            }
        )*
        absent
    }};
}

/// The name of a function that this module needs and the server does not have. The list holds every
/// function that is called by `api!` (a test compares them); optional functions are checked where
/// they are called.
pub fn missing() -> Option<&'static str> {
    first_absent!(
        RedisModule_ACLCheckCommandPermissions,
        RedisModule_Alloc,
        RedisModule_AvoidReplicaTraffic,
        RedisModule_Call,
        RedisModule_CallReplyArrayElement,
        RedisModule_CallReplyInteger,
        RedisModule_CallReplyLength,
        RedisModule_CallReplyStringPtr,
        RedisModule_CallReplyType,
        RedisModule_CloseKey,
        RedisModule_CreateCommand,
        RedisModule_CreateDataType,
        RedisModule_CreateString,
        RedisModule_CreateStringFromLongLong,
        RedisModule_DefragAlloc,
        RedisModule_DeleteKey,
        RedisModule_DigestAddLongLong,
        RedisModule_DigestAddStringBuffer,
        RedisModule_DigestEndSequence,
        RedisModule_EmitAOF,
        RedisModule_EventLoopAdd,
        RedisModule_EventLoopDel,
        RedisModule_Free,
        RedisModule_FreeCallReply,
        RedisModule_FreeModuleUser,
        RedisModule_FreeString,
        RedisModule_GetClientId,
        RedisModule_GetClientUserNameById,
        RedisModule_GetCommand,
        RedisModule_GetContextFlags,
        RedisModule_GetCurrentUserName,
        RedisModule_GetDbIdFromModuleKey,
        RedisModule_GetDbIdFromOptCtx,
        RedisModule_GetDetachedThreadSafeContext,
        RedisModule_GetExpire,
        RedisModule_GetKeyNameFromOptCtx,
        RedisModule_GetModuleUserFromUserName,
        RedisModule_InfoAddFieldCString,
        RedisModule_InfoAddFieldLongLong,
        RedisModule_InfoAddFieldULongLong,
        RedisModule_InfoAddSection,
        RedisModule_IsIOError,
        RedisModule_IsKeysPositionRequest,
        RedisModule_KeyAtPosWithFlags,
        RedisModule_KeyType,
        RedisModule_LoadConfigs,
        RedisModule_LoadStringBuffer,
        RedisModule_LoadUnsigned,
        RedisModule_Log,
        RedisModule_LogIOError,
        RedisModule_Milliseconds,
        RedisModule_ModuleTypeGetType,
        RedisModule_ModuleTypeGetValue,
        RedisModule_ModuleTypeSetValue,
        RedisModule_NotifyKeyspaceEvent,
        RedisModule_OpenKey,
        RedisModule_Realloc,
        RedisModule_RegisterInfoFunc,
        RedisModule_RegisterNumericConfig,
        RedisModule_RegisterStringConfig,
        RedisModule_Replicate,
        RedisModule_ReplicateVerbatim,
        RedisModule_ReplyWithArray,
        RedisModule_ReplyWithCallReply,
        RedisModule_ReplyWithError,
        RedisModule_ReplyWithLongLong,
        RedisModule_ReplyWithMap,
        RedisModule_ReplyWithNull,
        RedisModule_ReplyWithSimpleString,
        RedisModule_ReplyWithStringBuffer,
        RedisModule_SaveStringBuffer,
        RedisModule_SaveUnsigned,
        RedisModule_RetainString,
        RedisModule_Scan,
        RedisModule_ScanCursorCreate,
        RedisModule_ScanCursorDestroy,
        RedisModule_SelectDb,
        RedisModule_SetCommandInfo,
        RedisModule_SetModuleOptions,
        RedisModule_SignalModifiedKey,
        RedisModule_StreamAdd,
        RedisModule_StreamTrimByLength,
        RedisModule_StringPtrLen,
        RedisModule_SubscribeToKeyspaceEvents,
        RedisModule_SubscribeToServerEvent,
        RedisModule_ValueLength,
        RedisModule_WrongArity,
    )
}

/// A function was called that [`missing`] should have reported at load.
#[cold]
pub fn absent(name: &str) -> ! {
    panic!("{name} is missing")
}

/// The context of one callback. It lives no longer than the pointer that the server hands in.
#[derive(Clone, Copy)]
pub struct Ctx<'c> {
    raw: *mut raw::RedisModuleCtx,
    callback: PhantomData<&'c ()>,
}

impl<'c> Ctx<'c> {
    /// Takes the pointer of a callback.
    ///
    /// # Safety
    /// The pointer is a live context for as long as `'c`.
    pub unsafe fn new(raw: *mut raw::RedisModuleCtx) -> Self {
        Self { raw, callback: PhantomData }
    }

    /// The pointer, for `api!`.
    pub fn raw(self) -> *mut raw::RedisModuleCtx {
        self.raw
    }

    /// The flags of this context (`REDISMODULE_CTX_FLAGS_*`). Not cheap: the server computes memory
    /// limits.
    pub fn flags(self) -> u32 {
        // SAFETY: the context is live.
        let flags = unsafe { api!(RedisModule_GetContextFlags(self.raw)) };
        flags as u32
    }

    /// Selects a database; false if there is none of this number.
    pub fn select(self, db: i32) -> bool {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_SelectDb(self.raw, db)) == OK }
    }

    /// Whether the client of this context is the one that replays the append-only file.
    pub fn is_aof_client(self) -> bool {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_GetClientId(self.raw)) == u64::MAX }
    }
}

/// What the server's functions return on success.
pub const OK: c_int = raw::REDISMODULE_OK as c_int;
/// What they return on failure.
pub const ERR: c_int = raw::REDISMODULE_ERR as c_int;

/// The bytes of a string of the server.
///
/// # Safety
/// The string is live, and is neither changed nor freed during `'s`.
pub unsafe fn bytes<'s>(string: *const raw::RedisModuleString) -> &'s [u8] {
    let mut len = 0;
    // SAFETY: the string is live; the server writes its length and keeps its bytes in place.
    unsafe {
        let start = api!(RedisModule_StringPtrLen(string, &mut len));
        std::slice::from_raw_parts(start.cast(), len)
    }
}

/// The bytes of several strings, appended to `all`.
///
/// # Safety
/// As [`bytes`], for each.
pub unsafe fn all_bytes(strings: &[*mut raw::RedisModuleString], all: &mut Vec<&'static [u8]>) {
    // SAFETY: the pointer is written once, at load.
    let Some(get) = (unsafe { raw::RedisModule_StringPtrLen }) else { absent("RedisModule_StringPtrLen") };
    all.reserve(strings.len());
    for (&string, unset) in strings.iter().zip(all.spare_capacity_mut()) {
        let mut len = 0;
        // SAFETY: the string is live; the server writes its length and keeps its bytes in place.
        unset.write(unsafe { std::slice::from_raw_parts(get(string, &mut len).cast(), len) });
    }
    // SAFETY: there is room for all of them, and each has been written.
    unsafe { all.set_len(all.len() + strings.len()) };
}

/// The database that a key is in. Ask the key, not the context: in a transaction the context of
/// Valkey 9.1 gives the database of the client, also in the notification of a key that was copied
/// into another.
///
/// # Safety
/// The key is a live handle.
pub unsafe fn db_of(key: *mut raw::RedisModuleKey) -> i32 {
    // SAFETY: the handle is live.
    unsafe { api!(RedisModule_GetDbIdFromModuleKey(key)) }
}

/// The time, Unix ms. From Redis 7.2 on it is the time that the server has read for the running
/// command.
pub fn now_ms() -> i64 {
    // SAFETY: no arguments.
    unsafe {
        match raw::RedisModule_CachedMicroseconds {
            Some(cached) => cached() / 1000,
            None => api!(RedisModule_Milliseconds()),
        }
    }
}

thread_local! {
    static RANDOM: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
}

/// A random number: a keyed hash of a counter, whose key is from the operating system. The server's
/// own generator (`RM_GetRandomBytes`) makes the same of SHA-256, which was a fifth of what a new
/// pool costs.
pub fn random() -> u64 {
    RANDOM.with(|(keys, count)| {
        count.set(count.get().wrapping_add(1));
        keys.hash_one(count.get())
    })
}
