//! stockctl answers an operator's questions about redis-stock: why can nobody buy it, who holds the
//! units, which pools are sold out.
//!
//! In reading order: `connect` (one server, several, Sentinel, a cluster), `reply` (what servers
//! answer), `text` (bytes and times for people), `snapshot` (the figures of all servers at one
//! moment), `figures` and `exposition` (these for Prometheus), `ledger` (how far the database is
//! behind), `pool_keys` (the keys of a server's pools), `command` (one file per subcommand), `cli`.
#![allow(rustdoc::broken_intra_doc_links, reason = "brackets in the help of the command line are no links")]

/// As the standard one, which panics where nobody reads the answer any more (`stockctl pools |
/// head`).
macro_rules! println {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub mod cli;
pub mod command;
pub mod connect;
pub mod exposition;
pub mod failure;
pub mod figures;
pub mod ledger;
mod pool_keys;
pub mod reply;
pub mod snapshot;
pub mod text;
