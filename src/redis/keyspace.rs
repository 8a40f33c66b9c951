//! The keys of one call, opened through the server.

use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use redis_module::raw;

use super::api::{self, Ctx};
use super::data_type;
use super::handles::KeyHandle;
use super::open_key::OpenKey;
use super::state;
use super::stream::{self, Reachability, Streams};
use super::value::StoredValue;
use crate::command::event::StreamEntry;
use crate::command::host::{Append, Handle, Keyspace, OpenError, StreamDenied};
use crate::command::hot_keys::HotKey;
use crate::command::pool_stats::PoolStats;
use crate::command::spec::Access;
use crate::core::model::event::StreamPosition;
use crate::core::model::pool::Pool;
use crate::core::stored_pool::StoredPool;

/// The keys of one call. Dropping it closes them, also after a panic.
///
/// Writes do not nest. While a call has pools open, the server may run other modules (when it opens
/// a key that has expired, or creates a stream), and a write of theirs to a pool would change it
/// under this call. Such a write is refused (`call::run`).
pub struct OpenKeys<'c> {
    ctx: Ctx<'c>,
    writes: bool,
    argv: &'c [*mut raw::RedisModuleString],
    args: &'c [&'static [u8]],
    open: &'c mut Vec<OpenKey>,
    /// The argument at which the search for the next key begins: keys are mostly opened in order.
    next: usize,
    streams: Streams<'c>,
    /// The event streams of pools may be on another node: this is a cluster, and the call decides.
    cluster: bool,
}

impl<'c> OpenKeys<'c> {
    /// No key is open yet. `args` are the bytes of `argv`.
    pub fn new(
        ctx: Ctx<'c>,
        access: Access,
        argv: &'c [*mut raw::RedisModuleString],
        args: &'c [&'static [u8]],
        open: &'c mut Vec<OpenKey>,
    ) -> Self {
        open.clear();
        let writes = access != Access::Read;
        let cluster = state::with(|state| {
            state.writing |= writes;
            state.cluster && access != Access::Replicated
        });
        Self { ctx, writes, argv, args, open, next: 1, streams: Streams::new(ctx), cluster }
    }

    /// The keys that were opened.
    pub fn opened(&self) -> &[OpenKey] {
        self.open
    }

    /// The key behind a handle.
    pub fn at(&self, handle: Handle) -> Option<&OpenKey> {
        self.open.get(handle.0)
    }

    /// Works on every key that holds a pool: the key and its value.
    pub fn each_value(&mut self, mut work: impl FnMut(Handle, &OpenKey, &mut StoredValue)) {
        for (at, key) in self.open.iter().enumerate() {
            // SAFETY: the open key holds the value, and each value is open once (see `open`), so
            // this is the only reference.
            if let Some(value) = unsafe { key.value.as_mut() } {
                work(Handle(at), key, value);
            }
        }
    }

    /// Which argument this key is. Most callers pass the argument itself, which is found by its
    /// address; a copy is found by its bytes.
    fn find(&mut self, key: &[u8]) -> Option<usize> {
        let same = |arg: &&[u8]| std::ptr::eq(arg.as_ptr(), key.as_ptr()) && arg.len() == key.len();
        let ahead = self.args.iter().skip(self.next).position(same).map(|at| at.saturating_add(self.next));
        let found =
            ahead.or_else(|| self.args.iter().skip(1).position(|arg| *arg == key).map(|at| at.saturating_add(1)))?;
        self.next = found.saturating_add(1);
        Some(found)
    }

    /// The index of a key of this name that is open already.
    fn position(&self, key: &[u8]) -> Option<usize> {
        self.open.iter().position(|open| open.name_bytes() == key)
    }

    /// Opens the key that is this argument. `None`: there is no such key, and the call only reads.
    fn open_argument(&mut self, argument: usize) -> Result<Option<usize>, OpenError> {
        let Some(&name) = self.argv.get(argument) else {
            return Ok(None);
        };
        let mode = if self.writes { raw::REDISMODULE_READ | raw::REDISMODULE_WRITE } else { raw::REDISMODULE_READ };
        // SAFETY: the name is live; the handle is dropped with the keys of the call.
        let handle = unsafe { KeyHandle::open(self.ctx, name, mode) };
        if handle.is_closed() {
            return Ok(None);
        }
        // SAFETY: the handle is live.
        let value = unsafe { data_type::value_of(handle.as_ptr()) };
        if value.is_null() && handle.kind() != raw::REDISMODULE_KEYTYPE_EMPTY {
            return Err(OpenError::WrongType);
        }
        // SAFETY: the open key holds the value, and nothing changes it meanwhile.
        let value_in_cluster = if self.cluster && self.writes { unsafe { value.as_ref() } } else { None };
        let events = value_in_cluster.and_then(|value| value.stored.pool()?.events());
        let events = events.filter(|stream| !stream.is_empty());
        let reachability =
            events.map_or(Reachability::Reachable, |stream| stream::reachability(self.ctx, name, stream));
        if reachability == Reachability::SlotMoving {
            return Err(OpenError::SlotMoving);
        }
        let stream_unreachable = reachability == Reachability::OtherSlot;
        self.open.push(OpenKey { handle, name, value, touched: false, replaced: false, stream_unreachable });
        Ok(self.open.len().checked_sub(1))
    }

    /// Notes where the pool of a handle publishes its changes.
    fn note_stream(&self, handle: Handle) {
        let Some(open) = self.open.get(handle.0) else { return };
        // SAFETY: the open key holds the value, and nothing changes it while `self` is borrowed.
        if let Some(value) = unsafe { open.value.as_ref() } {
            state::with(|state| state.note_stream(open.db(), value));
        }
    }

    /// What the key of a handle holds, to be changed.
    fn touch(&mut self, handle: Handle) -> &mut StoredPool {
        assert!(self.writes, "a read that writes");
        let open = self.open.get_mut(handle.0).filter(|open| !open.value.is_null());
        let Some(open) = open else { panic!("a handle of another call") };
        open.touched = true;
        // SAFETY: the open key holds the value; it is open once, so `&mut self` makes this the only
        // reference.
        unsafe { &mut (*open.value).stored }
    }
}

impl Keyspace for OpenKeys<'_> {
    fn stats(&self, handle: Handle) -> Option<&PoolStats> {
        let value = self.open.get(handle.0).map_or(null_mut(), |open| open.value);
        // SAFETY: the open key holds the value, and nothing changes it while `self` is borrowed.
        unsafe { value.as_ref() }.and_then(|value| value.stats.as_deref())
    }

    fn hot_keys(&self, now_ms: i64) -> Vec<HotKey> {
        state::with(|state| state.hot_keys.list(now_ms))
    }

    fn open(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError> {
        let handle = self.open_any(key)?;
        match handle.map(|handle| self.stored(handle)) {
            Some(StoredPool::Partial(_)) => Err(OpenError::Partial),
            Some(StoredPool::Complete(pool)) if pool.is_broken() => Err(OpenError::Broken),
            Some(StoredPool::Complete(_)) | None => Ok(handle),
        }
    }

    fn open_any(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError> {
        // A read may open a key twice, since nothing changes; a write must not.
        let known = if self.writes { self.position(key) } else { None };
        let index = match known {
            Some(index) => Some(index),
            None => match self.find(key) {
                Some(argument) => self.open_argument(argument)?,
                None => None,
            },
        };
        Ok(index.filter(|&index| self.open.get(index).is_some_and(|open| !open.value.is_null())).map(Handle))
    }

    fn pool(&self, handle: Handle) -> &Pool {
        let Some(pool) = self.stored(handle).pool() else { panic!("a partial pool") };
        pool
    }

    fn pool_mut(&mut self, handle: Handle) -> &mut Pool {
        let Some(pool) = self.touch(handle).pool_mut() else { panic!("a partial pool") };
        pool
    }

    fn stored(&self, handle: Handle) -> &StoredPool {
        let value = self.open.get(handle.0).map_or(null_mut(), |open| open.value);
        assert!(!value.is_null(), "a handle of another call");
        // SAFETY: the open key holds the value, and nothing changes it while `self` is borrowed.
        unsafe { &(*value).stored }
    }

    fn stored_mut(&mut self, handle: Handle) -> &mut StoredPool {
        if let Some(open) = self.open.get_mut(handle.0) {
            open.replaced = true;
        }
        self.touch(handle)
    }

    fn create(&mut self, key: &[u8], stored: StoredPool) -> Handle {
        if self.position(key).is_none() {
            let _: Result<_, OpenError> = self.open_any(key);
        }
        let index = self.position(key);
        let Some((index, open)) = index.and_then(|index| Some((index, self.open.get_mut(index)?))) else {
            panic!("a key that was not declared")
        };
        let value = Box::into_raw(StoredValue::boxed(stored));
        let kind = data_type::TYPE.load(Ordering::Relaxed);
        // SAFETY: the key is open for writing; the server takes the value over, and frees one that
        // it replaces.
        let set = unsafe { api!(RedisModule_ModuleTypeSetValue(open.handle.as_ptr(), kind, value.cast())) };
        assert!(set == super::api::OK, "a read that creates");
        open.value = value;
        open.touched = true;
        open.replaced = true;
        self.note_stream(Handle(index));
        Handle(index)
    }

    fn remove(&mut self, handle: Handle) {
        let Some(open) = self.open.get_mut(handle.0) else { panic!("a handle of another call") };
        // SAFETY: the key is open for writing; the server frees the value, which nobody has a
        // reference to.
        let removed = unsafe { api!(RedisModule_DeleteKey(open.handle.as_ptr())) };
        assert!(removed == super::api::OK, "a read that removes");
        open.value = null_mut();
        open.replaced = true;
    }

    fn append(&mut self, pool: Handle, stream: &[u8], at: Append, entry: &StreamEntry<'_>) -> Option<StreamPosition> {
        self.streams.append(self.open.get(pool.0)?, stream, at, entry)
    }

    fn policy_changed(&mut self, pool: Handle) {
        self.note_stream(pool);
    }

    fn check_stream(&mut self, key: &[u8], stream: &[u8]) -> Result<(), StreamDenied> {
        let open = self.position(key).and_then(|index| self.open.get_mut(index));
        let Some(open) = open else { return Err(StreamDenied::NoPermission) };
        // SAFETY: arguments live as long as the call.
        let command = self.argv.first().map_or(&[][..], |&name| unsafe { api::bytes(name) });
        stream::check(self.ctx, command, open.name, stream, self.cluster)?;
        // From now on the pool publishes there.
        open.stream_unreachable = false;
        Ok(())
    }
}

impl Drop for OpenKeys<'_> {
    /// Closes the keys. Their names stay for the announcements that follow. After a panic the pools
    /// that the call has changed are out of service: the log will not have those changes.
    fn drop(&mut self) {
        if self.writes {
            state::with(|state| state.writing = false);
        }
        let panicking = std::thread::panicking();
        for open in self.open.iter_mut() {
            if panicking && open.touched {
                // SAFETY: the open key holds the value, and nobody else has a reference to it: what
                // had one has unwound.
                if let Some(value) = unsafe { open.value.as_mut() } {
                    value.stored.mark_broken();
                }
            }
            open.value = null_mut();
            open.handle = KeyHandle::closed();
        }
    }
}
