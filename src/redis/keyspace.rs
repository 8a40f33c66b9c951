//! The keys of one call, opened through the server.

use std::sync::atomic::Ordering;

use redis_module::raw;

use super::api::{self, Ctx};
use super::data_type;
use super::state;
use super::stream::{self, Reach, Streams};
use super::value::StoredValue;
use crate::command::event::StreamEntry;
use crate::command::host::{Append, Handle, Keyspace, OpenError, StreamDenied};
use crate::command::spec::Access;
use crate::core::model::event::StreamPosition;
use crate::core::model::pool::Pool;
use crate::core::stored_pool::StoredPool;

/// A key that a call has opened.
pub struct OpenKey {
    key: *mut raw::RedisModuleKey,
    /// Its name, borrowed from the call's arguments.
    pub name: *mut raw::RedisModuleString,
    value: *mut StoredValue,
    /// The pool was handed out to be changed.
    pub touched: bool,
    /// What the key holds was made, exchanged or removed as a whole.
    pub exchanged: bool,
    /// Its stream is in another slot: nothing is appended.
    pub stream_unreachable: bool,
}

impl OpenKey {
    /// In which database it is. Only while it is open.
    pub fn db(&self) -> i32 {
        // SAFETY: the handle is live until `OpenKeys` is dropped, which hands out no key afterwards.
        unsafe { api::db_of(self.key) }
    }
}

/// The keys of one call. They are closed when it is dropped, also by a panic.
///
/// Writes do not nest: while one has pools open, the server may run other modules (as it opens a key that has expired, or
/// creates a stream), and a write of theirs to a pool of ours would change it under this call. It is refused (`call::run`).
pub struct OpenKeys<'c> {
    ctx: Ctx<'c>,
    writes: bool,
    argv: &'c [*mut raw::RedisModuleString],
    args: &'c [&'static [u8]],
    open: &'c mut Vec<OpenKey>,
    /// Where the search for the next key begins: keys are mostly opened in the order of the arguments.
    next: usize,
    streams: Streams<'c>,
    /// Streams of pools may be on another node: it is a cluster, and this a call that decides.
    cluster: bool,
}

impl<'c> OpenKeys<'c> {
    /// None open yet. The arguments are the bytes of `argv`.
    pub fn new(
        ctx: Ctx<'c>,
        access: Access,
        argv: &'c [*mut raw::RedisModuleString],
        args: &'c [&'static [u8]],
        open: &'c mut Vec<OpenKey>,
    ) -> Self {
        open.clear();
        if access != Access::Read {
            state::with(|state| state.writing = true);
        }
        let cluster = access != Access::Replicated && state::with(|state| state.cluster);
        let (writes, streams) = (access != Access::Read, Streams::new(ctx));
        Self { ctx, writes, argv, args, open, next: 1, streams, cluster }
    }

    /// The keys that were opened.
    pub fn opened(&self) -> &[OpenKey] {
        self.open
    }

    /// A key by its handle.
    pub fn at(&self, handle: Handle) -> Option<&OpenKey> {
        self.open.get(handle.0)
    }

    /// Every key that holds a value of ours, with its name.
    pub fn each_value(&mut self, mut work: impl FnMut(&OpenKey, &[u8], &mut StoredValue)) {
        for key in self.open.iter() {
            if !key.value.is_null() {
                // SAFETY: the name is an argument of the running call; the value is held by the open key, and
                // each value is open once (see `open`), so this is the only reference.
                unsafe { work(key, api::bytes(key.name), &mut *key.value) };
            }
        }
    }

    /// Which argument this key is: by place where the slice is the argument itself, by content otherwise.
    fn find(&mut self, key: &[u8]) -> Option<usize> {
        let same = |arg: &&[u8]| std::ptr::eq(arg.as_ptr(), key.as_ptr()) && arg.len() == key.len();
        let ahead = self.args.iter().skip(self.next).position(same).map(|at| at.saturating_add(self.next));
        let found =
            ahead.or_else(|| self.args.iter().skip(1).position(|arg| *arg == key).map(|at| at.saturating_add(1)))?;
        self.next = found.saturating_add(1);
        Some(found)
    }

    /// Where a key of this name is open for writing.
    fn already(&self, key: &[u8]) -> Option<usize> {
        // SAFETY: the names are arguments of the running call.
        self.open.iter().position(|open| unsafe { api::bytes(open.name) } == key)
    }

    /// Opens the key that is this argument and looks at what it holds.
    fn open_argument(&mut self, at: usize) -> Result<Option<usize>, OpenError> {
        let Some(&name) = self.argv.get(at) else {
            return Ok(None);
        };
        let mode = if self.writes { raw::REDISMODULE_READ | raw::REDISMODULE_WRITE } else { raw::REDISMODULE_READ };
        // SAFETY: the context and the name are live; the handle is closed in `drop`.
        let key = unsafe { api!(RedisModule_OpenKey(self.ctx.raw(), name, mode as i32)) };
        if key.is_null() {
            return Ok(None);
        }
        // SAFETY: the handle is live.
        let value = unsafe { data_type::value_of(key) };
        // SAFETY: the handle is live.
        let kind = unsafe { api!(RedisModule_KeyType(key)) };
        if value.is_null() && kind != raw::REDISMODULE_KEYTYPE_EMPTY as i32 {
            // SAFETY: the handle is live, and not used again.
            unsafe { api!(RedisModule_CloseKey(key)) };
            return Err(OpenError::WrongType);
        }
        // SAFETY: the open key holds the value, and nothing changes it meanwhile.
        let events = if self.cluster && self.writes { unsafe { value.as_ref() } } else { None };
        let events = events.and_then(|value| value.contents.pool()?.events()).filter(|name| !name.is_empty());
        let reach = events.map_or(Reach::Here, |events| stream::reach(self.ctx, name, events));
        if reach == Reach::Moving {
            // SAFETY: the handle is live, and not used again.
            unsafe { api!(RedisModule_CloseKey(key)) };
            return Err(OpenError::SlotMoving);
        }
        let last = self.open.len();
        let stream_unreachable = reach == Reach::Never;
        self.open.push(OpenKey { key, name, value, touched: false, exchanged: false, stream_unreachable });
        Ok(Some(last))
    }

    /// What is behind a handle, to be changed.
    fn touch(&mut self, handle: Handle) -> &mut StoredPool {
        assert!(self.writes, "a read that writes");
        let open = self.open.get_mut(handle.0).filter(|open| !open.value.is_null());
        let Some(open) = open else { panic!("a handle of another call") };
        open.touched = true;
        // SAFETY: the open key holds the value; it is open once, so `&mut self` makes this the only
        // reference.
        unsafe { &mut (*open.value).contents }
    }
}

impl Keyspace for OpenKeys<'_> {
    fn open(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError> {
        let handle = self.open_any(key)?;
        match handle.map(|handle| self.contents(handle)) {
            Some(StoredPool::Partial(_)) => Err(OpenError::Partial),
            Some(StoredPool::Complete(_)) | None => Ok(handle),
        }
    }

    fn open_any(&mut self, key: &[u8]) -> Result<Option<Handle>, OpenError> {
        let already = if self.writes { self.already(key) } else { None };
        let at = match already {
            Some(at) => Some(at),
            None => match self.find(key) {
                Some(argument) => self.open_argument(argument)?,
                None => None,
            },
        };
        Ok(at.filter(|&at| self.open.get(at).is_some_and(|open| !open.value.is_null())).map(Handle))
    }

    fn pool(&self, handle: Handle) -> &Pool {
        let Some(pool) = self.contents(handle).pool() else { panic!("a pool that is not whole") };
        pool
    }

    fn pool_mut(&mut self, handle: Handle) -> &mut Pool {
        let Some(pool) = self.touch(handle).pool_mut() else { panic!("a pool that is not whole") };
        pool
    }

    fn contents(&self, handle: Handle) -> &StoredPool {
        let value = self.open.get(handle.0).map_or(std::ptr::null_mut(), |open| open.value);
        assert!(!value.is_null(), "a handle of another call");
        // SAFETY: the open key holds the value, and nothing changes it while `self` is borrowed.
        unsafe { &(*value).contents }
    }

    fn contents_mut(&mut self, handle: Handle) -> &mut StoredPool {
        if let Some(open) = self.open.get_mut(handle.0) {
            open.exchanged = true;
        }
        self.touch(handle)
    }

    fn create(&mut self, key: &[u8], contents: StoredPool) -> Handle {
        if self.already(key).is_none() {
            let _: Result<_, OpenError> = self.open_any(key);
        }
        let at = self.already(key);
        let Some((at, open)) = at.and_then(|at| Some((at, self.open.get_mut(at)?))) else {
            panic!("a key that was not declared")
        };
        let value = Box::into_raw(StoredValue::boxed(contents));
        let kind = data_type::TYPE.load(Ordering::Relaxed);
        // SAFETY: the key is open for writing; the server takes the value over, and frees one that it
        // replaces.
        let set = unsafe { api!(RedisModule_ModuleTypeSetValue(open.key, kind, value.cast())) };
        assert!(set == api::OK, "a read that creates");
        open.value = value;
        open.touched = true;
        open.exchanged = true;
        Handle(at)
    }

    fn remove(&mut self, handle: Handle) {
        let Some(open) = self.open.get_mut(handle.0) else { panic!("a handle of another call") };
        // SAFETY: the key is open for writing; the server frees the value, which nobody has a reference to.
        let removed = unsafe { api!(RedisModule_DeleteKey(open.key)) };
        assert!(removed == api::OK, "a read that removes");
        open.value = std::ptr::null_mut();
        open.exchanged = true;
    }

    fn append(&mut self, pool: Handle, stream: &[u8], at: Append, entry: &StreamEntry<'_>) -> Option<StreamPosition> {
        self.streams.append(self.open.get(pool.0)?, stream, at, entry)
    }

    fn check_stream(&mut self, pool: Handle, stream: &[u8]) -> Result<(), StreamDenied> {
        let Some(open) = self.open.get_mut(pool.0) else { return Err(StreamDenied::NoPermission) };
        stream::check(self.ctx, open.name, stream, self.cluster)?;
        // It is told of there from now on.
        open.stream_unreachable = false;
        Ok(())
    }
}

impl Drop for OpenKeys<'_> {
    /// Closes the keys; the names stay, for what is announced afterwards.
    fn drop(&mut self) {
        if self.writes {
            state::with(|state| state.writing = false);
        }
        for open in self.open.iter_mut() {
            // SAFETY: each handle came from `RM_OpenKey` and is closed once.
            unsafe { api!(RedisModule_CloseKey(open.key)) };
            open.key = std::ptr::null_mut();
            open.value = std::ptr::null_mut();
        }
    }
}
