//! What the background keeps between its slices. `sweep` and `rescan` do the work.

use std::os::unix::net::UnixStream;

use redis_module::raw;

use super::handles::ScanCursor;

/// The background sweep.
pub struct Sweep {
    /// Set at load.
    pub waker: Option<EventLoopWaker>,
    /// The waker is in the event loop: there is work.
    pub running: bool,
    /// The call that the sweep makes, while its command runs.
    pub call: Option<BackgroundCall>,
    /// How late the sweep expired the last hold that it expired.
    pub lag_ms: i64,
    /// While the server refuses the sweep or is paused: the deadline of the oldest due hold.
    pub waiting_since_ms: Option<i64>,
}

/// A call of the background to a command of this module.
#[derive(Clone, Copy, Default)]
pub struct BackgroundCall {
    /// The command has begun: the server did not refuse it.
    pub ran: bool,
    /// The time at which the wake-up queue has the pool after the call. Set once: a module that
    /// hears of what the call announces may run commands on other pools.
    pub scheduled_ms: Option<Option<i64>>,
    /// The command is to reply that nothing is left of its key (`kept_refusals`), whatever it is.
    pub wants_sold_out: bool,
}

/// A socket pair that is always readable: while it is in the event loop, the loop turns without
/// waiting and calls the sweep once per turn.
pub struct EventLoopWaker {
    /// A context outside of any call, which lives as long as the process.
    pub ctx: *mut raw::RedisModuleCtx,
    /// The end that is in the event loop.
    pub readable: UnixStream,
    /// The other end. It has written one byte, which nobody reads, and must stay open.
    pub _writer: UnixStream,
}

impl Sweep {
    /// How late the sweep is: of the oldest hold that it cannot expire now, or of the last one that
    /// it expired.
    pub fn lag_ms(&self, now_ms: i64) -> i64 {
        self.waiting_since_ms.map_or(self.lag_ms, |since_ms| now_ms.saturating_sub(since_ms))
    }

    /// Before the waker is set up.
    pub const fn new() -> Self {
        Self { waker: None, running: false, call: None, lag_ms: 0, waiting_since_ms: None }
    }
}

/// The walk through the key space that finds pools which the wake-up queue does not know.
pub struct Rescan {
    requested: bool,
    progress: Option<ScanProgress>,
    /// How many walks have reached their end.
    pub completed: u64,
}

/// How far a walk is.
pub struct ScanProgress {
    /// The cursor in the database.
    pub cursor: ScanCursor,
    /// The database.
    pub db: i32,
}

impl Rescan {
    /// No walk.
    pub const fn new() -> Self {
        Self { requested: false, progress: None, completed: 0 }
    }

    /// Requests a walk from the start. One that is under way begins anew.
    pub fn request(&mut self) {
        self.requested = true;
    }

    /// Keys have moved between databases: a walk that is under way begins anew.
    pub fn restart_if_running(&mut self) {
        self.requested |= self.progress.is_some();
    }

    /// Whether a walk is requested or under way.
    pub fn is_pending(&self) -> bool {
        self.requested || self.progress.is_some()
    }

    /// Where the walk goes on, at the start if one is requested. `None`: there is nothing to do.
    pub fn take_progress(&mut self) -> Option<ScanProgress> {
        let progress = self.progress.take();
        if std::mem::take(&mut self.requested) {
            return Some(ScanProgress { cursor: ScanCursor::new(), db: 0 });
        }
        progress
    }

    /// Keeps where the next slice goes on.
    pub fn keep_progress(&mut self, progress: ScanProgress) {
        self.progress = Some(progress);
    }
}
