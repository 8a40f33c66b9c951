//! What one call did to one pool, as bytes: for the append-only file and the replicas. Everything
//! is resolved (time, deadline, windows, quantity taken, epoch): whoever reads it needs no clock,
//! no configuration and no random numbers.

mod applicable;
mod event_ref;
mod op;
mod read;
mod write;

pub use event_ref::{put_event_ref, EventRef};
pub use read::{newer_version, Effect, EffectChange};
pub use write::{add, add_alike, begin, Common};
