//! The examples of the client libraries, run against real servers: docs/clients.md.

// The example for redis-rs runs inside the test.
#[allow(dead_code)]
#[path = "../../examples/rust/shop.rs"]
mod rust_shop;

mod programs;
mod routing;
mod split;
mod story;
