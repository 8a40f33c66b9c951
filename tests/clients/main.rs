//! The examples of the client libraries, run against real servers: docs/guides/clients.md.

#[allow(unused_imports)]
#[path = "../server/harness/mod.rs"]
mod harness;
#[path = "../cluster/nodes.rs"]
mod nodes;

// The example for redis-rs runs inside the test.
#[allow(dead_code)]
#[path = "../../examples/rust/shop.rs"]
mod rust_shop;

mod half_moved;
mod programs;
mod proxy;
mod routing;
mod split;
mod story;
