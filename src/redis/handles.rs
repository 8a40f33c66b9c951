//! Objects of the server that a caller must release, as values that do so when they are dropped. A
//! panic between taking and releasing leaks nothing.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::raw::c_int;
use std::ptr::null_mut;

use redis_module::raw;

use super::api::{self, Ctx};

/// A string of the server: one reference to it.
pub struct OwnedString(*mut raw::RedisModuleString);

impl OwnedString {
    /// A copy of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        // SAFETY: without a context the string belongs to the caller; the bytes are copied.
        Self(unsafe { api!(RedisModule_CreateString(null_mut(), bytes.as_ptr().cast(), bytes.len())) })
    }

    /// The decimal text of a number.
    pub fn of_number(number: i64) -> Self {
        // SAFETY: without a context the string belongs to the caller.
        Self(unsafe { api!(RedisModule_CreateStringFromLongLong(null_mut(), number)) })
    }

    /// Takes a reference over.
    ///
    /// # Safety
    /// The pointer is a live string, and this reference to it is the caller's to free.
    pub unsafe fn from_raw(string: *mut raw::RedisModuleString) -> Self {
        Self(string)
    }

    /// One more reference to the same string.
    pub fn share(&self) -> Self {
        // SAFETY: the string is live; the server counts references.
        unsafe { api!(RedisModule_RetainString(null_mut(), self.0)) };
        Self(self.0)
    }

    /// The pointer, for `api!`. Live as long as this value.
    pub fn as_ptr(&self) -> *mut raw::RedisModuleString {
        self.0
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the string is live, and nothing changes it.
        unsafe { api::bytes(self.0) }
    }

    /// Hands the reference over to whoever gets the pointer.
    pub fn into_raw(self) -> *mut raw::RedisModuleString {
        ManuallyDrop::new(self).0
    }
}

impl Drop for OwnedString {
    fn drop(&mut self) {
        // SAFETY: one reference is ours, and is given up once.
        unsafe { api!(RedisModule_FreeString(null_mut(), self.0)) };
    }
}

/// An open key. The server closes it when the value is dropped.
pub struct KeyHandle(*mut raw::RedisModuleKey);

impl KeyHandle {
    /// A handle that holds no key.
    pub const fn closed() -> Self {
        Self(null_mut())
    }

    /// Opens a key (`mode` is `REDISMODULE_READ` and the like). The handle holds no key if there is
    /// none and the mode does not include writing.
    ///
    /// # Safety
    /// The name is a live string, and the handle is dropped before the callback of `ctx` returns.
    pub unsafe fn open(ctx: Ctx<'_>, name: *mut raw::RedisModuleString, mode: u32) -> Self {
        // SAFETY: the context and the name are live.
        Self(unsafe { api!(RedisModule_OpenKey(ctx.raw(), name, mode as c_int)) })
    }

    /// Whether it holds no key.
    pub fn is_closed(&self) -> bool {
        self.0.is_null()
    }

    /// The pointer, for `api!`. Live as long as this value.
    pub fn as_ptr(&self) -> *mut raw::RedisModuleKey {
        self.0
    }

    /// The type of what the key holds (`REDISMODULE_KEYTYPE_*`); EMPTY for a closed handle.
    pub fn kind(&self) -> isize {
        // SAFETY: the handle is live or null, which the server takes as well.
        unsafe { api!(RedisModule_KeyType(self.0)) as isize }
    }
}

impl Drop for KeyHandle {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the handle came from `RM_OpenKey`, and is closed once.
            unsafe { api!(RedisModule_CloseKey(self.0)) };
        }
    }
}

/// The reply of a command that this module called.
pub struct CallReply(*mut raw::RedisModuleCallReply);

impl CallReply {
    /// Takes over what `RM_Call` returned. `None`: the server did not run the command.
    ///
    /// # Safety
    /// The pointer came from `RM_Call`, or is null.
    pub unsafe fn from_raw(reply: *mut raw::RedisModuleCallReply) -> Option<Self> {
        (!reply.is_null()).then_some(Self(reply))
    }

    /// The number, if it is an integer reply.
    pub fn integer(&self) -> Option<i64> {
        let is_integer = self.kind() == raw::REDISMODULE_REPLY_INTEGER;
        // SAFETY: the reply is live.
        is_integer.then(|| unsafe { api!(RedisModule_CallReplyInteger(self.0)) })
    }

    /// The line of an error reply.
    pub fn error(&self) -> Option<&[u8]> {
        (self.kind() == raw::REDISMODULE_REPLY_ERROR).then(|| self.bytes()).flatten()
    }

    /// The bytes, if it is a string.
    pub fn text(&self) -> Option<&[u8]> {
        (self.kind() == raw::REDISMODULE_REPLY_STRING).then(|| self.bytes()).flatten()
    }

    /// The pointer, for `api!`. Live as long as this value.
    pub fn as_ptr(&self) -> *mut raw::RedisModuleCallReply {
        self.0
    }

    /// The elements, if it is an array.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        let is_array = self.kind() == raw::REDISMODULE_REPLY_ARRAY;
        // SAFETY: the reply is live.
        let count = if is_array { unsafe { api!(RedisModule_CallReplyLength(self.0)) } } else { 0 };
        (0..count).filter_map(|index| {
            // SAFETY: the reply is live, and has this element.
            let element = unsafe { CallReply::from_raw(api!(RedisModule_CallReplyArrayElement(self.0, index))) };
            Some(Element { reply: ManuallyDrop::new(element?), array: PhantomData })
        })
    }

    fn bytes(&self) -> Option<&[u8]> {
        let mut len = 0;
        // SAFETY: the reply is live; its text has `len` bytes, and lives as long as the reply.
        unsafe {
            let text = api!(RedisModule_CallReplyStringPtr(self.0, &mut len));
            (!text.is_null()).then(|| std::slice::from_raw_parts(text.cast(), len))
        }
    }

    fn kind(&self) -> isize {
        // SAFETY: the reply is live.
        unsafe { api!(RedisModule_CallReplyType(self.0)) as isize }
    }
}

impl Drop for CallReply {
    fn drop(&mut self) {
        // SAFETY: the reply is ours, and is freed once.
        unsafe { api!(RedisModule_FreeCallReply(self.0)) };
    }
}

/// An element of an array reply, which owns it.
pub struct Element<'r> {
    reply: ManuallyDrop<CallReply>,
    array: PhantomData<&'r CallReply>,
}

impl Deref for Element<'_> {
    type Target = CallReply;

    fn deref(&self) -> &CallReply {
        &self.reply
    }
}

/// A cursor of `RM_Scan`.
pub struct ScanCursor(*mut raw::RedisModuleScanCursor);

impl ScanCursor {
    /// A cursor at the start of a database.
    pub fn new() -> Self {
        // SAFETY: no arguments.
        Self(unsafe { api!(RedisModule_ScanCursorCreate()) })
    }

    /// The pointer, for `api!`. Live as long as this value.
    pub fn as_ptr(&self) -> *mut raw::RedisModuleScanCursor {
        self.0
    }
}

impl Drop for ScanCursor {
    fn drop(&mut self) {
        // SAFETY: the cursor is ours, and is freed once.
        unsafe { api!(RedisModule_ScanCursorDestroy(self.0)) };
    }
}

/// A user of the server, with the permissions it has now.
pub struct ModuleUser(*mut raw::RedisModuleUser);

impl ModuleUser {
    /// The user of this name. `None`: there is none.
    pub fn find(name: &OwnedString) -> Option<Self> {
        // SAFETY: the name is live, and is copied.
        let user = unsafe { api!(RedisModule_GetModuleUserFromUserName(name.as_ptr())) };
        (!user.is_null()).then_some(Self(user))
    }

    /// Whether the user may run this command on these keys: one of its selectors allows both.
    ///
    /// # Safety
    /// All arguments are live strings.
    pub unsafe fn may_call(&self, argv: &mut [*mut raw::RedisModuleString]) -> bool {
        // SAFETY: the user and the arguments are live.
        unsafe {
            api!(RedisModule_ACLCheckCommandPermissions(self.0, argv.as_mut_ptr(), argv.len() as c_int)) == api::OK
        }
    }
}

impl Drop for ModuleUser {
    fn drop(&mut self) {
        // SAFETY: the user object is ours, and is freed once.
        unsafe { api!(RedisModule_FreeModuleUser(self.0)) };
    }
}
