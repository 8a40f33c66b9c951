//! Tests of the module in a real server.

mod harness;

// The model that tests/model compares with the code; here it is compared with a server.
#[path = "../model/generate/mod.rs"]
mod generate;
#[allow(dead_code)]
#[path = "../model/reference/mod.rs"]
mod reference;
#[allow(dead_code)]
#[path = "../model/reply.rs"]
mod reply;

mod arguments;
mod arriving;
mod carts;
mod churn;
mod clock;
mod documents;
mod expiry;
mod history;
mod inside;
mod limit_bounds;
mod limits;
mod memory;
mod model_on_server;
mod notices;
mod options;
mod persistence;
mod policy;
mod reading;
mod reconcile;
mod refusals;
mod replication;
mod replication_consumers;
mod second_module;
mod selling;
mod server_integration;
mod states;
mod stock;
mod streams;
mod tools;
