//! Tests of the module in a real Redis Cluster: three primaries with a replica each, on loopback.

mod audit;
mod events;
mod failover;
mod load;
mod resharding;
mod routing;
mod shopper;
mod slot_import;
mod slot_import_cut;
mod slot_import_newer;
