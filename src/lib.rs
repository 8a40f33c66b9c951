//! redis-stock: sells limited stock without overselling and without underselling, as a native Redis
//! module.
//!
//! Three layers, each of which knows only those before it:
//!
//! 1. [`core`]: the rules of selling, pure. No Redis, no clock, no I/O.
//! 2. [`command`]: bytes to a typed call, to the core, to an answer; the table of all commands.
//! 3. `redis`: the shell. The only place that talks to the server, and the only one with `unsafe`.

pub mod core;

pub mod command;

mod redis;
