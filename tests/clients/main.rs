//! The client libraries, run against real servers: docs/guides/clients.md.

mod changing;
mod collect;
mod half_moved;
mod hot_sku;
mod java;
mod libraries;
mod programs;
mod routing;
mod ruby;
mod split;
mod story;
