//! Tests of the module in a real Redis Cluster: three primaries with a replica each, on loopback.

#[path = "../server/harness/mod.rs"]
mod harness;

mod audit;
mod events;
mod failover;
mod load;
mod nodes;
mod resharding;
mod routing;
mod shopper;
mod slot_import;
mod slot_import_cut;
