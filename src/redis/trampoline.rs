//! From the server into this module: one C function per command.

use std::os::raw::c_int;

use redis_module::raw;

use super::api::{self, Ctx};
use super::panic::guarded;
use super::{call, positions, reply};
use crate::command::spec::Spec;
use crate::command::TABLE;

/// A command as the server calls it.
pub type CommandFn = unsafe extern "C" fn(*mut raw::RedisModuleCtx, *mut *mut raw::RedisModuleString, c_int) -> c_int;

/// The C function of the command at this index of the table. The server neither tells a function
/// which command it is, nor lets it carry data: so the compiler makes a function for each index.
unsafe extern "C" fn command<const INDEX: usize>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let Some(spec) = TABLE.get(INDEX) else {
        return api::ERR;
    };
    // SAFETY: what the server hands in is live until we return.
    let (ctx, argv) = unsafe { (Ctx::new(ctx), std::slice::from_raw_parts(argv, argc as usize)) };
    run(spec, ctx, argv);
    api::OK
}

fn run(spec: &'static Spec, ctx: Ctx<'_>, argv: &[*mut raw::RedisModuleString]) {
    let done = guarded(false, || {
        if !positions::reply(spec, ctx, argv) {
            call::run(spec, ctx, argv);
        }
        true
    });
    if !done {
        reply::line(ctx, "ERR internal error: please report it with the server's log");
    }
}

/// Lists `command::<0>` to `command::<n>`.
macro_rules! commands {
    ($($index:literal)*) => { [$(command::<$index>),*] };
}

/// One function for each index of the table; those behind its end are not used.
static COMMANDS: [CommandFn; 64] = commands!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
);

/// The function of the command at this index of the table.
pub fn command_fn(index: usize) -> Option<CommandFn> {
    COMMANDS.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_function() {
        assert!(TABLE.len() <= COMMANDS.len());
    }
}
