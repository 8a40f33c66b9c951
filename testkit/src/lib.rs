//! What the tests and tools of redis-stock share.
//!
//! Real servers: [`Server`] starts one in a fresh directory, [`Client`] speaks to it and shows the
//! exact bytes, [`cluster::Cluster`] is six of them, [`proxy::Proxy`] loses or delays an answer,
//! [`databases::DatabaseServer`] is a database.
//!
//! In process: [`generate`] makes random calls, [`reference`] answers them naively and shares no
//! code with the core (`tests/tidy.rs` checks it), [`host`] runs the real commands on plain maps,
//! [`simulation`], [`scope`] and [`targets`] compare the two.
//!
//! Only for development: it panics where anything is not as expected.
#![allow(missing_docs, reason = "for the tests of this project only")]

pub mod build;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod databases;
pub mod entry;
pub mod proxy;
pub mod sentinel;
pub mod server;
pub mod shopper;
pub mod value;

pub mod generate;
pub mod host;
pub mod payload;
pub mod reference;
pub mod reply;
pub mod scope;
pub mod shards;
pub mod simulation;
pub mod targets;

mod calls;
mod certificate;
mod notifications;
mod program;
mod wait;

pub use calls::{info, orders_in, stock_info};
pub use certificate::certificate;
pub use client::Client;
pub use notifications::Events;
pub use program::{program, Running};
pub use sentinel::Sentinel;
pub use server::Server;
pub use value::{fits, status_word, Value};
pub use wait::{now_ms, pass, poll, wait_until};
