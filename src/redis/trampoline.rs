//! From the server into our code: one C function per command, and the fence that no panic passes.

use std::os::raw::c_int;
use std::panic::{catch_unwind, AssertUnwindSafe};

use redis_module::raw;

use super::api::{self, Ctx};
use super::{call, log, positions, reply};
use crate::command::spec::Spec;
use crate::command::TABLE;

/// A command as the server calls it.
pub type Entry = unsafe extern "C" fn(*mut raw::RedisModuleCtx, *mut *mut raw::RedisModuleString, c_int) -> c_int;

/// The C function of the command at this place of the table. The server tells a C function neither which
/// command it is nor lets it carry data, so each command gets a function of its own, made by the compiler.
unsafe extern "C" fn entry<const INDEX: usize>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let Some(spec) = TABLE.get(INDEX) else {
        return api::ERR;
    };
    // SAFETY: what the server hands in is live until we return.
    let (ctx, argv) = unsafe { (Ctx::new(ctx), std::slice::from_raw_parts(argv, argc as usize)) };
    enter(spec, ctx, argv);
    api::OK
}

fn enter(spec: &'static Spec, ctx: Ctx<'_>, argv: &[*mut raw::RedisModuleString]) {
    let done = guarded(false, || {
        if !positions::answered(spec, ctx, argv) {
            call::run(spec, ctx, argv);
        }
        true
    });
    if !done {
        reply::line(ctx, "ERR internal error: please report it with the server's log");
    }
}

/// Runs the body of a callback. A panic ends here: it is logged by the hook, and the callback answers
/// `otherwise`.
pub fn guarded<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// Lets panics write one line into the server's log. No backtrace: making one allocates a lot, and has
/// crashed a server that would have lived on.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_text().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log::warning(&format!("internal error at {place}: {message}"));
    }));
}

/// The text of a panic.
trait PayloadText {
    fn payload_as_text(&self) -> Option<&str>;
}

impl PayloadText for std::panic::PanicHookInfo<'_> {
    fn payload_as_text(&self) -> Option<&str> {
        let payload = self.payload();
        payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

/// Lists `entry::<0>` to `entry::<n>`.
macro_rules! entries {
    ($($index:literal)*) => { [$(entry::<$index>),*] };
}

/// One function for each place of the table; the places behind its end stay unused.
static ENTRIES: [Entry; 64] = entries!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
);

/// The function of the command at this place of the table.
pub fn entry_of(index: usize) -> Option<Entry> {
    ENTRIES.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_an_entry() {
        assert!(TABLE.len() <= ENTRIES.len());
    }
}
