//! The server's log.

use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw;

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Normal operation.
    Notice,
    /// Needs the attention of an operator.
    Warning,
}

impl Level {
    /// The server's name of the level.
    const fn word(self) -> &'static CStr {
        match self {
            Self::Notice => c"notice",
            Self::Warning => c"warning",
        }
    }
}

/// A context outside of any call: lines that are logged with it carry the name of the module.
static CONTEXT: AtomicPtr<raw::RedisModuleCtx> = AtomicPtr::new(std::ptr::null_mut());

/// From now on lines are logged with this context; without one if it is null.
pub fn use_context(ctx: *mut raw::RedisModuleCtx) {
    CONTEXT.store(ctx, Ordering::Relaxed);
}

/// Logs normal operation.
pub fn notice(text: &str) {
    line(Level::Notice, text);
}

/// Logs what needs the attention of an operator.
pub fn warning(text: &str) {
    line(Level::Warning, text);
}

fn line(level: Level, text: &str) {
    let text = printable(text);
    // SAFETY: the strings end in NUL; the text is an argument of "%s", never the format.
    unsafe {
        if let Some(log) = raw::RedisModule_Log {
            log(CONTEXT.load(Ordering::Relaxed), level.word().as_ptr(), c"%s".as_ptr(), text.as_ptr());
        }
    }
}

/// Logs a fault in a value that is read or written.
///
/// # Safety
/// `io` is the live handle of a callback.
pub unsafe fn io_warning(io: *mut raw::RedisModuleIO, text: &str) {
    let text = printable(text);
    // SAFETY: as in `line`; the handle is live.
    unsafe { api!(RedisModule_LogIOError(io, Level::Warning.word().as_ptr(), c"%s".as_ptr(), text.as_ptr())) };
}

/// The text as one line of printable ASCII: every other byte becomes `?`.
fn printable(text: &str) -> CString {
    let clean = text.bytes().map(|byte| if byte == b' ' || byte.is_ascii_graphic() { byte } else { b'?' });
    CString::new(clean.collect::<Vec<u8>>()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_ascii_without_control_characters() {
        assert_eq!(printable("a b\r\n\0\u{e9}%n").to_bytes(), b"a b?????%n");
    }
}
