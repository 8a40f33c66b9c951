//! A key that one call has opened, and what the call has done to it.

use redis_module::raw;

use super::api;
use super::handles::KeyHandle;
use super::value::StoredValue;

/// A key that a call has opened.
pub struct OpenKey {
    /// Closed when the call ends, before its changes are announced.
    pub handle: KeyHandle,
    /// Its name: an argument of the call, live until the command returns.
    pub name: *mut raw::RedisModuleString,
    /// What it holds; null if it is empty. Live as long as the handle is open.
    pub value: *mut StoredValue,
    /// The pool was handed out for a change.
    pub touched: bool,
    /// The value was created, exchanged or removed as a whole.
    pub replaced: bool,
    /// The event stream of the pool is in another hash slot: nothing is appended.
    pub stream_unreachable: bool,
}

impl OpenKey {
    /// The database that the key is in. Only while it is open.
    pub fn db(&self) -> i32 {
        // SAFETY: `OpenKeys` hands out keys with a live handle only.
        unsafe { api::db_of(self.handle.as_ptr()) }
    }

    /// The name as bytes. Only until the command returns.
    pub fn name_bytes(&self) -> &[u8] {
        // SAFETY: the name is an argument of the running call.
        unsafe { api::bytes(self.name) }
    }
}
