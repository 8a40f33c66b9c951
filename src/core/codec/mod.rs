//! The one encoding of pools and changes: RDB, DUMP, the append-only file, replicas, slot imports
//! and golden files.
//!
//! A pool is a sequence of chunks of whole records ([`save`], [`Loader`]); a call's effect is one
//! string ([`effect`]). Both are canonical: the same state gives the same bytes, so the digest of a
//! pool is the digest of its encoding, and no field can be missing from one of them. A partial pool
//! ([`save_partial`]) is written as the pool is, up to the last record that is there. Numbers are
//! LEB128, signed ones zigzag; strings have their length in front.

mod damage;
pub mod effect;
mod fields;
mod load;
mod newest;
mod record;
mod save;
mod shifts;
pub mod wire;

pub use damage::Damage;
pub use load::{begins, Loader};
pub use save::{save, save_partial};
pub use wire::VERSION;
