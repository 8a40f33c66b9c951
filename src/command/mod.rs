//! The commands: from bytes to a typed call, to the core, to a reply. One file per command; no
//! Redis, no unsafe.
//!
//! Steps of a command: `args` (a cursor over the arguments) → `parse` of the command →
//! `commit::write_pool` (opens the key, expires due holds) → `core::ops::…::decide` →
//! `commit::commit` (changes the pool) → `reply`.

#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

pub mod args;
pub mod batch;
pub mod cart;
pub mod commit;
pub mod docs;
pub mod error;
pub mod event;
pub mod host;
pub mod hot_keys;
pub mod journal;
pub mod limit_text;
pub mod policy_json;
mod policy_merge;
mod policy_value;
pub mod pool_stats;
pub mod refusal;
pub mod reply;
pub mod spec;
mod table;

mod add;
mod amend;
mod available;
mod check;
mod confirm;
mod confirmbatch;
mod effect;
mod explain;
mod extend;
mod get;
mod limit;
mod limits;
mod load;
mod mconfirm;
mod meffect;
mod mextend;
mod mrelease;
mod mreserve;
mod mreturn;
mod msplit;
mod order;
mod order_map;
mod orders;
mod policy;
mod reconcile;
mod release;
mod reserve;
mod reservebatch;
mod return_units;
mod returning;
mod schedule;
mod set;
mod setpolicy;
mod shift;
mod shifts;
mod split;
mod stats;
mod suspend;
mod sweep;
mod top;
mod transfer;
mod unlimit;
mod usage;
mod verify;

pub use table::TABLE;
