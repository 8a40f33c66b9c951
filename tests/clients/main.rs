//! The client libraries, run against real servers: docs/guides/clients.md.

#[allow(unused_imports)]
#[path = "../server/harness/mod.rs"]
mod harness;
#[path = "../cluster/nodes.rs"]
mod nodes;

mod half_moved;
mod libraries;
mod programs;
mod proxy;
mod routing;
mod split;
mod story;
