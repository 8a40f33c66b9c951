//! stock-ledger keeps a SQL database in step with the redis-stock module. It reads the event streams of the pools and
//! writes what happened into the database: every payment leaves the shelf exactly once, whatever crashes.
//!
//! In reading order: `text` and `event` (what comes in), `book` (what it means, pure), `db` (where it is kept), `link`
//! (Redis, through the protocol only), `run` (the feed), `command` (what an operator calls), `config` and `cli`.

/// As the standard one, which panics where nobody reads the answer any more (`stock-ledger status | head`).
macro_rules! println {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub mod book;
pub mod cli;
pub mod command;
pub mod config;
pub mod db;
pub mod event;
pub mod failure;
pub mod link;
pub mod run;
pub mod text;
