//! The parts of tests/model that the targets are made of.

#[path = "../../tests/model/generate/mod.rs"]
pub mod generate;
#[path = "../../tests/model/host.rs"]
pub mod host;
#[path = "../../tests/model/reference/mod.rs"]
pub mod reference;
#[path = "../../tests/model/reply.rs"]
pub mod reply;
#[path = "../../tests/model/targets.rs"]
pub mod targets;
