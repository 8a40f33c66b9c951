//! The rules of selling limited stock, pure: no Redis, no clock, no I/O, no unsafe, no text for
//! users.
//!
//! | where | what |
//! |---|---|
//! | `model` | the words, the pool as data, what can happen to it and why it may be refused |
//! | `store` | the tables in which a pool keeps orders, usage and tokens |
//! | `ops` | one operation per file: decide (reads only), then apply (cannot fail) |
//! | `apply` | the only way in which a pool changes |
//! | `codec` | pools and changes as bytes |
//! | `stored_pool` | what a key holds: a pool, or a part of one that is being loaded |
//! | `verify` | the consistency check |

#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

pub mod apply;
pub mod codec;
pub mod model;
pub mod ops;
pub mod store;
pub mod stored_pool;
pub mod verify;
