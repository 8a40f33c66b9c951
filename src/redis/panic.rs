//! Panics end at the border to C: they are logged, and the callback returns a fallback value.

use std::panic::{catch_unwind, AssertUnwindSafe, PanicHookInfo};

use super::log;

/// Runs the body of a callback, and returns `fallback` if it panics. The hook has logged the panic.
pub fn guarded<R>(fallback: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

/// Makes a panic write one line to the server's log. The line has no backtrace: making one
/// allocates a lot, and has crashed a server (Valkey 8.1 with RUST_BACKTRACE=1) that would have
/// gone on.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        log::warning(&format!("internal error at {location}: {}", message(panic)));
    }));
}

/// The message of a panic, which is text in all panics of the standard library and of this crate.
fn message<'p>(panic: &'p PanicHookInfo<'_>) -> &'p str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
