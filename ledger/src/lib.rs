//! stock-ledger keeps a SQL database in step with the redis-stock module. It reads the event
//! streams of the pools and writes what happened into the database: every payment leaves the stock
//! row exactly once, whatever crashes.
//!
//! In reading order: `text` and `event` (what comes in), `projection` (what it means, pure), `db`
//! (where it is kept), `redis_client` (Redis, through the protocol only), `run` (the feed),
//! `command` (what an operator calls), `config`, `buckets` (rows that are sold in several pools)
//! and `cli`.

/// As the standard one, which panics where nobody reads the answer any more (`stock-ledger status |
/// head`).
macro_rules! println {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub mod buckets;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod db;
pub mod dialect;
pub mod event;
pub mod exit_code;
pub mod failure;
pub mod projection;
pub mod redis_client;
pub mod run;
pub mod text;
pub mod wire;
